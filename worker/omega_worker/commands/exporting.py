"""`omega-worker export`: all that is kept of a person, as JSON lines."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from omega_models import copying
from omega_models.diagnosis import counted
from omega_worker.channels.console import visible
from omega_worker.commands.bars import bar
from omega_worker.commands.faults import Refused
from omega_worker.commands.opening import open_existing, settings_of

STANDARD = "-"


def export(arguments: Namespace) -> None:
    with open_existing(settings_of(arguments)) as store:
        expected = sum(store.forget_sender(arguments.sender, dry_run=True).values())
        if not expected:
            raise Refused(
                f"nothing is kept of '{visible(arguments.sender)}': is it spelt as the channel spells it?"
            )
        records = store.export_sender(arguments.sender)
        if arguments.to == STANDARD:
            _write(records, sys.stdout, expected)
            return
        file = Path(arguments.to).expanduser()
        with _new(file, replace=arguments.force) as out:
            written = _write(records, out, expected)
    print(visible(f"exported {counted(written - 1, 'row')} to {file}"))


def _write(records: Iterable[dict[str, Any]], out: TextIO, expected: int) -> int:
    """How many lines were written."""
    written = 0
    with bar("exporting", expected) as advance:
        for record, written in zip(records, count(1), strict=False):
            out.write(f"{json.dumps(record)}\n")
            if written % 100 == 0:
                advance(written)
    return written


@contextmanager
def _new(file: Path, *, replace: bool) -> Iterator[TextIO]:
    """For this user alone; it has its name once all is on the disk."""
    if file.is_dir():
        raise Refused(f"{file} is a folder: name a file in it")
    if file.exists() and not replace:
        raise Refused(f"there is already a file {file}: choose another name, or give --force to replace it")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
        copying.put_in_place(part, file)
    finally:
        part.unlink(missing_ok=True)
