"""The commands that look after the database, with their options. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omega_worker.commands.arguments import Commands

CHECK = """\
Settings, channels, database, permissions, clock, zone data, disk and SQLite: everything that would keep a
worker from starting or from doing its work, at once. Nothing is changed, nothing is sent. Exit code: 0
where a worker can start, 1 where there is a problem; warnings and notes do not count.

examples:
  omega-worker check
  omega-worker check --json
"""
DOCTOR = """\
Integrity, references, schema, the indexes of search and recall; tasks that cannot be read, can never be due, or that nobody
serves; claims and leases left over; the clock, the disk, the age of backups. Programs may go on using the
database meanwhile. --fix mends what can be mended without losing anything anybody stored, and names it.
Exit code: 0 healthy, 1 problems, 2 it could not be examined.

examples:
  omega-worker doctor
  omega-worker doctor --fix
"""
BACKUP = """\
Nobody has to stop: who writes meanwhile does not wait. The copy gets its name once it has been checked,
and the record beside it says what was found. Backups made like this are never deleted by the worker; those
it makes itself, at intervals, come with OMEGA_BACKUP_FOLDER.

examples:
  omega-worker backup
  omega-worker backup --to /mnt/backups
"""
BACKUPS = """\
Verified means: checked when it was made, and of the same size since. --verify reads all of each again.

examples:
  omega-worker backups
  omega-worker backups --to /mnt/backups --verify
"""
RESTORE = """\
Stop every program that uses the database first. The backup is checked before anything is touched, and what
it replaces is kept beside it. Interrupted at any moment, the database is whole: the old one or the new one.

examples:
  omega-worker restore memory.db.20310501T120000Z.backup
  omega-worker --database /var/lib/omega/memory.db restore /mnt/backups/memory.db.20310501T120000Z.backup
"""
TRANSFER = """\
Everything moves: conversations, tasks, their ledger, leases. Stop the worker and the bots first. TO must be
empty, and is made if it is not there; FROM is only read. All rows are counted and compared at the end; broken
off, the same command goes on where it was. A file of an older version is copied and brought up to date first.
Leave passwords out of the command line, where others can see them: PGPASSFILE or ~/.pgpass holds them.

examples:
  omega-worker transfer memory.db postgresql://omega@db.internal/omega --dry-run
  omega-worker transfer memory.db postgresql://omega@db.internal/omega
  omega-worker transfer postgresql://omega@db.internal/omega /var/lib/omega/memory.db
"""


def add_upkeep(commands: Commands) -> None:
    _add_json(commands.add("check", "check:check", "look for what would keep a worker from working", CHECK))
    _doctor(commands)
    _backup(commands)
    _backups(commands)
    _restore(commands)
    _transfer(commands)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON (default: a table)")


def _doctor(commands: Commands) -> None:
    parser = commands.add("doctor", "doctor:doctor", "examine the database, and mend it", DOCTOR)
    parser.add_argument(
        "--fix", action="store_true", help="mend what can be mended safely (default: only look)"
    )
    _add_json(parser)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="FOLDER", help="the folder (default: OMEGA_BACKUP_FOLDER)")


def _backup(commands: Commands) -> None:
    _add_folder(commands.add("backup", "backups:backup", "copy the database while it is in use", BACKUP))


def _backups(commands: Commands) -> None:
    parser = commands.add("backups", "backups:list_backups", "list backups, the newest first", BACKUPS)
    _add_folder(parser)
    parser.add_argument(
        "--verify", action="store_true", help="compare each with what was made (default: its size only)"
    )
    _add_json(parser)


def _restore(commands: Commands) -> None:
    parser = commands.add("restore", "backups:restore", "put a backup in the place of the database", RESTORE)
    parser.add_argument("file", metavar="FILE", help="the backup, or its name in OMEGA_BACKUP_FOLDER")
    parser.add_argument(
        "--force", action="store_true", help="even if a worker was seen a moment ago (default: refuse)"
    )


def _transfer(commands: Commands) -> None:
    parser = commands.add(
        "transfer", "transferring:transfer", "move everything from one database to another", TRANSFER
    )
    parser.add_argument("source", metavar="FROM", help="path or URL of the database that is there")
    parser.add_argument("target", metavar="TO", help="path or URL of an empty one, or of none yet")
    parser.add_argument(
        "--dry-run", action="store_true", help="only read, and say what would be copied (default: copy)"
    )
    parser.add_argument(
        "--force", action="store_true", help="even if a worker was seen a moment ago (default: refuse)"
    )
