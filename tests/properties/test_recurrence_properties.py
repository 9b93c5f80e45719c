"""The calendar against independent engines and its own promises, in every zone."""

import datetime as datetime_module
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo, available_timezones

import dateutil.rrule
import pytest
from cronsim import CronSim, CronSimError
from dateutil.rrule import DAILY, HOURLY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from omega_models.errors import InvalidRepeat
from omega_models.recurrence import (
    between,
    count_between,
    first_occurrence,
    following,
    latest,
    next_occurrence,
    parse_repeat,
    to_instant,
    to_local,
)

ZONES = sorted(available_timezones() - {"localtime"})
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
WORDS = ("daily", "weekdays", "weekly", "monthly", "yearly")
REPEATS = (
    *WORDS,
    "cron:30 2 * * *",
    "cron:0 * * * *",
    "cron:*/20 */2 * * *",
    "cron:15,45 0-3 1,15 * 1-5",
    "cron:0 12 29 2 *",
    "cron:5 1 * 3,10,11 sun",
    "RRULE:FREQ=HOURLY;INTERVAL=7",
    "RRULE:FREQ=HOURLY;BYHOUR=1,2,3;BYMINUTE=0,30",
    "RRULE:FREQ=DAILY;INTERVAL=3",
    "RRULE:FREQ=DAILY;INTERVAL=2;BYMONTH=3,10,11",
    "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO",
    "RRULE:FREQ=WEEKLY;BYMONTH=3;BYDAY=SU",
    "RRULE:FREQ=MONTHLY",
    "RRULE:FREQ=MONTHLY;BYDAY=-1SU;COUNT=40",
    "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    "RRULE:FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
    "RRULE:FREQ=YEARLY;BYYEARDAY=1,100,-1",
)


MANY: dict[str, Callable[[], None]] = {}


