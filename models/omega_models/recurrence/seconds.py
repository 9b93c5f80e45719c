"""Times as whole seconds since the start of year 1, where arithmetic never overflows.

A *wall* second counts what a clock on the wall shows, an *instant* counts UTC.
"""

from datetime import UTC, date, datetime, timedelta

DAY = 86_400
HOUR = 3_600
LAST = date.max.toordinal() * DAY - 1

_ORIGIN = datetime(1, 1, 1)  # noqa: DTZ001 - wall-clock times have no zone
_ORIGIN_UTC = datetime(1, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def wall_seconds(local: datetime) -> int:
    """The wall second of a naive time; a fraction is rounded up."""
    whole = (local.toordinal() - 1) * DAY + local.hour * HOUR + local.minute * 60 + local.second
    return whole + (local.microsecond > 0)


def wall_datetime(seconds: int) -> datetime:
    """The naive time of a wall second from 0 to `LAST`."""
    return _ORIGIN + timedelta(seconds=seconds)


def instant_seconds(moment: datetime, *, up: bool = False) -> int:
    """The instant of an aware time; a fraction is rounded down, or up."""
    elapsed = moment.replace(tzinfo=None) - _ORIGIN - (moment.utcoffset() or timedelta())
    return -(-elapsed // _SECOND) if up else elapsed // _SECOND


def instant_datetime(seconds: int) -> datetime:
    """The aware UTC time of an instant from 0 to `LAST`."""
    return _ORIGIN_UTC + timedelta(seconds=seconds)
