"""Bars that show how far a long command has come: on standard error, and only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int], None]


@contextmanager
def bar(words: str, total: int | None) -> Iterator[Advance]:
    """Call what it yields with how much has been done so far; `total` None: nobody knows how much there is."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=total or None)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """Call what it yields with what is being done now."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Console(stderr=True).status("") as status:
        yield lambda words: status.update(Text(words))
