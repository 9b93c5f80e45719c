"""A bot with a memory in plain asyncio: it talks on the terminal, and reminds while you type.

    python examples/asyncio_bot.py [memory.db]

Type anything, or `/remind 2030-03-01T09:00 Call John`; an empty line ends it. Start it again: it knows.
"""

import asyncio
import sys
from datetime import timedelta

from omega_models import AsyncStore, Context, IncomingMessage
from omega_worker import Delivery, Worker

PROMPT = "You are a kind assistant."


async def ask_model(context: Context) -> str:
    """Your model goes here. This one repeats what it was given, and so needs no network."""
    _system, messages = context.to_api_messages()
    return f"You said: {messages[-1]['content']} ({len(messages) - 1} messages before)"


async def remind(store: AsyncStore, words: str) -> str:
    """`2030-03-01T09:00 Call John`, as a task; the answer to show."""
    due, _, text = words.partition(" ")
    try:
        task = await store.add_task("terminal", "owner", "owner", text, due)
    except ValueError as error:  # every one says what to do
        return str(error)
    return f"I will remind you: {task.scheduled_for:%d %B %Y %H:%M} UTC"


async def answer(store: AsyncStore, line: str) -> str:
    if line.startswith("/remind "):
        return await remind(store, line.removeprefix("/remind "))
    async with store.exchange(IncomingMessage("terminal", "owner", line), PROMPT) as turn:
        turn.reply(await ask_model(turn.context))  # stored when the block ends, or marked where it failed
    return turn.text or ""


async def say(delivery: Delivery) -> None:
    """The channel of the worker: awaited on this loop, like everything here."""
    print(delivery.text, flush=True)


async def main(path: str) -> None:
    store = AsyncStore(path, conversation_timeout=timedelta(hours=8))
    async with store, Worker(store, {"terminal": say}):
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            print(await answer(store, line), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "memory.db"))
