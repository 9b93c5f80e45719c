"""Backups: copies of the file made while it is in use, each checked and on record before it counts."""

import fcntl
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import file_digest
from itertools import count
from pathlib import Path
from typing import Any

from omega_models import copying
from omega_models.copying import Stop, Stopped, never
from omega_models.errors import BackupFailed
from omega_models.sqlite_file import reading, real

STAMP = "%Y%m%dT%H%M%SZ"
NAME = re.compile(r"(?P<of>.+)\.(?P<stamp>\d{8}T\d{6}Z)(-\d+)?\.backup")
OURS = "omega-worker"


@dataclass(frozen=True)
class Backup:
    """A backup. `fault` says why it does not count as verified; None: made, checked, and still as it was."""

    file: Path
    made_at: datetime
    size: int
    database: str = ""
    scheduled: bool = False
    sha256: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    fault: str | None = None

    @property
    def verified(self) -> bool:
        return self.fault is None


def make(
    database: str | Path, folder: Path, now: datetime, *, scheduled: bool = False, stop: Stop = never
) -> Backup:
    """Copies the file into the folder, checks the copy, and writes beside it what was found.

    Nobody who uses the file waits for it. Raises `BackupFailed`, or `Stopped` once `stop()` says so.
    """
    file = real(str(database))
    try:
        _require(file, folder)
        _clear_parts(file, folder)
        with _reserved(file, folder, now) as (part, copy):
            with reading(file) as source:
                _require_room(source, folder)
                copying.fill(source, part, stop)
            rows = copying.verify(part, stop)
            made = Backup(
                copy, _whole(now), part.stat().st_size, str(file), scheduled, digest(part, stop), rows
            )
            _write_record(made)
            copying.put_in_place(part, copy)
    except (OSError, sqlite3.Error) as error:
        if stop():
            raise Stopped from error
        raise BackupFailed(_failure(file, folder, error)) from error
    return made


def _failure(file: Path, folder: Path, error: Exception) -> str:
    full = "full" in str(error) or "No space" in str(error)
    damaged = not full and not isinstance(error, OSError | sqlite3.OperationalError)
    remedy = (
        "Look at it with `omega-worker doctor`; earlier backups were left alone"
        if damaged
        else "Free some space or choose another folder, and try again"
    )
    return f"{file} was not backed up to {folder}: {error}. {remedy}"


def _require(file: Path, folder: Path) -> None:
    if not file.is_file():
        raise BackupFailed(f"there is no file {file} to back up")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _require_room(source: sqlite3.Connection, folder: Path) -> None:
    lack = copying.lack_of_room(folder, copying.size(source))
    if lack:
        raise OSError(f"the disk is too full: {lack}")


