"""Carrying over what is being sent when a worker goes on with another file: its claims hold there too."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omega_models import ledger, times
from omega_models.claims import Claim
from omega_models.moving import adopt, change
from omega_models.rows import fetch
from omega_models.values import ClaimedTask

if TYPE_CHECKING:
    from omega_models.store import Store


def carry(store: Store, claims: Iterable[Claim], worker_id: str, lease: timedelta) -> set[str]:
    """Claims the same occurrences, under the same tokens, where this database has them open; those it has."""
    with store.database.writing():
        now = store.clock()
        return {each.task.token for each in claims if _carried(store, each.task, worker_id, now, lease)}


def _carried(store: Store, task: ClaimedTask, worker_id: str, now: datetime, lease: timedelta) -> bool:
    row = fetch(store, task.id)
    if row is None or row.status != "pending":
        return False
    row = adopt(store, row)
    until = times.ceil(now + lease)
    if row.claim == task.token:
        return bool(change(store, row.id, due_at=until))
    anothers = row.claim is not None and row.due_at > now
    if anothers or ledger.occurrence_id(row.id, row.instant) != task.occurrence_id:
        return False
    due = row.instant if row.claim else row.due_at
    if ledger.claim(store, row, row.instant, due=due, token=task.token, worker=worker_id, now=now) is None:
        return False
    return bool(change(store, row.id, claim=task.token, due_at=until, scheduled_for=row.instant))
