"""Recall: what was said before about what is asked now, of one sender and nobody else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from omega_models import checks, recall_dates, recall_index, recall_vectors, times
from omega_models import recall_statements as sql
from omega_models.errors import InvalidText
from omega_models.incoming import optional_id
from omega_models.recall_index import SPEAKER, Index, listed
from omega_models.recall_nearness import NONE
from omega_models.recall_rank import REACH, Line, Question, link, rank, telling, unlink
from omega_models.recall_words import asked, beginning, is_slip, words

if TYPE_CHECKING:
    from omega_models.database import Database
    from omega_models.store import Store

MOST_TERMS = 40  # of a question that are looked up
TELLING_TERMS = 12  # and of them looked for, the rarest
PER_TERM = 600  # messages that one term brings up, the newest
LEAST_SEEDS = 40  # messages whose surroundings are looked at
PER_PAIR = 200  # and that two common ones bring up together
COMMON_TERMS = 4  # that are looked for in pairs, where each alone stands in too many messages
LEFT_OUT = 5000  # messages of the conversation that is left out
ALIKE = 2000  # terms that are compared with one that stands nowhere
NEAREST = 20  # messages that an embedding brings up
IN_ORDER = attrgetter("stored", "row")


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
    meaning = recall_vectors.meaning(store, given.query) if asked(given.query) else NONE
    with store.database.snapshot():
        found = find(store, given, meaning)
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
    newest: int = 0  # of the conversation that is left out, only so many; 0: all


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


def find(store: Store, wanted: Wanted, meaning: bytes = NONE) -> list[Line]:
    """The lines, best first, inside the caller's snapshot; nothing is indexed first.

    `meaning` is the query's vector, where there is one.
    """
    database = store.database
    held = recall_index.chats(database, wanted.sender_id, wanted.channel, wanted.group)
    spoken = asked(wanted.query)
    if not held or not spoken or not wanted.limit:
        return []
    index = Index(database, held, wanted.project, PER_TERM)
    question = _understood(index, wanted.query, spoken[:MOST_TERMS])
    hits = _hits(index, question)
    left_out = set(_left_out(database, wanted))
    near = recall_vectors.near(store, meaning, [chat.number for chat in held], wanted.project)
    for row in left_out:
        hits.pop(row, None)
        near.pop(row, None)
    seeds = _seeds(hits, max(LEAST_SEEDS, 2 * wanted.limit)) + _seeds(near, NEAREST)
    lines = _surroundings(database, list(dict.fromkeys(seeds)), wanted, left_out)
    found = rank(question, lines, hits, near, wanted.limit)
    known = {line.row for line in found}
    unlink(line for line in lines if line.row not in known)
    if len(found) < wanted.limit and (span := recall_dates.span(question.dates, store.clock())):
        found += _said_then(database, span, wanted, known | left_out)
    return _whole(database, found[: wanted.limit])


def _understood(index: Index, query: str, spoken: list[str]) -> Question:
    """The question's words by how much each tells, without the names of who took part."""
    people = index.present(SPEAKER + word for word in spoken)
    names = frozenset(word for word in spoken if SPEAKER + word in people)
    subject = [word for word in spoken if word not in names] or spoken
    known = index.spread(map(beginning, subject))
    slips = _slips(index, [word for word in subject if beginning(word) not in known])
    if slips:
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
            near = {each for each in index.alike(start, ALIKE) if len(each) > 2 and is_slip(each, start)}
            found |= {word: frozenset(near)} if near else {}
    return found


def _hits(index: Index, question: Question) -> dict[int, float]:
    """Messages that hold words of the question, by how much those tell; of a word that many hold, the newest."""
    scores: dict[int, float] = {}
    common: list[str] = []
    searches = [_starts(word, question.slips) for word in question.terms]
    for starts, tells, rows in zip(searches, question.terms.values(), index.holding(searches), strict=True):
        if len(rows) == PER_TERM:
            common.append(starts[0])
        told = dict.fromkeys(rows, tells)
        for row in scores.keys() & told.keys():
            told[row] += scores[row]
        scores |= told
    if len(common) > 1:
        least = 2 * min(question.terms.values())
        for row in index.holding_two(common[:COMMON_TERMS][::-1], PER_PAIR):
            scores[row] = max(scores.get(row, 0.0), least)
    return scores


def _seeds(hits: Mapping[int, float], most: int) -> list[int]:
    if len(hits) > most:  # to compare numbers alone takes a fifth of the time
        least = sorted(hits.values())[-most]
        hits = {row: score for row, score in hits.items() if score >= least}
    best = sorted(zip(hits.values(), hits.keys(), strict=True), reverse=True)
    return [row for _, row in best[:most]]


def _left_out(database: Database, wanted: Wanted) -> list[int]:
    if wanted.left_out is None:
        return []
    limit = wanted.newest or LEFT_OUT
    return [
        row for (row,) in database.rows(sql.of_conversation, conversation_id=wanted.left_out, limit=limit)
    ]


def _surroundings(
    database: Database, seeds: list[int], wanted: Wanted, left_out: Collection[int]
) -> list[Line]:
    """The seeds and what was said around them, each line knowing its neighbours."""
    grouped, scope = wanted.group is not None, {"sender_id": wanted.sender_id, "group": wanted.group}
    found = database.rows(sql.around, grouped, rows=listed(database, seeds), reach=REACH + 1, **scope)
    whole = None if wanted.newest else wanted.left_out
    lines: dict[int, Line] = {}
    windows: dict[int, list[Line]] = {}
    for seed, *line in found:
        row, conversation = line[:2]
        if row in left_out or conversation == whole:
            continue
        if row not in lines:
            lines[row] = Line(*line)
        windows.setdefault(seed, []).append(lines[row])
    link([sorted(window, key=IN_ORDER) for window in windows.values()])
    return list(lines.values())


def _said_then(
    database: Database, span: tuple[datetime, datetime], wanted: Wanted, known: Collection[int]
) -> list[Line]:
    """What was said on a date that the question names, where its words find too little."""
    scope = {"channel": wanted.channel, "project": wanted.project, "group_target": wanted.group}
    given = {name: value for name, value in scope.items() if value is not None}
    since, until = map(times.to_text, span)
    found = database.rows(
        sql.said_between,
        tuple(given),
        sender_id=wanted.sender_id,
        since=since,
        until=until,
        limit=wanted.limit + len(known),
        **given,
    )
    whole = None if wanted.newest else wanted.left_out
    lines = _lines(database, [row for (row,) in found if row not in known], wanted)
    return sorted((line for line in lines if line.conversation != whole), key=lambda line: line.moment)


def _lines(database: Database, rows: list[int], wanted: Wanted) -> list[Line]:
    scope = {"sender_id": wanted.sender_id, "group": wanted.group}
    found = database.rows(sql.lines, wanted.group is not None, rows=listed(database, rows), **scope)
    return [Line(*row) for row in found]


def _whole(database: Database, lines: list[Line]) -> list[Line]:
    """The lines with all of their text."""
    cut = {line.row: line for line in lines if len(line.content) >= sql.LONGEST}
    for row, text in database.rows(sql.texts, rows=listed(database, list(cut))) if cut else ():
        cut[row].content = text
    return lines
