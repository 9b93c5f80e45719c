"""How fast a backlog of due tasks is delivered, beside other schedulers, durable and not.

    uv run python benchmarks/drain.py [--large] [--repeat 3]

Every line is a process of its own: tasks that do nothing, 8 threads, the database on local disk, and the
time from start until every task has run and its end is on record. Omega keeps its ledger, leases and
retries, and logs a line for each delivery to a file. Others are measured where they are installed:

    uv run --with huey --with sqlalchemy python benchmarks/drain.py
"""

import argparse
import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from measuring import CHANNEL, apart, fill, header, scratch, seconds_apart, table

THREADS = 8
SENDERS = 100
ONES = {
    "omega full": (),
    "omega normal": (),
    "omega normal, logs warnings": (),
    "huey fsync off": ("huey",),
    "huey default": ("huey",),
    "apscheduler WAL+NORMAL": ("sqlalchemy",),
    "apscheduler default": ("sqlalchemy",),
    "sqlite3 loop full": (),
    "sqlite3 loop normal": (),
}


def backlog(count: int) -> list[datetime]:
    """Instants spread over the last fifty minutes: late, but none of them missed."""
    return seconds_apart(datetime.now(UTC) - timedelta(minutes=50), count, 2900 / count)


class Countdown:
    """Tells when so many tasks have run."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self.over = threading.Event()

    def __call__(self, *_: object) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self.over.set()


def omega(folder: Path, mode: str, count: int) -> float:
    from loguru import logger

    from omega_models import Store
    from omega_worker.logs import configure_logs
    from omega_worker.settings import Settings
    from omega_worker.worker import Worker

    durability, _, quiet = mode.partition(", ")
    with (folder / "log").open("w", encoding="utf-8") as log:
        configure_logs("WARNING" if quiet else "INFO", "text", log)
        logger.enable("omega_worker")
        with Store(folder / "memory.db", durability=durability, max_pending_tasks=10**9) as store:
            fill(store, count, backlog(count), senders=SENDERS)
            ran = Countdown(count)
            worker = Worker(store, {CHANNEL: ran}, Settings.defaults(delivery_concurrency=THREADS))
            start = perf_counter()
            worker.start()
            ran.over.wait()
            worker.stop()
            took = perf_counter() - start
            _check(folder / "memory.db", count)
    return took


def _check(file: Path, count: int) -> None:
    connection = sqlite3.connect(file)
    for query in (
        "SELECT count(*) FROM scheduled_tasks WHERE status = 'delivered'",
        "SELECT count(*) FROM task_occurrences WHERE state = 'delivered' AND attempts = 1",
    ):
        found = connection.execute(query).fetchone()[0]
        if found != count:
            raise SystemExit(f"{found} of {count}: {query}")
    connection.close()


def huey(folder: Path, fsync: str, count: int) -> float:
    from huey import SqliteHuey
    from huey.consumer import Consumer

    ran = Countdown(count)
    queue: Any = SqliteHuey(filename=str(folder / "huey.db"), fsync=fsync == "default")
    task = queue.task()(_named(ran))
    for _ in range(count):
        task()
    consumer = Consumer(queue, workers=THREADS, periodic=False, check_worker_health=False)
    start = perf_counter()
    consumer.start()
    ran.over.wait()
    took = perf_counter() - start
    consumer.stop()
    return took


def _named(ran: Countdown) -> Any:
    def noop() -> None:
        ran()

    return noop


RAN = Countdown(0)


def run_job() -> None:
    """By name, since APScheduler keeps a reference to it in the database."""
    RAN()


def apscheduler(folder: Path, mode: str, count: int) -> float:
    global RAN
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler
    from sqlalchemy import create_engine, event

    engine = create_engine(f"sqlite:///{folder / 'jobs.db'}")
    if mode != "default":

        @event.listens_for(engine, "connect")
        def fast(connection: Any, _: object) -> None:
            connection.execute("PRAGMA journal_mode = wal")
            connection.execute("PRAGMA synchronous = normal")

    RAN = Countdown(count)
    scheduler = BackgroundScheduler(
        timezone=UTC,
        jobstores={"default": SQLAlchemyJobStore(engine=engine)},
        executors={"default": ThreadPoolExecutor(THREADS)},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start(paused=True)
    for due in backlog(count):
        scheduler.add_job(run_job, "date", run_date=due)
    start = perf_counter()
    scheduler.resume()
    RAN.over.wait()
    took = perf_counter() - start
    scheduler.shutdown()
    return took


def loop(folder: Path, durability: str, count: int) -> float:
    """The least SQL that claims and marks the same rows: one thread, no ledger, batches of a hundred."""
    from omega_models import Store

    with Store(folder / "memory.db") as store:
        fill(store, count, backlog(count), senders=SENDERS)
    connection = sqlite3.connect(folder / "memory.db", isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {durability}")
    ran = Countdown(count)
    find = (
        "SELECT rowid FROM scheduled_tasks WHERE status = 'pending' AND due_at <= ? ORDER BY due_at LIMIT 100"
    )
    done = "UPDATE scheduled_tasks SET status = 'delivered', rev = rev + 1 WHERE rowid = ?"
    start = perf_counter()
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    while rows := connection.execute(find, (now,)).fetchall():
        for _ in rows:
            ran()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(done, rows)
        connection.execute("COMMIT")
    return perf_counter() - start


WAYS = {"omega": omega, "huey": huey, "apscheduler": apscheduler, "sqlite3": loop}


def measure_one(name: str, count: int) -> None:
    """In a process of its own: prints the seconds."""
    program, _, mode = name.partition(" ")
    with scratch() as folder:
        took = WAYS[program](folder, mode.removeprefix("loop "), count)
    print(json.dumps({"seconds": took}), flush=True)


def measure(count: int, repeats: int, names: list[str]) -> dict[str, float]:
    """Tasks per second of each, the median of runs taken in turn."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            found[name].append(count / apart(__file__, "--one", name, "--count", str(count))["seconds"])
    return {name: median(rates) for name, rates in found.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="100,000 tasks too")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--one", choices=ONES, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=10_000, help="tasks in the backlog")
    given = parser.parse_args()
    if given.one:
        measure_one(given.one, given.count)
        return
    names = [name for name, needs in ONES.items() if all(find_spec(need) for need in needs)]
    with scratch() as folder:
        header("Drain of due tasks that do nothing, tasks per second", folder)
    for count in [given.count, 100_000] if given.large else [given.count]:
        rates = measure(count, given.repeat, names)
        ours = rates["omega full"], rates["omega normal"]
        rows = [
            [name, f"{rate:,.0f}", f"{ours[0] / rate:.2f}", f"{ours[1] / rate:.2f}"]
            for name, rate in rates.items()
        ]
        table([f"{count:,} tasks", "tasks/s", "omega full ÷", "omega normal ÷"], rows)
        print()


if __name__ == "__main__":
    main()
