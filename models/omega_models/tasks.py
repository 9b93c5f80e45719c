"""Tasks: adding them without doubles, and showing a series beforehand."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from peewee import SQL, Node, fn

from omega_models import checks, times
from omega_models.asked import checked_zone, first_occurrence, parse_repeat
from omega_models.database import Database
from omega_models.errors import InvalidArgument, TooManyTasks
from omega_models.moving import changing
from omega_models.rows import (
    FIELDS,
    PENDING,
    Series,
    TaskRow,
    known_repeat,
    series_of,
    to_row,
    usable_timezone,
    window,
)
from omega_models.similarity import similar
from omega_models.statements import Given
from omega_models.tables import ScheduledTask as T
from omega_models.values import TaskCreated

if TYPE_CHECKING:
    from omega_models.store import Store

TASK_TYPES = ("reminder", "action")
DEDUPES = ("similar", "exact", "off")
NEARBY = timedelta(minutes=30)
SHOWN_NEXT = 3
MOST_SHOWN = 10_000


class Draft(NamedTuple):
    """A task as asked for, checked, its first occurrence found."""

    channel: str
    sender_id: str
    reply_target: str
    description: str
    series: Series
    scheduled_for: datetime
    adjusted: str | None
    task_type: str
    project: str
    urgent: bool


def create_task(
    store: Store,
    channel: str,
    sender_id: str | int,
    reply_target: str | int,
    description: str,
    due_at: datetime | str,
    repeat: str | None = None,
    task_type: str = "reminder",
    project: str = "",
    *,
    timezone: str | None = None,
    dedupe: str = "similar",
    urgent: bool = False,
) -> str:
    """The id of the new task, or of the sender's pending one that says the same; see `add_task`."""
    return add_task(
        store,
        channel,
        sender_id,
        reply_target,
        description,
        due_at,
        repeat,
        task_type,
        project,
        timezone=timezone,
        dedupe=dedupe,
        urgent=urgent,
    ).id


def add_task(
    store: Store,
    channel: str,
    sender_id: str | int,
    reply_target: str | int,
    description: str,
    due_at: datetime | str,
    repeat: str | None = None,
    task_type: str = "reminder",
    project: str = "",
    *,
    timezone: str | None = None,
    dedupe: str = "similar",
    urgent: bool = False,
) -> TaskCreated:
    """Adds a task and says what really happened.

    `due_at` is aware, naive or ISO-8601; naive is UTC, or wall-clock where `timezone` is named. `repeat` is
    once, daily, weekdays, weekly, monthly, yearly, `cron:…` or `RRULE:…`. `dedupe` is similar, exact or off.
    Raises `InvalidTime`, `InvalidRepeat`, `InvalidTimezone`, `InvalidId`, `InvalidText`, `TextTooLong`,
    `TooManyTasks`; nothing is written then.
    """
    checks.one_of(dedupe, "dedupe", DEDUPES)
    draft = _draft(
        store,
        channel,
        sender_id,
        reply_target,
        description,
        due_at,
        repeat,
        task_type,
        project,
        timezone,
        urgent,
    )
    with changing(store):
        twin = _twin(store, draft, dedupe)
        if twin is not None:
            return _said(store, twin.id, twin.instant, series_of(twin), None, similar_to=twin.id)
        _refuse_too_many(store, draft.sender_id)
        task_id = _insert(store, draft)
    return _said(store, task_id, draft.scheduled_for, draft.series, draft.adjusted, similar_to=None)


def _draft(
    store: Store,
    channel: str,
    sender_id: str | int,
    reply_target: str | int,
    description: str,
    due_at: datetime | str,
    repeat: str | None,
    task_type: str,
    project: str | None,
    timezone: str | None,
    urgent: bool,
) -> Draft:
    sender = checks.identifier(sender_id, "sender_id")
    zone_name = checked_zone(timezone) if timezone is not None else usable_timezone(store, sender)
    series = Series(parse_repeat(repeat), times.wall_clock(due_at, timezone, zone_name), zone_name)
    scheduled_for = first_occurrence(series, times.instant(due_at, timezone))
    return Draft(
        channel=checks.identifier(channel, "channel"),
        sender_id=sender,
        reply_target=checks.identifier(reply_target, "reply_target"),
        description=checks.text(description, "description", store.max_text, empty=False),
        series=series,
        scheduled_for=scheduled_for,
        adjusted=times.shifted(due_at, timezone),
        task_type=checks.one_of(task_type, "task_type", TASK_TYPES),
        project=checks.project(project),
        urgent=bool(urgent),
    )


