"""Reminders go out at their instant, whoever added them and however long the poll interval is."""

import itertools
import random
import threading
import time
from datetime import timedelta

import pytest
from fault_channels import Phone, a_phone, quick
from fault_children import Family

from omega_models import Store
from omega_models.times import system_clock
from omega_worker import duties
from omega_worker.timetable import Duty, Timetable
from omega_worker.worker import Worker

SETTINGS = quick(poll_interval_seconds=60, send_timeout_seconds=30)


def remind(path: str, due_at: str) -> None:
    with Store(path) as store:
        store.create_task("one", "s", "t", "from another process", due_at)


class Watch(Phone):
    """Notes when it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.called_at: list[float] = []

    def __call__(self, delivery: object) -> None:
        self.called_at.append(time.time())
        super().__call__(delivery)  # type: ignore[arg-type]


def test_from_another_process(shared_url: str) -> None:
    path, watch = shared_url, Watch()
    with Store(path) as store, Worker(store, {"one": watch}, SETTINGS), Family() as family:
        due_at = (system_clock() + timedelta(seconds=3)).replace(microsecond=0)
        child = family.start(remind, str(path), due_at.isoformat())
        assert family.finish(child) == 0
        watch.wait_for(ended=1, seconds=10)
    assert 0 <= watch.called_at[0] - due_at.timestamp() < 0.5


@pytest.fixture
def _nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "WATCH_EVERY", timedelta(hours=1))


@pytest.mark.usefixtures("_nothing_is_watched")
def test_added_through_the_same_store(shared_url: str) -> None:
    with a_phone() as phone, Store(shared_url) as store, Worker(store, {"one": phone}, SETTINGS):
        for n in range(1, 11):
            before = time.monotonic()
            store.create_task(
                "one", "s", "t", f"number {n}", store.clock() - timedelta(seconds=1), dedupe="off"
            )
            phone.wait_for(ended=n, seconds=10)
            assert time.monotonic() - before < 5


@pytest.mark.usefixtures("_nothing_is_watched")
def test_added_in_a_transaction_wakes_once_it_is_there(shared_url: str) -> None:
    with a_phone() as phone, Store(shared_url) as store, Worker(store, {"one": phone}, SETTINGS):
        with store.database.writing():
            for n in range(5):
                store.create_task("one", "s", f"t{n}", f"number {n}", store.clock() - timedelta(seconds=1))
            assert phone.begun == []
        phone.wait_for(ended=5, seconds=10)


class Asked:
    """What ringers ask for before they ring, and what a run has seen of it."""

    def __init__(self, ringers: int) -> None:
        self.wanted = [0] * ringers
        self.served = [0] * ringers
        self.changed = threading.Condition()
        self.runs = itertools.count(1)
        self.running = threading.Lock()

    def run(self) -> timedelta | None:
        assert self.running.acquire(blocking=False), "it runs twice at once"
        with self.running_now():
            seen = list(self.wanted)
            if next(self.runs) % 7 == 0:
                threading.Event().wait(0.001)  # so that many rings come while it runs
            with self.changed:
                self.served = seen
                self.changed.notify_all()
        return None

    def running_now(self) -> threading.Lock:
        self.running.release()
        return self.running

    def ask(self, ringer: int, number: int, duty: Duty) -> bool:
        self.wanted[ringer] = number
        duty.ring()
        with self.changed:
            return self.changed.wait_for(lambda: self.served[ringer] >= number, 10)


def test_no_ring_is_lost() -> None:
    """Each ring is followed by a run that begins after it; the duty's own interval is an hour."""
    asked, failures = Asked(4), []
    duty = Duty("hammered", asked.run, timedelta(hours=1), lambda _, error: failures.append(repr(error)))
    timetable = Timetable([duty])
    timetable.start()

    def hammer(ringer: int) -> None:
        chance = random.Random(ringer)
        for number in range(1, 201):
            if not asked.ask(ringer, number, duty):
                failures.append(f"ring {number} of {ringer} was lost")
                return
            if chance.random() < 0.1:
                threading.Event().wait(chance.random() / 500)

    threads = [threading.Thread(target=hammer, args=(ringer,)) for ringer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timetable.stop()
    assert failures == []
    assert asked.served == [200] * 4


def test_ring_during_a_run_makes_one_more() -> None:
    begun, released, again = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        if begun.is_set():
            again.set()
            return
        begun.set()
        released.wait(10)

    duty = Duty("rung", run, timedelta(hours=1), lambda *_: None)
    timetable = Timetable([duty])
    timetable.start()
    assert begun.wait(10)
    for _ in range(100):
        timetable.ring("rung")
    released.set()
    assert again.wait(10)
    timetable.stop()
