"""A database that cannot be written for long, and a receiver that never answers: red while it lasts."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_channels import STUCK, Phone, a_phone, add, eventually, outcome, quick
from fault_children import START, integrity
from fault_health import green, logged, red, said

from omega_models import Store, sqlite_file
from omega_models.connections import Connections
from omega_models.sqlite_file import ThreadConnections
from omega_models.testing import FakeClock
from omega_worker import duties, errand, lanes, timetable
from omega_worker.worker import Worker


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "AFTER_ERROR", timedelta(seconds=0.05))
    monkeypatch.setattr(duties, "SURVEY_EVERY", timedelta(seconds=0.1))
    monkeypatch.setattr(errand, "GRACE", 0.05)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    Store(tmp_path / "memory.db").close()
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    with Store(tmp_path / "memory.db", clock=clock, durability="normal") as store:
        yield store


@pytest.fixture
def phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


@contextmanager
def locked(store: Store) -> Iterator[None]:
    with closing(sqlite3.connect(store.database.where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of every connection, those included that a thread opens meanwhile: no page may be added, and none is free."""
    opened = [connection for _, connection in store.database._connections._opened.values()]
    (pages,) = store.database.sql_rows("PRAGMA page_count")[0]
    connect = ThreadConnections._connect

    def limited(engine: ThreadConnections) -> sqlite3.Connection:
        opened.append(connect(engine))
        set_most(opened[-1:], pages)
        return opened[-1]

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ThreadConnections, "_connect", limited)
        set_most(opened, pages)
        yield
    set_most(opened, 2**30)


def set_most(opened: list[Any], pages: int) -> None:
    for each in opened:
        each.execute(f"PRAGMA max_page_count = {pages}")


def test_locked_for_longer_than_the_lease(store: Store, clock: FakeClock, phone: Phone) -> None:
    """A minute and more: what is being sent is settled in the end, what waits is sent once, nothing twice."""
    ids = add(store, "one", STUCK, minutes_ago=2) + add(store, "one", "waits", minutes_ago=1)
    settings = quick(send_timeout_seconds=60, delivery_concurrency=1)
    with logged("ERROR") as lines, Worker(store, {"one": phone}, settings) as running:
        phone.wait_for(begun=1)
        with locked(store):
            clock.advance(seconds=90)
            running.ring()
            red(running, "the last round failed: ")
            phone.released.set()
            phone.wait_for(ended=1)
            assert outcome(store, ids[0]) == ("claimed", 1)
        assert green(running) < 2
        eventually(lambda: [outcome(store, each) for each in ids] == [("delivered", 1)] * 2)
    assert phone.targets() == [STUCK, "waits"]
    assert said(lines, "is locked by another process; nothing was written")


def test_full_disk(store: Store, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = quick(send_timeout_seconds=60, delivery_concurrency=1)
    add(store, "one", STUCK, minutes_ago=2)
    add(store, "one", *(f"t{n}" for n in range(149)), minutes_ago=1)
    with logged("ERROR") as lines, Worker(store, {"one": phone}, settings) as running:
        phone.wait_for(begun=1)
        with full(store, monkeypatch):  # before the others can be claimed
            phone.released.set()
            red(running, "the disk is full. Nothing was lost; free some space")
        assert green(running) < 2
        phone.wait_for(ended=150)
        eventually(lambda: len(store.list_tasks(status="delivered")) == 150)
    assert len(phone.begun) == 150
    assert said(lines, "the disk is full")
    assert integrity(Path(store.database.where)) == "ok"


class ReadOnly:
    """The file loses its write permission: what is opened meanwhile may only read, and stays so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        access, connect = os.access, ThreadConnections._connect
        is_passing = Connections.is_passing

        def connected(engine: ThreadConnections) -> sqlite3.Connection:
            connection = connect(engine)
            if self.on:
                connection.execute("PRAGMA query_only = 1")
            return connection

        monkeypatch.setattr(os, "access", lambda *a, **n: not self.on and access(*a, **n))
        monkeypatch.setattr(ThreadConnections, "_connect", connected)
        monkeypatch.setattr(Connections, "is_passing", lambda known: self.on or is_passing(known))


def test_file_made_read_only(store: Store, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add(store, "one", STUCK)
    read_only = ReadOnly(monkeypatch)
    with logged("ERROR") as lines, Worker(store, {"one": phone}, quick(send_timeout_seconds=60)) as running:
        phone.wait_for(begun=1)
        green(running)
        read_only.on = True
        phone.released.set()
        red(running, "the last round failed: ")
        assert outcome(store, ids[0]) == ("claimed", 1)
        read_only.on = False
        assert green(running) < 2
        ids += add(store, "one", "later")
        eventually(lambda: [outcome(store, each) for each in ids] == [("delivered", 1)] * 2)
    assert len(phone.begun) == 2
    assert said(lines, "is read-only for this user. Give the user (or its group) write permission")


def test_receiver_that_never_answers(store: Store, clock: FakeClock, phone: Phone) -> None:
    """So many sends hang that no more are begun: what waits becomes overdue, and goes out when they return."""
    hanging = add(store, "one", *(f"{STUCK}-{n}" for n in range(6)), minutes_ago=1)
    settings = quick(send_timeout_seconds=0.05, delivery_concurrency=1, overdue_limit_seconds=300)
    running = Worker(store, {"one": phone}, settings)
    running.vitals.survey_listeners.append(lambda _: None)
    with logged("ERROR") as lines, running:
        eventually(
            lambda: sum(outcome(store, each)[0] == "ambiguous" for each in hanging) >= lanes.LOST_SENDS
        )
        clock.advance(minutes=10)
        red(running, "a due task has been waiting for 11 min")
        phone.released.set()
        eventually(lambda: not store.get_due_tasks())
        eventually(lambda: all(outcome(store, each)[0] != "claimed" for each in hanging))
        green(running)
    assert len({each.id for each in phone.begun}) == len(phone.begun) == 6
    assert said(lines, "ambiguous, held: ")
