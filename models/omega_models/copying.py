"""A whole and verified copy of a SQLite file, under a name that appears once all of it is on the disk."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from omega_models import search_index
from omega_models.inspection import row_counts
from omega_models.sqlite_file import uri

PAGES = 1024  # a batch: whoever waits for this process, or wants it to stop, waits for no more
MOST_RESTARTS = 40
OPERATIONS = 100_000
WAIT_SECONDS = 60.0
HEADROOM = 4 * 1024 * 1024

Stop = Callable[[], bool]


class Stopped(Exception):
    """The copy was given up because it was asked to be."""


def never() -> bool:
    return False


class _Batches:
    """Looks in after each batch of pages."""

    def __init__(self, stop: Stop) -> None:
        self._stop, self._restarts = stop, 0
        self._left: int | None = None

    def __call__(self, _: int, left: int, __: int) -> None:
        if self._stop():
            raise Stopped
        self._restarts += self._left is not None and left >= self._left
        self._left = left
        if self._restarts > MOST_RESTARTS:
            raise sqlite3.OperationalError("others write to it all the time, and it does not use WAL")


def fill(source: sqlite3.Connection, part: Path, stop: Stop = never) -> None:
    """Copies all pages of one moment. Nobody who writes meanwhile waits, where the source uses WAL."""
    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode = OFF")  # until its name appears the part is worth nothing
        target.execute("PRAGMA synchronous = OFF")
        if source.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            source.execute("BEGIN")  # else a commit of somebody else would make it begin again
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
        try:
            source.backup(target, pages=PAGES, progress=_Batches(stop))
        finally:
            if source.in_transaction:
                source.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode = DELETE")  # so that it can be read from a read-only disk


def verify(part: Path, stop: Stop = never) -> dict[str, int]:
    """Rows by table of a copy nobody else has open; raises `sqlite3.DatabaseError` for a damaged one."""
    with closing(sqlite3.connect(uri(part, "immutable=1"), uri=True)) as copied:
        copied.set_progress_handler(stop, OPERATIONS)
        found = copied.execute("PRAGMA integrity_check(1)").fetchall()
        if found != [("ok",)]:
            raise sqlite3.DatabaseError(" ".join(str(found[0][0]).split()))
        rows = row_counts(copied)
    with closing(sqlite3.connect(part, isolation_level=None)) as copied:  # this check wants to be a writer
        copied.execute("PRAGMA journal_mode = MEMORY")
        search_index.check(copied)
    return rows


def create_like(model: Path, part: Path) -> None:
    """An empty file with the model's owner and permissions."""
    status = model.stat()
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        with suppress(PermissionError):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o777)
    finally:
        os.close(descriptor)


def put_in_place(part: Path, copy: Path) -> None:
    """The part gets its name, in one step, when all of it is on the disk."""
    sync(part)
    part.replace(copy)
    sync(copy.parent)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size(connection: sqlite3.Connection) -> int:
    pages, page_size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages) * int(page_size)


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def megabytes(size_in_bytes: int) -> str:
    if size_in_bytes >= 10_000_000_000:
        return f"{size_in_bytes / 1_000_000_000:.0f} GB"
    return f"{size_in_bytes / 1_000_000:.1f} MB"


def lack_of_room(folder: Path, size_in_bytes: int) -> str | None:
    """What to say where so much does not fit."""
    wanted, available = size_in_bytes + HEADROOM, free(folder)
    if wanted <= available:
        return None
    return f"{megabytes(wanted)} are needed in {folder}, and {megabytes(available)} are free"
