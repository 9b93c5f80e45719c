"""Quiet hours: the daily window, on somebody's wall clock, in which reminders wait. Pure."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from omega_models import recurrence

HOURS = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)\s*")
OFF = ("off", "none", "no", "never", "")


class QuietHours(NamedTuple):
    """From `start` up to, not including, `end`; past midnight where `end` is earlier."""

    start: time
    end: time

    def holds(self, moment: time) -> bool:
        if self.start <= self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def parse(text: str) -> QuietHours | None:
    """`22:00-07:00` as a window; None for `off` or a window without length. ValueError for anything else."""
    if text.strip().lower() in OFF:
        return None
    found = HOURS.fullmatch(text)
    if found is None:
        raise ValueError("quiet hours look like 22:00-07:00, or off")
    start_hour, start_minute, end_hour, end_minute = map(int, found.groups())
    start, end = time(start_hour, start_minute), time(end_hour, end_minute)
    return None if start == end else QuietHours(start, end)


def quiet_until(window: QuietHours | None, moment: datetime, timezone: str) -> datetime | None:
    """When, in UTC, the quiet hours that `moment` lies in end; None where it lies in none."""
    if window is None:
        return None
    local = recurrence.to_local(moment.astimezone(UTC), timezone)
    if not window.holds(local.time()):
        return None
    end = datetime.combine(local.date(), window.end)
    if end <= local:
        end += timedelta(days=1)
    until = recurrence.to_instant(end, timezone)[0]
    return until if until > moment else moment + timedelta(seconds=1)
