"""A full disk, a lock that somebody keeps, a file that may not be written: said, and nothing is lost by it."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from fault_channels import STUCK, Phone, a_phone, add, eventually, outcome, quick
from fault_children import START, integrity
from loguru import logger

from omega_jobs.deliver import Desk, Finished, Rules, deliver_once
from omega_jobs.delivery import Verdict
from omega_models import Store, StoreBusy, StoreError, StoreUnavailable, sqlite_file
from omega_models.claims import Claim
from omega_models.testing import FakeClock
from omega_worker import timetable
from omega_worker.worker import Worker

BUSY = 0.1
WAITING = [f"t{n}" for n in range(150)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """On a file that is there already; waits a tenth of a second for a lock, not five seconds."""
    Store(path).close()
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", BUSY)
    with Store(path, clock=clock, durability="normal") as store:
        yield store


@pytest.fixture
def phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """For this thread's connection: the file may not grow."""
    (pages,) = store.database.sql_rows("PRAGMA page_count")[0]
    store.database.sql_rows(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        store.database.sql_rows(f"PRAGMA max_page_count = {2**30}")


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Somebody else keeps the write lock."""
    with closing(sqlite3.connect(store.database.where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def read_only(store: Store) -> Iterator[None]:
    """For this thread's connection: nothing may be written."""
    store.database.sql_rows("PRAGMA query_only = 1")
    try:
        yield
    finally:
        store.database.sql_rows("PRAGMA query_only = 0")


Trouble = Callable[[Store], object]
TROUBLES = [
    pytest.param(
        full_disk, StoreUnavailable, "the disk is full. Nothing was lost; free some space", id="full"
    ),
    pytest.param(locked, StoreBusy, "is locked by another process; nothing was written", id="locked"),
    pytest.param(read_only, StoreUnavailable, "is read-only for this user. Give the user", id="read-only"),
]
every_trouble = pytest.mark.parametrize(("trouble", "kind", "remedy"), TROUBLES)


def check(caught: pytest.ExceptionInfo[StoreError], path: Path, remedy: str) -> None:
    assert str(path) in str(caught.value)
    assert remedy in str(caught.value)
    assert isinstance(caught.value.__cause__, Exception)


@every_trouble
def test_claiming(store: Store, path: Path, trouble: Trouble, kind: type[StoreError], remedy: str) -> None:
    ids = add(store, "one", *WAITING)
    with trouble(store), pytest.raises(kind) as caught:  # type: ignore[attr-defined]
        store.claim_due_tasks("w", 150)
    check(caught, path, remedy)
    assert type(caught.value) is kind
    assert len(store.get_due_tasks()) == 150
    assert {outcome(store, each) for each in ids} == {("new", 0)}
    assert len(store.claim_due_tasks("w", 150)) == 150
    assert integrity(path) == "ok"


@every_trouble
def test_settling(store: Store, path: Path, trouble: Trouble, kind: type[StoreError], remedy: str) -> None:
    ids = add(store, "one", *WAITING)
    claimed = store.claim_due_tasks("w", 150)
    with trouble(store), pytest.raises(kind) as caught, store.database.writing():  # type: ignore[attr-defined]
        for each in claimed:
            store.settle(each.token, "failed", error="x" * 500)
    check(caught, path, remedy)
    assert {outcome(store, each) for each in ids} == {("claimed", 1)}
    assert all(store.settle(each.token, "delivered") for each in claimed)
    assert {outcome(store, each) for each in ids} == {("delivered", 1)}
    assert integrity(path) == "ok"


@every_trouble
def test_adding(store: Store, path: Path, trouble: Trouble, kind: type[StoreError], remedy: str) -> None:
    with trouble(store), pytest.raises(kind) as caught:  # type: ignore[attr-defined]
        for n in range(100):
            store.create_task("one", "s", f"t{n}", "x" * 5000, START, dedupe="off")
    check(caught, path, remedy)
    before = len(store.list_tasks())
    assert before < 100
    store.create_task("one", "s", "t", "x" * 5000, START, dedupe="off")
    assert len(store.list_tasks()) == before + 1
    assert integrity(path) == "ok"


class Shelf:
    """A lane that keeps what it is given until the test says what became of it."""

    def __init__(self) -> None:
        self.channel = "one"
        self.task_types: tuple[str, ...] = ("reminder",)
        self.resends = True
        self.claims: list[Claim] = []

    def room(self) -> int:
        return 200 - len(self.claims)

    def start(self, claims: Sequence[Claim]) -> None:
        self.claims += claims


@every_trouble
def test_round_keeps_its_outbox(
    store: Store, path: Path, trouble: Trouble, kind: type[StoreError], remedy: str
) -> None:
    """What was sent is settled by a later round, in its order, and not sent again."""
    shelf = Shelf()
    desk = Desk(store, "w", {("one", "reminder"): shelf}, Rules())
    ids = add(store, "one", *WAITING)
    assert deliver_once(desk).claimed == 150
    verdict = Verdict("retry", error="x" * 500)
    desk.outbox.extend(Finished(claim, verdict) for claim in shelf.claims[:100])
    desk.outbox.extend(Finished(claim, Verdict("delivered")) for claim in shelf.claims[100:])
    outbox = list(desk.outbox)
    with trouble(store):  # type: ignore[attr-defined]
        for _ in range(3):
            with pytest.raises(kind) as caught:
                deliver_once(desk)
            check(caught, path, remedy)
            assert list(desk.outbox) == outbox
            assert len(desk.leases) == 150
    assert {outcome(store, each) for each in ids} == {("claimed", 1)}
    done = deliver_once(desk)
    assert (done.settled, done.claimed) == (150, 0)
    assert (len(desk.outbox), len(desk.leases), len(shelf.claims)) == (0, 0, 150)
    assert sorted(outcome(store, each) for each in ids) == [("delivered", 1)] * 50 + [("retrying", 1)] * 100


@every_trouble
def test_round_claims_once_it_can(
    store: Store, path: Path, trouble: Trouble, kind: type[StoreError], remedy: str
) -> None:
    shelf = Shelf()
    desk = Desk(store, "w", {("one", "reminder"): shelf}, Rules())
    add(store, "one", *WAITING)
    with trouble(store), pytest.raises(kind) as caught:  # type: ignore[attr-defined]
        deliver_once(desk)
    check(caught, path, remedy)
    assert (len(desk.leases), len(shelf.claims)) == (0, 0)
    assert deliver_once(desk).claimed == 150


@pytest.fixture
def _tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "AFTER_ERROR", timedelta(seconds=0.05))


