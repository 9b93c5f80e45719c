"""Turns to write to a SQLite file, so that nobody who waits is passed over for long.

SQLite knows no queue. Who finds another writing looks again, ever more rarely, ten times a second in the end:
while many write, who has waited longest gets a turn last, or not at all. Here the threads of a process stand in
line, and only the first of them looks whether another process is writing; the longer it waits, the oftener.
"""

import os
import random
import sqlite3
import threading
import time
from collections import deque

EAGER, CALM = 0.0003, 0.004  # seconds between two looks: of who has waited for long, and of who has just come
EAGER_AFTER = 1.0  # seconds
COURTESY = 0.001  # seconds that a process with a line of its own leaves to the others


class Line:
    """The threads of this process that want to write to one file, first come, first served."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def take(self) -> bool:
        """Whether it is this thread's turn at once."""
        with self._guard:
            free, self._taken = not self._taken, True
            return free

    def wait(self, patience: float) -> bool:
        """Whether it became this thread's turn in so many seconds."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=patience):
            return True
        with self._guard:
            if called in self._waiting:
                self._waiting.remove(called)
                return False
        return True  # it was called at the last moment

    def give(self) -> None:
        """Lets the next one write."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_lines: dict[str, Line] = {}
os.register_at_fork(after_in_child=_lines.clear)


class Turns(threading.local):
    """A thread's turn to write to the file; all Stores of a process stand in the same line."""

    def __init__(self, file: str) -> None:
        self._line = _lines.setdefault(file, Line())
        self._mine = False

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begins a write transaction, waiting as long as the connection's `busy_timeout` says."""
        ((patience,),) = connection.execute("PRAGMA busy_timeout").fetchall()
        until = time.monotonic() + patience / 1000
        at_once = self._line.take()
        self._mine = at_once or self._line.wait(patience / 1000)
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            _begin(connection, until, courteous=not at_once)
        except BaseException:
            self.end()
            raise
        finally:
            connection.execute(f"PRAGMA busy_timeout = {patience}")

    def end(self) -> None:
        """Lets the next one write, if it was this thread's turn."""
        if self._mine:
            self._mine = False
            self._line.give()


def _begin(connection: sqlite3.Connection, until: float, *, courteous: bool) -> None:
    begun = time.monotonic()
    if courteous:
        time.sleep(min(COURTESY, max(0.0, until - begun)))
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now >= until:
                raise
            pause = EAGER + (CALM - EAGER) * max(0.0, 1 - (now - begun) / EAGER_AFTER)
            time.sleep(min(pause * random.uniform(0.5, 1.5), until - now))
        else:
            return
