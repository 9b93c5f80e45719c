"""The same Store on a server: same tables, same answers, and claims that no two processes share."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from fault_channels import add, eventually, outcome
from fault_children import START
from postgres_server import administer

from omega_models import (
    AmbiguousTaskId,
    Store,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    TooManyTasks,
    server_connection,
)
from omega_models.presence import beat, leave, live_workers, release_lease, take_lease, unserved
from omega_models.tables import MODELS
from omega_models.testing import FakeClock
from omega_worker.settings import Settings
from omega_worker.worker import Worker

EXTRA = {"rowid"}  # SQLite has it of itself


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, durability="normal") as store:
        yield store


# Tables


def columns_of(url: str) -> dict[str, set[str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    return {table: {column for name, column in rows if name == table} for table, _ in rows}


@pytest.mark.postgres
def test_same_tables_and_columns(postgres_database: str) -> None:
    Store(postgres_database).close()
    found = columns_of(postgres_database)
    models = {
        model._meta.table_name: {field.column_name for field in model._meta.sorted_fields} for model in MODELS
    }
    assert {table: columns - EXTRA for table, columns in found.items() if table in models} == models


@pytest.mark.postgres
def test_opened_again_it_is_as_it_was(postgres_database: str) -> None:
    with Store(postgres_database) as store:
        store.store_fact("s", "name", "Ada")
    before = columns_of(postgres_database)
    with Store(postgres_database) as store:
        assert store.get_fact("s", "name") == "Ada"
    assert columns_of(postgres_database) == before


@pytest.mark.postgres
def test_opened_by_several_at_once(postgres_database: str) -> None:
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            Store(postgres_database).close()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.postgres
def test_facts_come_in_the_order_of_a_file_whatever_the_language_of_the_database(postgres_url: str) -> None:
    name = f"omega_test_{uuid4().hex}"
    try:
        administer(
            postgres_url, "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'", name
        )
    except psycopg.Error:
        pytest.skip("the server knows no languages of ICU")
    try:
        with Store(urlsplit(postgres_url)._replace(path=f"/{name}").geturl()) as store:
            for key in ("Zeta", "a_b", "a-b", "zeta", "ärger"):
                store.store_fact("me", key, key)
                store.store_fact(key, "name", key)
            assert [fact.key for fact in store.get_facts("me")] == ["Zeta", "a-b", "a_b", "zeta", "ärger"]
            owners = [fact.sender_id for fact in store.get_all_facts_by_key("name")]
            assert owners == ["Zeta", "a-b", "a_b", "zeta", "ärger"]
    finally:
        administer(postgres_url, "DROP DATABASE {} WITH (FORCE)", name)


# Task calls


def test_adding_and_listing(store: Store) -> None:
    made = store.add_task("one", "s", "t", "call the dentist", "2026-03-02 10:00", timezone="Europe/Berlin")
    assert made.created
    assert made.scheduled_for == START
    twin = store.add_task("one", "s", "t", "Call the dentist, please", START + timedelta(minutes=5))
    assert twin.created
    same = store.add_task("one", "s", "t", "call the dentist", START, dedupe="exact")
    assert (same.created, same.id) == (False, made.id)
    series = store.create_task("one", "s", "t", "water plants", START, "daily", "action", "home", urgent=True)
    assert [task.id for task in store.get_tasks_for_sender("s")] == [made.id, series, twin.id]
    assert [task.id for task in store.list_tasks(project="home")] == [series]
    assert [task.id for task in store.get_due_tasks()] == [made.id, series]
    task = store.get_task(series[:8].upper(), "s")
    assert task is not None
    assert (task.id, task.due_at, task.urgent, task.project) == (series, START, True, "home")
    assert task.created_at == START
    assert store.get_task(series[:8], "somebody else") is None
    assert store.get_task("%", "s") is None
    assert store.preview("daily", START, count=2) == [START + timedelta(days=n) for n in (1, 2)]


def test_ambiguous_prefix(store: Store) -> None:
    ids = add(store, "one", *(f"t{n}" for n in range(20)))
    first = {each[0] for each in ids}
    shared = next(letter for letter in first if sum(each[0] == letter for each in ids) > 1)
    with pytest.raises(AmbiguousTaskId):
        store.cancel_task(shared, "s")
    assert len(store.list_tasks()) == 20


def test_too_many(memory_url: str, clock: FakeClock) -> None:
    with Store(memory_url, clock=clock, max_pending_tasks=2) as store:
        add(store, "one", "a", "b")
        with pytest.raises(TooManyTasks):
            add(store, "one", "c")


def test_controls(store: Store, clock: FakeClock) -> None:
    (task_id,) = add(store, "one", "t", repeat="daily")
    tomorrow, later = START + timedelta(days=1), START + timedelta(hours=2)

    def due_at() -> object:
        task = store.get_task(task_id, "s")
        return task and (task.status, task.due_at)

    assert store.snooze_task(task_id[:8], "s", later)
    assert due_at() == ("pending", later)
    store.defer_task(task_id, later + timedelta(hours=1))
    assert due_at() == ("pending", later + timedelta(hours=1))
    assert store.skip_task(task_id, "s")
    assert due_at() == ("pending", tomorrow)
    assert store.pause_task(task_id, "s")
    assert due_at() == ("paused", tomorrow)
    clock.advance(days=1, hours=1)
    assert store.resume_task(task_id, "s")
    assert due_at() == ("pending", tomorrow + timedelta(days=1))
    assert store.update_task(task_id, "s", description="other", due_at=tomorrow, repeat="weekly")
    assert due_at() == ("pending", tomorrow)
    assert store.cancel_task(task_id, "s")
    assert store.cancel_task(task_id, "s")
    assert not store.cancel_task("nothing", "s")
    assert [(row.status, row.reason) for row in store.task_history(task_id)] == [
        ("skipped", "skipped by request"),
        ("skipped", "paused"),
    ]


def test_completing_failing_and_trying_again(store: Store, clock: FakeClock) -> None:
    done, failing = add(store, "one", "done", "failing")
    store.complete_task(done)
    assert outcome(store, done) == ("delivered", 1)
    assert store.fail_task(failing, "broken", 2) is True
    clock.advance(minutes=10)
    assert store.fail_task(failing, "broken", 2) is False
    assert outcome(store, failing) == ("failed", 2)
    assert store.retry_task(failing, "s")
    assert [task.id for task in store.get_due_tasks()] == [failing]
    assert store.snooze_task(done, "s", START + timedelta(hours=1))
    assert [row.status for row in store.task_history(done, "s")] == ["delivered", "held"]


def test_claiming_and_settling(store: Store, clock: FakeClock) -> None:
    once, again, given_back, series = add(store, "one", "once", "again", "given back", "x")
    (repeated,) = add(store, "two", "series", minutes_ago=3 * 24 * 60, repeat="daily")
    claimed = {
        task.id: task for task in store.claim_due_tasks("w", 10, channels=["one"], task_types=["reminder"])
    }
    assert set(claimed) == {once, again, given_back, series}
    assert store.claim_due_tasks("other", 10, channels=["one"]) == []
    assert store.settle(claimed[once].token, "delivered", receipt="r1")
    assert store.settle(claimed[again].token, "retry", error="no", retry_after=60)
    assert store.settle(claimed[series].token, "ambiguous", error="who knows")
    store.release_claims([claimed[given_back].token])
    assert outcome(store, once) == ("delivered", 1)
    assert outcome(store, again) == ("retrying", 1)
    assert outcome(store, series) == ("ambiguous", 1)
    assert outcome(store, given_back) == ("new", 0)
    assert not store.settle(claimed[once].token, "delivered")
    (latest,) = store.claim_due_tasks("w", 10, channels=["two"])
    assert (latest.id, latest.scheduled_for) == (repeated, START)
    assert [row.status for row in store.task_history(repeated)] == ["skipped"] * 3 + ["claimed"]
    assert store.extend_claims([latest.token], timedelta(minutes=5)) == {latest.token}
    clock.advance(minutes=4)
    (retried,) = [task for task in store.claim_due_tasks("w", 10) if task.id == again]
    assert retried.attempt == 2
    clock.advance(minutes=2)
    (taken,) = [task for task in store.claim_due_tasks("w2", 10) if task.id == repeated]
    assert (taken.attempt, taken.occurrence_id) == (2, latest.occurrence_id)
    assert not store.settle(latest.token, "delivered")
    assert store.settle(taken.token, "delivered")
    task = store.get_task(repeated, "s")
    assert task is not None
    assert task.due_at == START + timedelta(days=1)


def test_what_is_due_in_one_second_comes_in_the_order_it_was_written(store: Store, clock: FakeClock) -> None:
    with store.database.writing():
        tasks = [store.create_task("one", "s", "t", f"step {n}", START, dedupe="off") for n in range(40)]
    for task in reversed(tasks[::3]):
        store.update_task(task, "s", description="a step that was put in other words")
    clock.advance(seconds=1)
    assert [each.id for each in store.get_due_tasks()] == tasks
    assert [each.id for each in store.claim_due_tasks("worker", 40)] == tasks


def test_presence_and_leases(store: Store, clock: FakeClock) -> None:
    add(store, "nobody", "t")
    beat(store, "w", ["one"], ["reminder"])
    clock.advance(seconds=5)
    beat(store, "w", ["one", "two"], ["reminder"])
    (worker,) = live_workers(store)
    assert (worker.channels, worker.started_at, worker.seen_at) == (("one", "two"), START, clock())
    assert [(each.channel, each.count) for each in unserved(store)] == [("nobody", 1)]
    leave(store, "w")
    assert live_workers(store) == []
    token = take_lease(store, "x", "w", timedelta(minutes=1))
    assert token is not None
    assert take_lease(store, "x", "w2", timedelta(minutes=1)) is None
    assert release_lease(store, "x", token)
    assert take_lease(store, "x", "w2", timedelta(minutes=1)) is not None


def test_worker(store: Store, clock: FakeClock) -> None:
    sent: list[str] = []
    ids = add(store, "one", *(f"t{n}" for n in range(50)))
    worker = Worker(store, {"one": lambda delivery: sent.append(delivery.id)}, Settings.defaults())
    assert worker.run_due() == 50
    assert len(set(sent)) == 50
    assert {outcome(store, each) for each in ids} == {("delivered", 1)}
    with worker:
        store.create_task("one", "s", "t", "one more", clock())
        eventually(lambda: len(sent) == 51)


# What only a server can do


def blocked(url: str) -> Callable[[], bool]:
    """Whether anybody waits for a lock in that database."""

    def look() -> bool:
        with psycopg.connect(url) as connection:
            (found,) = connection.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND pg_stat_activity.datname = current_database()"
            ).fetchone() or (0,)
        return bool(found)

    return look


@pytest.mark.postgres
def test_settling_and_cancelling_at_once(postgres_database: str) -> None:
    """Whichever commits first, the other sees what it wrote: neither overwrites it."""
    with Store(postgres_database, clock=FakeClock(START)) as store, Store(postgres_database) as other:
        (task_id,) = add(store, "one", "t")
        (claimed,) = store.claim_due_tasks("w", 1)
        answers: list[bool] = []
        cancelling = threading.Thread(target=lambda: answers.append(other.cancel_task(task_id, "s")))

        def cancel_meanwhile(point: str) -> None:
            if point == "settle: written":
                cancelling.start()
                eventually(blocked(postgres_database))

        store.reached = cancel_meanwhile
        assert store.settle(claimed.token, "delivered")
        cancelling.join()
        task = store.get_task(task_id, "s")
        assert task is not None
        assert (answers, task.status) == ([False], "delivered")
        assert outcome(store, task_id) == ("delivered", 1)


@pytest.mark.postgres
def test_stale_owner_settles_while_another_claims(postgres_database: str) -> None:
    clock = FakeClock(START)
    with Store(postgres_database, clock=clock) as fresh, Store(postgres_database, clock=clock) as stale:
        (task_id,) = add(fresh, "one", "t")
        (old,) = stale.claim_due_tasks("stale", 1)
        clock.advance(minutes=5)
        answers: list[bool] = []
        settling = threading.Thread(target=lambda: answers.append(stale.settle(old.token, "delivered")))

        def settle_meanwhile(point: str) -> None:
            if point == "claim: written":
                settling.start()
                eventually(blocked(postgres_database))

        fresh.reached = settle_meanwhile
        (new,) = fresh.claim_due_tasks("fresh", 1)
        settling.join()
        assert answers == [False]
        assert outcome(fresh, task_id) == ("claimed", 2)
        assert fresh.settle(new.token, "delivered")


@pytest.mark.postgres
def test_same_task_added_by_two_at_once(postgres_database: str) -> None:
    with Store(postgres_database, clock=FakeClock(START)) as store:
        found: list[str] = []

        def add_it() -> None:
            found.append(store.create_task("one", "s", "t", "call the dentist", START))

        for _ in range(5):
            threads = [threading.Thread(target=add_it) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(found) == 30
        assert len(set(found)) == 1


@pytest.mark.postgres
def test_lock_that_somebody_keeps(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "LOCK_MS", 100)
    with Store(postgres_database, clock=FakeClock(START)) as store:
        (task_id,) = add(store, "one", "t")
        (claimed,) = store.claim_due_tasks("w", 1)
        with psycopg.connect(postgres_database) as other:
            other.execute("SELECT * FROM scheduled_tasks FOR UPDATE")
            with pytest.raises(StoreBusy, match="nothing was written"):
                store.settle(claimed.token, "delivered")
        assert store.settle(claimed.token, "delivered")
        assert outcome(store, task_id) == ("delivered", 1)


@pytest.mark.postgres
def test_closing_while_others_are_at_work(postgres_database: str) -> None:
    store = Store(postgres_database)
    told: list[str] = []
    begun = threading.Barrier(5)

    def work() -> None:
        begun.wait(10)
        try:
            while True:
                store.store_fact("s", "key", "value")
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
    assert len(told) == 4
    assert all("was closed; open a new one" in each for each in told)
