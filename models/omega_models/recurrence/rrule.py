"""The text of one RFC 5545 recurrence rule."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from omega_models.errors import InvalidRepeat
from omega_models.recurrence.seconds import wall_seconds

_FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z)?)?")
_ORDINAL_FREQUENCIES = ("MONTHLY", "YEARLY")


class Until(NamedTuple):
    """The last moment of a rule, as a wall second or as an instant."""

    kind: Literal["wall", "utc"]
    seconds: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule. Weekdays count from Monday = 0; `ordinals` are (n, weekday) as in `2MO`."""

    freq: str
    interval: int = 1
    count: int | None = None
    until: Until | None = None
    week_start: int = 0
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    weeks: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    ordinals: frozenset[tuple[int, int]] = frozenset()
    hours: frozenset[int] = frozenset()
    minutes: frozenset[int] = frozenset()
    seconds: frozenset[int] = frozenset()
    positions: frozenset[int] = frozenset()


def parse_rule(text: str) -> Rule:
    """The upper-case text after `RRULE:`; `InvalidRepeat` names the part that is wrong."""
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in _PARTS:
            raise InvalidRepeat(f"RRULE part {part!r} is not one of {', '.join(_PARTS)} with a value")
        if name in seen:
            raise InvalidRepeat(f"RRULE names {name} twice")
        seen.add(name)
        fields.update(_PARTS[name](name, value))
    if "freq" not in fields:
        raise InvalidRepeat("RRULE needs FREQ")
    return _consistent(Rule(**fields))


def _consistent(rule: Rule) -> Rule:
    for wrong, why in _CONFLICTS:
        if wrong(rule):
            raise InvalidRepeat(f"RRULE: {why}")
    return rule


def _any_by(rule: Rule) -> bool:
    days = rule.months | rule.month_days | rule.year_days | rule.weeks | rule.weekdays
    return bool(days or rule.ordinals or rule.hours or rule.minutes or rule.seconds)


_CONFLICTS: tuple[tuple[Callable[[Rule], bool], str], ...] = (
    (lambda rule: rule.count is not None and rule.until is not None, "give COUNT or UNTIL, not both"),
    (lambda rule: bool(rule.weeks) and rule.freq != "YEARLY", "BYWEEKNO needs FREQ=YEARLY"),
    (
        lambda rule: bool(rule.year_days) and rule.freq not in ("HOURLY", "YEARLY"),
        "BYYEARDAY needs FREQ=YEARLY or HOURLY",
    ),
    (lambda rule: bool(rule.month_days) and rule.freq == "WEEKLY", "BYMONTHDAY does not go with FREQ=WEEKLY"),
    (
        lambda rule: bool(rule.ordinals) and rule.freq not in _ORDINAL_FREQUENCIES,
        "a BYDAY with a number, such as 2MO, needs FREQ=MONTHLY or YEARLY",
    ),
    (
        lambda rule: bool(rule.ordinals and rule.weeks),
        "a BYDAY with a number, such as 2MO, does not go with BYWEEKNO",
    ),
    (
        lambda rule: bool(rule.positions) and not _any_by(rule),
        "BYSETPOS needs another BY part to choose from",
    ),
)


def _frequency(_name: str, value: str) -> dict[str, Any]:
    if value not in _FREQUENCIES:
        raise InvalidRepeat(f"FREQ={value} is not supported: give one of {', '.join(_FREQUENCIES)}")
    return {"freq": value}


def _positive(field: str) -> Callable[[str, str], dict[str, Any]]:
    def parse(name: str, value: str) -> dict[str, Any]:
        if not re.fullmatch(r"[0-9]{1,18}", value) or int(value) == 0:
            raise InvalidRepeat(f"{name}={value} is not a whole number of at least 1")
        return {field: int(value)}

    return parse


def _until(name: str, value: str) -> dict[str, Any]:
    match = _UNTIL.fullmatch(value)
    try:
        moment = datetime.strptime(f"{match[1]}{match[2] or '235959'}", "%Y%m%d%H%M%S") if match else None  # noqa: DTZ007 - Z is read below
    except ValueError:
        moment = None
    if match is None or moment is None:
        raise InvalidRepeat(
            f"{name}={value} is not a date: give 20261231, 20261231T235959 or 20261231T235959Z"
        )
    return {"until": Until("utc" if match[3] else "wall", wall_seconds(moment))}


def _week_start(name: str, value: str) -> dict[str, Any]:
    if value not in _WEEKDAYS:
        raise InvalidRepeat(f"{name}={value} is not one of {', '.join(_WEEKDAYS)}")
    return {"week_start": _WEEKDAYS.index(value)}


def _by_day(name: str, value: str) -> dict[str, Any]:
    weekdays: set[int] = set()
    ordinals: set[tuple[int, int]] = set()
    for item in value.split(","):
        match = _WEEKDAY.fullmatch(item)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):
            raise InvalidRepeat(f"{name}: {item!r} is not a weekday such as MO, 2MO or -1FR")
        weekday = _WEEKDAYS.index(match[2])
        if match[1]:
            ordinals.add((int(match[1]), weekday))
        else:
            weekdays.add(weekday)
    return {"weekdays": frozenset(weekdays), "ordinals": frozenset(ordinals)}


def _numbers(
    field: str, low: int, high: int, *, negative: bool = False
) -> Callable[[str, str], dict[str, Any]]:
    signed = re.compile(r"[+-]?[0-9]{1,3}" if negative else r"[0-9]{1,3}")
    allowed = f"{low} to {high}" + (f" or -{high} to -{low}" if negative else "")

    def parse(name: str, value: str) -> dict[str, Any]:
        items = value.split(",")
        for item in items:
            if not signed.fullmatch(item) or not low <= abs(int(item)) <= high:
                raise InvalidRepeat(f"{name}: {item!r} is not a number from {allowed}")
        return {field: frozenset(map(int, items))}

    return parse


_PARTS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "FREQ": _frequency,
    "INTERVAL": _positive("interval"),
    "COUNT": _positive("count"),
    "UNTIL": _until,
    "WKST": _week_start,
    "BYMONTH": _numbers("months", 1, 12),
    "BYMONTHDAY": _numbers("month_days", 1, 31, negative=True),
    "BYYEARDAY": _numbers("year_days", 1, 366, negative=True),
    "BYWEEKNO": _numbers("weeks", 1, 53, negative=True),
    "BYDAY": _by_day,
    "BYHOUR": _numbers("hours", 0, 23),
    "BYMINUTE": _numbers("minutes", 0, 59),
    "BYSECOND": _numbers("seconds", 0, 59),
    "BYSETPOS": _numbers("positions", 1, 366, negative=True),
}
