"""Whatever a duty, a channel, a listener or a thread does: said, red while it lasts, and it goes on by itself."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_channels import Phone, a_phone, add, eventually, outcome, quick
from fault_children import START
from fault_health import green, logged, red, said

from omega_jobs.delivery import Delivery
from omega_models import Store
from omega_models.testing import FakeClock
from omega_worker import duties, health, timetable, worker
from omega_worker.worker import Worker


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(shared_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(shared_url, clock=clock, durability="normal") as store:
        yield store


@pytest.fixture
def phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


@pytest.fixture(autouse=True)
def _tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "AFTER_ERROR", timedelta(seconds=0.05))
    monkeypatch.setattr(timetable, "AFTER_DEATH", 0.05)


class Breaking:
    """A function that raises until it is mended."""

    def __init__(self, function: Callable[..., Any], error: type[BaseException]) -> None:
        self._function, self._error = function, error
        self.broken, self.calls = True, 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.broken:
            raise self._error
        return self._function(*arguments, **named)


DUTIES = [
    ("deliver", worker, "deliver_once", "the last round failed: "),
    ("presence", duties, "unserved", "presence failed: "),
    ("close idle", worker, "close_idle_once", "close idle failed: "),
    ("maintain", duties, "maintain_once", "maintain failed: "),
    ("backup", duties, "backup_once", "backup failed: "),
    ("alert", worker, "alert_once", "alert failed: "),
    ("survey", duties, "backlog", "survey failed: "),
    ("watch", duties, "is_kept", "watch failed: "),
]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
@pytest.mark.parametrize(("name", "module", "function", "reason"), DUTIES, ids=[each[0] for each in DUTIES])
def test_duty_raises(
    store: Store,
    phone: Phone,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    module: Any,
    function: str,
    reason: str,
    error: type[BaseException],
) -> None:
    breaking = Breaking(getattr(module, function), error)
    monkeypatch.setattr(module, function, breaking)
    settings = quick(backup_folder=str(tmp_path / "backups"), alert_channel="one")
    (task_id,) = add(store, "one", "t")
    running = Worker(store, {"one": phone}, settings)
    running.vitals.survey_listeners.append(lambda _: None)
    with logged("ERROR") as lines, running:
        red(running, reason + error.__name__)
        eventually(lambda: breaking.calls >= 2)
        if name != "deliver":
            eventually(lambda: outcome(store, task_id) == ("delivered", 1))
        breaking.broken = False
        green(running)
        eventually(lambda: outcome(store, task_id) == ("delivered", 1))
    assert said(lines, f"{name} failed and is tried again in 0 s: {error.__name__}")
    assert len(phone.begun) == 1


def test_channel_that_exits(store: Store, clock: FakeClock) -> None:
    """`sys.exit()` in a channel is a failed attempt, not the end of its thread."""
    leaving = [True, True]

    def send(_: Delivery) -> None:
        if leaving:
            leaving.pop()
            sys.exit("no")

    ids = add(store, "one", "a", "b")
    with Worker(store, {"one": send}, quick(delivery_concurrency=1)) as running:
        eventually(lambda: [outcome(store, each) for each in ids] == [("retrying", 1)] * 2)
        clock.advance(minutes=2)
        running.ring()
        eventually(lambda: [outcome(store, each) for each in ids] == [("delivered", 2)] * 2)


def test_coroutine_channel_that_exits(store: Store) -> None:
    async def send(_: Delivery) -> None:
        sys.exit("no")

    (task_id,) = add(store, "one", "a")
    asyncio.run(Worker(store, {"one": send}, quick()).arun_due())
    assert outcome(store, task_id) == ("retrying", 1)


def test_summariser_that_exits(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("one", "s")
    store.append_message(conversation, "user", "Call John")
    clock.advance(hours=3)

    def leave(_: list[tuple[str, str]]) -> str:
        sys.exit("no")

    assert Worker(store, {}, summarise=leave).run_idle() == 1


def test_sender_thread_dies(store: Store, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside the channel too; what it had not begun is sent by the next thread."""
    running = Worker(store, {"one": phone}, quick(delivery_concurrency=1))
    with logged("ERROR") as lines, running:
        lane: Any = running._lanes["one", "reminder"]
        begin, deaths = lane._begin, [1]

        def dying(claim: Any) -> bool:
            if deaths and deaths.pop():
                lane._waiting.put(claim)
                raise MemoryError
            return bool(begin(claim))

        monkeypatch.setattr(lane, "_begin", dying)
        ids = add(store, "one", "a", "b")
        eventually(lambda: [outcome(store, each) for each in ids] == [("delivered", 1)] * 2)
    assert len(phone.begun) == 2
    assert said(lines, "a sender of channel 'one' has died and is started again: MemoryError")


def test_no_thread_can_be_started(store: Store, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    start, full = threading.Thread.start, [True]

    def refused(thread: threading.Thread) -> None:
        if full and thread.name.startswith("omega-one"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with logged("ERROR") as lines, Worker(store, {"one": phone}, quick()) as running:
        ids = add(store, "one", "a", "b")
        red(running, "omega-one-reminder failed: no thread can be started")
        assert phone.begun == []
        full.clear()
        assert green(running) < 2
        eventually(lambda: [outcome(store, each) for each in ids] == [("delivered", 1)] * 2)
    assert len(phone.begun) == 2
    assert said(lines, "channel 'one': no thread can be started (can't start new thread); what is due waits")


def test_scheduler_thread_dies(store: Store, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds stop, and with them the watchdog; once it can, the scheduler goes on in its own thread."""
    with logged("ERROR") as lines, Worker(store, {"one": phone}, quick(poll_interval_seconds=1)) as running:
        green(running)
        scheduler: Any = running._timetable._scheduler  # type: ignore[union-attr]
        breaking = Breaking(scheduler._process_jobs, SystemExit)
        monkeypatch.setattr(scheduler, "_process_jobs", breaking)
        monkeypatch.setattr(health, "TICK_LIMIT", 0.2)
        scheduler.wakeup()
        eventually(lambda: breaking.calls >= 2)
        rounds = running.vitals.rounds
        (task_id,) = add(store, "one", "t")
        eventually(lambda: health.dead(running))
        assert health.dead(running)[0].startswith("the scheduler has begun nothing for ")
        later = running.vitals.clock() + 60
        with monkeypatch.context() as patch:
            patch.setattr(running.vitals, "clock", lambda: later)
            red(running, "no round was completed for ")
        assert running.vitals.rounds <= rounds + 1
        began = time.monotonic()
        breaking.broken = False
        monkeypatch.setattr(health, "TICK_LIMIT", 70)
        eventually(lambda: outcome(store, task_id) == ("delivered", 1))
        green(running)
        assert health.dead(running) == []
        assert time.monotonic() - began < 2
    assert said(lines, "the scheduler has died and is started again: SystemExit")


def test_listener_that_exits(store: Store, phone: Phone) -> None:
    def leave(_: object) -> None:
        sys.exit("no")

    (task_id,) = add(store, "one", "t")
    running = Worker(store, {"one": phone}, quick())
    running.vitals.event_listeners.append(leave)
    with logged("ERROR") as lines, running:
        eventually(lambda: outcome(store, task_id) == ("delivered", 1))
    assert said(lines, "a listener failed: SystemExit")
