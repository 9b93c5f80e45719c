"""What opening a database would do to it, found out without doing it."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from omega_migrations import STEPS
from omega_models import inspection, safety_copy, server_schema
from omega_models.database import Database
from omega_models.diagnosis import counted
from omega_models.errors import StoreUnavailable
from omega_models.safety_copy import megabytes
from omega_models.sqlite_file import MEMORY, reading, translate
from omega_models.times import system_clock

BACK_UP_FIRST = "all in one transaction; no copy is made: back up the server with its own tools first"


@dataclass(frozen=True)
class UpgradePlan:
    """`steps` are pairs of name and one sentence; `copy` is the file that would be made before them."""

    where: str
    is_new: bool = False
    steps: tuple[tuple[str, str], ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    size: int = 0
    copy: Path | None = None
    needed: int = 0
    free: int = 0
    on_server: bool = False

    @property
    def fits(self) -> bool:
        """Whether the disk has room for the copy and the upgrade."""
        return self.needed <= self.free

    def lines(self) -> list[str]:
        if self.is_new:
            return [f"{self.where}: would {'get its tables' if self.on_server else 'be created'}"]
        if not self.steps:
            return [f"{self.where}: up to date"]
        steps = [f"  {name}: {says}" for name, says in self.steps]
        if self.on_server:
            return [f"{self.where}: {counted(len(steps), 'step')} pending", *steps, f"  {BACK_UP_FIRST}"]
        return [
            f"{self.where} ({megabytes(self.size)}): {len(self.steps)} steps pending",
            *steps,
            *(f"  rows in {table}: {count}" for table, count in self.rows.items()),
            f"  a copy would be made first: {self.copy}"
            if self.copy
            else "  no copy: the file holds no rows",
            f"  needs {megabytes(self.needed)}, free {megabytes(self.free)}"
            + ("" if self.fits else ": NOT ENOUGH, the upgrade would refuse to start"),
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def plan(target: Database | Path | str, *, clock: Callable[[], datetime] = system_clock) -> UpgradePlan:
    """Reads only. `target` is a path, a `sqlite:///` URL or an open database; raises as opening would."""
    if isinstance(target, Database) and target.is_postgres:
        pending = server_schema.pending(target)
        steps = tuple((step.name, step.says) for step in pending)
        return UpgradePlan(target.where, is_new=len(pending) == len(STEPS), steps=steps, on_server=True)
    where = target.where if isinstance(target, Database) else str(target).removeprefix("sqlite:///")
    if where == MEMORY:
        return UpgradePlan(where, is_new=not isinstance(target, Database))
    file = Path(where).expanduser().resolve()
    if not file.exists():
        return UpgradePlan(str(file), is_new=True)
    if not file.is_file():
        raise StoreUnavailable(f"{file} is not a file: give the path of an Omega file or of a new one")
    try:
        return _plan_file(file, clock())
    except sqlite3.Error as error:
        raise translate(error, str(file)) from error


def _plan_file(file: Path, now: datetime) -> UpgradePlan:
    with reading(file) as connection:
        found = inspection.look(connection, str(file))
        steps = () if found.is_new else inspection.pending(connection, found)
        rows = inspection.owned_rows(connection)
        size = safety_copy.size(connection)
    return UpgradePlan(
        where=str(file),
        is_new=found.is_new,
        steps=tuple((step.name, step.says) for step in steps),
        rows=rows,
        size=size,
        copy=safety_copy.place(file, steps[0].name, now) if steps and rows else None,
        needed=safety_copy.needed(size, copies=bool(rows)) if steps else 0,
        free=safety_copy.free(file),
    )
