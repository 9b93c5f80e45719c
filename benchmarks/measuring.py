"""What the measurements share: fresh processes, filled databases, an fsync probe, one table."""

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from omega_models import Store, times
from omega_models.tasks import insert_task

CHANNEL = "bench"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the temporary files, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="omega-bench-") as folder:
        yield Path(folder)


def fsync_ms(folder: Path) -> float:
    """The median of fifty small synchronous writes: what a commit at `full` waits for."""
    found = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(50):
            start = perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            found.append((perf_counter() - start) * 1e3)
    return median(found)


def header(title: str, folder: Path) -> None:
    """What was measured, where, and how fast its disk is today."""
    load = os.getloadavg()[0]
    print(f"{title}\nPython {sys.version.split()[0]}, {os.cpu_count()} cores, load {load:.1f}, ", end="")
    print(f"fsync {fsync_ms(folder):.2f} ms\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns: the first to the left, the others to the right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([row[0].ljust(len(first)), *rest]))


def fill(store: Store, count: int, due: Sequence[datetime], *, senders: int = 1000, prefix: str = "") -> None:
    """Adds `count` one-shot tasks, due in turn at the instants given, in transactions of 10,000."""
    made = times.to_text(datetime.now(UTC))
    for start in range(0, count, 10_000):
        with store.database.writing():
            numbers = range(start, min(count, start + 10_000))
            sets = [_task(n, f"{prefix}{n % senders}", due[n % len(due)], made) for n in numbers]
            store.database.many(insert_task, sets=sets)


def _task(number: int, sender: str, due_at: datetime, made: str) -> dict[str, Any]:
    due = times.to_text(due_at)
    return {
        "id": str(uuid.uuid4()),
        "channel": CHANNEL,
        "sender_id": sender,
        "reply_target": sender,
        "description": f"task number {number}",
        "due_at": due,
        "repeat": None,
        "created_at": made,
        "task_type": "reminder",
        "project": "",
        "scheduled_for": due,
        "anchor_local": due,
        "timezone": "UTC",
        "urgent": 0,
    }


def seconds_apart(start: datetime, count: int, step: float = 1.0) -> list[datetime]:
    """That many instants, each so many seconds after the one before."""
    return [start + timedelta(seconds=n * step) for n in range(count)]


def apart(script: str, *arguments: str) -> dict[str, Any]:
    """What `script` prints as JSON, run with those arguments in a process of its own."""
    done = subprocess.run(
        [sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True, check=False, timeout=1800
    )
    if done.returncode:
        raise SystemExit(f"{Path(script).name} {' '.join(arguments)} failed")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
