"""Context managers and iterators of the Store, for an event loop: each step is made in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Generic, TypeVar

from omega_models.errors import StoreUnavailable
from omega_models.sqlite_file import MEMORY
from omega_models.store import Store
from omega_models.threads import Lane, Work

log = logging.getLogger("omega_models")
T = TypeVar("T")
BATCH = 200  # records that are fetched at a time


class Visit(Generic[T]):
    """`async with` over one of the Store's context managers. It is entered and left, cancelled or not."""

    def __init__(
        self,
        call: Callable[[Store], AbstractContextManager[T]],
        asked: Callable[[Callable[[Store], Any]], Work[Any]],
    ) -> None:
        self._call = call
        self._asked = asked
        self._entered: AbstractContextManager[T] | None = None

    async def __aenter__(self) -> T:
        try:
            value: T = await self._asked(self._enter).ended()
        except (asyncio.CancelledError, GeneratorExit) as error:
            with suppress(StoreUnavailable):
                self._asked(partial(self._leave, error)).unheard()
            raise
        return value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            leaving = self._asked(partial(self._leave, error))
        except StoreUnavailable as closed:
            if error is None:
                raise
            log.error("what was said before an error could not be kept: %s", closed)
            error.add_note(f"What was said before could not be kept: {closed}")
            return
        if isinstance(error, GeneratorExit):  # the task is thrown away, and may not wait
            leaving.unheard()
        else:
            await leaving.ended()

    def _enter(self, store: Store) -> T:
        manager = self._call(store)
        value = manager.__enter__()
        self._entered = manager
        return value

    def _leave(self, error: BaseException | None, _: Store) -> None:
        manager, self._entered = self._entered, None
        if manager is None:
            return
        try:
            manager.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        except BaseException as raised:
            if raised is not error:
                raise


class Iteration(Generic[T]):
    """An iterator in a thread of its own, since it may read one snapshot on one connection."""

    def __init__(
        self, call: Callable[[Store], Iterator[T]], opened: Callable[[], Store], name: str, closed: str
    ) -> None:
        self._call = call
        self._opened = opened
        self._name = name
        self._lane = Lane("iterates", 1, closed)
        self._records: Iterator[T] | None = None
        self._most: int | None = BATCH

    def more(self) -> Work[list[T]]:
        """The next records; none: that was all."""
        return self._lane.start(self._name, self._fetch)

    def _fetch(self) -> list[T]:
        if self._records is None:
            store = self._opened()
            if store.database.where == MEMORY:  # while it is read, nobody else would have the one connection
                self._most = None
            self._records = iter(self._call(store))
        return list(islice(self._records, self._most))

    def shut(self, then: Callable[[], None] = lambda: None) -> None:
        """Closes the iterator once its thread is free, and calls `then`."""
        with suppress(StoreUnavailable):
            self._lane.start(self._name, partial(self._drop, then)).unheard()
        self._lane.shut()

    def _drop(self, then: Callable[[], None]) -> None:
        try:
            close = getattr(self._records, "close", None)
            if close is not None:
                close()
        finally:
            then()

    def join(self) -> None:
        self._lane.join()
