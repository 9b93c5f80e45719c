"""Which workers are alive and what they serve; which due tasks nobody serves. Named leases."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from peewee import EXCLUDED, SQL, Node, fn

from omega_models import times
from omega_models.database import Database
from omega_models.rows import PENDING
from omega_models.statements import Given
from omega_models.tables import Lease as L
from omega_models.tables import ScheduledTask as T
from omega_models.tables import WorkerRow as W

if TYPE_CHECKING:
    from omega_models.store import Store

ALIVE_FOR = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class LiveWorker:
    """A worker that was seen within the last minute."""

    id: str
    channels: tuple[str, ...]
    task_types: tuple[str, ...]
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class Unserved:
    """Due tasks of one channel and type that no live worker announces."""

    channel: str
    task_type: str
    count: int
    oldest: datetime


def _beat(_: Database) -> Node:
    columns = ("id", "channels", "task_types", "started_ms", "seen_ms")
    return W.insert({getattr(W, name): Given(name) for name in columns}).on_conflict(
        conflict_target=[W.id],
        update={
            W.channels: EXCLUDED.channels,
            W.task_types: EXCLUDED.task_types,
            W.seen_ms: EXCLUDED.seen_ms,
        },
    )


def _delete(_: Database) -> Node:
    return W.delete().where(W.id == Given("id"))


def _delete_old(_: Database) -> Node:
    return W.delete().where(W.seen_ms < Given("before"))


def _alive(_: Database) -> Node:
    columns = (W.id, W.channels, W.task_types, W.started_ms, W.seen_ms)
    return W.select(*columns).where(W.seen_ms >= Given("since")).order_by(W.started_ms)


def beat(store: Store, worker_id: str, channels: Iterable[str], task_types: Iterable[str]) -> None:
    """Says that the worker lives and what it serves."""
    now = times.to_ms(store.clock())
    store.database.run(
        _beat,
        id=worker_id,
        channels=json.dumps(sorted(channels)),
        task_types=json.dumps(sorted(task_types)),
        started_ms=now,
        seen_ms=now,
    )


def leave(store: Store, worker_id: str) -> None:
    """The worker has stopped."""
    store.database.run(_delete, id=worker_id)


def forget_old(store: Store) -> int:
    """Deletes workers that were last seen more than a day ago; how many."""
    return store.database.run(_delete_old, before=times.to_ms(store.clock() - FORGOTTEN_AFTER))


def live_workers(store: Store) -> list[LiveWorker]:
    """Workers seen within the last minute, the longest running first."""
    since = times.to_ms(store.clock() - ALIVE_FOR)
    return [_to_worker(row) for row in store.database.rows(_alive, since=since)]


def _to_worker(row: tuple[Any, ...]) -> LiveWorker:
    identity, channels, types, started, seen = row
    return LiveWorker(
        id=identity,
        channels=tuple(json.loads(channels)),
        task_types=tuple(json.loads(types)),
        started_at=times.from_ms(started),
        seen_at=times.from_ms(seen),
    )


def _due_by_channel(_: Database) -> Node:
    return (
        T.select(T.channel, T.task_type, fn.COUNT(SQL("*")), fn.MIN(T.due_at))
        .where((T.status == PENDING) & (T.due_at <= Given("now")))
        .group_by(T.channel, T.task_type)
    )


def unserved(store: Store) -> list[Unserved]:
    """Due tasks that wait because no live worker announces their channel and type."""
    served = {
        (channel, kind)
        for worker in live_workers(store)
        for channel in worker.channels
        for kind in worker.task_types
    }
    rows = store.database.rows(_due_by_channel, now=times.to_text(store.clock()))
    return [
        Unserved(channel, kind, count, times.from_text(oldest))
        for channel, kind, count, oldest in sorted(rows)
        if (channel, kind) not in served
    ]


# Named leases


def _take(_: Database) -> Node:
    columns = ("name", "holder", "token", "until_ms")
    return (
        L.insert({getattr(L, name): Given(name) for name in columns})
        .on_conflict(
            conflict_target=[L.name],
            update={L.holder: EXCLUDED.holder, L.token: EXCLUDED.token, L.until_ms: EXCLUDED.until_ms},
            where=L.until_ms <= Given("now"),
        )
        .returning(L.token)
    )


def _release(_: Database) -> Node:
    return L.delete().where((L.name == Given("name")) & (L.token == Given("token")))


def take_lease(store: Store, name: str, holder: str, length: timedelta) -> str | None:
    """The token of the lease, or None while somebody else holds it."""
    now, token = store.clock(), secrets.token_hex(8)
    taken = store.database.value(
        _take,
        name=name,
        holder=holder,
        token=token,
        until_ms=times.to_ms(now + length),
        now=times.to_ms(now),
    )
    return token if taken == token else None


def release_lease(store: Store, name: str, token: str) -> bool:
    """Gives the lease back; False where it was lost before."""
    return store.database.run(_release, name=name, token=token) > 0
