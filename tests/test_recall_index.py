"""The index of recall keeps itself: whoever writes, whatever is edited or deleted, and from the first day on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import old_files
import pytest

from omega_models import IncomingMessage, Store, recall_index
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock()) as opened:
        yield opened


def found(store: Store, query: str, sender: int | str = 42) -> list[str]:
    return [each.content for each in store.search_messages(query, "", sender)]


def test_what_is_stored_is_indexed_with_it(store: Store) -> None:
    store.store_exchange(IncomingMessage("telegram", 42, "a walrus", platform_message_id=1), "indeed")
    assert not recall_index.is_behind(store.database)
    assert found(store, "walrus") == ["a walrus", "indeed"]


def test_what_is_rolled_back_is_not(store: Store) -> None:
    with pytest.raises(RuntimeError), store.database.writing():
        store.store_exchange(IncomingMessage("telegram", 42, "a walrus"), "indeed")
        raise RuntimeError
    assert found(store, "walrus") == []
    store.store_exchange(IncomingMessage("telegram", 42, "a narwhal"), "indeed")
    assert found(store, "narwhal")


def test_edits_and_deletions_reach_it(store: Store) -> None:
    store.store_exchange(IncomingMessage("telegram", 42, "a walrus", platform_message_id=1), "indeed")
    store.edit_message("telegram", 1, "a narwhal")
    assert (found(store, "walrus"), found(store, "narwhal")) == ([], ["a narwhal", "indeed"])
    store.delete_message("telegram", 1)
    assert found(store, "narwhal") == []


def test_a_row_that_takes_the_place_of_a_deleted_one(store: Store) -> None:
    for text in ("a walrus", "a narwhal"):
        store.store_exchange(IncomingMessage("telegram", 42, text), "indeed")
        store.database.sql("DELETE FROM messages WHERE content LIKE 'a walrus'")
    assert found(store, "walrus") == []
    assert found(store, "narwhal")[0] == "a narwhal"


# Other programs


SAYS = "INSERT INTO messages (id, conversation_id, role, content, timestamp) VALUES ('{0}', '{1}', 'user', '{2}', '2026-01-01 00:00:00')"


def test_rows_of_the_older_program(tmp_path: Path) -> None:
    """Written through the triggers alone, by plain SQLite."""
    path = tmp_path / "memory.db"
    with Store(path, clock=FakeClock()) as store, closing(old_files.connect(path)) as other:
        conversation = store.get_or_create_conversation("telegram", 42)
        other.execute(SAYS.format("a", conversation, "a walrus"))
        other.execute(SAYS.format("b", conversation, "a narwhal"))
        assert len(found(store, "walrus narwhal")) == 2
        other.execute("UPDATE messages SET content = 'a penguin' WHERE id = 'a'")
        assert (found(store, "walrus"), "a penguin" in found(store, "penguin")) == ([], True)
        other.execute("UPDATE messages SET content = 'a lobster' WHERE id = 'a'")
        other.execute("DELETE FROM messages WHERE id = 'a'")
        assert (found(store, "penguin"), found(store, "lobster")) == ([], [])
        assert found(store, "narwhal") == ["a narwhal"]


def test_a_search_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Store(path, clock=FakeClock()) as store, closing(old_files.connect(path)) as other:
        store.store_exchange(IncomingMessage("telegram", 42, "a walrus"), "indeed")
        conversation = store.get_active_conversation_id("telegram", 42) or ""
        other.execute(SAYS.format("b", conversation, "another walrus"))
        other.execute("BEGIN IMMEDIATE")
        assert found(store, "walrus")[0] == "a walrus"
        other.execute("ROLLBACK")
        assert "another walrus" in found(store, "walrus")


# Files from before there was an index


def test_messages_of_an_older_file_are_found(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with Store(path) as store:
        rows = store.database.sql_rows(
            "SELECT c.sender_id, m.content FROM messages m JOIN conversations c ON c.id = m.conversation_id"
        )
        assert rows
        for sender, content in rows:
            assert not content.strip() or content in found(store, content, sender)


def test_many_are_indexed_in_batches_that_can_be_broken_off(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    count = 2 * recall_index.MORE_AT_ONCE + 10
    with Store(path, clock=FakeClock(), durability="normal") as store:
        conversation = store.get_or_create_conversation("telegram", 42)
        with store.database.writing():
            for n in range(count):
                store.database.sql(SAYS.format(f"m{n}", conversation, f"walrus number {n}"))
        told: list[int] = []

        def stop(done: int) -> None:
            told.append(done)
            if len(told) == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            recall_index.index_all(store.database, stop)
        assert found(store, f"number {count - 1}")[0] == f"walrus number {count - 1}"
        recall_index.index_all(store.database, told.append)
        assert not recall_index.is_behind(store.database)
        assert found(store, "number 0")[0] == "walrus number 0"


def test_whoever_opens_the_file_goes_on_with_it(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Store(path) as store:
        conversation = store.get_or_create_conversation("telegram", 42)
    with closing(old_files.connect(path)) as other:
        other.execute(SAYS.format("a", conversation, "a walrus"))
    with Store(path) as store:
        assert not recall_index.is_behind(store.database)


# What a search costs, and what stays behind


def steps(store: Store, sender: int) -> int:
    """How much the database does for one search, in its own virtual machine's instructions."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    connection = driver(store.database)
    connection.set_progress_handler(count, 10)
    found(store, "walrus and narwhal in the harbour", sender)
    connection.set_progress_handler(None, 10)
    return counted[0]


