"""What a SQLite file is: new, Omega's, someone else's, or written by a newer program. Changes nothing."""

import logging
import re
import sqlite3
from typing import NamedTuple

from omega_migrations import STEPS, Step, is_there, missing_columns
from omega_models.database import Database
from omega_models.errors import StoreUnavailable

log = logging.getLogger("omega_models")

CONVERSATION_COLUMNS = {"id", "channel", "sender_id", "started_at", "updated_at"}
# Read as rows: what the server remembers of names, it looks up again only where a table is locked.
TRACKED = (
    "SELECT 1 FROM pg_tables WHERE tablename = '_migrations' AND schemaname = ANY(current_schemas(false))"
)


class Found(NamedTuple):
    """`unrecorded` steps may still have run: an interrupted or early Omega did not record all it did."""

    is_new: bool
    unrecorded: tuple[Step, ...]
    unknown: tuple[str, ...]


def look(connection: sqlite3.Connection, where: str) -> Found:
    """Two queries. Raises `StoreUnavailable` for a file that is not ours to touch."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type <> 'index'")}
    if not tables:
        return Found(True, STEPS, ())
    names = _recorded(connection) if "_migrations" in tables else ()
    _refuse_foreign(connection, tables, names, where)
    _refuse_newer(names, where)
    return _known(connection, names, where)


def pending(connection: sqlite3.Connection, found: Found) -> list[Step]:
    """The steps that have yet to run, in order."""
    return [step for step in found.unrecorded if not is_there(connection, step)]


def recorded_on_server(database: Database) -> tuple[str, ...]:
    """The steps a server's database records; none where it is new. Refuses a newer one."""
    if not database.sql_rows(TRACKED):
        return ()
    names = tuple(str(name) for (name,) in database.sql_rows("SELECT name FROM _migrations"))
    _refuse_newer(names, database.where)
    return names


def owned_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows by table, where there are any; the record of steps is not the owner's."""
    return {name: count for name, count in row_counts(connection).items() if count and name != "_migrations"}


def row_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows by table, without SQLite's own tables and the search index's."""
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
    ]
    return {name: _count(connection, name) for name in names}


def _count(connection: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    return int(connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608  quoted above


def _recorded(connection: sqlite3.Connection) -> tuple[str, ...]:
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('_migrations')")}
    if "name" not in columns:
        return ()
    return tuple(str(name) for (name,) in connection.execute("SELECT name FROM _migrations ORDER BY rowid"))


def _refuse_newer(names: tuple[str, ...], where: str) -> None:
    ours = {step.name for step in STEPS}
    newer = [name for name in names if name.startswith("py") and name not in ours]
    if newer:
        raise StoreUnavailable(
            f"{where} was written by a newer version of this program (step {newer[-1]}). It was left untouched; "
            "install that version or a later one"
        )


def _refuse_foreign(
    connection: sqlite3.Connection, tables: set[str], names: tuple[str, ...], where: str
) -> None:
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('conversations')")}
    started = (
        tables == {"_migrations"} and not names
    )  # Omega makes this table first; it may have stopped there
    if not (columns >= CONVERSATION_COLUMNS or started):
        raise StoreUnavailable(
            f"{where} is not an Omega file: it holds other tables. It was left untouched; "
            "give the path of an Omega file or of a new one"
        )


def _known(connection: sqlite3.Connection, names: tuple[str, ...], where: str) -> Found:
    """Omega's steps are known by number, for another version may have named them otherwise."""
    numbers = {int(name[:3]) for name in names if re.match(r"\d{3}_", name)}
    done = [step for step in STEPS if (step.name in names if step.is_own else step.number in numbers)]
    omegas = {step.number for step in STEPS if not step.is_own}
    unknown = tuple(
        name for name in names if name not in {step.name for step in STEPS} and not _is_one_of(name, omegas)
    )
    if unknown:
        _check_columns(connection, done, unknown, where)
    return Found(False, tuple(step for step in STEPS if step not in done), unknown)


def _is_one_of(name: str, numbers: set[int]) -> bool:
    return bool(re.match(r"\d{3}_", name)) and int(name[:3]) in numbers


def _check_columns(
    connection: sqlite3.Connection, done: list[Step], unknown: tuple[str, ...], where: str
) -> None:
    """A newer Omega changed the file: we go on as long as every column we use is there."""
    missing = missing_columns(connection, done[-1]) if done else []
    if missing:
        raise StoreUnavailable(
            f"{where} was changed by a newer Omega (step {unknown[-1]}) and lacks {', '.join(missing)}. "
            "It was left untouched; install a version of this program that knows that step"
        )
    log.warning("%s holds steps this program does not know (%s); going on", where, ", ".join(unknown))
