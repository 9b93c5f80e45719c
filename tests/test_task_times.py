"""When a task is due: what callers may give, in which zone it counts, and what changes it later."""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from omega_models import InvalidRepeat, InvalidTime, InvalidTimezone, Store, rows
from omega_models.testing import FakeClock

pytestmark = pytest.mark.mostly_sqlite  # what a text or a time is understood as

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(store: Store, at: Any, zone: str | None = None, repeat: str | None = None) -> datetime:
    return store.add_task("chat", "me", "me", "x", at, repeat, timezone=zone, dedupe="off").scheduled_for


def zone_of(store: Store, task_id: str) -> str | None:
    task = store.get_task(task_id, "me")
    assert task is not None
    return task.timezone


def next_sends(store: Store, clock: FakeClock, count: int) -> list[datetime]:
    """The instants one task is sent at, each on time."""
    found = []
    for _ in range(count):
        (task,) = store.get_tasks_for_sender("me")
        clock.now = task.due_at
        (taken,) = store.claim_due_tasks("w", 1)
        assert store.settle(taken.token, "delivered")
        found.append(task.due_at)
    return found


@pytest.mark.parametrize(
    "given",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(ZoneInfo("Asia/Kathmandu")),
        NOON.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
        "2026-03-02 12:00",
        "2026-03-02T12:00:00",
        "2026-03-02T12:00:00Z",
        " 2026-03-02T12:00:00+00:00 ",
        "2026-03-02T13:00:00+01:00",
        "2026-03-02T01:30:00-10:30",
        "20260302T120000Z",
        "2026-W10-1T12:00",
        "2026-03-02T11:59:59.000001",
        "2026-03-02T11:59:59.999999Z",
        "2026-03-02T12:59:59.5+01:00",
        NOON - timedelta(microseconds=1),
    ],
)
def test_one_instant_in_many_ways(store: Store, given: datetime | str) -> None:
    assert due(store, given) == NOON
    (task,) = store.list_tasks()
    assert (task.due_at, task.scheduled_for) == (NOON, NOON)
    assert task.due_at is not None
    assert task.due_at.tzinfo is UTC
    assert store.preview(None, given) == [NOON]


def test_a_date_alone_is_its_midnight(store: Store) -> None:
    assert due(store, "2026-03-02") == utc("2026-03-02")
    assert due(store, "2026-03-02", NEW_YORK) == utc("2026-03-02 05:00")


def test_a_named_zone_counts_only_for_times_without_an_offset(store: Store) -> None:
    assert due(store, "2026-03-02 12:00", BERLIN) == utc("2026-03-02 11:00")
    assert due(store, datetime(2026, 7, 2, 12), BERLIN) == utc("2026-07-02 10:00")
    assert due(store, "2026-03-02T12:00Z", BERLIN) == NOON
    assert due(store, NOON, BERLIN) == NOON
    assert {task.timezone for task in store.list_tasks()} == {BERLIN}


def test_without_a_named_zone_a_naive_time_is_utc_whatever_the_fact_says(store: Store) -> None:
    store.store_fact("me", "timezone", BERLIN)
    made = store.add_task("chat", "me", "me", "x", "2026-03-02 12:00")
    assert made.scheduled_for == NOON
    assert made.local_time.isoformat() == "2026-03-02T13:00:00+01:00"


@pytest.mark.parametrize(
    ("zone", "local", "instant", "adjusted"),
    [
        (BERLIN, "2026-03-29 01:59:59", "2026-03-29 00:59:59", None),
        (BERLIN, "2026-03-29 02:30", "2026-03-29 01:30", "gap"),
        (BERLIN, "2026-03-29 03:00", "2026-03-29 01:00", None),
        (BERLIN, "2026-10-25 02:30", "2026-10-25 00:30", "overlap"),
        (BERLIN, "2026-10-25 03:00", "2026-10-25 02:00", None),
        (NEW_YORK, "2026-03-08 02:30", "2026-03-08 07:30", "gap"),
        (LORD_HOWE, "2026-10-04 02:15", "2026-10-03 15:45", "gap"),
        (LORD_HOWE, "2026-04-05 01:45", "2026-04-04 14:45", "overlap"),
        (BERLIN, "2026-03-29 01:59:59.5", "2026-03-29 01:00", "gap"),
    ],
)
def test_times_that_do_not_exist_just_once(
    store: Store, zone: str, local: str, instant: str, adjusted: str | None
) -> None:
    made = store.add_task("chat", "me", "me", "x", local, timezone=zone)
    assert (made.scheduled_for, made.adjusted) == (utc(instant), adjusted)
    assert made.local_time.astimezone(UTC) == made.scheduled_for
    assert made.local_time.tzinfo == ZoneInfo(zone)


