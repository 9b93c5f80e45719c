"""A server that restarts, ends connections, stands still or cannot be reached: retries, and nothing lost."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from fault_channels import eventually, outcome, quick
from postgres_proxy import Proxy, proxied
from postgres_server import Server, emptying, new_database

from omega_jobs.delivery import Delivery
from omega_models import Store, StoreBusy, StoreError, StoreUnavailable, server_connection
from omega_models.times import system_clock
from omega_worker import timetable
from omega_worker.health import reasons
from omega_worker.worker import Worker

pytestmark = pytest.mark.postgres

QUICK = 0.5  # seconds that a statement may take, and half of that before its server counts as gone


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "STATEMENT_MS", int(QUICK * 1000))
    monkeypatch.setattr(server_connection, "SILENT_SECONDS", QUICK / 2)
    monkeypatch.setattr(timetable, "AFTER_ERROR", timedelta(seconds=0.2))
    monkeypatch.setitem(server_connection.NETWORK, "connect_timeout", 2)


@pytest.fixture(scope="module")
def database(own_postgres: Server) -> Iterator[str]:
    with new_database(own_postgres.url) as address:
        Store(address).close()
        yield address


@pytest.fixture
def url(database: str) -> str:
    with emptying(database) as empty:
        empty()
    return database


@pytest.fixture
def proxy(own_postgres: Server) -> Iterator[Proxy]:
    with proxied(own_postgres.socket) as made:
        yield made


def add(store: Store, *names: str, seconds: float = -1) -> list[str]:
    due = system_clock() + timedelta(seconds=seconds)
    with store.database.writing():
        return [store.create_task("chat", "me", name, f"call {name}", due, dedupe="off") for name in names]


def add_in_the_end(store: Store, name: str) -> list[str]:
    """Whoever was cut off in a transaction holds up the others, until the server ends it."""
    deadline = time.monotonic() + 2 * server_connection.IDLE_MS / 1000
    while True:
        try:
            return add(store, name)
        except StoreBusy:
            assert time.monotonic() < deadline


class Inbox:
    """A callable channel that de-duplicates by key; `pause` lets sends of it last."""

    def __init__(self, pause: float = 0.0) -> None:
        self.asked: Counter[str] = Counter()
        self._pause = pause

    def __call__(self, delivery: Delivery) -> None:
        threading.Event().wait(self._pause)
        self.asked[delivery.id] += 1


def end_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_idle_connections_that_were_ended_are_not_noticed(url: str) -> None:
    with Store(url) as store:
        (task_id,) = add(store, "a")
        for _ in range(3):
            end_connections(url)
            (claimed,) = store.claim_due_tasks("w", 1)
            end_connections(url)
            store.release_claims([claimed.token])
        assert outcome(store, task_id) == ("new", 0)


def test_a_transaction_that_was_ended_wrote_nothing(url: str) -> None:
    with Store(url) as store:
        with pytest.raises(StoreUnavailable, match="cannot be reached"), store.database.writing():
            store.store_fact("me", "name", "Ω")
            end_connections(url)
            store.store_fact("me", "town", "Ω")
        assert store.get_facts("me") == []


def test_a_worker_outlives_restarts_and_sends_each_once(own_postgres: Server, url: str) -> None:
    """Unready while the server is away, ready again by itself, and no occurrence lost or doubled unrecorded."""
    inbox = Inbox(pause=0.02)
    with Store(url) as store:
        ids = add(store, *(f"t{n}" for n in range(60)))
        with Worker(store, {"chat": inbox}, quick(delivery_concurrency=2, lease_seconds=5)) as worker:
            for enough in (10, 30):
                eventually(lambda enough=enough: len(inbox.asked) >= enough)
                own_postgres.stop()
                eventually(lambda: reasons(worker))
                own_postgres.start()
                eventually(lambda: not reasons(worker))
            eventually(lambda: all(outcome(store, each)[0] == "delivered" for each in ids), seconds=30)
        assert len(inbox.asked) == 60
        attempts = {row.id: row.attempts for each in ids for row in store.task_history(each)}
        assert all(attempts[key] >= count for key, count in inbox.asked.items())


def test_while_a_server_is_away_the_store_says_so_within_seconds(own_postgres: Server, url: str) -> None:
    with Store(url) as store:
        own_postgres.stop()
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="Check that the server runs"):
            store.get_facts("me")
        assert time.monotonic() - begun < server_connection.RECONNECT_SECONDS + 2
        own_postgres.start()
        assert store.get_facts("me") == []


def test_a_restart_of_a_second_is_waited_for(own_postgres: Server, url: str) -> None:
    with Store(url) as store:
        own_postgres.stop()
        starting = threading.Timer(0.3, own_postgres.start)
        starting.start()
        try:
            assert store.get_facts("me") == []
        finally:
            starting.join()


def test_a_server_that_stands_still_is_given_up_and_used_again(own_postgres: Server, url: str) -> None:
    with Store(url) as store:
        store.store_fact("me", "name", "Ω")
        with own_postgres.frozen():
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                store.store_fact("me", "name", "Α")
            assert time.monotonic() - begun < 8
        eventually(lambda: store.get_fact("me", "name") in ("Ω", "Α"))
        store.store_fact("me", "name", "Β")
        assert store.get_fact("me", "name") == "Β"


def test_a_network_that_loses_everything_is_noticed(url: str, proxy: Proxy) -> None:
    with Store(proxy.url(url)) as store:
        proxy.swallows = True
        with pytest.raises(StoreUnavailable, match="cannot be reached"), store.database.writing():
            store.store_fact("me", "name", "Ω")
        proxy.swallows = False
        assert store.get_facts("me") == []


def test_a_worker_outlives_a_network_that_loses_everything(url: str, proxy: Proxy) -> None:
    inbox = Inbox()
    with (
        Store(proxy.url(url)) as store,
        Store(url) as elsewhere,
        Worker(store, {"chat": inbox}, quick(lease_seconds=5)) as worker,
    ):
        eventually(lambda: not reasons(worker))
        proxy.swallows = True
        (task_id,) = add_in_the_end(elsewhere, "a")
        worker.ring()
        eventually(lambda: reasons(worker))
        proxy.swallows = False
        proxy.cut()
        eventually(lambda: outcome(elsewhere, task_id) == ("delivered", 1), seconds=30)
        eventually(lambda: not reasons(worker))


def test_connections_cut_in_the_middle_cost_one_error_each(url: str, proxy: Proxy) -> None:
    with Store(proxy.url(url)) as store:
        for n in range(3):
            with pytest.raises(StoreUnavailable, match="cannot be reached"), store.database.writing():
                store.store_fact("me", f"k{n}", "x")
                proxy.cut()
                store.store_fact("me", f"k{n}", "y")
            store.store_fact("me", "sound", str(n))
        assert [tuple(each) for each in store.get_facts("me")] == [("sound", "2")]


def test_a_statement_that_takes_too_long_is_ended(url: str) -> None:
    with Store(url) as store:
        with pytest.raises(StoreBusy, match="timed out"):
            store.database.sql_rows("SELECT pg_sleep(30)")
        assert store.get_facts("me") == []


def test_more_threads_than_connections_take_turns(url: str) -> None:
    failures: list[StoreError] = []
    with Store(url, max_connections=2) as store:

        def work(name: str) -> None:
            try:
                for n in range(5):
                    store.store_fact(name, f"k{n}", "v")
            except StoreError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.database.engine.connections.open_connections() <= 2  # type: ignore[attr-defined]
        assert sum(len(store.get_facts(f"s{n}")) for n in range(12)) == 60


def test_a_server_that_has_become_a_standby_is_left(url: str) -> None:
    with Store(url) as store:
        store.database.sql("SET default_transaction_read_only = on")
        with pytest.raises(StoreUnavailable, match="it is a standby, or has become one"):
            store.store_fact("me", "name", "Ω")
        store.store_fact("me", "name", "Ω")
        assert store.get_fact("me", "name") == "Ω"


def test_what_is_never_answered_when_connecting_is_given_up(proxy: Proxy, url: str) -> None:
    proxy.swallows = True
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        Store(proxy.url(url))
