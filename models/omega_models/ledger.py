"""The ledger: what became of each (task, scheduled instant), one row each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import EXCLUDED, SQL, Case, Node, NodeList

from omega_models import times
from omega_models.database import Database
from omega_models.rows import TaskRow
from omega_models.statements import Given
from omega_models.tables import TaskOccurrence as O
from omega_models.unnested import BIGINT, TEXT, turned, unnested

if TYPE_CHECKING:
    from omega_models.store import Store

MAX_ERROR = 500
LOST = "lost lease"
ASKED_FOR = ("snoozed", "retried by hand")  # the reasons of a time that somebody chose


def occurrence_id(task_id: str, instant: datetime) -> str:
    """The same for the same task and instant on every machine, so that it can be a receiver's key.

    A UUID of version 8: 48 bits of the instant, then 74 of the task's hash. The instant comes first so that
    rows claimed together lie together in the index, not each on a page of its own.
    """
    when = f"{times.to_ms(instant) & 0xFFFF_FFFF_FFFF:012x}"
    what = sha256(task_id.encode()).hexdigest()
    variant = "89ab"[int(what[3], 16) & 3]
    return f"{when[:8]}-{when[8:]}-8{what[:3]}-{variant}{what[4:7]}-{what[7:19]}"


class LedgerRow(NamedTuple):
    id: str
    task_id: str
    scheduled_for: datetime
    state: str
    attempts: int
    due: datetime
    claim: str | None
    reason: str | None
    follows: str | None


READ = (
    O.id,
    O.task_id,
    O.scheduled_for,
    O.state,
    O.attempts,
    O.due_ms,
    O.claim,
    O.reason,
    O.follows,
)


def to_row(values: tuple[Any, ...]) -> LedgerRow:
    found = list(values)
    found[2], found[5] = times.from_ms(found[2]), times.from_ms(found[5])
    return LedgerRow(*found)


def _by_id(_: Database) -> Node:
    return O.select(*READ).where(O.id == Given("id"))


def fetch(store: Store, identity: str) -> LedgerRow | None:
    found = store.database.row(_by_id, id=identity)
    return to_row(found) if found else None


WRITTEN = (
    "id",
    "task_id",
    "sender_id",
    "scheduled_for",
    "state",
    "attempts",
    "due_ms",
    "claim",
    "worker",
    "follows",
    "reason",
    "receipt",
    "error",
    "lateness_ms",
    "claimed_ms",
    "settled_ms",
    "stands_for",
)
EMPTY: dict[str, Any] = dict.fromkeys(WRITTEN) | {"attempts": 0, "stands_for": 1}


def insert(_: Database) -> Any:
    return O.insert({getattr(O, name): Given(name) for name in WRITTEN})


def _replaceable() -> Any:
    """Whoever chose a time for it is still to be known after a lost lease."""
    return O.reason.is_null() | O.reason.not_in(ASKED_FOR)


def _claim(db: Database) -> Any:
    return (
        insert(db)
        .on_conflict(
            conflict_target=[O.task_id, O.scheduled_for],
            update={
                O.reason: Case(None, [((O.state == "claimed") & _replaceable(), LOST)], O.reason),
                O.state: "claimed",
                O.attempts: O.attempts + 1,
                O.claim: EXCLUDED.claim,
                O.worker: EXCLUDED.worker,
                O.claimed_ms: EXCLUDED.claimed_ms,
                O.settled_ms: None,
            },
            where=O.state != "delivered",
        )
        .returning(O.attempts, O.due_ms, O.reason)
    )


FRESH = ("id", "task_id", "sender_id", "scheduled_for", "due_ms", "claim", "worker", "claimed_ms")


def _claim_fresh(_: Database) -> Any:
    columns: dict[Any, Any] = {getattr(O, name): Given(name) for name in FRESH}
    constant = {O.state: SQL("'claimed'"), O.attempts: SQL("1")}
    return O.insert(columns | constant).on_conflict(
        conflict_target=[O.task_id, O.scheduled_for], action="ignore"
    )


def _claim_fresh_at_once(_: Database) -> Any:
    given = unnested("given", id=TEXT, task_id=TEXT, sender_id=TEXT, due_ms=BIGINT, claim=TEXT)
    columns = (
        SQL("id, task_id, sender_id, due_ms, due_ms, claim,"),
        Given("worker"),
        SQL(","),
        Given("claimed_ms"),
    )
    return NodeList(
        (
            SQL("INSERT INTO task_occurrences"),
            SQL(
                "(id, task_id, sender_id, scheduled_for, due_ms, claim, worker, claimed_ms, state, attempts)"
            ),
            SQL("SELECT"),
            *columns,
            SQL(", 'claimed', 1 FROM"),
            given,
            SQL("ON CONFLICT (task_id, scheduled_for) DO NOTHING RETURNING claim"),
        )
    )


def _claimed(
    row: TaskRow, instant: datetime, due: datetime, token: str, worker: str, now: datetime
) -> dict[str, Any]:
    return EMPTY | {
        "id": token.partition("/")[0],
        "task_id": row.id,
        "sender_id": row.sender_id,
        "scheduled_for": times.to_ms(instant),
        "state": "claimed",
        "attempts": 1,
        "due_ms": times.to_ms(due),
        "claim": token,
        "worker": worker,
        "claimed_ms": times.to_ms(now),
    }


def claim_fresh(store: Store, rows: Sequence[tuple[TaskRow, str]], *, worker: str, now: datetime) -> set[str]:
    """Writes the first claims of rows the ledger does not know yet; the tokens of those it did not know.

    Each row is due at its own instant.
    """
    claimed = times.to_ms(now)
    sets = [_fresh(row, token, worker, claimed) for row, token in rows]
    if sets and store.database.is_postgres:
        columns = turned(sets, "id", "task_id", "sender_id", "due_ms", "claim")
        found = store.database.rows(_claim_fresh_at_once, **columns, worker=worker, claimed_ms=claimed)
        return {token for (token,) in found}
    if store.database.many(_claim_fresh, sets=sets) == len(rows):
        return {token for _, token in rows}
    return {
        token
        for _, token in rows
        if (entry := fetch(store, token.partition("/")[0])) and entry.claim == token
    }


def _fresh(row: TaskRow, token: str, worker: str, claimed_ms: int) -> dict[str, Any]:
    instant = times.to_ms(row.due_at)
    return {
        "id": token.partition("/")[0],
        "task_id": row.id,
        "sender_id": row.sender_id,
        "scheduled_for": instant,
        "due_ms": instant,
        "claim": token,
        "worker": worker,
        "claimed_ms": claimed_ms,
    }


def claim(
    store: Store, row: TaskRow, instant: datetime, *, due: datetime, token: str, worker: str, now: datetime
) -> tuple[int, datetime, str | None] | None:
    """Attempts, when it was due, and the reason on record; None where it was delivered before."""
    found = store.database.row(
        _claim,
        **_claimed(row, instant, due, token, worker, now),
    )
    return (found[0], times.from_ms(found[1]), found[2]) if found else None


def change_many(store: Store, changes: Sequence[dict[str, Any]]) -> None:
    """Writes the same columns of several rows, each with its `id`."""
    if changes:
        names = tuple(name for name in changes[0] if name != "id")
        store.database.many(_record, names, sets=changes)


def _record(_: Database, names: tuple[str, ...]) -> Node:
    return O.update({getattr(O, name): Given(name) for name in names}).where(O.id == Given("id"))


def change(store: Store, identity: str, **columns: Any) -> int:
    """Writes those columns of one row; the number of rows there were."""
    return store.database.run(_record, tuple(columns), **columns, id=identity)


def put(store: Store, row: TaskRow, instant: datetime, **columns: Any) -> str:
    """Writes those columns of the task's row for that instant, which is made where there is none; its id."""
    identity = occurrence_id(row.id, instant)
    if not change(store, identity, **columns):
        fresh = {
            "id": identity,
            "task_id": row.id,
            "sender_id": row.sender_id,
            "scheduled_for": times.to_ms(instant),
            "due_ms": times.to_ms(instant),
        }
        store.database.run(insert, **EMPTY | fresh | columns)
    return identity


