"""Bringing one table to a shape, rows and rowids kept: SQLite alters little in place."""

import re
import sqlite3

from omega_migrations import shapes
from omega_migrations.shapes import Column, Shape
from omega_migrations.steps import Made, first_shape

LEFTOVERS = ("{}_new", "{}_old", "{}_v2", "{}_tmp", "{}_temp", "new_{}", "old_{}")

# Values of columns that have no constant default. A fact that named no sender belongs to who wrote the
# message it came from, else to the file's only sender. Otherwise nobody may say whose it is: Omega dropped
# all such facts here, and to give them to everybody would show one person's facts to another.
VALUES = {
    ("conversations", "last_activity"): "updated_at",
    ("facts", "sender_id"): """coalesce(
        (SELECT c.sender_id FROM messages m JOIN conversations c ON c.id = m.conversation_id
            WHERE m.id = facts.source_message_id),
        (SELECT min(sender_id) FROM conversations HAVING count(DISTINCT sender_id) = 1))""",
}
MAY_LOSE = {"facts": "INSERT OR IGNORE"}
LOST = (
    "{} facts from before facts belonged to a sender were left out: nothing says whose they are, "
    "or a newer one has the same key"
)


def needs_rebuilding(connection: sqlite3.Connection, made: Made, *, exact: bool) -> bool:
    current, target = shapes.read(connection, made.name), shapes.wanted(made.sql, made.name)
    if current is None:
        return True
    return shapes.differs(current, target) if exact else shapes.is_behind(current, target)


def bring(connection: sqlite3.Connection, made: Made, *, exact: bool) -> list[str]:
    """Makes or rebuilds the table where it is not as wanted; what the owner should know of it."""
    if not needs_rebuilding(connection, made, exact=exact):
        return []
    current = shapes.read(connection, made.name)
    if current is None:
        connection.execute(made.sql)
        return []
    return _rebuild(connection, made, current, shapes.wanted(made.sql, made.name))


def leftovers(connection: sqlite3.Connection, table: str) -> list[str]:
    """Tables that an interrupted rebuild of Omega's left beside this one, by name and columns."""
    first = first_shape(table)
    least = set(shapes.wanted(first.sql, table).names)
    shaped = {name: shapes.read(connection, name) for name in (each.format(table) for each in LEFTOVERS)}
    return [name for name, shape in shaped.items() if shape and "id" in least <= set(shape.names)]


def adopt_leftovers(connection: sqlite3.Connection, table: str) -> None:
    """Their rows are the table's rows: all of them where the table is gone, else those it does not have."""
    for leftover in leftovers(connection, table):
        current, rest = shapes.read(connection, table), shapes.read(connection, leftover)
        if current is None:
            connection.execute(f"ALTER TABLE {leftover} RENAME TO {table}")
            continue
        shared = ", ".join(name for name in current.names if rest and name in rest.names)
        connection.execute(
            f"INSERT INTO {table} ({shared}) SELECT {shared} FROM {leftover}"  # noqa: S608  names from the schema
            f" WHERE id NOT IN (SELECT id FROM {table}) ORDER BY rowid"
        )
        connection.execute(f"DROP TABLE {leftover}")


def _rebuild(connection: sqlite3.Connection, made: Made, current: Shape, target: Shape) -> list[str]:
    table, fresh = made.name, f"{made.name}__rebuilt"
    attached = _attached(connection, table)
    connection.execute(re.sub(r"TABLE \w+", f"TABLE {fresh}", made.sql, count=1))
    extra = [column for column in current.columns if column.name not in target.names]
    for column in extra:
        connection.execute(f"ALTER TABLE {fresh} ADD COLUMN {_declared(column)}")
    lost = _copy(connection, table, fresh, current, target, [column.name for column in extra])
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE {fresh} RENAME TO {table}")
    for sql in attached:
        connection.execute(sql)
    return [LOST.format(lost)] if lost else []


def _attached(connection: sqlite3.Connection, table: str) -> list[str]:
    """The indexes and triggers that go with the table when it is dropped."""
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        (table,),
    )
    return [sql for (sql,) in rows]


def _copy(
    connection: sqlite3.Connection, table: str, fresh: str, current: Shape, target: Shape, extra: list[str]
) -> int:
    """Copies every row; the number of those left behind."""
    values = {column.name: _value(table, column, current) for column in target.columns}
    values.update({name: _quoted(name) for name in extra})
    names = ", ".join(map(_quoted, values))
    insert = MAY_LOSE.get(table, "INSERT")
    connection.execute(
        f"{insert} INTO {fresh} (rowid, {names}) SELECT rowid, {', '.join(values.values())} FROM {table}"  # noqa: S608  names from the schema
        + (" ORDER BY updated_at DESC" if table in MAY_LOSE else "")
    )
    return _count(connection, table) - _count(connection, fresh)


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  names from the schema


def _value(table: str, column: Column, current: Shape) -> str:
    """What a column of the new shape gets: the old value, or what stands for it."""
    old = {had.name: had for had in current.columns}.get(column.name)
    default = f"({column.default})" if column.default is not None else "NULL"
    if old is None:
        return VALUES.get((table, column.name), default)
    if column.not_null and not old.not_null and column.default is not None:
        return f"coalesce({_quoted(column.name)}, {default})"
    return _quoted(column.name)


def _declared(column: Column) -> str:
    default = f" DEFAULT ({column.default})" if column.default is not None else ""
    required = " NOT NULL" if column.not_null and default else ""
    return f"{_quoted(column.name)} {column.type}{required}{default}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
