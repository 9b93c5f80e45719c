"""A file of the older program, opened as it is: read, searched, built into contexts, and shared while both write."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import old_files
import pytest

from omega_models import AuditLogger, ContextNeeds, IncomingMessage, Store
from omega_models.testing import FakeClock

NOW = datetime(2024, 5, 2, 1, tzinfo=UTC)  # an hour after the last activity in the file
MADE = '{"provider_used":"local","tokens_used":null,"processing_time_ms":7,"model":"m"}'
SAY = """INSERT INTO messages (id, conversation_id, role, content, timestamp, metadata_json)
    VALUES (?, ?, ?, ?, ?, ?)"""
ITS_SEARCH = """SELECT m.role, m.content, m.timestamp FROM messages_fts f JOIN messages m ON m.rowid = f.rowid
    JOIN conversations c ON c.id = m.conversation_id
    WHERE messages_fts MATCH ? AND m.conversation_id != ? AND c.sender_id = ? ORDER BY rank LIMIT 5"""
ITS_DUE = """SELECT id FROM scheduled_tasks WHERE status = 'pending' AND datetime(due_at) <= datetime(?)"""
ITS_TASKS = """SELECT id, description, due_at FROM scheduled_tasks
    WHERE sender_id = ? AND status = 'pending' ORDER BY due_at ASC"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Everything the older program keeps, and somebody else's talk besides."""
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        connection.execute(
            """INSERT INTO conversations (id, channel, sender_id, last_activity, status, summary, updated_at)
            VALUES ('c3', 'telegram', '9', '2024-05-01 09:00:00', 'closed', 'a secret orchard', '2024-05-01 09:00:00')"""
        )
        for number, role in enumerate(("user", "assistant")):
            said = (f"other-{number}", "c3", role, "omega my secret orchard", "2024-05-01 09:00:00", None)
            connection.execute(SAY, said)
    return path


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with Store(file, clock=FakeClock(NOW)) as opened:
        yield opened