def _waiting(_: Database) -> Node:
    return (
        O.select(*READ)
        .where((O.task_id == Given("task_id")) & (O.scheduled_for > Given("after")) & (O.state == "held"))
        .order_by(O.scheduled_for)
        .limit(1)
    )


def next_waiting(store: Store, task_id: str, after: datetime) -> LedgerRow | None:
    """The task's next occurrence after that instant that was snoozed or put off beforehand."""
    found = store.database.row(_waiting, task_id=task_id, after=times.to_ms(after))
    return to_row(found) if found else None


def _last_in_state(_: Database, states: tuple[str, ...]) -> Node:
    return (
        O.select(*READ)
        .where((O.task_id == Given("task_id")) & O.state.in_(states))
        .order_by(O.scheduled_for.desc())
        .limit(1)
    )


def last_in_state(store: Store, task_id: str, *states: str) -> LedgerRow | None:
    found = store.database.row(_last_in_state, states, task_id=task_id)
    return to_row(found) if found else None


def error_text(error: str | None) -> str | None:
    """What may be kept of an error: one line, no NUL, cut to a sensible length."""
    if error is None:
        return None
    line = " ".join(str(error).replace("\0", " ").split())
    return line.encode(errors="replace").decode()[:MAX_ERROR]


def _forget(_: Database) -> Node:
    return O.delete().where(O.id == Given("id"))


def forget(store: Store, identity: str) -> None:
    """Takes back a row that recorded no attempt."""
    store.database.run(_forget, id=identity)
