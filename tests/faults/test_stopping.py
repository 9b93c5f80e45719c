"""Stopping claims nothing more, lets running sends finish, and gives back what was not begun, uncounted."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fault_channels import STUCK, Phone, a_phone, add, eventually, outcome, quick
from fault_children import START

from omega_jobs.delivery import Delivery, DeliveryError
from omega_models import Store, StoreUnavailable
from omega_models.presence import live_workers
from omega_models.testing import FakeClock
from omega_worker import lanes
from omega_worker.worker import Worker

RUNNING = [f"{STUCK}-{n}" for n in range(2)]
WAITING = [f"waiting-{n}" for n in range(4)]
LATER = [f"later-{n}" for n in range(3)]
SETTINGS = quick(send_timeout_seconds=60, delivery_concurrency=2)


@pytest.fixture(autouse=True)
def _six_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a lane with two places claims four more ahead."""
    monkeypatch.setattr(lanes.Appetite, "__call__", lambda _: 6)


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


def add_all(store: Store) -> tuple[list[str], list[str]]:
    """Two that will be running, four that wait in the lane, three that are due but not claimed."""
    running = add(store, "one", *RUNNING, minutes_ago=3)
    waiting = add(store, "one", *WAITING, minutes_ago=2)
    return running, waiting + add(store, "one", *LATER, minutes_ago=1)


def due(store: Store) -> list[str]:
    return sorted(each.reply_target for each in store.get_due_tasks())


def stopping(worker: Worker, answers: list[bool]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(worker.stop(30)))
    thread.start()
    return thread


def test_running_ones_finish_and_waiting_ones_are_given_back(store: Store, phone: Phone) -> None:
    running, others = add_all(store)
    worker = Worker(store, {"one": phone}, SETTINGS)
    worker.start()
    phone.wait_for(begun=2)
    eventually(lambda: due(store) == LATER)
    answers: list[bool] = []
    thread = stopping(worker, answers)
    eventually(lambda: due(store) == LATER + WAITING)
    assert [outcome(store, each) for each in others] == [("new", 0)] * 7
    phone.released.set()
    thread.join(30)
    assert answers == [True]
    assert [outcome(store, each) for each in running] == [("delivered", 1)] * 2
    assert phone.targets() == RUNNING
    assert due(store) == LATER + WAITING
    assert live_workers(store) == []


def test_given_back_retry_keeps_its_count(store: Store, clock: FakeClock, phone: Phone) -> None:
    """What had failed once has still failed once."""
    failing = True

    def send(delivery: Delivery) -> None:
        if failing:
            raise DeliveryError("not now")
        phone(delivery)

    ids = add(store, "one", *(f"{STUCK}-{n}" for n in range(9)))
    worker = Worker(store, {"one": send}, SETTINGS)
    worker.run_due()
    assert {outcome(store, each) for each in ids} == {("retrying", 1)}
    failing = False
    clock.advance(minutes=5)
    worker.start()
    phone.wait_for(begun=2)
    answers: list[bool] = []
    thread = stopping(worker, answers)
    eventually(lambda: len(store.get_due_tasks()) == 7)
    phone.released.set()
    thread.join(30)
    assert answers == [True]
    states = sorted(outcome(store, each) for each in ids)
    assert states == [("delivered", 2)] * 2 + [("retrying", 1)] * 7
    worker.run_due()
    assert {outcome(store, each) for each in ids} == {("delivered", 2)}


def test_nothing_is_claimed_any_more(store: Store, phone: Phone) -> None:
    """Neither what is added while it stops nor what falls due."""
    add(store, "one", STUCK)
    worker = Worker(store, {"one": phone}, SETTINGS)
    worker.start()
    phone.wait_for(begun=1)
    answers: list[bool] = []
    thread = stopping(worker, answers)
    eventually(lambda: worker not in store.task_listeners and not store.task_listeners)
    add(store, "one", *LATER)
    worker.ring()
    assert worker.deliver_round() is not None
    phone.released.set()
    thread.join(30)
    assert answers == [True]
    assert phone.targets() == [STUCK]
    assert due(store) == LATER


