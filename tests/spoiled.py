"""A file with a little of everything, and ways to spoil it."""

import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omega_models import IncomingMessage, Store
from omega_models.testing import FakeClock

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)
USER_MESSAGES = 30


def build(path: Path, *, clock: FakeClock | None = None) -> Path:
    """Tasks, a conversation and facts of one sender."""
    words = random.Random(1)
    with Store(path, clock=clock or FakeClock(NOON - timedelta(days=1)), durability="normal") as store:
        for number in range(USER_MESSAGES):
            said = " ".join(
                words.choices(("boat", "river", "lamp", "sieben", "Grüße", "naïve", "1984"), k=30)
            )
            store.store_exchange(IncomingMessage("chat", 42, f"{said} {number}", id=f"m{number}"), "I see.")
        store.store_fact(42, "name", "Ada")
        store.create_task("chat", 42, 42, "Call John", NOON - timedelta(hours=1))
        store.create_task("chat", 42, 42, "Water the plants", NOON + timedelta(days=1), "daily")
    return path


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """As another program would, on a connection of its own; the rows of the last one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        found: list[tuple[object, ...]] = []
        for statement in statements:
            found = connection.execute(statement).fetchall()
        return found


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def damage(path: Path, table: str = "messages") -> None:
    """Overwrites the middle of a page of that table with noise."""
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    ((page,),) = execute(path, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")
    assert isinstance(page, int)
    with path.open("r+b") as opened:
        opened.seek((page - 1) * 4096)
        opened.write(bytes([13, 0, 0, 255, 255]) + b"\xa5" * 2000)


def empty_log(path: Path) -> None:
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2]).fetchall()
print("open", flush=True)
sys.stdin.read()
"""

WRITE = """
import select, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
connection.execute("PRAGMA synchronous = OFF")
print("open", flush=True)
longest = count = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    begun = time.perf_counter()
    connection.execute("UPDATE facts SET value = ?", (str(count),))
    longest, count = max(longest, time.perf_counter() - begun), count + 1
print(count, longest, flush=True)
"""


@contextmanager
def another_program(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the file open when the block begins; closing its input ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
