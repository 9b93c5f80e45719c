"""Which of eight languages a text is in: with a library where one is installed, else by frequent words."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
import threading
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from omega_models.language_words import EVERYWHERE, FREQUENT, LANGUAGES, LETTERS, OTHERS, PIECES

log = logging.getLogger("omega_models")

Guess = tuple[str, float] | None
Detect = Callable[[str], str | tuple[str, float] | None]

ENGLISH = "English"
LIBRARY = "langidentify"
CONFIDENT = 0.6  # from here a guess may be kept as a person's language
CORRECTING = 0.8  # and from here it may replace an earlier guess
FEW_WORDS = 3  # fewer never make a confident guess
MOST_LETTERS = 2000  # of a text that are looked at
CLEAR = 0.2  # of the library's gap between the best two
CLEARER = 1.3  # of the votes' gap
WAVERING = 0.4  # below this, frequent words may know better
NOISE = re.compile(
    r"```.*?```|`[^`]*`|\b\w+://\S+|\bwww\.\S+|\S+@\S+\.\S+|(?<!\w)[@#/]\w+|\b[\w-]+\.(?:com|org|net|io|de|fr|es|it|ru|nl|br|pt)\b\S*",
    re.DOTALL,
)
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SAID = re.compile(r"[!?¿¡%\d]")  # what no name holds
CYRILLIC = re.compile("[а-яё]")
LATIN = re.compile("[a-zà-ÿœ]")


def detect_language(text: str) -> str:
    """The English name of one of eight languages; `English` when unsure. The first call may take a second."""
    found = detect(text)
    return found[0] if found else ENGLISH


def detect(text: str, *, wait: bool = True) -> Guess:
    """The language and how sure that is, from 0 to 1; None for what tells nothing, such as names and addresses.

    Without `wait` frequent words decide as long as the library is being loaded.
    """
    prose = NOISE.sub(" ", text[:MOST_LETTERS])
    spoken = WORD.findall(prose)
    if not _tells(spoken, prose):
        return None
    lowered = [word.lower().replace("’", "'") for word in spoken]
    known = _library(wait=wait)
    found = _surer(_ask(known, prose), lowered) if known else by_words(lowered)
    if found is None:
        return None
    name, sure = found
    return name, min(sure, 0.5) if len(set(lowered) - EVERYWHERE) < FEW_WORDS else sure


def judged(own: Detect | None, text: str) -> Guess:
    """What the caller's own detector says, or ours without waiting for a library; a bare name is a sure one."""
    if own is None:
        return detect(text, wait=False)
    found = own(text)
    return (found, 1.0) if isinstance(found, str) else found


def _tells(spoken: list[str], prose: str) -> bool:
    """Whether there is more than names, sounds and other languages' letters."""
    lowered = [word.lower() for word in spoken]
    if all(word in EVERYWHERE or len(word) < 2 for word in lowered):
        return False
    letters = "".join(lowered)
    if not (LATIN.search(letters) or CYRILLIC.search(letters)) or OTHERS.intersection(letters):
        return False
    named = len(spoken) <= FEW_WORDS and all(word[0].isupper() for word in spoken) and not SAID.search(prose)
    return not named or any(word in _languages_of() for word in lowered)


# By a library


class _Loading:
    """The library, loaded once a process by a thread of its own."""

    def __init__(self) -> None:
        self.model: Any = None
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._load, name="omega-language", daemon=True)
                self._thread.start()

    def _load(self) -> None:
        try:
            library = importlib.import_module(LIBRARY)
            languages = library.Language.from_comma_separated(",".join(LANGUAGES))
            models = (
                Path(str(library.__file__)).parent / "models" / "lite"
            )  # read as a folder every file is closed
            self.model = library.Model.load_from_path(str(models), languages)
        except Exception as error:  # noqa: BLE001  whatever a library may raise, frequent words still do
            log.warning("%s cannot be used, languages are told by frequent words: %s", LIBRARY, error)
        finally:
            self.done.set()


_loading = _Loading()
_own = threading.local()


@cache
def is_installed() -> bool:
    return importlib.util.find_spec(LIBRARY) is not None


def _library(*, wait: bool) -> Any:
    """This thread's detector; None where there is no library, or not yet."""
    if not is_installed():
        return None
    _loading.begin()
    if wait:
        _loading.done.wait()
    if _loading.model is None:
        return None
    if not hasattr(_own, "detector"):
        _own.detector = importlib.import_module(LIBRARY).Detector(_loading.model)
    return _own.detector


def _ask(detector: Any, prose: str) -> Guess:
    code = detector.detect(prose).iso_code
    return (LANGUAGES[code], min(1.0, detector.results.gap / CLEAR)) if code in LANGUAGES else None


def _surer(guess: Guess, lowered: list[str]) -> Guess:
    """Where the library wavers, what frequent words say, if they are surer."""
    if guess is not None and guess[1] >= WAVERING:
        return guess
    other = by_words(lowered)
    return max(filter(None, (guess, other)), key=itemgetter(1), default=None)


# By frequent words


@cache
def _languages_of() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for code, text in FREQUENT.items():
        for word in set(text.split()):
            found.setdefault(word, []).append(code)
    return found


@cache
def _pieces() -> list[tuple[str, str]]:
    return [(piece, code) for code, text in PIECES.items() for piece in text.split()]


def by_words(lowered: list[str]) -> Guess:
    """Words and their pieces vote, each for the languages it stands in."""
    letters = "".join(lowered)
    if len(CYRILLIC.findall(letters)) * 2 > len(letters):
        return LANGUAGES["ru"], 1.0
    votes = dict.fromkeys(PIECES, 0.0)
    for word in lowered:
        held = [code for code in _languages_of().get(word, ()) if code in votes]
        for code in held:
            votes[code] += 2.0 / len(held)
        for piece, code in _pieces() if len(word) > 3 or not held else ():
            votes[code] += 0.25 if piece in f"_{word}_" else 0.0
    for code, marks in LETTERS.items():
        votes[code] += 1.5 * sum(letters.count(mark) for mark in marks)
    best, second = sorted(votes, key=lambda code: -votes[code])[:2]
    if votes[best] <= 0:
        return None
    return LANGUAGES[best], min(1.0, CLEARER * (votes[best] - votes[second]) / (votes[best] + 2.0))
