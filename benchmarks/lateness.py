"""How late reminders are sent: set by the worker's own process, by another one, and beside a bare loop.

    uv run python benchmarks/lateness.py [--count 200] [--seconds 60]

Reminders fall due at random whole seconds, several of them sometimes at the same one; late is from that
instant to the call of the channel. "Due at once": another process adds a reminder that is due already, and
late is from the moment it did so to the call. The bare loop is one thread that asks sqlite3 for what is due
and sleeps until the next instant.
"""

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measuring import CHANNEL, header, scratch, table

from omega_models import Store
from omega_worker.worker import Worker

LEAD = 3


def instants(count: int, seconds: int, generator: random.Random) -> list[datetime]:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LEAD)
    return sorted(start + timedelta(seconds=generator.randrange(seconds)) for _ in range(count))


def same_process(file: Path, count: int, seconds: int) -> list[float]:
    """All set beforehand and while it runs, through the Store the worker uses."""

    def add(store: Store) -> None:
        for due in instants(count, seconds, random.Random(1)):
            _remind(store, due, "ahead")

    return _delivered(file, count, add)


def other_process(file: Path, count: int, seconds: int) -> list[float]:
    """Set by another process, each a second or two ahead."""
    return _delivered(file, count, lambda _: _elsewhere("ahead", file, count, seconds))


def other_at_once(file: Path, count: int, seconds: int) -> list[float]:
    """Set by another process when they are due already."""
    return _delivered(file, count, lambda _: _elsewhere("at once", file, count, seconds))


def _delivered(file: Path, count: int, add: Callable[[Store], object]) -> list[float]:
    sent: list[tuple[float, str, float]] = []
    with Store(file) as store:
        worker = Worker(
            store, {CHANNEL: lambda it: sent.append((time.time(), it.text, it.scheduled_for.timestamp()))}
        )
        with worker:
            add(store)
            while len(sent) < count:
                time.sleep(0.1)
    return [_late(*each) for each in sent]


def _late(sent: float, text: str, due: float) -> float:
    added = text.rpartition("added at ")[2]
    return sent - (float(added.split()[0].rstrip(".")) if "added at " in text else due)


def _elsewhere(how: str, file: Path, count: int, seconds: int) -> None:
    subprocess.run([sys.executable, __file__, "--add", how, str(file), str(count), str(seconds)], check=True)


def add(how: str, file: Path, count: int, seconds: int) -> None:
    """The other process."""
    generator = random.Random(2)
    with Store(file) as store:
        for due in instants(count, seconds, generator):
            before = due.timestamp() - generator.uniform(1, 2 if how == "ahead" else 1.9)
            time.sleep(max(0.0, before - time.time()))
            _remind(store, due if how == "ahead" else datetime.now(UTC) - timedelta(seconds=2), how)


def _remind(store: Store, due: datetime, how: str) -> None:
    text = f"added at {time.time():.6f}" if how == "at once" else f"due {due}"
    store.create_task(CHANNEL, "sender", "chat", text, due, dedupe="off")


def bare_loop(file: Path, count: int, seconds: int) -> list[float]:
    """The least there can be: SELECT what is due, mark it, sleep until the next instant."""
    with Store(file) as store:
        for due in instants(count, seconds, random.Random(1)):
            _remind(store, due, "ahead")
    connection = sqlite3.connect(file, isolation_level=None)
    late: list[float] = []
    while len(late) < count:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        for row, due in connection.execute(
            "SELECT rowid, due_at FROM scheduled_tasks WHERE status = 'pending' AND due_at <= ?", (now,)
        ).fetchall():
            late.append(time.time() - _epoch(due))
            connection.execute(
                "UPDATE scheduled_tasks SET status = 'delivered', rev = rev + 1 WHERE rowid = ?", (row,)
            )
        ahead = connection.execute(
            "SELECT min(due_at) FROM scheduled_tasks WHERE status = 'pending' AND due_at > ?", (now,)
        ).fetchone()[0]
        if ahead:
            time.sleep(max(0.0, _epoch(ahead) - time.time()))
    return late


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


WAYS = {
    "bare sqlite3 loop": bare_loop,
    "same process": same_process,
    "another process, ahead": other_process,
    "another process, due at once": other_at_once,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200, help="reminders")
    parser.add_argument("--seconds", type=int, default=60, help="over how many seconds they are spread")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        with scratch() as folder:
            print(json.dumps(WAYS[given.one](folder / "memory.db", given.count, given.seconds)))
        return
    with scratch() as folder:
        header(f"Lateness of {given.count} reminders over {given.seconds} s, milliseconds", folder)
    rows, bare = [], 0.0
    for name in WAYS:
        late = _apart(name, given.count, given.seconds)
        p99 = late[int(0.99 * (len(late) - 1))]
        bare = bare or p99
        rows.append(
            [name, *(f"{1e3 * x:.2f}" for x in (late[len(late) // 2], p99, late[-1])), f"{p99 / bare:.2f}"]
        )
    table(["", "p50", "p99", "max", "p99 ÷ bare loop's"], rows)


def _apart(name: str, count: int, seconds: int) -> list[float]:
    command = [sys.executable, __file__, "--one", name, "--count", str(count), "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return sorted(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--add"]:
        add(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
