"""The calendar's front door: times as callers give them."""

from datetime import datetime

from omega_models.errors import InvalidTime, InvalidTimezone
from omega_models.recurrence.offsets import first_reading, offset_at
from omega_models.recurrence.seconds import LAST, instant_datetime, instant_seconds, wall_seconds
from omega_models.recurrence.series import series
from omega_models.recurrence.text import parse_repeat
from omega_models.zones import zone


def next_occurrence(
    repeat: str | None, due_at: datetime | str, after: datetime | str, timezone: str = "UTC"
) -> datetime | None:
    """The first occurrence strictly after `after`, aware UTC; None when the series has ended.

    `due_at` is the series' first time: no occurrence is earlier. Both times are datetimes or
    ISO-8601 text; without an offset they are wall-clock in `timezone`, an IANA name. A fraction of
    `due_at` is rounded up to the second. `InvalidRepeat`, `InvalidTime`, `InvalidTimezone`.
    """
    canonical = parse_repeat(repeat)
    if not isinstance(timezone, str):
        raise InvalidTimezone(
            f"a time zone is an IANA name such as 'Europe/Berlin', not {type(timezone).__name__}"
        )
    zone(timezone)
    wall, due = _due(_read(due_at), timezone)
    seen = _instant(_read(after), timezone)
    if canonical is None:
        return instant_datetime(due) if max(seen, -1) < due <= LAST else None
    if wall > LAST:
        return None
    found = series(canonical, wall, timezone).after(max(seen, due - 1))
    return None if found is None else instant_datetime(found)


def _due(moment: datetime, timezone: str) -> tuple[int, int]:
    """The wall second and the instant of a series' first time."""
    if moment.utcoffset() is None:
        wall = wall_seconds(moment)
        return wall, first_reading(min(wall, LAST), timezone) + max(wall - LAST, 0)
    instant = instant_seconds(moment, up=True)
    wall = instant + offset_at(instant, timezone)
    if wall < 0:
        raise InvalidTime(f"{moment.isoformat()} in {timezone} is before the year 1")
    return wall, instant


def _instant(moment: datetime, timezone: str) -> int:
    if moment.utcoffset() is None:
        return first_reading(wall_seconds(moment.replace(microsecond=0)), timezone)
    return instant_seconds(moment)


def _shown(given: object) -> str:
    return repr(given[:40]) if isinstance(given, str) else f"this {type(given).__name__}"


def _read(given: datetime | str) -> datetime:
    try:
        moment = datetime.fromisoformat(given.strip()) if isinstance(given, str) else given
        # Some zones cannot place the first or last day of the calendar.
        moment.utcoffset()
    except (ValueError, OverflowError, AttributeError, TypeError) as error:
        raise InvalidTime(
            f"{_shown(given)} is not a time: give a datetime or ISO-8601 text such as '2026-03-01T09:00:00'"
        ) from error
    return moment
