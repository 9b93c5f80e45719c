"""Another file at the database's path: said, red until it can be used, and then the worker goes on with it."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from fault_channels import STUCK, Phone, a_phone, add, eventually, outcome, quick
from fault_children import START, integrity
from fault_health import green, logged, red, said

from omega_models import Store, StoreUnavailable, place
from omega_models.testing import FakeClock
from omega_worker import timetable
from omega_worker.channels import Channel
from omega_worker.worker import Worker


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "AFTER_ERROR", timedelta(seconds=0.05))
    monkeypatch.setattr(place, "SETTLED", 0.1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store(path, clock=clock, durability="normal") as store:
        yield store


@pytest.fixture
def phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


def copy_of(store: Store, name: str = "copy.db") -> Path:
    """What a backup would hold, with the present claims in it."""
    made = Path(store.database.where).with_name(name)
    with closing(sqlite3.connect(store.database.where)) as source, closing(sqlite3.connect(made)) as target:
        source.backup(target)
    return made


# One duty: a thread that opens its first connection in the very instant of the swap meets the old log.
PATIENT = quick(send_timeout_seconds=60, delivery_concurrency=1, duties=("deliver",))


@pytest.mark.parametrize("copied", ["before the claim", "after the claim"])
def test_goes_on_with_the_new_file(
    store: Store, path: Path, clock: FakeClock, phone: Phone, copied: str
) -> None:
    """What is being sent is settled there, what waited is sent once, and what is new there too."""
    running = Worker(store, {"one": Channel(phone)}, PATIENT)
    ids = add(store, "one", STUCK, minutes_ago=2) + add(store, "one", "waits", minutes_ago=1)
    new = copy_of(store)
    with logged("ERROR") as lines, running:
        phone.wait_for(begun=1)
        if copied == "after the claim":
            new.unlink()
            new = copy_of(store)
        with Store(new, clock=clock) as other:
            ids += add(other, "one", "new")
        path.rename(path.with_name("old.db"))
        new.rename(path)
        red(running, "was replaced by another file while in use")
        eventually(lambda: said(lines, "going on with the file that is there now"))
        assert green(running) < 2
        phone.released.set()
        eventually(lambda: [outcome(store, each) for each in ids] == [("delivered", 1)] * 3)
        add(store, "one", "later")
        phone.wait_for(ended=4)
    assert [each.reply_target for each in phone.begun] == [STUCK, "waits", "new", "later"]
    assert integrity(path) == "ok"
    with closing(sqlite3.connect(path.with_name("old.db"))) as old:
        assert old.execute("SELECT count(*) FROM task_occurrences WHERE state = 'claimed'").fetchone() == (1,)
    assert integrity(path.with_name("old.db")) == "ok"
    assert said(lines, "of what was being sent 1 are on record in it and 0 are not")


def test_what_the_new_file_does_not_know(store: Store, path: Path, clock: FakeClock, phone: Phone) -> None:
    add(store, "one", STUCK)
    new = path.with_name("new.db")
    with Store(new, clock=clock) as other:
        ids = add(other, "one", "new")
    two_at_once = PATIENT.model_copy(update={"delivery_concurrency": 2})
    with logged() as lines, Worker(store, {"one": phone}, two_at_once) as running:
        phone.wait_for(begun=1)
        green(running)
        new.replace(path)
        phone.wait_for(ended=1)
        eventually(lambda: outcome(store, ids[0]) == ("delivered", 1))
        phone.released.set()
        eventually(lambda: said(lines, "lease lost: "))
        assert [task.id for task in store.list_tasks(status=None)] == ids
    assert said(lines, "of what was being sent 0 are on record in it and 1 are not")


NOT_OMEGAS = {
    "text": (b"These are notes.\n" * 100, "is not an SQLite database. It was left untouched"),
    "empty": (b"", "was replaced by an empty file"),
}


@pytest.mark.parametrize("name", NOT_OMEGAS)
def test_not_an_omega_file(store: Store, path: Path, phone: Phone, name: str) -> None:
    """It is left as it is; once the right one is back the worker goes on."""
    content, words = NOT_OMEGAS[name]
    with logged("ERROR") as lines, Worker(store, {"one": phone}, PATIENT) as running:
        (task_id,) = add(store, "one", "t", repeat="daily")
        phone.wait_for(ended=1)
        green(running)
        eventually(lambda: store.task_history(task_id)[0].status == "delivered")
        wrong, old = path.with_name("wrong"), path.with_name("old.db")
        wrong.write_bytes(content)
        shutil.copy(path, old)
        right = copy_of(store)
        wrong.replace(path)
        red(running, words)
        assert path.read_bytes() == content
        if name == "text":
            with pytest.raises(StoreUnavailable, match="is not an SQLite database"):
                store.get_due_tasks()
        right.replace(path)
        assert green(running) < 2
        (later,) = add(store, "one", "later")
        eventually(lambda: outcome(store, later) == ("delivered", 1))
    assert said(lines, words)
    assert len(phone.begun) == 2


def test_moved_away_and_back(store: Store, path: Path, phone: Phone) -> None:
    away = path.with_name("away.db")
    with logged("ERROR") as lines, Worker(store, {"one": phone}, PATIENT) as running:
        green(running)
        path.rename(away)
        red(running, "is gone: it was moved or deleted while in use")
        assert not path.exists()
        away.rename(path)
        assert green(running) < 2
        (task_id,) = add(store, "one", "t")
        eventually(lambda: outcome(store, task_id) == ("delivered", 1))
    assert said(lines, "is gone: it was moved or deleted while in use")
    assert len(phone.begun) == 1


def test_log_of_the_old_file_is_not_taken_for_the_new_ones(
    store: Store, path: Path, clock: FakeClock
) -> None:
    """Others still read the old file, so that its log cannot be emptied: it is set aside."""
    running = Worker(store, {"one": lambda _: None})
    new = copy_of(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM scheduled_tasks").fetchone()
        add(store, "one", "only in the old one")
        new.replace(path)
        with pytest.raises(StoreUnavailable, match="was replaced by another file"):
            running.run_due()
        clock.advance(seconds=1)
        assert not threading.Event().wait(0.15)
        assert running.run_due() == 0
        assert store.list_tasks() == []
        (aside,) = path.parent.glob("memory.db-wal.replaced-*")
        assert aside.stat().st_size > 0
        add(store, "one", "in the new one")
        reader.execute("ROLLBACK")
        assert reader.execute("SELECT count(*) FROM scheduled_tasks").fetchone() == (1,)
    assert running.run_due() == 1
    assert integrity(path) == "ok"
