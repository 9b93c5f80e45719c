"""What a table is made of, read from the database: for telling whether it needs rebuilding."""

import re
import sqlite3
from contextlib import closing
from functools import lru_cache
from typing import NamedTuple

COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class Column(NamedTuple):
    name: str
    type: str
    not_null: bool
    default: str | None
    key: int


class Shape(NamedTuple):
    columns: tuple[Column, ...]
    uniques: frozenset[tuple[str, ...]]
    foreign_keys: frozenset[tuple[object, ...]]
    checks: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def without(self, names: set[str]) -> "Shape":
        return self._replace(columns=tuple(column for column in self.columns if column.name not in names))


def read(connection: sqlite3.Connection, table: str) -> Shape | None:
    """The table's shape, None where there is no such table."""
    found = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    if found is None:
        return None
    return Shape(
        _columns(connection, table), _uniques(connection, table), _keys(connection, table), checks(found[0])
    )


@lru_cache
def wanted(sql: str, table: str) -> Shape:
    """The shape that a CREATE TABLE gives."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.execute(sql)
        shape = read(scratch, table)
    assert shape is not None
    return shape


def is_behind(current: Shape, target: Shape) -> bool:
    """Whether the step that leads to `target` has not run, or not to its end. Never true of a later shape."""
    if set(target.names) - set(current.names):
        return True
    return set(target.names) == set(current.names) and bool(current.uniques - target.uniques)


def differs(current: Shape, target: Shape) -> bool:
    """Whether anything is other than in `target`; columns that only `current` has do not count."""
    extra = set(current.names) - set(target.names)
    if not extra:
        return current != target
    return current.without(extra).columns != target.columns or not (
        target.uniques <= current.uniques
        and target.foreign_keys <= current.foreign_keys
        and target.checks <= current.checks
    )


def checks(sql: str) -> frozenset[str]:
    """The conditions of a CREATE TABLE's CHECKs, with even spacing."""
    text = COMMENTS.sub(" ", sql)
    starts = [match.end() for match in re.finditer(r"\bCHECK\s*\(", text, re.IGNORECASE)]
    return frozenset(even(text[start : _closing(text, start)]) for start in starts)


def even(sql: str) -> str:
    """SQL without the differences of layout and quoting that mean nothing."""
    spaced = re.sub(r"\s+", " ", sql.replace('"', "")).strip()
    return re.sub(r" ?([(),=]) ?", r"\1", spaced)


def _closing(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return len(text)


def _columns(connection: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,)
    )
    return tuple(
        Column(name, kind.upper(), bool(required), value, key) for name, kind, required, value, key in rows
    )


def _uniques(connection: sqlite3.Connection, table: str) -> frozenset[tuple[str, ...]]:
    rows = connection.execute(
        "SELECT i.name, c.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c"
        " WHERE i.origin = 'u' ORDER BY i.name, c.seqno",
        (table,),
    )
    indexes: dict[str, tuple[str, ...]] = {}
    for index, column in rows:
        indexes[index] = (*indexes.get(index, ()), column)
    return frozenset(indexes.values())


def _keys(connection: sqlite3.Connection, table: str) -> frozenset[tuple[object, ...]]:
    rows = connection.execute(
        'SELECT "from", "table", "to", on_update, on_delete FROM pragma_foreign_key_list(?)', (table,)
    )
    return frozenset(rows.fetchall())
