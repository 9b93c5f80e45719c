"""The copy of a file that is made, and read back, before an upgrade changes it."""

import logging
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from omega_models import copying
from omega_models.copying import HEADROOM, megabytes, size
from omega_models.errors import MigrationFailed
from omega_models.inspection import row_counts
from omega_models.sqlite_file import uri

__all__ = ["discard_repeated", "free", "make", "megabytes", "needed", "place", "require_space", "size"]

log = logging.getLogger("omega_models")


def place(file: Path, step: str, now: datetime) -> Path:
    """Where the copy goes: beside the file, under a name that nothing has yet."""
    stem = f"{file.name}.before-{step}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (f"{stem}{f'-{number}' if number else ''}.bak" for number in count())
    return next(path for path in map(file.with_name, names) if not path.exists())


def needed(database_size: int, *, copies: bool) -> int:
    """Bytes: the upgrade may write every page once more, and so does the copy."""
    return database_size * (2 if copies else 1) + HEADROOM


def free(file: Path) -> int:
    return copying.free(file.parent)


def require_space(file: Path, wanted: int) -> None:
    available = free(file)
    if available < wanted:
        raise MigrationFailed(
            f"{file} was not upgraded: the upgrade and the copy made before it need {megabytes(wanted)} in "
            f"{file.parent}, and {megabytes(available)} are free. Nothing was touched; free some space and start again"
        )


def make(file: Path, copy: Path) -> None:
    """A verified copy of the last committed state; the caller holds the write lock, so that is the present one."""
    part = copy.with_name(f"{copy.name}.part")
    try:
        _clear_parts(file)
        copying.create_like(file, part)
        with closing(_reading(file)) as source:
            copying.fill(source, part)
        _verify(file, part)
        copying.put_in_place(part, copy)
    except (OSError, sqlite3.Error) as error:
        raise MigrationFailed(
            f"{file} was not upgraded: no copy of it could be made at {copy} ({error}). The file is as it was; "
            "free some space or make the folder writable, and start again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    log.warning("%s is being upgraded; a copy of it as it was before is %s", file, copy)


def discard_repeated(copy: Path) -> Path:
    """After a failure that changed nothing: the copy to name. A loop of restarts must not fill the disk."""
    stem = re.sub(r"\d{8}T\d{6}Z(-\d+)?\.bak$", "", copy.name)
    beside = (path for path in copy.parent.iterdir() if path.suffix == ".bak" and path != copy)
    earlier = sorted(path for path in beside if path.name.startswith(stem))
    if not earlier:
        return copy
    copy.unlink()
    return earlier[-1]


def _clear_parts(file: Path) -> None:
    """What a killed process left half-written; whoever holds the write lock is the only one copying."""
    for path in file.parent.iterdir():
        if path.name.startswith(f"{file.name}.before-") and path.name.endswith(".bak.part"):
            path.unlink()


def _verify(file: Path, part: Path) -> None:
    with (
        closing(sqlite3.connect(uri(part, "immutable=1"), uri=True)) as copied,
        closing(_reading(file)) as source,
    ):
        found = copied.execute("PRAGMA quick_check").fetchall()
        if found != [("ok",)]:
            raise sqlite3.DatabaseError(f"the copy is damaged, perhaps as the file is: {found[0][0]}")
        if row_counts(copied) != row_counts(source):
            raise sqlite3.DatabaseError("the copy does not hold the same rows")


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(uri(file, "mode=ro"), uri=True, timeout=copying.WAIT_SECONDS)
