"""Who waits to write to a file gets a turn in the order of asking, or is told in time that there is none."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from omega_models import Store, StoreBusy
from omega_models.testing import FakeClock
from omega_models.turns import Line

SOON = 10  # seconds that no test waits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "memory.db", clock=FakeClock("2026-03-01 09:00")) as opened:
        yield opened


@pytest.fixture
def other(store: Store) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    with closing(sqlite3.connect(store.database.where, isolation_level=None)) as connection:
        yield connection


def until_waiting(line: Line, count: int) -> None:
    deadline = time.monotonic() + SOON
    while len(line._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_threads_are_called_in_the_order_in_which_they_came() -> None:
    line, order = Line(), []
    assert line.take()

    def stand(number: int) -> None:
        assert line.wait(SOON)
        order.append(number)
        line.give()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=stand, args=(number,)))
        threads[-1].start()
        until_waiting(line, number + 1)
    line.give()
    for thread in threads:
        thread.join(SOON)
    assert order == [0, 1, 2, 3, 4]
    assert line.take()


def test_who_gives_up_waiting_leaves_no_gap() -> None:
    line = Line()
    assert line.take()
    assert not line.take()
    assert not line.wait(0.01)
    line.give()
    assert line.wait(0.01)
    line.give()
    assert line.take()


def test_a_locked_file_is_waited_for_as_long_as_was_said(store: Store, other: sqlite3.Connection) -> None:
    store.database.sql_rows("PRAGMA busy_timeout = 50")
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    with pytest.raises(StoreBusy, match="nothing was written"):
        store.store_fact(1, "pet", "cat")
    assert 0.05 <= time.monotonic() - start < SOON / 2
    assert store.database.sql_rows("PRAGMA busy_timeout") == [(50,)]
    other.execute("COMMIT")
    store.store_fact(1, "pet", "cat")
    assert store.get_fact(1, "pet") == "cat"


def test_a_turn_is_given_back_whatever_happens(store: Store, other: sqlite3.Connection) -> None:
    with pytest.raises(RuntimeError), store.database.writing():
        raise RuntimeError
    with pytest.raises(ValueError, match="score"):
        store.store_outcome(1, "d", 7, "l")
    store.database.sql_rows("PRAGMA busy_timeout = 0")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy), store.database.writing():
        pass
    other.execute("COMMIT")
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(store.delete_fact(1, "none")))
    thread.start()
    thread.join(SOON)
    assert found == [False]


def test_a_thread_waits_for_another_of_its_process_and_another_store(store: Store) -> None:
    began, told = threading.Event(), []

    def write() -> None:
        with Store(store.database.where) as second:
            began.set()
            second.store_fact(1, "pet", "cat")
            told.append(store.get_fact(1, "name"))

    thread = threading.Thread(target=write)
    with store.database.writing():
        thread.start()
        assert began.wait(SOON)
        store.store_fact(1, "name", "Ada")
    thread.join(SOON)
    assert told == ["Ada"]
