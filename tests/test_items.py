"""What an agent keeps of a conversation comes back exactly, and its words are messages like any other."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from omega_models import IncomingMessage, InvalidId, InvalidText, Store, TextTooLong
from omega_models.testing import FakeClock

ASKED = {"role": "user", "content": "What is the weather in Malmö? ☂"}
REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "A zebra looks it up."}],
    "encrypted_content": None,
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city": "Malmö", "zebra": true}',
    "status": "completed",
}
OUTPUT = {
    "type": "function_call_output",
    "call_id": "call_1",
    "output": [{"zebra": 1.5, "rain": [True, None]}],
}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Rain until noon.", "annotations": [], "logprobs": []}],
}
RUN = [ASKED, REASONING, CALL, OUTPUT, ANSWER]
PICTURE = {
    "role": "user",
    "content": [
        {"type": "input_text", "text": "Look:\nthis"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        {"type": "input_text", "text": "and that\n"},
    ],
}


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock(), max_text=500) as opened:
        yield opened


@pytest.fixture
def here(store: Store) -> str:
    return store.get_or_create_conversation("telegram", 42)


def said(store: Store, conversation: str) -> list[tuple[str, str]]:
    return [tuple(each) for each in store.get_conversation_messages(conversation)]  # type: ignore[misc]


def stored(store: Store) -> str:
    """All that the items' table holds."""
    return json.dumps(store.database.sql_rows("SELECT item FROM session_items"), ensure_ascii=False)


def test_a_run_comes_back_exactly_and_in_order(store: Store, here: str) -> None:
    store.add_items(here, RUN)
    store.add_items(here, [PICTURE, CALL, OUTPUT])
    found = store.get_items(here)
    assert found == [*RUN, PICTURE, CALL, OUTPUT]
    assert [list(item) for item in found[:5]] == [list(item) for item in RUN]
    assert store.get_items(here, limit=2) == [CALL, OUTPUT]
    assert store.get_items(here, 0) == []
    assert store.get_items("unknown") == []


def test_only_words_are_messages_and_they_are_kept_once(store: Store, here: str) -> None:
    store.add_items(here, [*RUN, PICTURE])
    assert said(store, here) == [
        ("user", "What is the weather in Malmö? ☂"),
        ("assistant", "Rain until noon."),
        ("user", "Look:\nthis\nand that\n"),
    ]
    assert store.get_memory_stats(42).messages == 3
    assert "weather in Malmö" not in stored(store)
    assert "Rain" not in stored(store)


def test_words_are_searched_and_tool_calls_never(store: Store, here: str) -> None:
    store.add_items(here, RUN)
    found = store.search_messages("weather in Malmö", None, 42)
    assert {each.content for each in found} == {"What is the weather in Malmö? ☂", "Rain until noon."}
    assert store.search_messages("zebra", None, 42) == []
    context = store.build_context(IncomingMessage("telegram", 42, "Is there a zebra?"), "You are kind.")
    assert "zebra" not in context.system_prompt
    assert [tuple(each) for each in context.history] == said(store, here)


@pytest.mark.parametrize(
    "item",
    [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "content": " \n"},
        {"role": "user", "content": []},
        {"role": "user", "content": 5},
        {"role": "user"},
        {"role": ["user"], "content": "a"},
        {"role": "user", "content": [{"type": "input_text", "text": 3}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "a", "type": "agent_message"},
        {"type": "item_reference", "id": "msg_1"},
        {"": {"a": [[], {}, "\\u0000", 2**70, -0.5]}},
        {},
    ],
)
def test_what_is_no_message_is_kept_whole(store: Store, here: str, item: dict[str, Any]) -> None:
    store.add_items(here, [item])
    assert store.get_items(here) == [item]
    assert said(store, here) == []


def test_a_received_message_is_not_stored_again_and_is_answered(store: Store) -> None:
    incoming = IncomingMessage("telegram", 42, ASKED["content"], platform_message_id=7)
    received = store.receive(incoming)
    here = received.conversation_id
    store.add_items(here, [ASKED])
    store.add_items(here, [{"role": "assistant", "content": "Let me look."}, CALL, OUTPUT])
    with store.exchange(incoming) as turn:
        assert (turn.duplicate, turn.answered) == (True, False)
    store.add_items(here, [REASONING, ANSWER])
    with store.exchange(incoming) as turn:
        assert turn.answered
        turn.reply("Rain until noon.")
    assert [text for _, text in said(store, here)] == [ASKED["content"], "Let me look.", "Rain until noon."]
    assert len(store.get_items(here)) == 6


def test_a_run_that_failed_may_be_repeated(store: Store) -> None:
    incoming = IncomingMessage("telegram", 42, ASKED["content"], platform_message_id=7)
    here = store.receive(incoming).conversation_id
    store.add_items(here, [ASKED, CALL, OUTPUT])
    assert store.receive(incoming).is_new is False
    store.add_items(here, [ASKED])
    store.add_items(here, [ASKED, CALL, OUTPUT, ANSWER])
    assert said(store, here) == [("user", ASKED["content"]), ("assistant", "Rain until noon.")]
    assert store.get_items(here) == [ASKED, CALL, OUTPUT, CALL, OUTPUT, ANSWER]
    store.add_items(here, [ASKED])
    assert len(said(store, here)) == 3


def test_an_exchange_that_was_stored_before_is_not_stored_again(store: Store) -> None:
    here = store.store_exchange(IncomingMessage("telegram", 42, ASKED["content"]), "Rain until noon.")
    store.add_items(here, RUN)
    assert len(said(store, here)) == 2
    assert store.get_items(here) == RUN
    store.add_items(here, RUN)
    assert len(said(store, here)) == 4
    assert store.get_items(here) == RUN + RUN


