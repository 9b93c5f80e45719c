"""Housekeeping: what is old goes, what may still be sent stays, and the write-ahead log stays small."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from omega_jobs.maintain import LEASE, Keep, Maintained, maintain_once
from omega_models import AuditEntry, AuditLogger, Store, ledger, retention
from omega_models.overview import overview
from omega_models.presence import beat, release_lease, take_lease
from omega_models.rows import fetch
from omega_models.testing import FakeClock
from omega_worker import timetable
from omega_worker.duties import Duties
from omega_worker.settings import Settings
from omega_worker.worker import Worker

START = datetime(2030, 1, 1, 9, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)


def unhurried(_: float) -> None:
    """No rest between batches."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def kept(store: Store, task_id: str) -> list[tuple[str, datetime]]:
    return [(each.status, each.scheduled_for) for each in store.task_history(task_id)]


def deliver(store: Store, task_id: str) -> None:
    store.complete_task(task_id)


def maintain(store: Store, keep: Keep | None = None) -> Maintained:
    done = maintain_once(store, "w", keep or Keep(), unhurried)
    assert done
    return done


def test_the_ledger_keeps_a_year(store: Store, clock: FakeClock) -> None:
    task = store.create_task("chat", 1, 1, "Call John", START)
    deliver(store, task)
    clock.advance(days=365)
    assert maintain(store).ledger == 0
    assert len(kept(store, task)) == 1
    clock.advance(seconds=1)
    assert maintain(store).ledger == 1
    assert kept(store, task) == []
    assert maintain(store).ledger == 0


def test_of_a_live_series_the_last_delivery_stays(store: Store, clock: FakeClock) -> None:
    task = store.create_task("chat", 1, 1, "Water the plants", START, "yearly")
    for _ in range(3):
        deliver(store, task)
        clock.advance(days=365)
    rows = kept(store, task)
    assert [status for status, _ in rows] == ["delivered"] * 3
    clock.advance(days=400)
    assert maintain(store).ledger == 2
    assert kept(store, task) == rows[2:]
    store.cancel_task(task, 1)
    assert maintain(store).ledger == 1


def test_a_paused_series_is_a_live_one(store: Store, clock: FakeClock) -> None:
    task = store.create_task("chat", 1, 1, "Water the plants", START, "daily")
    deliver(store, task)
    store.pause_task(task, 1)
    clock.advance(days=800)
    assert maintain(store).ledger == 0


def settle_as(store: Store, task_id: str, state: str, **more: Any) -> None:
    """The task's present occurrence in that state, on record since long ago."""
    row = fetch(store, task_id)
    assert row
    ledger.put(store, row, row.instant, state=state, settled_ms=1, **more)


@pytest.mark.parametrize("state", ["claimed", "retrying", "ambiguous", "held"])
def test_what_may_still_be_sent_stays_whatever_became_of_its_task(
    store: Store, clock: FakeClock, state: str
) -> None:
    for number, end in enumerate((None, "cancel", "delete")):
        task = store.create_task("chat", 1, 1, f"number {number}", START + number * DAY)
        settle_as(store, task, state)
        if end == "cancel":
            store.cancel_task(task, 1)
            settle_as(store, task, state)
        if end == "delete":
            store.database.sql("DELETE FROM scheduled_tasks WHERE task_type = 'reminder'")
    clock.advance(days=4000)
    assert maintain(store).ledger == 0


@pytest.mark.parametrize("state", ["failed", "skipped", "delivered"])
def test_the_present_occurrence_of_a_pending_task_stays(store: Store, clock: FakeClock, state: str) -> None:
    """Such as one that a person may still retry."""
    task = store.create_task("chat", 1, 1, "Call John", START, "daily")
    settle_as(store, task, state)
    clock.advance(days=800)
    assert maintain(store).ledger == 0
    assert kept(store, task) == [(state, START)]


def test_rows_whose_task_is_gone_go_too(store: Store, clock: FakeClock) -> None:
    deliver(store, store.create_task("chat", 1, 1, "Call John", START))
    store.database.sql("DELETE FROM scheduled_tasks WHERE task_type = 'reminder'")
    clock.advance(days=366)
    assert maintain(store).ledger == 1


