"""Recalled messages as a context shows them: who spoke, what, when; no fragments, nothing twice. Pure."""

from collections.abc import Collection, Iterable

from omega_models import metadata
from omega_models.prompt import LONGEST_RECALLED, PromptTexts, Said, one_line, shortened, speaker
from omega_models.recall_rank import Line
from omega_models.recall_words import WORD, asked, beginning, words

FRAGMENT = 25  # characters: a shorter message says little without the one it answers
LEAD = 30  # characters before the word that a long message is shown for
LONGEST_NAME = 40
BETWEEN = " — "


def passages(lines: Iterable[Line], query: str, shown: Collection[str], texts: PromptTexts) -> list[Said]:
    """The lines, each text once and none that is `shown` elsewhere, best first as they came.

    A fragment comes with the message before it, or after it; of a long message the words asked for are seen.
    """
    starts = frozenset(map(beginning, asked(query)))
    found: dict[str, Said] = {}
    rows: set[int] = set()
    for line in lines:
        if line.row in rows or line.content in shown or line.content in found:
            continue
        rows.add(line.row)
        beside = line.before or line.after
        if beside is None or beside.row in rows or len(line.content) >= FRAGMENT:
            found[line.content] = (who(line), excerpt(line.content, starts), line.moment)
        else:
            found[line.content] = _joined(line, beside, texts)
            rows.add(beside.row)
    return list(found.values())


def who(line: Line) -> str:
    return metadata.read(line.kept)[0] or line.role


def _joined(fragment: Line, beside: Line, texts: PromptTexts) -> Said:
    """Both in the order they were said; of a long one what is nearest to the fragment."""
    if beside is fragment.before:
        answer = f"{BETWEEN}{_named(fragment, texts)}{one_line(fragment.content)}"
        return who(beside), _ending(beside.content, LONGEST_RECALLED - len(answer)) + answer, beside.moment
    begun = f"{one_line(fragment.content)}{BETWEEN}{_named(beside, texts)}"
    rest = shortened(beside.content, LONGEST_RECALLED - len(begun))
    return who(fragment), begun + rest, fragment.moment


def _named(line: Line, texts: PromptTexts) -> str:
    return f"{shortened(speaker(who(line), texts), LONGEST_NAME)}: "


def _ending(text: str, most: int) -> str:
    line = one_line(text)
    return line if len(line) <= most else "…" + line[1 - most :].lstrip()


def excerpt(text: str, starts: Collection[str], most: int = LONGEST_RECALLED) -> str:
    """The text's beginning, unless words of those beginnings stand only further on: then from there."""
    line = one_line(text)
    if len(line) <= most:
        return line
    found = next((each.start() for each in WORD.finditer(line) if _is_one(each[0], starts)), 0)
    if found < most - LEAD:
        return shortened(line, most)
    start = found - LEAD
    start = max(start, line.rfind(" ", start - LEAD, start) + 1)
    return "…" + shortened(line[min(start, len(line) - most + 1) :], most - 1)


def _is_one(word: str, starts: Collection[str]) -> bool:
    return any(beginning(each) in starts for each in words(word))
