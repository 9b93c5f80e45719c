"""The words of a reminder, and of how late it is."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

LATE_AFTER = timedelta(seconds=60)
LONGEST_IN_DIGEST = 120

# Not strftime: the locale of an embedding program must not change what is sent.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")


def reminder_text(description: str, *, late_by: timedelta, scheduled_local: datetime, missed: int = 0) -> str:
    """`Reminder: <description>`, saying when it was due if it is more than 60 seconds late.

    `scheduled_local` is aware, in the task's zone; `missed` is how many earlier occurrences of the
    series were not sent. `Reminder: Call John (due Fri 20 Nov 09:00 CET, 2 h 5 min late; 4 earlier
    ones were missed)`.
    """
    notes = []
    if late_by > LATE_AFTER:
        notes.append(f"due {_moment(scheduled_local, late_by)}, {late_words(late_by)} late")
    if missed > 0:
        notes.append("1 earlier one was missed" if missed == 1 else f"{missed} earlier ones were missed")
    return f"Reminder: {description}" + (f" ({'; '.join(notes)})" if notes else "")


def digest_text(reminders: Sequence[tuple[str, datetime]]) -> str:
    """One message for many missed reminders: (description, aware local time it was due), oldest first."""
    lines = [f"- {_shortened(text)} (due {_moment(local, timedelta(0))})" for text, local in reminders]
    return "\n".join([f"{len(reminders)} reminders came due while nothing could be sent:", *lines])


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_IN_DIGEST else line[: LONGEST_IN_DIGEST - 1] + "…"


def late_words(lateness: timedelta) -> str:
    """A length of time in its two largest units, rounded down: `45 s`, `5 min`, `2 h 5 min`, `3 days`."""
    seconds = max(0, int(lateness.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return _pair(f"{days} day{'s' if days > 1 else ''}", hours % 24, "h")
    if hours:
        return _pair(f"{hours} h", minutes % 60, "min")
    return f"{minutes} min" if minutes else f"{seconds} s"


def _pair(larger: str, count: int, unit: str) -> str:
    return f"{larger} {count} {unit}" if count else larger


def _moment(local: datetime, late_by: timedelta) -> str:
    day = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    if late_by > timedelta(days=300) or (local + late_by).year != local.year:
        day = f"{day} {local.year}"
    return f"{day} {local:%H:%M} {_zone_label(local)}".rstrip()


def _zone_label(local: datetime) -> str:
    name = local.tzname() or ""
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return name
    sign, hours, minutes = offset.groups()
    if int(hours) == 0 and int(minutes or 0) == 0:
        return "UTC"
    return f"UTC{sign}{hours}" + (f":{minutes}" if minutes else "")
