"""How long an event loop stands still while another process holds the write lock for half a second at a time.

    uv run python benchmarks/stall.py [--seconds 10] [--tasks 50] [--messages 20000]

A ticker asks to be woken every millisecond; stall is how much later it is. Meanwhile as many tasks as asked for
take turns at reading, searching, writing and whole exchanges on one file, each with a pause of up to a tenth of
a second in between. Beside it: the bare loop, and the same calls made on the loop by the Store itself. The model that
tells languages apart, loaded once a process where it is installed, is loaded before.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from measuring import apart, header, scratch, table

from omega_models import AsyncStore, IncomingMessage, Store, detect_language

TICK = 0.001
HELD, FREE = 0.5, 0.25
WORDS = "garden train apple letter river winter lamp music bread window harbour forest".split()
Call = Callable[[str, random.Random], Awaitable[object]]


async def stalls(seconds: float) -> list[float]:
    """How much later than asked for each tick came, in milliseconds."""
    found, end = [], perf_counter() + seconds
    while (began := perf_counter()) < end:
        await asyncio.sleep(TICK)
        found.append(1e3 * max(0.0, perf_counter() - began - TICK))
    return found


def hold(file: Path) -> None:
    """The other process: holds the write lock, lets go, and again, until it is told to end."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=30)
    while True:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(HELD)
        connection.execute("ROLLBACK")
        time.sleep(FREE)


def fill(file: Path, messages: int) -> None:
    """Conversations of ten senders."""
    generator = random.Random(1)
    with Store(file) as store, store.database.writing():
        ids = [store.get_or_create_conversation("bench", sender) for sender in range(10)]
        for n in range(messages):
            text = " ".join(generator.choices(WORDS, k=8))
            store.append_message(ids[n % 10], "user" if n % 20 < 10 else "assistant", text)


async def used(call: Call | None, tasks: int, seconds: float) -> dict[str, Any]:
    """The stalls, and how many calls were made meanwhile."""
    made = 0

    async def work(number: int) -> None:
        nonlocal made
        generator, sender = random.Random(number), str(number % 10)
        while call is not None:
            await call(sender, generator)
            made += 1
            await asyncio.sleep(generator.random() / 10)

    working = [asyncio.create_task(work(number)) for number in range(tasks)]
    found = await stalls(seconds)
    for each in working:
        each.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    return {"stalls": found, "calls": made}


async def nothing(_: Path, tasks: int, seconds: float) -> dict[str, Any]:
    """The loop alone."""
    return await used(None, tasks, seconds)


async def on_the_loop(file: Path, tasks: int, seconds: float) -> dict[str, Any]:
    """The Store's own methods, called as they are."""
    with Store(file) as store:

        async def call(sender: str, generator: random.Random) -> None:
            kind = generator.randrange(4)
            if kind == 0:
                store.get_facts(sender)
            elif kind == 1:
                store.search_messages(" ".join(generator.choices(WORDS, k=3)), None, sender)
            elif kind == 2:
                store.store_fact(sender, "word", generator.choice(WORDS))
            else:
                with store.exchange(IncomingMessage("bench", sender, "hello")) as turn:
                    turn.reply("hi")

        return await used(call, tasks, seconds)


async def awaited(file: Path, tasks: int, seconds: float) -> dict[str, Any]:
    """The same, awaited."""
    async with AsyncStore(file) as store:

        async def call(sender: str, generator: random.Random) -> None:
            kind = generator.randrange(4)
            if kind == 0:
                await store.get_facts(sender)
            elif kind == 1:
                await store.search_messages(" ".join(generator.choices(WORDS, k=3)), None, sender)
            elif kind == 2:
                await store.store_fact(sender, "word", generator.choice(WORDS))
            else:
                async with store.exchange(IncomingMessage("bench", sender, "hello")) as turn:
                    turn.reply("hi")

        return await used(call, tasks, seconds)


WAYS = {"the loop alone": nothing, "Store, on the loop": on_the_loop, "AsyncStore": awaited}


def measure(way: str, tasks: int, seconds: float, messages: int) -> dict[str, Any]:
    """In a process of its own, with another that locks."""
    with scratch() as folder:
        file = folder / "memory.db"
        fill(file, messages)
        detect_language("What is the weather like today?")
        other = subprocess.Popen([sys.executable, __file__, "--hold", str(file)])
        try:
            return asyncio.run(WAYS[way](file, tasks, seconds))
        finally:
            other.kill()
            other.wait()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20_000, help="that the file holds")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.tasks, given.seconds, given.messages)))
        return
    with scratch() as folder:
        header(f"Stall of the event loop, milliseconds; {given.tasks} tasks, {given.seconds:g} s", folder)
    options = [f"--{name}={getattr(given, name)}" for name in ("tasks", "seconds", "messages")]
    table(
        ["", "p50", "p99", "max", "calls"],
        [_row(way, apart(__file__, "--one", way, *options)) for way in WAYS],
    )


def _row(way: str, found: dict[str, Any]) -> list[str]:
    late = sorted(found["stalls"])
    shown = (late[len(late) // 2], late[int(0.99 * (len(late) - 1))], late[-1])
    return [way, *(f"{each:.2f}" for each in shown), str(found["calls"])]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hold"]:
        hold(Path(sys.argv[2]))
    else:
        main()