def test_other_peoples_messages_cost_nothing() -> None:
    with Store(":memory:", clock=FakeClock()) as store:
        store.store_exchange(IncomingMessage("telegram", 42, "a walrus in the harbour"), "and a narwhal")
        tell_others(store, 500)
        before = steps(store, 42)
        tell_others(store, 4000)
        assert steps(store, 42) <= 1.5 * before
        assert len(found(store, "walrus", 42)) == 2


def tell_others(store: Store, count: int) -> None:
    with store.database.writing():
        for n in range(count):
            message = IncomingMessage("telegram", n % 50 + 100, f"a walrus in the harbour {n}")
            store.store_exchange(message, "and a narwhal")


def test_an_index_that_is_wrong_shows_nobody_elses_messages(store: Store) -> None:
    """Such as after a rebuild of the table that gave the rows other numbers."""
    store.store_exchange(IncomingMessage("telegram", 42, "a walrus"), "a walrus!")
    store.store_exchange(IncomingMessage("telegram", 43, "a secret"), "a secret!")
    row = "id" if store.database.is_postgres else "rowid"
    store.database.sql(f"DELETE FROM recall WHERE {row} > 2")
    for number in (2, 1):
        store.database.sql(f"UPDATE recall SET {row} = {number + 2} WHERE {row} = {number}")
    assert found(store, "walrus") == []


def test_the_index_is_sound_and_holds_each_message_once(store: Store) -> None:
    for n in range(20):
        store.store_exchange(
            IncomingMessage("telegram", n % 3, f"walrus {n}", platform_message_id=n), "indeed"
        )
        store.edit_message("telegram", n - 1, f"narwhal {n}")
    row = "id" if store.database.is_postgres else "rowid"
    indexed = store.database.sql_rows(f"SELECT {row} FROM recall ORDER BY 1")
    assert indexed == store.database.sql_rows("SELECT rowid FROM messages ORDER BY 1")
    if not store.database.is_postgres:
        store.database.sql("INSERT INTO recall (recall) VALUES ('integrity-check')")


def test_deleted_words_leave_the_file(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Store(path, clock=FakeClock()) as store:
        store.store_exchange(IncomingMessage("telegram", 42, "xyzzy", platform_message_id=1), "xyzzy?")
        store.database.sql("PRAGMA secure_delete = ON")
        store.database.sql("DELETE FROM received_messages")
        with store.database.writing():
            store.database.sql("DELETE FROM messages")
            assert recall_index.forget_chats(store.database, "42") == 1
        for index in ("recall", "messages_fts"):
            store.database.sql(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
        store.database.sql("VACUUM")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"xyzz" not in path.read_bytes()
