"""Alerts are tasks themselves: urgent, due at once, and each only once, because its id is made from its cause."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from peewee import Node

from omega_models import times
from omega_models.database import Database
from omega_models.moving import changing
from omega_models.statements import Given
from omega_models.tables import TaskOccurrence as O
from omega_models.tasks import insert_task

if TYPE_CHECKING:
    from omega_models.store import Store

SENDER = "omega"
NAMESPACE = uuid.UUID("9c0f3c5e-0a68-4f0e-8a0e-6f6d65676131")


def _insert_once(database: Database) -> Node:
    query: Any = insert_task(database)
    return query.on_conflict_ignore()  # type: ignore[no-any-return]


def raise_alert(store: Store, channel: str, reply_target: str, cause: str, text: str) -> bool:
    """Tells the owner, through the ledger like everything else; False where this cause was told before."""
    now = times.to_text(times.ceil(store.clock()))
    with changing(store):
        return (
            store.database.run(
                _insert_once,
                id=str(uuid.uuid5(NAMESPACE, cause)),
                channel=channel,
                sender_id=SENDER,
                reply_target=reply_target,
                description=text,
                due_at=now,
                repeat=None,
                created_at=now,
                task_type="reminder",
                project="",
                scheduled_for=now,
                anchor_local=now,
                timezone="UTC",
                urgent=1,
            )
            > 0
        )


def _states(_: Database) -> Node:
    last = O.select(O.state, O.scheduled_for).where(
        (O.task_id == Given("task_id")) & O.state.in_(("delivered", "failed", "ambiguous"))
    )
    return last.order_by(O.scheduled_for.desc()).limit(Given("limit"))


def failing_since(store: Store, task_id: str, in_a_row: int) -> str | None:
    """When the present run of failures of a series began, if it is that long; the mark of that run."""
    rows = store.database.rows(_states, task_id=task_id, limit=max(100, in_a_row))
    run: list[int] = []
    for state, scheduled in rows:
        if state == "delivered":
            break
        run.append(scheduled)
    return times.to_text(times.from_ms(run[-1])) if len(run) >= in_a_row else None