def test_an_aware_time_is_never_adjusted(store: Store) -> None:
    made = store.add_task("chat", "me", "me", "x", "2026-10-25T02:30:00+01:00", timezone=BERLIN)
    assert (made.scheduled_for, made.adjusted) == (utc("2026-10-25 01:30"), None)


def test_a_daily_repeat_keeps_its_wall_clock_time(store: Store, clock: FakeClock) -> None:
    due(store, "2026-03-27 09:00", BERLIN, "daily")
    assert [at.hour for at in next_sends(store, clock, 4)] == [8, 8, 7, 7]


def test_a_gap_moves_one_occurrence_and_not_the_series(store: Store, clock: FakeClock) -> None:
    due(store, "2026-03-28 02:30", BERLIN, "daily")
    assert next_sends(store, clock, 3) == [
        utc("2026-03-28 01:30"),
        utc("2026-03-29 01:30"),
        utc("2026-03-30 00:30"),
    ]


def test_an_overlap_happens_once(store: Store, clock: FakeClock) -> None:
    due(store, "2026-10-24 02:30", BERLIN, "daily")
    assert next_sends(store, clock, 3) == [
        utc("2026-10-24 00:30"),
        utc("2026-10-25 00:30"),
        utc("2026-10-26 01:30"),
    ]


def test_a_series_begun_in_a_gap_keeps_the_time_that_was_asked_for(store: Store, clock: FakeClock) -> None:
    due(store, "2026-03-29 02:30", BERLIN, "daily")
    assert next_sends(store, clock, 2) == [utc("2026-03-29 01:30"), utc("2026-03-30 00:30")]


def test_monthly_on_the_last_days_returns_to_its_own_day(store: Store, clock: FakeClock) -> None:
    clock.now = utc("2026-01-01")
    due(store, "2026-01-31 09:00", None, "monthly")
    assert [at.day for at in next_sends(store, clock, 6)] == [31, 28, 31, 30, 31, 30]


def test_weekdays_are_those_of_the_tasks_zone(store: Store, clock: FakeClock) -> None:
    due(store, "2026-03-06 20:00", "Pacific/Auckland", "weekdays")  # a Friday there
    assert [at.strftime("%a %H") for at in next_sends(store, clock, 2)] == ["Fri 07", "Mon 07"]


# Whose zone


def test_the_senders_fact_is_used_and_a_named_zone_goes_before_it(store: Store) -> None:
    store.store_fact("me", "timezone", f" {BERLIN} ")
    by_fact = store.create_task("chat", "me", "me", "by fact", NOON)
    named = store.create_task("chat", "me", "me", "named", NOON, timezone=NEW_YORK)
    other = store.create_task("chat", "you", "me", "another sender", NOON)
    assert [zone_of(store, by_fact), zone_of(store, named)] == [BERLIN, NEW_YORK]
    task = store.get_task(other, "you")
    assert task is not None
    assert task.timezone == "UTC"


def test_without_a_fact_the_stores_default_is_used(clock: FakeClock) -> None:
    with Store(":memory:", clock=clock, default_timezone=NEW_YORK) as store:
        task_id = store.create_task("chat", "me", "me", "x", NOON)
        assert zone_of(store, task_id) == NEW_YORK
        assert store.preview("daily", "2026-03-07 12:00", count=3) == [
            utc("2026-03-07 12:00"),
            utc("2026-03-08 11:00"),
            utc("2026-03-09 11:00"),
        ]


