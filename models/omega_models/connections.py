"""One connection a thread, and closing them all while other threads may still be at work."""

import threading
from types import TracebackType
from typing import Any, Protocol

CLOSE_SECONDS = 10.0  # for a statement that runs; what takes longer keeps its connection until it has ended


class InUse(Protocol):
    """Held by a thread while it uses its connection; a driver may crash when that is closed meanwhile."""

    def __enter__(self) -> Any: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any: ...


class Lines(Protocol):
    """What a database's handle asks of its connections."""

    @property
    def in_use(self) -> InUse: ...

    def is_passing(self) -> bool:
        """Whether this thread's connection is worth a new one, before it begins something."""
        ...

    def close_all(self) -> None:
        """Closes each once its thread is not using it."""
        ...


class _OwnLock(threading.local):
    """A lock of each thread's own."""

    def __init__(self, locks: dict[threading.Thread, Any]) -> None:
        self._lock = locks[threading.current_thread()] = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Connections:
    """The open connections of one Store. `shared`: all threads take turns on a single one."""

    def __init__(self, *, shared: bool = False) -> None:
        self._locks: dict[threading.Thread, Any] = {}
        self._shared = threading.RLock() if shared else None
        self.in_use: InUse = self._shared or _OwnLock(self._locks)
        self._opened: dict[int, tuple[threading.Thread, Any]] = {}
        self._opened_lock = threading.Lock()
        self._mine = threading.local()

    def is_passing(self) -> bool:
        """Whether this thread's connection is worth a new one: it was opened when nothing could be written."""
        return getattr(self._mine, "passing", False)

    def opened(self, connection: Any, *, for_ever: bool = True) -> None:
        """Takes note of this thread's connection, and closes those of threads that are gone."""
        self._mine.passing = not for_ever
        with self._opened_lock:
            for key, (thread, abandoned) in tuple(self._opened.items()):
                if not self._shared and not thread.is_alive():
                    del self._opened[key]
                    abandoned.close()
            for thread in tuple(self._locks):
                if not thread.is_alive():
                    del self._locks[thread]
            self._opened[id(connection)] = (threading.current_thread(), connection)

    def closed(self, connection: Any) -> None:
        with self._opened_lock:
            self._opened.pop(id(connection), None)

    def close_all(self) -> None:
        """Closes each once its thread is not using it."""
        with self._opened_lock:
            opened = tuple(self._opened.values())
            self._opened.clear()
        for thread, connection in opened:
            lock = self._shared or self._locks.get(thread)
            if lock is None:
                connection.close()
            elif lock.acquire(timeout=CLOSE_SECONDS):
                try:
                    connection.close()
                finally:
                    lock.release()