def test_many_rows_go_in_batches(store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that stay are passed over, wherever they lie in between."""
    monkeypatch.setattr(retention, "BATCH", 3)
    rests: list[float] = []
    live = [store.create_task("chat", n, n, "stays", START, "daily") for n in range(5)]
    for n in range(12):
        deliver(store, store.create_task("chat", n, n, f"number {n}", START))
        clock.advance(seconds=n % 2)
        if n < len(live):
            deliver(store, live[n])
    clock.advance(days=800)
    assert retention.forget_settled(store, clock() - YEAR, rests.append) == 12
    assert len(rests) == 5
    assert all(len(kept(store, task)) == 1 for task in live)


def test_there_is_an_end_to_one_run(store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MOST_LEDGER_BATCHES", 2)
    for n in range(9):
        deliver(store, store.create_task("chat", n, n, f"number {n}", START))
    clock.advance(days=800)
    assert [maintain(store).ledger for _ in range(4)] == [4, 4, 1, 0]


def test_other_writers_come_in_between(file: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    with Store(file, clock=clock) as store, closing(sqlite3.connect(file, timeout=0)) as other:
        store.store_fact(1, "name", "Ada")
        for n in range(3):
            deliver(store, store.create_task("chat", n, n, f"number {n}", START))

        def write(_: float) -> None:
            with other:
                other.execute("UPDATE facts SET value = value || '!'")

        clock.advance(days=800)
        assert retention.forget_settled(store, clock() - YEAR, write) == 3
        assert store.get_fact(1, "name") == "Ada!!!"


def test_the_audit_log_is_kept_unless_it_is_said(store: Store, clock: FakeClock) -> None:
    audit = AuditLogger(store)
    for _ in range(4):
        audit.log(AuditEntry("chat", 1, "hello"))
        clock.advance(days=10)
    assert maintain(store).audit == 0
    assert maintain(store, Keep(audit=timedelta(days=20))).audit == 2
    assert len(audit.recent(10)) == 2


def test_the_audit_log_goes_in_batches(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    audit = AuditLogger(store)
    audit.log_all([AuditEntry("chat", 1, "hello")] * 5)
    clock.advance(days=10)
    audit.log(AuditEntry("chat", 1, "hello"))
    rests: list[float] = []
    assert retention.forget_audit(store, clock() - DAY, rests.append) == 5
    assert (len(rests), len(audit.recent(10))) == (2, 1)


def test_workers_long_gone_and_leases_that_ended_are_forgotten(store: Store, clock: FakeClock) -> None:
    beat(store, "gone", ["chat"], ["reminder"])
    take_lease(store, "close c1", "gone", timedelta(minutes=1))
    clock.advance(days=2)
    beat(store, "here", ["chat"], ["reminder"])
    token = take_lease(store, "close c2", "here", timedelta(minutes=1))
    done = maintain(store)
    assert (done.workers, done.leases) == (1, 1)
    assert release_lease(store, "close c2", token or "")
    assert maintain(store)[2:4] == (0, 0)


def test_when_it_was_last_done_is_on_record(store: Store, clock: FakeClock) -> None:
    assert overview(store).maintained_at is None
    for _ in range(2):
        clock.advance(hours=1)
        maintain(store)
        assert overview(store).maintained_at == clock()


def test_one_worker_at_a_time(store: Store) -> None:
    token = take_lease(store, LEASE, "another", timedelta(minutes=1))
    assert maintain_once(store, "w", Keep(), unhurried) is None
    release_lease(store, LEASE, token or "")
    assert maintain_once(store, "w", Keep(), unhurried)


# The write-ahead log


def log_size(file: Path) -> int:
    return file.with_name("memory.db-wal").stat().st_size


def test_the_write_ahead_log_is_emptied(file: Path) -> None:
    with Store(file) as store:
        store.store_fact(1, "name", "Ada")
        assert log_size(file)
        assert maintain(store).log_emptied
        store.database.empty_log()
        assert log_size(file) == 0


def test_a_reader_is_not_waited_for(file: Path) -> None:
    """Neither by this, nor by those who write meanwhile; and the patience of the connection stays as it was."""
    with Store(file) as store, closing(sqlite3.connect(file, isolation_level=None)) as reader:
        store.store_fact(1, "name", "Ada")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM facts").fetchall()
        store.store_fact(1, "city", "Kyiv")
        begun = perf_counter()
        assert not store.database.empty_log()
        assert perf_counter() - begun < 2
        assert store.database.sql_rows("PRAGMA busy_timeout") == [(5000,)]
        store.store_fact(1, "job", "sailor")
        reader.execute("COMMIT")
        assert store.database.empty_log()
        assert log_size(file) == 0


def test_the_planner_learns_of_the_tables(file: Path, clock: FakeClock) -> None:
    with Store(file, clock=clock) as store:
        for n in range(300):
            store.create_task("chat", n, n, f"number {n}", START)
        store.get_due_tasks()
        maintain(store)
        found = store.database.sql_rows("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'")
        assert found == [(1,)]


# The worker's duty


def test_the_worker_keeps_what_its_settings_say(
    file: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Maintained] = []
    monkeypatch.setattr("omega_worker.narrate.maintained", told.append)
    with Store(file, clock=clock) as store:
        AuditLogger(store).log(AuditEntry("chat", 1, "hello"))
        deliver(store, store.create_task("chat", 1, 1, "Call John", START))
        clock.advance(days=8)
        for settings in ({}, {"ledger_keep_days": 7}, {"audit_keep_days": 7}, {"ledger_keep_days": 0}):
            duties = Duties(Worker(store, {}, Settings.defaults(**settings)))
            (duty,) = (each for each in duties.all() if each.name == timetable.MAINTAIN)
            duty()
            duties.close()
    assert [(each.ledger, each.audit) for each in told] == [(0, 0), (1, 0), (0, 1), (0, 0)]
