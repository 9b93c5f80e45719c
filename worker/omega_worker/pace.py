"""Pacing: not more messages a second than a messenger takes, on the whole and to one target."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|m|min|h)\s*")
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
REMEMBERED = 10_000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Rate:
    """The least time, in seconds, between two sends on a channel, and between two to one target."""

    channel: float = 0.0
    target: float = 0.0


NO_LIMIT = Rate()
TELEGRAM = "30/s 1/s"  # what its bots may send


def parse_rate(text: str) -> Rate:
    """`30/s` for the channel, or `30/s 1/s` for the channel and each target; s, m or h. ValueError else."""
    parts = [RATE.fullmatch(part) for part in text.replace(",", " ").split()]
    if not 1 <= len(parts) <= 2 or None in parts:
        raise ValueError("must be like 30/s, or 30/s 1/s: messages on the channel, and to each target")
    gaps = [SECONDS[found[2]] / float(found[1]) if float(found[1]) else None for found in parts if found]
    if None in gaps:
        raise ValueError("must allow more than 0 messages")
    return Rate(*(gap or 0.0 for gap in gaps))


class Pace:
    """When the next send is allowed. Shared by all lanes of a channel, which hold `lock` meanwhile."""

    def __init__(self, rate: Rate = NO_LIMIT) -> None:
        self.rate = rate
        self.lock = threading.Condition()
        self._channel_free = 0.0
        self._target_free: dict[str, float] = {}

    def wait(self, target: str, now: float) -> float:
        """Seconds from `now` until something may be sent to that target; 0: at once."""
        free = max(self._channel_free, self._target_free.get(target, 0.0))
        return max(0.0, free - now)

    def sent(self, target: str, now: float) -> None:
        self._channel_free = now + self.rate.channel
        if self.rate.target:
            self._target_free[target] = now + self.rate.target
            if len(self._target_free) > REMEMBERED:
                self._target_free = {name: free for name, free in self._target_free.items() if free > now}

    @property
    def limited(self) -> bool:
        return self.rate != NO_LIMIT


class Line(Generic[Item]):
    """What waits to be sent, oldest first; a target that must wait holds up nobody behind it."""

    def __init__(self, pace: Pace, target_of: Callable[[Item], str]) -> None:
        self._pace, self._target_of = pace, target_of
        self._waiting: deque[Item] = deque()
        self.held_up = 0  # how many of those waiting were last seen held up by their target's pace

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item) -> None:
        self._waiting.append(item)

    def take(self, now: float) -> tuple[Item | None, float | None]:
        """The next that may be sent now; or None, and the seconds until one may (None: nothing waits)."""
        if not self._pace.limited:
            return (self._waiting.popleft(), None) if self._waiting else (None, None)
        soonest: float | None = None
        for position, item in enumerate(self._waiting):
            wait = self._pace.wait(self._target_of(item), now)
            if wait <= 0:
                del self._waiting[position]
                self._pace.sent(self._target_of(item), now)
                self.held_up = position
                return item, None
            soonest = wait if soonest is None else min(soonest, wait)
        self.held_up = len(self._waiting)
        return None, soonest

    def clear(self) -> list[Item]:
        """Takes back everything that waits."""
        taken, self._waiting = list(self._waiting), deque()
        self.held_up = 0
        return taken


class PacedQueue(Generic[Item]):
    """A queue of which each item comes out when its target's pace allows; None ends one who waits for it."""

    def __init__(self, pace: Pace, target_of: Callable[[Item], str]) -> None:
        self._line, self._lock = Line(pace, target_of), pace.lock
        self._ends = 0

    @property
    def held_up(self) -> int:
        return self._line.held_up

    def put(self, item: Item | None) -> None:
        with self._lock:
            if item is None:
                self._ends += 1
            else:
                self._line.add(item)
            self._lock.notify_all()

    def get(self) -> Item | None:
        """Waits for the next; None where an end was put."""
        with self._lock:
            while True:
                item, wait = self._line.take(time.monotonic())
                if item is not None:
                    return item
                if self._ends:
                    self._ends -= 1
                    return None
                self._lock.wait(wait)

    def ready(self) -> tuple[Item | None, float | None]:
        """What may be sent now; or None, and the seconds until something may (None: nothing waits)."""
        with self._lock:
            return self._line.take(time.monotonic())

    def clear(self) -> list[Item]:
        """Takes back everything that waits."""
        with self._lock:
            return self._line.clear()
