"""An RFC 5545 rule and its DTSTART as a pattern on the clock on the wall."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import gcd, lcm

from omega_models.recurrence.blocks import (
    DAYS_IN_CYCLE,
    NOTHING,
    Blocks,
    Even,
    Months,
    Offsets,
    Sieved,
    Years,
    month_number,
)
from omega_models.recurrence.pattern import Pattern
from omega_models.recurrence.rrule import Rule
from omega_models.recurrence.rrule_days import days_of_month, days_of_year
from omega_models.recurrence.seconds import DAY, HOUR, LAST, wall_datetime, wall_seconds

_HOURS_OF_LONGEST_TURN = 366 * 24
_SOME_MONDAY = wall_seconds(wall_datetime(0).replace(year=2000, day=3))


def rule_pattern(rule: Rule, anchor: int) -> Pattern:
    """The hits from the wall second of DTSTART to the end that COUNT or a local UNTIL sets."""
    stop = rule.until.seconds if rule.until and rule.until.kind == "wall" else LAST
    pattern = Pattern(_BLOCKS[rule.freq](_with_defaults(rule, anchor), anchor), start=anchor, stop=stop)
    return pattern.first_hits(rule.count) if rule.count and rule.count < _most(rule) else pattern


def _most(rule: Rule) -> int:
    """At least as many hits as there can be before the year 10000."""
    hours = LAST // (HOUR * rule.interval) + _HOURS_OF_LONGEST_TURN
    return hours * max(len(rule.hours), 1) * max(len(rule.minutes), 1) * max(len(rule.seconds), 1)


def ever_fires(rule: Rule) -> bool:
    """Whether some DTSTART makes the rule fire."""
    endless = replace(rule, interval=1, count=None, until=None)
    return rule_pattern(endless, _SOME_MONDAY).at_or_after(_SOME_MONDAY) is not None


def _with_defaults(rule: Rule, anchor: int) -> Rule:
    local = wall_datetime(anchor)
    by_day = rule.month_days or rule.year_days or rule.weeks or rule.weekdays or rule.ordinals
    rule = replace(
        rule,
        hours=rule.hours or (rule.hours if rule.freq == "HOURLY" else frozenset({local.hour})),
        minutes=rule.minutes or frozenset({local.minute}),
        seconds=rule.seconds or frozenset({local.second}),
    )
    if by_day or rule.freq in ("HOURLY", "DAILY"):
        return rule
    if rule.freq == "WEEKLY":
        return replace(rule, weekdays=frozenset({local.weekday()}))
    months = rule.months or (frozenset({local.month}) if rule.freq == "YEARLY" else rule.months)
    return replace(rule, months=months, month_days=frozenset({local.day}))


def _times(rule: Rule) -> Offsets:
    within_hour = _within_hour(rule)
    return tuple(hour * HOUR + time for hour in sorted(rule.hours) for time in within_hour)


def _within_hour(rule: Rule) -> Offsets:
    return tuple(minute * 60 + second for minute in sorted(rule.minutes) for second in sorted(rule.seconds))


def _hourly(rule: Rule, anchor: int) -> Blocks:
    """Hours of the wall clock since the hour of DTSTART, whole days at a time where a filter needs it."""
    hours, inner = anchor // HOUR, _chosen(_within_hour(rule), rule.positions)
    if not inner:
        return NOTHING
    if rule.months or rule.month_days or rule.year_days:
        return _hours_of_some_days(rule, anchor, inner)
    turn = lcm(rule.interval, 168 if rule.weekdays else 24) if rule.weekdays or rule.hours else rule.interval
    offsets = tuple(hour * HOUR for hour in range(0, turn, rule.interval) if _hour_fits(rule, hours + hour))
    return Even(hours * HOUR, turn * HOUR, offsets, inner)


def _hours_of_some_days(rule: Rule, anchor: int, inner: Offsets) -> Blocks:
    hours = partial(_hours_of_day, rule, anchor // HOUR)
    if 24 % rule.interval == 0:
        times = tuple(hour + time for hour in hours(0) for time in inner)
        return Months(month_number(anchor), 1, partial(_month_offsets, rule), times) if times else NOTHING
    turn = rule.interval // gcd(rule.interval, DAYS_IN_CYCLE * 24)
    return _filtered(rule, anchor, hours, inner, turn)


def _hour_fits(rule: Rule, hour: int) -> bool:
    in_day = not rule.hours or hour % 24 in rule.hours
    return in_day and (not rule.weekdays or hour // 24 % 7 in rule.weekdays)


def _hours_of_day(rule: Rule, anchor_hour: int, day: int) -> Iterable[int]:
    first = (anchor_hour - day * 24) % rule.interval
    hours = range(first, 24, rule.interval)
    return (day * DAY + hour * HOUR for hour in hours if not rule.hours or hour in rule.hours)


def _daily(rule: Rule, anchor: int) -> Blocks:
    day, inner = anchor // DAY, _chosen(_times(rule), rule.positions)
    if not inner:
        return NOTHING
    if rule.months or rule.month_days:
        turn = rule.interval // gcd(rule.interval, DAYS_IN_CYCLE)
        return _filtered(rule, anchor, partial(_every_nth_day, rule, day), inner, turn)
    turn = lcm(rule.interval, 7) if rule.weekdays else rule.interval
    days = range(0, turn, rule.interval)
    offsets = tuple(at * DAY for at in days if not rule.weekdays or (day + at) % 7 in rule.weekdays)
    return Even(day * DAY, turn * DAY, offsets, inner)


def _every_nth_day(rule: Rule, anchor_day: int, day: int) -> Iterable[int]:
    return () if (day - anchor_day) % rule.interval else (day * DAY,)


def _filtered(
    rule: Rule, anchor: int, in_day: Callable[[int], Iterable[int]], inner: Offsets, turn: int
) -> Blocks:
    def sieve(first: int, days: Offsets) -> Offsets:
        base = first * DAY
        return tuple(hit - base for day in days for hit in in_day(first + day // DAY))

    return Months(month_number(anchor), 1, partial(_month_offsets, rule), inner, sieve, turn)


def _weekly(rule: Rule, anchor: int) -> Blocks:
    day, times = anchor // DAY, _times(rule)
    start = (day - (day - rule.week_start) % 7) * DAY
    step = 7 * rule.interval * DAY
    offsets = tuple(sorted((day - rule.week_start) % 7 * DAY for day in rule.weekdays))
    if not rule.months:
        return Even(start, step, *_selected(rule, offsets, times))

    def keep(base: int) -> Offsets:
        inside = tuple(at for at in offsets if _in_months(rule, base + at))
        return _selected(rule, inside, times)[0]

    cycle = DAYS_IN_CYCLE // 7
    return Sieved(start, step, keep, _selected(rule, (), times)[1], cycle // gcd(cycle, rule.interval))


def _in_months(rule: Rule, wall: int) -> bool:
    return 0 <= wall <= LAST and wall_datetime(wall).month in rule.months


def _monthly(rule: Rule, anchor: int) -> Blocks:
    times = _times(rule)

    def offsets(month: int, leap: bool, weekday: int) -> Offsets:
        return _selected(rule, _month_offsets(rule, month, leap, weekday), times)[0]

    return Months(month_number(anchor), rule.interval, offsets, _selected(rule, (), times)[1])


def _month_offsets(rule: Rule, month: int, leap: bool, weekday: int) -> Offsets:
    return tuple(day * DAY for day in days_of_month(rule, month, leap, weekday))


def _yearly(rule: Rule, anchor: int) -> Blocks:
    times = _times(rule)

    def offsets(year: int) -> Offsets:
        return _selected(rule, tuple(day * DAY for day in days_of_year(rule, year)), times)[0]

    return Years(wall_datetime(anchor).year, rule.interval, offsets, _selected(rule, (), times)[1])


def _selected(rule: Rule, offsets: Offsets, inner: Offsets) -> tuple[Offsets, Offsets]:
    """The offsets and inner seconds that BYSETPOS leaves of one turn of the rule."""
    if not rule.positions:
        return offsets, inner
    size, each = len(offsets) * len(inner), len(inner)
    places = {at - 1 if at > 0 else size + at for at in rule.positions if abs(at) <= size}
    return tuple(offsets[at // each] + inner[at % each] for at in sorted(places)), (0,)


def _chosen(times: Offsets, positions: frozenset[int]) -> Offsets:
    places = {at - 1 if at > 0 else len(times) + at for at in positions if abs(at) <= len(times)}
    return tuple(times[at] for at in sorted(places)) if positions else times


_BLOCKS: dict[str, Callable[[Rule, int], Blocks]] = {
    "HOURLY": _hourly,
    "DAILY": _daily,
    "WEEKLY": _weekly,
    "MONTHLY": _monthly,
    "YEARLY": _yearly,
}
