"""For fault tests: processes that work on one file until they are killed, and the receiver they post to.

Children are forked from a server process that has imported everything once, so that one more of them
costs milliseconds.
"""

import itertools
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from http.client import HTTPConnection
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from http_receiver import Arrived, Behaviour, Receiver, answer

from omega_jobs.delivery import Delivery, DeliveryError
from omega_models import Store
from omega_models.opening import POSTGRES
from omega_models.testing import FakeClock
from omega_models.times import system_clock
from omega_worker.channels import Channel
from omega_worker.channels.webhook import webhook_channel
from omega_worker.settings import Settings
from omega_worker.worker import Worker

START = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
PATIENT = Settings.defaults(max_attempts=1000, retry_base_seconds=1, log_level="ERROR")

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["__main__", "fault_children"])


def ensure_server() -> None:
    """It looks for modules where its environment says, not where this process does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()


class Busy(Receiver):
    """A receiver that lets many connect at once: a short queue costs some of them a second."""

    def __init__(self) -> None:
        super().__init__()
        self._server.socket.listen(128)


class Inbox(Busy):
    """A receiver that knows each key: it accepts a key once and counts every request for it.

    `refusals` says by path how often a key is answered 503 before it is accepted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.refusals: dict[str, int] = {}

    def accept(self, arrived: Arrived) -> Behaviour:
        with self.seen:
            key = arrived.headers["idempotency-key"]
            self.asked[key] += 1
            refused = self.asked[key] <= self.refusals.get(arrived.path, 0)
            if not refused and not self.accepted[key]:
                self.accepted[key] = 1
            self.requests.append(arrived)
            self.seen.notify_all()
        return answer(503 if refused else 204)


class Family:
    """The children of one test; leaving the block kills those that live, each by its id."""

    def __init__(self) -> None:
        self.children: list[BaseProcess] = []

    def start(self, target: Callable[..., None], *arguments: Any) -> BaseProcess:
        ensure_server()
        child = context.Process(target=target, args=arguments)
        child.start()
        self.children.append(child)
        return child

    def kill(self, child: BaseProcess) -> None:
        child.kill()
        child.join(30)
        self.children.remove(child)

    def finish(self, child: BaseProcess, seconds: float = 60) -> int | None:
        """The exit code, once it has ended."""
        child.join(seconds)
        return child.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            if child.is_alive():
                child.kill()
            child.join(30)


def post(url: str, path: str, key: str) -> int:
    """The status that comes back."""
    address = urlsplit(url)
    with closing(HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
        connection.request("POST", path, body=b"{}", headers={"Idempotency-Key": key})
        return connection.getresponse().status


@contextmanager
def channels(url: str) -> Iterator[dict[str, Channel]]:
    """`web`, whose receiver de-duplicates, and `plain`, a callable that does not say so."""

    def plain(delivery: Delivery) -> None:
        if post(url, f"/{delivery.reply_target}", delivery.id) != 204:
            raise DeliveryError("not accepted")

    web = webhook_channel(url + "/{reply_target}", timeout=timedelta(seconds=30))
    try:
        yield {"web": web, "plain": Channel(plain)}
    finally:
        if web.close is not None:
            web.close()


@contextmanager
def working(
    path: Path | str, url: str, clock: Callable[[], datetime], settings: Settings = PATIENT
) -> Iterator[tuple[Store, Worker]]:
    with (
        Store(path, clock=clock, durability="normal", max_pending_tasks=10**6) as store,
        channels(url) as named,
    ):
        yield store, Worker(store, named, settings)


def killing(point: str, arrival: int) -> Callable[[str], None]:
    """Ends this process, without a last word, at the given arrival at that point."""
    arrivals = itertools.count(1)

    def reached(name: str) -> None:
        if name == point and next(arrivals) == arrival:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


# What children run


def deliver_until_killed(path: str, url: str, point: str, arrival: int) -> None:
    """Three rounds of a worker, ten minutes apart."""
    clock = FakeClock(START)
    with working(path, url, clock) as (store, worker):
        store.reached = killing(point, arrival)
        for _ in range(3):
            worker.run_due()
            clock.advance(minutes=10)


def claim_and_settle_until_killed(path: str, url: str, point: str, arrival: int) -> None:
    """The same by a program that uses the Store alone."""
    clock = FakeClock(START)
    with Store(path, clock=clock) as store:
        store.reached = killing(point, arrival)
        for _ in range(3):
            while claimed := store.claim_due_tasks("by hand", 1):
                (task,) = claimed
                status = post(url, f"/{task.reply_target}", task.occurrence_id)
                outcome = "delivered" if status == 204 else "retry"
                store.settle(task.token, outcome, retry_after=120)
            clock.advance(minutes=10)


class SharedClock:
    """The real time and an offset that the parent moves for every process at once."""

    def __init__(self) -> None:
        self.offset = context.RawValue("d", 0.0)

    def __call__(self) -> datetime:
        return system_clock() + timedelta(seconds=self.offset.value)

    def advance(self, seconds: float) -> None:
        """Only the parent does this."""
        self.offset.value += seconds


def work_until_killed(path: str, url: str, clock: SharedClock) -> None:
    """A worker as it runs for real."""
    settings = PATIENT.model_copy(update={"lease_seconds": 5})
    with working(path, url, clock, settings) as (_, worker), worker:
        signal.pause()


# What is left behind


def integrity(path: Path | str) -> str:
    """Of a file; a server looks after its own."""
    if str(path).startswith(POSTGRES):
        return "ok"
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def settle_everything(
    path: Path | str, url: str, clock: FakeClock, settings: Settings = PATIENT, rounds: int = 8
) -> None:
    """A worker that comes after all leases and waits are over, again and again."""
    with working(path, url, clock, settings) as (_, worker):
        for _ in range(rounds):
            worker.run_due()
            clock.advance(minutes=10)
