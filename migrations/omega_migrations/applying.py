"""Running a step on a file, whatever an earlier run of it left behind."""

import sqlite3

from omega_migrations import shapes
from omega_migrations.rebuilding import adopt_leftovers, bring, leftovers, needs_rebuilding
from omega_migrations.steps import STEPS, TRACKING, Made, Step, shape_after

RECALL = next(step for step in STEPS if step.number == 4)

NOT_INDEXED = """WITH wanted AS (SELECT rowid AS id FROM messages WHERE role = 'user')
SELECT EXISTS (SELECT id FROM wanted EXCEPT SELECT id FROM messages_fts_docsize)
    OR EXISTS (SELECT id FROM messages_fts_docsize EXCEPT SELECT id FROM wanted)"""


def apply(connection: sqlite3.Connection, step: Step, *, exact: bool = True) -> list[str]:
    """Runs the step inside the caller's transaction; sentences the owner of the file should read.

    Foreign keys must be off. Omega's steps add what is missing. An own step brings everything before it to
    exactly the shape it should have by then, unless `exact` is False: a newer Omega may have changed it.
    """
    notes: list[str] = []
    for made in shape_after(step) if step.is_own else step.makes:
        notes += _ensure(connection, made, step, exact=exact and step.is_own)
    if step.is_own and exact:
        bring(connection, Made(TRACKING, "TABLE", "_migrations"), exact=True)
        _complete_index(connection)
    for sql in step.changes_to_rows:
        connection.execute(sql)
    return notes


def is_there(connection: sqlite3.Connection, step: Step) -> bool:
    """Whether all that the step makes exists, though nobody recorded that it ran."""
    if step.is_own:
        return False
    for made in step.makes:
        if made.kind != "table":
            if _stored(connection, made) is None:
                return False
        elif needs_rebuilding(connection, made, exact=False) or leftovers(connection, made.name):
            return False
    return True


def missing_columns(connection: sqlite3.Connection, step: Step) -> list[str]:
    """Columns that should exist after this step and do not, as `table.column`."""
    tables = [made for made in shape_after(step) if made.kind == "table"]
    missing = []
    for made in tables:
        current = shapes.read(connection, made.name)
        names = current.names if current else ()
        target = shapes.wanted(made.sql, made.name)
        missing += [f"{made.name}.{name}" for name in target.names if name not in names]
    return missing


def _ensure(connection: sqlite3.Connection, made: Made, step: Step, *, exact: bool) -> list[str]:
    if made.kind == "table":
        if not step.is_own:
            adopt_leftovers(connection, made.name)
        return bring(connection, made, exact=exact)
    stored = _stored(connection, made)
    if stored is not None and exact and shapes.even(stored) != shapes.even(made.sql):
        connection.execute(f"DROP {'TABLE' if made.kind == 'virtual' else made.kind} {made.name}")
        stored = None
    if stored is None:
        connection.execute(made.sql)
    return []


def _stored(connection: sqlite3.Connection, made: Made) -> str | None:
    kind = "table" if made.kind == "virtual" else made.kind
    found = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = ? AND name = ?", (kind, made.name)
    ).fetchone()
    return found[0] if found else None


def _is_indexed(connection: sqlite3.Connection) -> bool:
    """Whether the search index is sound and knows the users' messages, all of them and no others."""
    try:
        connection.execute("INSERT INTO messages_fts(messages_fts) VALUES ('integrity-check')")
        return not connection.execute(NOT_INDEXED).fetchone()[0]
    except sqlite3.DatabaseError:
        return False


def _complete_index(connection: sqlite3.Connection) -> None:
    if not _is_indexed(connection):
        for sql in RECALL.changes_to_rows:
            connection.execute(sql)
