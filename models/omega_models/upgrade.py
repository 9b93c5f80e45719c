"""Opening brings a database to the present schema: a new one is created, an older file upgraded, once."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from omega_migrations import STEPS, Step, apply
from omega_models import inspection, safety_copy, schema, server_schema
from omega_models.database import Database
from omega_models.errors import MigrationFailed
from omega_models.inspection import Found
from omega_models.sqlite_file import BUSY_SECONDS, MEMORY, driver, reading, real, use_wal
from omega_models.times import system_clock
from omega_models.upgrade_plan import UpgradePlan, plan

__all__ = ["UpgradePlan", "UpgradeReport", "plan", "prepare"]

log = logging.getLogger("omega_models")

Progress = Callable[[str], None]

WAIT_SECONDS = 60.0  # for another process that is upgrading a big file


class UpgradeReport(NamedTuple):
    """What `prepare` did. `notes` are sentences that the owner of the file should read."""

    created: bool = False
    applied: tuple[str, ...] = ()
    copy: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Attempt:
    """One upgrade under way: who is told of it, and how far it came."""

    connection: sqlite3.Connection
    where: str
    tell: Progress
    now: datetime
    step: Step | None = None
    copy: Path | None = None


def prepare(
    database: Database, *, progress: Progress | None = None, clock: Callable[[], datetime] = system_clock
) -> UpgradeReport:
    """Creates the schema in a new database, or applies the pending steps to an older file: all or none.

    An up-to-date one is only read. Raises `StoreUnavailable` for a database that is not Omega's or is newer
    than this program, `MigrationFailed` where a step cannot be applied (the file is as it was), `StoreBusy`.
    """
    if database.is_postgres:
        return _prepare_server(database, clock())
    with database.translated():
        found = _look(database)
        if found.unrecorded:
            attempt = Attempt(driver(database), database.where, progress or (lambda _: None), clock())
            return _bring_up(database, found, attempt)
        if database.where != MEMORY:
            use_wal(database)
        return UpgradeReport()


def _look(database: Database) -> Found:
    """Where a -wal file lies beside it, read-only: what is refused must not be changed by looking."""
    if database.where != MEMORY:
        try:
            with reading(real(database.where)) as connection:
                return inspection.look(connection, database.where)
        except sqlite3.OperationalError:
            pass  # such as an interrupted write that only a writer can undo
    return inspection.look(driver(database), database.where)


def _bring_up(database: Database, found: Found, attempt: Attempt) -> UpgradeReport:
    if database.where != MEMORY:
        if not found.is_new:
            _require_space(attempt.connection, database.where)
        use_wal(database)
    try:
        with _transaction(attempt.connection):
            return _create_or_upgrade(database, attempt)
    except Exception as error:
        if attempt.step is None:
            raise
        raise MigrationFailed(_failure(attempt, error)) from error


def _create_or_upgrade(database: Database, attempt: Attempt) -> UpgradeReport:
    found = inspection.look(attempt.connection, database.where)  # another process may have been first
    if found.is_new:
        schema.create(database)
        _record(attempt, STEPS)
        return UpgradeReport(created=True, applied=tuple(step.name for step in STEPS))
    return _upgrade(attempt, found) if found.unrecorded else UpgradeReport()


def _upgrade(attempt: Attempt, found: Found) -> UpgradeReport:
    steps = inspection.pending(attempt.connection, found)
    attempt.copy = _copy(attempt, steps)
    broken = _dangling(attempt.connection)
    notes: list[str] = []
    for attempt.step in steps:
        attempt.tell(f"{attempt.step.name}: {attempt.step.says}")
        notes += apply(attempt.connection, attempt.step, exact=not found.unknown)
    _record(attempt, found.unrecorded)
    if new := _dangling(attempt.connection) - broken:
        raise sqlite3.IntegrityError(f"{len(new)} rows refer to rows that are gone: {sorted(new)[:3]}")
    for note in notes:
        log.warning("%s: %s", attempt.where, note)
    return UpgradeReport(applied=tuple(step.name for step in steps), copy=attempt.copy, notes=tuple(notes))


def _copy(attempt: Attempt, steps: list[Step]) -> Path | None:
    if attempt.where == MEMORY or not steps or not inspection.owned_rows(attempt.connection):
        return None
    file = real(attempt.where)
    copy = safety_copy.place(file, steps[0].name, attempt.now)
    attempt.tell(f"copying the file to {copy}")
    safety_copy.make(file, copy)
    return copy


def _require_space(connection: sqlite3.Connection, where: str) -> None:
    copies = bool(inspection.owned_rows(connection))
    try:
        safety_copy.require_space(
            real(where), safety_copy.needed(safety_copy.size(connection), copies=copies)
        )
    except MigrationFailed:
        with _transaction(connection):  # the room may be taken by a process that is about to finish this
            if inspection.look(connection, where).unrecorded:
                raise


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction in which tables can be rebuilt; all of it or nothing."""
    connection.execute(f"PRAGMA busy_timeout = {int(WAIT_SECONDS * 1000)}")
    connection.execute("PRAGMA foreign_keys = OFF")  # has no effect inside a transaction
    connection.execute("PRAGMA legacy_alter_table = ON")  # a rename leaves views and other tables' text alone
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA legacy_alter_table = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _dangling(connection: sqlite3.Connection) -> set[tuple[str, int, str]]:
    return {(table, row, parent) for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check")}


def _record(attempt: Attempt, steps: Iterable[Step]) -> None:
    rows = [(step.name, _text(attempt.now)) for step in steps]
    attempt.connection.executemany("INSERT INTO _migrations (name, applied_at) VALUES (?, ?)", rows)


def _text(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _failure(attempt: Attempt, error: Exception) -> str:
    full = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR"))
    remedy = "Free some space" if full else "Go on with the version used before, report this"
    kept = f". A copy of it is {safety_copy.discard_repeated(attempt.copy)}" if attempt.copy else ""
    return (
        f"{attempt.where} was not upgraded: step {attempt.step and attempt.step.name} failed ({error}). "
        f"The file is as it was. {remedy} and start again{kept}"
    )


def _prepare_server(database: Database, now: datetime) -> UpgradeReport:
    is_new, steps = server_schema.bring_up(database, _text(now))
    return UpgradeReport(created=is_new, applied=tuple(step.name for step in steps))
