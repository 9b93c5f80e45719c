"""Hearing of changed tasks from a PostgreSQL server, by LISTEN; polling where that is not to be had.

Triggers notify of a task that was added, or is to be sent earlier than before, whoever wrote it; the payload is
its channel. The connection is the listener's own. One that is lost is made anew, with growing pauses.
"""

import random
import select
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psycopg

from omega_models.server_connection import Connector, ServerConnection

NEWS = "omega_tasks"
HEAR_SECONDS = 0.1  # in one look, so that whoever looks can also be told to end
POLL_SECONDS = 1.0  # between two looks while nothing is heard
PROBE_SECONDS = 15.0  # so often a silent connection is asked whether it is still one
ANSWER_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
POOLED = "a pooler stands before the server, and passes no notifications on: give the server's own address"


class Listener:
    """Tells whether a task of one of the channels may be due earlier than before; see `ChangeWatch`."""

    def __init__(
        self, connector: Connector, channels: Iterable[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.trouble: str | None = None
        self._channels = {"", *channels}  # a name too long for a notification comes as ''
        self._connector = connector
        self._clock = clock
        self._connection: ServerConnection | None = None
        self._probe_at = self._try_at = 0.0
        self._pause = FIRST_PAUSE
        self._closed = False

    @property
    def every(self) -> float:
        """Seconds between two looks; a look that listens waits by itself."""
        return 0.0 if self._connection is not None else POLL_SECONDS

    def changed(self) -> bool:
        """Waits a moment for news. True wherever something may have been missed."""
        try:
            if self._connection is not None:
                return self._hear(self._connection)
            if self._clock() >= self._try_at and not self._closed:
                self._listen()
        except (psycopg.Error, OSError) as error:
            self._lose(type(error).__name__)
        return True

    def _hear(self, connection: ServerConnection) -> bool:
        if self._clock() >= self._probe_at:
            connection.execute("SELECT 1")
            self._probe_at = self._clock() + PROBE_SECONDS
        elif not select.select([connection], [], [], HEAR_SECONDS)[0]:
            return False  # the driver's own wait costs ten times as much
        heard = [each.payload for each in connection.notifies(timeout=0)]
        return not self._channels.isdisjoint(heard)

    def _listen(self) -> None:
        if self._connector.pooled:
            self.trouble, self._try_at = POOLED, float("inf")
            return
        made = self._connector.connect()
        try:
            made.patience = ANSWER_SECONDS
            made.execute(f"LISTEN {NEWS}")
        except BaseException:
            made.close()
            raise
        self._connection, self.trouble, self._pause = made, None, FIRST_PAUSE
        self._probe_at = self._clock() + PROBE_SECONDS

    def _lose(self, why: str) -> None:
        self._drop()
        self.trouble = f"the connection that listens was lost ({why})"
        self._try_at = self._clock() + self._pause * random.uniform(0.5, 1)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _drop(self) -> None:
        gone, self._connection = self._connection, None
        if gone is not None:
            with suppress(psycopg.Error, OSError):
                gone.close()

    def close(self) -> None:
        self._closed = True
        self._drop()
