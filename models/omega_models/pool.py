"""A bounded number of connections that threads take in turn, each for one statement or transaction."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from omega_models.connections import CLOSE_SECONDS
from omega_models.errors import StoreBusy, StoreUnavailable

UNUSED_SECONDS = 300.0  # then an idle connection is closed


class Lent(Protocol):
    """What the pool asks of a connection."""

    def is_fit(self) -> bool:
        """Whether another thread could begin something on it."""
        ...

    def is_answering(self) -> bool:
        """The same after it has been idle; costs microseconds."""
        ...

    def close(self) -> None: ...


class InTurn:
    """Held by a thread while it needs a connection; the outermost exit gives it back."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._mine = threading.local()
        self._give_back = give_back

    @property
    def depth(self) -> int:
        return getattr(self._mine, "depth", 0)

    def __enter__(self) -> None:
        self._mine.depth = self.depth + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mine.depth -= 1
        if not self._mine.depth:
            self._give_back()


class Pool:
    """At most `most` connections; who finds all in use waits `patience` seconds for one."""

    def __init__(
        self,
        most: int,
        patience: float,
        give_back: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.in_use = InTurn(give_back)
        self._patience = patience
        self._clock = clock
        self._idle: list[tuple[Lent, float]] = []
        self._count = 0
        self.lost = 0  # how many were given back unfit for use
        self._closed = False
        self._changed = threading.Condition()

    def is_passing(self) -> bool:
        """A thread's connection never outlives what it does."""
        return False

    def take(self, connect: Callable[[], Lent]) -> Any:
        """An idle connection that can be used, else a new one. Raises `StoreBusy` where none comes free."""
        found = self._reserve()
        if found is not None:
            return found
        try:
            return connect()
        except BaseException:
            self._forget()
            raise

    def _reserve(self) -> Lent | None:
        """One that is idle, or None and the right to make one."""
        deadline = self._clock() + self._patience
        with self._changed:
            while True:
                if self._closed:
                    raise StoreUnavailable("this Store was closed; open a new one")
                while self._idle:
                    found, _ = self._idle.pop()
                    if found.is_answering():
                        return found
                    self._drop(found)
                if self._count < self.most:
                    self._count += 1
                    return None
                if not self._changed.wait(max(0.0, deadline - self._clock())) and self._clock() >= deadline:
                    raise StoreBusy(
                        f"all {self.most} connections were in use for {self._patience:g} s; nothing was "
                        "written. Try again, or allow more with max_connections (OMEGA_DATABASE_CONNECTIONS)"
                    )

    def give(self, connection: Lent) -> None:
        """Takes it back. One that is no longer fit for use speaks for those that lay idle beside it."""
        with self._changed:
            if self._closed or not connection.is_fit():
                self.lost += 1
                self._drop(connection)
                self._drop_idle(lambda _: True)
            else:
                self._idle.append((connection, self._clock()))
                self._drop_idle(lambda since: self._clock() - since > UNUSED_SECONDS)
            self._changed.notify()

    def _drop_idle(self, wanted: Callable[[float], bool]) -> None:
        for each in tuple(self._idle):
            if wanted(each[1]):
                self._idle.remove(each)
                self._drop(each[0])

    def _drop(self, connection: Lent) -> None:
        connection.close()
        self._count -= 1
        self._changed.notify()

    def _forget(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify()

    def open_connections(self) -> int:
        """How many there are, in use or idle."""
        return self._count

    def close_all(self) -> None:
        """Closes those that are idle, and each of the others once its thread has done with it."""
        deadline = self._clock() + CLOSE_SECONDS
        own = 1 if self.in_use.depth else 0
        with self._changed:
            self._closed = True
            self._drop_idle(lambda _: True)
            while self._count > own and (left := deadline - self._clock()) > 0:
                self._changed.wait(left)
