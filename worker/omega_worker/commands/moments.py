"""Points in time, as people type and read them."""

import os
import re
from argparse import Namespace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from omega_models import InvalidTime, InvalidTimezone, times
from omega_models.zones import zone
from omega_worker.commands.spans import span

# Not strftime: the words must not depend on the locale.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = re.compile(
    r"(?:(today|tomorrow|(mon|tue|wed|thu|fri|sat|sun)(?:s|rs|nes|ur)?(?:day)?)\s+)?(?:at\s+)?"
    r"(\d{1,2})(?::(\d\d))?(?::(\d\d))?\s*(am|pm)?",
    re.ASCII,
)
_SHORT_HOUR = re.compile(r"(\d{4}-\d\d-\d\d)[ T](?=\d:)", re.ASCII)
FORMS = "18:30, 6pm, 'tomorrow 9:00', 'fri 9:00' or ISO-8601 such as '2026-03-01 09:00'"


def parse_moment(text: str, zone_name: str, now: datetime) -> datetime:
    """A naive wall-clock time in that zone, or an aware time where the text names its offset.

    A time of day alone is the next one after `now`, and so is one with a day of the week. Raises `InvalidTime`.
    """
    found = _CLOCK.fullmatch(text.strip().lower())
    if found is None or not (found[4] or found[6]):
        return _iso(text)
    local = times.in_zone(now, zone_name).replace(tzinfo=None)
    of_day = _time_of_day(text, found)
    offsets = _days_ahead(found[1], found[2], local)
    ahead = [datetime.combine(local.date() + timedelta(days=days), of_day) for days in offsets]
    return next((moment for moment in ahead if times.instant(moment, zone_name) > now), ahead[-1])


def _time_of_day(text: str, found: re.Match[str]) -> time:
    hour, half = int(found[3]), found[6]
    if half and not 1 <= hour <= 12:
        hour = 24
    elif half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        return time(hour, int(found[4] or 0), int(found[5] or 0))
    except ValueError:
        raise InvalidTime(f"{text[:40]!r} is not a time of day: give {FORMS}") from None


def _days_ahead(day: str | None, weekday: str | None, local: datetime) -> tuple[int, ...]:
    if weekday:
        days = (DAYS.index(weekday.capitalize()) - local.weekday()) % 7
        return (days, days + 7)
    return {None: (0, 1), "today": (0,), "tomorrow": (1,)}[day]


def _iso(text: str) -> datetime:
    try:
        return times.parse(_SHORT_HOUR.sub(r"\1 0", text.strip()))
    except InvalidTime:
        raise InvalidTime(f"{text[:40]!r} is not a time: give {FORMS}") from None


def day(local: datetime, now: datetime) -> str:
    """`Fri 20 Nov`, with the year where it is not this one."""
    words = f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]}"
    return words if local.year == now.astimezone(local.tzinfo).year else f"{words} {local.year}"


def clock(local: datetime) -> str:
    """`18:30`, with the seconds where there are any."""
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def label(local: datetime) -> str:
    """The zone's abbreviation at that time, or its offset where it has none."""
    name = local.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name


def moment(when: datetime, zone_name: str | None, now: datetime) -> str:
    """`Fri 20 Nov 18:30 CET`."""
    local = when.astimezone(usable_zone(zone_name))
    return f"{day(local, now)} {clock(local)} {label(local)}"


def full_moment(when: datetime, zone_name: str | None, now: datetime) -> str:
    """The same with the zone's own name and how far off it is: `… 18:30 CET (Europe/Berlin), in 5 min`."""
    local = when.astimezone(usable_zone(zone_name))
    name = local.tzinfo.key if isinstance(local.tzinfo, ZoneInfo) else ""
    named = "" if name in ("", label(local)) else f" ({name})"
    return f"{moment(when, zone_name, now)}{named}, {distance(when, now)}"


def usable_zone(zone_name: str | None) -> ZoneInfo:
    """The zone of a task; UTC for what another program wrote without one, or with one nobody knows."""
    return zone(zone_name) if zone_name and _is_zone(zone_name) else zone("UTC")


def distance(when: datetime, now: datetime) -> str:
    """`in 5 min`, `5 min ago`, `now`."""
    ahead = when - now
    if abs(ahead) < timedelta(seconds=1):
        return "now"
    return f"in {span(ahead)}" if ahead > timedelta(0) else f"{span(-ahead)} ago"


def machine_zone() -> str:
    """The zone this machine is set to; UTC where it does not say."""
    names = (os.environ.get("TZ", "").removeprefix(":"), _linked_zone())
    found = next(filter(_is_zone, names), "UTC")
    return "UTC" if found.startswith("Etc/") and label(datetime.now(zone(found))) == "UTC" else found


def _linked_zone() -> str:
    try:
        return str(Path("/etc/localtime").readlink()).partition("zoneinfo/")[2]
    except OSError:
        return ""


def _is_zone(name: str) -> bool:
    try:
        return bool(name) and bool(zone(name))
    except InvalidTimezone:
        return False


def asked(arguments: Namespace, zone_name: str, now: datetime) -> datetime | None:
    """What `--in` or `--at` came to; None where neither was given."""
    if arguments.ahead is not None:
        try:
            due: datetime = now + arguments.ahead
            return due
        except OverflowError:
            raise InvalidTime("that is too far ahead: times end with the year 9999") from None
    return parse_moment(arguments.at, zone_name, now) if arguments.at is not None else None
