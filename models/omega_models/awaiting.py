"""A Store that is awaited: its calls run in a few threads, so that no event loop waits for a disk or a lock."""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from omega_models.errors import StoreUnavailable
from omega_models.store import Store
from omega_models.threads import Lane, Work, aside
from omega_models.visits import Iteration, Visit

T = TypeVar("T")

READERS = 2  # a long search leaves one; more would only make the event loop wait for its turn in Python
CLOSED = "this AsyncStore was closed, or the program is ending; open a new one"
FORKED = "this AsyncStore belongs to the process that opened it; open one in each process, after the fork"


class AwaitedStore:
    """What every call of an `AsyncStore` stands on: when it opens, where it runs, how it ends."""

    def __init__(self, given: str | Path | Store, options: dict[str, Any]) -> None:
        if isinstance(given, Store):
            _refuse(options)
        self._given, self._options = given, options
        self._store = given if isinstance(given, Store) else None
        self._owned = self._store is None
        self._opening = threading.Lock()
        self._reading, self._writing = Lane("reads", READERS, CLOSED), Lane("writes", 1, CLOSED)
        self._iterations: set[Iteration[Any]] = set()
        self._process: int | None = None
        self._ending: Work[None] | None = None
        self._ends = threading.Lock()

    @property
    def store(self) -> Store:
        """The Store itself, for what does not wait (`clock`, `max_text`, …) and for a `Worker`.

        Raises `StoreUnavailable` before it is open.
        """
        if self._store is None:
            raise StoreUnavailable("not open yet: use `async with`, or await a call first")
        return self._store

    async def __aenter__(self) -> Self:
        await self._reads(lambda _: None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Lets what was asked for end, then closes the Store, unless it was given an open one. Idempotent.

        What is called afterwards raises `StoreUnavailable`.
        """
        with self._ends:
            if self._ending is None:
                self._refuse_more()
                self._ending = aside("AsyncStore.aclose", self._end)
        await self._ending.ended()

    async def close(self) -> None:
        """The same as `aclose`."""
        await self.aclose()

    def _at_work(self) -> list[Lane | Iteration[Any]]:
        return [*self._iterations.copy(), self._reading, self._writing]

    def _refuse_more(self) -> None:
        for each in self._at_work():
            each.shut()

    def _end(self) -> None:
        for each in self._at_work():
            each.join()
        if self._owned and self._store is not None:
            self._store.close()

    async def _reads(self, call: Callable[[Store], T]) -> T:
        return await self._asked(self._reading, _name(call), call).result()

    async def _writes(self, call: Callable[[Store], T]) -> T:
        return await self._asked(self._writing, _name(call), call).result()

    def _visits(self, call: Callable[[Store], AbstractContextManager[T]]) -> Visit[T]:
        return Visit(call, partial(self._asked, self._writing, _name(call)))

    async def _iterates(self, call: Callable[[Store], Iterator[T]]) -> AsyncGenerator[T, None]:
        iteration = self._begun(Iteration(call, self._opened, _name(call), CLOSED))
        try:
            while some := await iteration.more().result():
                for each in some:
                    yield each
        finally:  # nothing is awaited here, for nobody may be left to wait
            iteration.shut(then=partial(self._iterations.discard, iteration))

    def _begun(self, iteration: Iteration[T]) -> Iteration[T]:
        self._require_own_process()
        with self._ends:
            if self._ending is not None:
                raise StoreUnavailable(CLOSED)
            self._iterations.add(iteration)
        return iteration

    def _asked(self, lane: Lane, name: str, call: Callable[[Store], T]) -> Work[T]:
        self._require_own_process()
        return lane.start(name, lambda: call(self._opened()))

    def _opened(self) -> Store:
        """In a thread of ours: the first to come opens it, the others wait."""
        with self._opening:
            if self._store is None:
                assert not isinstance(self._given, Store)
                self._store = Store(self._given, **self._options)
            return self._store

    def _require_own_process(self) -> None:
        """Threads do not survive a fork: a call would wait for ever."""
        if self._process is None:
            self._process = os.getpid()
        if self._process != os.getpid():
            raise StoreUnavailable(FORKED)

    def __del__(self) -> None:
        store = getattr(self, "_store", None)
        if store is None or not self._owned or self._ending or self._process != os.getpid():
            return
        warnings.warn(f"{type(self).__name__} was not closed", ResourceWarning, stacklevel=2, source=self)
        with suppress(StoreUnavailable):
            self._writing.start("AsyncStore.__del__", store.close)
        self._refuse_more()


def _name(call: Callable[[Store], Any]) -> str:
    """`AsyncStore.get_fact` for the lambda in it."""
    return call.__qualname__.partition(".<locals>")[0]


def _refuse(options: dict[str, Any]) -> None:
    defaults = inspect.signature(Store).parameters
    named = [name for name, value in options.items() if value != defaults[name].default]
    if named:
        raise TypeError(
            f"an open Store has its options already; give it {', '.join(named)} when it is opened"
        )
