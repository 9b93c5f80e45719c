"""How well messages answer a question: by their own words, and those of the turns around them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from heapq import nlargest
from itertools import pairwise
from math import log

from omega_models import metadata, recall_dates, times
from omega_models.recall_words import ALMOST, BEGINNING, beginning, likeness, words

USUAL_LENGTH = 30  # words of a message
Stored = str | datetime  # a time as the database gives it


@dataclass(frozen=True)
class Weights:
    """What counts how much. Recall changes little where any of them is halved or half as large again."""

    length: float = 0.3  # how much a long message has to say for its words to count as those of a short one
    before: float = 0.6  # a word that stands in the turn before
    after: float = 0.4  # and in the turn after
    fading: float = 0.7  # for each further turn
    answer: float = 0.6  # what is said right after a question
    question: float = 0.2  # less for a question: one looks for answers
    speaker: float = 0.9  # said by who the question names
    conversation: float = 0.25  # said where the question's other words fell too
    date: float = 0.6  # said in the month that the question names, and twice that on its day
    time: float = 0.4  # speaks of a time, where the question is when
    meaning: float = 0.4  # an embedding as near as can be, beside a line that says every word of the question


WEIGHTS = Weights()
REACH = 3  # turns to each side
LIKELY = 80  # lines whose speaker, date and the like are looked at, at least


@dataclass(frozen=True)
class Question:
    """What is looked for: `terms` by how much each tells, people it names, and times."""

    terms: Mapping[str, float]
    slips: Mapping[str, frozenset[str]]  # beginnings that may be meant by a word nobody ever used
    names: frozenset[str]
    dates: recall_dates.Asked

    @cached_property
    def meant_by(self) -> dict[str, list[str]]:
        """The terms by the first letters of the words that may be meant."""
        found: dict[str, list[str]] = {}
        for term in self.terms:
            for start in self.slips.get(term, (beginning(term),)):
                for letters in (start, start + "s") if len(start) < BEGINNING else (start,):
                    found.setdefault(letters, []).append(term)
        return found


class Line:
    """A message that may answer, and its place among others."""

    __slots__ = ("_words", "after", "before", "content", "conversation", "kept", "role", "row", "stored")

    def __init__(
        self, row: int, conversation: str, role: str, content: str, stored: Stored, kept: str | None
    ) -> None:
        self.row = row
        self.conversation = conversation
        self.role = role
        self.content = content
        self.stored = stored
        self.kept = kept
        self.before: Line | None = None
        self.after: Line | None = None
        self._words: list[str] | None = None

    @property
    def moment(self) -> datetime:
        return times.from_text(self.stored)

    @property
    def words(self) -> list[str]:
        if self._words is None:
            self._words = words(self.content)
        return self._words

    @property
    def is_question(self) -> bool:
        end = self.content[-3:] if self.content[-1:].isalnum() else self.content.rstrip()[-3:]
        return "?" in end or "？" in end or "؟" in end

    def is_by(self, names: Collection[str]) -> bool:
        """Whether it was said by one of them."""
        name = metadata.read(self.kept)[0]
        return name is not None and not set(names).isdisjoint(words(name))


def telling(known: int, of: int) -> float:
    """How much a word tells that stands in `known` of a sender's messages."""
    return log(1 + (max(of, known) - known + 0.5) / (known + 0.5))


def link(windows: Sequence[Sequence[Line]]) -> None:
    """Lets each line know its neighbours, from stretches of lines as they followed each other."""
    for window in windows:
        for one, following in pairwise(window):
            one.after, following.before = following, one


def unlink(lines: Iterable[Line]) -> None:
    """Lets lines go that nobody wants: linked to each other they would wait for the collection of garbage."""
    for line in lines:
        line.before = line.after = None


def rank(
    question: Question,
    lines: Collection[Line],
    speaking: Collection[int],
    near: Mapping[int, float],
    limit: int,
) -> list[Line]:
    """The best lines first; only in the rows `speaking` words of the question are looked for.

    `near`: how near the rows are by an embedding, where there are any.
    """
    covered: dict[str, set[str]] = {}
    best: dict[Line, dict[str, float]] = {}
    for line in lines:
        if line.row in speaking and (worths := _own(question, line)):
            covered.setdefault(line.conversation, set()).update(worths)
            _lend(line, worths, best)
    together = {
        each: WEIGHTS.conversation * sum(map(question.terms.__getitem__, found))
        for each, found in covered.items()
    }
    scores = {line: sum(told.values()) + together[line.conversation] for line, told in best.items()}
    if near:
        _add_nearness(question, lines, near, together, scores)
    likely = sorted(scores, key=scores.__getitem__, reverse=True)[: max(LIKELY, 2 * limit)]
    for line in likely:
        scores[line] *= _fitting(question, line)
    return nlargest(limit, likely, key=lambda line: (scores[line], line.row))


def _add_nearness(
    question: Question,
    lines: Collection[Line],
    near: Mapping[int, float],
    together: Mapping[str, float],
    scores: dict[Line, float],
) -> None:
    worth = WEIGHTS.meaning * (sum(question.terms.values()) or 1.0)
    for line in lines:
        if (nearness := near.get(line.row, 0.0)) > 0:
            scores[line] = scores.get(line, together.get(line.conversation, 0.0)) + worth * nearness


def _own(question: Question, line: Line) -> dict[str, float]:
    """What the question's words tell in the line itself."""
    found: dict[str, float] = {}
    meant_by, spoken = question.meant_by, line.words
    for word in [each for each in spoken if each[:BEGINNING] in meant_by]:
        for term in meant_by[word[:BEGINNING]]:
            worth = likeness(term, word) or (ALMOST if term in question.slips else 0.0)
            if worth > found.get(term, 0.0):
                found[term] = worth
    lengthy = 1 - WEIGHTS.length + WEIGHTS.length * len(spoken) / USUAL_LENGTH
    rarity = 2.2 / (1 + 1.2 * lengthy)  # as BM25 has it for a word that stands there once
    return {term: worth * rarity * question.terms[term] for term, worth in found.items()}


def _lend(line: Line, told: Mapping[str, float], best: dict[Line, dict[str, float]]) -> None:
    """Each line counts, for a word, the best of its own and what its neighbours lend."""
    for reached, share in _reached(line):
        there = best.setdefault(reached, {})
        for term, worth in told.items():
            if worth * share > there.get(term, 0.0):
                there[term] = worth * share


def _shares(first: float) -> tuple[float, ...]:
    return tuple(first * WEIGHTS.fading**turns for turns in range(REACH))


LATER, EARLIER = _shares(WEIGHTS.before), _shares(WEIGHTS.after)
ANSWERS = (LATER[0] * (1 + WEIGHTS.answer), *LATER[1:])


def _reached(line: Line) -> list[tuple[Line, float]]:
    """The line and its neighbours, by how much of what it tells is told there."""
    found = [(line, 1.0)]
    there = line.after
    for share in ANSWERS if line.is_question else LATER:
        if there is None:
            break
        found.append((there, share))
        there = there.after
    there = line.before
    for share in EARLIER:
        if there is None:
            break
        found.append((there, share))
        there = there.before
    return found


def _fitting(question: Question, line: Line) -> float:
    found = 1.0 - (WEIGHTS.question if line.is_question else 0.0)
    if question.names and line.is_by(question.names):
        found *= 1 + WEIGHTS.speaker
    if question.dates:
        found *= 1 + WEIGHTS.date * recall_dates.nearness(question.dates, line.moment)
    if question.dates.when and not recall_dates.TIMES.isdisjoint(line.words):
        found *= 1 + WEIGHTS.time
    return found
