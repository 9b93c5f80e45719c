from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from omega_models import Store
from omega_models.claims import Claim, MissedPolicy, claim
from omega_models.quiet import parse
from omega_models.testing import FakeClock

NIGHT = parse("22:00-07:00")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01 21:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def due(store: Store) -> list[Claim]:
    return claim(store, "w", 10, quiet=NIGHT)


def add(store: Store, when: str, **more: object) -> str:
    return store.create_task("c", "7", "7", "Water the plants", when, **more)  # type: ignore[arg-type]


def test_a_reminder_waits_for_the_end_and_is_not_late_then(store: Store, clock: FakeClock) -> None:
    task = add(store, "2026-03-01 23:00")
    clock.advance(hours=2)
    assert due(store) == []
    [held] = store.task_history(task)
    assert (held.status, held.reason) == ("held", "quiet hours")
    assert store.get_tasks_for_sender(7)[0].due_at == utc("2026-03-02 07:00")
    clock.advance(hours=8)
    [claimed] = due(store)
    assert claimed.task.scheduled_for == utc("2026-03-01 23:00")
    assert claimed.due == utc("2026-03-02 07:00")
    assert store.settle(claimed.task.token, "delivered")
    [row] = store.task_history(task)
    assert (row.status, row.lateness) == ("delivered", timedelta(0))


@pytest.mark.parametrize("more", [{"urgent": True}, {"task_type": "action"}])
def test_what_is_urgent_and_what_is_an_action_does_not_wait(
    store: Store, clock: FakeClock, more: dict[str, object]
) -> None:
    add(store, "2026-03-01 23:00", **more)
    clock.advance(hours=2)
    assert len(due(store)) == 1


def test_an_explicit_snooze_does_not_wait(store: Store, clock: FakeClock) -> None:
    task = add(store, "2026-03-01 21:30")
    clock.advance(minutes=30)
    store.snooze_task(task, 7, "2026-03-01 23:00")
    clock.advance(hours=2)
    assert len(due(store)) == 1


def test_of_a_series_the_last_is_sent(store: Store, clock: FakeClock) -> None:
    task = add(store, "2026-03-01 22:00", repeat="RRULE:FREQ=HOURLY")
    clock.advance(hours=1)
    assert due(store) == []
    clock.advance(hours=9)
    [claimed] = due(store)
    assert claimed.task.scheduled_for == utc("2026-03-02 07:00")
    assert claimed.missed == 9
    assert claimed.due == utc("2026-03-02 07:00")
    store.settle(claimed.task.token, "delivered")
    rows = store.task_history(task)
    assert [row.status for row in rows] == ["skipped"] * 9 + ["delivered"]
    assert {row.reason for row in rows[:9]} == {"quiet hours"}
    assert store.get_tasks_for_sender(7)[0].due_at == utc("2026-03-02 08:00")


def test_a_hold_is_not_a_miss_however_long_the_night(store: Store, clock: FakeClock) -> None:
    add(store, "2026-03-01 22:30")
    clock.advance(hours=2)
    due(store)
    clock.advance(hours=8)
    skipping = MissedPolicy(by_type={"reminder": "skip"})
    assert len(claim(store, "w", 10, quiet=NIGHT, missed=skipping)) == 1


def test_what_was_late_before_the_night_is_late_after_it(store: Store, clock: FakeClock) -> None:
    add(store, "2026-03-01 21:30")
    clock.advance(hours=2)
    assert due(store) == []
    clock.advance(hours=8)
    [claimed] = due(store)
    assert claimed.due == utc("2026-03-01 21:30")


def test_each_senders_own_hours_and_zone(store: Store, clock: FakeClock) -> None:
    store.store_fact(7, "timezone", "Asia/Tokyo")  # 23:00 UTC is 08:00 there
    add(store, "2026-03-01 23:00")
    store.store_fact(8, "quiet_hours", "off")
    store.create_task("c", "8", "8", "Feed the cat", "2026-03-01 23:00")
    store.store_fact(9, "quiet_hours", "23:00-23:30")
    store.create_task("c", "9", "9", "Close the window", "2026-03-01 23:00")
    clock.advance(hours=2)
    assert {each.task.sender_id for each in due(store)} == {"7", "8"}
    assert store.get_tasks_for_sender(9)[0].due_at == utc("2026-03-01 23:30")


def test_hours_nobody_can_read_fall_back_to_the_setting(store: Store, clock: FakeClock) -> None:
    store.store_fact(7, "quiet_hours", "at night")
    add(store, "2026-03-01 23:00")
    clock.advance(hours=2)
    assert due(store) == []


def test_a_retry_waits_too_and_keeps_its_attempts(store: Store, clock: FakeClock) -> None:
    task = add(store, "2026-03-01 21:59")
    clock.advance(minutes=59)
    [first] = due(store)
    store.settle(first.task.token, "retry", error="busy", retry_after=120)
    clock.advance(minutes=3)
    assert due(store) == []
    clock.advance(hours=9)
    [second] = due(store)
    assert second.task.attempt == 2
    assert second.task.occurrence_id == first.task.occurrence_id
    assert store.task_history(task)[0].attempts == 2
