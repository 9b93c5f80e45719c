"""Indexing what an older file holds, under a person's eyes: a bar on a terminal, else a line now and then."""

import sys
from collections.abc import Callable

from omega_models import recall_index
from omega_models.database import Database
from omega_worker.channels.console import visible

A_LINE_EACH = 10  # per cent


def index(database: Database) -> None:
    """Works off what waits for the index of recall. Broken off, it goes on the next time."""
    total = recall_index.count_waiting(database)
    if total:
        (_with_bar if sys.stdout.isatty() else _with_lines)(database, total)


def _with_lines(database: Database, total: int) -> None:
    _say(f"{database.where}: indexing {total:,} messages for recall")
    _say(f"  {recall_index.index_all(database, _now_and_then(total)):,} indexed")


def _now_and_then(total: int) -> Callable[[int], None]:
    said = [0]

    def tell(indexed: int) -> None:
        share = min(100, 100 * indexed // total)
        if said[0] + A_LINE_EACH <= share < 100:
            said[0] = share
            _say(f"  {share} %")

    return tell


def _with_bar(database: Database, total: int) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("indexing messages for recall", total=total)

        def tell(indexed: int) -> None:
            progress.update(bar, completed=indexed, total=max(total, indexed))

        recall_index.index_all(database, tell)


def _say(line: str) -> None:
    print(visible(line), flush=True)
