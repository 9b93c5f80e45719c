"""The same work in SQL written by hand for Python's sqlite3, and as the older program does it."""

import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omega_models.recall_words import beginning, words

IDLE = timedelta(hours=2)


def connect(file: Path, durability: str) -> sqlite3.Connection:
    """As both programs do: write-ahead logging, foreign keys, five seconds of patience."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=5)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA foreign_keys = on")
    connection.execute(f"PRAGMA synchronous = {durability}")
    return connection


def text_of(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")[:19]


MESSAGE = "INSERT INTO messages (id, conversation_id, role, content, timestamp, metadata_json) VALUES (?, ?, ?, ?, ?, ?)"
AUDIT = """INSERT INTO audit_log (id, timestamp, channel, sender_id, input_text, output_text, status)
    VALUES (?, ?, ?, ?, ?, ?, 'ok')"""
ENTER = """UPDATE conversations SET last_activity = max(last_activity, ?2), updated_at = max(updated_at, ?2)
    WHERE id = (SELECT id FROM conversations WHERE channel = ?3 AND sender_id = ?4 AND project = ''
        AND status = 'active' AND group_target IS NULL AND last_activity > ?1
        ORDER BY last_activity DESC, rowid DESC LIMIT 1) RETURNING id"""
WAITING = """SELECT q.id, m.content, c.sender_id, c.channel, c.group_target FROM recall_queue q
    LEFT JOIN messages m ON m.rowid = q.id LEFT JOIN conversations c ON c.id = m.conversation_id
    WHERE q.id > 0 ORDER BY q.id DESC LIMIT 64"""
CHAT = """INSERT INTO recall_chats (sender_id, channel, group_target, messages) VALUES (?, ?, ?, 1)
    ON CONFLICT (sender_id, channel, group_target) DO UPDATE SET messages = messages + 1 RETURNING id"""
TASK = """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, created_at,
    task_type, project, scheduled_for, anchor_local, timezone, urgent)
    VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, 'reminder', '', ?5, ?5, 'UTC', 0)"""
NEARBY = """SELECT id, description, scheduled_for FROM scheduled_tasks WHERE sender_id = ? AND status = 'pending'
    AND scheduled_for BETWEEN ? AND ? AND channel = ? AND reply_target = ? AND project = ''
    AND task_type = 'reminder'"""


class ByHand:
    """What a careful author would write: the same rows, in one transaction, by the same indexes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._run = connection.execute

    def exchange(self, channel: str, sender: str, said: str, answer: str) -> object:
        moment = datetime.now(UTC)
        now, least = text_of(moment), text_of(moment - IDLE)
        self._run("BEGIN IMMEDIATE")
        found = self._run(ENTER, (least, now, channel, sender)).fetchone()
        place = found[0] if found else self._begin(channel, sender, now)
        self._run(
            "SELECT 1 FROM received_messages WHERE conversation_id = ? AND reply_id IS NULL", (place,)
        ).fetchall()
        self._run(MESSAGE, (str(uuid.uuid4()), place, "user", said, now, None))
        self._run(MESSAGE, (str(uuid.uuid4()), place, "assistant", answer, now, None))
        self._index()
        return self._run("COMMIT")

    def _begin(self, channel: str, sender: str, now: str) -> str:
        place = str(uuid.uuid4())
        self._run(
            """INSERT INTO conversations (id, channel, sender_id, started_at, updated_at, last_activity)
            VALUES (?1, ?2, ?3, ?4, ?4, ?4)""",
            (place, channel, sender, now),
        )
        return place

    def _index(self) -> None:
        waiting = self._run(WAITING).fetchall()
        for row, content, sender, channel, group in waiting:
            ((chat,),) = self._run(CHAT, (sender, channel, group or "")).fetchall()
            terms = " ".join(sorted(f"{chat}_{beginning(word)}" for word in set(words(content))))
            self._run("INSERT OR REPLACE INTO recall (rowid, terms) VALUES (?, ?)", (row, terms))
        self.connection.executemany("DELETE FROM recall_queue WHERE id = ?", [row[:1] for row in waiting])

    def create(self, channel: str, sender: str, description: str, due: datetime) -> object:
        at, near = text_of(due), timedelta(minutes=30)
        low, high = text_of(due - near), text_of(due + near)
        self._run("SELECT value FROM facts WHERE sender_id = ? AND key = 'timezone'", (sender,)).fetchall()
        self._run("BEGIN IMMEDIATE")
        self._run(NEARBY, (sender, low, high, channel, sender)).fetchall()
        self._run(
            "SELECT count(*) FROM scheduled_tasks WHERE sender_id = ? AND status = 'pending'", (sender,)
        ).fetchall()
        self._run(TASK, (str(uuid.uuid4()), channel, sender, description, at, text_of(datetime.now(UTC))))
        return self._run("COMMIT")

    def tasks(self, sender: str) -> object:
        sql = """SELECT id, channel, reply_target, description, due_at, scheduled_for, claim, repeat, task_type,
            project, timezone FROM scheduled_tasks WHERE sender_id = ? AND status = 'pending'"""
        return sorted(self._run(sql, (sender,)).fetchall(), key=lambda row: str(row[4]))

    def audit(self, channel: str, sender: str, size: int) -> object:
        now = text_of(datetime.now(UTC))
        rows = [(str(uuid.uuid4()), now, channel, sender, "what is new?", "Nothing.") for _ in range(size)]
        self._run("BEGIN IMMEDIATE")
        self.connection.executemany(AUDIT, rows)
        return self._run("COMMIT")


