"""What people do to their tasks: change, cancel, put off, snooze, retry, skip, pause, resume."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from omega_models import checks, ledger, recurrence, skipping, times
from omega_models.asked import check_time, checked_zone, first_occurrence, parse_repeat
from omega_models.finding import find
from omega_models.moving import FAR, adopt, change, changing, move_on, skip_waiting
from omega_models.rows import LIVE, Series, TaskRow, fetch, known_repeat, series_of
from omega_models.settling import CANCELLED_IN_FLIGHT

if TYPE_CHECKING:
    from omega_models.store import Store

PENDING = ("pending",)


def update_task(
    store: Store,
    id_prefix: str,
    sender_id: str | int,
    description: str | None = None,
    due_at: datetime | str | None = None,
    repeat: str | None = None,
    *,
    timezone: str | None = None,
) -> bool:
    """Changes what is given. A new time, repeat or zone starts the series anew; a new text leaves it be.

    `repeat="once"` turns a series into a one-shot. Naive `due_at` is UTC, or wall-clock where `timezone` is
    named. False: no such pending task. A send under way is not recalled, and cannot overwrite this.
    """
    sender = checks.identifier(sender_id, "sender_id")
    if description is not None:
        checks.text(description, "description", store.max_text, empty=False)
    if due_at is not None:
        check_time(due_at, timezone)
    if timezone is not None:
        checked_zone(timezone)
    rule = parse_repeat(repeat)
    with changing(store):
        found = find(store, id_prefix, sender, LIVE)
        if found is None:
            return False
        row = adopt(store, found)
        columns: dict[str, Any] = {} if description is None else {"description": description}
        if due_at is not None or repeat is not None or timezone is not None:
            columns |= _restart(store, row, due_at, rule if repeat is not None else row.repeat, timezone)
        return change(store, row.id, **columns) > 0


def _restart(
    store: Store, row: TaskRow, due_at: datetime | str | None, repeat: str | None, timezone: str | None
) -> dict[str, Any]:
    """The series from its new start: the time given, else the present wall-clock time in its zone."""
    zone_name = timezone or row.timezone or store.default_timezone
    own = series_of(row).first(row.instant) or row.instant  # not the time something was snoozed to
    local = recurrence.to_local(own, row.timezone or zone_name)
    if due_at is not None:
        instant, anchor = times.instant(due_at, timezone), times.wall_clock(due_at, timezone, zone_name)
    else:
        instant = own if timezone is None else recurrence.to_instant(local, zone_name)[0]
        anchor = series_of(row).anchor if repeat == row.repeat else local
    first = first_occurrence(Series(known_repeat(repeat), anchor, zone_name), instant)
    rule = {"repeat": repeat, "timezone": zone_name, "anchor_local": anchor.isoformat(" ")}
    if first == row.instant and (row.claim or due_at is None):
        return rule  # the same occurrence: a send under way goes on, what was put off stays put off
    _let_go(store, row, "changed while it was being sent", "changed")
    skip_waiting(store, row, FAR, "changed")
    return rule | {
        "scheduled_for": first,
        "due_at": first,
        "claim": None,
        "missed": None,
        "retry_count": 0,
    }


def _let_go(store: Store, row: TaskRow, in_flight: str, waiting: str) -> None:
    """The present occurrence's ledger row, where there is one, says why nothing more comes of it."""
    entry = ledger.fetch(store, ledger.occurrence_id(row.id, row.instant))
    if entry is None or entry.state in ("delivered", "failed", "skipped"):
        return
    if row.claim:  # its claim stays on record, so that the sender can still say what became of it
        ledger.change(store, entry.id, state="ambiguous", reason=in_flight)
    else:
        settled, due = times.to_ms(store.clock()), times.to_ms(row.instant)
        ledger.change(store, entry.id, state="skipped", reason=waiting, settled_ms=settled, due_ms=due)


def cancel_task(store: Store, id_prefix: str, sender_id: str | int) -> bool:
    """Cancels the sender's pending task; True also where it was cancelled already."""
    sender = checks.identifier(sender_id, "sender_id")
    with changing(store):
        row = find(store, id_prefix, sender, (*LIVE, "cancelled"))
        if row is None:
            return False
        if row.status != "cancelled":
            _let_go(store, row, CANCELLED_IN_FLIGHT, "cancelled")
            skip_waiting(store, row, FAR, "cancelled")
            change(store, row.id, status="cancelled", claim=None)
        return True


def defer_task(store: Store, id: str, new_due_at: datetime | str, *, timezone: str | None = None) -> None:
    """This occurrence later; the series keeps its times. Naive is UTC, or wall-clock where `timezone` is named."""
    until = check_time(new_due_at, timezone)
    with changing(store):
        row = fetch(store, checks.identifier(id, "id"))
        if row is not None and row.status == "pending":
            _put_off(store, adopt(store, row), until, "deferred")


def _put_off(store: Store, row: TaskRow, until: datetime, reason: str) -> None:
    """The present occurrence is to be sent at `until`: beyond the series' next as an occurrence of its own."""
    following = series_of(row).after(row.instant)
    if following is not None and following <= until:
        settled = times.to_ms(store.clock())
        present = ledger.put(
            store, row, row.instant, state="skipped", reason=reason, claim=None, settled_ms=settled
        )
        _add_own(store, row, until, reason, present)
        move_on(store, row, store.clock())
        return
    ledger.put(store, row, row.instant, state="held", reason=reason, claim=None, due_ms=times.to_ms(until))
    change(store, row.id, claim=None, due_at=until, retry_count=0)


