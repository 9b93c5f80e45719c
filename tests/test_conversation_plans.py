"""What is asked for often goes by an index range, without sorting, whatever the planner knows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omega_models import AuditLogger, IncomingMessage, Store
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

FILL = """
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 2999)
INSERT INTO {} SELECT {} FROM counted
"""
ROWS = {
    "conversations (id, channel, sender_id, status, summary, last_activity)": (
        "'c' || n, 'chat' || (n % 2), 's' || (n % 50), iif(n % 10, 'closed', 'active'), 'about ' || n,"
        " datetime('2026-01-01', n || ' minutes')"
    ),
    "messages (id, conversation_id, role, content)": "'m' || n, 'c' || (n % 300), iif(n % 2, 'user', 'assistant'), 'text'",
    "received_messages (message_id, conversation_id, channel, sender_id, platform_message_id)": (
        "'m' || n, 'c' || (n % 300), 'chat', 's' || (n % 50), n"
    ),
    "facts (id, sender_id, key, value)": "'f' || n, 's' || (n % 500), 'k' || (n / 500), 'v'",
    "audit_log (id, channel, sender_id, input_text)": "'a' || n, 'chat', 's' || (n % 50), 'text'",
    "outcomes (id, sender_id, domain, score, lesson)": "'o' || n, 's' || (n % 50), 'd', 0, 'lesson'",
    "lessons (id, sender_id, domain, rule)": "'l' || n, 's' || (n % 50), 'd' || (n % 6), 'rule ' || n",
    "project_sessions (id, channel, sender_id, session_id)": "'p' || n, 'chat', 's' || n, 's'",
}

INCOMING = IncomingMessage("chat0", "s0", "hello", platform_message_id=7, reply_target=1)
CALLS: dict[str, Callable[[Store], Any]] = {
    "enter": lambda store: store.get_or_create_conversation("chat0", "s0"),
    "enter a group": lambda store: store.get_or_create_conversation("chat0", "s0", group=7),
    "present": lambda store: store.get_active_conversation_id("chat0", "s0"),
    "idle": lambda store: store.find_idle_conversations(),
    "active": lambda store: store.find_all_active_conversations(),
    "close": lambda store: store.close_conversation("c0", "s", if_idle_since="2026-01-01"),
    "close the present": lambda store: store.close_current_conversation("chat0", "s0"),
    "summaries": lambda store: store.get_recent_summaries("chat0", "s0", 3),
    "summaries of a group": lambda store: store.get_recent_summaries("chat0", "s0", 3, group=7),
    "everybody's summaries": lambda store: store.get_all_recent_summaries(3),
    "history": lambda store: store.get_history("chat0", "s0", 3),
    "messages": lambda store: store.get_conversation_messages("c0"),
    "last messages": lambda store: store.get_messages("c0", limit=50),
    "append": lambda store: store.append_message("c0", "user", "hi"),
    "receive": lambda store: store.receive(INCOMING),
    "exchange": lambda store: store.store_exchange(INCOMING, "hi"),
    "exchange without ids": lambda store: store.store_exchange(IncomingMessage("chat0", "s0", "hello"), "hi"),
    "edit": lambda store: store.edit_message("chat0", 7, "bye", reply_target=1),
    "delete": lambda store: store.delete_message("chat0", 7, reply_target=1),
    "stats": lambda store: store.get_memory_stats("s0"),
    "one fact of everybody": lambda store: store.get_all_facts_by_key("k0"),
    "new user": lambda store: store.is_new_user("s0"),
    "alias": lambda store: store.resolve_sender_id("s0"),
    "outcomes": lambda store: store.get_recent_outcomes("s0", 15),
    "outcomes of a project": lambda store: store.get_recent_outcomes("s0", 15, ""),
    "everybody's outcomes": lambda store: store.get_all_recent_outcomes(24, 15),
    "store a session": lambda store: store.store_session("chat", "s0", "", "s"),
    "session": lambda store: store.get_session("chat", "s0", ""),
    "clear sessions": lambda store: store.clear_all_sessions_for_sender("s0"),
    "audit of a sender": lambda store: AuditLogger(store).recent(9, "s0"),
}
SORTED: dict[str, Callable[[Store], Any]] = {
    "lessons": lambda store: store.get_lessons("s0", "p"),
    "store a lesson": lambda store: store.store_lesson("s0", "d0", "rule 0"),
}  # ten rows a domain, put in order
FULL_TEXT = re.compile(r"messages_fts|'recall_\w+'")  # SQLite's own statements on its search indexes
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@pytest.fixture(scope="module", params=["analyzed", "not analyzed"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plans") / "memory.db"
    with Store(file, durability="normal") as store:
        for table, columns in ROWS.items():
            store.database.sql(FILL.format(table, columns))
        if request.param == "analyzed":
            store.database.sql("ANALYZE")
    return file


def plans(file: Path, call: Callable[[Store], Any]) -> list[str]:
    """How each statement of the call is carried out; the call's rows are not kept."""
    with Store(file, clock=FakeClock("2026-01-02"), durability="normal") as store, store.database.writing():
        connection = driver(store.database)
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        call(store)
        connection.set_trace_callback(None)
        explained = [sql for sql in statements if sql.startswith(VERBS) and not FULL_TEXT.search(sql)]
        assert explained
        steps = [row[3] for sql in explained for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
    return steps


@pytest.mark.parametrize("name", [*CALLS, *SORTED])
def test_no_table_is_read_through(filled: Path, name: str) -> None:
    assert [step for step in plans(filled, (CALLS | SORTED)[name]) if step.startswith("SCAN")] == []


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_sorted(filled: Path, name: str) -> None:
    assert [step for step in plans(filled, CALLS[name]) if "TEMP B-TREE" in step] == []
