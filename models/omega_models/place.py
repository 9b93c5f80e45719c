"""Where a database file lies: whether the file that was opened is still there, and going on with another.

SQLite keeps using a file that was moved away or deleted, and would pair the log of the old one with the new.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from omega_models import times
from omega_models.errors import StoreError, StoreUnavailable
from omega_models.sqlite_file import MEMORY, real

if TYPE_CHECKING:
    from omega_models.store import Store

SETTLED = 1.0  # seconds that a new file must have stayed as it is: it may still be being copied
LOGS = ("-wal", "-shm")


class Look(NamedTuple):
    """What is at a place. `file` is None where nothing is."""

    file: tuple[int, int] | None
    content: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        return self.content[0]


def look(file: Path) -> Look:
    try:
        found = file.stat()
    except OSError:
        return Look(None)
    return Look((found.st_dev, found.st_ino), (found.st_size, found.st_mtime_ns))


class Place:
    """The place of a database that has been opened there."""

    def __init__(self, where: str) -> None:
        self.where = Path(where)
        self._real = real(where)
        self.file = look(self.where).file
        self._logs = self._logs_there()
        self._seen: tuple[Look, float] | None = None

    def _logs_there(self) -> dict[str, tuple[int, int] | None]:
        return {each: look(self._real.with_name(self._real.name + each)).file for each in LOGS}

    def is_kept(self) -> bool:
        """Whether the file that was opened is still there; costs microseconds."""
        kept = look(self.where).file == self.file
        if kept:
            self._logs = self._logs_there()
        return kept

    def require_settled(self) -> None:
        """Raises until another file is there, is not empty, and is no longer being written."""
        found, now = look(self.where), time.monotonic()
        if found.file is None:
            raise StoreUnavailable(
                f"{self.where} is gone: it was moved or deleted while in use. Put it back, or a backup"
            )
        if not found.size:
            raise StoreUnavailable(f"{self.where} was replaced by an empty file. Put an Omega file there")
        if self._seen is None or self._seen[0] != found:
            self._seen = (found, now)
        if now - self._seen[1] < SETTLED:
            raise StoreUnavailable(
                f"{self.where} was replaced by another file while in use: that one is used "
                "as soon as it is no longer being written"
            )

    def set_logs_aside(self, now: datetime) -> None:
        """What belongs to the file that was there must not be taken for the new one's."""
        if real(str(self.where)) != self._real:
            return  # the name leads elsewhere: they still lie beside their own file
        stamp = times.to_text(now).replace("-", "").replace(":", "").replace(" ", "T") + "Z"
        for suffix, known in self._logs.items():
            log = self._real.with_name(self._real.name + suffix)
            found = look(log)
            if known is None or found.file != known:
                continue
            with suppress(OSError):
                if found.size and suffix == "-wal":
                    log.replace(log.with_name(f"{log.name}.replaced-{stamp}"))
                else:
                    log.unlink()


def place_of(where: str) -> Place | None:
    """None where there is no file, as in memory or on a server."""
    return None if where == MEMORY or "://" in where else Place(where)


def is_kept(store: Store) -> bool:
    """Whether the file the Store has opened is still at its place, or there is none to look at."""
    place = store.database.place
    return place is None or (place.is_kept() and not store.database.lost)


def go_on_with_another(store: Store) -> None:
    """Opens what is at the file's place now in its stead, once it can be used; raises until then.

    The old one gets all that stands in its log. Other threads are refused meanwhile. Raises
    `StoreUnavailable` too where what is there is not Omega's: then it is left alone, and the next call looks again.
    """
    old = store.database
    if old.place is None or (old.closed and not old.lost):
        return
    kept = old.place.is_kept()
    if kept and not old.closed:
        return  # it was away, and is back
    if not kept:
        old.place.require_settled()
    if not old.closed:
        with suppress(StoreError):
            old.empty_log()
        old.lost = f"{old.where} was replaced by another file while in use"
        old.close()
        old.place.set_logs_aside(store.clock())
    try:
        store.database = old.again()
    except StoreError as error:
        old.lost = str(error)
        raise
