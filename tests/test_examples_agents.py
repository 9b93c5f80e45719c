"""The Session for the Agents SDK, by the SDK's own Runner and a model that says what it is told to."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from omega_models import AsyncStore, IncomingMessage
from omega_models.testing import FakeClock

EXAMPLE = Path(__file__).parent.parent / "examples" / "agents_session.py"
ARGUMENTS = '{"due": "2026-03-02T10:00", "words": "Call John about the zebra"}'


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    import agents

    agents.set_tracing_disabled(True)
    spec = importlib.util.spec_from_file_location("agents_session", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # the SDK looks up a tool's annotations there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def script(*turns: Any) -> Any:
    """A model that answers with these in their order, and notes what it was given."""
    from agents import Model, ModelResponse, Usage

    class Scripted(Model):
        def __init__(self) -> None:
            self.given: list[tuple[str | None, Any]] = []
            self.turns = iter(turns)

        async def get_response(
            self, system_instructions: str | None, input: Any, *_: Any, **__: Any
        ) -> ModelResponse:
            self.given.append((system_instructions, input))
            turn = next(self.turns)
            if isinstance(turn, Exception):
                raise turn
            return ModelResponse(output=turn, usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            raise NotImplementedError

    return Scripted()


def said(text: str, number: int = 1) -> Any:
    from openai.types.responses import ResponseOutputMessage, ResponseOutputText

    words = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(
        id=f"msg_{number}", type="message", role="assistant", status="completed", content=[words]
    )


def thought() -> Any:
    from openai.types.responses import ResponseReasoningItem
    from openai.types.responses.response_reasoning_item import Summary

    summary = Summary(type="summary_text", text="A zebra wants to be called about.")
    return ResponseReasoningItem(id="rs_1", type="reasoning", summary=[summary])


def called() -> Any:
    from openai.types.responses import ResponseFunctionToolCall

    return ResponseFunctionToolCall(
        id="fc_1", call_id="call_1", type="function_call", name="remind", arguments=ARGUMENTS
    )


def asked(text: str, number: int) -> IncomingMessage:
    return IncomingMessage("terminal", "owner", text, platform_message_id=number)


def opened() -> AsyncStore:
    return AsyncStore(":memory:", clock=FakeClock("2026-03-02 09:00"))


def test_a_tool_call_is_there_for_the_next_run_and_for_nobody_else(example: ModuleType) -> None:
    model = script([thought(), called()], [said("Done.")], [said("At ten.", 2)])

    async def talk() -> None:
        async with opened() as store:
            await store.store_fact("owner", "name", "John")
            assert await example.answer(store, asked("Remind me at ten, please", 1), model) == "Done."
            (task,) = await store.get_tasks_for_sender("owner")
            assert task.description == "Call John about the zebra"
            assert await example.answer(store, asked("When will that be?", 2), model) == "At ten."
            conversation = await store.get_active_conversation_id("terminal", "owner")
            assert conversation is not None
            items = await store.get_items(conversation)
            kinds = [item.get("type", item.get("role")) for item in items]
            assert kinds == [
                *("user", "reasoning", "function_call", "function_call_output", "message"),
                *("user", "message"),
            ]
            instructions, given = model.given[-1]
            assert given == items[:-1]
            assert "name: John" in instructions
            assert items[2]["arguments"] == ARGUMENTS
            assert items[3]["output"] == "Set for 02 March 2026 10:00 UTC."
            assert await store.get_conversation_messages(conversation) == [
                ("user", "Remind me at ten, please"),
                ("assistant", "Done."),
                ("user", "When will that be?"),
                ("assistant", "At ten."),
            ]
            assert await store.search_messages("zebra", None, "owner") == []
            assert [each.content for each in await store.search_messages("remind me", None, "owner")]

    asyncio.run(talk())


def test_a_message_that_comes_twice_is_answered_once(example: ModuleType) -> None:
    model = script([said("Hello.")])

    async def talk() -> None:
        async with opened() as store:
            assert await example.answer(store, asked("Hi", 1), model) == "Hello."
            assert await example.answer(store, asked("Hi", 1), model) == ""
            assert (await store.get_memory_stats("owner")).messages == 2

    asyncio.run(talk())


def test_a_run_that_fails_loses_nothing_and_can_be_repeated(example: ModuleType) -> None:
    model = script([called()], RuntimeError("no network"), [said("Done.")])

    async def talk() -> None:
        async with opened() as store:
            with pytest.raises(RuntimeError, match="no network"):
                await example.answer(store, asked("Remind me, please", 1), model)
            assert len(await store.get_tasks_for_sender("owner")) == 1
            assert await example.answer(store, asked("Remind me, please", 1), model) == "Done."
            assert await example.answer(store, asked("Remind me, please", 1), model) == ""
            assert (await store.get_memory_stats("owner")).messages == 2

    asyncio.run(talk())


def test_the_session_is_the_sdks(example: ModuleType) -> None:
    from agents import Session

    async def talk() -> None:
        async with opened() as store:
            conversation = await store.get_or_create_conversation("terminal", "owner")
            session = example.StoreSession(store, conversation)
            assert isinstance(session, Session)
            items = [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "a"}]
            await session.add_items(items)
            assert await session.get_items() == items
            assert await session.get_items(1) == items[1:]
            assert await session.pop_item() == items[1]
            await session.clear_session()
            assert await session.get_items() == []
            assert await session.pop_item() is None

    asyncio.run(talk())
