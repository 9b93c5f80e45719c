"""Which days of a month or a year fit the day parts of an RFC 5545 rule.

Days count from 0, weekdays from Monday = 0.
"""

from collections.abc import Iterator

from omega_models.recurrence.blocks import days_before, is_leap, month_length, new_year
from omega_models.recurrence.rrule import Rule


def days_of_month(rule: Rule, month: int, leap: bool, weekday: int) -> tuple[int, ...]:
    """The days of a month, 1 to 12, whose first day is that weekday."""
    length = month_length(month, leap)
    days = _listed_days(rule, month, leap)
    return tuple(day for day in days if _weekday_fits(rule, day, length, (weekday + day) % 7))


def days_of_year(rule: Rule, year: int) -> tuple[int, ...]:
    """The days of a year; of a week that spans two years each has its part."""
    days = _days_in_months(rule, year) if rule.months else _days_in_year(rule, year)
    if not rule.weeks:
        return tuple(days)
    of_weeks = _days_of_weeks(rule, year)
    return tuple(day for day in days if day in of_weeks)


def _days_in_months(rule: Rule, year: int) -> Iterator[int]:
    leap = is_leap(year)
    for month in sorted(rule.months):
        before = days_before(month, leap)
        weekday = (new_year(year) + before) % 7
        yield from (before + day for day in days_of_month(rule, month, leap, weekday))


def _days_in_year(rule: Rule, year: int) -> Iterator[int]:
    leap, first = is_leap(year), new_year(year)
    for month in range(1, 13):
        before = days_before(month, leap)
        days = (before + day for day in _listed_days(rule, month, leap))
        yield from (day for day in days if _weekday_fits(rule, day, 365 + leap, (first + day) % 7))


def _listed_days(rule: Rule, month: int, leap: bool) -> Iterator[int]:
    if rule.months and month not in rule.months:
        return
    length, before = month_length(month, leap), days_before(month, leap)
    for day in range(length):
        if _listed(rule.month_days, day, length) and _listed(rule.year_days, before + day, 365 + leap):
            yield day


def _listed(allowed: frozenset[int], day: int, length: int) -> bool:
    return not allowed or day + 1 in allowed or day - length in allowed


def _weekday_fits(rule: Rule, day: int, length: int, weekday: int) -> bool:
    if not rule.weekdays and not rule.ordinals:
        return True
    if weekday in rule.weekdays or (day // 7 + 1, weekday) in rule.ordinals:
        return True
    return (-((length - 1 - day) // 7) - 1, weekday) in rule.ordinals


def _days_of_weeks(rule: Rule, year: int) -> frozenset[int]:
    first = new_year(year)
    found: set[int] = set()
    for owner in (year - 1, year, year + 1):
        start, end = _first_week(owner, rule.week_start), _first_week(owner + 1, rule.week_start)
        for week in range((end - start) // 7):
            if _listed(rule.weeks, week, (end - start) // 7):
                found.update(range(start + week * 7 - first, start + week * 7 - first + 7))
    return frozenset(found)


def _first_week(year: int, week_start: int) -> int:
    """The day on which the first week with at least four days in the year begins."""
    first = new_year(year)
    into = (first - week_start) % 7
    return first - into if into <= 3 else first - into + 7
