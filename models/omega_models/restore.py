"""Putting a backup in the place of the database: checked first, in one step, and what it replaces is kept."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from omega_models import backup, copying, inspection, times
from omega_models.errors import RestoreRefused, StoreError
from omega_models.presence import ALIVE_FOR
from omega_models.sqlite_file import BUSY_SECONDS, mode_of_new, reading, real, translate

BESIDE = ("-wal", "-journal", "-shm")
SHARED_BYTES = (0x40000002, 510)  # SQLite: every open connection in WAL mode holds a lock on one of these
Step = Callable[[str], object]


class Restored(NamedTuple):
    """What was done. `pending` steps will bring an older backup up to date when it is opened."""

    file: Path
    source: backup.Backup
    kept: Path | None
    rows: dict[str, int]
    pending: int
    due: int


def restore(
    source: Path, database: str | Path, now: datetime, *, force: bool = False, step: Step = lambda _: None
) -> Restored:
    """Puts a copy of `source` in the place of the database; raises `RestoreRefused` and leaves it as it was.

    `force` disregards workers that were seen within the last minute, never one that has the file open.
    Killed at any moment, the database is what it was before or what was restored, and nothing is lost.
    """
    file, given = real(str(database)), source.expanduser()
    try:
        _require(given, file)
        with _alone_in(file.parent):
            finish_interrupted(file)
            if not force:
                _refuse_live(file, now)
            return _restore(given, file, now, step)
    except sqlite3.Error as error:
        raise RestoreRefused(f"{given} was not restored: {error}. {file} is as it was") from error


def _require(source: Path, file: Path) -> None:
    if not source.is_file():
        raise RestoreRefused(f"there is no backup {source}: `omega-worker backups` shows those there are")
    if file.exists() and source.samefile(file):
        raise RestoreRefused(f"{source} is the database itself")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One restore at a time; the lock leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RestoreRefused(f"another restore is under way in {folder}: wait until it has ended") from None
    finally:
        os.close(descriptor)


def _refuse_live(file: Path, now: datetime) -> None:
    if not file.exists():
        return
    since = times.to_ms(now - ALIVE_FOR)
    live = "SELECT id FROM workers WHERE seen_ms >= ? ORDER BY started_ms"
    with suppress(sqlite3.DatabaseError, OSError):  # an older file, or a damaged one
        with reading(file) as connection:
            seen = connection.execute(live, (since,)).fetchall()
        if seen:
            raise RestoreRefused(
                f"worker {seen[0][0]} uses {file}: stop it first. If it was killed within the last minute, "
                "wait a minute, or give --force"
            )


def _restore(source: Path, file: Path, now: datetime, step: Step) -> Restored:
    part = file.with_name(f"{file.name}.restoring.part")
    part.unlink(missing_ok=True)
    try:
        known = _unchanged(source)
        pending = _fill(source, part, file)
        step("restore: copied")
        rows = _verify(part, known)
        due = _prepare(part, now)
        copying.sync(part)
        step("restore: verified")
        kept = _swap(part, file, now, step)
    finally:
        part.unlink(missing_ok=True)
    return Restored(file, known, kept, rows, pending, due)


def _unchanged(source: Path) -> backup.Backup:
    """A file without a record is taken as it is: other copies can be put back too."""
    known = backup.compared(backup.read(source))
    if known.sha256 and known.fault:
        raise RestoreRefused(f"{source} is not as it was made: {known.fault}. Choose another backup")
    return known


def _fill(source: Path, part: Path, file: Path) -> int:
    """Copies it; how many steps it is behind this program."""
    with reading(source.resolve()) as connection:
        found = _look(connection, source)
        lack = copying.lack_of_room(file.parent, copying.size(connection))
        if lack:
            raise RestoreRefused(f"{source} was not restored: {lack}. {file} is as it was")
        _create(part, file)
        copying.fill(connection, part)
        return len(inspection.pending(connection, found))


def _look(connection: sqlite3.Connection, source: Path) -> inspection.Found:
    try:
        found = inspection.look(connection, str(source))
    except sqlite3.Error as error:
        raise RestoreRefused(str(translate(error, str(source)))) from error
    except StoreError as error:
        raise RestoreRefused(str(error)) from error
    if found.is_new:
        raise RestoreRefused(f"{source} is an empty file, not a backup")
    return found


def _create(part: Path, file: Path) -> None:
    if file.exists():
        copying.create_like(file, part)
        return
    part.touch(mode=0o600)
    part.chmod(mode_of_new(file.parent))


def _verify(part: Path, known: backup.Backup) -> dict[str, int]:
    try:
        rows = copying.verify(part)
    except sqlite3.DatabaseError as error:
        raise RestoreRefused(f"{known.file} is damaged ({error}). Choose another backup") from error
    if known.rows and rows != known.rows:
        raise RestoreRefused(f"{known.file} does not hold the rows on record. Choose another backup")
    return rows


def _prepare(part: Path, now: datetime) -> int:
    """Takes out who was at work when it was made; how many tasks are due by now."""
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        for forget in ("DELETE FROM workers", "DELETE FROM leases"):
            with suppress(sqlite3.OperationalError):  # an older file has none
                connection.execute(forget)
        due = "SELECT count(*) FROM scheduled_tasks WHERE status = 'pending' AND due_at <= ?"
        with suppress(sqlite3.OperationalError):
            return int(connection.execute(due, (times.to_text(now),)).fetchone()[0])
    return 0


def _swap(part: Path, file: Path, now: datetime, step: Step) -> Path | None:
    if not file.exists():
        _clear_beside(file)
        copying.put_in_place(part, file)
        return None
    whole = _fold(file)
    step("restore: folded")
    with _locked(file) as opened:
        kept = _keep(file, opened, now, whole=whole and not _beside(file))
        step("restore: kept")
        _clear_beside(file)
        step("restore: cleared")
        copying.put_in_place(part, file)
        step("restore: replaced")
    finish_interrupted(file)
    step("restore: done")
    return kept


def _fold(file: Path) -> bool:
    """Brings what stands in the -wal file into the file itself; False for a damaged one.

    SQLite does that only for the last connection, so nobody else has the file open.
    """
    try:
        with reading(file) as connection:  # of one it cannot read it would throw the log away
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        with closing(sqlite3.connect(file, isolation_level=None, timeout=BUSY_SECONDS)) as connection:
            return bool(connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",))
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise _in_use(file) from error
        return False


def _in_use(file: Path) -> RestoreRefused:
    return RestoreRefused(
        f"another program has {file} open: stop it first. Nothing was changed (--force does not help: what that "
        "program writes would be lost)"
    )


@contextmanager
def _locked(file: Path) -> Iterator[IO[bytes]]:
    """Nobody else has it open, and nobody gets in; a damaged one cannot be asked through SQLite."""
    with file.open("r+b") as opened:
        start, length = SHARED_BYTES
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except OSError as error:
            raise _in_use(file) from error
        yield opened


def _beside(file: Path) -> list[Path]:
    found = (file.with_name(file.name + suffix) for suffix in BESIDE)
    return [path for path in found if path.exists()]


def _clear_beside(file: Path) -> None:
    """Before the new file comes: SQLite would take what lies beside it for its own."""
    for path in _beside(file):
        path.unlink()
    copying.sync(file.parent)


def _keep(file: Path, opened: IO[bytes], now: datetime, *, whole: bool) -> Path:
    """The old file under a second name; with what lies beside it, copied, where it cannot be folded in."""
    kept = _free_name(file, now)
    if whole:
        with suppress(OSError):  # not every disk has hard links
            os.link(file, _waiting(kept))
            return kept
    for path in _beside(file):
        if path.suffix != "-shm":
            _copy(path, kept.with_name(kept.name + path.name.removeprefix(file.name)))
    opened.seek(0)  # through what is open already: to close another would give up the lock
    _copy(file, kept, opened)
    return kept


def _copy(path: Path, kept: Path, opened: IO[bytes] | None = None) -> None:
    part = kept.with_name(f"{kept.name}.copying")
    copying.create_like(path, part)
    with part.open("wb") as target:
        if opened is None:
            with path.open("rb") as source:
                shutil.copyfileobj(source, target)
        else:
            shutil.copyfileobj(opened, target)
    copying.put_in_place(part, kept)


def _free_name(file: Path, now: datetime) -> Path:
    stem = f"{file.name}.replaced-{now.astimezone(UTC):{backup.STAMP}}"
    names = (f"{stem}{f'-{number}' if number else ''}" for number in range(1_000_000))
    taken = {path.name.removesuffix(".part") for path in file.parent.iterdir()}
    return file.with_name(next(name for name in names if name not in taken))


def _waiting(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.part")


def finish_interrupted(file: Path) -> list[Path]:
    """After a restore that was killed: what it had put aside gets its name, or goes where nothing was replaced."""
    found = sorted(file.parent.glob(f"{_escaped(file.name)}.replaced-*"))
    changed = [path for path in found if path.suffix in (".part", ".copying")]
    for path in changed:
        same = file.exists() and path.samefile(file)
        if path.suffix == ".copying" or same:
            path.unlink()
        else:
            path.rename(path.with_suffix(""))
    if changed:
        copying.sync(file.parent)
    return changed


def _escaped(name: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
