"""`omega-worker backup`, `backups` and `restore`."""

import json
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omega_models import backup as copies
from omega_models import restore as restoring
from omega_models.backup import Backup
from omega_models.copying import megabytes
from omega_models.diagnosis import counted
from omega_models.opening import POSTGRES, sqlite_path
from omega_models.restore import Restored
from omega_models.sqlite_file import MEMORY
from omega_worker.channels.console import visible
from omega_worker.commands.faults import Refused
from omega_worker.commands.lines import pairs
from omega_worker.commands.opening import settings_of
from omega_worker.commands.spans import span
from omega_worker.settings import Settings


def _file(settings: Settings) -> Path:
    if settings.database_url.startswith(POSTGRES):
        raise Refused(
            "this is for SQLite files: back up and restore a server with its own tools, such as pg_dump"
        )
    path = sqlite_path(settings.database_url)
    if path == MEMORY:
        raise Refused("a database in memory is not backed up")
    return Path(path).expanduser().absolute()


def _folder(settings: Settings, given: str | None) -> Path:
    named = given or settings.backup_folder
    if not named:
        raise Refused("no folder for backups is named: give --to FOLDER, or set OMEGA_BACKUP_FOLDER")
    return Path(named).expanduser().absolute()


def backup(arguments: Namespace) -> None:
    settings = settings_of(arguments)
    file, folder = _file(settings), _folder(settings, arguments.to)
    made = copies.make(file, folder, datetime.now(UTC))
    print(visible(f"backed up {file} to {made.file} ({megabytes(made.size)})"))
    pairs([("checked", f"integrity, search index, {counted(sum(made.rows.values()), 'row')}")])


def list_backups(arguments: Namespace) -> None:
    settings = settings_of(arguments)
    found = copies.find(_folder(settings, arguments.to))
    shown = [copies.compared(each) for each in found] if arguments.verify else found
    if arguments.json:
        print(json.dumps([_plain(each) for each in shown], indent=2))
        return
    if not shown:
        print("no backups")
        return
    from omega_worker.commands.tables import Column, print_table

    now = datetime.now(UTC)
    columns = [
        Column("BACKUP"),
        Column("AGE"),
        Column("SIZE", right=True),
        Column("ROWS", right=True),
        Column("VERIFIED", takes_rest=True, wraps=True),
    ]
    print_table(columns, [_row(each, now) for each in shown])


def _row(backup: Backup, now: datetime) -> tuple[str, ...]:
    rows = f"{sum(backup.rows.values()):,}" if backup.rows else "-"
    verified = f"NO: {backup.fault}" if backup.fault else "yes"
    return backup.file.name, span(now - backup.made_at), megabytes(backup.size), rows, verified


def _plain(backup: Backup) -> dict[str, Any]:
    known = vars(backup) | {"file": str(backup.file), "made_at": backup.made_at.isoformat()}
    return known | {"verified": backup.verified}


def restore(arguments: Namespace) -> None:
    settings = settings_of(arguments)
    file, source = _file(settings), Path(arguments.file).expanduser()
    if not source.exists() and settings.backup_folder and not source.is_absolute():
        source = _folder(settings, None) / source
    now = datetime.now(UTC)
    _tell(restoring.restore(source, file, now, force=arguments.force), now)


def _tell(done: Restored, now: datetime) -> None:
    print(visible(f"restored {done.file} from {done.source.file}"))
    age = span(now - done.source.made_at)
    rows = [
        ("made", f"{done.source.made_at:%Y-%m-%d %H:%M} UTC, {age} ago"),
        ("checked", f"integrity, search index, {counted(sum(done.rows.values()), 'row')}"),
        ("replaced", f"kept as {done.kept}" if done.kept else "nothing: there was no database"),
        ("steps", f"{done.pending} bring it up to date when it is opened" if done.pending else ""),
        ("due", _due(done.due)),
    ]
    pairs((key, visible(text)) for key, text in rows if text)


def _due(count: int) -> str:
    if not count:
        return ""
    tasks = "task is due by now and is" if count == 1 else "tasks are due by now and are"
    return (
        f"{count:,} {tasks} sent when a worker starts; what was sent after the backup was made is sent "
        "again, under the same key"
    )