@contextmanager
def _reserved(file: Path, folder: Path, now: datetime) -> Iterator[tuple[Path, Path]]:
    """The part, locked so that others see who is at it, and the name it will get, which nothing has yet."""
    copy, part = _create(file, folder, now)
    descriptor = os.open(part, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield part, copy
    finally:
        if part.exists():  # it did not come to its name
            part.unlink()
            record_of(copy).unlink(missing_ok=True)
        os.close(descriptor)


def _create(file: Path, folder: Path, now: datetime) -> tuple[Path, Path]:
    stem = f"{file.name}.{now.astimezone(UTC):{STAMP}}"
    for number in count():
        copy = folder / f"{stem}{f'-{number}' if number else ''}.backup"
        part = copy.with_name(f"{copy.name}.part")
        if copy.exists() or record_of(copy).exists():
            continue
        with suppress(FileExistsError):
            copying.create_like(file, part)
            return copy, part
    raise AssertionError("numbers do not end")


def _clear_parts(file: Path, folder: Path) -> None:
    """What a process that was killed left half-written: nobody holds its lock."""
    for part in folder.glob("*.backup.part"):
        named = NAME.fullmatch(part.name.removesuffix(".part"))
        if named and named["of"] == file.name and _is_abandoned(part):
            record_of(part.with_suffix("")).unlink(missing_ok=True)
            part.unlink(missing_ok=True)


def _is_abandoned(part: Path) -> bool:
    try:
        descriptor = os.open(part, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def digest(file: Path, stop: Stop = never) -> str:
    if stop():
        raise Stopped
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


# The record beside a backup


def record_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.json")


def _write_record(made: Backup) -> None:
    """Before the backup has its name: one with a record was checked."""
    known = {
        "made_by": OURS,
        "made_at": made.made_at.isoformat(),
        "database": made.database,
        "scheduled": made.scheduled,
        "size": made.size,
        "sha256": made.sha256,
        "integrity": "ok",
        "rows": made.rows,
    }
    record = record_of(made.file)
    copying.create_like(made.file.with_name(f"{made.file.name}.part"), record)
    record.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    copying.sync(record)


def read(file: Path) -> Backup:
    """What is known of one file; a fault where it is not, or no longer, a verified backup."""
    size = file.stat().st_size
    try:
        known = json.loads(record_of(file).read_text(encoding="utf-8"))
        found = _from_record(file, known)
    except FileNotFoundError:
        return Backup(file, _stamp(file), size, fault="nothing is on record about it")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Backup(file, _stamp(file), size, fault="its record cannot be read")
    if found.size != size:
        return _faulty(found, f"it has {size:,} bytes, and had {found.size:,} when it was made")
    return found


def _from_record(file: Path, known: dict[str, Any]) -> Backup:
    if known["made_by"] != OURS:
        raise ValueError("someone else's")
    return Backup(
        file,
        datetime.fromisoformat(known["made_at"]).astimezone(UTC),
        int(known["size"]),
        str(known["database"]),
        bool(known["scheduled"]),
        str(known["sha256"]),
        {str(name): int(rows) for name, rows in known["rows"].items()},
    )


def _faulty(backup: Backup, fault: str) -> Backup:
    return Backup(**{**vars(backup), "fault": fault})


def _stamp(file: Path) -> datetime:
    named = NAME.fullmatch(file.name)
    if named:
        with suppress(ValueError):
            return datetime.strptime(named["stamp"], STAMP).replace(tzinfo=UTC)
    return datetime.fromtimestamp(int(file.stat().st_mtime), UTC)


def _whole(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(microsecond=0)


def compared(backup: Backup) -> Backup:
    """Read again to the last byte: a fault where one has changed since."""
    if backup.fault or digest(backup.file) == backup.sha256:
        return backup
    return _faulty(backup, "it has changed since it was made")


# The folder


def find(folder: Path, database: str | Path | None = None) -> list[Backup]:
    """The backups in a folder, newest first; of one file only, where it is named."""
    if not folder.is_dir():
        return []
    found = [read(file) for file in folder.glob("*.backup") if NAME.fullmatch(file.name) and file.is_file()]
    wanted = None if database is None else str(real(str(database)))
    mine = (each for each in found if wanted is None or each.database == wanted)
    return sorted(mine, key=lambda each: (each.made_at, each.file.name), reverse=True)


def copies(database: str | Path, folder: Path | None = None) -> list[Path]:
    """Every file that may still hold what was deleted since: backups, copies before upgrades, what was replaced."""
    file = real(str(database))
    folders = dict.fromkeys([file.parent, *([folder] if folder else [])])
    beside = [path for each in folders if each.is_dir() for path in each.iterdir()]
    kinds = (r"\.before-.+\.bak", r"(-wal)?\.replaced-.+", r"\.\d{8}T\d{6}Z(-\d+)?\.backup", r"\.restoring")
    name = re.compile(f"{re.escape(file.name)}(?:{'|'.join(kinds)})(\\.part)?")
    return sorted(path for path in beside if name.fullmatch(path.name))


def prune(folder: Path, database: str | Path, keep: int) -> list[Path]:
    """Deletes scheduled, verified backups of the file beyond the newest `keep`; those it deleted.

    What was made by hand, is damaged, or belongs to another file stays.
    """
    mine = [each for each in find(folder, database) if each.scheduled and each.verified]
    gone = [each.file for each in mine[max(1, keep) :]]
    for file in gone:
        file.unlink(missing_ok=True)
        record_of(file).unlink(missing_ok=True)
    return gone