SEARCH = """SELECT m.role, m.content, m.timestamp FROM messages_fts f JOIN messages m ON m.rowid = f.rowid
    JOIN conversations c ON c.id = m.conversation_id
    WHERE messages_fts MATCH ? AND m.conversation_id <> ? AND c.sender_id = ? ORDER BY rank LIMIT 5"""
PRESENT = """SELECT id FROM conversations WHERE channel = ? AND sender_id = ? AND project = '' AND status = 'active'
    AND datetime(last_activity) > datetime('now', '-120 minutes') ORDER BY last_activity DESC LIMIT 1"""


class Original:
    """One statement after another, each a transaction of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._run = connection.execute

    def _enter(self, channel: str, sender: str) -> str:
        found = self._run(PRESENT, (channel, sender)).fetchone()
        if found is None:
            place = str(uuid.uuid4())
            sql = "INSERT INTO conversations (id, channel, sender_id) VALUES (?, ?, ?)"
            self._run(sql, (place, channel, sender))
            return place
        touch = "UPDATE conversations SET last_activity = datetime('now'), updated_at = datetime('now') WHERE id = ?"
        self._run(touch, found)
        return str(found[0])

    def exchange(self, channel: str, sender: str, said: str, answer: str) -> object:
        place = self._enter(channel, sender)
        insert = (
            "INSERT INTO messages (id, conversation_id, role, content, metadata_json) VALUES (?, ?, ?, ?, ?)"
        )
        self._run(insert, (str(uuid.uuid4()), place, "user", said, None))
        self._run(insert, (str(uuid.uuid4()), place, "assistant", answer, "{}"))
        return self._run("UPDATE conversations SET updated_at = datetime('now') WHERE id = ?", (place,))

    def context(self, channel: str, sender: str, text: str) -> object:
        place = self._enter(channel, sender)
        latest = (
            "SELECT role, content FROM messages WHERE conversation_id = ? ORDER BY timestamp DESC LIMIT 50"
        )
        self._run(latest, (place,)).fetchall()
        self._run("SELECT key, value FROM facts WHERE sender_id = ? ORDER BY key", (sender,)).fetchall()
        closed = """SELECT summary, updated_at FROM conversations WHERE channel = ? AND sender_id = ?
            AND status = 'closed' AND summary IS NOT NULL ORDER BY updated_at DESC LIMIT 3"""
        self._run(closed, (channel, sender)).fetchall()
        self.search(" OR ".join(text.split()), place, sender)
        self.tasks(sender)
        outcomes = (
            "SELECT score, domain, lesson FROM outcomes WHERE sender_id = ? ORDER BY timestamp DESC LIMIT 15"
        )
        self._run(outcomes, (sender,)).fetchall()
        lessons = (
            "SELECT domain, rule, project FROM lessons WHERE sender_id = ? ORDER BY updated_at DESC LIMIT 50"
        )
        return self._run(lessons, (sender,)).fetchall()

    def search(self, text: str, excluded: str, sender: str) -> object:
        return self._run(SEARCH, (text, excluded, sender)).fetchall()

    def tasks(self, sender: str) -> object:
        sql = """SELECT id, description, due_at, repeat, task_type, project FROM scheduled_tasks
            WHERE sender_id = ? AND status = 'pending' ORDER BY due_at ASC"""
        return self._run(sql, (sender,)).fetchall()

    def create(self, channel: str, sender: str, description: str, due: datetime) -> object:
        known = (
            "SELECT id, description, due_at FROM scheduled_tasks WHERE sender_id = ? AND status = 'pending'"
        )
        words_of = set(description.split())
        for _, other, _ in self._run(known, (sender,)).fetchall():
            words_of & set(other.split())
        insert = """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat,
            task_type, project) VALUES (?, ?, ?, ?, ?, ?, NULL, 'reminder', '')"""
        return self._run(insert, (str(uuid.uuid4()), channel, sender, sender, description, text_of(due)))

    def audit(self, channel: str, sender: str, size: int) -> object:
        for _ in range(size):
            now = text_of(datetime.now(UTC))
            self._run(AUDIT, (str(uuid.uuid4()), now, channel, sender, "what is new?", "Nothing."))
        return None