@pytest.mark.parametrize(
    "fact", ["Berlin", "somewhere over the rainbow", "", "UTC+2", "../UTC", "🌍", "x" * 9000]
)
def test_an_unreadable_fact_falls_to_the_default_and_is_logged(
    store: Store, fact: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows._say_bad_zone.cache_clear()
    store.store_fact("me", "timezone", fact)
    with caplog.at_level(logging.WARNING, "omega_models"):
        task_id = store.create_task("chat", "me", "me", "x", NOON)
    assert zone_of(store, task_id) == "UTC"
    assert "timezone" in caplog.text


def test_a_later_change_of_the_fact_moves_nothing(store: Store, clock: FakeClock) -> None:
    store.store_fact("me", "timezone", BERLIN)
    task_id = store.create_task("chat", "me", "me", "x", "2026-03-27T08:00Z", "daily")
    store.store_fact("me", "timezone", NEW_YORK)
    assert [at.hour for at in next_sends(store, clock, 4)] == [8, 8, 7, 7]
    store.delete_fact("me", "timezone")
    assert zone_of(store, task_id) == BERLIN


def test_update_task_moves_a_series_to_the_same_wall_clock_time_elsewhere(
    store: Store, clock: FakeClock
) -> None:
    task_id = store.create_task("chat", "me", "me", "x", "2026-03-20 09:00", "daily", timezone=BERLIN)
    assert store.update_task(task_id, "me", timezone=NEW_YORK)
    assert zone_of(store, task_id) == NEW_YORK
    assert next_sends(store, clock, 2) == [utc("2026-03-20 13:00"), utc("2026-03-21 13:00")]


def test_update_task_takes_a_wall_clock_time_in_the_named_zone(store: Store) -> None:
    task_id = store.create_task("chat", "me", "me", "x", "2026-03-20 09:00", "daily", timezone=BERLIN)
    assert store.update_task(task_id, "me", due_at="2026-07-01 18:00", timezone=NEW_YORK)
    (task,) = store.get_tasks_for_sender("me")
    assert task.due_at == utc("2026-07-01 22:00")


def test_update_task_keeps_the_zone_where_none_is_named(store: Store, clock: FakeClock) -> None:
    task_id = store.create_task("chat", "me", "me", "x", "2026-03-20 09:00", "daily", timezone=BERLIN)
    assert store.update_task(task_id, "me", due_at="2026-03-28T06:00Z")
    assert zone_of(store, task_id) == BERLIN
    assert [at.hour for at in next_sends(store, clock, 2)] == [6, 5]


def test_defer_and_snooze_take_wall_clock_times_too(store: Store) -> None:
    task_id = store.create_task("chat", "me", "me", "x", NOON)
    store.defer_task(task_id, "2026-07-01 18:00", timezone=NEW_YORK)
    assert store.get_tasks_for_sender("me")[0].due_at == utc("2026-07-01 22:00")
    store.snooze_task(task_id, "me", "2026-07-01 18:00:00.5", timezone=BERLIN)
    assert store.get_tasks_for_sender("me")[0].due_at == utc("2026-07-01 16:00:01")


CHANGES: dict[str, Callable[[Store, str, str, str | None], Any]] = {
    "update": lambda store, task_id, at, zone: store.update_task(task_id, "me", due_at=at, timezone=zone),
    "snooze": lambda store, task_id, at, zone: store.snooze_task(task_id, "me", at, timezone=zone),
    "defer": lambda store, task_id, at, zone: store.defer_task(task_id, at, timezone=zone),
}


@pytest.mark.parametrize("call", CHANGES)
def test_a_bad_zone_or_time_changes_nothing(store: Store, call: str) -> None:
    task_id = store.create_task("chat", "me", "me", "x", NOON, "daily")
    before = store.list_tasks(), store.task_history(task_id)
    for at, zone, error in (("2026-03-05 12:00", "Mars", InvalidTimezone), ("soon", None, InvalidTime)):
        with pytest.raises(error):
            CHANGES[call](store, task_id, at, zone)
    assert (store.list_tasks(), store.task_history(task_id)) == before


# The ends of the calendar


@pytest.mark.parametrize("zone", [None, "UTC", BERLIN, NEW_YORK, "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("repeat", [None, "daily", "yearly", "cron:0 0 1 1 *"])
@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01",
        "0001-01-02 12:00",
        "9999-12-31 23:59:59",
        "9999-12-31 23:59:59.5",
        "9999-12-30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_the_first_and_last_days_are_taken_or_refused_and_never_half_done(
    store: Store, zone: str | None, repeat: str | None, at: str
) -> None:
    made = []
    with suppress(InvalidTime, InvalidRepeat):
        made.append(store.create_task("chat", "me", "me", "x", at, repeat, timezone=zone))
    assert [task.id for task in store.list_tasks(status=None)] == made


class Nameless(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None

    dst = tzname = utcoffset  # type: ignore[assignment]


def test_a_time_whose_zone_says_nothing_is_naive(store: Store) -> None:
    assert due(store, datetime(2026, 3, 2, 12, tzinfo=Nameless())) == NOON
    assert due(store, datetime(2026, 3, 2, 13, tzinfo=Nameless()), BERLIN) == NOON
