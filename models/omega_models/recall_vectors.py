"""Embeddings, where the Store was given a way to make them: messages that mean what is asked in other words.

Row 0 of `recall_vectors` is no message's: its `model` names what is in use, so that every program that indexes
messages knows that their vectors are wanted; its `chat` is how far back the messages are entered, below zero.
A vector is made outside of any transaction, for a model may be slow, or fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from peewee import Node

from omega_models import checks, recall_index
from omega_models import recall_statements as sql
from omega_models.database import Database
from omega_models.errors import StoreBusy, StoreError
from omega_models.recall_nearness import NONE, nearness, numpy, packed
from omega_models.statements import Given
from omega_models.tables import RecallVector as V

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")

Embed = Callable[[list[str]], Iterable[Iterable[float]]]

AT_ONCE = 64  # texts of one call
BESIDE = 16  # that wait, in the call that a search makes
ENTERED_AT_ONCE = 2000  # older messages that one transaction enters
PAUSE = timedelta(minutes=1)  # after a failure
MOST, MOST_WITHOUT_NUMPY = 20_000, 3_000  # vectors that a search compares, the newest


class Waiting(NamedTuple):
    """A message whose vector is to be made."""

    row: int
    text: str


class Embedder:
    """`call` makes the vectors, under the name `model`; for a while after a failure it is not asked."""

    def __init__(self, call: Embed, model: str, clock: Callable[[], datetime]) -> None:
        self.model = model
        self._call = call
        self._clock = clock
        self._paused_until: datetime | None = None

    def is_ready(self) -> bool:
        return self._paused_until is None or self._clock() >= self._paused_until

    def made(self, texts: Sequence[str]) -> list[bytes] | None:
        """The texts' vectors, `NONE` for one that has none; None where the call failed, which is logged once."""
        asked = [text for text in texts if text.strip()]
        try:
            found = [packed(vector) for vector in self._call(asked)] if asked else []
        except Exception as error:  # noqa: BLE001  it is the caller's function, and may fail as it likes
            self._failed(type(error).__name__)
            return None
        if len(found) != len(asked):
            self._failed(f"{len(found)} vectors for {len(asked)} texts")
            return None
        self._paused_until = None
        each = iter(found)
        return [next(each) if text.strip() else NONE for text in texts]

    def _failed(self, why: str) -> None:
        if self._paused_until is None:
            log.warning("embed failed (%s): recall goes by words until it works again", why)
        self._paused_until = self._clock() + PAUSE


def embedder(call: Embed | None, model: str, clock: Callable[[], datetime]) -> Embedder | None:
    """None where there is no `call`. Raises `WrongType`, or `InvalidText` for a name that cannot be stored."""
    name, given = checks.text(model, "embed_model", checks.MAX_ID), checks.called(call, "embed")
    return None if given is None else Embedder(given, name, clock)


# What waits


def _in_use(_: Database) -> Node:
    return V.select(V.model, V.chat).where(V.id == 0)


def _begin(database: Database) -> Node:
    """From now on this model is in use; every message there is shall be entered."""
    return sql.written(
        "INSERT INTO recall_vectors (id, chat, model, vector)"
        " VALUES (0, -1 - coalesce((SELECT max(rowid) FROM messages), 0), {model}, <none>)"
        " ON CONFLICT (id) DO UPDATE SET chat = excluded.chat, model = excluded.model",
        none="''::bytea" if database.is_postgres else "x''",
    )


def _oldest_of_next(_: Database) -> Node:
    return sql.written(
        "SELECT min(older.rowid) FROM (SELECT m.rowid FROM messages m WHERE m.rowid < {before}"
        " ORDER BY m.rowid DESC LIMIT {limit}) AS older"
    )


def _enter(_: Database) -> Node:
    """The messages of those rows that have no vector of this model; who is not indexed yet is entered then."""
    return sql.written(
        "INSERT INTO recall_vectors (id, chat, model)"
        " SELECT m.rowid, h.id, {model} FROM messages m JOIN conversations c ON c.id = m.conversation_id"
        " JOIN recall_chats h ON h.sender_id = c.sender_id AND h.channel = c.channel"
        " AND h.group_target = coalesce(c.group_target, '')"
        " WHERE m.rowid >= {least} AND m.rowid < {before}"
        " ON CONFLICT (id) DO UPDATE SET chat = excluded.chat, model = excluded.model, vector = NULL"
        " WHERE recall_vectors.model <> excluded.model"
    )


def _entered_to(_: Database) -> Node:
    return V.update({V.chat: Given("chat")}).where((V.id == 0) & (V.model == Given("model")))


def _waiting(_: Database) -> Node:
    return sql.written(
        "SELECT v.id, substr(m.content, 1, <longest>) FROM recall_vectors v JOIN messages m ON m.rowid = v.id"
        " WHERE v.vector IS NULL AND v.id > 0 ORDER BY v.id DESC LIMIT {limit}",
        longest=str(sql.LONGEST),
    )


