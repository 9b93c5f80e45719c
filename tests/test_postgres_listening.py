"""A worker on a server is told of others' tasks at once; where it is not, it looks for them, and says so."""

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from fault_channels import a_phone, eventually, quick

from omega_models import Store, listening
from omega_models.listening import Listener
from omega_models.times import system_clock
from omega_worker import narrate
from omega_worker.worker import Worker

pytestmark = pytest.mark.postgres

FOREIGN = (
    "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at)"
    " VALUES ('theirs', 'chat', 'me', 'me', 'water the plants', now())"
)


@pytest.fixture
def url(shared_postgres: tuple[str, Callable[[], None]]) -> str:
    address, empty = shared_postgres
    empty()
    return address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened


@pytest.fixture
def listener(store: Store) -> Iterator[Listener]:
    """One that listens for tasks of `chat`."""
    made = store.database.watch(["chat"])
    assert isinstance(made, Listener)
    assert made.changed()  # something may have been missed before
    assert not made.changed()
    yield made
    made.close()


def add(store: Store, channel: str = "chat", hours: float = 1) -> str:
    return store.create_task(
        channel, "me", "me", "call", system_clock() + timedelta(hours=hours), dedupe="off"
    )


def end_listening(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query IN ('LISTEN omega_tasks', 'SELECT 1') AND datname = current_database()"
        )
        assert ended.fetchall()


def test_a_new_task_is_news(store: Store, listener: Listener) -> None:
    add(store)
    assert listener.changed()
    assert not listener.changed()


def test_another_channels_task_is_none(store: Store, listener: Listener) -> None:
    add(store, "mail")
    assert not listener.changed()


def test_a_name_too_long_to_be_told_is_for_everybody(store: Store, listener: Listener) -> None:
    store.database.sql(FOREIGN.replace("'chat'", "repeat('x', 9000)"))
    assert listener.changed()


def test_what_is_put_earlier_is_news_and_what_is_put_off_is_none(store: Store, listener: Listener) -> None:
    task_id = add(store)
    assert listener.changed()
    store.defer_task(task_id, system_clock() + timedelta(hours=5))
    assert not listener.changed()
    store.defer_task(task_id, system_clock() + timedelta(minutes=5))
    assert listener.changed()
    store.pause_task(task_id, "me")
    assert not listener.changed()
    store.resume_task(task_id, "me")
    assert listener.changed()


def test_claiming_and_settling_disturb_nobody(store: Store, listener: Listener) -> None:
    add(store, hours=-0.1)
    assert listener.changed()
    (claimed,) = store.claim_due_tasks("w", 1)
    store.settle(claimed.token, "delivered")
    assert not listener.changed()


def test_a_worker_sends_what_another_program_adds_at_once(url: str, store: Store) -> None:
    with a_phone() as phone, Worker(store, {"chat": phone}, quick()):
        eventually(lambda: heard(url))
        with psycopg.connect(url, autocommit=True) as connection:
            begun = time.monotonic()
            connection.execute(FOREIGN)
        phone.wait_for(ended=1)
        assert time.monotonic() - begun < 5  # and the poll comes once an hour


def heard(url: str) -> bool:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN omega_tasks' AND datname = current_database()"
        )
        return bool(rows.fetchall())


def test_a_lost_listener_looks_for_tasks_and_comes_back(
    url: str, store: Store, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE", 0.0)
    listener._pause = 0.0
    end_listening(url)
    eventually(lambda: listener.changed() and listener.trouble)
    assert listener.every == listening.POLL_SECONDS
    eventually(lambda: listener.changed() and not listener.trouble)
    assert listener.every == 0
    assert not listener.changed()
    add(store)
    assert listener.changed()


def test_the_pauses_between_two_attempts_grow(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now, tries = [0.0], []
    made = Listener(store.database.engine.connector, ["chat"], lambda: now[0])  # type: ignore[attr-defined]

    def fail() -> None:
        tries.append(now[0])
        raise psycopg.OperationalError("not there")

    monkeypatch.setattr(made._connector, "connect", fail)
    while now[0] < 300:
        assert made.changed()
        now[0] += 0.25
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert 10 < len(tries) < 30
    assert max(gaps) <= listening.LONGEST_PAUSE + 0.25
    assert gaps[0] < 1


def test_a_worker_says_once_that_it_hears_nothing_and_once_that_it_does_again(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(narrate, "hard_of_hearing", lambda why: said.append(why))
    monkeypatch.setattr(narrate, "hears_again", lambda: said.append("again"))
    monkeypatch.setattr(listening, "POLL_SECONDS", 0.01)
    with a_phone() as phone, Worker(store, {"chat": phone}, quick()) as worker:
        eventually(lambda: heard(url))
        end_listening(url)
        eventually(lambda: "again" in said)
        assert worker.vitals.hampered is None
        assert len(said) == 2
        assert "lost" in said[0]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FOREIGN)
        phone.wait_for(ended=1)
