"""Making sure that what was deleted is gone from the file too, not only from what queries see.

SQLite leaves deleted bytes where they were until the space is used again, and a search index keeps the words of
deleted texts until its parts are merged. So the indexes are merged, the file is written anew without its empty
space (VACUUM), and the write-ahead log is emptied. That a clean-up is still to come is on record from the moment
the rows go, so that one that was interrupted is made up for: by the next call, or by a worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from omega_models import marks, times
from omega_models.database import Database
from omega_models.errors import StoreBusy
from omega_models.personal import TABLES, name_of
from omega_models.sqlite_file import MEMORY

if TYPE_CHECKING:
    from omega_models.store import Store

PENDING = "erase"  # the mark that a clean-up is wanted
PATIENCE = 5.0  # seconds that are waited for others who read
LOOK_EVERY = 0.05
IN_MEMORY = 64 * 1024 * 1024  # bytes of a file that is rebuilt in memory; a bigger one in a temporary file

Tell = Callable[[str], object]

MERGED, RENEWED, EMPTIED, VACUUMED = STEPS = (
    "erase: merged",
    "erase: renewed",
    "erase: emptied",
    "erase: vacuumed",
)


# What is on record


def note(store: Store) -> None:
    """A clean-up is wanted; inside the transaction that deletes."""
    marks.put(store.database, PENDING, times.to_text(store.clock()))


def is_wanted(store: Store) -> bool:
    """Whether rows were forgotten and the clean-up after it has not come to its end."""
    return marks.token(store.database, PENDING) is not None


def finish(store: Store, tell: Tell = lambda _: None) -> None:
    """Cleans up. Raises `StoreBusy` while somebody still reads what was there before; calling again finishes."""
    try:
        if store.database.is_postgres:
            _clean_server(store, tell)
        elif store.database.where != MEMORY:
            _clean_file(store, tell)
    except StoreBusy as error:
        raise StoreBusy(
            f"the rows are gone, but {store.database.where} is in use and still holds their remains: call again "
            "once others have ended what they read or write; a worker does it too, within the hour"
        ) from error
    marks.remove(store.database, PENDING)


# A SQLite file

MERGING = {
    "messages_fts": (
        "INSERT INTO messages_fts (rowid, content) VALUES (-1, 'x')",
        "INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', -1, 'x')",
        "INSERT INTO messages_fts (messages_fts) VALUES ('optimize')",
    ),
    "recall": (
        "INSERT INTO recall (rowid, terms) VALUES (-1, '0_x')",
        "DELETE FROM recall WHERE rowid = -1",
        "INSERT INTO recall (recall) VALUES ('optimize')",
    ),
}


def _clean_file(store: Store, tell: Tell) -> None:
    database = store.database
    tell("merging the search indexes")
    for statements in MERGING.values():
        _merge(database, statements)
    _forget_samples(database)
    store.reached(MERGED)
    tell("writing the file anew")
    with _room_for_a_copy(database):
        database.sql("VACUUM")
    store.reached(RENEWED)
    tell("emptying the write-ahead log")
    _wait_until(database.empty_log)
    store.reached(EMPTIED)


def _merge(database: Database, statements: tuple[str, ...]) -> None:
    """An index that is in one part already is left as it is, with deleted words in it: so there is always another."""
    with database.writing():
        for statement in statements:
            database.sql(statement)


def _forget_samples(database: Database) -> None:
    """Some builds of SQLite keep values of rows for the planner."""
    if database.sql_rows("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat4'"):
        database.sql("DELETE FROM sqlite_stat4")


@contextmanager
def _room_for_a_copy(database: Database) -> Iterator[None]:
    ((size,),) = database.sql_rows("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    ((kept,),) = database.sql_rows("PRAGMA temp_store")
    database.sql_rows(f"PRAGMA temp_store = {'MEMORY' if size <= IN_MEMORY else 'FILE'}")
    try:
        yield
    finally:
        database.sql_rows(f"PRAGMA temp_store = {kept}")


def _wait_until(done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() >= until:
            raise StoreBusy("still read")
        time.sleep(LOOK_EVERY)


# A server

OLDER = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend' AND age(backend_xmin) > age(%s::text::xid)"""
TIMEOUT = "SELECT set_config('statement_timeout', %s, false)"
INDEXES = ("recall", "recall_queue", "recall_vectors", "recall_chats", "leases")


def _clean_server(store: Store, tell: Tell) -> None:
    """VACUUM leaves alone what a transaction that began before may still read, without saying so."""
    database = store.database
    ((present,),) = database.sql_rows("SELECT mod(txid_current(), 4294967296)::text")
    tell("waiting for older transactions")
    _wait_until(lambda: not _older(database, present))
    tell("vacuuming the tables")
    with _at_leisure(database):
        for name in (*map(name_of, TABLES), *INDEXES):
            database.sql(f"VACUUM (ANALYZE) {name}")
    store.reached(VACUUMED)


def _older(database: Database, present: Any) -> bool:
    return bool(database.sql_rows(OLDER, [present])[0][0])


@contextmanager
def _at_leisure(database: Database) -> Iterator[None]:
    """One connection, on which a statement may take as long as it does, in no transaction of anybody's."""
    with database.in_use:
        connection: Any = database.engine.connection()  # type: ignore[no-untyped-call]  # in Peewee
        patience, limits = connection.patience, connection.limits
        ((kept,),) = database.sql_rows("SHOW statement_timeout")
        connection.patience = connection.limits = None
        try:
            if limits is None:  # else a pooler stands between, and the session is not ours to change
                database.sql_rows(TIMEOUT, ["0"])
            yield
            if limits is None:
                database.sql_rows(TIMEOUT, [kept])
        except BaseException:
            connection.close()  # nobody gets it as it is
            raise
        finally:
            connection.patience, connection.limits = patience, limits
