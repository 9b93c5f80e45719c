"""The full row of a scheduled task, and the series it belongs to."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import SQL, Node

from omega_models import facts, recurrence, times
from omega_models.database import Database
from omega_models.errors import InvalidTimezone
from omega_models.statements import Given
from omega_models.tables import ScheduledTask as T
from omega_models.values import DueTask, PendingTask, Task
from omega_models.zones import zone

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")

PENDING = SQL("'pending'")  # a literal, so that partial indexes and prepared plans see it
LIVE = ("pending", "paused")


class TaskRow(NamedTuple):
    """All columns as Python values; `scheduled_for` is None only in a row nobody could read."""

    id: str
    channel: str
    sender_id: str
    reply_target: str
    description: str
    repeat: str | None
    task_type: str
    project: str
    due_at: datetime
    status: str
    created_at: datetime
    delivered_at: datetime | None
    retry_count: int
    last_error: str | None
    scheduled_for: datetime | None
    anchor_local: str | None
    timezone: str | None
    missed: str | None
    claim: str | None
    urgent: int

    @property
    def due_task(self) -> DueTask:
        return DueTask(*self[:8])

    @property
    def instant(self) -> datetime:
        """The present occurrence's instant."""
        return self.scheduled_for or self.due_at

    @property
    def attention(self) -> datetime:
        """When it will next be sent; for one being sent, its own instant."""
        return self.instant if self.claim else self.due_at


FIELDS = tuple(getattr(T, name) for name in TaskRow._fields)
TIMES = tuple(
    TaskRow._fields.index(name) for name in ("due_at", "created_at", "delivered_at", "scheduled_for")
)


def to_row(values: tuple[Any, ...]) -> TaskRow:
    found = list(values)
    for position in TIMES:
        stored = found[position]
        if stored is not None:
            found[position] = _readable(stored)
    return TaskRow(*found)


def _readable(stored: str | datetime) -> datetime | None:
    try:
        return times.from_text(stored)
    except ValueError:
        return None  # only in a row the triggers have set aside


def by_id(_: Database) -> Node:
    return T.select(*FIELDS).where(T.id == Given("id"))


def fetch(store: Store, task_id: str) -> TaskRow | None:
    found = store.database.row(by_id, id=task_id)
    return to_row(found) if found else None


def as_task(row: TaskRow) -> Task:
    return Task(
        id=row.id,
        channel=row.channel,
        sender_id=row.sender_id,
        reply_target=row.reply_target,
        description=row.description,
        due_at=row.due_at,
        repeat=row.repeat,
        status=row.status,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
        task_type=row.task_type,
        retry_count=row.retry_count,
        last_error=row.last_error,
        project=row.project,
        scheduled_for=row.scheduled_for,
        timezone=row.timezone,
        urgent=bool(row.urgent),
        claimed=row.claim is not None,
    )


def as_pending(row: TaskRow) -> PendingTask:
    return PendingTask(row.id, row.description, row.attention, row.repeat, row.task_type, row.project)


class Series(NamedTuple):
    """The rule a task follows: pure, and cheap however old the anchor. `repeat` None: once."""

    repeat: str | None
    anchor: datetime
    timezone: str

    def first(self, at_or_after: datetime) -> datetime | None:
        """The first occurrence at or after the instant."""
        if self.repeat is None:
            return at_or_after
        first = recurrence.first_occurrence(self.repeat, self.anchor, self.timezone)
        if first is None or first >= at_or_after:
            return first
        return self.after(at_or_after - times.SECOND)

    def after(self, moment: datetime) -> datetime | None:
        """The first occurrence strictly after the instant; None: the series has ended."""
        if self.repeat is None:
            return None
        return recurrence.following(self.repeat, self.anchor, moment, self.timezone)

    def latest(self, moment: datetime) -> datetime | None:
        """The last occurrence at or before the instant."""
        if self.repeat is None:
            return None
        return recurrence.latest(self.repeat, self.anchor, moment, self.timezone)

    def upcoming(self, after: datetime, count: int) -> tuple[datetime, ...]:
        found: list[datetime] = []
        while len(found) < count and (following := self.after(found[-1] if found else after)):
            found.append(following)
        return tuple(found)


def series_of(row: TaskRow) -> Series:
    """The series of a row that has its anchor; see `adopt` for those of other programs."""
    timezone = row.timezone or "UTC"
    anchor = (
        datetime.fromisoformat(row.anchor_local)
        if row.anchor_local
        else recurrence.to_local(row.instant, timezone)
    )
    return Series(known_repeat(row.repeat), anchor, timezone)


def known_repeat(repeat: str | None) -> str | None:
    found = recurrence.known_repeat(repeat)
    if repeat and found == "daily" and repeat.strip().lower() != "daily":
        _say_unknown(repeat)
    return found


@lru_cache(maxsize=256)
def _say_unknown(repeat: str) -> None:
    log.warning("unknown repeat %r written by another program: treated as daily", repeat[:40])


def usable_timezone(store: Store, sender_id: str) -> str:
    """The sender's `timezone` fact, or the Store's default where there is none that can be read."""
    try:
        stored = facts.get_fact(store, sender_id, "timezone")
    except ValueError:  # a sender no caller could name, in a row of another program
        stored = None
    if stored is None:
        return store.default_timezone
    try:
        zone(stored.strip())
    except InvalidTimezone:
        _say_bad_zone(sender_id)
        return store.default_timezone
    return stored.strip()


@lru_cache(maxsize=1024)
def _say_bad_zone(sender_id: str) -> None:
    log.warning("the timezone fact of sender %s is not an IANA name: the default zone is used", sender_id)


def window(moment: datetime, width: timedelta) -> tuple[str, str]:
    """The stored texts of the instants `width` before and after, within what times can be."""
    try:
        return times.to_text(moment - width), times.to_text(moment + width)
    except OverflowError:
        return times.to_text(moment), times.to_text(moment)
