"""Settling: what became of an occurrence, written to the ledger and to its task in one transaction."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import SQL, Case, Node, NodeList, fn

from omega_models import checks, ledger, times
from omega_models.database import Database
from omega_models.errors import WrongType
from omega_models.keeping import Held, held_rows
from omega_models.moving import change, move_on
from omega_models.rows import Series, TaskRow, series_of
from omega_models.statements import Given
from omega_models.tables import ScheduledTask as T
from omega_models.tables import TaskOccurrence as O
from omega_models.unnested import TEXT, unnested

if TYPE_CHECKING:
    from omega_models.store import Store

OUTCOMES = ("delivered", "retry", "failed", "ambiguous")
RETRY_BASE = timedelta(seconds=120)
RETRY_MOST = timedelta(hours=1)
LONGEST_WAIT = timedelta(days=366)
CANCELLED_IN_FLIGHT = "cancelled while it was being sent"


class Settlement(NamedTuple):
    """What a sender found out. `retry_after` is counted from now."""

    token: str
    outcome: str
    receipt: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None


def backoff(attempt: int, base: timedelta = RETRY_BASE, at_least: timedelta | None = None) -> timedelta:
    """The wait before the try after attempt number `attempt`: doubled each time, up to an hour, with jitter."""
    doubled = min(RETRY_MOST, base * 2 ** min(attempt - 1, 30)) if attempt > 0 else base
    delay = doubled * random.uniform(1, 1.25)
    return max(delay, at_least) if at_least else delay


def settle(
    store: Store,
    token: str,
    outcome: str,
    *,
    receipt: str | None = None,
    error: str | None = None,
    retry_after: timedelta | float | None = None,
) -> bool:
    """Ends a claim: `delivered`, `retry`, `failed` or `ambiguous` (sent, but nobody knows if it arrived).

    `retry_after` (a timedelta or seconds) says when to try again; an ambiguous one is tried again only where
    it is given, else it is kept for a person. False: the lease was lost, or the task was cancelled or
    changed meanwhile, and the task is as it was.
    """
    checks.one_of(outcome, "outcome", OUTCOMES)
    named = checks.identifier(token, "token")
    return settle_many(store, [Settlement(named, outcome, receipt, error, _delay(retry_after))])[0]


def _delay(given: timedelta | float | None) -> timedelta | None:
    if given is None or isinstance(given, timedelta):
        return given
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float)
        or (isinstance(given, float) and isnan(given))
    ):
        raise WrongType("retry_after must be a timedelta or a number of seconds")
    return timedelta(seconds=min(max(given, 0), LONGEST_WAIT.total_seconds()))


def settle_many(store: Store, settlements: Iterable[Settlement]) -> list[bool]:
    """Several in one transaction; for each whether its lease still held."""
    clean = [_cleaned(each) for each in settlements]
    with store.database.writing(together=True):
        store.reached("settle: begun")
        delivered = _deliver_one_shots(store, clean)
        held = held_rows(store, [each.token for each in clean if each.token not in delivered])
        kept = [_settle_one(store, each, delivered, held) for each in clean]
        store.reached("settle: written")
    store.reached("settle: committed")
    return kept


def _cleaned(given: Settlement) -> Settlement:
    if given.error is None and given.receipt is None:
        return given
    return given._replace(error=ledger.error_text(given.error), receipt=ledger.error_text(given.receipt))


def _settle_one(store: Store, given: Settlement, delivered: set[str], held: dict[str, Held]) -> bool:
    """Whether the lease still held. What stands in `delivered` is written already, once."""
    if given.token in delivered:
        delivered.remove(given.token)
        return True
    found = held.pop(given.token, None)
    if found is None:
        _note_late_outcome(store, given)
        return False
    WAYS[given.outcome](store, *found, given)
    return True


def _closed(receipt: Any) -> dict[Any, Any]:
    settled = Given("settled_ms")
    return {
        O.state: "delivered",
        O.claim: None,
        O.receipt: receipt,
        O.error: None,
        O.settled_ms: settled,
        O.lateness_ms: Case(None, [(O.due_ms < settled, settled - O.due_ms)], 0),
    }


def _ended() -> dict[Any, Any]:
    return {
        T.status: "delivered",
        T.delivered_at: Given("now"),
        T.claim: None,
        T.retry_count: 0,
        T.missed: None,
        T.last_error: None,
        T.rev: T.rev + 1,
    }


def _close_one_shots(db: Database) -> Node:
    held = T.select(SQL("1")).where((T.id == O.task_id) & (T.claim == O.claim) & T.repeat.is_null())
    plain = O.follows.is_null() & O.reason.is_null() & fn.EXISTS(held)
    found = O.update(_closed(None)).where(db.among(O.id, "occurrences"), db.among(O.claim, "tokens"), plain)
    return found.returning(O.id, O.task_id)


def _end_one_shots(db: Database) -> Node:
    return T.update(_ended()).where(db.among(T.id, "tasks"), T.claim.is_null(False))


# OFFSET 0 keeps a planner that knows little of the ledger yet from reading all of it.
BY_ID = SQL(
    """LATERAL (SELECT task_id, claim FROM task_occurrences WHERE id = given.id AND claim = given.token
    AND follows IS NULL AND reason IS NULL OFFSET 0) AS entry"""
)


def _deliver_at_once(_: Database) -> Node:
    """Both on a server: the task first, as claims lock it first, so that neither waits for the other."""
    given = unnested("given", id=TEXT, token=TEXT, receipt=TEXT)
    held = NodeList((T.id, SQL("= entry.task_id AND"), T.claim, SQL("= entry.claim AND"), T.repeat.is_null()))
    ended = T.update(_ended()).from_(given, BY_ID).where(held)
    ended = ended.returning(SQL("given.id"), SQL("given.receipt"))
    closed = O.update(_closed(SQL("ended.receipt"))).from_(SQL("ended"))
    closed = closed.where(NodeList((O.id, SQL("= ended.id")))).returning(O.id)
    return NodeList((SQL("WITH ended AS ("), ended, SQL(")"), closed))


def _deliver_one_shots(store: Store, settlements: list[Settlement]) -> set[str]:
    """The common case, written for all at once: delivered, and nothing follows. The tokens of those it was.

    Of several settlements of one occurrence the first is looked at; the others find out one by one.
    """
    first: dict[str, Settlement] = {}
    for each in settlements:
        first.setdefault(each.token.partition("/")[0], each)
    given = {identity: each for identity, each in first.items() if each.outcome == "delivered"}
    if not given:
        return set()
    write = _write_at_once if store.database.is_postgres else _write_in_turn
    return {given[identity].token for identity in write(store, given)}


def _write_at_once(store: Store, given: dict[str, Settlement]) -> list[str]:
    now = store.clock()
    settled = list(given.values())
    columns = {
        "id": list(given),
        "token": [each.token for each in settled],
        "receipt": [each.receipt for each in settled],
    }
    moment = {"now": times.to_text(now), "settled_ms": times.to_ms(now)}
    return [identity for (identity,) in store.database.rows(_deliver_at_once, **columns, **moment)]


def _write_in_turn(store: Store, given: dict[str, Settlement]) -> list[str]:
    now, listed = store.clock(), store.database.listed
    tokens = listed([each.token for each in given.values()])
    closed = store.database.rows(
        _close_one_shots, occurrences=listed(list(given)), tokens=tokens, settled_ms=times.to_ms(now)
    )
    tasks = listed([task_id for _, task_id in closed])
    store.database.run(_end_one_shots, tasks=tasks, now=times.to_text(now))
    receipts = [{"id": identity, "receipt": given[identity].receipt} for identity, _ in closed]
    ledger.change_many(store, [each for each in receipts if each["receipt"] is not None])
    return [identity for identity, _ in closed]


def _note_late_outcome(store: Store, given: Settlement) -> None:
    """A send that was in flight when its task was cancelled: the ledger says what became of it."""
    entry = ledger.fetch(store, given.token.partition("/")[0])
    if entry is not None and entry.claim == given.token and given.outcome in ("delivered", "failed"):
        _close(store, entry, given.outcome, receipt=given.receipt, error=given.error)


def _close(store: Store, entry: ledger.LedgerRow, state: str, **columns: Any) -> None:
    ledger.change(store, entry.id, **_closing(state, entry, store.clock()), **columns)


def _closing(state: str, entry: ledger.LedgerRow, now: datetime) -> dict[str, Any]:
    settled = times.to_ms(now)
    lateness = max(0, settled - times.to_ms(entry.due)) if state == "delivered" else None
    return {"state": state, "claim": None, "settled_ms": settled, "lateness_ms": lateness}


def _delivered(store: Store, entry: ledger.LedgerRow, row: TaskRow, given: Settlement) -> None:
    _close(store, entry, "delivered", receipt=given.receipt, error=None)
    now = store.clock()
    move_on(store, row, now, delivered_at=now, last_error=None)


def _failed(store: Store, entry: ledger.LedgerRow, row: TaskRow, given: Settlement) -> None:
    _close(store, entry, "failed", error=given.error)
    move_on(store, row, store.clock(), status="failed", last_error=given.error)


def _retry(
    store: Store, entry: ledger.LedgerRow, row: TaskRow, given: Settlement, state: str = "retrying"
) -> None:
    delay = given.retry_after if given.retry_after is not None else backoff(entry.attempts)
    now = store.clock()
    again = later(now, delay)
    if reaches_next(series_of(row), row, now, again):
        _close(store, entry, "failed", reason="superseded", error=given.error)
        move_on(
            store, row, now, status="failed", last_error=f"superseded: {given.error or 'no reason given'}"
        )
        return
    ledger.change(store, entry.id, state=state, claim=None, error=given.error)
    change(store, row.id, claim=None, due_at=again, retry_count=entry.attempts, last_error=given.error)


def later(now: datetime, delay: timedelta) -> datetime:
    """Now and the delay, up to a whole second, within what times can be."""
    return times.ceil(now + min(max(delay, timedelta(0)), LONGEST_WAIT))


def reaches_next(series: Series, row: TaskRow, now: datetime, again: datetime) -> bool:
    """Whether a retry at `again` would come no sooner than the series' own next occurrence."""
    if row.missed == "all":
        return False
    following = series.after(max(now, row.instant))
    return following is not None and again >= following


def _ambiguous(store: Store, entry: ledger.LedgerRow, row: TaskRow, given: Settlement) -> None:
    if given.retry_after is not None:
        _retry(store, entry, row, given, state="ambiguous")
        return
    _close(store, entry, "ambiguous", error=given.error)
    move_on(
        store,
        row,
        store.clock(),
        status="failed",
        last_error=f"ambiguous: {given.error or 'it may have arrived, or not'}",
    )


WAYS = {"delivered": _delivered, "retry": _retry, "failed": _failed, "ambiguous": _ambiguous}
