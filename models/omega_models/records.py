"""The form in which a person's rows travel: one JSON object a row, the same from every kind of database.

The first says what the rest is. Every other one names its `table` and has that table's columns: times as
ISO-8601 text in UTC, milliseconds (`…_ms`) as whole numbers. Left out are what a database makes for itself: the
indexes of search, row numbers, and the claims of workers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from peewee import BigIntegerField, Field, IntegerField, Model

from omega_models import checks, times
from omega_models.errors import InvalidRecord, InvalidTime, InvalidTimezone
from omega_models.rows import LIVE
from omega_models.tables import (
    AuditRow,
    Conversation,
    Fact,
    Lesson,
    Message,
    Outcome,
    ProjectSession,
    ReceivedMessage,
    ScheduledTask,
    SessionItem,
    TaskOccurrence,
    UserAlias,
    UtcField,
)
from omega_models.zones import zone

VERSION = 1
HEAD = "export"
NUMBERS = {"int": range(-(2**31), 2**31), "ms": range(-62_135_596_800_000, 253_402_300_800_000)}
LONGEST = 2**62
MODELS: tuple[type[Model], ...] = (
    UserAlias,
    Conversation,
    Message,
    ReceivedMessage,
    SessionItem,
    Fact,
    Outcome,
    Lesson,
    ProjectSession,
    AuditRow,
    TaskOccurrence,
    ScheduledTask,
)
LEFT_OUT = {
    ("session_items", "id"),
    ("scheduled_tasks", "claim"),
    ("scheduled_tasks", "rev"),
    ("task_occurrences", "claim"),
}
CHOICES: dict[str, tuple[str | int, ...]] = {
    "messages.role": ("user", "assistant"),
    "audit_log.status": ("ok", "error", "denied"),
    "outcomes.score": (-1, 0, 1),
    "task_occurrences.state": (
        "claimed",
        "delivered",
        "retrying",
        "ambiguous",
        "held",
        "failed",
        "skipped",
    ),
}
KINDS = {
    ("task_occurrences", "scheduled_for"): "time_ms",
    ("scheduled_tasks", "timezone"): "zone",
    ("scheduled_tasks", "anchor_local"): "local",
    ("session_items", "item"): "json",
}
UNREADABLE = "1970-01-01 00:00:00"  # stands for a due time that nobody can read
TEXTS = {  # of any length; all others are ids and names
    "content",
    "summary",
    "metadata_json",
    "item",
    "value",
    "input_text",
    "output_text",
    "denial_reason",
    "description",
    "last_error",
    "repeat",
    "domain",
    "lesson",
    "rule",
    "receipt",
    "error",
    "reason",
    "session_id",
}
OWNERS = {  # what never changes in a row; the same id with another owner is another row
    "conversations": ("channel", "sender_id", "group_target"),
    "messages": ("conversation_id",),
    "received_messages": ("conversation_id",),
    "task_occurrences": ("task_id",),
    "user_aliases": (),
}
KEYS = {
    "user_aliases": "alias_sender_id",
    "received_messages": "message_id",
    "session_items": "conversation_id",
}
TWINS = {  # besides the id, what only one row can have; narrowed down by the first of them
    "facts": ("sender_id", "key"),
    "project_sessions": ("sender_id", "channel", "project"),
    "received_messages": ("platform_message_id", "channel", "reply_target", "sender_id"),
}


class Column(NamedTuple):
    """`kind`: text, name, time, time_ms, int, ms, or one of those in `KINDS`."""

    name: str
    kind: str
    optional: bool
    field: Any


class Table(NamedTuple):
    name: str
    model: Any
    columns: tuple[Column, ...]
    key: str
    owner: tuple[str, ...]
    twin: tuple[str, ...]


@cache
def tables() -> dict[str, Table]:
    return {table.name: table for table in map(_table, MODELS)}


def _table(model: Any) -> Table:
    name = str(model._meta.table_name)
    fields: list[Field] = model._meta.sorted_fields
    kept = [each for each in fields if (name, each.column_name) not in LEFT_OUT]
    key = KEYS.get(name, "id")
    owner = OWNERS.get(name, ("sender_id",))
    return Table(
        name, model, tuple(_column(name, key, each) for each in kept), key, owner, TWINS.get(name, ())
    )


def _column(table: str, key: str, field: Any) -> Column:
    name = str(field.column_name)
    return Column(name, _kind(table, name, field), bool(field.null) and name != key, field)


def _kind(table: str, name: str, field: Field) -> str:
    if isinstance(field, UtcField):
        return "time"
    if (table, name) in KINDS:
        return KINDS[table, name]
    if isinstance(field, BigIntegerField):
        return "ms"
    if isinstance(field, IntegerField):
        return "int"
    return "text" if name in TEXTS else "name"


# Out


def head(sender_id: str) -> dict[str, Any]:
    return {"table": HEAD, "version": VERSION, "sender_id": sender_id}


def encode(table: Table, row: tuple[Any, ...]) -> dict[str, Any]:
    """The record of a row whose columns come in the table's order."""
    pairs = zip(table.columns, row, strict=True)
    return {"table": table.name} | {column.name: _out(column.kind, value) for column, value in pairs}


