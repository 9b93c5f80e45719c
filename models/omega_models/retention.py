"""Old rows that nobody needs any more: conversations, outcomes, the ledger, the audit log. In small batches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import SQL, Node, fn

from omega_models import times
from omega_models.conversations import CLOSED
from omega_models.database import Database
from omega_models.forgetting import MOST_CONVERSATIONS, delete_conversations, together
from omega_models.rows import LIVE
from omega_models.statements import Given
from omega_models.tables import AuditRow as A
from omega_models.tables import Conversation as C
from omega_models.tables import Lease as L
from omega_models.tables import Message as M
from omega_models.tables import Outcome as U
from omega_models.tables import ScheduledTask as T
from omega_models.tables import TaskOccurrence as O

if TYPE_CHECKING:
    from omega_models.store import Store

BATCH = 500
MOST_BATCHES = 200  # the rest waits for the next time
MOST_LEDGER_BATCHES = 1200  # so that a round an hour keeps up with ten million occurrences a day
REST_SECONDS = 0.01  # between two batches, so that other writers come in between
ENDED = ("delivered", "failed", "skipped")
ROWID = SQL("rowid")
MAINTAINED = (
    "maintained"  # not a right to anything: the lease that tells by its end when all this was last done
)

Rest = Callable[[float], object]
Later = O.alias()


class _Old(NamedTuple):
    """A row of the ledger, and of its task what decides whether it stays."""

    id: str
    settled_ms: int
    scheduled_ms: int
    state: str
    present: str | datetime | None  # the instant of the live task's present occurrence; None: no live task
    superseded: bool  # a later one was delivered

    @property
    def wanted(self) -> bool:
        if self.present is None:
            return False
        present = self.present if isinstance(self.present, str) else times.to_text(self.present)
        is_last = self.state == "delivered" and not self.superseded
        return is_last or present == times.to_text(times.from_ms(self.scheduled_ms))


def _old(_: Database) -> Node:
    later = Later.select(SQL("1")).where(
        (Later.task_id == O.task_id) & (Later.scheduled_for > O.scheduled_for) & (Later.state == "delivered")
    )
    beyond = (O.settled_ms > Given("settled")) | (O.id > Given("id"))
    span = (O.settled_ms >= Given("settled")) & (O.settled_ms < Given("before"))
    columns = (O.id, O.settled_ms, O.scheduled_for, O.state, T.due_at, T.scheduled_for, fn.EXISTS(later))
    return (
        O.select(*columns)
        .left_outer_join(T, on=(T.id == O.task_id) & T.status.in_(LIVE))
        .where(span & beyond & O.state.in_(ENDED))
        .order_by(O.settled_ms, O.id)
        .limit(BATCH)
    )


def _as_old(row: tuple[Any, ...]) -> _Old:
    identity, settled, scheduled, state, due, present, superseded = row
    return _Old(identity, settled, scheduled, state, present or due, bool(superseded))


def _delete(db: Database) -> Node:
    return O.delete().where(db.among(O.id, "ids"), O.state.in_(ENDED), O.settled_ms < Given("before"))


def forget_settled(store: Store, before: datetime, rest: Rest = time.sleep) -> int:
    """Deletes ledger rows that were settled before then; how many.

    Whatever may still be sent stays, and of a live task its present occurrence and the last delivered one.
    """
    limit, gone = times.to_ms(before), 0
    settled, identity = 0, ""
    for _ in range(MOST_LEDGER_BATCHES):
        with store.database.writing(together=True):  # those who claim and settle beside it end other rows
            rows = store.database.rows(_old, settled=settled, id=identity, before=limit)
            found = [_as_old(row) for row in rows]
            ids = store.database.listed([each.id for each in found if not each.wanted])
            gone += store.database.run(_delete, ids=ids, before=limit) if found else 0
        if len(found) < BATCH:
            break
        settled, identity = found[-1].settled_ms, found[-1].id
        rest(REST_SECONDS)
    return gone


def _delete_before(_: Database, model: Any) -> Node:
    old = model.select(ROWID).where(model.timestamp < Given("before")).order_by(model.timestamp).limit(BATCH)
    return model.delete().where(ROWID << old)  # type: ignore[no-any-return]


def _forget_before(store: Store, model: Any, before: datetime, rest: Rest) -> int:
    gone = 0
    for _ in range(MOST_BATCHES):
        deleted = store.database.run(_delete_before, model, before=times.to_text(before))
        gone += deleted
        if deleted < BATCH:
            break
        rest(REST_SECONDS)
    return gone


def forget_audit(store: Store, before: datetime, rest: Rest = time.sleep) -> int:
    """Deletes entries of the audit log from before then; how many."""
    return _forget_before(store, A, before, rest)


def forget_outcomes(store: Store, before: datetime, rest: Rest = time.sleep) -> int:
    """Deletes outcomes from before then; how many. The lessons that were learned from them stay."""
    return _forget_before(store, U, before, rest)


def _closed_before(_: Database) -> Node:
    size = M.select(fn.COUNT(SQL("*"))).where(M.conversation == C.id)
    old = C.select(C.id, size).where((C.status == CLOSED) & (C.updated_at < Given("before")))
    return old.order_by(C.updated_at).limit(MOST_CONVERSATIONS)


def forget_conversations(store: Store, before: datetime, rest: Rest = time.sleep) -> int:
    """Deletes conversations that were closed before then, with all that was said in them; how many.

    Whole ones only. Facts and lessons that came of them stay.
    """
    gone: Counter[str] = Counter()
    for _ in range(MOST_BATCHES):
        with store.database.writing():
            rows = store.database.rows(_closed_before, before=times.to_text(before))
            delete_conversations(store, together(rows), gone)
        if not rows:
            break
        rest(REST_SECONDS)
    return gone["conversations"]


def _delete_leases(_: Database) -> Node:
    return L.delete().where((L.until_ms <= Given("now")) & (L.name != MAINTAINED))


def forget_leases(store: Store) -> int:
    """Deletes leases that have ended: each can be taken by anybody anyway."""
    return store.database.run(_delete_leases, now=times.to_ms(store.clock()))
