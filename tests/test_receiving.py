"""A message from a platform is stored once and answered once, however often it is delivered."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omega_models import (
    Attachment,
    IncomingMessage,
    InvalidId,
    InvalidText,
    MessageMetadata,
    OutgoingMessage,
    Received,
    Store,
    StoreError,
    TextTooLong,
)
from omega_models.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, max_text=1000) as opened:
        yield opened


def message(text: str = "hello", sender: int = 42, **more: Any) -> IncomingMessage:
    return IncomingMessage("telegram", sender, text, **more)


def said(store: Store, conversation: str) -> list[str]:
    return [content for _, content in store.get_conversation_messages(conversation)]


def test_an_exchange_stores_both_sides(store: Store) -> None:
    conversation = store.store_exchange(
        message(), OutgoingMessage("hi", MessageMetadata("local", 12, 340, "m"))
    )
    question, answer = store.get_messages(conversation)
    assert (question.role, question.content, question.timestamp) == ("user", "hello", NOON)
    assert (answer.role, answer.content, answer.timestamp) == ("assistant", "hi", NOON)
    assert answer.metadata == {
        "provider_used": "local",
        "tokens_used": 12,
        "processing_time_ms": 340,
        "model": "m",
        "session_id": None,
    }
    assert store.get_active_conversation_id("telegram", 42) == conversation


def test_the_answer_may_be_text(store: Store) -> None:
    conversation = store.store_exchange(message(), "hi")
    assert store.get_messages(conversation)[1].metadata is None


def test_everything_known_of_the_message_is_kept(store: Store) -> None:
    incoming = message(
        "",
        sender_name="Ω",
        timestamp="2026-03-01T13:59:58+02:00",
        reply_to=77,
        source="voice",
        attachments=[Attachment("photo", "a.jpg", size=3), Attachment("audio", ref="r1")],
    )
    conversation = store.store_exchange(incoming, "nice")
    (found, _) = store.get_messages(conversation)
    assert (found.content, found.sender_name, found.timestamp) == ("", "Ω", NOON)
    assert found.metadata == {
        "sent_at": "2026-03-01T11:59:58+00:00",
        "reply_to": "77",
        "source": "voice",
        "attachments": [{"kind": "photo", "filename": "a.jpg", "size": 3}, {"kind": "audio", "ref": "r1"}],
    }


def test_exchanges_of_one_second_keep_their_order(store: Store) -> None:
    for number in range(10):
        conversation = store.store_exchange(message(f"q{number}"), f"a{number}")
    assert said(store, conversation) == [f"{side}{number}" for number in range(10) for side in "qa"]


def test_without_ids_the_same_words_are_another_message(store: Store) -> None:
    incoming = message()
    for _ in range(2):
        conversation = store.store_exchange(incoming, "hi")
    assert said(store, conversation) == ["hello", "hi"] * 2
    assert store.receive(incoming).is_new
    assert store.receive(incoming).is_new


# Receiving first


def test_what_is_received_is_there_before_the_answer(store: Store) -> None:
    received = store.receive(message(platform_message_id=7))
    assert received == Received(received.conversation_id, received.message_id, True)
    (found,) = store.get_messages(received.conversation_id)
    assert (found.id, found.role, found.content) == (received.message_id, "user", "hello")


@pytest.mark.parametrize(
    "ids",
    [
        {},
        {"id": "4f2c9a52-7d5c-4a7c-9df1-0f6b1e5b9a01"},
        {"platform_message_id": 7},
        {"platform_message_id": 7, "reply_target": 42},
        {"platform_message_id": 7, "reply_target": -1, "is_group": True},
        {"id": "4f2c9a52-7d5c-4a7c-9df1-0f6b1e5b9a01", "platform_message_id": 7},
    ],
)
def test_after_receiving_only_the_answer_is_stored(
    store: Store, clock: FakeClock, ids: dict[str, Any]
) -> None:
    received = store.receive(message(**ids))
    clock.advance(seconds=30)
    assert store.store_exchange(message(**ids), "hi") == received.conversation_id
    question, answer = store.get_messages(received.conversation_id)
    assert (question.id, question.content, question.timestamp) == (received.message_id, "hello", NOON)
    assert (answer.content, answer.timestamp) == ("hi", NOON + timedelta(seconds=30))


def test_an_id_of_its_own_becomes_the_rows(store: Store) -> None:
    assert store.receive(message(id="m-1")).message_id == "m-1"
    assert store.receive(message(id="m-1")).is_new is False


def test_messages_received_together_are_answered_each(store: Store) -> None:
    for text in ("a", "b"):
        conversation = store.receive(message(text)).conversation_id
    for text in ("a", "b"):
        store.store_exchange(message(text), f"to {text}")
    assert said(store, conversation) == ["a", "b", "to a", "to b"]


def test_an_answer_after_the_timeout_goes_where_its_question_is(store: Store, clock: FakeClock) -> None:
    received = store.receive(message(platform_message_id=7))
    clock.advance(hours=3)
    assert store.store_exchange(message(platform_message_id=7), "hi") == received.conversation_id
    assert store.store_exchange(message("more"), "yes") == received.conversation_id


# Delivered again


@pytest.mark.parametrize("again", [{}, {"text": "edited since"}, {"sender_name": "Ω"}])
def test_delivered_again_before_the_answer(store: Store, again: dict[str, Any]) -> None:
    incoming = message(platform_message_id=7, reply_target=42)
    first = store.receive(incoming)
    assert store.receive(replace(incoming, **again)) == first._replace(is_new=False)
    assert said(store, first.conversation_id) == ["hello"]


def test_delivered_again_after_the_answer(store: Store, clock: FakeClock) -> None:
    incoming = message(platform_message_id=7, reply_target=42)
    conversation = store.store_exchange(incoming, "hi")
    clock.advance(hours=3)
    assert store.store_exchange(incoming, "hi again") == conversation
    assert store.receive(incoming).is_new is False
    assert said(store, conversation) == ["hello", "hi"]
    assert store.get_active_conversation_id("telegram", 42) is None  # not touched either


@pytest.mark.parametrize("first", ["receive", "store_exchange"])
def test_delivered_again_by_another_process(tmp_path: Path, clock: FakeClock, first: str) -> None:
    incoming = message(platform_message_id=7)
    with Store(tmp_path / "m.db", clock=clock) as one:
        conversation = one.receive(incoming).conversation_id
        if first == "store_exchange":
            one.store_exchange(incoming, "hi")
    with Store(tmp_path / "m.db", clock=clock) as two:
        assert two.receive(incoming).is_new is False
        assert two.store_exchange(incoming, "hi") == conversation
        assert said(two, conversation) == ["hello", "hi"]


@pytest.mark.parametrize(
    "other",
    [
        {"channel": "signal"},
        {"reply_target": "43"},
        {"reply_target": None},
        {"platform_message_id": "8"},
    ],
)
def test_another_channel_chat_or_number_is_another_message(store: Store, other: dict[str, Any]) -> None:
    incoming = message(platform_message_id="7", reply_target="42")
    first = store.receive(incoming)
    assert store.receive(replace(incoming, **other)).is_new
    assert store.receive(incoming) == first._replace(is_new=False)


def test_where_no_chat_is_named_each_sender_has_their_own_numbers(store: Store) -> None:
    mine, theirs = (
        store.store_exchange(message(f"from {who}", who, platform_message_id=1), "hi") for who in (1, 2)
    )
    assert mine != theirs
    assert said(store, theirs) == ["from 2", "hi"]


# Conversations and groups


def test_the_conversation_may_be_named(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    clock.advance(hours=3)
    assert store.store_exchange(message(), "hi", conversation_id=conversation) == conversation
    assert said(store, conversation) == ["hello", "hi"]
    assert store.get_active_conversation_id("telegram", 42) == conversation


def test_a_conversation_of_another_sender_chat_or_channel_cannot_be_named(store: Store) -> None:
    others = [
        store.get_or_create_conversation("telegram", 43),
        store.get_or_create_conversation("telegram", 42, group=7),
        store.get_or_create_conversation("signal", 42),
        "unknown",
    ]
    for other in others:
        with pytest.raises(InvalidId):
            store.store_exchange(message(), "hi", conversation_id=other)
    assert [each for other in others for each in said(store, other)] == []
    assert store.get_active_conversation_id("telegram", 42) is None


def test_projects_have_their_own_conversations(store: Store) -> None:
    general, garden = store.store_exchange(message(), "hi"), store.store_exchange(message(), "hi", "garden")
    assert general != garden
    assert store.receive(message(), "garden").conversation_id == garden
    assert store.receive(message(), None).conversation_id == general  # type: ignore[arg-type]


def test_a_private_chat_and_groups_stay_apart(store: Store) -> None:
    places: list[dict[str, Any]] = [
        {},
        {"reply_target": 7, "is_group": True},
        {"reply_target": 8, "is_group": True},
    ]
    found = [store.store_exchange(message(f"in {place}", **place), "hi") for place in places]
    assert len(set(found)) == 3
    for place, conversation in zip(places, found, strict=True):
        assert store.receive(message("more", **place)).conversation_id == conversation
        assert said(store, conversation) == [f"in {place}", "hi", "more"]
    assert store.get_active_conversation_id("telegram", 42) == found[0]
    assert store.get_active_conversation_id("telegram", 42, group=7) == found[1]


def test_a_private_chat_is_one_wherever_the_answer_goes(store: Store) -> None:
    conversation = store.store_exchange(message(), "hi")
    assert store.store_exchange(message(reply_target=42), "hi") == conversation


# What cannot be stored


@pytest.mark.parametrize(
    ("error", "incoming", "response"),
    [
        (TextTooLong, message("x" * 1001), "hi"),
        (TextTooLong, message(), "x" * 1001),
        (InvalidText, message(), OutgoingMessage("hi", MessageMetadata(model="\ud83d"))),
        (InvalidText, message(), "a\0b"),
        (InvalidText, message(), None),
        (TextTooLong, message(source="x" * 100_000), "hi"),
        (TypeError, "hello", "hi"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    store: Store, error: type[Exception], incoming: Any, response: Any
) -> None:
    with pytest.raises(error):
        store.store_exchange(incoming, response)
    assert store.find_all_active_conversations() == []


def test_an_id_of_another_senders_message_is_refused(store: Store) -> None:
    theirs = store.receive(message("secret", 1, id="m-1")).conversation_id
    with pytest.raises(StoreError):
        store.store_exchange(message("mine", 2, id="m-1"), "hi")
    assert said(store, theirs) == ["secret"]
    assert store.get_active_conversation_id("telegram", 2) is None


def test_an_exchange_is_stored_wholly_or_not_at_all(tmp_path: Path, clock: FakeClock) -> None:
    with Store(tmp_path / "m.db", clock=clock) as store:
        with closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as connection:
            connection.execute("""CREATE TRIGGER refused BEFORE INSERT ON messages WHEN new.role = 'assistant'
                BEGIN SELECT RAISE(ABORT, 'no'); END""")
        with pytest.raises(StoreError):
            store.store_exchange(message(platform_message_id=7), "hi")
        assert store.find_all_active_conversations() == []
        assert store.receive(message(platform_message_id=7)).is_new


def test_an_exchange_is_one_transaction(tmp_path: Path) -> None:
    with Store(tmp_path / "m.db") as store:
        watch = store.database.watch()
        assert watch is not None
        begun: list[str] = []
        store.database.engine.connection().set_trace_callback(  # type: ignore[no-untyped-call]
            lambda sql: begun.append(sql) if sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT")) else None
        )
        store.store_exchange(message(platform_message_id=7), "hi")
        watch.close()
    assert begun == ["BEGIN IMMEDIATE", "COMMIT"]
