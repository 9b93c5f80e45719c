"""What the worker's and the senders' questions cost, by the number of pending tasks.

    uv run python benchmarks/due_query.py [--counts 1000,100000,1000000]

Each table holds that many tasks of the far future, a hundred a sender, and ten that are due. Beside the
Store: the statements of the program this one follows, through plain sqlite3 on the same file. Its ways are
a function around `due_at`, which no index serves, an ORDER BY for which the planner walks every task unless
somebody has run ANALYZE, and a comparison with all of a sender's tasks before one is added. Medians; `synchronous` is normal for both.
"""

import argparse
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count as counting
from pathlib import Path
from statistics import median
from time import perf_counter

from measuring import CHANNEL, fill, header, scratch, seconds_apart, table

from omega_models import Store
from omega_models.finding import next_due

EACH = 100  # tasks of a sender
DUE = 10
BUDGET = 1.0  # seconds for one cell

COLUMNS = "id, channel, sender_id, reply_target, description, repeat, task_type, project"
ORIGINAL_DUE = f"""SELECT {COLUMNS} FROM scheduled_tasks
    WHERE status = 'pending' AND datetime(due_at) <= datetime('now')"""
ORIGINAL_SENDER = """SELECT id, description, due_at, repeat, task_type, project FROM scheduled_tasks
    WHERE sender_id = ? AND status = 'pending' ORDER BY due_at ASC"""
ORIGINAL_TWIN = """SELECT id, description, due_at FROM scheduled_tasks
    WHERE sender_id = ? AND status = 'pending'"""
ORIGINAL_ADD = """INSERT INTO scheduled_tasks
    (id, channel, sender_id, reply_target, description, due_at, repeat, task_type, project)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def microseconds(call: Callable[[], object]) -> float:
    """The median of as many calls as fit into the budget, at least five; the first is not counted."""
    call()
    found: list[float] = []
    until = perf_counter() + BUDGET
    while len(found) < 5 or (perf_counter() < until and len(found) < 2000):
        start = perf_counter()
        call()
        found.append((perf_counter() - start) * 1e6)
    return median(found)


class Original:
    """The older program's statements on the same file."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = normal")

    def due(self) -> object:
        return self.connection.execute(ORIGINAL_DUE).fetchall()

    def of_sender(self) -> object:
        return self.connection.execute(ORIGINAL_SENDER, ("7",)).fetchall()

    def create(self, number: int) -> object:
        sender = str(number % EACH)
        text = f"call number {number}"
        words = set(text.split())
        for _, description, _ in self.connection.execute(ORIGINAL_TWIN, (sender,)).fetchall():
            words & set(description.split())
        values = (
            str(uuid.uuid4()),
            CHANNEL,
            sender,
            sender,
            text,
            "2090-01-01 00:00:00",
            None,
            "reminder",
            "",
        )
        return self.connection.execute(ORIGINAL_ADD, values)


def questions(store: Store, original: Original) -> Iterator[tuple[str, float, float | None]]:
    """Each with its cost here and there."""
    assert len(store.get_due_tasks()) == DUE
    yield "get_due_tasks, 10 due", microseconds(store.get_due_tasks), microseconds(original.due)
    yield "next_due", microseconds(lambda: next_due(store)), None
    ours = microseconds(lambda: store.get_tasks_for_sender("7"))
    yield "get_tasks_for_sender, 100 of theirs", ours, microseconds(original.of_sender)
    numbers = counting()
    due_at = datetime(2090, 1, 1, tzinfo=UTC)

    def create() -> object:
        number = next(numbers)
        return store.create_task(CHANNEL, number % EACH, 1, f"call number {number}", due_at + number * DAY)

    yield "create_task", microseconds(create), microseconds(lambda: original.create(next(numbers)))


DAY = timedelta(days=1)


def measure(count: int) -> list[tuple[str, float, float | None]]:
    with (
        scratch() as folder,
        Store(folder / "memory.db", durability="normal", max_pending_tasks=10**9) as store,
    ):
        far = seconds_apart(datetime.now(UTC) + timedelta(days=30), max(1000, count // 10), 60)
        fill(store, count - DUE, far, senders=max(1, count // EACH))
        fill(store, DUE, [datetime.now(UTC) - timedelta(minutes=1)], prefix="due")
        return list(questions(store, Original(folder / "memory.db")))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", default="1000,100000,1000000", help="pending tasks, separated by commas")
    counts = [int(each) for each in parser.parse_args().counts.split(",")]
    with scratch() as folder:
        header("Microseconds a call, by pending tasks", folder)
    found = [measure(count) for count in counts]
    head = ["", *(f"{count:,}" for count in counts), "last ÷ first", "original", "original ÷ ours"]
    rows = []
    for question in zip(*found, strict=True):
        name, ours, theirs = question[-1]
        first = question[0][1]
        cells = [f"{each[1]:,.0f}" for each in question]
        beside = [f"{theirs:,.0f}", f"{theirs / ours:,.1f}"] if theirs is not None else ["", ""]
        rows.append([name, *cells, f"{ours / first:.2f}", *beside])
    table(head, rows)
    print(f"\noriginal: its statement at {counts[-1]:,} tasks")


if __name__ == "__main__":
    main()
