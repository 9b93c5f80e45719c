"""An agent of the OpenAI Agents SDK with a memory: a `Session` that keeps its items in the Store.

    OPENAI_API_KEY=… python examples/agents_session.py

What is said becomes messages, so that it is searched, summarised and forgotten like everything else. Tool
calls, their outputs and the model's reasoning come back to the agent exactly, and are nobody else's.
"""

import asyncio
from typing import Any

from agents import Agent, RunContextWrapper, Runner, function_tool

from omega_models import AsyncStore, IncomingMessage

PROMPT = "You are a kind assistant. Set a reminder when you are asked for one."


class StoreSession:
    """The SDK's `Session` over one conversation."""

    session_settings: Any = None

    def __init__(self, store: AsyncStore, conversation_id: str) -> None:
        self.store = store
        self.session_id = conversation_id

    async def get_items(self, limit: int | None = None) -> list[Any]:
        return await self.store.get_items(self.session_id, limit)

    async def add_items(self, items: list[Any]) -> None:
        await self.store.add_items(self.session_id, items)

    async def pop_item(self) -> Any:
        return await self.store.pop_item(self.session_id)

    async def clear_session(self) -> None:
        await self.store.clear_items(self.session_id)


@function_tool
async def remind(run: RunContextWrapper[tuple[AsyncStore, IncomingMessage]], due: str, words: str) -> str:
    """Reminds the user. `due` is ISO 8601 in UTC."""
    store, asked = run.context
    target = asked.reply_target or asked.sender_id
    task = await store.add_task(asked.channel, asked.sender_id, target, words, due)
    return f"Set for {task.scheduled_for:%d %B %Y %H:%M} UTC."


async def answer(store: AsyncStore, asked: IncomingMessage, model: Any = None) -> str:
    """The agent's answer. What the Store knows of the person goes into its instructions."""
    async with store.exchange(asked, PROMPT) as turn:
        if turn.answered:
            return ""
        agent = Agent("Omega", instructions=turn.context.system_prompt, tools=[remind], model=model)
        session = StoreSession(store, turn.conversation_id)
        run = await Runner.run(agent, asked.text, session=session, context=(store, asked))
        turn.reply(run.final_output)  # the session has stored it already; it is not stored twice
    return turn.text or ""


async def main() -> None:
    async with AsyncStore("memory.db") as store:
        while text := (await asyncio.to_thread(input, "> ")).strip():
            print(await answer(store, IncomingMessage("terminal", "owner", text)))


if __name__ == "__main__":
    asyncio.run(main())
