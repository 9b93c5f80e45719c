"""The steps by name, and the SQL each one's file holds."""

import re
import sqlite3
from collections.abc import Iterator
from functools import cached_property
from importlib.resources import files

MADE = re.compile(r"CREATE (?:UNIQUE |VIRTUAL )?(TABLE|INDEX|TRIGGER) (\w+)")
VIRTUAL = "CREATE VIRTUAL TABLE"


class Made:
    """A table, index or trigger, as a step leaves it."""

    def __init__(self, sql: str, kind: str, name: str) -> None:
        self.sql = sql
        self.kind = "virtual" if sql.startswith(VIRTUAL) else kind.lower()
        self.name = name


class Step:
    """One step: `001_init` and its like are Omega's, `py014_…` and up are this program's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_own = name.startswith("py")
        self.number = int(name.removeprefix("py")[:3])

    def __repr__(self) -> str:
        return f"Step({self.name})"

    @cached_property
    def text(self) -> str:
        return files("omega_migrations").joinpath(f"{self.name}.sql").read_text(encoding="utf-8")

    @property
    def says(self) -> str:
        """What the step is for, in one sentence: the first line of its file."""
        return self.text.splitlines()[0].removeprefix("-- ")

    @cached_property
    def makes(self) -> tuple[Made, ...]:
        found = ((sql, MADE.match(sql)) for sql in statements(self.text))
        return tuple(Made(sql, match[1], match[2]) for sql, match in found if match)

    @cached_property
    def changes_to_rows(self) -> tuple[str, ...]:
        return tuple(sql for sql in statements(self.text) if not MADE.match(sql))

    @property
    def tables(self) -> tuple[Made, ...]:
        return tuple(made for made in self.makes if made.kind == "table")


def statements(text: str) -> Iterator[str]:
    """The statements of a file, without the comments between them."""
    pending = ""
    for line in text.splitlines():
        if not pending and (not line.strip() or line.startswith("--")):
            continue
        pending = f"{pending}\n{line}" if pending else line
        if sqlite3.complete_statement(pending):
            yield pending.removesuffix(";")
            pending = ""


def shape_after(step: Step) -> list[Made]:
    """Everything there is once this step has run, in the order it can be made."""
    latest = {made.name: made for earlier in STEPS if earlier.number <= step.number for made in earlier.makes}
    order = ("table", "virtual", "index", "trigger")
    return sorted(latest.values(), key=lambda made: order.index(made.kind))


def first_shape(table: str) -> Made:
    return next(made for step in STEPS for made in step.tables if made.name == table)


TRACKING = """CREATE TABLE _migrations (
    name TEXT PRIMARY KEY,
    applied_at TEXT NOT NULL DEFAULT (datetime('now'))
)"""

STEPS = tuple(
    Step(name)
    for name in (
        "001_init",
        "002_audit_log",
        "003_memory_enhancement",
        "004_fts5_recall",
        "005_scheduled_tasks",
        "006_limitations",
        "007_task_type",
        "008_user_aliases",
        "009_task_retry",
        "010_outcomes",
        "011_project_learning",
        "012_project_sessions",
        "013_multi_lessons",
        "py014_scheduling",
        "py015_conversations",
        "py016_recall",
        "py017_items_vectors",
        "py018_lanes",
    )
)
