"""What callers ask of a task's time: zone, repeat and instants, checked before anything is written."""

from __future__ import annotations

from datetime import datetime

from omega_models import recurrence, times
from omega_models.errors import InvalidRepeat, InvalidTime, InvalidTimezone
from omega_models.rows import Series
from omega_models.zones import zone


def checked_zone(timezone: str) -> str:
    if not isinstance(timezone, str):
        raise InvalidTimezone(f"timezone must be text, not {type(timezone).__name__}")
    return zone(timezone).key


def parse_repeat(repeat: str | None) -> str | None:
    if repeat is not None and not isinstance(repeat, str):
        raise InvalidRepeat(f"repeat must be text or None, not {type(repeat).__name__}")
    return recurrence.parse_repeat(repeat)


def first_occurrence(series: Series, due_at: datetime) -> datetime:
    found = series.first(due_at)
    if found is None:
        raise InvalidRepeat(f"{series.repeat} has no occurrence at or after {times.to_text(due_at)} UTC")
    return found


def check_time(given: datetime | str, timezone: str | None) -> datetime:
    """An instant for tasks, checked before anything is written."""
    if timezone is not None:
        checked_zone(timezone)
    found = times.instant(given, timezone)
    if found.year < 1970:
        raise InvalidTime("tasks cannot be put off to a time before 1970")
    return found