def test_an_edited_message_is_an_edited_item(store: Store) -> None:
    received = store.receive(
        IncomingMessage("telegram", 42, "Look:\nthis\nand that\n", platform_message_id=7)
    )
    store.add_items(received.conversation_id, [PICTURE, CALL])
    assert store.get_items(received.conversation_id) == [PICTURE, CALL]
    assert store.edit_message("telegram", 7, "Look there")
    edited, call = store.get_items(received.conversation_id)
    assert edited["content"] == [{"type": "input_text", "text": "Look there"}, PICTURE["content"][1]]
    assert call == CALL


def test_a_deleted_message_takes_its_item_along(store: Store) -> None:
    received = store.receive(IncomingMessage("telegram", 42, ASKED["content"], platform_message_id=7))
    store.add_items(received.conversation_id, RUN)
    assert store.delete_message("telegram", 7)
    assert store.get_items(received.conversation_id) == RUN[1:]
    assert store.database.sql_rows("SELECT count(*) FROM session_items") == [(4,)]


def test_an_item_whose_message_another_program_deleted_is_gone(store: Store, here: str) -> None:
    store.add_items(here, RUN)
    store.database.sql("DELETE FROM messages WHERE role = 'assistant'")
    assert store.get_items(here) == RUN[:-1]
    assert store.pop_item(here) == OUTPUT
    assert store.clear_items(here) == 4


def test_the_last_item_can_be_taken_back(store: Store, here: str) -> None:
    store.add_items(here, RUN)
    assert [store.pop_item(here) for _ in range(6)] == [*RUN[::-1], None]
    assert said(store, here) == []
    store.add_items(here, RUN)
    assert store.get_items(here) == RUN


def test_what_came_from_a_platform_stays_said(store: Store) -> None:
    incoming = IncomingMessage("telegram", 42, ASKED["content"], platform_message_id=7)
    here = store.receive(incoming).conversation_id
    store.add_items(here, RUN)
    assert store.pop_item(here) == ANSWER
    with store.exchange(incoming) as turn:
        assert not turn.answered
    assert store.clear_items(here) == 4
    assert store.get_items(here) == []
    assert said(store, here) == [("user", ASKED["content"])]
    store.add_items(here, RUN)
    assert len(said(store, here)) == 2


def test_conversations_are_apart(store: Store, here: str) -> None:
    other = store.get_or_create_conversation("telegram", 43)
    store.add_items(here, RUN)
    store.add_items(other, [CALL])
    assert store.get_items(other) == [CALL]
    assert store.clear_items(here) == 5
    assert store.pop_item(here) is None
    assert store.get_items(other) == [CALL]


def test_a_run_is_activity(store: Store, here: str) -> None:
    store.clock.advance(minutes=100)  # type: ignore[attr-defined]
    store.add_items(here, [CALL])
    store.clock.advance(minutes=100)  # type: ignore[attr-defined]
    assert store.get_active_conversation_id("telegram", 42) == here


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE


@pytest.mark.parametrize(
    ("item", "error", "words"),
    [
        ({"a": object()}, InvalidText, "JSON"),
        ({"a": float("nan")}, InvalidText, "JSON"),
        ({"a": 10**5000}, InvalidText, "JSON"),
        (CIRCLE, InvalidText, "JSON"),
        ({"a": (1, 2)}, InvalidText, "lists instead of tuples"),
        ({1: "a"}, InvalidText, "text as keys"),
        ({"a": [{"b\0": 1}]}, InvalidText, "NUL"),
        ({"role": "user", "content": "a\ud800"}, InvalidText, "surrogate"),
        ({"output": "a" * 500}, TextTooLong, "500"),
        ("text", ValueError, "dict"),
        (None, ValueError, "dict"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    store: Store, here: str, item: Any, error: type[ValueError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        store.add_items(here, [ASKED, item])
    assert "items[1]" in str(caught.value)
    assert store.get_items(here) == []
    assert said(store, here) == []


@pytest.mark.parametrize("items", ["text", 5, None, {"role": "user", "content": "a"}])
def test_items_are_a_list(store: Store, here: str, items: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        store.add_items(here, items)


def test_an_unknown_conversation_is_refused(store: Store) -> None:
    with pytest.raises(InvalidId, match="no conversation"):
        store.add_items("unknown", RUN)
    with pytest.raises(InvalidId):
        store.get_items("")
    store.add_items("unknown", [])
    assert store.database.sql_rows("SELECT count(*) FROM messages") == [(0,)]


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ({}, {"content": "Hi"}),
        ({"content": "long"}, {"content": "Hi"}),
        ({"content": [{"type": "text"}]}, {"content": [{"type": "text", "text": "Hi"}]}),
        ({"content": []}, {"content": []}),
    ],
)
def test_an_imported_item_may_be_of_any_shape(
    store: Store, item: dict[str, Any], read: dict[str, Any]
) -> None:
    store.add_items(store.get_or_create_conversation("telegram", 42), [{"role": "user", "content": "Hi"}])
    records = [
        record | {"item": json.dumps(item)} if record.get("table") == "session_items" else record
        for record in store.export_sender(42)
    ]
    with Store(":memory:") as other:
        other.import_records(records)
        (conversation,) = other.find_all_active_conversations()
        assert other.get_items(conversation.id) == [read]


def test_items_move_and_are_forgotten_with_the_rest(store: Store, here: str) -> None:
    store.add_items(here, [*RUN, PICTURE])
    with Store(":memory:") as other:
        other.import_records(store.export_sender(42))
        assert other.get_items(here) == [*RUN, PICTURE]
    assert store.forget_sender(42)["session_items"] == 6
    assert store.get_items(here) == []
    assert store.database.sql_rows("SELECT count(*) FROM session_items") == [(0,)]