@pytest.fixture
def other(file: Path, store: Store) -> Iterator[sqlite3.Connection]:
    """The older program, at work on the file that is open here: no function, no setting of ours."""
    assert store.database.where == str(file)
    with closing(old_files.connect(file)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def found(store: Store, query: str, sender: int = 1) -> set[str]:
    return {line.content for line in store.search_messages(query, None, sender, 20)}


# What was there before


def test_conversations_and_messages_are_read(store: Store) -> None:
    (present,) = store.find_all_active_conversations()
    assert present == ("c1", "telegram", "1", "")
    assert store.get_or_create_conversation("telegram", 1) == "c1"
    assert [message.content for message in store.get_conversation_messages("c1")] == [
        "omega plant the apple tree 🌳",
        "omega done, the apple tree grows",
        "omega приве́т, naïve café",
        "",
    ]
    assert store.get_history("console", 1, 5)[0].summary == "Über Äpfel"
    assert store.get_memory_stats(1) == (2, 4, 2)


def test_what_is_known_is_read(store: Store) -> None:
    assert dict(store.get_facts(1)) == {"name": "Ω", "timezone": "Europe/Lisbon"}
    assert {(lesson.domain, lesson.rule) for lesson in store.get_lessons(1)} == {
        ("garden", "water less"),
        ("kitchen", "salt less"),
    }
    assert [(each.score, each.lesson) for each in store.get_recent_outcomes(1, 5, "garten")] == [
        (-1, "too wet")
    ]
    assert store.get_session("telegram", 1, "garten") == "s"
    assert store.resolve_sender_id(2) == "1"
    assert [each.title for each in store.get_open_limitations()] == ["Cannot Fly"]
    (entry,) = AuditLogger(store).recent(5)
    assert (entry.input_text, entry.status) == ("hi", "denied")


def test_tasks_are_read_and_claimed(store: Store) -> None:
    tasks = {task.id: task for task in store.get_tasks_for_sender(1)}
    assert set(tasks) == {"t1", "t2", "t3", "t8"}
    assert tasks["t2"].due_at == datetime(2030, 1, 1, 8, tzinfo=UTC)
    assert tasks["t8"].project == "garten"
    store.clock = FakeClock(tasks["t2"].due_at)
    assert [task.id for task in store.claim_due_tasks("w", 5)] == ["t2"]


def test_both_sides_of_a_conversation_are_found(store: Store) -> None:
    assert found(store, "apple tree") >= {
        "omega plant the apple tree 🌳",
        "omega done, the apple tree grows",
    }
    assert "omega приве́т, naïve café" in found(store, "cafe")
    assert "omega a slip of the tongue" not in found(store, "slip tongue")
    assert not any("orchard" in content for content in found(store, "secret orchard omega"))
    assert found(store, "orchard", 9) == {"omega my secret orchard"}


def test_a_context_is_made_of_it(store: Store) -> None:
    needs = ContextNeeds()
    later = FakeClock(NOW + timedelta(days=1))  # a new conversation, so that the old one is recalled
    store.clock = later
    context = store.build_context(IncomingMessage("telegram", 1, "how is the apple tree?"), "Be kind.", needs)
    prompt = context.system_prompt
    for said in ("Ω", "the apple tree grows", "task 1 ☎", "water less"):
        assert said in prompt
    assert "orchard" not in prompt
    assert context.history == []
    assert "Europe/Lisbon" in prompt or "WEST" in prompt
    console = store.build_context(IncomingMessage("console", 1, "and the apples?"), "Be kind.")
    assert "Über Äpfel" in console.system_prompt


# What it adds, changes and deletes while the file is open here


def test_messages_it_adds_are_read_searched_and_recalled(store: Store, other: sqlite3.Connection) -> None:
    assert found(store, "umbrella") == set()
    other.execute(SAY, ("n1", "c1", "user", "where is my umbrella", "2024-05-02 00:30:00", None))
    other.execute(
        SAY, ("n2", "c1", "assistant", "The umbrella hangs by the door", "2024-05-02 00:30:01", MADE)
    )
    assert found(store, "umbrella") >= {"where is my umbrella", "The umbrella hangs by the door"}
    (answer,) = [message for message in store.get_messages("c1") if message.id == "n2"]
    assert answer.metadata is not None
    assert answer.metadata["provider_used"] == "local"
    store.close_conversation("c1", "about an umbrella")
    context = store.build_context(IncomingMessage("telegram", 1, "my umbrella?"), "Be kind.")
    assert "The umbrella hangs by the door" in context.system_prompt
    assert "about an umbrella" in context.system_prompt


def test_what_it_edits_and_deletes_is_so_here(store: Store, other: sqlite3.Connection) -> None:
    assert "omega plant the apple tree 🌳" in found(store, "apple")
    other.execute("UPDATE messages SET content = 'omega plant the pear tree' WHERE id = 'm-1'")
    other.execute("DELETE FROM messages WHERE id = 'm-2'")
    assert not any("apple" in content for content in found(store, "apple omega"))
    assert "omega plant the pear tree" in found(store, "pear")
    other.execute("DELETE FROM facts WHERE key = 'name'")
    other.execute(
        """INSERT INTO facts (id, sender_id, key, value) VALUES ('f9', '1', 'timezone', 'Asia/Tokyo')
        ON CONFLICT(sender_id, key) DO UPDATE SET value = excluded.value, updated_at = datetime('now')"""
    )
    assert dict(store.get_facts(1)) == {"timezone": "Asia/Tokyo"}


def test_a_conversation_it_deletes_is_gone_here(store: Store, other: sqlite3.Connection) -> None:
    told = store.store_exchange(IncomingMessage("telegram", 7, "a walrus", platform_message_id=1), "indeed")
    assert found(store, "walrus", 7) == {"a walrus", "indeed"}
    other.execute("DELETE FROM messages WHERE conversation_id = ?", [told])
    other.execute("DELETE FROM conversations WHERE id = ?", [told])
    assert found(store, "walrus", 7) == set()
    assert store.get_conversation_messages(told) == []


def test_tasks_it_adds_moves_and_ends(store: Store, other: sqlite3.Connection) -> None:
    other.execute(
        """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat, task_type)
        VALUES ('n1', 'telegram', '1', '1', 'buy bread', '2024-05-02T00:30:00Z', 'daily', 'reminder')"""
    )
    assert [task.id for task in store.get_due_tasks()] == ["n1"]
    (claimed,) = store.claim_due_tasks("w", 5)
    assert store.settle(claimed.token, "delivered")
    (task,) = [each for each in store.get_tasks_for_sender(1) if each.id == "n1"]
    assert task.due_at == datetime(2024, 5, 3, 0, 30, tzinfo=UTC)
    other.execute("UPDATE scheduled_tasks SET due_at = '2024-05-02 00:59:00' WHERE id = 'n1'")
    assert [each.id for each in store.get_due_tasks()] == ["n1"]
    other.execute("UPDATE scheduled_tasks SET status = 'cancelled' WHERE id = 'n1'")
    assert store.get_due_tasks() == []


# What it finds of ours


def test_it_finds_our_messages_and_tasks(store: Store, other: sqlite3.Connection) -> None:
    message = IncomingMessage("telegram", 1, "a walrus by the sea", platform_message_id=1)
    store.store_exchange(message, "A walrus, indeed")
    walrus = other.execute(ITS_SEARCH, ("walrus", "none", "1")).fetchall()
    assert [content for _, content, _ in walrus] == ["a walrus by the sea"]  # it searches what users said
    store.edit_message("telegram", 1, "a narwhal by the sea")
    assert other.execute(ITS_SEARCH, ("walrus", "none", "1")).fetchall() == []
    assert len(other.execute(ITS_SEARCH, ("narwhal", "none", "1")).fetchall()) == 1
    task = store.create_task("telegram", 1, 1, "feed the narwhal", NOW - timedelta(minutes=1))
    assert (task,) in other.execute(ITS_DUE, ("2024-05-02 01:00:00",)).fetchall()
    assert task in [row[0] for row in other.execute(ITS_TASKS, ("1",))]
    store.claim_due_tasks("w", 5)
    assert other.execute(ITS_DUE, ("2024-05-02 01:00:00",)).fetchall() == []  # it is being sent here


def test_it_goes_on_in_our_conversation_and_we_in_its(store: Store, other: sqlite3.Connection) -> None:
    ours = store.get_or_create_conversation("telegram", 5)
    its_look = """SELECT id FROM conversations WHERE channel = 'telegram' AND sender_id = '5' AND status = 'active'
        AND datetime(last_activity) > datetime('2024-05-02 01:00:00', '-120 minutes')"""
    assert other.execute(its_look).fetchall() == [(ours,)]
    other.execute(SAY, ("x1", ours, "user", "hello", "2024-05-02 01:00:00", None))
    assert store.store_exchange(IncomingMessage("telegram", 5, "again"), "hi") == ours
    assert [message.content for message in store.get_conversation_messages(ours)] == ["hello", "again", "hi"]


def test_the_file_is_sound_after_both(store: Store, other: sqlite3.Connection) -> None:
    for number in range(20):
        store.store_exchange(
            IncomingMessage("telegram", 1, f"ours {number}", platform_message_id=number), "ok"
        )
        other.execute(SAY, (f"t{number}", "c1", "user", f"theirs {number}", "2024-05-02 00:59:00", None))
        if number % 3 == 0:
            store.edit_message("telegram", number, f"mine {number}")
            other.execute("DELETE FROM messages WHERE id = ?", [f"t{number}"])
    assert found(store, "theirs 19") >= {"theirs 19"}
    other.execute("INSERT INTO messages_fts(messages_fts) VALUES ('integrity-check')")
    other.execute("INSERT INTO recall(recall) VALUES ('integrity-check')")
    assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert other.execute("PRAGMA foreign_key_check").fetchall() == []
