"""Five cron fields, read as Vixie cron reads them."""

import re
from dataclasses import dataclass
from functools import partial

from omega_models.errors import InvalidRepeat
from omega_models.recurrence.blocks import Even, Months, Offsets, month_length
from omega_models.recurrence.pattern import Pattern
from omega_models.recurrence.seconds import DAY, HOUR

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(?:(?P<star>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """What one of the five fields may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, _MONTHS),
    Field("day of week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Parsed fields. `weekdays` count from Monday = 0; `either`: day of month OR day of week."""

    minutes: Offsets
    hours: Offsets
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    any_hour: bool

    @property
    def shifts(self) -> bool:
        """Whether times in a gap move forward; a cron for every hour needs no stand-in for one."""
        return not self.any_hour or len(self.hours) < 24

    @property
    def pattern(self) -> Pattern:
        """Its hits over all years."""
        times = tuple(hour * HOUR + minute * 60 for hour in self.hours for minute in self.minutes)
        week = self._every_week()
        if week is not None:
            return Pattern(Even(0, 7 * DAY, week, times))
        return Pattern(Months(12, 1, partial(_days_of_month, self), times))

    def _every_week(self) -> Offsets | None:
        if len(self.months) < 12 or (len(self.days) < 31 and not self.either):
            return None
        if not self.either:
            return tuple(day * DAY for day in sorted(self.weekdays))
        full = len(self.days) == 31 or len(self.weekdays) == 7
        return tuple(day * DAY for day in range(7)) if full else None


def parse_cron(fields: str) -> Cron:
    """The text after `cron:`; `InvalidRepeat` says which field is wrong."""
    parts = fields.lower().split()
    if len(parts) != len(_FIELDS):
        raise InvalidRepeat(f"cron takes exactly 5 fields (minute hour day month weekday), not {len(parts)}")
    minutes, hours, days, months, weekdays = map(_values, _FIELDS, parts)
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset((day - 1) % 7 for day in weekdays),
        either=not parts[2].startswith("*") and not parts[4].startswith("*"),
        any_hour=parts[1].startswith("*"),
    )
    _refuse_never(cron)
    return cron


def _refuse_never(cron: Cron) -> None:
    longest = max(month_length(month, leap=True) for month in cron.months)
    if not cron.either and min(cron.days) > longest:
        raise InvalidRepeat(f"no month of the cron has a day {min(cron.days)}: it would never fire")


def _values(field: Field, text: str) -> frozenset[int]:
    return frozenset(value for item in text.split(",") for value in _item(field, item))


def _item(field: Field, text: str) -> range:
    match = _ITEM.fullmatch(text)
    if match is None:
        raise _wrong(field, text, "give *, a value, a range a-b, a list or a step such as */5")
    low, high = _bounds(field, text, match)
    step = int(match["step"] or 1)
    if step == 0:
        raise _wrong(field, text, "a step is at least 1")
    if match["step"] and not match["star"] and match["high"] is None:
        raise _wrong(field, text, f"a step needs a range: {match['low']}-{field.high}/{step}")
    return range(low, high + 1, step)


def _bounds(field: Field, text: str, match: re.Match[str]) -> tuple[int, int]:
    if match["star"]:
        return field.low, field.high
    low = _value(field, text, match["low"])
    high = low if match["high"] is None else _value(field, text, match["high"])
    if match["high"] == "sun" and high < low:
        high = 7
    if high < low:
        raise _wrong(field, text, "a range goes upwards")
    return low, high


def _value(field: Field, text: str, value: str) -> int:
    if value in field.names:
        return field.names.index(value) + field.low
    if not value.isdigit() or len(value) > 4:
        allowed = f" or one of {', '.join(field.names)}" if field.names else ""
        raise _wrong(field, text, f"{value!r} is not a number{allowed}")
    if not field.low <= int(value) <= field.high:
        raise _wrong(field, text, f"{value} is not between {field.low} and {field.high}")
    return int(value)


def _wrong(field: Field, text: str, why: str) -> InvalidRepeat:
    return InvalidRepeat(f"cron field {field.name!r}, {text!r}: {why}")


def _days_of_month(cron: Cron, month: int, leap: bool, weekday: int) -> Offsets:
    if month not in cron.months:
        return ()
    every = range(1, month_length(month, leap) + 1)
    return tuple((day - 1) * DAY for day in every if _fits(cron, day, (weekday + day - 1) % 7))


def _fits(cron: Cron, day: int, weekday: int) -> bool:
    if cron.either:
        return day in cron.days or weekday in cron.weekdays
    return day in cron.days and weekday in cron.weekdays