@pytest.mark.usefixtures("_tries_again_soon")
def test_worker_outlasts_a_lock(store: Store, phone: Phone) -> None:
    """The lock is taken while it sends, and kept for longer than it will wait; the outcome waits too."""
    trouble: list[str] = []
    (stuck,) = add(store, "one", STUCK)
    with Worker(store, {"one": phone}, quick(send_timeout_seconds=60)):
        phone.wait_for(begun=1)
        with locked(store):
            with watched("deliver:", trouble):
                phone.released.set()
                eventually(lambda: len(trouble) >= 2)
            assert outcome(store, stuck) == ("claimed", 1)
        eventually(lambda: outcome(store, stuck) == ("delivered", 1))
        (later,) = add(store, "one", "later")
        eventually(lambda: outcome(store, later) == ("delivered", 1))
    assert len(phone.begun) == 2
    assert all("is locked by another process" in line for line in trouble)


@pytest.mark.usefixtures("_tries_again_soon")
def test_worker_is_stopped_under_a_lock(store: Store, clock: FakeClock, phone: Phone) -> None:
    """It ends in time; its lease lapses, and the next attempt is on record."""
    (stuck,) = add(store, "one", STUCK)
    worker = Worker(store, {"one": phone}, quick(send_timeout_seconds=60))
    worker.start()
    phone.wait_for(begun=1)
    with locked(store):
        phone.released.set()
        phone.wait_for(ended=1)
        assert worker.stop(0.3) is False
    assert outcome(store, stuck) == ("claimed", 1)
    clock.advance(seconds=61)
    assert worker.run_due() == 1
    assert outcome(store, stuck) == ("delivered", 2)
    assert len({each.id for each in phone.begun}) == 1


@contextmanager
def watched(beginning: str, lines: list[str]) -> Iterator[None]:
    """Collects what is logged."""

    def keep(message: object) -> None:
        if str(message).startswith(beginning):
            lines.append(str(message))

    sink = logger.add(keep, format="{message}", level="ERROR")
    logger.enable("omega_worker")
    try:
        yield
    finally:
        logger.disable("omega_worker")
        logger.remove(sink)


def test_closing_while_others_are_at_work(path: Path) -> None:
    """Every thread is told that the Store was closed; none of them crashes, and nothing stays locked."""
    for _ in range(20):
        store = Store(path, durability="normal")
        told: list[str] = []
        begun = threading.Barrier(5)

        def work(store: Store = store, told: list[str] = told, begun: threading.Barrier = begun) -> None:
            begun.wait(10)
            try:
                while True:
                    store.store_fact("s", "key", "value" * 50)
                    store.get_facts("s")
                    add(store, "one", "t")
            except StoreUnavailable as error:
                told.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait(10)
        store.close()
        for thread in threads:
            thread.join(30)
        assert told == [f"this Store on {path} was closed; open a new one"] * 4
        store.close()
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
    assert integrity(path) == "ok"
