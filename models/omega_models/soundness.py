"""Whether a SQLite file is whole: its pages, its references, its schema, its search index. Reads only."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from omega_models import schema, schema_facts, search_index
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding, Remedy, counted
from omega_models.sqlite_file import MEMORY, driver, open_file
from omega_models.store import Store
from omega_models.tables import SQLITE_EXTRAS

MOST_LINES = 5
DAMAGED = "stop every program that uses it, and put back a backup: omega-worker restore FILE"
SEARCH = "search index"


def integrity(connection: sqlite3.Connection) -> list[Finding]:
    """SQLite's own checks, of pages and indexes and of references from row to row."""
    try:
        found = connection.execute(f"PRAGMA integrity_check({MOST_LINES})").fetchall()
        dangling = len(connection.execute("PRAGMA foreign_key_check").fetchall())
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname == "SQLITE_NOTADB":
            raise
        return [Finding("integrity", PROBLEM, f"{error}: {DAMAGED}")]
    if lines := _beyond_recall(str(line) for (line,) in found):
        said = "; ".join(" ".join(line.split()) for line in lines)
        return [Finding("integrity", PROBLEM, f"damaged: {said}: {DAMAGED}")]
    if dangling:
        said = f"{counted(dangling, 'row refers', 'rows refer')} to something that is gone"
        return [Finding("integrity", WARNING, f"no damage, but {said}")]
    return [Finding("integrity", OK, "SQLite finds no damage, and no reference leads nowhere")]


def _beyond_recall(lines: Iterable[str]) -> list[str]:
    """Newer SQLites look into the index of recall too, which can be made anew: that has a check of its own."""
    return [line for line in lines if line != "ok" and not line.endswith("FTS5 table main.recall")]


# The schema


def expected() -> dict[str, Any]:
    """The schema a new file gets."""
    with closing(open_file(MEMORY, durability="full", file_mode=None)) as database:
        schema.create(database)
        return schema_facts.describe(driver(database))


def schema_differences(connection: sqlite3.Connection) -> list[Finding]:
    """Against the models: what is missing or different, and what is there besides."""
    wanted, found = expected(), schema_facts.describe(connection)
    differ = [name for name in wanted if found.get(name) != wanted[name]]
    more = sorted(found.keys() - wanted.keys())
    findings = [_difference(name, wanted[name], found.get(name)) for name in differ]
    if more:
        findings.append(Finding("schema", NOTE, f"besides ours there is: {', '.join(more)}"))
    return findings or [Finding("schema", OK, "as the models describe it")]


def _difference(name: str, wanted: Any, found: Any) -> Finding:
    if found is None:
        return Finding("schema", PROBLEM, f"{name} is missing", _making(name))
    if not isinstance(wanted, dict):
        return Finding("schema", PROBLEM, f"{name} is not as it should be", _making(name))
    parts = [part for part in wanted if wanted[part] != found.get(part)]
    columns = {row[1] for row in wanted["columns"]} - {row[1] for row in found["columns"]}
    lacks = f" (it lacks {', '.join(sorted(columns))})" if columns else ""
    level = PROBLEM if columns or parts == ["indexes"] else WARNING
    remedy = Remedy("make the missing indexes", _make_indexes) if parts == ["indexes"] else None
    return Finding("schema", level, f"{name}: other {' and '.join(parts)} than described{lacks}", remedy)


def _making(name: str) -> Remedy | None:
    """Triggers can be made anew: they hold nothing."""
    kind, _, trigger = name.partition(" ")
    return (
        Remedy(f"make the {name}", lambda store: _make_trigger(store, trigger)) if kind == "trigger" else None
    )


def _make_trigger(store: Store, name: str) -> str:
    (made,) = (sql for sql in SQLITE_EXTRAS if sql.startswith(f"CREATE TRIGGER {name} "))
    with store.database.writing():
        store.database.sql(f"DROP TRIGGER IF EXISTS {name}")
        store.database.sql(made)
    return f"trigger {name} made"


def _make_indexes(store: Store) -> str:
    """Those that have a name and are not there; one that differs is left to a person."""
    there = {name for (name,) in store.database.sql_rows("SELECT name FROM sqlite_master")}
    with closing(open_file(MEMORY, durability="full", file_mode=None)) as database:
        schema.create(database)
        listed = database.sql_rows("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''")
    missing = [(name, sql) for name, sql in listed if name not in there]
    with store.database.writing():
        for _, sql in missing:
            store.database.sql(sql)
    return f"made {', '.join(name for name, _ in missing)}" if missing else "all were there"


# The search index


def search(connection: sqlite3.Connection) -> list[Finding]:
    """Whether the index can be read, and whether it holds the user messages, all of them and nothing else."""
    if not search_index.is_there(connection):
        return []  # the schema's findings say so
    try:
        terms = search_index.walk(connection)
        found = _strays(connection)
    except sqlite3.DatabaseError as error:
        return [Finding(SEARCH, PROBLEM, f"it cannot be read ({error}): {DAMAGED}")]
    return found or [Finding(SEARCH, OK, f"every user message and no other, {counted(terms, 'word')}")]


def _strays(connection: sqlite3.Connection) -> list[Finding]:
    found = []
    if absent := len(search_index.missing(connection)):
        said = f"{counted(absent, 'user message')} cannot be found by searching"
        found.append(Finding(SEARCH, PROBLEM, said, Remedy("index them", _add_missing)))
    if surplus := len(search_index.extra(connection)):
        said = f"{counted(surplus, 'entry', 'entries')} of what is no user message, or no longer there"
        found.append(Finding(SEARCH, PROBLEM, said, Remedy("take them out", _remove_extra)))
    if wrong := search_index.mismatched(connection):
        said = (
            f"of a sample, {counted(len(wrong), 'message is', 'messages are')} not found by their own words"
        )
        found.append(Finding(SEARCH, PROBLEM, f"{said} (rowid {wrong[0]}): restore a backup, or report this"))
    return found


def search_structure(store: Store) -> list[Finding]:
    """SQLite's own check of the index; a big one would keep writers waiting, and is checked in each backup."""
    connection = driver(store.database)
    if not search_index.is_there(connection):
        return []
    if not search_index.is_quick(connection):
        return [Finding(SEARCH, NOTE, "too big for SQLite's own check while in use: each backup is checked")]
    with store.database.translated():
        try:
            search_index.check(connection)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            return [Finding(SEARCH, PROBLEM, f"{error}: {DAMAGED}")]
    return []


def _add_missing(store: Store) -> str:
    with store.database.translated():
        return f"{counted(search_index.add_missing(driver(store.database)), 'message')} indexed"


def _remove_extra(store: Store) -> str:
    with store.database.translated():
        removed = search_index.remove_extra(driver(store.database))
    return f"{counted(removed, 'entry', 'entries')} taken out"
