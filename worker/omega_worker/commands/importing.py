"""`omega-worker import`: brings in what `export` wrote."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from omega_models import InvalidRecord, Store
from omega_models.diagnosis import counted
from omega_models.importing import Imported, bring_in
from omega_worker.channels.console import visible
from omega_worker.commands.bars import Advance, bar
from omega_worker.commands.exporting import STANDARD
from omega_worker.commands.faults import Refused
from omega_worker.commands.lines import by_table, pairs, sentence
from omega_worker.commands.opening import open_store, settings_of


def import_file(arguments: Namespace) -> None:
    named = "standard input" if arguments.file == STANDARD else arguments.file
    with _opened(arguments.file) as (source, size), open_store(settings_of(arguments)) as store:
        try:
            done = _bring_in(store, source, size, dry_run=arguments.dry_run)
        except InvalidRecord as error:
            raise Refused(f"{named}, {error}") from error
    _say(done, named, dry_run=arguments.dry_run)


@contextmanager
def _opened(named: str) -> Iterator[tuple[BinaryIO, int | None]]:
    if named == STANDARD:
        yield sys.stdin.buffer, None
        return
    file = Path(named).expanduser()
    with file.open("rb") as source:
        yield source, file.stat().st_size


class _Reading:
    """The records of a file, and how far it has come: half of the way is checking them, half is writing them."""

    def __init__(self, source: BinaryIO, size: int, advance: Advance) -> None:
        self._source, self._size, self._advance = source, size, advance
        self._lines = 0

    def __iter__(self) -> Iterator[Any]:
        read = 0
        for line in self._source:
            self._lines += 1
            read += len(line)
            if self._lines % 100 == 0:
                self._advance(read)
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                what = "this line is not JSON as `omega-worker export` writes it"
                raise InvalidRecord(self._lines, what) from None

    def wrote(self, number: int) -> None:
        self._advance(self._size + self._size * number // self._lines)


def _bring_in(store: Store, source: BinaryIO, size: int | None, *, dry_run: bool) -> Imported:
    with bar("importing", 2 * size if size else None) as advance:
        reading = _Reading(source, size or 0, advance)
        return bring_in(store, reading, dry_run=dry_run, tell=reading.wrote)


def _say(done: Imported, named: str, *, dry_run: bool) -> None:
    written, known = sum(done.written.values()), sum(done.known.values())
    print(visible(f"{'would import' if dry_run else 'imported'} {counted(written, 'row')} from {named}"))
    pairs([("rows", by_table(done.written))] if written else [])
    if known:
        other = sum(done.different.values())
        differ = f", {other:,} of them with other content: {by_table(done.different)}" if other else ""
        sentence(f"{counted(known, 'row')} there already, left as they are{differ}")
