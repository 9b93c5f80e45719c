"""A task's history: its rows of the ledger as values."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from peewee import Node

from omega_models import checks, times
from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import TaskOccurrence as O
from omega_models.values import Occurrence

if TYPE_CHECKING:
    from omega_models.store import Store

HISTORY = (
    O.id,
    O.scheduled_for,
    O.state,
    O.attempts,
    O.lateness_ms,
    O.reason,
    O.receipt,
    O.error,
    O.stands_for,
    O.worker,
    O.settled_ms,
)


def _history(_: Database, of_sender: bool) -> Node:
    query = O.select(*HISTORY).where(O.task_id == Given("task_id")).order_by(O.scheduled_for)
    return query.where(O.sender_id == Given("sender_id")) if of_sender else query


def task_history(store: Store, id: str, sender_id: str | int | None = None) -> list[Occurrence]:
    """The task's rows of the ledger, oldest instant first; of that sender only, where one is named."""
    given = {"task_id": checks.identifier(id, "id")}
    if sender_id is not None:
        given["sender_id"] = checks.identifier(sender_id, "sender_id")
    return [_to_occurrence(row) for row in store.database.rows(_history, sender_id is not None, **given)]


def _to_occurrence(row: tuple[Any, ...]) -> Occurrence:
    identity, scheduled, state, attempts, lateness, reason, receipt, error, stands_for, worker, settled = row
    return Occurrence(
        id=identity,
        scheduled_for=times.from_ms(scheduled),
        status=state,
        attempts=attempts,
        lateness=None if lateness is None else timedelta(milliseconds=lateness),
        reason=reason,
        receipt=receipt,
        error=error,
        stands_for=stands_for,
        worker=worker,
        settled_at=None if settled is None else times.from_ms(settled),
    )
