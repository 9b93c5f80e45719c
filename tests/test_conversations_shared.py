"""One file, several processes, threads and programs; several Stores in one process."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import old_files
import pytest

from omega_models import IncomingMessage, Store
from omega_models.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

ENTER = """
import sys
from omega_models import IncomingMessage, Store
store = Store(sys.argv[1])
print("ready", flush=True)
for number in range(20):
    sys.stdin.readline()
    sender = f"s{number}"
    print(store.get_or_create_conversation("telegram", sender), end=" ")
    print(store.receive(IncomingMessage("telegram", sender, "hi", platform_message_id=number)).is_new, flush=True)
"""


def test_processes_that_begin_at_once_get_the_same_conversation(tmp_path: Path) -> None:
    check_processes(str(tmp_path / "memory.db"))


@pytest.mark.postgres
def test_so_they_do_on_a_server(postgres_database: str) -> None:
    check_processes(postgres_database)


def check_processes(url: str) -> None:
    Store(url).close()
    command = [sys.executable, "-c", ENTER, url]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(2)
        ]
        assert [read(process) for process in processes] == ["ready", "ready"]
        for _ in range(20):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            answers = [read(process).split() for process in processes]
            assert answers[0][0] == answers[1][0]
            assert sorted(answer[1] for answer in answers) == ["False", "True"]


def read(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("url", [":memory:", "file"])
def test_threads_on_one_store(tmp_path: Path, url: str) -> None:
    together = Barrier(6)
    with Store(url if url == ":memory:" else tmp_path / "memory.db", clock=FakeClock(NOON)) as store:

        def answer(number: int) -> str:
            together.wait(timeout=10)
            return store.store_exchange(IncomingMessage("telegram", 42, f"q{number}"), f"a{number}")

        with ThreadPoolExecutor(6) as pool:
            conversations = set(pool.map(answer, range(6)))
        assert len(conversations) == 1
        texts = [content for _, content in store.get_conversation_messages(conversations.pop())]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    assert sorted(pairs) == [(f"q{number}", f"a{number}") for number in range(6)]


def test_two_stores_never_mix(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stores = [
            stack.enter_context(Store(where, clock=FakeClock(NOON)))
            for where in (tmp_path / "a.db", tmp_path / "b.db", ":memory:", ":memory:")
        ]
        for number, store in enumerate(stores):
            store.store_exchange(
                IncomingMessage("telegram", 42, f"hello {number}", platform_message_id=1), "hi"
            )
            store.store_lesson(42, "d", f"rule {number}")
        for number, store in enumerate(stores):
            conversation = store.get_active_conversation_id("telegram", 42)
            assert conversation is not None
            assert store.get_conversation_messages(conversation)[0].content == f"hello {number}"
            assert [lesson.rule for lesson in store.get_lessons(42)] == [f"rule {number}"]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The older program's connection to the same file."""
    Store(tmp_path / "memory.db").close()
    with closing(sqlite3.connect(tmp_path / "memory.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def test_rows_of_the_older_program(tmp_path: Path, other: sqlite3.Connection) -> None:
    for name, minute in (("c1", "00"), ("c2", "30"), ("c3", "10")):
        other.execute(
            "INSERT INTO conversations (id, channel, sender_id, last_activity) VALUES (?, 'telegram', '42', ?)",
            (name, f"2026-03-01 11:{minute}:00"),
        )
    for name, role, kept in (
        ("m1", "user", None),
        (
            "m2",
            "assistant",
            '{"provider_used":"local","tokens_used":null,"processing_time_ms":7,"model":"m"}',
        ),
        ("m3", "user", "{broken"),
        ("m4", "assistant", "[1]"),
        ("m5", "user", ""),
    ):
        other.execute(
            "INSERT INTO messages (id, conversation_id, role, content, timestamp, metadata_json)"
            " VALUES (?, 'c2', ?, ?, '2026-03-01 11:30:00', ?)",
            (name, role, f"text {name}", kept),
        )
    with Store(tmp_path / "memory.db", clock=FakeClock(NOON)) as store:
        assert [found.id for found in store.find_all_active_conversations()] == ["c1", "c3", "c2"]
        assert store.get_or_create_conversation("telegram", 42) == "c2"
        assert store.get_active_conversation_id("telegram", 42, group=42) is None
        found = store.get_messages("c2")
        assert [message.id for message in found] == ["m1", "m2", "m3", "m4", "m5"]
        assert [message.metadata for message in found] == [
            None,
            {"provider_used": "local", "tokens_used": None, "processing_time_ms": 7, "model": "m"},
            {"unreadable": "{broken"},
            {"unreadable": "[1]"},
            None,
        ]
        assert (
            store.receive(IncomingMessage("telegram", 42, "more", platform_message_id=1)).conversation_id
            == "c2"
        )
        assert store.close_current_conversation("telegram", 42) is True
        assert store.find_all_active_conversations() == []


def test_conversations_of_an_upgraded_file_are_private(tmp_path: Path) -> None:
    old_files.build(tmp_path / "memory.db", 13)
    with Store(tmp_path / "memory.db", clock=FakeClock("2024-05-02 01:00")) as store:
        assert store.get_active_conversation_id("telegram", 1, group=1) is None
        assert store.get_or_create_conversation("telegram", 1) == "c1"
        assert store.get_recent_summaries("console", 1, 9)[0].summary == "Über Äpfel"
        assert store.receive(IncomingMessage("telegram", 1, "more", platform_message_id=1)).is_new


def test_what_the_older_program_may_still_do_to_our_rows(tmp_path: Path, other: sqlite3.Connection) -> None:
    incoming = IncomingMessage("telegram", 42, "apple", platform_message_id=1)
    with Store(tmp_path / "memory.db", clock=FakeClock(NOON)) as store:
        conversation = store.store_exchange(incoming, "hi")
        other.execute("DELETE FROM messages WHERE role = 'user'")
        assert store.receive(incoming).is_new is False
        other.execute("DELETE FROM messages")
        other.execute("DELETE FROM conversations WHERE id = ?", (conversation,))
        assert other.execute("SELECT count(*) FROM received_messages").fetchone() == (0,)
        assert store.receive(incoming).is_new
