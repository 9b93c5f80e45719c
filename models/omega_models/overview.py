"""What stands in the database right now, for health, metrics and `omega-worker status`. Reads only.

Every scan is bounded: a count of `MOST_COUNTED` means that there are at least so many.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from peewee import JOIN, SQL, Node, fn

from omega_models import times
from omega_models.database import Database
from omega_models.presence import LiveWorker, Unserved, live_workers
from omega_models.retention import MAINTAINED
from omega_models.rows import PENDING
from omega_models.sqlite_file import MEMORY, real
from omega_models.statements import Given
from omega_models.stats import db_size
from omega_models.tables import Lease as L
from omega_models.tables import ScheduledTask as T
from omega_models.tables import TaskOccurrence as O

if TYPE_CHECKING:
    from omega_models.store import Store

MOST_COUNTED = 10_000
MOST_SETTLED = 100_000  # as far back as settlements are looked through
MOST_TROUBLES = 1_000
LOOK_BACK = timedelta(days=7)
COUNT = fn.COUNT(SQL("*"))


@dataclass(frozen=True)
class Backlog:
    """What waits. `oldest`: since when the longest waiting one does that is asked about."""

    due: int
    oldest: datetime | None
    next_due: datetime | None
    unserved: tuple[Unserved, ...]
    live_workers: int
    wal_bytes: int


@dataclass(frozen=True)
class Trouble:
    """An occurrence given up (`failed`), or kept for a person since it may have arrived (`ambiguous`)."""

    task_id: str
    channel: str
    state: str
    scheduled_for: datetime
    settled_at: datetime
    error: str | None


@dataclass(frozen=True)
class Overview:
    """Everything an operator asks first. `troubles`: of the last week, or of the last 100,000 settlements."""

    now: datetime
    backlog: Backlog
    workers: tuple[LiveWorker, ...]
    in_flight: int
    retrying: int
    next_retry: datetime | None
    troubles: tuple[Trouble, ...]
    size: int
    maintained_at: datetime | None


def overview(store: Store) -> Overview:
    """One moment of the database."""
    with store.database.snapshot():
        retrying, next_retry = _retries(store)
        return Overview(
            now=store.clock(),
            backlog=backlog(store),
            workers=tuple(live_workers(store)),
            in_flight=in_flight(store),
            retrying=retrying,
            next_retry=next_retry,
            troubles=tuple(troubles(store)),
            size=db_size(store),
            maintained_at=_maintained_at(store),
        )


def backlog(store: Store, channels: list[str] | None = None) -> Backlog:
    """What waits; `oldest` is that of these channels, or without them of those that live workers serve."""
    workers = live_workers(store)
    served = {(channel, kind) for each in workers for channel in each.channels for kind in each.task_types}
    groups = _by_channel(store)
    asked = channels if channels is not None else sorted({channel for channel, _ in served})
    return Backlog(
        due=sum(each.count for each in groups),
        oldest=oldest_due(store, asked),
        next_due=next_due(store),
        unserved=tuple(each for each in groups if (each.channel, each.task_type) not in served),
        live_workers=len(workers),
        wal_bytes=wal_bytes(store),
    )


def _now(store: Store) -> str:
    return times.to_text(store.clock())


def _due(_: Database) -> Node:
    due = (T.status == PENDING) & (T.due_at <= Given("now"))
    first = T.select(T.channel, T.task_type, T.due_at).where(due).order_by(T.due_at).limit(MOST_COUNTED)
    found = first.alias("found")
    key = (found.c.channel, found.c.task_type)
    return T.select(*key, COUNT, fn.MIN(found.c.due_at)).from_(found).group_by(*key)


def _by_channel(store: Store) -> list[Unserved]:
    rows = store.database.rows(_due, now=_now(store))
    return [
        Unserved(channel, kind, count, times.from_text(first)) for channel, kind, count, first in sorted(rows)
    ]


def _oldest(db: Database) -> Node:
    due = (T.status == PENDING) & (T.due_at <= Given("now")) & db.among(T.channel, "channels")
    return T.select(T.due_at).where(due).order_by(T.due_at).limit(1)


def oldest_due(store: Store, channels: list[str]) -> datetime | None:
    """Since when the longest waiting due task of these channels waits."""
    found = store.database.value(_oldest, now=_now(store), channels=store.database.listed(channels))
    return times.from_text(found) if found else None


def _next(_: Database) -> Node:
    ahead = (T.status == PENDING) & (T.due_at > Given("now")) & T.claim.is_null()
    return T.select(T.due_at).where(ahead).order_by(T.due_at).limit(1)


def next_due(store: Store) -> datetime | None:
    """When the next task is to be sent; what is being sent is left out."""
    found = store.database.value(_next, now=_now(store))
    return times.from_text(found) if found else None


def _open(*states: str) -> Any:
    """Rows of the ledger that nobody has settled, with their tasks."""
    return (
        O.select(T.due_at).join(T, on=(T.id == O.task_id)).where(O.settled_ms.is_null(), O.state.in_(states))
    )


def _in_flight(_: Database) -> Node:
    held = (T.claim == O.claim) & (T.due_at > Given("now"))
    return O.select(COUNT).from_(_open("claimed").where(held).limit(MOST_COUNTED).alias("found"))


def in_flight(store: Store) -> int:
    """Claims whose lease still runs."""
    return int(store.database.value(_in_flight, now=_now(store)))


def _retried(_: Database) -> Node:
    waits = (T.status == PENDING) & T.claim.is_null() & O.claim.is_null() & (T.retry_count > 0)
    found = _open("retrying", "ambiguous").where(waits).limit(MOST_COUNTED).alias("found")
    return O.select(COUNT, fn.MIN(found.c.due_at)).from_(found)


def _retries(store: Store) -> tuple[int, datetime | None]:
    count, first = store.database.rows(_retried)[0]
    return count, times.from_text(first) if first else None


def _troubles(_: Database) -> Node:
    columns = (O.task_id, O.state, O.scheduled_for, O.settled_ms, O.error, O.reason)
    since = O.select(*columns).where(O.settled_ms >= Given("since"))
    recent = since.order_by(O.settled_ms.desc()).limit(MOST_SETTLED).alias("recent")
    c = recent.c
    return (
        O.select(c.task_id, T.channel, c.state, c.scheduled_for, c.settled_ms, c.error, c.reason)
        .from_(recent)
        .join(T, JOIN.LEFT_OUTER, on=(T.id == c.task_id))
        .where(c.state.in_(("failed", "ambiguous")))
        .order_by(c.settled_ms.desc())
        .limit(MOST_TROUBLES)
    )


def troubles(store: Store, since: datetime | None = None) -> list[Trouble]:
    """What was given up or kept for a person since then, or within the last week; the latest first."""
    start = times.to_ms(since or store.clock() - LOOK_BACK)
    return [_to_trouble(*row) for row in store.database.rows(_troubles, since=start)]


def _to_trouble(
    task_id: str,
    channel: str | None,
    state: str,
    scheduled: int,
    settled: int,
    error: str | None,
    reason: str | None,
) -> Trouble:
    said = ": ".join(filter(None, (reason, error))) or None
    return Trouble(task_id, channel or "", state, times.from_ms(scheduled), times.from_ms(settled), said)


def _lease_end(_: Database) -> Node:
    return L.select(L.until_ms).where(L.name == MAINTAINED)


def _maintained_at(store: Store) -> datetime | None:
    found = store.database.value(_lease_end)
    return times.from_ms(found) if found is not None else None


def wal_bytes(store: Store) -> int:
    """The size of SQLite's write-ahead log; 0 where there is none."""
    if store.database.is_postgres or store.database.where == MEMORY:
        return 0
    file = real(store.database.where)
    with suppress(OSError):
        return file.with_name(file.name + "-wal").stat().st_size
    return 0
