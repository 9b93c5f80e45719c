"""Tables: no frames, so that they can be read aloud, searched and cut; nothing in a text is markup."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from omega_worker.commands.lines import one_line

PIPED_WIDTH = 100


class Column(NamedTuple):
    """`takes_rest`: the one that gets the room that is left, and is cut where that does not do."""

    title: str
    right: bool = False
    takes_rest: bool = False
    wraps: bool = False


def console() -> Console:
    """On standard output: as wide as the terminal, or COLUMNS, or 100 characters where it is no terminal."""
    width = None if sys.stdout.isatty() else _columns()
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def _columns() -> int:
    said = os.environ.get("COLUMNS", "")
    return int(said) if said.isascii() and said.isdigit() and int(said) > 0 else PIPED_WIDTH


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, indent: int = 0, out: Console | None = None
) -> None:
    """Columns in which no row says anything are left out."""
    filled = [[one_line(cell) for cell in row] for row in rows]
    kept = [place for place in range(len(columns)) if any(row[place] for row in filled)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in (columns[place] for place in kept):
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            ratio=1 if column.takes_rest else None,
            min_width=12 if column.takes_rest else None,
        )
    for row in filled:
        table.add_row(*(Text(row[place]) for place in kept))
    _print_trimmed(out or console(), Padding(table, (0, 0, 0, indent), expand=False))


def _print_trimmed(out: Console, shown: RenderableType) -> None:
    """Without the blanks that tables are filled up with at the ends of lines."""
    with out.capture() as captured:
        out.print(shown)
    lines = (line.rstrip(" ") for line in captured.get().split("\n"))
    out.file.write("\n".join(lines))
    out.file.flush()
