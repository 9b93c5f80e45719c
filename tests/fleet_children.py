"""For fleet tests: a recorder that knows each key, tasks by the thousand, and workers that run until killed."""

import random
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Self

import psycopg
from machines import join

from omega_jobs.delivery import Delivery, DeliveryError
from omega_models import Store, StoreError, server_connection
from omega_worker import timetable
from omega_worker.channels import Channel
from omega_worker.settings import Settings
from omega_worker.worker import Worker

CHANNEL = "recorder"
ANSWER_SECONDS = 10.0
TASKS = """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, scheduled_for,
    anchor_local, timezone)
SELECT gen_random_uuid()::text, %(channel)s, (n %% 100)::text, 'chat', 'task', due, due,
    to_char(due, 'YYYY-MM-DD HH24:MI:SS'), 'UTC'
FROM generate_series(1, %(count)s) AS n,
    LATERAL (SELECT date_trunc('second', now()) - n %% 600 * interval '1 second' AS due) AS instant
RETURNING id"""
LEDGER = "SELECT id, task_id, state, attempts, worker, reason FROM task_occurrences"
LEFT = "SELECT count(*) FROM scheduled_tasks WHERE status = 'pending'"


class Entry(NamedTuple):
    id: str
    task_id: str
    state: str
    attempts: int
    worker: str
    reason: str | None


def add_tasks(url: str, count: int) -> list[str]:
    """Tasks that have just fallen due; their ids."""
    with psycopg.connect(url, options="-c synchronous_commit=on") as connection:
        return [row[0] for row in connection.execute(TASKS, {"channel": CHANNEL, "count": count})]


def ledger(url: str) -> list[Entry]:
    with psycopg.connect(url) as connection:
        return [Entry(*row) for row in connection.execute(LEDGER)]


def tasks_left(url: str) -> int:
    """How many are pending; of a server that is away, as many as can be."""
    try:
        with psycopg.connect(url) as connection:
            return int(connection.execute(LEFT).fetchone()[0])  # type: ignore[index]
    except psycopg.OperationalError:
        return 2**31


class Recorder:
    """Answers every key it is sent, and accepts each once. `host` is where it listens."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.asked: Counter[str] = Counter()
        self.accepted: dict[str, str] = {}  # by whom
        self.seen = threading.Condition()
        self._listening = socket.create_server((host, 0), backlog=256)
        self.address: tuple[str, int] = self._listening.getsockname()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="recorder", daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._open.add(near)
                threading.Thread(target=self._record, args=(near,), name="recorded", daemon=True).start()

    def _record(self, near: socket.socket) -> None:
        with near, suppress(OSError), near.makefile("rw", encoding="ascii") as lines:
            for line in lines:
                key, worker = line.split()
                with self.seen:
                    self.asked[key] += 1
                    self.accepted.setdefault(key, worker)
                    self.seen.notify_all()
                lines.write("accepted\n")
                lines.flush()
        self._open.discard(near)

    def wait_for(self, count: int, seconds: float) -> bool:
        """Whether so many keys have come within that time."""
        with self.seen:
            return self.seen.wait_for(lambda: len(self.accepted) >= count, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        for each in tuple(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Line:
    """A channel's way to the recorder: a connection for each thread, made anew when it is lost."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.worker = ""
        self._address = address
        self._mine = threading.local()

    def __call__(self, delivery: Delivery) -> str:
        try:
            if getattr(self._mine, "lines", None) is None:
                connection = socket.create_connection(self._address, timeout=ANSWER_SECONDS)
                self._mine.lines = connection.makefile("rw", encoding="ascii")
            self._mine.lines.write(f"{delivery.id} {self.worker}\n")
            self._mine.lines.flush()
            return self._answer()
        except OSError as error:
            self._mine.lines = None
            raise DeliveryError(type(error).__name__, ambiguous=True) from error

    def _answer(self) -> str:
        answer: str = self._mine.lines.readline().strip()
        if not answer:
            raise ConnectionError("hung up")
        return answer


def work_in_fleet(url: str, address: tuple[str, int], changes: dict[str, Any], seed: int) -> None:
    """A worker as its service manager keeps it: started again while its server is away."""
    random.seed(seed)
    timetable.AFTER_ERROR = timedelta(seconds=0.2)
    settings = Settings.defaults(max_attempts=1000, retry_base_seconds=1, log_level="ERROR")
    line = Line(address)
    for store in _opened(url):
        with store:
            worker = Worker(
                store, {CHANNEL: Channel(line, deduplicates=True)}, settings.model_copy(update=changes)
            )
            line.worker = worker.id
            try:
                worker.start()
            except StoreError:
                continue
            signal.pause()


def _opened(url: str) -> Iterator[Store]:
    while True:
        with suppress(StoreError):
            yield Store(url)
        threading.Event().wait(0.1)


def work_on_machine(
    namespace: str, url: str, address: tuple[str, int], changes: dict[str, Any], seed: int
) -> None:
    """The same on another machine: in a network namespace of its own."""
    join(namespace)
    server_connection.STATEMENT_MS, server_connection.SILENT_SECONDS = 2000, 1.0
    work_in_fleet(url, address, changes, seed)
