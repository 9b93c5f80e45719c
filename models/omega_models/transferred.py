"""The rows of every table in a form that is the same in both kinds of database, and what would not fit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from peewee import ForeignKeyField, IntegerField, Model, TextField

from omega_models import times
from omega_models.database import Database
from omega_models.tables import (
    MODELS,
    AuditRow,
    Conversation,
    Lesson,
    Limitation,
    Message,
    Migration,
    Outcome,
    RecallChat,
    RecallQueue,
    ScheduledTask,
    UtcField,
)

PAGE = 1000
ROWID = "rowid"
NUMBERED = (Conversation, Message, AuditRow, ScheduledTask, Limitation, Outcome, Lesson)
# Each database makes its own of these; tasks come last, so that nothing is sent from a half-filled database.
LEFT_OUT = (Migration, RecallQueue, ScheduledTask)
MARK = "transfer"  # the lease by which a half-filled database is known
UNREADABLE = "1970-01-01 00:00:00"  # stands for a time that nobody can read
EVERY = 2**128

Row = tuple[Any, ...]


class Column(NamedTuple):
    name: str
    kind: type[Any]
    optional: bool


class Table(NamedTuple):
    """`columns` begin with the row's number, where messages and the like keep their order by it."""

    name: str
    model: Any
    key: str
    columns: tuple[Column, ...]

    @property
    def has_number(self) -> bool:
        return self.columns[0].name == ROWID

    def place(self, column: str) -> int:
        return [each.name for each in self.columns].index(column)


class Stock(NamedTuple):
    """How many rows a table has, and a sum over all of them that does not depend on their order."""

    rows: int = 0
    digest: int = 0

    def plus(self, row: Row) -> Stock:
        found = int.from_bytes(blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=16).digest())
        return Stock(self.rows + 1, (self.digest + found) % EVERY)


@cache
def tables() -> tuple[Table, ...]:
    """In an order in which they can be filled."""
    return tuple(_table(model) for model in (*(m for m in MODELS if m not in LEFT_OUT), ScheduledTask))


def _table(model: Any) -> Table:
    numbered = model in NUMBERED
    columns = tuple(_column(field) for field in model._meta.sorted_fields)
    number = (Column(ROWID, int, False),) if numbered else ()
    return Table(
        str(model._meta.table_name), model, str(model._meta.primary_key.column_name), number + columns
    )


def _column(field: Any) -> Column:
    target = field.rel_field if isinstance(field, ForeignKeyField) else field
    kinds = ((UtcField, UtcField), (TextField, str), (IntegerField, int))
    kind: type[Any] = next((kind for of, kind in kinds if isinstance(target, of)), bytes)
    return Column(str(field.column_name), kind, bool(field.null))


def keyed(database: Database, table: Table) -> str:
    """By which column a table is read: the row's number where that is quick to find."""
    quick = table.has_number and (not database.is_postgres or table.model is Message)
    return ROWID if quick else table.key


def pages(database: Database, table: Table, after: Any = None) -> Iterator[list[Row]]:
    """All rows, a page at a time, as they are compared and copied; inside the caller's snapshot."""
    key = keyed(database, table)
    place = table.place(key)
    while True:
        found = database.sql_rows(*_page(database, table, key, after))
        rows = [clean(table, row) for row in found if not is_mark(table, row)]
        if rows:
            yield rows
        if len(found) < PAGE:
            return
        after = found[-1][place]


def _page(database: Database, table: Table, key: str, after: Any) -> tuple[str, list[Any]]:
    mark = "%s" if database.is_postgres else "?"
    columns = ", ".join(column.name for column in table.columns)
    beyond = "" if after is None else f" WHERE {key} > {mark}"
    sql = f"SELECT {columns} FROM {table.name}{beyond} ORDER BY {key} LIMIT {PAGE}"  # noqa: S608  names of ours
    return sql, [] if after is None else [after]


def is_mark(table: Table, row: Row) -> bool:
    return table.name == "leases" and row[0] == MARK


def clean(table: Table, row: Row) -> Row:
    """Times as text. What each database finds out by itself is left out: how many of a chat's messages the index
    holds, and the instant of a task that another program wrote without one."""
    found = [
        _time(value) if column.kind is UtcField and value is not None else value
        for column, value in zip(table.columns, row, strict=True)
    ]
    if table.model is RecallChat:
        found[table.place("messages")] = 0
    if table.model is ScheduledTask and found[table.place("scheduled_for")] is None:
        found[table.place("scheduled_for")] = found[table.place("due_at")]
    return tuple(found)


def _time(value: Any) -> str:
    try:
        return times.to_text(times.from_text(value))
    except (ValueError, TypeError, OverflowError):
        return UNREADABLE


def misfit(table: Table, row: Row) -> str | None:
    """Why a server would not take the row; None where it would."""
    for column, value in zip(table.columns, row, strict=True):
        if value is None and (not column.optional or column.name == table.key):
            return f"has no {column.name}"
        if value is not None and not isinstance(value, str if column.kind is UtcField else column.kind):
            return f"{column.name} is a {type(value).__name__}"
        if isinstance(value, str) and "\0" in value:
            return f"{column.name} holds a NUL character"
    return None


def twins(database: Database) -> int:
    """Titles that differ from another only in case: a file's own index knows that of A to Z alone."""
    titles = [str(title).lower() for (title,) in database.sql_rows("SELECT title FROM limitations")]
    return len(titles) - len(set(titles))


def strays(database: Database, model: type[Model]) -> int:
    """Rows that belong to a row which is not there."""
    found = 0
    for field in model._meta.sorted_fields:
        if isinstance(field, ForeignKeyField):
            found += _strays(database, model, field)
    return found


def _strays(database: Database, model: Any, field: Any) -> int:
    sql = (
        f"SELECT count(*) FROM {model._meta.table_name} a WHERE a.{field.column_name} IS NOT NULL AND NOT EXISTS"  # noqa: S608
        f" (SELECT 1 FROM {field.rel_model._meta.table_name} b WHERE b.id = a.{field.column_name})"
    )
    return int(database.sql_rows(sql)[0][0])
