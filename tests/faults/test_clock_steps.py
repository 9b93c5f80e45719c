"""The wall clock is set while the worker runs: looked at anew within a second, nothing lost, early or twice."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

import apscheduler.schedulers.base
import pytest
from fault_channels import STUCK, Phone, a_phone, add, eventually, outcome, quick
from fault_health import green, logged, said

from omega_jobs.deliver import Desk
from omega_models import Store
from omega_worker import timetable, upheavals
from omega_worker.worker import Worker

STEPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=1), timedelta(days=-1)]
every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.total_seconds() / 3600:+.0f}h")


class WallClock:
    """The machine's wall clock as everything here reads it, which can be set."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def set_by(self, step: timedelta) -> None:
        self.offset += step


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()

    class Set(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp((datetime.now(UTC) + clock.offset).timestamp(), tz)

    monkeypatch.setattr(timetable, "datetime", Set)
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Set)
    monkeypatch.setattr(
        upheavals, "drift", lambda: time.time() - time.monotonic() + clock.offset.total_seconds()
    )
    return clock


@pytest.fixture
def store(shared_url: str, wall: WallClock) -> Iterator[Store]:
    with Store(shared_url, clock=wall, durability="normal") as store:
        yield store


@pytest.fixture
def phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


def within(seconds: float, check: Callable[[], object]) -> float:
    began = time.monotonic()
    eventually(check)
    took = time.monotonic() - began
    assert took < seconds, took
    return took


@every_step
def test_every_duty_looks_again_within_a_second(
    store: Store, wall: WallClock, phone: Phone, step: timedelta
) -> None:
    """And its next time is reckoned by the new clock, also that of one that runs just then."""
    with logged() as lines, Worker(store, {"one": phone}, quick()) as running:
        green(running)
        jobs: Any = running._timetable._scheduler  # type: ignore[union-attr]
        rounds = running.vitals.rounds
        wall.set_by(step)
        within(1.5, lambda: running.vitals.rounds > rounds)
        within(1.5, lambda: all(-2 < ahead(wall, job) <= 3600 for job in jobs.get_jobs()))
        green(running)
    assert said(lines, f"the wall clock was set by {step.total_seconds():+.0f} s")


def ahead(wall: WallClock, job: Any) -> float:
    found: datetime = job.next_run_time
    return (found - wall()).total_seconds()


@every_step
def test_what_is_being_sent_is_not_sent_again(
    store: Store, shared_url: str, wall: WallClock, phone: Phone, step: timedelta
) -> None:
    """Its lease only seems to be over: neither this worker nor another takes it for lost."""
    stuck, waits = add(store, "one", STUCK, minutes_ago=2) + add(store, "one", "waits", minutes_ago=1)
    settings = quick(send_timeout_seconds=60, delivery_concurrency=1)
    with (
        Store(shared_url, clock=wall) as shared,
        Worker(store, {"one": phone}, settings),
        Worker(shared, {"one": phone}, settings) as other,
    ):
        phone.wait_for(begun=1)
        eventually(
            lambda: {outcome(store, each) for each in (stuck, waits)} <= {("claimed", 1), ("delivered", 1)}
        )
        wall.set_by(step)
        other.ring()
        within(2, lambda: abs(lease_left(store, wall, stuck)) <= 61)
        phone.released.set()
        eventually(lambda: [outcome(store, each) for each in (stuck, waits)] == [("delivered", 1)] * 2)
    assert phone.targets() == [STUCK, "waits"]


def lease_left(store: Store, wall: WallClock, task_id: str) -> float:
    (task,) = [each for each in store.list_tasks(status=None) if each.id == task_id]
    return (task.due_at - wall()).total_seconds()


@every_step
def test_nothing_is_lost_or_sent_early_or_twice(
    store: Store, wall: WallClock, phone: Phone, step: timedelta
) -> None:
    """By the wall clock: what has become due is sent at once, what has not yet is not, what was is not again."""
    with Worker(store, {"one": phone}, quick()) as running:
        (sent,) = add(store, "one", "sent", minutes_ago=1, repeat="daily")
        eventually(lambda: outcome(store, sent) == ("delivered", 1))
        ahead_id = store.create_task("one", "s", "ahead", "call", wall() + timedelta(minutes=30))
        wall.set_by(step)
        if step > timedelta(0):
            within(4, lambda: outcome(store, ahead_id) == ("delivered", 1))
        else:
            rounds = running.vitals.rounds
            within(1.5, lambda: running.vitals.rounds > rounds)
            assert outcome(store, ahead_id) == ("new", 0)
            wall.set_by(-step)
            wall.set_by(timedelta(minutes=31))
            within(4, lambda: outcome(store, ahead_id) == ("delivered", 1))
        (now,) = add(store, "one", "now", minutes_ago=1)
        eventually(lambda: outcome(store, now) == ("delivered", 1))
        again = 1 if step >= timedelta(days=1) else 0  # tomorrow has come
        phone.wait_for(ended=3 + again)
    assert phone.targets() == sorted(["sent"] * (1 + again) + ["ahead", "now"])
    assert len({each.id for each in phone.begun}) == len(phone.begun)


def test_calm_ends_by_itself_even_if_the_clock_is_set_back_meanwhile(store: Store, wall: WallClock) -> None:
    desk = Desk(store, "w", {}, None)  # type: ignore[arg-type]
    desk.calm_until = wall() + timedelta(seconds=1)
    assert desk.calm(wall())
    assert not desk.calm(wall() + timedelta(seconds=2))
    assert not desk.calm(wall() - timedelta(days=1))
