"""A month in minutes: what grows, and whether the ledger accounts for every occurrence at its end.

    uv run python benchmarks/soak.py [--scale 0.01] [--days 30]

Thirty days of half hours on a clock that is moved, through a worker's own rounds on a file: at scale 1 some
100,000 occurrences, a third of them of daily, weekly and cron series, and 20,000 conversations that go idle.
Of the sends 3 % fail and are tried again, 0.5 % are refused for good, 0.5 % end without an answer; 2 % of the
reminders are snoozed before they are due. Every figure is the process's own, sender threads included.
"""

import argparse
import os
import random
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from loguru import logger
from measuring import header, scratch, table

from omega_jobs.delivery import Delivery, DeliveryError
from omega_jobs.maintain import maintain_once
from omega_models import IncomingMessage, Store, next_occurrence
from omega_models.testing import FakeClock
from omega_worker.settings import Settings
from omega_worker.worker import Worker

START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
ONE_SHOTS, CONVERSATIONS = 68_000, 20_000
SERIES = {"daily": 800, "weekly": 400, "cron:0 8,20 * * *": 100}
SENDERS = 500
MASK = 2**128 - 1


@dataclass
class Receiver:
    """A channel with moods. Keeps sums of keys, not keys: what it keeps must not grow."""

    chance: random.Random
    sends: int = 0
    accepted: int = 0
    keys: int = 0
    content: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, delivery: Delivery) -> None:
        with self.lock:
            self.sends += 1
            mood = 1.0 if self.content else self.chance.random()
            if mood < 0.03:
                raise DeliveryError("busy")
            if mood < 0.035:
                raise DeliveryError("refused", retry=False)
            if mood < 0.04:
                raise DeliveryError("no answer", ambiguous=True)
            self.accepted += 1
            self.keys = self.keys + uuid.UUID(delivery.id).int & MASK