def snooze_task(
    store: Store,
    id_prefix: str,
    sender_id: str | int,
    until: datetime | str,
    *,
    timezone: str | None = None,
) -> bool:
    """Reminds again at `until`.

    What is waiting or overdue is put off. What was delivered comes once more, as an occurrence of its own,
    and a series keeps its times besides.
    """
    sender, moment = checks.identifier(sender_id, "sender_id"), check_time(until, timezone)
    with changing(store):
        found = find(store, id_prefix, sender, ("pending", "delivered", "failed"))
        if found is None:
            return False
        row, now = adopt(store, found) if found.status == "pending" else found, store.clock()
        present = ledger.fetch(store, ledger.occurrence_id(row.id, row.instant))
        last = ledger.last_in_state(store, row.id, "delivered")
        if row.status != "pending":
            _once_more(store, row, moment, last, {"status": "pending", "repeat": None, "delivered_at": None})
        elif present is not None and row.claim and row.due_at > now:  # it may have arrived already
            ledger.change(store, present.id, reason="snoozed while it was being sent")
            _add_own(store, row, max(moment, row.instant + times.SECOND), "snoozed", present.id)
        elif (
            last is None
            or row.repeat is None
            or row.claim
            or row.retry_count
            or row.instant <= now
            or _is_begun(present)
        ):
            _put_off(store, row, moment, "snoozed")
        else:
            _once_more(store, row, moment, last, {})
        return True


def _is_begun(entry: ledger.LedgerRow | None) -> bool:
    """A snooze itself, or one that is to be tried again: it is moved, and nothing comes beside it."""
    if entry is None:
        return False
    return entry.state in ("retrying", "ambiguous") or (entry.state == "held" and entry.follows is not None)


def _once_more(
    store: Store, row: TaskRow, until: datetime, last: ledger.LedgerRow | None, columns: dict[str, Any]
) -> None:
    """An occurrence of its own at `until`; the row goes there first where that comes before its own next."""
    until = _add_own(store, row, until, "snoozed", last.id if last else None)
    if row.status != "pending" or until < row.instant:
        columns |= {"scheduled_for": until, "due_at": until, "claim": None, "retry_count": 0}
        change(store, row.id, **columns)


def _add_own(store: Store, row: TaskRow, until: datetime, reason: str, follows: str | None) -> datetime:
    """Writes an occurrence of its own into the ledger, for `until` or the first free second after it."""
    while _is_taken(store, row, until):
        until += times.SECOND
    ledger.put(
        store,
        row,
        until,
        state="held",
        reason=reason,
        due_ms=times.to_ms(until),
        follows=follows,
        claim=None,
        settled_ms=None,
    )
    return until


def _is_taken(store: Store, row: TaskRow, instant: datetime) -> bool:
    entry = ledger.fetch(store, ledger.occurrence_id(row.id, instant))
    return entry is not None and entry.state in ("delivered", "claimed")


def retry_task(store: Store, id_prefix: str, sender_id: str | int | None = None) -> bool:
    """Sends once more, now and with the same key, what failed or may not have arrived."""
    sender = None if sender_id is None else checks.identifier(sender_id, "sender_id")
    with changing(store):
        row = find(store, id_prefix, sender, ("pending", "failed"))
        if row is None or row.claim:
            return False
        instant = _to_retry(store, row)
        if instant is None:
            return False
        now = store.clock()
        ledger.put(
            store, row, instant, state="retrying", reason="retried by hand", claim=None, settled_ms=None
        )
        change(
            store, row.id, status="pending", scheduled_for=instant, due_at=now, retry_count=0, last_error=None
        )
        return True


def _to_retry(store: Store, row: TaskRow) -> datetime | None:
    if row.status == "failed" or row.retry_count:
        return row.scheduled_for
    entry = ledger.last_in_state(store, row.id, "failed", "ambiguous")
    return entry.scheduled_for if entry else None


def skip_task(store: Store, id_prefix: str, sender_id: str | int) -> bool:
    """Leaves out the present or next occurrence; a one-shot is cancelled by that."""
    sender = checks.identifier(sender_id, "sender_id")
    with changing(store):
        found = find(store, id_prefix, sender, PENDING)
        if found is None:
            return False
        row = adopt(store, found)
        ledger.put(
            store,
            row,
            row.instant,
            state="skipped",
            reason="skipped by request",
            settled_ms=times.to_ms(store.clock()),
        )
        move_on(store, row, store.clock(), status="cancelled")
        return True


def pause_task(store: Store, id_prefix: str, sender_id: str | int) -> bool:
    """Nothing of the task is sent until it is resumed."""
    sender = checks.identifier(sender_id, "sender_id")
    with changing(store):
        row = find(store, id_prefix, sender, LIVE)
        if row is None:
            return False
        if row.status == "pending":
            if row.claim:
                _let_go(store, row, "paused while it was being sent", "paused")
            change(store, row.id, status="paused", claim=None, due_at=row.attention)
        return True


def resume_task(store: Store, id_prefix: str, sender_id: str | int) -> bool:
    """Goes on with a paused task: a series at its next occurrence after now, a one-shot at its own time."""
    sender = checks.identifier(sender_id, "sender_id")
    with changing(store):
        found = find(store, id_prefix, sender, ("paused",))
        if found is None:
            return False
        row, now = adopt(store, found), store.clock()
        change(store, row.id, status="pending")
        if row.repeat is not None and row.instant <= now:
            skipping.skip(store, row, [row.instant], "paused")
            move_on(store, row, now, reason="paused")
        return True
