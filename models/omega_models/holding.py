"""Quiet hours at the moment of claiming: reminders wait for their end, and then the last of a series is sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from omega_models import facts, ledger, quiet, times
from omega_models.moving import change, skip_to_latest
from omega_models.quiet import QuietHours, quiet_until
from omega_models.rows import TaskRow

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")

QUIET = "quiet hours"
FACT = "quiet_hours"


class Quiet:
    """The quiet hours of one round of claims: each sender's own, or those that hold for all."""

    def __init__(self, store: Store, everybody: QuietHours | None) -> None:
        self._store, self._everybody = store, everybody
        self._known: dict[str, QuietHours | None] = {}

    def look_up(self, rows: Iterable[TaskRow]) -> None:
        """Reads those of all senders at once, so that a server is asked once and not once for each."""
        senders = sorted({row.sender_id for row in rows if _may_wait(row)} - self._known.keys())
        stored = facts.of_senders(self._store, senders, FACT)
        self._known |= {sender_id: self._read(sender_id, stored.get(sender_id)) for sender_id in senders}

    def of(self, sender_id: str) -> QuietHours | None:
        return self._known.get(sender_id, self._everybody)

    def _read(self, sender_id: str, stored: str | None) -> QuietHours | None:
        try:
            return self._everybody if stored is None else quiet.parse(stored)
        except ValueError:
            _say_unreadable(sender_id)
            return self._everybody


def _may_wait(row: TaskRow) -> bool:
    return row.task_type == "reminder" and not row.urgent and type(row.sender_id) is str


@lru_cache(maxsize=1024)
def _say_unreadable(sender_id: str) -> None:
    log.warning("the quiet_hours fact of sender %s is not like 22:00-07:00: the setting is used", sender_id)


def hold(store: Store, row: TaskRow, now: datetime, window: Quiet) -> bool:
    """Puts the reminder off to the end of the quiet hours, where it is to wait for that; whether it is."""
    if row.task_type != "reminder" or row.urgent:
        return False
    hours, zone = window.of(row.sender_id), row.timezone or "UTC"
    until = quiet_until(hours, now, zone)
    if until is None or _was_asked_for(store, row):
        return False
    was_quiet = quiet_until(hours, row.due_at, zone) is not None
    due = times.to_ms(until if was_quiet else row.due_at)  # what was late before the night is late after it
    ledger.put(store, row, row.instant, state="held", reason=QUIET, claim=None, due_ms=due)
    change(store, row.id, claim=None, due_at=until)
    return True


def _was_asked_for(store: Store, row: TaskRow) -> bool:
    entry = ledger.fetch(store, ledger.occurrence_id(row.id, row.instant))
    return entry is not None and entry.reason in ledger.ASKED_FOR


def after_hold(store: Store, row: TaskRow, now: datetime) -> tuple[TaskRow, int] | None:
    """Of a series that was held, the last occurrence, and how many it leaves out; None: it was not held."""
    if row.claim is not None or row.due_at <= row.instant:
        return None
    entry = ledger.fetch(store, ledger.occurrence_id(row.id, row.instant))
    if entry is None or entry.state != "held" or entry.reason != QUIET:
        return None
    latest, skipped = skip_to_latest(store, row, now, QUIET)
    return latest._replace(due_at=entry.due) if skipped else latest, skipped
