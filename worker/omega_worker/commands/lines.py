"""Plain lines on standard output, and warnings beside them."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TextIO

from omega_worker.channels.console import visible

INDENT = 2
KEY = 9


def silence(stream: TextIO) -> None:
    """Nobody reads it any more: what is still written there goes nowhere, and is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def one_line(text: str) -> str:
    """What a person or another program wrote, safe for a terminal and on one line."""
    return visible(" ".join(text.split("\n")))


def headline(task_id: str, description: str) -> None:
    print(f"{visible(task_id[:8])}  {one_line(description)}")


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """`key  value` lines; longer ones are broken on a terminal only."""
    for key, value in rows:
        print(_wrapped(f"{'':{INDENT}}{key:<{KEY}} ", value))


def sentence(text: str) -> None:
    print(_wrapped(" " * INDENT, text))


def by_table(counts: Mapping[str, int]) -> str:
    """`messages 12, facts 3`: those there are."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def warn(text: str) -> None:
    sys.stdout.flush()
    print(_wrapped("omega-worker: ", visible(text), sys.stderr), file=sys.stderr)


def _wrapped(beginning: str, text: str, out: TextIO | None = None) -> str:
    if not (out or sys.stdout).isatty():
        return beginning + text
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(
        text,
        width,
        initial_indent=beginning,
        subsequent_indent=" " * len(beginning),
        break_on_hyphens=False,
        break_long_words=False,
    )
