"""What a look-up costs does not depend on the age of the series: calls are counted, not time."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType

import pytest

from omega_models.recurrence import count_between, following, latest, offsets, series, text

ZONE = "America/New_York"
NOW = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
REPEATS = (
    "daily",
    "weekdays",
    "weekly",
    "monthly",
    "yearly",
    "cron:* * * * *",
    "cron:30 2 * * *",
    "cron:0 9 1,15 * mon",
    "RRULE:FREQ=HOURLY;INTERVAL=7",
    "RRULE:FREQ=HOURLY;INTERVAL=7;BYMONTH=3",
    "RRULE:FREQ=DAILY;INTERVAL=3",
    "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=1000000",
    "RRULE:FREQ=DAILY;INTERVAL=2;BYMONTH=3",
    "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;UNTIL=20990101",
    "RRULE:FREQ=WEEKLY;BYMONTH=3",
    "RRULE:FREQ=MONTHLY;BYDAY=-1FR",
    "RRULE:FREQ=YEARLY;BYDAY=20MO",
)
LOOKUPS = (following, latest)


def calls(work: Callable[[], object]) -> int:
    """How many functions, Python's and C's, a piece of work calls."""
    seen = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return seen


def forget() -> None:
    """As in a process that has just started."""
    for cached in (offsets._pieces, series.series, text.meaning, text._parse, text._rule, text._cron_meaning):
        cached.cache_clear()


def anchor(years: int) -> datetime:
    return datetime.fromisoformat(f"{2026 - years}-03-02T09:00")


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("lookup", LOOKUPS)
def test_an_old_series_costs_what_a_young_one_does(repeat: str, lookup: Callable[..., object]) -> None:
    costs = []
    for years in (1, 100):
        lookup(repeat, anchor(years), NOW, ZONE)
        costs.append(calls(lambda y=years: lookup(repeat, anchor(y), NOW, ZONE)))
    young, old = costs
    assert 0 < old <= young + 60
    assert young <= 400


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("lookup", LOOKUPS)
def test_the_first_look_at_an_old_series_is_as_cheap(repeat: str, lookup: Callable[..., object]) -> None:
    costs = []
    for years in (1, 100):
        forget()
        costs.append(calls(lambda y=years: lookup(repeat, anchor(y), NOW, ZONE)))
    young, old = costs
    assert 0 < old <= young * 2


def test_counting_costs_by_the_days_and_not_by_the_occurrences() -> None:
    costs = {}
    for repeat in ("daily", "cron:*/15 * * * *", "cron:* * * * *"):
        start = NOW - timedelta(days=350)
        count_between(repeat, anchor(2), start, NOW, ZONE)
        costs[repeat] = calls(lambda r=repeat, s=start: count_between(r, anchor(2), s, NOW, ZONE))
    assert costs["cron:* * * * *"] < 3_000
    assert costs["cron:* * * * *"] <= costs["daily"] * 2
    assert costs["cron:*/15 * * * *"] <= costs["daily"] * 2


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY", "FREQ=HOURLY;INTERVAL=5;BYHOUR=3,4", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=HOURLY;INTERVAL=7"],
)
def test_a_count_is_arithmetic_where_every_turn_has_the_same_hits(rule: str) -> None:
    costs = []
    for count in (10, 100_000):
        forget()
        costs.append(calls(lambda c=count: following(f"RRULE:{rule};COUNT={c}", anchor(0), NOW, ZONE)))
    few, many = costs
    assert many <= few + 60


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;INTERVAL=3;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=MONTHLY;INTERVAL=7;BYMONTHDAY=31;BYDAY=FR;BYMONTH=12",
        "FREQ=YEARLY;INTERVAL=100;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
    ],
)
def test_a_rare_or_empty_rule_is_given_up_after_one_turn_of_the_calendar(rule: str) -> None:
    for lookup in LOOKUPS:
        assert calls(lambda f=lookup: f(f"RRULE:{rule}", anchor(0), NOW, ZONE)) < 30_000
