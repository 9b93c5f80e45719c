"""What systemd is told: ready, alive, what is going on, stopping. Without it nothing is sent anywhere."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from omega_jobs.wording import late_words
from omega_models import times
from omega_models.overview import MOST_COUNTED, Backlog
from omega_worker.vitals import Vitals

SEND_SECONDS = 1.0
PINGS = 4  # to each interval of the watchdog: systemd wants at least two


def sd_notify(state: str, address: str) -> None:
    """One message to `NOTIFY_SOCKET`: a path, or `@` and an abstract name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.settimeout(SEND_SECONDS)
        out.connect("\0" + address[1:] if address.startswith("@") else address)
        out.sendall(state.encode())


def watchdog_interval(environment: Mapping[str, str] = os.environ) -> timedelta | None:
    """How long systemd waits for a sign of life; None where it does not, or waits for another process's."""
    wait, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    ours = process is None or process == str(os.getpid())
    known = wait.isascii() and wait.isdigit() and int(wait) > 0
    return timedelta(microseconds=int(wait)) if known and ours else None


class Notifier:
    """Tells systemd of one worker. Nothing is said before `ready`, and after `stopping` only that it lives.

    The watchdog is fed by completed rounds alone: a worker whose rounds fail or hang falls silent.
    """

    def __init__(
        self,
        address: str | None,
        watchdog: timedelta | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime],
    ) -> None:
        self._address = address
        self.every = watchdog / PINGS if watchdog else None
        self._clock, self._now = clock, now
        self._ready = self._stopping = False
        self._pinged: float | None = None

    def listen(self, vitals: Vitals) -> None:
        """Hears of rounds and surveys from now on."""
        if self._address:
            vitals.survey_listeners.append(self.surveyed)
            vitals.round_listeners.append(self.completed)

    def ready(self, vitals: Vitals) -> None:
        """The database is open and migrated, and the worker has started."""
        self._send("READY=1", *self._status(vitals))
        self._ready = True

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, in_hand: int) -> None:
        self._stopping = True
        self._send("STOPPING=1", f"STATUS=stopping; {in_hand} being sent")

    def completed(self, _: Vitals) -> None:
        """A round was completed: a sign of life, unless there was one lately."""
        now = self._clock()
        if self._ready and self.every and self._is_time(now):
            self._pinged = now
            self._send("WATCHDOG=1")

    def _is_time(self, now: float) -> bool:
        return (
            self._pinged is None or self.every is None or now - self._pinged >= self.every.total_seconds() / 2
        )

    def surveyed(self, vitals: Vitals) -> None:
        if self._ready and not self._stopping:
            self._send(*self._status(vitals))

    def _status(self, vitals: Vitals) -> tuple[str, ...]:
        found = vitals.backlog
        return () if found is None else (f"STATUS={status(found, vitals.in_hand, self._now())}",)

    def _send(self, *lines: str) -> None:
        if self._address and lines:
            with suppress(OSError):  # a service manager that does not listen must not stop a delivery
                sd_notify("\n".join(lines), self._address)


def status(backlog: Backlog, in_hand: int, now: datetime) -> str:
    """`next due 09:00:00 UTC (in 3 min); 2 being sent; 0 overdue`: no text of a task."""
    overdue = f"{backlog.due}{'+' if backlog.due >= MOST_COUNTED else ''} overdue"
    return f"{_next(backlog.next_due, now)}; {in_hand} being sent; {overdue}"


def _next(due: datetime | None, now: datetime) -> str:
    if due is None:
        return "nothing due ahead"
    day = "" if due.date() == now.date() else f"{due:%Y-%m-%d} "
    return f"next due {day}{times.to_text(due)[11:]} UTC (in {late_words(due - now)})"
