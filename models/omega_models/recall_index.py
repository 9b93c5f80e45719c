"""The index of recall: which messages of a chat hold a word. Every entry begins with its chat's number.

So a search costs what one sender's chats hold, whatever others wrote. Triggers of plain SQL queue the row of
each message that anybody adds or edits, and take out what is deleted; whoever writes or searches next through
this program works the queue off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from omega_models import metadata
from omega_models import recall_statements as sql
from omega_models.database import Database
from omega_models.errors import StoreBusy, StoreError
from omega_models.recall_words import beginning, words

log = logging.getLogger("omega_models")

AT_ONCE = 64  # rows of the queue that a write works off
MORE_AT_ONCE = 512  # and a search, or one batch of many
WHEN_OPENED = 5_000  # and whoever opens the file, which takes a second
IMPATIENT_MS = 20  # that a search waits for another writer
SPEAKER = "@"  # begins the terms that say who spoke


class Waiting(NamedTuple):
    """A message to be indexed; all but `row` None where it is gone."""

    row: int
    content: str | None
    metadata_json: str | None
    sender_id: str | None
    channel: str | None
    group_target: str | None


def catch_up(database: Database, most: int = AT_ONCE) -> int:
    """Indexes what waits, the newest first, inside the caller's transaction; how many rows were taken on."""
    waiting = [Waiting(*row) for row in database.rows(sql.waiting, limit=most)]
    for message in waiting:
        if message.content is not None and message.sender_id is not None:
            database.run(sql.enter, row=message.row, terms=_terms(database, message, message.content))
    database.many(sql.done, sets=[{"row": message.row} for message in waiting])
    return len(waiting)


def _terms(database: Database, message: Waiting, content: str) -> Any:
    chat: int = database.value(
        sql.chat_number,
        sender_id=message.sender_id,
        channel=message.channel,
        group_target=message.group_target or "",
    )
    name = metadata.read(message.metadata_json)[0] if message.metadata_json else None
    spoken = {beginning(word) for word in words(content)}
    speaker = {SPEAKER + word for word in words(name)} if name else set()
    found = [term(chat, each) for each in sorted(spoken | speaker)]
    return found if database.is_postgres else " ".join(found)


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
        with _impatient(database):
            while most > 0 and is_behind(database):
                with database.writing():
                    most -= max(catch_up(database, min(most, MORE_AT_ONCE)), 1)
    except StoreBusy:
        return
    except StoreError as error:
        log.warning("recall does not know the latest messages yet: %s", error)


@contextmanager
def _impatient(database: Database) -> Iterator[None]:
    if database.is_postgres:
        yield
        return
    ((patience,),) = database.sql_rows("PRAGMA busy_timeout")
    database.sql_rows(f"PRAGMA busy_timeout = {IMPATIENT_MS}")
    try:
        yield
    finally:
        database.sql_rows(f"PRAGMA busy_timeout = {patience}")


def index_all(database: Database, tell: Callable[[int], object] = lambda _: None) -> int:
    """Works off the whole queue in batches, between which others write; `tell` hears how many are done."""
    indexed = 0
    while is_behind(database):
        with database.writing():
            indexed += catch_up(database, MORE_AT_ONCE)
        tell(indexed)
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

    def __init__(self, database: Database, held: list[Chat], project: str | None) -> None:
        self._database = database
        self._numbers = [chat.number for chat in held]
        self._project = project
        self.messages = sum(chat.messages for chat in held)

    def spread(self, wanted: list[str]) -> dict[str, int]:
        """In how many messages each term stands; those that stand nowhere are left out."""
        here = {term(number, word): word for number in self._numbers for word in wanted}
        found: dict[str, int] = {}
        if not here:
            return found
        for stored, count in self._database.rows(sql.spread, terms=self._database.listed(list(here))):
            found[here[stored]] = found.get(here[stored], 0) + count
        return found

    def holding(self, wanted: list[str], limit: int) -> list[int]:
        """The newest messages that hold any of the terms."""
        return self._newest(self._any(wanted), limit)

    def holding_two(self, wanted: list[str], limit: int) -> list[int]:
        """The newest messages that hold two of the terms at least. On a server, any of them."""
        if self._database.is_postgres:
            return []
        pairs = [
            f"({self._any([one])} AND {self._any([other])})"
            for n, one in enumerate(wanted)
            for other in wanted[n + 1 :]
        ]
        return self._newest(" OR ".join(pairs), limit)

    def _newest(self, terms: Any, limit: int) -> list[int]:
        scope = {"project": self._project} if self._project is not None else {}
        rows = self._database.rows(sql.holding, bool(scope), terms=terms, limit=limit, **scope)
        return [row for (row,) in rows]

    def _any(self, wanted: list[str]) -> Any:
        terms = [term(number, word) for word in wanted for number in self._numbers]
        if self._database.is_postgres:
            return terms
        return "(" + " OR ".join(f'"{each}"' for each in terms) + ")"

    def alike(self, start: str, limit: int) -> set[str]:
        """Terms of that first letter. A server keeps no list of them."""
        if self._database.is_postgres:
            return set()
        found: set[str] = set()
        for number in self._numbers:
            least = term(number, start)
            rows = self._database.rows(sql.alike, least=least, beyond=least + "\U0010ffff", limit=limit)
            found.update(stored.partition("_")[2] for (stored,) in rows)
        return found
