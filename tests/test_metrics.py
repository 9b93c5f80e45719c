"""Numbers for Prometheus: fed by events, without ids or texts, and no matter where there is no client."""

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from command_line import PATIENCE
from loguru import logger
from prometheus_client.parser import text_string_to_metric_families

from omega_jobs.deliver import Event
from omega_models import Store
from omega_models.overview import Backlog
from omega_models.presence import Unserved
from omega_models.testing import FakeClock
from omega_worker import DeliveryError, Settings, Worker
from omega_worker.metrics import OUTCOMES, Metrics
from omega_worker.narrate import LEVELS
from omega_worker.vitals import Vitals

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
Numbers = dict[tuple[str, ...], float]


class Counted:
    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.store = self
        self.seconds = 100.0
        self.vitals = Vitals(lambda: self.seconds)


@pytest.fixture
def store(shared_url: str) -> Iterator[Store]:
    with Store(shared_url) as opened:
        yield opened


def numbers(page: bytes) -> Numbers:
    """`(name, label, …)` -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def event(kind: str, attempt: int = 1, late: float = 0.0) -> Event:
    return Event(kind, "task-id", "occurrence-id", attempt, "home", timedelta(seconds=late), "note")


def test_events_are_counted_by_channel_and_outcome() -> None:
    worker = Counted()
    metrics = Metrics(worker)
    worker.vitals.event_listeners[:] = [metrics.told]
    for kind in ("claimed", "retrying", "ambiguous, retrying", "ambiguous, held", "failed", "lease lost"):
        worker.vitals.tell(event(kind))
    worker.vitals.tell(event("claimed", attempt=2))
    worker.vitals.tell(event("delivered", attempt=2, late=0.3))
    found = numbers(metrics.page())
    assert found["omega_claims_total", "home"] == 2
    assert found["omega_retries_total", "home"] == 1
    for outcome in ("delivered", "retrying", "ambiguous", "held", "failed", "lease_lost"):
        assert found["omega_outcomes_total", "home", outcome] == 1
    assert found["omega_delivery_lateness_seconds_bucket", "home", "0.25"] == 0
    assert found["omega_delivery_lateness_seconds_bucket", "home", "0.5"] == 1
    assert found["omega_delivery_lateness_seconds_sum", "home"] == 0.3
    assert b"-id" not in metrics.page()
    assert b"note" not in metrics.page()


def test_every_kind_of_event_has_an_outcome() -> None:
    assert set(OUTCOMES) | {"claimed"} == set(LEVELS)


def test_how_things_stand() -> None:
    worker = Counted()
    metrics = Metrics(worker)
    before = numbers(metrics.page())
    assert before["omega_rounds_completed",] == 0
    assert ("omega_due_tasks",) not in before
    assert ("omega_seconds_since_round",) not in before
    with worker.vitals.round():
        pass
    unserved = (Unserved("mail", "reminder", 2, NOW), Unserved("mail", "action", 1, NOW))
    worker.vitals.survey(Backlog(7, NOW - timedelta(seconds=40), None, unserved, 3, 4096), 5)
    worker.seconds += 9
    worker.clock.advance(seconds=9)
    found = numbers(metrics.page())
    expected = {
        "rounds_completed": 1,
        "seconds_since_round": 9,
        "oldest_overdue_seconds": 49,
        "due_tasks": 7,
        "unserved_tasks": 3,
        "in_hand": 5,
        "live_workers": 3,
        "wal_bytes": 4096,
    }
    assert {name: found[f"omega_{name}",] for name in expected} == expected
    assert found["process_open_fds",] > 0
    assert found["process_resident_memory_bytes",] > 1e6


def test_two_workers_count_apart() -> None:
    one, other = Counted(), Counted()
    first, second = Metrics(one), Metrics(other)
    one.vitals.tell(event("claimed"))
    assert numbers(first.page())["omega_claims_total", "home"] == 1
    assert ("omega_claims_total", "home") not in numbers(second.page())


def test_what_a_worker_does_is_on_its_page(store: Store) -> None:
    tries: list[str] = []

    def send(_: object) -> None:
        tries.append("once")
        if len(tries) == 1:
            raise DeliveryError("busy", retry_after=0)

    store.create_task("home", "owner", "owner", "secret plan", "2020-01-01")
    worker = Worker(store, {"home": send}, Settings.defaults(health_port=0, retry_base_seconds=1))
    delivered = threading.Event()
    worker.vitals.event_listeners.append(lambda each: each.kind == "delivered" and delivered.set())
    with worker:
        assert delivered.wait(PATIENCE)
        assert worker._health is not None
        answer = httpx.get(worker._health.address + "/metrics", timeout=PATIENCE, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = numbers(answer.content)
    assert found["omega_claims_total", "home"] == 2
    assert found["omega_retries_total", "home"] == 1
    assert found["omega_outcomes_total", "home", "retrying"] == 1
    assert found["omega_delivery_lateness_seconds_count", "home"] == 1
    assert b"secret" not in answer.content


def test_without_the_client_only_metrics_are_missing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "omega_worker.metrics")
    said: list[str] = []
    logger.enable("omega_worker")
    sink = logger.add(said.append, level="WARNING", format="{message}")
    try:
        with Worker(store, {}, Settings.defaults(health_port=0)) as worker:
            assert worker._health is not None
            address = worker._health.address
            answer = httpx.get(address + "/metrics", timeout=PATIENCE, trust_env=False)
            assert httpx.get(address + "/livez", timeout=PATIENCE, trust_env=False).status_code == 200
    finally:
        logger.remove(sink)
        logger.disable("omega_worker")
    assert answer.status_code == 501
    assert answer.text == (
        "this installation has no Prometheus client: pip install 'omega-worker[metrics]', then restart\n"
    )
    assert said == ["/metrics answers 501: it needs `pip install 'omega-worker[metrics]'`\n"]
