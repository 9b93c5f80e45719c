"""Health over HTTP: red when delivering has stopped, answered whatever hangs."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import PATIENCE, run

from omega_models import Store, StoreUnavailable
from omega_models.overview import Backlog
from omega_models.presence import Unserved
from omega_models.testing import FakeClock
from omega_worker import Settings, SettingsError, Worker
from omega_worker.health import SURVEY_LIMIT, TICK_LIMIT, dead, reasons, warnings
from omega_worker.vitals import Vitals, fan_out

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUIET = Backlog(0, None, None, (), 1, 0)


class Patient:
    """A worker as health sees it, with clocks that are moved."""

    def __init__(self, **settings: Any) -> None:
        self.seconds = 1000.0
        self.clock = FakeClock(NOW)
        self.store = self
        self.settings = Settings.defaults(**settings)
        self.vitals = Vitals(lambda: self.seconds)
        self.tick: float | None = None

    def ticked(self) -> float | None:
        return self.tick

    def completes(self, backlog: Backlog = QUIET) -> None:
        with self.vitals.round():
            pass
        self.vitals.survey(backlog, 0)

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock.advance(seconds=seconds)


@pytest.fixture
def store(shared_url: str) -> Iterator[Store]:
    with Store(shared_url) as opened:
        yield opened


@pytest.fixture
def served(store: Store) -> Iterator[tuple[Worker, str]]:
    """A running worker and its address."""
    worker = Worker(store, {"console": lambda _: None}, Settings.defaults(health_port=0))
    surveyed = threading.Event()
    worker.vitals.survey_listeners.append(lambda _: surveyed.set())
    with worker:
        assert surveyed.wait(PATIENCE)
        assert worker._health is not None
        yield worker, worker._health.address


def get(address: str, path: str) -> httpx.Response:
    return httpx.get(address + path, timeout=PATIENCE, trust_env=False)


# What makes it red


def test_not_ready_before_the_first_round_then_ready() -> None:
    patient = Patient()
    assert reasons(patient) == ["starting: no round has been completed yet"]
    patient.completes()
    assert reasons(patient) == []


@pytest.mark.parametrize(("poll", "limit"), [(60, 130), (5, 20)])
def test_red_once_rounds_stop_being_completed(poll: int, limit: int) -> None:
    patient = Patient(poll_interval_seconds=poll)
    patient.completes()
    patient.passes(limit)
    patient.vitals.survey(QUIET, 0)
    assert reasons(patient) == []
    patient.passes(1)
    (reason,) = reasons(patient)
    assert reason.startswith("no round was completed for ")
    patient.completes()
    assert reasons(patient) == []


def test_red_where_no_round_was_ever_completed() -> None:
    patient = Patient()
    patient.passes(200)
    assert reasons(patient) == ["no round was completed for 3 min"]


def test_a_worker_that_delivers_nothing_is_judged_by_its_heartbeat() -> None:
    patient = Patient(duties=("maintain",), poll_interval_seconds=3600)
    patient.completes()
    patient.passes(51)
    assert reasons(patient) == ["no round was completed for 51 s"]


def test_red_while_the_database_cannot_be_reached() -> None:
    patient = Patient()
    patient.completes()
    with pytest.raises(StoreUnavailable), patient.vitals.round():
        raise StoreUnavailable("/x/memory.db cannot be opened")
    assert reasons(patient) == ["the last round failed: /x/memory.db cannot be opened"]
    with pytest.raises(KeyError), patient.vitals.round():
        raise KeyError("the text of a reminder")
    assert reasons(patient) == ["the last round failed: KeyError"]
    patient.completes()
    assert reasons(patient) == []


def test_red_when_a_served_task_waits_too_long() -> None:
    patient = Patient(overdue_limit_seconds=300)
    patient.completes(Backlog(1, NOW, None, (), 1, 0))
    patient.passes(300)
    with patient.vitals.round():
        pass
    assert [each for each in reasons(patient) if "due task" in each] == []
    patient.passes(1)
    assert "a due task has been waiting for 5 min" in reasons(patient)


def test_red_when_what_is_due_can_no_longer_be_looked_at() -> None:
    patient = Patient(poll_interval_seconds=3600)
    patient.completes()
    patient.passes(SURVEY_LIMIT + 1)
    assert reasons(patient) == ["what is due could not be looked at for more than a minute"]


def test_tasks_nobody_serves_are_a_warning() -> None:
    patient = Patient()
    patient.completes(Backlog(2, None, None, (Unserved("mail", "reminder", 2, NOW - MINUTE),), 1, 0))
    assert reasons(patient) == []
    assert warnings(patient.vitals) == [
        "2 due reminder(s) wait for channel 'mail', which no live worker serves"
    ]


def test_stopping_is_not_ready() -> None:
    patient = Patient()
    patient.completes()
    patient.vitals.stopping = True
    assert reasons(patient) == ["stopping"]


def test_dead_when_the_scheduler_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = Patient()
    assert dead(patient) == ["the scheduler does not run"]
    monkeypatch.setattr("omega_worker.health.time.monotonic", lambda: 5000.0)
    patient.tick = 5000.0 - TICK_LIMIT
    assert dead(patient) == []
    patient.tick -= 1
    assert dead(patient) == ["the scheduler has begun nothing for 71 s"]


# Over HTTP


def test_a_running_worker_is_alive_and_ready(served: tuple[Worker, str]) -> None:
    _, address = served
    live, ready = get(address, "/livez"), get(address, "/readyz?verbose")
    assert (live.status_code, live.json()) == (200, {"alive": True, "reasons": []})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": [], "warnings": []})
    assert ready.headers["content-type"] == "application/json"
    assert get(address, "/").status_code == 404
    assert httpx.head(address + "/readyz", trust_env=False).content == b""


def test_it_answers_while_a_round_hangs(served: tuple[Worker, str], monkeypatch: pytest.MonkeyPatch) -> None:
    worker, address = served
    hangs, goes_on = threading.Event(), threading.Event()

    def hanging(_: object) -> None:
        hangs.set()
        assert goes_on.wait(PATIENCE)
        raise StoreUnavailable("it hung for too long")

    with monkeypatch.context() as patch:
        patch.setattr("omega_worker.worker.deliver_once", hanging)
        worker.ring()
        assert hangs.wait(PATIENCE)
        later = worker.vitals.clock() + 131
        patch.setattr(worker.vitals, "clock", lambda: later)
        worker.vitals.survey(QUIET, 0)
        assert get(address, "/livez").status_code == 200
        ready = get(address, "/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert ready.json()["reasons"] == ["no round was completed for 2 min"]
        goes_on.set()


def test_the_survey_finds_what_is_overdue_and_unserved(store: Store) -> None:
    store.create_task("console", "owner", "owner", "Call John", "2020-01-01")
    store.create_task("mail", "owner", "owner", "Write to Jane", "2020-01-01")
    worker = Worker(store, {"console": lambda _: release.wait(PATIENCE)}, Settings.defaults(health_port=0))
    release, surveyed = threading.Event(), threading.Event()
    worker.vitals.survey_listeners.append(lambda _: surveyed.set())
    with worker:
        assert surveyed.wait(PATIENCE)
        assert [each.channel for each in warnings_of(worker)] == ["mail"]
        release.set()


def warnings_of(worker: Worker) -> tuple[Unserved, ...]:
    assert worker.vitals.backlog is not None
    return worker.vitals.backlog.unserved


def test_nothing_is_served_without_a_port_and_nothing_after_the_end(store: Store) -> None:
    with Worker(store, {}) as worker:
        assert worker._health is None
    worker = Worker(store, {}, Settings.defaults(health_port=0))
    for _ in range(2):
        with worker:
            assert worker._health is not None
            address = worker._health.address
            assert get(address, "/livez").status_code == 200
        with pytest.raises(httpx.ConnectError):
            get(address, "/livez")
    assert len(worker.vitals.event_listeners) == 1
    assert worker.vitals.survey_listeners == []


def test_a_port_that_is_taken_is_named_before_anything_starts(store: Store, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = Worker(store, {}, Settings.defaults(health_port=port))
        with pytest.raises(SettingsError, match=r"OMEGA_HEALTH_PORT: cannot listen on 127\.0\.0\.1"):
            worker.start()
        assert worker.stop()
        assert len(worker.vitals.event_listeners) == 1
        done = run(tmp_path, "--database", "memory.db", "run", OMEGA_HEALTH_PORT=str(port))
    assert done.returncode == 1
    assert f"omega-worker: OMEGA_HEALTH_PORT: cannot listen on 127.0.0.1:{port}: " in done.stderr


def test_ipv6(store: Store) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with Worker(store, {}, Settings.defaults(health_port=0, health_host="::1")) as worker:
        assert worker._health is not None
        assert worker._health.address.startswith("http://[::1]:")
        assert get(worker._health.address, "/livez").status_code == 200


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_client_that_says_nothing_keeps_nobody_waiting(served: tuple[Worker, str]) -> None:
    _, address = served
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))):
        assert get(address, "/livez").status_code == 200


def test_a_listener_that_fails_stops_neither_others_nor_deliveries() -> None:
    heard: list[str] = []

    def broken(_: str) -> None:
        raise RuntimeError("no")

    fan_out([broken, heard.append], "news")
    assert heard == ["news"]
