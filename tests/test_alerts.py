from collections.abc import Iterator
from datetime import timedelta

import pytest

from omega_jobs.alert import Alerting, alert_once
from omega_models import Store
from omega_models.presence import beat
from omega_models.testing import FakeClock
from omega_worker import Delivery, DeliveryError, Settings, Worker

OWNER = Alerting("ops", "owner", overdue=timedelta(minutes=5), in_a_row=3)
WORDS = "Water the plants"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01 09:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def alerts(store: Store) -> list[str]:
    return [each.description for each in store.list_tasks("omega", status=None)]


def settle(store: Store, outcome: str, channel: str = "chat") -> str:
    [task] = store.claim_due_tasks("w", 1, channels=[channel])
    assert store.settle(task.token, outcome, error="HTTP 404")
    return task.id


def test_what_was_given_up_is_told_once_with_the_remedy_and_without_its_words(store: Store) -> None:
    store.create_task("chat", 7, 7, WORDS, "2026-03-01 09:00")
    task = settle(store, "failed")
    assert alert_once(store, OWNER) == 1
    assert alert_once(store, OWNER) == 0
    [text] = alerts(store)
    assert f"omega-worker tasks retry {task[:8]}" in text
    assert "given up" in text
    assert "HTTP 404" in text
    assert WORDS not in text


def test_what_may_have_arrived_is_told(store: Store) -> None:
    store.create_task("chat", 7, 7, WORDS, "2026-03-01 09:00")
    settle(store, "ambiguous")
    assert alert_once(store, OWNER) == 1
    assert "nobody knows whether it arrived" in alerts(store)[0]


def test_a_series_that_keeps_failing_is_told_once_for_that_run(store: Store, clock: FakeClock) -> None:
    store.create_task("chat", 7, 7, WORDS, "2026-03-01 09:00", "daily")
    told = []
    for _ in range(5):
        settle(store, "failed")
        alert_once(store, OWNER)
        told.append(sum("in a row" in each for each in alerts(store)))
        clock.advance(days=1)
    assert told == [0, 0, 1, 1, 1]


def test_unserved_and_overdue(store: Store, clock: FakeClock) -> None:
    store.create_task("chat", 7, 7, WORDS, "2026-03-01 09:00")
    clock.advance(minutes=10)
    assert alert_once(store, OWNER) == 1
    assert "OMEGA_CHANNELS__CHAT" in alerts(store)[0]
    beat(store, "w", ["chat"], ["reminder", "action"])
    assert alert_once(store, OWNER) == 1
    assert alert_once(store, OWNER) == 0
    assert any("waiting for 10 min" in each for each in alerts(store))


def test_an_alert_that_fails_raises_no_alert(store: Store) -> None:
    store.create_task("chat", 7, 7, WORDS, "2026-03-01 09:00")
    settle(store, "failed")
    alert_once(store, OWNER)
    settle(store, "failed", OWNER.channel)
    assert alert_once(store, OWNER) == 0


def test_a_worker_tells_the_owner_through_the_second_channel(store: Store) -> None:
    sent: list[str] = []

    def refuse(_: Delivery) -> None:
        raise DeliveryError("HTTP 410", retry=False)

    store.create_task("chat", 7, 7, WORDS, "2026-03-01 09:00")
    settings = Settings.defaults(alert_channel="ops", alert_to="owner")
    worker = Worker(store, {"chat": refuse, "ops": lambda delivery: sent.append(delivery.text)}, settings)
    worker.run_due()
    assert worker.run_alerts() == 1
    worker.run_due()
    [text] = sent
    assert text.startswith("Omega: task ")
    assert "HTTP 410" in text
