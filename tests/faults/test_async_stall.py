"""Another process holds the write lock for half a second: an event loop goes on as if nothing were."""

import asyncio
import subprocess
import sys
from pathlib import Path
from statistics import quantiles
from time import perf_counter

from omega_models import AsyncStore, IncomingMessage

HELD = 0.5
TICK = 0.001
HOLD = f"""
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep({HELD})
connection.execute("ROLLBACK")
print("free", flush=True)
"""
TRIES = 5  # a busy machine stalls a loop by itself; one that waits for the lock does so every time


async def stalls(until: asyncio.Event) -> list[float]:
    """How much later than asked for the loop woke, in seconds."""
    found = []
    while not until.is_set():
        began = perf_counter()
        await asyncio.sleep(TICK)
        found.append(perf_counter() - began - TICK)
    return found


async def answer(store: AsyncStore, sender: int) -> str:
    async with store.exchange(IncomingMessage("telegram", sender, "What is the weather like?")) as turn:
        turn.reply("Fine.")
    return turn.conversation_id


async def one_lock(file: Path, store: AsyncStore) -> tuple[list[float], int]:
    """The stalls while it was held, and how many reads were answered meanwhile."""
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(file), stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"held\n"
    free, reads = asyncio.Event(), 0
    ticking = asyncio.create_task(stalls(free))
    writing = [asyncio.create_task(answer(store, sender)) for sender in range(1, 21)]
    freed = asyncio.create_task(other.stdout.readline())
    while not freed.done():
        await store.get_facts(reads % 20 + 1)
        reads += 1
        assert freed.done() or not any(each.done() for each in writing)
        await asyncio.sleep(0.005)
    free.set()
    found = await ticking
    ids = await asyncio.gather(*writing)
    assert len(set(ids)) == 20
    await other.wait()
    return found, reads


def test_the_loop_is_never_stalled_by_the_lock_and_reads_go_on(tmp_path: Path) -> None:
    file = tmp_path / "memory.db"

    async def use() -> None:
        async with AsyncStore(file, durability="normal", detect=lambda _: None) as store:
            await answer(store, 1)
            worst = []
            for _ in range(TRIES):
                found, reads = await one_lock(file, store)
                assert reads > 5
                worst.append((quantiles(found, n=100)[-1], max(found)))
                if worst[-1] < (0.02, 0.1):
                    break
            assert min(p99 for p99, _ in worst) < 0.05, worst
            assert min(longest for _, longest in worst) < HELD / 5, worst

    asyncio.run(use())