# Doubles


def _nearby(_: Database) -> Node:
    return T.select(*FIELDS).where(
        (T.sender_id == Given("sender_id"))
        & (T.status == PENDING)
        & (T.scheduled_for.between(Given("low"), Given("high")))
        & (T.channel == Given("channel"))
        & (T.reply_target == Given("reply_target"))
        & (T.project == Given("project"))
        & (T.task_type == Given("task_type"))
    )


def _twin(store: Store, draft: Draft, dedupe: str) -> TaskRow | None:
    if dedupe == "off":
        return None
    low, high = window(draft.scheduled_for, NEARBY if dedupe == "similar" else timedelta(0))
    rows = store.database.rows(
        _nearby,
        sender_id=draft.sender_id,
        low=low,
        high=high,
        channel=draft.channel,
        reply_target=draft.reply_target,
        project=draft.project,
        task_type=draft.task_type,
    )
    nearby = [row for row in map(to_row, rows) if known_repeat(row.repeat) == draft.series.repeat]
    return next((row for row in nearby if _same(row, draft)), None) or next(
        (row for row in nearby if dedupe == "similar" and similar(row.description, draft.description)), None
    )


def _same(row: TaskRow, draft: Draft) -> bool:
    return row.scheduled_for == draft.scheduled_for and row.description.strip() == draft.description.strip()


# Writing


def _count(_: Database) -> Node:
    return T.select(fn.COUNT(SQL("*"))).where((T.sender_id == Given("sender_id")) & (T.status == PENDING))


def _refuse_too_many(store: Store, sender_id: str) -> None:
    if store.database.value(_count, sender_id=sender_id) >= store.max_pending_tasks:
        raise TooManyTasks(
            f"this sender already has {store.max_pending_tasks:,} pending tasks: cancel some first, "
            "or raise max_pending_tasks"
        )


INSERTED = (
    "id",
    "channel",
    "sender_id",
    "reply_target",
    "description",
    "due_at",
    "repeat",
    "created_at",
    "task_type",
    "project",
    "scheduled_for",
    "anchor_local",
    "timezone",
    "urgent",
)


def insert_task(_: Database) -> Node:
    return T.insert({getattr(T, name): Given(name) for name in INSERTED})


def _insert(store: Store, draft: Draft) -> str:
    task_id = str(uuid.uuid4())
    scheduled_for = times.to_text(draft.scheduled_for)
    store.database.run(
        insert_task,
        id=task_id,
        channel=draft.channel,
        sender_id=draft.sender_id,
        reply_target=draft.reply_target,
        description=draft.description,
        due_at=scheduled_for,
        repeat=draft.series.repeat,
        created_at=times.to_text(store.clock()),
        task_type=draft.task_type,
        project=draft.project,
        scheduled_for=scheduled_for,
        anchor_local=draft.series.anchor.isoformat(" "),
        timezone=draft.series.timezone,
        urgent=int(draft.urgent),
    )
    return task_id


def _said(
    store: Store,
    task_id: str,
    scheduled_for: datetime,
    series: Series,
    adjusted: str | None,
    *,
    similar_to: str | None,
) -> TaskCreated:
    return TaskCreated(
        id=task_id,
        created=similar_to is None,
        scheduled_for=scheduled_for,
        local_time=times.in_zone(scheduled_for, series.timezone),
        adjusted=adjusted,
        overdue=scheduled_for < store.clock(),
        similar_to=similar_to,
        next=series.upcoming(scheduled_for, SHOWN_NEXT),
    )


def preview(
    store: Store, repeat: str | None, due_at: datetime | str, timezone: str | None = None, count: int = 5
) -> list[datetime]:
    """The next `count` occurrences after now of a series that would start at `due_at`. Stores nothing."""
    zone_name = checked_zone(timezone) if timezone is not None else store.default_timezone
    series = Series(parse_repeat(repeat), times.wall_clock(due_at, timezone, zone_name), zone_name)
    first, now = series.first(times.instant(due_at, timezone)), store.clock()
    if checks.limit(count, "count") > MOST_SHOWN:
        raise InvalidArgument(f"count must be {MOST_SHOWN:,} at most")
    if first is None or not count:
        return []
    if first > now:
        return [first, *series.upcoming(first, count - 1)]
    return list(series.upcoming(now, count))
