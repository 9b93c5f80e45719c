"""Points in time: what callers may give, what the database holds, what callers get back."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from omega_models.errors import InvalidTime
from omega_models.recurrence import to_instant, to_local
from omega_models.zones import zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
Given = datetime | str


def system_clock() -> datetime:
    """The present, aware UTC: the clock of everything that is given no other."""
    return datetime.now(UTC)


def parse(given: Given) -> datetime:
    """A `datetime`, aware or naive as given; `InvalidTime` for what is neither one nor ISO-8601 text."""
    if isinstance(given, datetime):
        return given if _knows_its_offset(given) else given.replace(tzinfo=None)
    if not isinstance(given, str):
        raise InvalidTime(f"a time must be a datetime or ISO-8601 text, not {type(given).__name__}")
    try:
        return datetime.fromisoformat(given.strip())
    except ValueError as error:
        raise InvalidTime(
            f"{given[:40]!r} is not a time: give ISO-8601 such as '2026-03-01 09:00' or '2026-03-01T09:00:00+01:00'"
        ) from error


def _knows_its_offset(moment: datetime) -> bool:
    try:
        return moment.utcoffset() is not None
    except OverflowError as error:  # some zones cannot place the first or last day of the calendar
        raise InvalidTime("times lie between the years 1 and 9999") from error


def ceil(moment: datetime) -> datetime:
    """The whole second at or after `moment`."""
    if not moment.microsecond:
        return moment
    try:
        return moment.replace(microsecond=0) + SECOND
    except OverflowError as error:
        raise InvalidTime("times end with the year 9999") from error


def instant(given: Given, timezone: str | None = None) -> datetime:
    """Aware UTC, whole seconds, rounded up. Naive is wall-clock in `timezone`, or UTC where none is named."""
    moment = parse(given)
    try:
        if moment.tzinfo is not None:
            return ceil(moment.astimezone(UTC))
        if timezone is None:
            return ceil(moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise InvalidTime("times lie between the years 1 and 9999") from error
    return to_instant(ceil(moment), timezone)[0]


def shifted(given: Given, timezone: str | None) -> str | None:
    """`gap` or `overlap` where a wall-clock time given for a named zone does not exist just once."""
    moment = parse(given)
    if timezone is None or moment.tzinfo is not None:
        return None
    return to_instant(ceil(moment), timezone)[1]


def wall_clock(given: Given, timezone: str | None, zone_name: str) -> datetime:
    """The naive local time in `zone_name` that anchors a series."""
    moment = parse(given)
    if moment.tzinfo is None and timezone is not None:
        return ceil(moment)
    return to_local(instant(given, timezone), zone_name)


def aware(moment: datetime) -> datetime:
    """`moment` itself; a naive one is UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def in_zone(moment: datetime, zone_name: str) -> datetime:
    """`moment` as an aware local time."""
    return aware(moment).astimezone(zone(zone_name))


def to_text(moment: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS` in UTC; fractions fall away."""
    known = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return known.isoformat(" ", "seconds")[:19]


def from_text(stored: str | datetime) -> datetime:
    """The aware UTC time of a seeds' column: text on SQLite, `timestamptz` on PostgreSQL."""
    return stored.astimezone(UTC) if isinstance(stored, datetime) else _parsed(stored)


@lru_cache(maxsize=4096)  # a row holds the same second in several columns, and its neighbours hold it too
def _parsed(stored: str) -> datetime:
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970, UTC."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(stored: int) -> datetime:
    return EPOCH + timedelta(milliseconds=stored)
