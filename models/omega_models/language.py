"""Which of eight languages a text is in: with a library where one is installed, else by frequent words."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from omega_models import checks
from omega_models.language_words import (
    EVERYWHERE,
    FREQUENT,
    LANGUAGES,
    LETTERS,
    OF_NAMES,
    OTHERS,
    PIECES,
)

log = logging.getLogger("omega_models")

Guess = tuple[str, float] | None
Detect = Callable[[str], str | tuple[str, float] | None]

ENGLISH = "English"
LIBRARY = "langidentify"
CONFIDENT = 0.6  # from here a guess may be kept as a person's language
UNSURE = 0.5  # the most that a few words, or a name, can tell
CORRECTING = 0.8  # and from here it may replace an earlier guess
FEW_WORDS = 3  # fewer never make a confident guess
LONGEST_NAME = 6  # words, of a person or a place: nor does that
MOST_LETTERS = 2000  # of a text that are looked at
CLEAR = 0.2  # of the library's gap between the best two
CLEARER = 1.3  # of the votes' gap
WAVERING = 0.4  # below this, frequent words may know better
RARELY = 1_000_000  # collections of the middle generation to one of everything
NOISE = re.compile(
    r"```.*?```|`[^`]*`|\b\w+://\S+|\bwww\.\S+|\S+@\S+\.\S+|(?<!\w)[@#/]\w+|\b\w+_\w+"
    r"|\b[\w-]+\.(?:com|org|net|io|de|fr|es|it|ru|nl|br|pt|pdf|txt|jpe?g|png|docx?|xlsx?|csv|json|py|zip)\b\S*",
    re.DOTALL,
)
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SAID = re.compile(r"[!?¿¡%\d]")  # what no name holds
CYRILLIC = re.compile("[а-яё]")
LATIN = re.compile("[a-zà-ÿœ]")


def detect_language(text: str) -> str:
    """The English name of one of eight languages; `English` when unsure. The first call may take a second."""
    found = detect(checks.instance(text, "text", str))
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
    few = len(set(lowered) - EVERYWHERE) < FEW_WORDS or not _is_backed(name, lowered)
    return name, min(sure, UNSURE) if few or _is_name(spoken) else sure


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
    if SAID.search(prose) or not _is_name(spoken):
        return True
    return any(word in _languages_of() for word in lowered if word not in OF_NAMES)


def _is_backed(name: str, lowered: list[str]) -> bool:
    """Whether a short text holds a frequent word of the language, which names in small letters do not."""
    if len(lowered) > LONGEST_NAME:
        return True
    known = (_languages_of().get(word, ()) for word in lowered if word not in OF_NAMES)
    return any(LANGUAGES[code] == name for codes in known for code in codes)


def _is_name(spoken: list[str]) -> bool:
    """Whether it may be one: all in capitals but for what stands between names, and sounds."""
    named = [word for word in spoken if word.lower() not in EVERYWHERE]
    return len(named) <= LONGEST_NAME and all(word[0].isupper() or word in OF_NAMES for word in named)


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
            with _without_full_collections():
                library = importlib.import_module(LIBRARY)
                languages = library.Language.from_comma_separated(",".join(LANGUAGES))
                models = (
                    Path(str(library.__file__)).parent / "models" / "lite"
                )  # read as a folder every file is closed
                model = library.Model.load_from_path(str(models), languages)
                _lighten(model)
                self.model = model
        except Exception as error:  # noqa: BLE001  whatever a library may raise, frequent words still do
            log.warning("%s cannot be used, languages are told by frequent words: %s", LIBRARY, error)
        finally:
            self.done.set()


def _lighten(model: Any) -> None:
    """Tuples of numbers for 160,000 arrays, which every full collection would look at as long as the program runs."""
    with suppress(AttributeError, TypeError):  # a model of another make stays as it is
        for table in (*map(model.get_table, range(1, model.max_ngram + 1)), model.topwords_table):
            for word, entry in table.items():
                if isinstance(entry, tuple):
                    table[word] = tuple(map(tuple, entry))


@contextmanager
def _without_full_collections() -> Iterator[None]:
    """A model is very many small objects; each time all are looked through, every other thread stands still."""
    found = gc.get_threshold()
    rare = (found[0], found[1], RARELY)
    gc.set_threshold(*rare)
    try:
        yield
    finally:
        if gc.get_threshold() == rare:
            gc.set_threshold(*found)


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
    """What frequent words say, if they are surer, where they agree with the library or it wavers."""
    other = by_words(lowered)
    agreed = guess is not None and other is not None and guess[0] == other[0]
    if guess is not None and guess[1] >= WAVERING and not agreed:
        return guess
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
    if votes[best] <= votes[second]:
        return None
    return LANGUAGES[best], min(1.0, CLEARER * (votes[best] - votes[second]) / (votes[best] + 2.0))
