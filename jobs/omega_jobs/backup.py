"""Backups at intervals: any one of the workers makes them, and what was missed is made up for."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from omega_models import Store, backup
from omega_models.backup import Backup
from omega_models.copying import Stop, never
from omega_models.presence import release_lease, take_lease
from omega_models.sqlite_file import MEMORY

LEASE = "backup"
FOR = timedelta(hours=1)
SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Rules:
    """Where backups go, how old the newest may get, how many of those made here are kept."""

    folder: Path
    every: timedelta = timedelta(hours=24)
    keep: int = 7


class BackedUp(NamedTuple):
    """The backup that was made, and the older ones that made room for it."""

    made: Backup
    removed: list[Path]


def has_file(store: Store) -> bool:
    """Whether there is a file to copy: a server has tools of its own."""
    return not store.database.is_postgres and store.database.where != MEMORY


def due_in(store: Store, rules: Rules) -> timedelta:
    """How long until a backup is wanted, by the age of the newest there is; zero or less: now."""
    now = store.clock()
    made = (each.made_at for each in backup.find(rules.folder, store.database.where) if each.verified)
    newest = next((when for when in made if when <= now + SKEW), None)  # not by a clock gone wrong
    return timedelta(0) if newest is None else newest + rules.every - now


def backup_once(store: Store, worker_id: str, rules: Rules, stop: Stop = never) -> BackedUp | None:
    """Makes a backup where one is due. None: it is not, or another worker is at it.

    Raises `BackupFailed`, and `Stopped` once `stop()` says so.
    """
    if not has_file(store) or due_in(store, rules) > timedelta(0):
        return None
    token = take_lease(store, LEASE, worker_id, FOR)
    if token is None:
        return None
    try:
        if due_in(store, rules) > timedelta(0):  # another worker has just made it
            return None
        made = backup.make(store.database.where, rules.folder, store.clock(), scheduled=True, stop=stop)
        return BackedUp(made, backup.prune(rules.folder, store.database.where, rules.keep))
    finally:
        release_lease(store, LEASE, token)
