"""`omega-worker migrate`: brings an older database up to date, or says what that would do."""

from argparse import Namespace
from contextlib import closing

from omega_models import upgrade
from omega_models.database import Database
from omega_models.opening import POSTGRES, connect, sqlite_path
from omega_worker.channels.console import visible
from omega_worker.commands.indexing import index
from omega_worker.commands.opening import settings_of


def migrate(arguments: Namespace) -> None:
    settings = settings_of(arguments)
    if arguments.dry_run and not settings.database_url.startswith(POSTGRES):
        _say(*upgrade.plan(sqlite_path(settings.database_url)).lines())
        return
    with closing(connect(settings.database_url, settings.durability)) as database:
        if arguments.dry_run:
            _say(*upgrade.plan(database).lines())
        else:
            _say(*_summary(database, upgrade.prepare(database, progress=_say)))
            index(database)


def _summary(database: Database, report: upgrade.UpgradeReport) -> list[str]:
    if report.created:
        return [f"{database.where}: created"]
    if not report.applied:
        return [f"{database.where}: up to date, nothing to do"]
    kept = [f"  the file as it was: {report.copy}"] if report.copy else []
    notes = [f"  note: {note}" for note in report.notes]
    return [f"{database.where}: brought up to date in {len(report.applied)} steps", *kept, *notes]


def _say(*lines: str) -> None:
    for line in lines:
        print(visible(line), flush=True)
