"""Work in threads that an event loop waits for, and how it ends when nobody waits any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from time import monotonic
from typing import Generic, TypeVar

from omega_models import errors, sqlite_file
from omega_models.errors import StoreBusy, StoreUnavailable

log = logging.getLogger("omega_models")
T = TypeVar("T")


class Work(Generic[T]):
    """A call that a thread will make, makes, or has made."""

    def __init__(self, name: str, future: Future[T]) -> None:
        self._name = name
        self._future = future

    async def result(self) -> T:
        """Of a call that nobody waits for any more nothing is done, unless it has begun: then all of it is."""
        try:
            await self._told()
        except (asyncio.CancelledError, GeneratorExit):
            if not self._future.cancel():
                self.unheard()
            raise
        return self._future.result()

    async def ended(self) -> T:
        """The same for a call that is made in any case."""
        try:
            await self._told()
        except (asyncio.CancelledError, GeneratorExit):
            self.unheard()
            raise
        return self._future.result()

    def _told(self) -> asyncio.Future[None]:
        """Not `asyncio.wrap_future`: it would cancel the call with the wait, and speak to a closed loop."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()

        def tell(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_tell, told)

        self._future.add_done_callback(tell)
        return told

    def unheard(self) -> None:
        """Nobody waits: an error that comes of it is logged."""
        self._future.add_done_callback(self._report)

    def _report(self, future: Future[T]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            ours = type(error).__module__ == errors.__name__  # another's may quote the text
            said = str(error) if ours else type(error).__name__
            log.error("%s failed after its caller was cancelled: %s", self._name, said)


def _tell(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


class Lane:
    """A few threads that work off calls in the order in which they were asked for."""

    def __init__(self, name: str, threads: int, closed: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"omega-{name}")
        self._closed = closed
        self._gave_up = 0.0
        self._busy = ""

    def start(self, name: str, call: Callable[[], T]) -> Work[T]:
        """In the caller's context. Raises `StoreUnavailable` once the lane is shut."""
        try:
            run = copy_context().run
            return Work(name, self._pool.submit(run, self._patiently, monotonic(), call))
        except RuntimeError as error:
            raise StoreUnavailable(self._closed) from error

    def _patiently(self, asked: float, call: Callable[[], T]) -> T:
        """Who stood in line while another waited for the lock in vain has waited as long, and hears the same."""
        if asked < self._gave_up:
            raise StoreBusy(self._busy)
        began = monotonic()
        try:
            return call()
        except StoreBusy as error:
            if monotonic() - began >= 0.9 * sqlite_file.BUSY_SECONDS:
                self._gave_up, self._busy = began, str(error)
            raise

    def shut(self) -> None:
        """Takes no more; what was asked for is still done."""
        self._pool.shutdown(wait=False)

    def join(self) -> None:
        """Waits for what was asked for."""
        self._pool.shutdown(wait=True)


def aside(name: str, call: Callable[[], T]) -> Work[T]:
    """One call in a thread of its own."""
    lane = Lane(name, 1, "")
    try:
        return lane.start(name, call)
    finally:
        lane.shut()
