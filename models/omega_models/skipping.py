"""Occurrences that are not sent: each is a row that says why, and beyond a thousand one row for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from peewee import EXCLUDED

from omega_models import ledger, recurrence, times
from omega_models.database import Database
from omega_models.rows import Series, TaskRow
from omega_models.tables import TaskOccurrence as O

if TYPE_CHECKING:
    from omega_models.store import Store

MOST_SKIPPED = 1000


def _insert_if_new(db: Database) -> Any:
    return ledger.insert(db).on_conflict(
        conflict_target=[O.task_id, O.scheduled_for],
        update={
            O.state: EXCLUDED.state,
            O.reason: EXCLUDED.reason,
            O.settled_ms: EXCLUDED.settled_ms,
            O.stands_for: EXCLUDED.stands_for,
        },
        where=O.state.in_(("held", "retrying")),
    )


def skip(store: Store, row: TaskRow, instants: Iterable[datetime], reason: str, stands_for: int = 1) -> None:
    """Records that those occurrences were not sent, and why. What the ledger knows already stays as it is."""
    settled = times.to_ms(store.clock())
    fresh = ledger.EMPTY | {
        "task_id": row.id,
        "sender_id": row.sender_id,
        "state": "skipped",
        "reason": reason,
        "settled_ms": settled,
        "stands_for": stands_for,
    }
    store.database.many(
        _insert_if_new,
        sets=[
            fresh
            | {
                "id": ledger.occurrence_id(row.id, instant),
                "scheduled_for": times.to_ms(instant),
                "due_ms": times.to_ms(instant),
            }
            for instant in instants
        ],
    )


def skip_between(
    store: Store,
    row: TaskRow,
    series: Series,
    after: datetime,
    until: datetime,
    reason: str,
    already: int = 0,
) -> int:
    """Records every occurrence after `after` up to `until` as skipped; how many.

    Beyond `MOST_SKIPPED`, with those skipped already, one row at the last of them stands for all the rest.
    """
    if series.repeat is None or until <= after:
        return 0
    span = (series.repeat, series.anchor, after, until, series.timezone)
    first: list[datetime] = []
    for instant in recurrence.between(*span):
        if len(first) == MOST_SKIPPED - already:
            return len(first) + _skip_rest(store, row, series, first, until, reason)
        first.append(instant)
    skip(store, row, first, reason)
    return len(first)


def _skip_rest(
    store: Store, row: TaskRow, series: Series, first: list[datetime], until: datetime, reason: str
) -> int:
    skip(store, row, first, reason)
    rest = recurrence.count_between(series.repeat, series.anchor, first[-1], until, series.timezone)
    last = series.latest(until)
    if last is not None:
        skip(store, row, [last], f"{reason}: this row stands for {rest:,} occurrences", stands_for=rest)
    return rest
