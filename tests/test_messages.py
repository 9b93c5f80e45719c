"""What was said comes back in the order it was said, with what is known of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omega_models import InvalidId, InvalidText, InvalidTime, Message, Store, TextTooLong
from omega_models.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, max_text=1000) as opened:
        yield opened


@pytest.fixture
def conversation(store: Store) -> str:
    return store.get_or_create_conversation("telegram", 42)


def texts(store: Store, conversation: str, limit: int | None = None) -> list[str]:
    return [message.content for message in store.get_messages(conversation, limit=limit)]


def test_messages_of_one_second_keep_their_order(store: Store, conversation: str) -> None:
    for number in range(20):
        store.append_message(conversation, "user" if number % 3 else "assistant", str(number))
    assert texts(store, conversation) == [str(number) for number in range(20)]
    assert [content for _, content in store.get_conversation_messages(conversation)] == texts(
        store, conversation
    )


def test_a_limit_gives_the_last_ones_oldest_first(store: Store, conversation: str, clock: FakeClock) -> None:
    for number in range(5):
        store.append_message(conversation, "user", str(number))
        clock.advance(seconds=number % 2)
    assert texts(store, conversation, limit=3) == ["2", "3", "4"]
    assert texts(store, conversation, limit=9) == ["0", "1", "2", "3", "4"]
    assert texts(store, conversation, limit=0) == []


def test_an_imported_message_takes_its_place_in_time(store: Store, conversation: str) -> None:
    store.append_message(conversation, "user", "now")
    store.append_message(conversation, "user", "before", timestamp="2026-03-01T11:00:00+00:00")
    store.append_message(conversation, "user", "long before", timestamp=datetime(2020, 1, 1))
    assert texts(store, conversation) == ["long before", "before", "now"]
    assert store.get_messages(conversation)[0].timestamp == datetime(2020, 1, 1, tzinfo=UTC)


def test_a_message_raises_the_last_activity_and_never_lowers_it(
    store: Store, conversation: str, clock: FakeClock
) -> None:
    clock.advance(hours=1)
    store.append_message(conversation, "user", "old", timestamp=NOON - timedelta(days=1))
    clock.advance(minutes=59)
    assert store.get_active_conversation_id("telegram", 42) == conversation
    store.append_message(conversation, "user", "new")
    clock.advance(minutes=119)
    assert store.get_active_conversation_id("telegram", 42) == conversation


def test_who_spoke_and_what_came_along_is_kept(store: Store, conversation: str) -> None:
    given = {"mood": "calm", "list": [1, None, "ü"], "deep": {"a": 0.5}}
    message_id = store.append_message(
        conversation, "user", "hi", sender_name="Ω", metadata=given, timestamp="2026-03-01 10:00:00.2"
    )
    (found,) = store.get_messages(conversation)
    assert found == (message_id, "user", "hi", NOON - timedelta(minutes=119, seconds=59), "Ω", given)


def test_nothing_known_is_none(store: Store, conversation: str) -> None:
    store.append_message(conversation, "assistant", "hi")
    (found,) = store.get_messages(conversation)
    assert (found.timestamp, found.sender_name, found.metadata) == (NOON, None, None)
    assert store.get_conversation_messages(conversation) == [Message("assistant", "hi")]


def test_an_unknown_conversation_is_empty(store: Store) -> None:
    assert store.get_messages("unknown") == []
    assert store.get_conversation_messages("unknown") == []


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (InvalidId, {"conversation_id": "unknown"}),
        (InvalidId, {"conversation_id": ""}),
        (ValueError, {"role": "system"}),
        (InvalidText, {"content": "a\0b"}),
        (InvalidText, {"content": "half \ud83d"}),
        (InvalidText, {"content": None}),
        (TextTooLong, {"content": "x" * 1001}),
        (InvalidTime, {"timestamp": "soon"}),
        (InvalidText, {"sender_name": "a\0b"}),
        (InvalidText, {"metadata": {"a": object()}}),
        (InvalidText, {"metadata": {"a": float("nan")}}),
        (InvalidText, {"metadata": {"a": "\ud83d"}}),
        (TextTooLong, {"metadata": {"a": "x" * 100_000}}),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    store: Store, conversation: str, clock: FakeClock, error: type[Exception], change: dict[str, Any]
) -> None:
    clock.advance(minutes=1)
    given = {"conversation_id": conversation, "role": "user", "content": "hi"}
    with pytest.raises(error):
        store.append_message(**(given | change))
    assert store.get_messages(conversation) == []
    clock.advance(minutes=119)
    assert store.get_active_conversation_id("telegram", 42) is None


def test_any_text_comes_back_as_it_was(store: Store, conversation: str) -> None:
    given = [
        "",
        "  ",
        "'; DROP TABLE messages; --",
        "múltiple\nlines\r\n",
        "🌳👩‍👩‍👧",
        "\u200f\x01",
        '{"a": 1}',
        "%s ?",
    ]
    for text in given:
        store.append_message(conversation, "user", text)
    assert texts(store, conversation) == given
