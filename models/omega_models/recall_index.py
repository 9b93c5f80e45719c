"""The index of recall: which messages of a chat hold a word. Every entry begins with its chat's number.

So a search costs what one sender's chats hold, whatever others wrote. Triggers of plain SQL queue the row of
each message that anybody adds or edits, and take out what is deleted; whoever writes or searches next through
this program works the queue off.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

from omega_models import metadata, recall_merging
from omega_models import recall_statements as sql
from omega_models.database import Database
from omega_models.errors import StoreBusy, StoreError
from omega_models.recall_words import beginning, slips, words

log = logging.getLogger("omega_models")

AT_ONCE = 64  # rows of the queue that a write works off
MORE_AT_ONCE = 512  # and a search, or one batch of many
WHEN_OPENED = 5_000  # and whoever opens the file, which takes a second
RESTING = 0.5  # of the time that a batch took: a waiting writer looks every tenth of a second at least
IMPATIENT_MS = 20  # that a search waits for another writer
MANY = 20_000  # messages, from where reading a list of beginnings takes long
SPEAKER = "@"  # begins the terms that say who spoke


class Waiting(NamedTuple):
    """A message to be indexed; all but `row` None where it is gone."""

    row: int
    content: str | None
    metadata_json: str | None
    sender_id: str | None
    channel: str | None
    group_target: str | None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.sender_id or "", self.channel or "", self.group_target or ""


def catch_up(database: Database, most: int = AT_ONCE) -> int:
    """Indexes what waits, the newest first, inside the caller's transaction; how many rows were taken on."""
    waiting = [Waiting(*row) for row in database.rows(sql.waiting, limit=most)]
    there = [each for each in waiting if each.content is not None and each.sender_id is not None]
    numbers = _numbers(database, Counter(each.place for each in there))
    model = database.value(sql.model_in_use)
    sets = [
        {"row": each.row, "terms": _terms(database, numbers[each.place], each), "model": model}
        | {"chat": numbers[each.place]}
        for each in there
    ]
    database.many(sql.enter, sets=sets)
    if model is not None:
        database.many(sql.await_vector, sets=sets)
    database.many(sql.done, sets=[{"row": message.row} for message in waiting])
    return len(waiting)


def _numbers(
    database: Database, counts: Mapping[tuple[str, str, str], int]
) -> dict[tuple[str, str, str], int]:
    """The chats' numbers; each chat is counted so many messages more."""
    return {
        place: database.value(
            sql.chat_number, sender_id=place[0], channel=place[1], group_target=place[2], messages=count
        )
        for place, count in sorted(counts.items())
    }


def _terms(database: Database, chat: int, message: Waiting) -> Any:
    found = [term(chat, each) for each in entries(message.content or "", message.metadata_json)]
    return found if database.is_postgres else " ".join(found)


def entries(content: str, metadata_json: str | None) -> list[str]:
    """What a message is known by within its chat: the beginnings of its words, and who spoke."""
    name = metadata.read(metadata_json)[0] if metadata_json else None
    spoken = {beginning(word) for word in words(content)}
    speaker = {SPEAKER + word for word in words(name)} if name else set()
    return sorted(spoken | speaker)


def term(chat: int, word: str) -> str:
    return f"{chat}_{word}"


def listed(database: Database, rows: list[int]) -> Any:
    return database.listed(rows)  # type: ignore[arg-type]  # numbers are listed as texts are


def is_behind(database: Database) -> bool:
    return bool(database.value(sql.is_waiting))


def catch_up_now(database: Database, most: int = MORE_AT_ONCE) -> None:
    """The same in transactions of its own, where something waits; for a locked file it does not wait itself."""
    if not is_behind(database):
        return
    try:
        with impatient(database):
            while most > 0 and is_behind(database):
                with database.writing():
                    taken = catch_up(database, min(most, MORE_AT_ONCE))
                most = most - taken if taken else 0
    except StoreBusy:
        return
    except StoreError as error:
        log.warning("recall does not know the latest messages yet: %s", error)


@contextmanager
def impatient(database: Database) -> Iterator[None]:
    """Inside, a write hardly waits for another writer."""
    if database.is_postgres:
        yield
        return
    ((patience,),) = database.sql_rows("PRAGMA busy_timeout")
    database.sql_rows(f"PRAGMA busy_timeout = {IMPATIENT_MS}")
    try:
        yield
    finally:
        database.sql_rows(f"PRAGMA busy_timeout = {patience}")


def count_waiting(database: Database) -> int:
    """How many messages the index does not know yet, or not as they are now."""
    return int(database.value(sql.count_waiting))


