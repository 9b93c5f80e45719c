"""How often `detect_language` is right, by length and by language; how much time and memory it takes.

    uv run python benchmarks/language.py MESSAGES.json [--wrong]

MESSAGES.json: [{"text", "language": "de", "bucket": "1-3"}]; `bucket` is how long a message is, in whatever words.
Measured with the library of the extra `language`, where it is installed, and by frequent words alone. `kept` is the
share of messages whose language `build_context` would keep, and `of those` how many of these are right. Loading and
memory are those of a process of its own. --wrong prints the messages that were taken for another language.
"""

import argparse
import json
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

from measuring import apart, header, scratch, table

from omega_models import language
from omega_models.language import CONFIDENT, ENGLISH, Guess
from omega_models.language_words import LANGUAGES

WORDS, LIBRARY = "words", "library"
Detect = Callable[[str], Guess]
Message = dict[str, str]


def frequent_words(text: str) -> Guess:
    """As where the library is not installed."""
    is_installed = language.is_installed
    language.is_installed = lambda: False  # type: ignore[assignment]
    try:
        return language.detect(text)
    finally:
        language.is_installed = is_installed


def methods() -> dict[str, Detect]:
    with_library = {LIBRARY: language.detect} if language.is_installed() else {}
    return {WORDS: frequent_words, **with_library}


# What is right


def name_of(guess: Guess) -> str:
    return guess[0] if guess else ENGLISH


def line(label: str, method: str, messages: Sequence[Message], guesses: Sequence[Guess]) -> list[str]:
    right = [
        name_of(guess) == LANGUAGES[each["language"]] for each, guess in zip(messages, guesses, strict=True)
    ]
    sure = [guess is not None and guess[1] >= CONFIDENT for guess in guesses]
    kept = [each for each, is_kept in zip(right, sure, strict=True) if is_kept]
    shares = [f"{100 * mean(each):.1f}" if each else "" for each in (right, sure, kept)]
    return [f"{label}, {method}", f"{len(messages)}", *shares]


def groups(messages: Sequence[Message]) -> list[tuple[str, list[int]]]:
    """All, then each length, then each language: the numbers of the messages."""
    found: dict[str, list[int]] = {}
    for key in ("bucket", "language"):
        for n, each in enumerate(messages):
            found.setdefault(each.get(key, ""), []).append(n)
    return [("all", list(range(len(messages)))), *found.items()]


def print_accuracy(messages: Sequence[Message]) -> dict[str, list[Guess]]:
    guessed = {name: [detect(each["text"]) for each in messages] for name, detect in methods().items()}
    rows = [
        line(label, name, [messages[n] for n in chosen], [guesses[n] for n in chosen])
        for label, chosen in groups(messages)
        for name, guesses in guessed.items()
    ]
    table(["in %", "messages", "right", "kept", "of those"], rows)
    return guessed


def print_wrong(messages: Sequence[Message], guessed: dict[str, list[Guess]]) -> None:
    for name, guesses in guessed.items():
        print(f"\nWrong, {name}")
        for each, guess in zip(messages, guesses, strict=True):
            if name_of(guess) != LANGUAGES[each["language"]]:
                print(f"  {each['language']}  {each['text']!r}: {guess}")


# What it costs


def cost(method: str, path: str) -> dict[str, Any]:
    """In this process, which has done nothing else: milliseconds, µs a message, MB."""
    messages: list[Message] = json.loads(Path(path).read_text(encoding="utf-8"))
    before = memory()
    start = perf_counter()
    language.detect(messages[0]["text"], wait=False)
    first = perf_counter() - start
    detect = methods()[method]
    detect(messages[0]["text"])
    loaded = perf_counter() - start
    each = [timed(detect, message["text"]) for message in messages]
    return {
        "first": first * 1e3,
        "loaded": loaded * 1e3,
        "each": mean(each) * 1e6,
        "mb": memory() - before,
    }


def timed(detect: Detect, text: str) -> float:
    start = perf_counter()
    detect(text)
    return perf_counter() - start


def memory() -> float:
    """What this process holds now, in MB; where the system does not say, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return pages * resource.getpagesize() / (1 << 20)


def print_cost(path: str) -> None:
    rows = []
    for name in methods():
        found = apart(__file__, path, "--cost", name)
        rows.append([name, *(f"{found[key]:.1f}" for key in ("first", "loaded", "each", "mb"))])
    table(["", "first answer ms", "loaded ms", "µs a message", "memory MB"], rows)


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("messages", help="a JSON file of messages and their languages")
    parser.add_argument("--wrong", action="store_true", help="print what was taken for another language")
    parser.add_argument("--cost", choices=(WORDS, LIBRARY), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cost:
        print(json.dumps(cost(given.cost, given.messages)))
        return
    messages: list[Message] = json.loads(Path(given.messages).read_text(encoding="utf-8"))
    with scratch() as folder:
        header("Languages told apart", folder)
    guessed = print_accuracy(messages)
    print("\nIn a process of its own; the first answer is by frequent words while the library is loaded\n")
    print_cost(given.messages)
    if given.wrong:
        print_wrong(messages, guessed)


if __name__ == "__main__":
    main()
