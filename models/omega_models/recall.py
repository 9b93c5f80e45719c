"""Recall: what was said before about what is asked now, of one sender and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from heapq import nlargest
from typing import TYPE_CHECKING, Any, NamedTuple

from omega_models import checks, recall_dates, recall_index
from omega_models import recall_statements as sql
from omega_models.errors import InvalidText
from omega_models.incoming import optional_id
from omega_models.recall_index import SPEAKER, Index, listed
from omega_models.recall_rank import REACH, Line, Question, link, rank, telling
from omega_models.recall_words import asked, beginning, is_slip, words

if TYPE_CHECKING:
    from omega_models.database import Database
    from omega_models.store import Store

MOST_TERMS = 40  # of a question that are looked up
TELLING_TERMS = 12  # and of them looked for, the rarest
PER_TERM = 600  # messages that one term brings up, the newest
LEAST_SEEDS = 40  # messages whose surroundings are looked at
COMMON_TERMS = 4  # that are looked for in pairs, where each alone stands in too many messages
LEFT_OUT = 5000  # messages of the conversation that is left out
ALIKE = 2000  # terms that are compared with one that stands nowhere


class RecalledMessage(NamedTuple):
    role: str
    content: str
    timestamp: datetime


def search_messages(
    store: Store,
    query: str,
    exclude_conversation_id: str | None,
    sender_id: str | int,
    limit: int = 5,
    *,
    channel: str | None = None,
    project: str | None = None,
    group: str | int | None = None,
) -> list[RecalledMessage]:
    """What the sender and the assistant said that answers the query, best first; any text is a query.

    `exclude_conversation_id` is usually the present one; `channel`, `project` ("" is general) and `group`, a
    group's reply_target, narrow the search. Raises `InvalidId` or `InvalidText`.
    """
    given = checked(query, exclude_conversation_id, sender_id, limit, channel, project, group)
    recall_index.catch_up_now(store.database)
    with store.database.snapshot():
        found = find(store, given)
    return [RecalledMessage(line.role, line.content, line.moment) for line in found]


class Wanted(NamedTuple):
    """A search, its arguments checked."""

    query: str
    left_out: str | None
    sender_id: str
    limit: int
    channel: str | None
    project: str | None
    group: str | None


def checked(
    query: str,
    exclude_conversation_id: str | None,
    sender_id: str | int,
    limit: int,
    channel: str | None,
    project: str | None,
    group: str | int | None,
) -> Wanted:
    if not isinstance(query, str):
        raise InvalidText(f"query must be text, not {type(query).__name__}")
    return Wanted(
        query,
        checks.identifier(exclude_conversation_id, "conversation_id") if exclude_conversation_id else None,
        checks.identifier(sender_id, "sender_id"),
        checks.limit(limit),
        None if channel is None else checks.identifier(channel, "channel"),
        None if project is None else checks.project(project),
        optional_id(group, "group"),
    )


def find(store: Store, wanted: Wanted) -> list[Line]:
    """The lines, best first, inside the caller's snapshot; nothing is indexed first."""
    database = store.database
    held = recall_index.chats(database, wanted.sender_id, wanted.channel, wanted.group)
    spoken = asked(wanted.query)
    if not held or not spoken or not wanted.limit:
        return []
    index = Index(database, held, wanted.project)
    question = _understood(index, wanted.query, spoken[:MOST_TERMS])
    hits = _hits(index, question)
    for row in _left_out(database, wanted.left_out):
        hits.pop(row, None)
    lines = _surroundings(database, _seeds(hits, max(LEAST_SEEDS, 2 * wanted.limit)), wanted)
    return _whole(database, rank(question, lines, hits, wanted.limit))


def _understood(index: Index, query: str, spoken: list[str]) -> Question:
    """The question's words by how much each tells, without the names of who took part."""
    people = index.spread([SPEAKER + word for word in spoken])
    names = frozenset(word for word in spoken if SPEAKER + word in people)
    subject = [word for word in spoken if word not in names] or spoken
    known = index.spread([beginning(word) for word in subject])
    slips = _slips(index, [word for word in subject if beginning(word) not in known])
    known |= index.spread(sorted({each for meant in slips.values() for each in meant}))
    standing = {word: sum(known.get(each, 0) for each in _starts(word, slips)) for word in subject}
    tells = {word: telling(count, index.messages) for word, count in standing.items() if count}
    rarest = sorted(tells, key=lambda word: -tells[word])[:TELLING_TERMS]
    dates = recall_dates.read(query, words(query))
    return Question({word: tells[word] for word in rarest}, slips, names, dates)


def _starts(word: str, slips: Mapping[str, frozenset[str]]) -> list[str]:
    return sorted(slips.get(word, (beginning(word),)))


def _slips(index: Index, unknown: list[str]) -> dict[str, frozenset[str]]:
    """For words that stand nowhere, the beginnings that differ from theirs by one slip of the finger."""
    found: dict[str, frozenset[str]] = {}
    for word in unknown:
        start = beginning(word)
        if len(start) > 3 and start.isalpha():
            near = {each for each in index.alike(start[0], ALIKE) if len(each) > 2 and is_slip(each, start)}
            found |= {word: frozenset(near)} if near else {}
    return found


def _hits(index: Index, question: Question) -> dict[int, float]:
    """Messages that hold words of the question, by how much those tell; of a word that many hold, the newest."""
    scores: dict[int, float] = {}
    common: list[str] = []
    for word, tells in question.terms.items():
        starts = _starts(word, question.slips)
        rows = index.holding(starts, PER_TERM)
        if len(rows) == PER_TERM:
            common.append(starts[0])
        for row in rows:
            scores[row] = scores.get(row, 0.0) + tells
    if len(common) > 1:
        least = 2 * min(question.terms.values())
        for row in index.holding_two(common[:COMMON_TERMS], PER_TERM):
            scores[row] = max(scores.get(row, 0.0), least)
    return scores


def _seeds(hits: Mapping[int, float], most: int) -> list[int]:
    best = nlargest(most, zip(hits.values(), hits.keys(), strict=True))
    return [row for _, row in best]


def _left_out(database: Database, conversation_id: str | None) -> list[int]:
    if conversation_id is None:
        return []
    rows = database.rows(sql.of_conversation, conversation_id=conversation_id, limit=LEFT_OUT)
    return [row for (row,) in rows]


def _surroundings(database: Database, seeds: list[int], wanted: Wanted) -> list[Line]:
    """The seeds and what was said around them, each line knowing its neighbours."""
    found = database.rows(sql.around, rows=listed(database, seeds), reach=REACH + 1)
    windows: dict[int, list[tuple[Any, int]]] = {}
    for seed, row, moment in found:
        windows.setdefault(seed, []).append((moment, row))
    lines = {line.row: line for line in _lines(database, list({row for _, row, _ in found}), wanted)}
    link([[lines[row] for _, row in sorted(window) if row in lines] for window in windows.values()])
    return [line for line in lines.values() if line.conversation != wanted.left_out]


def _lines(database: Database, rows: list[int], wanted: Wanted) -> list[Line]:
    scope = {"sender_id": wanted.sender_id, "group": wanted.group}
    found = database.rows(sql.lines, wanted.group is not None, rows=listed(database, rows), **scope)
    return [Line(*row) for row in found]


def _whole(database: Database, lines: list[Line]) -> list[Line]:
    """The lines with all of their text."""
    texts: dict[int, str] = dict(
        database.rows(sql.texts, rows=listed(database, [line.row for line in lines]))
    )
    for line in lines:
        line.content = texts[line.row]
    return lines