def test_send_that_outlives_the_drain(store: Store, clock: FakeClock, phone: Phone) -> None:
    """Its lease stands, so that nobody sends it meanwhile; once that is over, it is sent once more."""
    (stuck,) = add(store, "one", STUCK)
    worker = Worker(store, {"one": phone}, SETTINGS)
    worker.start()
    phone.wait_for(begun=1)
    assert worker.stop(0.05) is False
    assert outcome(store, stuck) == ("claimed", 1)
    assert store.get_due_tasks() == []
    phone.released.set()
    phone.wait_for(ended=1)
    assert outcome(store, stuck) == ("claimed", 1)
    clock.advance(seconds=61)
    assert Worker(store, {"one": phone}, SETTINGS).run_due() == 1
    (row,) = store.task_history(stuck)
    assert (row.status, row.attempts, row.reason) == ("delivered", 2, "lost lease")
    assert len({each.id for each in phone.begun}) == 1


def test_coroutines(store: Store) -> None:
    running, others = add_all(store)

    async def run() -> None:
        begun: list[str] = []
        released = asyncio.Event()

        async def send(delivery: Delivery) -> None:
            begun.append(delivery.reply_target)
            await released.wait()

        worker = Worker(store, {"one": send}, SETTINGS)
        await worker.astart()
        await asyncio.to_thread(eventually, lambda: len(begun) == 2 and due(store) == LATER)
        stopped = asyncio.create_task(worker.astop(30))
        await asyncio.to_thread(eventually, lambda: due(store) == LATER + WAITING)
        released.set()
        assert await stopped
        assert begun == RUNNING

    asyncio.run(run())
    assert [outcome(store, each) for each in running] == [("delivered", 1)] * 2
    assert [outcome(store, each) for each in others] == [("new", 0)] * 7


def test_coroutine_that_outlives_the_drain(store: Store, clock: FakeClock) -> None:
    (stuck,) = add(store, "one", STUCK)

    async def run() -> None:
        begun, released = asyncio.Event(), asyncio.Event()

        async def send(_: Delivery) -> None:
            begun.set()
            await released.wait()

        worker = Worker(store, {"one": send}, SETTINGS)
        await worker.astart()
        await begun.wait()
        assert await worker.astop(timedelta(seconds=0.05)) is False
        released.set()

    asyncio.run(run())
    assert outcome(store, stuck) == ("claimed", 1)
    assert store.get_due_tasks() == []
    clock.advance(seconds=61)
    assert len(store.get_due_tasks()) == 1


def test_again_and_again_while_it_works(store: Store, phone: Phone) -> None:
    """Stopped at any moment, nothing is lost, doubled or counted that was not sent."""
    ids = [each for n in range(10) for each in add(store, "one", *(f"{n}-{m}" for m in range(10)))]
    for n in range(10):
        worker = Worker(store, {"one": phone}, SETTINGS)
        worker.start()
        phone.wait_for(begun=min(100, 8 * n))
        assert worker.stop()
        assert sorted(phone.targets()) == sorted(each.reply_target for each in phone.begun)
    Worker(store, {"one": phone}, SETTINGS).run_due()
    assert {outcome(store, each) for each in ids} == {("delivered", 1)}
    assert len(phone.ended) == len(set(phone.targets())) == 100


FORGETFUL = """
import sys
import time
from omega_models import Store
from omega_worker import Worker
worker = Worker(Store(sys.argv[1]), {"one": print})
worker.start()
time.sleep(0.5)
print("over", flush=True)
"""


def test_program_that_forgets_to_stop_ends_all_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FORGETFUL, str(tmp_path / "memory.db")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (0, "over\n")


def test_stop_without_a_database(store: Store, phone: Phone) -> None:
    """It ends by its deadline, and says that something is left."""
    add(store, "one", STUCK)
    worker = Worker(store, {"one": phone}, SETTINGS)
    worker.start()
    phone.wait_for(begun=1)
    store.close()
    phone.released.set()
    phone.wait_for(ended=1)
    assert worker.stop(0.2) is False
    with pytest.raises(StoreUnavailable):
        store.get_due_tasks()


def test_rounds_by_hand_lose_no_outcome(store: Store, phone: Phone) -> None:
    """An outcome is at every moment in a lane or in the outbox, so no round ends too early."""
    for n in range(30):
        add(store, "one", *(f"{n}-{m}" for m in range(8)))
        assert Worker(store, {"one": phone}, SETTINGS).run_due() == 8
