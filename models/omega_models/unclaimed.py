"""Tasks that are settled without a claim, as the older program's callers do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omega_models import checks, ledger, times
from omega_models.asked import parse_repeat
from omega_models.moving import FAR, adopt, change, changing, move_on, skip_waiting
from omega_models.rows import Series, TaskRow, fetch, series_of

if TYPE_CHECKING:
    from omega_models.store import Store

from omega_models.settling import backoff, later, reaches_next

AS_STORED: Any = "<as stored>"


def complete_task(store: Store, id: str, repeat: str | None = AS_STORED) -> None:
    """Marks the present occurrence delivered. `None` or `once` ends even a series; else on to the next."""
    rule = None if repeat is AS_STORED else parse_repeat(repeat)
    with changing(store):
        row = fetch(store, checks.identifier(id, "id"))
        if row is None or row.status != "pending":
            return
        row = adopt(store, row)
        series = series_of(row)
        if repeat is not AS_STORED:
            series = series._replace(repeat=rule)
        _complete(store, row, series)


def _complete(store: Store, row: TaskRow, series: Series) -> None:
    now = store.clock()
    entry = ledger.fetch(store, ledger.occurrence_id(row.id, row.instant))
    due = entry.due if entry else row.due_at
    ledger.put(
        store,
        row,
        row.instant,
        state="delivered",
        attempts=_attempts(entry, row),
        claim=None,
        lateness_ms=max(0, times.to_ms(now) - times.to_ms(due)),
        settled_ms=times.to_ms(now),
    )
    if series.repeat is None and row.repeat is not None:
        skip_waiting(store, row, FAR, "completed")
    move_on(store, row, now, series=series, delivered_at=now)


def _attempts(entry: ledger.LedgerRow | None, row: TaskRow) -> int:
    """The attempts on record, this one included; a live claim has counted itself."""
    return (entry.attempts if entry else 0) + (0 if entry and row.claim else 1)


def fail_task(store: Store, id: str, error: str, max_retries: int) -> bool:
    """Records a failed try; whether there will be another.

    True until the `max_retries`-th failure; then a one-shot is `failed` and a series waits for its next
    occurrence.
    """
    checks.limit(max_retries, "max_retries")
    with changing(store):
        row = fetch(store, checks.identifier(id, "id"))
        if row is None or row.status != "pending":
            return False
        return _fail(store, adopt(store, row), ledger.error_text(error), max_retries)


def _fail(store: Store, row: TaskRow, error: str | None, max_retries: int) -> bool:
    now = store.clock()
    entry = ledger.fetch(store, ledger.occurrence_id(row.id, row.instant))
    attempts = _attempts(entry, row)
    failures = row.retry_count + 1
    again = later(now, backoff(failures))
    superseded = reaches_next(series_of(row), row, now, again)
    if failures < max_retries and not superseded:
        ledger.put(store, row, row.instant, state="retrying", attempts=attempts, claim=None, error=error)
        change(store, row.id, claim=None, due_at=again, retry_count=failures, last_error=error)
        return True
    reason = {"reason": "superseded"} if failures < max_retries else {}
    ledger.put(
        store,
        row,
        row.instant,
        state="failed",
        attempts=attempts,
        claim=None,
        error=error,
        settled_ms=times.to_ms(now),
        **reason,
    )
    move_on(store, row, now, status="failed", last_error=error)
    return False
