"""How long it takes to back up, verify and restore a big file, and how long others wait meanwhile.

    uv run python benchmarks/restore.py [--gigabytes 1]

The file holds conversations; every second message is a user's, and searchable. While it is backed up, a
process of its own writes a row at a time, as a bot would; its waits are compared with those without a
backup. Copying is by batches of pages in one read transaction; verifying is SQLite's integrity check, the
search index's, a count of all rows and a SHA-256.
"""

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from measuring import header, scratch, table

from omega_models import Store, backup, copying
from omega_models.restore import restore
from omega_models.sqlite_file import reading

BATCH = 2_000
WORDS = 1_000
WRITER = """
import sqlite3, sys, time, select
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
waits = []
print("open", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    begun = time.perf_counter()
    connection.execute("INSERT INTO user_aliases (alias_sender_id, canonical_sender_id) VALUES (hex(randomblob(16)), 'x')")
    waits.append(time.perf_counter() - begun)
waits.sort()
print(len(waits), waits[len(waits) // 2] * 1e3, waits[-1] * 1e3, flush=True)
"""


def fill(path: Path, size: int) -> None:
    """Messages of about a thousand characters, until the file has that size."""
    words = [
        "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(3, 9))) for _ in range(20_000)
    ]
    texts = [" ".join(random.choices(words, k=150)) for _ in range(WORDS)]
    with Store(path, durability="normal") as store:
        conversation = store.get_or_create_conversation("bench", "owner")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    insert = "INSERT INTO messages (id, conversation_id, role, content) VALUES (?, ?, ?, ?)"
    while path.stat().st_size < size:
        connection.execute("BEGIN")
        connection.executemany(insert, _messages(conversation, texts))
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _messages(conversation: str, texts: list[str]) -> Iterator[tuple[str, ...]]:
    for number in range(BATCH):
        role = "assistant" if number % 2 else "user"
        yield str(uuid.uuid4()), conversation, role, random.choice(texts)


class Bot:
    """A process that writes all the time."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def waits(self) -> tuple[int, float, float]:
        """How often it wrote, and the median and longest wait in milliseconds."""
        assert self._process.stdin
        self._process.stdin.write("enough\n")
        self._process.stdin.flush()
        count, middle, longest = self._read().split()
        self._process.stdin.close()
        self._process.wait()
        return int(count), float(middle), float(longest)


def measure(folder: Path, path: Path) -> list[list[str]]:
    size = path.stat().st_size
    rows = []

    def timed(name: str, begun: float) -> None:
        took = perf_counter() - begun
        rows.append([name, f"{took:.1f}", f"{size / took / 1e6:,.0f}"])

    begun = perf_counter()
    shutil.copyfile(path, folder / "plain")
    timed("plain copy, for comparison", begun)
    (folder / "plain").unlink()

    bot = Bot(path)
    begun = perf_counter()
    made = backup.make(path, folder / "backups", datetime.now(UTC))
    timed("back up and verify, a bot writing", begun)
    count, middle, longest = bot.waits()
    rows.append([f"  its {count:,} writes, ms: median {middle:.1f}, longest {longest:.0f}", "", ""])

    part = folder / "part"
    copying.create_like(path, part)
    begun = perf_counter()
    with reading(path) as source:
        copying.fill(source, part)
    timed("of that: copy", begun)
    begun = perf_counter()
    copying.verify(part)
    timed("of that: verify", begun)
    part.unlink()
    begun = perf_counter()
    backup.digest(made.file)
    timed("of that: SHA-256", begun)
    begun = perf_counter()
    restore(made.file, path, datetime.now(UTC), force=True)
    timed("restore: compare, copy, verify, swap", begun)
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=1.0, help="how big the file is")
    given = parser.parse_args()
    with scratch() as folder:
        path = folder / "memory.db"
        fill(path, int(given.gigabytes * 1e9))
        header(f"A file of {path.stat().st_size / 1e9:.2f} GB: backup and restore", folder)
        table(["", "seconds", "MB/s"], measure(folder, path))


if __name__ == "__main__":
    main()
