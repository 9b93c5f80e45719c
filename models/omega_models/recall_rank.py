"""How well messages answer a question: by their own words, and those of the turns around them. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
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

    @property
    def moment(self) -> datetime:
        return times.from_text(self.stored)

    @cached_property
    def words(self) -> list[str]:
        return words(self.content)

    @cached_property
    def is_question(self) -> bool:
        return any(mark in self.content.rstrip()[-3:] for mark in "?？؟")

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


def rank(question: Question, lines: Collection[Line], speaking: Collection[int], limit: int) -> list[Line]:
    """The best lines first; only in the rows `speaking` words of the question are looked for."""
    own = {line.row: _own(question, line) for line in lines if line.row in speaking}
    covered: dict[str, set[str]] = {}
    best: dict[int, dict[str, float]] = {line.row: {} for line in lines}
    for line in lines:
        if worths := own.get(line.row):
            covered.setdefault(line.conversation, set()).update(worths)
            _lend(line, worths, best)
    together = {each: WEIGHTS.conversation * _told(question, found) for each, found in covered.items()}
    scores = {
        line.row: _told(question, best[line.row]) + together[line.conversation]
        for line in lines
        if best[line.row]
    }
    told = [line for line in lines if line.row in scores]
    likely = nlargest(max(LIKELY, 2 * limit), told, key=lambda line: scores[line.row])
    for line in likely:
        scores[line.row] *= _fitting(question, line)
    return nlargest(limit, likely, key=lambda line: (scores[line.row], line.row))


def _told(question: Question, found: Mapping[str, float] | Collection[str]) -> float:
    """What the words tell together, each by its worth where they have one."""
    if isinstance(found, Mapping):
        return sum(question.terms[term] * worth for term, worth in found.items())
    return sum(question.terms[term] for term in found)


def _own(question: Question, line: Line) -> dict[str, float]:
    """The worth of the question's words in the line itself."""
    found: dict[str, float] = {}
    for word in line.words:
        if (letters := word[:BEGINNING]) in question.meant_by:
            for term in question.meant_by[letters]:
                worth = likeness(term, word) or (ALMOST if term in question.slips else 0.0)
                if worth > found.get(term, 0.0):
                    found[term] = worth
    lengthy = 1 - WEIGHTS.length + WEIGHTS.length * len(line.words) / USUAL_LENGTH
    for term in found:
        found[term] *= 2.2 / (1 + 1.2 * lengthy)  # as BM25 has it for a word that stands there once
    return found


def _lend(line: Line, worths: Mapping[str, float], best: Mapping[int, dict[str, float]]) -> None:
    """Each line counts, for a word, the best of its own and what its neighbours lend."""
    for row, share in _reached(line):
        there = best[row]
        for term, worth in worths.items():
            if worth * share > there.get(term, 0.0):
                there[term] = worth * share


def _reached(line: Line) -> Iterator[tuple[int, float]]:
    yield line.row, 1.0
    later, earlier = line.after, line.before
    answers = 1 + WEIGHTS.answer if line.is_question else 1.0
    fading = 1.0
    for _ in range(REACH):
        if later:
            yield later.row, WEIGHTS.before * fading * answers
            later = later.after
        if earlier:
            yield earlier.row, WEIGHTS.after * fading
            earlier = earlier.before
        fading, answers = fading * WEIGHTS.fading, 1.0


def _fitting(question: Question, line: Line) -> float:
    found = 1.0 - (WEIGHTS.question if line.is_question else 0.0)
    if question.names and line.is_by(question.names):
        found *= 1 + WEIGHTS.speaker
    if question.dates:
        found *= 1 + WEIGHTS.date * recall_dates.nearness(question.dates, line.moment)
    if question.dates.when and not recall_dates.TIMES.isdisjoint(line.words):
        found *= 1 + WEIGHTS.time
    return found