def _set(_: Database) -> Node:
    """Where the text is still the one that was embedded."""
    return sql.written(
        "UPDATE recall_vectors SET vector = {vector}, model = {model} WHERE id = {row} AND vector IS NULL"
        " AND (SELECT substr(m.content, 1, <longest>) FROM messages m WHERE m.rowid = {row}) = {text}",
        longest=str(sql.LONGEST),
    )


def enter(database: Database, model: str) -> int:
    """Notes the next messages, the newest first, that have no vector of this model; how many were looked at.

    In a short transaction of its own; 0 once all are noted.
    """
    found = database.row(_in_use)
    if found is None or found[0] != model:
        with database.writing():
            database.run(_begin, model=model)
        found = database.row(_in_use)
    before = -found[1] if found else 0
    least = database.value(_oldest_of_next, before=before, limit=ENTERED_AT_ONCE)
    if least is None:
        return 0
    with database.writing():
        database.run(_enter, model=model, least=least, before=before)
        database.run(_entered_to, chat=-least, model=model)
    return int(before - least)


def embed_waiting(store: Store, limit: int = 1000) -> int:
    """Makes up to so many of the vectors that are still to be made, the newest messages' first; how many.

    0: none waits, or there is no `embed`, or it fails. To be called by whoever has time, until it says 0: a
    thread, a job, a command. No transaction is open while `embed` works.
    """
    most, made = checks.limit(limit), 0
    embedder = store.embedder
    while embedder and embedder.is_ready() and made < most:
        some = waiting(store.database, embedder.model, min(AT_ONCE, most - made), wholly=True)
        vectors = embedder.made([each.text for each in some]) if some else None
        kept = keep(store.database, embedder.model, some, vectors) if vectors is not None else 0
        if not kept:
            break
        made += kept
    return made


def waiting(database: Database, model: str, most: int, *, wholly: bool) -> list[Waiting]:
    """Messages whose vectors are to be made; where too few wait, older ones are entered, `wholly` all."""
    found = _read_waiting(database, most)
    while len(found) < most and enter(database, model):
        found = _read_waiting(database, most)
        if not wholly:
            break
    return found


def _read_waiting(database: Database, most: int) -> list[Waiting]:
    return [Waiting(*row) for row in database.rows(_waiting, limit=most)]


def keep(database: Database, model: str, embedded: Sequence[Waiting], vectors: Sequence[bytes]) -> int:
    """How many still had the text that was embedded."""
    pairs = zip(embedded, vectors, strict=True)
    sets = [{"row": row, "text": text, "vector": vector, "model": model} for (row, text), vector in pairs]
    with database.writing():
        return database.many(_set, sets=sets)


# Asking


def meaning(store: Store, query: str) -> bytes:
    """The query's vector, outside of any transaction; the same call makes a few of those that wait."""
    embedder = store.embedder
    if embedder is None or not embedder.is_ready():
        return NONE
    some = _some_waiting(store.database, embedder.model)
    made = embedder.made([query[: sql.LONGEST], *(each.text for each in some)])
    if made is None:
        return NONE
    _unless_busy(store.database, lambda: keep(store.database, embedder.model, some, made[1:]))
    return made[0]


def _some_waiting(database: Database, model: str) -> list[Waiting]:
    found: list[Waiting] = []
    _unless_busy(database, lambda: found.extend(waiting(database, model, BESIDE, wholly=False)))
    return found


def _unless_busy(database: Database, write: Callable[[], object]) -> None:
    """A search goes on without what it cannot write at once."""
    try:
        with recall_index.impatient(database):
            write()
    except StoreBusy:
        return
    except StoreError as error:
        log.warning("embeddings could not be kept yet: %s", error)


def _vectors(_: Database, of_project: bool) -> Node:
    """The newest of a chat."""
    return sql.written(
        "SELECT v.id, v.vector FROM recall_vectors v WHERE v.chat = {chat} AND v.model = {model}"
        " AND length(v.vector) = {size} <project> ORDER BY v.id DESC LIMIT {limit}",
        project="AND " + sql.OF_PROJECT.replace("<row>", "v.id") if of_project else "",
    )


def near(store: Store, asked: bytes, chats: Iterable[int], project: str | None = None) -> dict[int, float]:
    """Rows of the chats' messages by how near they are to the question: 0 and less not at all, 1 the same."""
    if not asked or store.embedder is None:
        return {}
    scope = {"project": project} if project is not None else {}
    given = {"model": store.embedder.model, "size": len(asked), **scope}
    most = MOST if numpy() else MOST_WITHOUT_NUMPY
    found: list[tuple[int, bytes]] = []
    for chat in chats:
        if len(found) < most:
            found += store.database.rows(_vectors, bool(scope), chat=chat, limit=most - len(found), **given)
    cosines = nearness(asked, [vector for _, vector in found])
    return {row: cosine for (row, _), cosine in zip(found, cosines, strict=True)}