def promised(
    few: int, *given_from: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """A promise that is tried with so many examples; `test_with_many_more` tries it with fifty times as many."""

    def tried(promise: Callable[..., None]) -> Callable[[], None]:
        name = promise.__name__.removeprefix("test_")
        MANY[name] = settings(max_examples=50 * few, deadline=None)(given(*given_from)(promise))
        return settings(max_examples=few, deadline=None)(given(*given_from)(promise))

    return tried


@cache
def changes(name: str, year: int) -> tuple[datetime, ...]:
    """The instants of one year at which the offset of a zone changes."""
    zone, start = ZoneInfo(name), datetime(year, 1, 1, tzinfo=UTC)
    days = [start + n * DAY for n in range(367)]
    found = []
    for low, high in pairwise(days):
        before = low.astimezone(zone).utcoffset()
        if before == high.astimezone(zone).utcoffset():
            continue
        while high - low > SECOND:
            middle = low + (high - low) // SECOND // 2 * SECOND
            same = middle.astimezone(zone).utcoffset() == before
            low, high = (middle, high) if same else (low, middle)
        found.append(high)
    return tuple(found)


@st.composite
def moments(draw: st.DrawFn, first: int = 1930, last: int = 2060) -> tuple[str, datetime]:
    """A zone and an instant in it, more often than not close to a change of its offset."""
    name = draw(st.sampled_from(ZONES))
    year = draw(st.integers(first, last))
    near = changes(name, year)
    if near and draw(st.integers(0, 4)):
        at = draw(st.sampled_from(near)) + draw(st.integers(-130, 130)) * MINUTE
    else:
        at = datetime(year, 1, 1, tzinfo=UTC) + draw(st.integers(0, 365 * 24 * 60)) * MINUTE
    return name, at.replace(second=0)


@st.composite
def series(draw: st.DrawFn, furthest: int = 800) -> tuple[str, datetime, datetime]:
    """A zone, an anchor, and an instant that the series reaches near the anchor's time of day."""
    name, at = draw(moments())
    local = at.astimezone(ZoneInfo(name)).replace(tzinfo=None)
    anchor = local - draw(st.integers(0, furthest)) * DAY + draw(st.integers(-90, 90)) * MINUTE
    return name, anchor.replace(second=draw(st.sampled_from((0, 0, 30))), fold=0), at


def localised(walls: Iterable[datetime], name: str) -> list[datetime]:
    zone = ZoneInfo(name)
    return sorted({wall.replace(tzinfo=zone, fold=0).astimezone(UTC) for wall in walls})


def from_anchor(walls: Iterable[datetime], anchor: datetime, name: str) -> list[datetime]:
    start = anchor.replace(tzinfo=ZoneInfo(name)).astimezone(UTC)
    return [instant for instant in localised(walls, name) if instant >= start]


def word_rule(word: str, anchor: datetime) -> rrule:
    day: int | tuple[int, int] = anchor.day if anchor.day < 29 else (anchor.day, -1)
    position = 1 if anchor.day >= 29 else None
    kinds: dict[str, dict[str, Any]] = {
        "daily": {"freq": DAILY},
        "weekdays": {"freq": DAILY, "byweekday": range(5)},
        "weekly": {"freq": WEEKLY},
        "monthly": {"freq": MONTHLY, "bymonthday": day, "bysetpos": position},
        "yearly": {"freq": YEARLY, "bymonth": anchor.month, "bymonthday": day, "bysetpos": position},
    }
    return rrule(dtstart=anchor, **kinds[word])


def assert_agrees(
    repeat: str, anchor: datetime, name: str, expected: list[datetime], end: datetime, at: datetime
) -> None:
    """Every function of the calendar gives what the other engine gave, up to `end`."""
    start = anchor.replace(tzinfo=ZoneInfo(name)).astimezone(UTC) - SECOND
    expected = [instant for instant in expected if instant <= end]
    assert list(between(repeat, anchor, start, end, name)) == expected
    assert count_between(repeat, anchor, start, end, name) == len(expected)
    at = min(at, end)
    later, earlier = [i for i in expected if i > at], [i for i in expected if i <= at]
    assert latest(repeat, anchor, at, name) == (earlier[-1] if earlier else None)
    assert count_between(repeat, anchor, at, end, name) == len(later)
    if later:
        assert following(repeat, anchor, at, name) == later[0]
    if expected:
        assert first_occurrence(repeat, anchor, name) == expected[0]


@promised(50, series(), st.sampled_from(WORDS))
def test_words_are_what_dateutil_finds_on_the_wall(where: tuple[str, datetime, datetime], word: str) -> None:
    name, anchor, at = where
    walls = word_rule(word, anchor).between(anchor, anchor + 900 * DAY, inc=True)
    expected = from_anchor(walls, anchor, name)
    if word == "weekdays":
        expected = [i for i in expected if i.astimezone(ZoneInfo(name)).weekday() < 5]
    end = (anchor + 898 * DAY).replace(tzinfo=UTC)
    assert_agrees(word, anchor, name, expected, end, at)


FREQUENCIES = {"HOURLY": HOURLY, "DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY, "YEARLY": YEARLY}
SPANS = {"HOURLY": 60, "DAILY": 600, "WEEKLY": 900, "MONTHLY": 2500, "YEARLY": 7000}
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def lists(values: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=size, unique=True).map(lambda v: ",".join(map(str, v)))


def signed(high: int) -> st.SearchStrategy[int]:
    return st.integers(-high, high).filter(bool)


ORDINALS = st.builds("{}{}".format, st.sampled_from((-2, -1, 1, 2, 3, 5)), st.sampled_from(DAYS))
TIMES = {
    "BYHOUR": lists(st.integers(0, 23)),
    "BYMINUTE": lists(st.integers(0, 59)),
    "BYSECOND": lists(st.sampled_from((0, 1, 30, 59)), 2),
}
PLAIN = {"BYDAY": lists(st.sampled_from(DAYS)), "BYMONTH": lists(st.integers(1, 12), 6)}
MONTHDAYS = {"BYMONTHDAY": lists(signed(31), 5)}
# Where RFC 5545 and dateutil differ (a list such as MO,2TU; the days of January that belong to
# the last week of the year before) the calendar follows the standard, so other tests ask that.
PARTS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "HOURLY": {**TIMES, **PLAIN, **MONTHDAYS, "BYYEARDAY": lists(signed(366), 20)},
    "DAILY": {**TIMES, **PLAIN, **MONTHDAYS},
    "WEEKLY": {**TIMES, **PLAIN},
    "MONTHLY": {**TIMES, **PLAIN, **MONTHDAYS, "BYDAY": PLAIN["BYDAY"] | lists(ORDINALS)},
    "YEARLY": {
        **TIMES,
        **PLAIN,
        **MONTHDAYS,
        "BYDAY": PLAIN["BYDAY"] | lists(ORDINALS),
        "BYYEARDAY": lists(signed(366), 20),
        "BYWEEKNO": lists(st.sampled_from((-1, 1, 2, 9, 20, 44))),
    },
}


@st.composite
def rules(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(sorted(FREQUENCIES)))
    parts = draw(st.dictionaries(st.sampled_from(sorted(PARTS[freq])), st.none(), max_size=3))
    text = {name: draw(PARTS[freq][name]) for name in parts}
    if "BYWEEKNO" in text and any(c.isdigit() for c in text.get("BYDAY", "")):
        del text["BYWEEKNO"]
    if draw(st.booleans()):
        text["INTERVAL"] = str(draw(st.integers(1, 30 if freq == "HOURLY" else 4)))
    if draw(st.booleans()):
        text["WKST"] = draw(st.sampled_from(DAYS))
    if parts and freq != "WEEKLY" and draw(st.booleans()):
        text["BYSETPOS"] = draw(lists(signed(4)))
    if not draw(st.integers(0, 3)):
        text["COUNT"] = str(draw(st.integers(1, 30)))
    return ";".join([f"FREQ={freq}", *(f"{key}={value}" for key, value in text.items())])


def dateutil_walls(rule: str, anchor: datetime, end: datetime) -> list[datetime]:
    try:
        parsed = rrulestr(rule, dtstart=anchor)
    except ValueError:
        return []
    # A rule without another hit would be searched for up to the year 9999, for minutes.
    nearer = SimpleNamespace(**{**vars(datetime_module), "MAXYEAR": end.year + 1})
    with patch.object(dateutil.rrule, "datetime", nearer):
        return parsed.between(anchor, end, inc=True)


@promised(50, series(furthest=50), rules())
def test_rrules_are_what_dateutil_finds_on_the_wall(where: tuple[str, datetime, datetime], rule: str) -> None:
    name, anchor, at = where
    end = anchor + SPANS[rule.split(";")[0].removeprefix("FREQ=")] * DAY
    expected = from_anchor(dateutil_walls(rule, anchor, end), anchor, name)
    try:
        parse_repeat(f"RRULE:{rule}")
    except InvalidRepeat:
        assert expected == []
        return
    assert_agrees(f"RRULE:{rule}", anchor, name, expected, (end - 2 * DAY).replace(tzinfo=UTC), at)


@promised(15, st.integers(2, 9980), st.sampled_from((1, 2, 26, 51, 52, 53, -1, -2, -26, -52, -53)))
def test_weeks_are_those_of_the_iso_calendar(year: int, week: int) -> None:
    days = [date(year, 1, 1) + n * DAY for n in range(4500)]
    weeks = {day: day.isocalendar()[:2] for day in days}
    lengths = {y: date(y, 12, 28).isocalendar().week for y in range(max(year - 1, 1), year + 14)}
    expected = [day for day, (y, n) in weeks.items() if n == (week if week > 0 else lengths[y] + 1 + week)]
    start = datetime(year, 1, 1, tzinfo=UTC)
    repeat = f"RRULE:FREQ=YEARLY;BYWEEKNO={week}"
    found = between(repeat, start.replace(tzinfo=None), start - SECOND, start + 4499 * DAY, "UTC")
    assert [instant.date() for instant in found] == expected


@promised(
    30, series(furthest=50), rules().filter(lambda r: "COUNT" not in r), st.integers(0, 60), st.booleans()
)
def test_until_ends_a_rule_where_it_says(
    where: tuple[str, datetime, datetime], rule: str, days: int, utc: bool
) -> None:
    name, anchor, _ = where
    stop = anchor + days * DAY
    if utc:
        stop = stop.replace(tzinfo=ZoneInfo(name)).astimezone(UTC)
    until = f"{rule};UNTIL={stop:%Y%m%dT%H%M%S}{'Z' if utc else ''}"
    walls = dateutil_walls(rule, anchor, anchor + (days + 3) * DAY)
    kept = walls if utc else [wall for wall in walls if wall <= stop]
    expected = [i for i in from_anchor(kept, anchor, name) if not utc or i <= stop]
    try:
        found = list(between(f"RRULE:{until}", anchor, datetime.min.replace(tzinfo=UTC), FAR, name))
    except InvalidRepeat:
        found = []
    assert found == expected


FAR = datetime(9999, 12, 30, tzinfo=UTC)


@st.composite
def crons(draw: st.DrawFn) -> str:
    def field(low: int, high: int, *others: str) -> str:
        span = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
        options = (
            st.sampled_from(("*", "*", "*/2", "*/7", *others)),
            st.integers(low, high).map(str),
            span.map(lambda s: f"{s[0]}-{s[1]}"),
            st.tuples(span, st.integers(1, 9))
            .filter(lambda s: s[0][0] < s[0][1])
            .map(lambda s: f"{s[0][0]}-{s[0][1]}/{s[1]}"),
            lists(st.integers(low, high), 4),
        )
        return draw(st.one_of(*options))

    minute, hour = field(0, 59, "*/15"), field(0, 23, "*/3", "0-3", "1", "2")
    return f"{minute} {hour} {field(1, 31)} {field(1, 12, 'mar', '10-11')} {field(0, 7, 'sun', 'Mon-Fri')}"


def scanned(cron: str, name: str, start: datetime, end: datetime) -> list[datetime]:
    """Every UTC minute is looked at; cronsim only says which wall-clock minutes fit."""
    zone, hour = ZoneInfo(name), cron.split()[1]
    walls = set()
    for wall in CronSim(cron, (start - 2 * DAY).replace(tzinfo=None) - MINUTE):
        if wall > (end + 2 * DAY).replace(tzinfo=None):
            break
        walls.add(wall)
    local = [(start + n * MINUTE).astimezone(zone) for n in range((end - start) // MINUTE + 1)]
    found = {
        at.astimezone(UTC)
        for at in local
        if at.replace(tzinfo=None, fold=0) in walls and (at.fold == 0 or hour.startswith("*"))
    }
    if hour != "*":
        moved = {w for w in walls if to_local(to_instant(w, name)[0], name) != w}
        found |= {i for i in localised(moved, name) if start <= i <= end}
    return sorted(found)


@promised(50, moments(first=1975), crons())
def test_crons_are_what_a_scan_of_every_minute_finds(where: tuple[str, datetime], cron: str) -> None:
    name, at = where
    start, end = at - 30 * HOUR, at + 30 * HOUR
    try:
        expected = scanned(cron, name, start, end)
    except CronSimError:
        with pytest.raises(InvalidRepeat):
            parse_repeat(f"cron:{cron}")
        return
    anchor = (start - 3 * DAY).replace(tzinfo=None)
    repeat = f"cron:{cron}"
    assert list(between(repeat, anchor, start - SECOND, end, name)) == expected
    assert count_between(repeat, anchor, start - SECOND, end, name) == len(expected)
    later = [i for i in expected if i > at]
    if later:
        assert following(repeat, anchor, at, name) == later[0]
    earlier = [i for i in expected if i <= at]
    if earlier:
        assert latest(repeat, anchor, at, name) == earlier[-1]


@promised(40, series(), st.sampled_from(REPEATS))
def test_occurrences_increase_and_all_functions_agree(
    where: tuple[str, datetime, datetime], repeat: str
) -> None:
    name, anchor, at = where
    until = at + 40 * DAY
    found = list(between(repeat, anchor, at, until, name))
    assert all(earlier < later for earlier, later in pairwise(found))
    assert count_between(repeat, anchor, at, until, name) == len(found)
    walked, reached = [], following(repeat, anchor, at, name)
    while reached is not None and reached <= until:
        walked.append(reached)
        reached = following(repeat, anchor, reached, name)
    assert walked == found
    for earlier, later in pairwise(found):
        assert latest(repeat, anchor, later - SECOND, name) == earlier
        assert latest(repeat, anchor, later, name) == later
    for instant in found[:3]:
        assert next_occurrence(repeat, anchor, instant - SECOND, name) == following(
            repeat, anchor, instant - SECOND, name
        )


@promised(40, series(), st.sampled_from(WORDS))
def test_the_wall_clock_never_drifts(where: tuple[str, datetime, datetime], word: str) -> None:
    name, anchor, at = where
    for instant in between(word, anchor, at - 30 * DAY, at + 30 * DAY, name):
        local = to_local(instant, name)
        if local.time() == anchor.time():
            assert to_instant(local, name)[0] == instant
        else:
            intended = [datetime.combine(local.date() - n * DAY, anchor.time()) for n in (0, 1)]
            assert (instant, "gap") in [to_instant(wall, name) for wall in intended]


@promised(40, series())
def test_no_local_day_is_skipped_or_doubled(where: tuple[str, datetime, datetime]) -> None:
    name, anchor, at = where
    start = max(anchor.date(), to_local(at, name).date() - 20 * DAY)
    days = [start + n * DAY for n in range(40)]
    instants = [to_instant(datetime.combine(day, anchor.time()), name)[0] for day in days]
    floor = to_instant(anchor, name)[0]
    expected = sorted({i for i in instants if i >= floor})
    assert list(between("daily", anchor, expected[0] - SECOND, expected[-1], name)) == expected
    # Only a zone that leaves out a whole day brings two days' reminders to one instant.
    gaps = [
        day
        for day in days
        if to_local(to_instant(datetime.combine(day, anchor.time()), name)[0], name).date() != day
    ]
    assert len(expected) >= len([i for i in instants if i >= floor]) - len(gaps)


@promised(40, moments(first=2, last=9998))
def test_a_wall_clock_time_and_its_instant_belong_together(where: tuple[str, datetime]) -> None:
    name, at = where
    local = to_local(at, name)
    instant, adjusted = to_instant(local, name)
    assert adjusted != "gap"
    assert to_local(instant, name) == local
    if adjusted is None:
        assert instant == at
    else:
        assert instant <= at
        assert to_local(instant + DAY, name) >= local


@promised(
    30,
    st.sampled_from(ZONES),
    st.datetimes(allow_imaginary=True),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from((None, *REPEATS)),
)
def test_no_date_is_too_far(name: str, anchor: datetime, after: datetime, repeat: str | None) -> None:
    found = following(repeat, anchor, after, name)
    assert found is None or (found > after and found.tzinfo is UTC)
    back = latest(repeat, anchor, after, name)
    assert back is None or back <= after
    if found is not None:
        assert latest(repeat, anchor, found, name) == found


@promised(
    30,
    st.text(max_size=60)
    | rules().map(lambda rule: "rrule:" + rule.lower())
    | crons().map(lambda c: f"CRON: {c}"),
)
def test_parsing_refuses_politely_and_is_stable(text: str) -> None:
    try:
        stored = parse_repeat(text)
    except InvalidRepeat:
        with pytest.raises(InvalidRepeat, match=r"accepted are once|text of at most"):
            parse_repeat(text)
    else:
        assert parse_repeat(stored) == stored


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("promise", MANY)
def test_with_many_more(promise: str) -> None:
    MANY[promise]()