def index_all(
    database: Database,
    tell: Callable[[int], object] = lambda _: None,
    *,
    most: int | None = None,
    at_once: int = MORE_AT_ONCE,
    rest: Callable[[float], object] = time.sleep,
) -> int:
    """Works off the queue, all of it or `most` messages, the newest first; how many were taken on.

    In short transactions, with a rest after each, so that whoever writes meanwhile gets in between. It can be
    broken off and begun again. `tell` hears how many are done.
    """
    indexed = 0
    while (most is None or indexed < most) and is_behind(database):
        begun = perf_counter()
        with database.writing():
            taken = catch_up(database, at_once if most is None else min(at_once, most - indexed))
        if not taken:
            break
        indexed += taken
        tell(indexed)
        rest((perf_counter() - begun) * RESTING)
    recall_merging.merge(database, rest)
    return indexed


def forget_chats(database: Database, sender_id: str) -> int:
    """Takes the sender's chats out, inside the caller's transaction that deletes their messages; how many.

    Their words leave the file once the index was optimised: `INSERT INTO recall (recall) VALUES ('optimize')`.
    """
    return database.run(sql.forget_chats, sender_id=sender_id)


# Asking


class Chat(NamedTuple):
    """A sender's private chat on a channel, or a group; `messages` is about how many were indexed."""

    number: int
    messages: int


def chats(database: Database, sender_id: str, channel: str | None, group: str | None) -> list[Chat]:
    """The sender's, of one channel or all, of one group or all."""
    filters = {"channel": channel, "group_target": group}
    given = {name: value for name, value in filters.items() if value is not None}
    return [Chat(*row) for row in database.rows(sql.chats, tuple(given), sender_id=sender_id, **given)]


class Index:
    """What some chats hold, and of a project if one is named."""

    def __init__(self, database: Database, held: list[Chat], project: str | None, most: int) -> None:
        self._database = database
        self._numbers = [chat.number for chat in held]
        self._scope = {"project": project} if project is not None else {}
        self._most = most
        self._held: dict[str, list[int]] = {}  # what a server told with how many there are
        self.messages = sum(chat.messages for chat in held)

    def present(self, wanted: Iterable[str]) -> set[str]:
        """Those of the terms that stand in any message."""
        here = self._here(wanted)
        listed = self._database.listed(list(here))
        return {here[stored] for (stored,) in self._database.rows(sql.present, terms=listed)}

    def spread(self, wanted: Iterable[str]) -> dict[str, int]:
        """In how many messages each term stands; those that stand nowhere are left out."""
        here, found = self._here(wanted), Counter[str]()
        for stored, count in self._counts(self._database.listed(list(here))) if here else ():
            found[here[stored]] += count
        return dict(found)

    def _counts(self, terms: Any) -> list[tuple[str, int]]:
        if not self._database.is_postgres:
            return self._database.rows(sql.spread, terms=terms)
        found = self._database.rows(sql.held, bool(self._scope), terms=terms, limit=self._most, **self._scope)
        self._held |= {stored: newest or [] for stored, _, newest in found}
        return [(stored, count) for stored, count, _ in found]

    def _here(self, wanted: Iterable[str]) -> dict[str, str]:
        return {term(number, word): word for word in wanted for number in self._numbers}

    def holding(self, wanted: Sequence[list[str]]) -> list[list[int]]:
        """For each list of terms, whose spread was asked for, the newest messages that hold any of them."""
        if self._database.is_postgres:
            return [self._held_by(terms) for terms in wanted]
        return self._newest([self._any(terms) for terms in wanted], self._most)

    def _held_by(self, wanted: list[str]) -> list[int]:
        rows = {row for stored in self._here(wanted) for row in self._held.get(stored, ())}
        return sorted(rows, reverse=True)[: self._most]

    def holding_two(self, wanted: list[str], limit: int) -> list[int]:
        """The newest messages that hold two of the terms at least. On a server none."""
        if self._database.is_postgres:
            return []
        terms = [self._any([each]) for each in wanted]
        pairs = [f"({one} AND ({' OR '.join(terms[n:])}))" for n, one in enumerate(terms[:-1], 1)]
        return self._newest([" OR ".join(pairs)], limit)[0]

    def _newest(self, searches: list[str], limit: int) -> list[list[int]]:
        given = {"searches": self._database.listed(searches), "limit": limit}
        rows = self._database.rows(sql.holding, bool(self._scope), **given, **self._scope)
        return [json.loads(found) for (found,) in rows]

    def _any(self, wanted: list[str]) -> str:
        return "(" + " OR ".join(f'"{each}"' for each in self._here(wanted)) + ")"

    def alike(self, start: str, limit: int) -> set[str]:
        """Beginnings that stand somewhere and may have been meant by this one, of the same first letter."""
        if self._database.is_postgres or self.messages > MANY:
            return set(
                self.spread(slips(start))
            )  # a server keeps no list of them, and a long one takes longer
        found: set[str] = set()
        for number in self._numbers:
            least = term(number, start[0])
            rows = self._database.rows(sql.alike, least=least, beyond=least + "\U0010ffff", limit=limit)
            found.update(stored.partition("_")[2] for (stored,) in rows)
        return found
