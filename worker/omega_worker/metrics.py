"""Numbers for Prometheus, of one worker, in a registry of their own. No ids and no texts, ever.

Needs the extra `metrics` (prometheus-client), and is imported only where a health port is set.
"""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omega_jobs.deliver import Event
from omega_models import Store
from omega_worker.health import oldest_overdue
from omega_worker.vitals import Vitals

LATENESS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)
OUTCOMES = {
    "delivered": "delivered",
    "retrying": "retrying",
    "failed": "failed",
    "ambiguous, retrying": "ambiguous",
    "ambiguous, held": "held",
    "lease lost": "lease_lost",
    "released": "released",
}


class Counted(Protocol):
    """The part of a worker that is counted."""

    store: Store
    vitals: Vitals


class Metrics:
    """Counts what one worker does; `page` is what Prometheus reads."""

    kind = CONTENT_TYPE_LATEST

    def __init__(self, worker: Counted) -> None:
        self._vitals = worker.vitals
        self._registry = registry = CollectorRegistry()
        self._lateness = Histogram(
            "omega_delivery_lateness_seconds",
            "How long after its time a task was delivered.",
            ["channel"],
            buckets=LATENESS,
            registry=registry,
        )
        self._outcomes = Counter(
            "omega_outcomes", "What became of attempts.", ["channel", "outcome"], registry=registry
        )
        self._claims = Counter("omega_claims", "Attempts begun.", ["channel"], registry=registry)
        self._retries = Counter(
            "omega_retries",
            "Attempts begun that were not an occurrence's first.",
            ["channel"],
            registry=registry,
        )
        ProcessCollector(registry=registry)
        registry.register(_Now(worker))
        worker.vitals.event_listeners.append(self.told)

    def told(self, event: Event) -> None:
        """A change of an occurrence's state."""
        if event.kind == "claimed":
            self._claims.labels(event.channel).inc()
            if event.attempt > 1:
                self._retries.labels(event.channel).inc()
            return
        self._outcomes.labels(event.channel, OUTCOMES.get(event.kind, "other")).inc()
        if event.kind == "delivered":
            self._lateness.labels(event.channel).observe(event.late.total_seconds())

    def page(self) -> bytes:
        return generate_latest(self._registry)

    def close(self) -> None:
        self._vitals.event_listeners.remove(self.told)


class _Now(Collector):
    """How things stand; what was last found in the database is at most some seconds old."""

    def __init__(self, worker: Counted) -> None:
        self._worker = worker

    def collect(self) -> Iterator[GaugeMetricFamily]:
        vitals = self._worker.vitals
        yield _gauge("rounds_completed", "Rounds completed since the start.", vitals.rounds)
        if vitals.completed is not None:
            since = max(0.0, vitals.clock() - vitals.completed)
            yield _gauge("seconds_since_round", "Since a round was last completed.", since)
        if vitals.backlog is not None:
            yield from self._found()

    def _found(self) -> Iterator[GaugeMetricFamily]:
        vitals = self._worker.vitals
        found = vitals.backlog
        if found is None:
            return
        overdue = oldest_overdue(vitals, self._worker.store.clock()).total_seconds()
        unserved = sum(each.count for each in found.unserved)
        yield _gauge("oldest_overdue_seconds", "The longest wait of a due task this worker serves.", overdue)
        yield _gauge("due_tasks", "Tasks that are due and that nobody is sending.", found.due)
        yield _gauge("unserved_tasks", "Those of them whose channel no live worker serves.", unserved)
        yield _gauge("in_hand", "Claims being sent or waiting for their turn in this worker.", vitals.in_hand)
        yield _gauge("live_workers", "Workers seen within the last minute.", found.live_workers)
        yield _gauge("wal_bytes", "Size of SQLite's write-ahead log.", found.wal_bytes)


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"omega_{name}", says, value)
