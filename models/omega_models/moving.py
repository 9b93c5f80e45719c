"""How a task's row moves: from occurrence to occurrence, past what was missed, to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import Node

from omega_models import ledger, recurrence, skipping, times
from omega_models.database import Database
from omega_models.rows import Series, TaskRow, series_of, usable_timezone
from omega_models.statements import Given
from omega_models.tables import ScheduledTask as T

if TYPE_CHECKING:
    from omega_models.store import Store

MISSED = "missed"
FAR = datetime.max.replace(microsecond=0, tzinfo=UTC)


class Position(NamedTuple):
    """An occurrence's instant, and when it is to be sent: the same, unless it was put off."""

    instant: datetime
    due: datetime


def _change(_: Database, names: tuple[str, ...]) -> Node:
    columns: dict[Any, Any] = {getattr(T, name): Given(name) for name in names}
    return T.update({**columns, T.rev: T.rev + 1}).where(T.id == Given("task_id"))


def change(store: Store, task_id: str, **columns: Any) -> int:
    """Writes those columns of a task as one of our own writes; times are given as `datetime`s."""
    stored = _stored(columns)
    return store.database.run(_change, tuple(stored), **stored, task_id=task_id)


def change_many(store: Store, changes: Sequence[dict[str, Any]]) -> None:
    """The same for several tasks at once; each has `task_id` and the same columns."""
    if changes:
        names = tuple(name for name in changes[0] if name != "task_id")
        store.database.many(_change, names, sets=[_stored(each) for each in changes])


def _stored(columns: dict[str, Any]) -> dict[str, Any]:
    return {
        name: times.to_text(value) if isinstance(value, datetime) else value
        for name, value in columns.items()
    }


@contextmanager
def changing(store: Store) -> Iterator[None]:
    """A write transaction that other parts of this process hear of once it has committed."""
    with store.database.writing():
        yield
        store.announce_tasks()


def adopt(store: Store, row: TaskRow) -> TaskRow:
    """The row with zone and anchor; one another program wrote gets them, and its first fitting occurrence."""
    if row.anchor_local is not None and row.scheduled_for is not None:
        return row
    zone_name = row.timezone or usable_timezone(store, row.sender_id)
    anchor = recurrence.to_local(row.instant, zone_name).isoformat(" ")
    known = row._replace(timezone=zone_name, anchor_local=anchor, scheduled_for=row.instant)
    first = series_of(known).first(row.instant)
    if first is None:
        known = known._replace(status="failed", last_error="its repeat has no occurrence from then on")
    elif first != row.instant:
        known = known._replace(scheduled_for=first, due_at=first)
    changed = ("timezone", "anchor_local", "scheduled_for", "due_at", "status", "last_error")
    change(store, row.id, **{name: getattr(known, name) for name in changed})
    return known


def next_position(store: Store, row: TaskRow, series: Series, after: datetime) -> Position | None:
    """Where the task goes after that instant: its series' next, or a snoozed one before that."""
    following = series.after(after)
    waiting = ledger.next_waiting(store, row.id, after)
    if waiting is not None and (following is None or waiting.scheduled_for <= following):
        return Position(waiting.scheduled_for, waiting.due)
    return Position(following, following) if following is not None else None


def move_on(
    store: Store,
    row: TaskRow,
    now: datetime,
    *,
    series: Series | None = None,
    status: str = "delivered",
    reason: str = MISSED,
    already: int = 0,
    **columns: Any,
) -> None:
    """Leaves the present occurrence: on to the next after it and after now, or to the end with `status`.

    What is passed over in between is recorded as skipped with `reason`; `already` counts what the caller
    skipped. While every missed occurrence is being sent (`missed` is 'all') the next is the very next one.
    """
    series = series or series_of(row)
    after = row.instant if row.missed == "all" else max(now, row.instant)
    position = next_position(store, row, series, after)
    if row.repeat is not None:
        skipping.skip_between(store, row, series, row.instant, after, reason, already)
        skip_waiting(store, row, after, reason)
    columns |= {"claim": None, "retry_count": 0}
    if position is None:
        change(store, row.id, **columns, missed=None, status=status)
        return
    catching_up = row.missed if position.instant <= now else None
    change(store, row.id, **columns, missed=catching_up, scheduled_for=position.instant, due_at=position.due)


def skip_waiting(store: Store, row: TaskRow, until: datetime, reason: str) -> None:
    """Snoozed occurrences that were passed over too."""
    after = row.instant
    while (waiting := ledger.next_waiting(store, row.id, after)) and waiting.scheduled_for <= until:
        skipping.skip(store, row, [waiting.scheduled_for], reason)
        after = waiting.scheduled_for


def skip_to_latest(store: Store, row: TaskRow, now: datetime, reason: str = MISSED) -> tuple[TaskRow, int]:
    """Of all occurrences up to now only the latest is kept; the row at it, and how many were skipped."""
    series = series_of(row)
    latest = max(row.instant, series.latest(now) or row.instant)
    if latest == row.instant:
        return row, 0
    skipping.skip(store, row, [row.instant], reason)
    skipped = 1 + skipping.skip_between(store, row, series, row.instant, latest - times.SECOND, reason, 1)
    skip_waiting(store, row, latest - times.SECOND, reason)
    return row._replace(scheduled_for=latest, due_at=latest), skipped
