"""What every lane of a worker needs to know, and how much of it to hold at once."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from omega_jobs.deliver import Finished
from omega_jobs.delivery import Delivery, DeliveryError
from omega_models.claims import Claim

MOST_AHEAD = 512
GRACE = 1.0


@dataclass(frozen=True)
class Errand:
    """What every lane of a worker needs: how to word a claim, whether it still holds, whom to tell."""

    compose: Callable[[Claim], Delivery]
    holds: Callable[[str], bool]
    finish: Callable[[Finished], None]
    ring: Callable[[], None]
    reached: Callable[[str], None]
    say: Callable[[str, str | None], None]
    concurrency: int
    timeout: timedelta
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def patience(self) -> float:
        """Seconds until a send is given up: the channel's own timeout comes first, where it has one."""
        return self.timeout.total_seconds() + GRACE

    def awaited(self, answer: object) -> object:
        """The result of a plain callable, such as a lambda, that returned an awaitable after all."""
        if not inspect.isawaitable(answer):
            return answer
        if self.loop is None:
            if inspect.iscoroutine(answer):
                answer.close()
            raise DeliveryError("the channel returned an awaitable: use astart(), or give the worker loop=")
        return asyncio.run_coroutine_threadsafe(_wait_for(answer), self.loop).result()

    def timed_out(self) -> DeliveryError:
        seconds = self.timeout.total_seconds()
        return DeliveryError(f"no answer within {seconds:g} s", ambiguous=True)


async def _wait_for(answer: Awaitable[object]) -> object:
    return await answer


class Appetite:
    """How many claims to hold at once: the concurrency, and more while they are sent as fast as they come."""

    def __init__(self, concurrency: int) -> None:
        self._least = self._now = concurrency
        self._finished = 0

    def finished(self) -> None:
        self._finished += 1

    def __call__(self) -> int:
        if self._finished >= self._now:
            self._now = min(MOST_AHEAD, 2 * self._now)
        elif self._finished < self._now // 4:
            self._now = max(self._least, self._now // 2)
        self._finished = 0
        return self._now
