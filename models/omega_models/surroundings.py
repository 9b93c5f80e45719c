"""What a database depends on and does not hold: permissions, room, the clock, zone data, SQLite itself."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import TZPATH

from omega_models import copying, times
from omega_models.copying import megabytes
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding
from omega_models.errors import InvalidTimezone
from omega_models.zones import zone

SANE_YEARS = range(2025, 2101)
SKEW, FAR_BEHIND = timedelta(minutes=2), timedelta(hours=1)
LITTLE_ROOM, SOME_ROOM = 50_000_000, 200_000_000
OLDEST_SQLITE = (3, 37)  # PRAGMA table_list; UPDATE … FROM and RETURNING are older
OLD_RULES = 2  # years: by then some government has changed its mind
TRACES = (
    ("workers", "SELECT max(seen_ms) FROM workers"),
    ("the ledger", "SELECT max(settled_ms) FROM task_occurrences"),
    ("the audit log", "SELECT max(timestamp) FROM audit_log"),
    ("conversations", "SELECT max(last_activity) FROM conversations WHERE status = 'active'"),
    ("conversations", "SELECT max(last_activity) FROM conversations WHERE status = 'closed'"),
)


def permissions(file: Path) -> list[Finding]:
    """Of a file that exists: who may read and write it, and what lies beside it."""
    found = list(_trouble_with(file))
    owner = f"{file.stat().st_mode & 0o777:04o}"
    return found or [Finding("permissions", OK, f"{owner}, readable and writable for this user")]


def _trouble_with(file: Path) -> Iterator[Finding]:
    folder = file.parent
    for path in (file, folder):
        if not os.access(path, os.R_OK | os.W_OK):
            yield Finding("permissions", PROBLEM, f"this user may not read and write {path}")
    if folder.stat().st_mode & stat.S_IWOTH and not folder.stat().st_mode & stat.S_ISVTX:
        yield Finding(
            "permissions", WARNING, f"anybody may replace files in {folder}: chmod o-w {folder.name}"
        )
    shared = bool(folder.stat().st_mode & stat.S_IWGRP)
    for path in (file, *(file.with_name(file.name + suffix) for suffix in ("-wal", "-shm"))):
        if path.exists():
            yield from _trouble_with_mode(path, shared=shared)


def _trouble_with_mode(path: Path, *, shared: bool) -> Iterator[Finding]:
    mode = path.stat().st_mode
    if mode & 0o007:
        yield Finding(
            "permissions",
            WARNING,
            f"everybody on this machine may open {path} ({mode & 0o777:04o}): chmod o-rwx {path.name}",
        )
    if shared and not mode & stat.S_IWGRP:
        yield Finding(
            "permissions",
            WARNING,
            f"its folder is shared with a group that may not write {path}: chmod g+rw {path.name}",
        )


def place(file: Path) -> list[Finding]:
    """Of a file that does not exist yet: whether it can be made."""
    folder = next(parent for parent in file.parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [Finding("permissions", PROBLEM, f"this user may not make {file}: it may not write to {folder}")]


def room(file: Path, size: int = 0) -> Finding:
    """Free space beside the file; an upgrade copies it."""
    folder = next(parent for parent in file.parents if parent.exists())
    free = copying.free(folder)
    said = f"{megabytes(free)} free in {folder}"
    if free < LITTLE_ROOM:
        return Finding("disk", PROBLEM, f"{said}: free some before something cannot be stored")
    if free < max(SOME_ROOM, 2 * size):
        return Finding("disk", WARNING, f"{said}: too little to copy the database and go on for long")
    return Finding("disk", OK, said)


def clock(now: datetime, traces: list[tuple[str, datetime]]) -> Finding:
    """Whether this machine's clock can be right, given when something was last written."""
    said = f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now.year not in SANE_YEARS:
        return Finding("clock", PROBLEM, f"this machine thinks it is {said}: set its clock")
    where, newest = max(traces, key=lambda trace: trace[1], default=("", now))
    behind = newest - now
    if behind <= SKEW:
        return Finding("clock", OK, said)
    level = PROBLEM if behind > FAR_BEHIND else WARNING
    return Finding(
        "clock",
        level,
        f"it is {said} here, and {where} has something from {newest:%Y-%m-%d %H:%M:%S}: one of the clocks is "
        "or was wrong",
    )


def traces(connection: sqlite3.Connection) -> list[tuple[str, datetime]]:
    """When something was last written, by where that can be seen."""
    found = []
    for where, query in TRACES:
        with suppress(sqlite3.DatabaseError, ValueError, OverflowError):
            newest = connection.execute(query).fetchone()[0]
            if newest is not None:
                found.append((where, _moment(newest)))
    return found


def _moment(stored: int | str) -> datetime:
    return times.from_ms(stored) if isinstance(stored, int) else times.from_text(stored[:19])


def file_traces(file: Path) -> list[tuple[str, datetime]]:
    paths = (file, file.with_name(f"{file.name}-wal"))
    return [(path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC)) for path in paths if path.exists()]


def zone_data(now: datetime) -> Finding:
    """Which rules of summer time are used."""
    try:
        zone("Europe/Berlin")
    except InvalidTimezone:
        return Finding("time zones", PROBLEM, "there is no zone data: pip install tzdata")
    name, release = _release()
    if release is None:
        return Finding("time zones", NOTE, f"{name}, of unknown age")
    if now.year - int(release[:4]) >= OLD_RULES:
        return Finding("time zones", WARNING, f"the rules of {name} are of {release}: update it")
    return Finding("time zones", OK, f"{name} {release}")


def _release() -> tuple[str, str | None]:
    for folder in map(Path, TZPATH):  # Python looks here first
        if (folder / "Europe" / "Berlin").exists():
            return str(folder), _system_release(folder)
    try:
        return "tzdata", version("tzdata")
    except PackageNotFoundError:
        return "tzdata", None


def _system_release(folder: Path) -> str | None:
    """`# version 2025b`, as the first line of a file that most systems have."""
    with suppress(OSError, UnicodeDecodeError):
        with (folder / "tzdata.zi").open(encoding="ascii") as rules:
            words = rules.readline().split()
        if words[:2] == ["#", "version"] and words[-1][:4].isdigit():
            return words[-1]
    return None


def sqlite_build() -> Finding:
    """Whether the SQLite that Python was built with can do what is asked of it."""
    here = sqlite3.sqlite_version
    lacks = [name for name, statement in NEEDED.items() if not _can(statement)]
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        lacks.insert(0, f"version {'.'.join(map(str, OLDEST_SQLITE))} or newer")
    if lacks:
        return Finding("SQLite", PROBLEM, f"{here} lacks {', '.join(lacks)}: use another build of Python")
    return Finding("SQLite", OK, f"{here} with {' and '.join(NEEDED)}")


NEEDED = {"FTS5": "CREATE VIRTUAL TABLE t USING fts5(a)", "JSON": "SELECT value FROM json_each('[1]')"}


def _can(statement: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError:
            return False
    return True