def _out(kind: str, value: Any) -> Any:
    if value is None or kind not in ("time", "time_ms"):
        return value
    if kind == "time_ms":
        return times.from_ms(value).isoformat(timespec="milliseconds")
    try:
        return times.from_text(value).isoformat(timespec="seconds")
    except ValueError:
        return str(value)  # only in a row of another program, that the triggers have set aside


def stored(table: Table, row: tuple[Any, ...]) -> dict[str, Any]:
    """The row as `decode` would give it."""
    return {
        column.name: _as_text(value) if column.kind == "time" else value
        for column, value in zip(table.columns, row, strict=True)
    }


def _as_text(value: Any) -> Any:
    try:
        return value if value is None else times.to_text(times.from_text(value))
    except ValueError:
        return value


# In


def check_head(record: Mapping[str, Any], number: int) -> None:
    """Whether the rest can be read by this program. Raises `InvalidRecord`."""
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidRecord(number, "it does not say which version of an export this is")
    if version > VERSION:
        raise InvalidRecord(
            number, f"this export is of version {version}, and this program reads {VERSION}: update it"
        )


def decode(record: Any, number: int) -> tuple[Table, dict[str, Any]]:
    """The table and the values of its columns. Raises `InvalidRecord`, which holds nothing of the record's texts."""
    if not isinstance(record, Mapping):
        raise InvalidRecord(number, f"a record must be a JSON object, not {type(record).__name__}")
    table = tables().get(record["table"]) if isinstance(record.get("table"), str) else None
    if table is None:
        raise InvalidRecord(number, "its table is not one this program knows")
    unknown = record.keys() - {column.name for column in table.columns} - {"table"}
    if unknown:
        raise InvalidRecord(number, f"{table.name} has {len(unknown)} column(s) more than this program knows")
    values = {column.name: _in(table, column, record, number) for column in table.columns}
    return table, values


def _in(table: Table, column: Column, record: Mapping[str, Any], number: int) -> Any:
    value = record.get(column.name)
    if value is None and column.optional:
        return None
    named = f"{table.name}.{column.name}"
    try:
        found = _value(column, value)
    except InvalidTime:
        if named == "scheduled_tasks.due_at" and _is_set_aside(record):
            return UNREADABLE
        raise InvalidRecord(number, f"{named} is not a time in ISO-8601") from None
    except ValueError as error:
        raise InvalidRecord(number, f"{table.name}: {error}") from None
    choices = CHOICES.get(named)
    if choices and found not in choices:
        raise InvalidRecord(number, f"{named} must be one of {', '.join(map(str, choices))}")
    return found


def _is_set_aside(record: Mapping[str, Any]) -> bool:
    """A task that another program wrote with a due time nobody can read."""
    return record.get("scheduled_for") is None and record.get("status") not in LIVE


def _value(column: Column, value: Any) -> Any:
    if column.kind in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int) or value not in NUMBERS[column.kind]:
            raise ValueError(f"{column.name} is not a whole number of its size")
        return value
    if column.kind in ("time", "time_ms"):
        moment = _moment(value)
        return times.to_text(moment) if column.kind == "time" else times.to_ms(moment)
    if column.kind in ("text", "json"):
        return CHECKS[column.kind](column.name, checks.text(value, column.name, LONGEST))
    found = checks.text(value, column.name, checks.MAX_ID, empty=not _is_id(column.name))
    return CHECKS[column.kind](column.name, found)


def _as_it_is(_: str, value: str) -> str:
    return value


def _zone(name: str, value: str) -> str:
    try:
        zone(value)
    except InvalidTimezone:
        raise ValueError(f"{name} is not a time zone") from None
    return value


def _local(name: str, value: str) -> str:
    try:
        known = datetime.fromisoformat(value).tzinfo is None
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{name} is not a local time")
    return value


def _json(name: str, value: str) -> str:
    try:
        known = isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        known = False
    if not known:
        raise ValueError(f"{name} is not a JSON object")
    return value


CHECKS = {"text": _as_it_is, "name": _as_it_is, "zone": _zone, "local": _local, "json": _json}


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise InvalidTime("not text")
    moment = times.parse(value)
    try:
        return (
            moment.replace(tzinfo=times.EPOCH.tzinfo)
            if moment.tzinfo is None
            else moment.astimezone(times.EPOCH.tzinfo)
        )
    except OverflowError:
        raise InvalidTime("outside the calendar") from None


def _is_id(name: str) -> bool:
    return name in ("id", "channel", "conversation_id", "task_id", "message_id", "key") or name.endswith(
        "sender_id"
    )
