"""A message that is edited or deleted on its platform is so here, for searches too."""

from collections.abc import Iterator
from typing import Any

import pytest

from omega_models import IncomingMessage, InvalidId, Store
from omega_models.testing import FakeClock


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock()) as opened:
        yield opened


def message(text: str = "hello", sender: int = 42, **more: Any) -> IncomingMessage:
    return IncomingMessage("telegram", sender, text, **more)


def said(store: Store, conversation: str) -> list[str]:
    return [content for _, content in store.get_conversation_messages(conversation)]


def test_an_edited_message_reads_and_is_found_anew(store: Store) -> None:
    conversation = store.store_exchange(message("apple tree", platform_message_id=7, reply_target=42), "hi")
    assert store.edit_message("telegram", 7, "pear tree", reply_target=42) is True
    assert said(store, conversation) == ["pear tree", "hi"]
    if not store.database.is_postgres:
        assert (searched(store, "apple"), searched(store, "pear")) == (0, 1)


def test_a_deleted_message_is_gone_and_stays_deleted(store: Store) -> None:
    incoming = message("apple tree", platform_message_id=7, reply_target=42)
    conversation = store.store_exchange(incoming, "hi")
    store.store_fact(42, "likes", "apples")
    store.database.sql("UPDATE facts SET source_message_id = (SELECT id FROM messages WHERE role = 'user')")
    assert store.delete_message("telegram", "7", reply_target="42") is True
    assert store.delete_message("telegram", "7", reply_target="42") is False
    assert store.edit_message("telegram", 7, "pear", reply_target=42) is False
    assert store.receive(incoming).is_new is False
    assert said(store, conversation) == ["hi"]
    assert store.get_fact(42, "likes") == "apples"
    if not store.database.is_postgres:
        assert searched(store, "apple") == 0


def searched(store: Store, word: str) -> int:
    store.database.sql("INSERT INTO messages_fts(messages_fts) VALUES ('integrity-check')")
    found = store.database.sql_rows("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH ?", [word])
    return int(found[0][0])


def test_only_the_message_of_that_chat_is_changed(store: Store) -> None:
    chats = [
        store.store_exchange(message("a", platform_message_id=7, reply_target=to), "hi") for to in (1, 2)
    ]
    assert chats[0] == chats[1]
    assert store.edit_message("telegram", 7, "b") is False
    assert store.edit_message("signal", 7, "b", reply_target=1) is False
    assert store.edit_message("telegram", 7, "b", reply_target=2) is True
    assert said(store, chats[0]) == ["a", "hi", "b", "hi"]


def test_which_chat_must_be_said_where_several_have_that_number(store: Store) -> None:
    for sender in (1, 2):
        store.store_exchange(message("a", sender, platform_message_id=7), "hi")
    with pytest.raises(InvalidId, match="reply_target"):
        store.delete_message("telegram", 7)
    assert store.delete_message("telegram", 8) is False
