"""What `omega-worker doctor` looks at, and how it repairs: the file first, then what stands in it."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from omega_models import (
    Store,
    StoreError,
    inspection,
    oddities,
    recall_soundness,
    server_findings,
    soundness,
    surroundings,
)
from omega_models.diagnosis import NOTE, OK, PROBLEM, Finding, counted
from omega_models.opening import POSTGRES, sqlite_path
from omega_models.overview import wal_bytes
from omega_models.sqlite_file import MEMORY, reading, translate
from omega_worker.commands.faults import Refused
from omega_worker.commands.opening import open_existing
from omega_worker.preflight import backup_ages
from omega_worker.settings import Settings


class Examined(NamedTuple):
    """`repaired`: what was done, in words, one each."""

    where: str
    found: list[Finding]
    repaired: list[str]


def examine(settings: Settings, now: datetime, *, fix: bool = False) -> Examined:
    """Looks at everything, repairs where `fix` says so, and then looks again.

    Raises `StoreError` or `Refused` where there is nothing to look at.
    """
    found = _look(settings, now)
    repaired = _repair(settings, found) if fix else []
    return Examined(_where(settings), _look(settings, now) if repaired else found, repaired)


def _where(settings: Settings) -> str:
    return "the server" if settings.database_url.startswith(POSTGRES) else str(_file(settings))


def _repair(settings: Settings, found: list[Finding]) -> list[str]:
    remedies = {each.remedy.name: each.remedy for each in found if each.remedy}
    if not remedies:
        return []
    with open_existing(settings) as store:
        return [f"{name}: {remedy.apply(store)}" for name, remedy in remedies.items()]


def _look(settings: Settings, now: datetime) -> list[Finding]:
    if settings.database_url.startswith(POSTGRES):
        with open_existing(settings) as store:
            lease = timedelta(seconds=settings.lease_seconds)
            around = server_findings.examine(store.database, lease)
            said = [Finding("database", OK, store.database.where), *around]
            return [*said, *recall_soundness.examine(store), *oddities.examine(store)]
    file = _file(settings)
    try:
        found = _in_file(file)
    except sqlite3.Error as error:
        raise translate(error, str(file)) from error
    if not any(each.topic in ("integrity", "upgrade") and each.level != OK for each in found):
        found += _in_rows(settings)
    return [*found, *_around(file, settings, now)]


def _file(settings: Settings) -> Path:
    path = sqlite_path(settings.database_url)
    file = Path(path).expanduser().absolute()
    if path == MEMORY or not file.exists():
        raise Refused(f"there is no database {file}: --database or OMEGA_DATABASE_URL names another")
    return file.resolve()


def _in_file(file: Path) -> list[Finding]:
    with reading(file) as connection:
        damage = soundness.integrity(connection)
        if damage[0].level == PROBLEM:
            return damage
        found = inspection.look(connection, str(file))
        steps = inspection.pending(connection, found)
        if steps or found.is_new:
            said = "it is empty" if found.is_new else f"{counted(len(steps), 'step')} behind this program"
            return [*damage, Finding("upgrade", NOTE, f"{said}: `omega-worker migrate` brings it up to date")]
        return [*damage, *soundness.schema_differences(connection), *soundness.search(connection)]


def _in_rows(settings: Settings) -> list[Finding]:
    try:
        with open_existing(settings) as store:
            indexes = [*soundness.search_structure(store), *recall_soundness.examine(store)]
            return [*indexes, *oddities.examine(store), _log(store)]
    except StoreError as error:
        return [Finding("database", PROBLEM, str(error))]


def _log(store: Store) -> Finding:
    return oddities.log_size(wal_bytes(store))


def _around(file: Path, settings: Settings, now: datetime) -> list[Finding]:
    left = [path.name for path in file.parent.glob("*.replaced-*.*") if path.name.startswith(f"{file.name}.")]
    return [
        *surroundings.permissions(file),
        surroundings.room(file, file.stat().st_size),
        surroundings.clock(now, _traces(file)),
        *backup_ages(settings, now),
        *oddities.leftovers(sorted(name for name in left if name.endswith((".part", ".copying")))),
    ]


def _traces(file: Path) -> list[tuple[str, datetime]]:
    try:
        with reading(file) as connection:
            return surroundings.traces(connection)
    except sqlite3.Error:
        return []
