"""Whether the index of recall knows every message, no others, and each in its chat; and how it is put right."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from omega_models import recall_index, search_index
from omega_models import recall_statements as sql
from omega_models.database import Database
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding, Remedy, counted
from omega_models.sqlite_file import driver
from omega_models.tables import SQLITE_EXTRAS

if TYPE_CHECKING:
    from omega_models.store import Store

TOPIC = "recall index"
INDEX = "recall"
BATCH = 500
SAMPLE = 50
UNLIKE = 0.1  # of a sample, from where all is indexed anew


def examine(store: Store) -> list[Finding]:
    """What is wrong with it; one `ok` where nothing is. In the way of writers for no longer than they wait."""
    database = store.database
    found = _structure(database)
    if not any(each.level == PROBLEM for each in found):
        found += [*_waiting(database), *_missing(database), *_surplus(database), *_elsewhere(database)]
        found += _unlike(database)
    if any(each.level != NOTE for each in found):
        return found
    return [*found, Finding(TOPIC, OK, "it knows every message it should, each in its chat")]


def _structure(database: Database) -> list[Finding]:
    """SQLite's own check; a server checks its indexes itself."""
    if database.is_postgres:
        return []
    connection = driver(database)
    if not search_index.is_there(connection, INDEX):
        return [Finding(TOPIC, PROBLEM, "it is missing", ANEW)]
    if not search_index.is_quick(connection, INDEX):
        return [Finding(TOPIC, NOTE, "too big for SQLite's own check while in use")]
    with database.translated():
        try:
            search_index.check(connection, INDEX)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            return [Finding(TOPIC, PROBLEM, f"it is damaged ({error})", ANEW)]
    return []


def _waiting(database: Database) -> list[Finding]:
    count = recall_index.count_waiting(database)
    said = (
        f"{counted(count, 'message waits', 'messages wait')} to be indexed; every write and search takes some"
    )
    return [Finding(TOPIC, NOTE, said, QUEUED)] if count else []


def _missing(database: Database) -> list[Finding]:
    count = len(database.rows(sql.missing))
    said = f"{counted(count, 'message')} it does not know"
    return [Finding(TOPIC, PROBLEM, said, REPAIR)] if count else []


def _surplus(database: Database) -> list[Finding]:
    count = len(database.rows(sql.surplus))
    said = f"{counted(count, 'entry', 'entries')} of messages that are gone"
    return [Finding(TOPIC, PROBLEM, said, REMOVE)] if count else []


def _elsewhere(database: Database) -> list[Finding]:
    count = len(database.rows(sql.elsewhere))
    said = f"{counted(count, 'message')} indexed for another chat than they are of: nobody finds them"
    return [Finding(TOPIC, PROBLEM, said, REPAIR)] if count else []


def _unlike(database: Database) -> list[Finding]:
    """A few would have been written by a program that knows words otherwise; many are of an older index."""
    sample = database.rows(sql.sample, limit=SAMPLE)
    unlike = sum(_is_unlike(*row) for row in sample)
    if unlike <= UNLIKE * len(sample):
        return []
    said = (
        f"of {counted(len(sample), 'message')} looked at, {unlike:,} are indexed by other words than theirs"
    )
    return [Finding(TOPIC, WARNING, said, ANEW)]


def _is_unlike(content: str, metadata_json: str | None, kept: str | Sequence[str]) -> bool:
    terms = kept.split() if isinstance(kept, str) else kept
    found = {term.partition("_")[2] for term in terms}
    return found != set(recall_index.entries(content, metadata_json))


# Putting it right


def _work_off(store: Store) -> str:
    return f"{counted(recall_index.index_all(store.database), 'message')} indexed"


def _again(store: Store) -> str:
    """What is missing or elsewhere is queued, and indexed as everything is."""
    database = store.database
    rows = [row for build in (sql.missing, sql.elsewhere) for (row,) in database.rows(build)]
    _in_batches(database, sql.queue, rows)
    return _work_off(store)


def _remove(store: Store) -> str:
    rows = [row for (row,) in store.database.rows(sql.surplus)]
    _in_batches(store.database, sql.leave, rows)
    return f"{counted(len(rows), 'entry', 'entries')} taken out"


def _in_batches(database: Database, build: Callable[..., Any], rows: Sequence[int]) -> None:
    for start in range(0, len(rows), BATCH):
        with database.writing():
            database.many(build, sets=[{"row": row} for row in rows[start : start + BATCH]])


def _anew(store: Store) -> str:
    """The chats keep their numbers, by which embeddings know them."""
    database = store.database
    with database.writing():
        for statement in _emptying(database):
            database.sql(statement)
    return _work_off(store)


def _emptying(database: Database) -> list[str]:
    made = (each for each in SQLITE_EXTRAS if each.startswith(f"CREATE VIRTUAL TABLE {INDEX} "))
    emptied = ["TRUNCATE recall"] if database.is_postgres else ["DROP TABLE IF EXISTS recall", *made]
    return [
        *emptied,
        "UPDATE recall_chats SET messages = 0",
        "DELETE FROM recall_queue",
        "INSERT INTO recall_queue (id) SELECT rowid FROM messages",
    ]


QUEUED = Remedy("index what waits", _work_off)
REPAIR = Remedy("index those messages", _again)
REMOVE = Remedy("take the entries out", _remove)
ANEW = Remedy("index all messages anew", _anew)
