"""`omega-worker transfer`: moves a whole memory between a file and a server."""

from argparse import Namespace
from contextlib import ExitStack

from omega_models import transfer as moving
from omega_models.diagnosis import counted
from omega_worker.channels.console import visible
from omega_worker.commands.bars import Advance, bar
from omega_worker.commands.opening import without_password

DOES = {
    "reading": "reading",
    "copying": "copying",
    "comparing": "comparing",
    "indexing": "indexing for recall",
}


class _Stages(ExitStack):
    """A bar for each stage; how much there is, is known once all of it was read."""

    def __init__(self) -> None:
        super().__init__()
        self._stage = ""
        self._done = self._total = 0
        self._advance: Advance = lambda _: None

    def tell(self, stage: str, _: str, rows: int) -> None:
        if stage != self._stage:
            self._total = self._done if self._stage == "reading" else self._total
            self.close()
            self._stage, self._done = stage, 0
            self._advance = self.enter_context(bar(DOES[stage], self._total))
        self._done += rows
        self._advance(self._done)


def transfer(arguments: Namespace) -> None:
    act = _look if arguments.dry_run else _move
    arguments.source = without_password(arguments.source, "FROM")
    arguments.target = without_password(arguments.target, "TO")
    with _Stages() as stages:
        lines = act(arguments, stages)
    title, rows, *rest = lines
    print(visible(title))
    _print_rows(rows)
    for line in rest:
        print(visible(line))


def _print_rows(rows: dict[str, int]) -> None:
    wide = max(map(len, rows))
    for name, count in rows.items():
        if count:
            print(f"  {name:<{wide}}  {count:>9,}")


def _look(arguments: Namespace, stages: _Stages) -> tuple[str, dict[str, int], str]:
    rows = moving.look(arguments.source, arguments.target, force=arguments.force, tell=stages.tell)
    return f"{counted(sum(rows.values()), 'row')} would be copied", rows, "nothing was written"


def _move(arguments: Namespace, stages: _Stages) -> tuple[str, dict[str, int], str]:
    done = moving.transfer(arguments.source, arguments.target, force=arguments.force, tell=stages.tell)
    total = sum(done.rows.values())
    known = total - done.written
    before = f", {known:,} of them by an earlier call" if known else ""
    return (
        f"{counted(total, 'row')} copied{before}; every one was read again and compared",
        done.rows,
        f"{counted(done.indexed, 'message')} indexed for recall; the source is as it was",
    )
