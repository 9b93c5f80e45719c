"""For fault tests: channels that block as told, quick settings, and waiting for what must happen."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from omega_jobs.delivery import Delivery
from omega_models import Store
from omega_worker.settings import Settings

STUCK = "stuck"


def quick(**changes: Any) -> Settings:
    """Settings under which only news and deadlines wake a worker, and a send may take 0.3 seconds."""
    usual = {"send_timeout_seconds": 0.3, "poll_interval_seconds": 3600, "retry_base_seconds": 60}
    return Settings.defaults().model_copy(update=usual | changes)


class Phone:
    """A callable channel that notes what it is given, and blocks over reply targets that begin with `stuck`."""

    def __init__(self) -> None:
        self.begun: list[Delivery] = []
        self.ended: list[Delivery] = []
        self.released = threading.Event()
        self.seen = threading.Condition()

    def __call__(self, delivery: Delivery) -> None:
        self._note(self.begun, delivery)
        if delivery.reply_target.startswith(STUCK):
            self.released.wait(60)
        self._note(self.ended, delivery)

    def _note(self, where: list[Delivery], delivery: Delivery) -> None:
        with self.seen:
            where.append(delivery)
            self.seen.notify_all()

    def wait_for(self, *, begun: int = 0, ended: int = 0, seconds: float = 15) -> None:
        with self.seen:
            enough = self.seen.wait_for(
                lambda: len(self.begun) >= begun and len(self.ended) >= ended, seconds
            )
            assert enough, f"{len(self.begun)} begun, {len(self.ended)} ended"

    def targets(self) -> list[str]:
        """Of what has ended."""
        return sorted(each.reply_target for each in self.ended)


@contextmanager
def a_phone() -> Iterator[Phone]:
    """Whoever still hangs on it is released at the end."""
    phone = Phone()
    try:
        yield phone
    finally:
        phone.released.set()


def eventually(check: Callable[[], object], seconds: float = 15) -> None:
    """Returns once the check holds; AssertionError if it never does."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)


def add(
    store: Store, channel: str, *targets: str, minutes_ago: float = 0, repeat: str | None = None
) -> list[str]:
    """Due tasks, one for each reply target; their ids."""
    due_at = store.clock() - timedelta(minutes=minutes_ago)
    with store.database.writing():
        return [
            store.create_task(channel, "s", target, f"call {target}", due_at, repeat, dedupe="off")
            for target in targets
        ]


def outcome(store: Store, task_id: str) -> tuple[str, int]:
    """The present state and the attempts of a task's only occurrence; `("new", 0)` where nothing was tried."""
    rows = store.task_history(task_id)
    assert len(rows) <= 1, rows
    return (rows[0].status, rows[0].attempts) if rows else ("new", 0)