class Soak:
    """One month on one file."""

    def __init__(self, file: Path, scale: float, days: int, seed: int = 1) -> None:
        self.file, self.scale, self.days = file, scale, days
        self.clock, self.chance = FakeClock(START), random.Random(seed)
        self.store = Store(file, clock=self.clock, durability="normal", max_pending_tasks=10**6)
        self.receiver = Receiver(random.Random(seed + 1))
        self.worker = Worker(self.store, {"bench": self.receiver}, Settings.defaults())
        self.rows: list[list[str]] = []
        self.made: Counter[str] = Counter()
        self.series: list[tuple[str, datetime, str]] = []

    def run(self) -> None:
        self._make_series()
        quarters = {self.days * n // 4: f"quarter {n}" for n in (1, 2, 3)}
        self._measure("start")
        for day in range(self.days):
            self._day()
            if day + 1 in quarters:
                self._measure(quarters[day + 1])
        self._settle()
        self._measure("end")

    def _make_series(self) -> None:
        with self.store.database.writing():
            for repeat, count in SERIES.items():
                for n in range(max(1, round(count * self.scale))):
                    due = START + timedelta(minutes=5 + self.chance.randrange(1400))
                    task = self._create(n, due, repeat)
                    self.series.append((task, due, repeat))

    def _create(self, n: int, due: datetime, repeat: str | None = None) -> str:
        sender = str(n % SENDERS)
        return self.store.create_task("bench", sender, sender, f"task {n}", due, repeat, dedupe="off")

    def _day(self) -> None:
        self._make_one_shots(round(ONE_SHOTS * self.scale / self.days))
        talks = round(CONVERSATIONS * self.scale / self.days)
        steps = timedelta(days=1) // STEP
        for step in range(steps):
            self._talk(talks * (step + 1) // steps - talks * step // steps)
            self.clock.advance(seconds=STEP.total_seconds())
            self.worker.run_due()
            self.made["closed"] += self.worker.run_idle()
        maintain_once(self.store, self.worker.id)

    def _make_one_shots(self, count: int) -> None:
        now = self.clock()
        with self.store.database.writing():
            for n in range(count):
                due = now + timedelta(minutes=60 + self.chance.randrange(1300))
                task = self._create(n, due)
                if self.chance.random() < 0.02:
                    self.store.snooze_task(task, str(n % SENDERS), due + timedelta(hours=2))
                    self.made["snoozed"] += 1
        self.made["one-shots"] += count

    def _talk(self, count: int) -> None:
        for _ in range(count):
            number = self.made["conversations"]
            said = IncomingMessage("bench", f"talker {number}", f"Remind me to buy milk, number {number}")
            self.store.store_exchange(said, "I will.")
            self.made["conversations"] += 1

    def _settle(self) -> None:
        """Nothing new; what is retried arrives, and the last conversations go idle."""
        self.receiver.content = True
        for _ in range(12):
            self.clock.advance(seconds=STEP.total_seconds())
            self.worker.run_due()
            self.made["closed"] += self.worker.run_idle()
        maintain_once(self.store, self.worker.id)

    def _measure(self, when: str) -> None:
        wal = self.file.with_name(self.file.name + "-wal")
        self.rows.append(
            [
                when,
                f"{resident_mb():.0f}",
                str(len(list(Path("/proc/self/fd").iterdir()))),
                str(threading.active_count()),
                f"{wal.stat().st_size / 1e6 if wal.exists() else 0:.1f}",
                f"{self.file.stat().st_size / 1e6:.1f}",
                f"{self.receiver.sends:,}",
            ]
        )

    def check(self) -> dict[str, int]:
        """Raises SystemExit unless the ledger tells of everything that was to happen and did, once."""
        one = self._one
        states = dict(self._all("SELECT state, count(*) FROM task_occurrences GROUP BY state"))
        expected = self.made["one-shots"] + self._occurrences()
        require(one("SELECT count(*) FROM task_occurrences") == expected, "occurrences", expected, states)
        require(set(states) <= {"delivered", "failed", "ambiguous", "skipped"}, "all settled", states)
        require(
            one("SELECT sum(attempts) FROM task_occurrences") == self.receiver.sends, "every send counted"
        )
        require(states["delivered"] == self.receiver.accepted, "delivered are the accepted", states)
        delivered = self._all("SELECT id FROM task_occurrences WHERE state = 'delivered'")
        keys = sum(uuid.UUID(key).int for (key,) in delivered) & MASK
        require(keys == self.receiver.keys, "each key accepted once")
        require(
            one("SELECT count(*) FROM task_occurrences WHERE reason = 'lost lease'") == 0, "no lost lease"
        )
        require(self.made["closed"] == self.made["conversations"], "conversations closed", self.made)
        require(one("PRAGMA integrity_check") == "ok", "integrity")
        return {str(state): int(count) for state, count in states.items()}

    def _occurrences(self) -> int:
        """Of the series, up to now, by the calendar."""
        now, count = self.clock(), 0
        for _, due, repeat in self.series:
            at = next_occurrence(repeat, due, due - timedelta(seconds=1))
            while at is not None and at <= now:
                count += 1
                at = next_occurrence(repeat, due, at)
        return count

    def _all(self, query: str) -> list[tuple[object, ...]]:
        return self.store.database.sql_rows(query)

    def _one(self, query: str) -> object:
        return self._all(query)[0][0]


def require(holds: bool, what: str, *shown: object) -> None:
    if not holds:
        raise SystemExit(f"not so: {what} {' '.join(map(str, shown))}")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--days", type=int, default=30)
    asked = parser.parse_args()
    logger.remove()
    with scratch() as folder:
        header(f"soak: {asked.days} days at scale {asked.scale:g}", folder)
        soak, start = Soak(folder / "memory.db", asked.scale, asked.days), perf_counter()
        try:
            soak.run()
            took = perf_counter() - start
            table(["", "RSS MB", "descriptors", "threads", "WAL MB", "file MB", "sends"], soak.rows)
            found = soak.check()
        finally:
            soak.store.close()
    print(f"\n{took:.0f} s; ledger: {found}; {dict(soak.made)}; every occurrence is accounted for")


if __name__ == "__main__":
    main()
