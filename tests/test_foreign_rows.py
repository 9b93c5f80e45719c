"""Rows that another program writes with plain SQL, in a new file and in an upgraded one."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import old_files
import pytest
from test_upgrade import prepare

INSERT = """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat, task_type)
    VALUES (?, 'telegram', '1', '1', 'call', ?, ?, 'reminder')"""
OURS = """INSERT INTO scheduled_tasks
    (id, channel, sender_id, reply_target, description, due_at, scheduled_for, anchor_local, timezone, claim, missed, rev)
    VALUES ('a', 'telegram', '1', '1', 'call', '2030-01-01 10:00:00', '2030-01-01 10:00:00',
            '2030-01-01 11:00:00', 'Europe/Berlin', 'token', 'all', 4)"""
REASON = "unreadable due_at: give YYYY-MM-DD HH:MM:SS in UTC"

READABLE = {
    "2030-01-01 10:00:00": "2030-01-01 10:00:00",
    "2030-01-01T10:00:00Z": "2030-01-01 10:00:00",
    "2030-01-01T10:00:00+02:00": "2030-01-01 08:00:00",
    "2030-01-01 10:00:00-11:30": "2030-01-01 21:30:00",
    "2030-01-01T10:00:00.250": "2030-01-01 10:00:00",
    "2030-01-01 10:00": "2030-01-01 10:00:00",
    "2030-01-01": "2030-01-01 00:00:00",
    "2030-02-30 10:00": "2030-03-02 10:00:00",
    "2030-01-01 24:00:00": "2030-01-02 00:00:00",
    " 2030-01-01 10:00:00": None,
    "24:00:00": None,
    "10:00": None,
    "now": None,
    "2460000.5": None,
    "tomorrow": None,
    "2030-13-01 10:00:00": None,
    "2030-01-01 10:00:00 UTC": None,
    "2030-01-01 25:00:00": None,
    "": None,
}


@pytest.fixture(scope="module", params=["new", "upgraded"])
def original(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    path = tmp_path_factory.mktemp("original") / "memory.db"
    if request.param == "upgraded":
        old_files.build(path, 13)
    prepare(path)
    return path


@pytest.fixture
def other(tmp_path: Path, original: Path) -> Iterator[sqlite3.Connection]:
    """The other program's connection: no function, no setting of ours."""
    shutil.copy(original, tmp_path)
    with closing(old_files.connect(tmp_path / original.name)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("DELETE FROM scheduled_tasks")
        yield connection


def task(connection: sqlite3.Connection, key: str = "a") -> dict[str, Any]:
    return dict(connection.execute("SELECT * FROM scheduled_tasks WHERE id = ?", [key]).fetchone())


def check(row: dict[str, Any], **expected: Any) -> None:
    assert {name: row[name] for name in expected} == expected


def check_read(row: dict[str, Any], due_at: str, instant: str | None) -> None:
    if instant:
        check(row, due_at=instant, scheduled_for=instant, status="pending", last_error=None)
    else:
        check(row, due_at=due_at, scheduled_for=None, status="failed", last_error=REASON)


@pytest.mark.parametrize("due_at", READABLE)
def test_an_inserted_time_is_read_or_the_task_says_why_not(other: sqlite3.Connection, due_at: str) -> None:
    other.execute(INSERT, ["a", due_at, "every full moon"])
    check_read(task(other), due_at, READABLE[due_at])
    check(task(other), rev=1, repeat="every full moon", anchor_local=None, timezone=None)


@pytest.mark.parametrize("due_at", READABLE)
def test_an_updated_time_starts_the_series_anew(other: sqlite3.Connection, due_at: str) -> None:
    other.execute(OURS)
    other.execute("UPDATE scheduled_tasks SET due_at = ? WHERE id = 'a'", [due_at])
    if due_at == "2030-01-01 10:00:00":
        check(task(other), anchor_local="2030-01-01 11:00:00")
    else:
        check_read(task(other), due_at, READABLE[due_at])
        check(task(other), anchor_local=None)
    check(task(other), claim=None, missed=None, rev=5, timezone="Europe/Berlin")


def test_an_unreadable_time_can_be_put_right(other: sqlite3.Connection) -> None:
    other.execute(INSERT, ["a", "soon", None])
    other.execute(
        "UPDATE scheduled_tasks SET due_at = '2030-01-01T10:00:00Z', status = 'pending' WHERE id = 'a'"
    )
    check(
        task(other),
        due_at="2030-01-01 10:00:00",
        scheduled_for="2030-01-01 10:00:00",
        status="pending",
        rev=2,
    )


@pytest.mark.parametrize("status", ["delivered", "cancelled", "failed"])
def test_a_row_that_is_done_with_stays_so(other: sqlite3.Connection, status: str) -> None:
    other.execute(OURS)
    other.execute("UPDATE scheduled_tasks SET status = ? WHERE id = 'a'", [status])
    check(
        task(other),
        status=status,
        claim=None,
        rev=5,
        anchor_local="2030-01-01 11:00:00",
        due_at="2030-01-01 10:00:00",
        scheduled_for="2030-01-01 10:00:00",
    )


def test_our_own_writes_are_left_alone(other: sqlite3.Connection) -> None:
    other.execute(OURS)
    check(task(other), claim="token", missed="all", rev=4)
    other.execute("UPDATE scheduled_tasks SET due_at = '2030-01-01 10:01:00', claim = 'new', rev = rev + 1")
    check(
        task(other),
        due_at="2030-01-01 10:01:00",
        scheduled_for="2030-01-01 10:00:00",
        claim="new",
        rev=5,
        anchor_local="2030-01-01 11:00:00",
        missed="all",
    )


def test_other_columns_do_not_concern_the_triggers(other: sqlite3.Connection) -> None:
    other.execute(OURS)
    other.execute("UPDATE scheduled_tasks SET description = 'write', retry_count = 2")
    check(task(other), claim="token", rev=4, retry_count=2)


def test_many_rows_at_once(other: sqlite3.Connection) -> None:
    other.execute("BEGIN")
    other.executemany(INSERT, [(f"t{n}", f"2030-01-01T{n % 24:02}:00:00+01:00", "daily") for n in range(500)])
    other.execute("COMMIT")
    other.execute(
        "UPDATE scheduled_tasks SET due_at = datetime(due_at, '+1 day') || 'Z' WHERE sender_id = '1'"
    )
    counts = other.execute(
        """SELECT count(*), sum(rev), sum(due_at = scheduled_for), sum(length(due_at)), min(due_at), max(due_at)
        FROM scheduled_tasks"""
    ).fetchone()
    assert tuple(counts) == (500, 1000, 500, 500 * 19, "2030-01-01 23:00:00", "2030-01-02 22:00:00")


OLDER_PROGRAM = [
    "INSERT INTO conversations (id, channel, sender_id) VALUES ('k', 'telegram', '1')",
    "INSERT INTO messages (id, conversation_id, role, content) VALUES ('q', 'k', 'user', 'umbrella')",
    """INSERT INTO messages (id, conversation_id, role, content, metadata_json)
        VALUES ('r', 'k', 'assistant', 'umbrella', '{}')""",
    "UPDATE conversations SET last_activity = datetime('now'), updated_at = datetime('now') WHERE id = 'k'",
    "UPDATE conversations SET status = 'closed', summary = 's', updated_at = datetime('now') WHERE id = 'k'",
    """INSERT INTO facts (id, sender_id, key, value) VALUES ('z', '1', 'pet', 'cat')
        ON CONFLICT(sender_id, key) DO UPDATE SET value = excluded.value, updated_at = datetime('now')""",
    """INSERT INTO facts (id, sender_id, key, value) VALUES ('y', '1', 'pet', 'dog')
        ON CONFLICT(sender_id, key) DO UPDATE SET value = excluded.value, updated_at = datetime('now')""",
    "INSERT INTO audit_log (id, channel, sender_id, input_text) VALUES ('b', 'telegram', '1', 'hi')",
    "INSERT OR IGNORE INTO user_aliases (alias_sender_id, canonical_sender_id) VALUES ('3', '1')",
    "INSERT INTO lessons (id, sender_id, domain, rule, project) VALUES ('v', '1', 'd', 'r', '')",
    "INSERT INTO lessons (id, sender_id, domain, rule, project) VALUES ('w', '1', 'd', 'r2', '')",
    "INSERT INTO outcomes (id, sender_id, domain, score, lesson) VALUES ('u', '1', 'd', 1, 'l')",
    """INSERT INTO project_sessions (id, channel, sender_id, project, session_id) VALUES ('n', 'telegram', '1', 'p', 's')
        ON CONFLICT(channel, sender_id, project) DO UPDATE SET session_id = excluded.session_id""",
    """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat, task_type, project)
        VALUES ('a', 'telegram', '1', '1', 'call', '2020-01-01T09:00:00', 'daily', 'reminder', '')""",
    "UPDATE scheduled_tasks SET due_at = datetime(due_at, '+1 day'), retry_count = 0 WHERE id = 'a'",
    "UPDATE scheduled_tasks SET status = 'delivered', delivered_at = datetime('now') WHERE id = 'a'",
    "DELETE FROM messages WHERE id = 'r'",
]


def test_the_older_program_goes_on_working(other: sqlite3.Connection) -> None:
    for statement in OLDER_PROGRAM:
        other.execute(statement)
    found = other.execute(
        """SELECT m.id FROM messages_fts f JOIN messages m ON m.rowid = f.rowid
        JOIN conversations c ON c.id = m.conversation_id
        WHERE messages_fts MATCH 'umbrella' AND c.sender_id = '1' ORDER BY rank LIMIT 5"""
    ).fetchall()
    assert [row["id"] for row in found] == ["q"]
    assert other.execute("SELECT value FROM facts WHERE key = 'pet'").fetchone()[0] == "dog"
    check(
        task(other),
        due_at="2020-01-02 09:00:00",
        scheduled_for="2020-01-02 09:00:00",
        status="delivered",
        rev=3,
    )
    due = "SELECT id FROM scheduled_tasks WHERE status = 'pending' AND datetime(due_at) <= datetime('now')"
    assert other.execute(due).fetchall() == []
