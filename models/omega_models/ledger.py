"""The ledger: what became of each (task, scheduled instant), one row each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import EXCLUDED, SQL, Case, Node

from omega_models import checks, recurrence, times
from omega_models.database import Database
from omega_models.rows import Series, TaskRow
from omega_models.statements import Given
from omega_models.tables import TaskOccurrence as O
from omega_models.values import Occurrence

if TYPE_CHECKING:
    from omega_models.store import Store

MOST_SKIPPED = 1000
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


def _insert(_: Database) -> Any:
    return O.insert({getattr(O, name): Given(name) for name in WRITTEN})


def _insert_if_new(db: Database) -> Any:
    return _insert(db).on_conflict(
        conflict_target=[O.task_id, O.scheduled_for],
        update={
            O.state: EXCLUDED.state,
            O.reason: EXCLUDED.reason,
            O.settled_ms: EXCLUDED.settled_ms,
            O.stands_for: EXCLUDED.stands_for,
        },
        where=O.state.in_(("held", "retrying")),
    )


def _replaceable() -> Any:
    """Whoever chose a time for it is still to be known after a lost lease."""
    return O.reason.is_null() | O.reason.not_in(ASKED_FOR)


def _claim(db: Database) -> Any:
    return (
        _insert(db)
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
        store.database.run(_insert, **EMPTY | fresh | columns)
    return identity


def skip(store: Store, row: TaskRow, instants: Iterable[datetime], reason: str, stands_for: int = 1) -> None:
    """Records that those occurrences were not sent, and why. What the ledger knows already stays as it is."""
    settled = times.to_ms(store.clock())
    fresh = EMPTY | {
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
                "id": occurrence_id(row.id, instant),
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


def _forget(_: Database) -> Node:
    return O.delete().where(O.id == Given("id"))


def forget(store: Store, identity: str) -> None:
    """Takes back a row that recorded no attempt."""
    store.database.run(_forget, id=identity)
