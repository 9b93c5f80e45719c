"""Files as Omega left them: at any step, tracked or not, stopped between any two statements of the next."""

import sqlite3
from contextlib import closing
from pathlib import Path

from old_rows import ROWS

from omega_migrations import STEPS

NOW = "TEXT NOT NULL DEFAULT (datetime('now'))"


def rebuilt_lessons(style: str, columns: str, copied: str, unique: str = "") -> tuple[str, ...]:
    """The two ways to rebuild a table: fill a new one and swap it in, or set the old one aside."""
    made = f"""(id TEXT PRIMARY KEY, sender_id TEXT NOT NULL, domain TEXT NOT NULL, rule TEXT NOT NULL,
        project TEXT NOT NULL DEFAULT '', occurrences INTEGER NOT NULL DEFAULT 1,
        created_at {NOW}, updated_at {NOW}{unique})"""
    copy = f"INSERT INTO {{}} ({columns}) SELECT {copied} FROM {{}}"
    if style == "swap":
        return (
            f"CREATE TABLE lessons_v2 {made}",
            copy.format("lessons_v2", "lessons"),
            "DROP TABLE lessons",
            "ALTER TABLE lessons_v2 RENAME TO lessons",
        )
    return (
        "ALTER TABLE lessons RENAME TO lessons_old",
        f"CREATE TABLE lessons {made}",
        copy.format("lessons", "lessons_old"),
        "DROP TABLE lessons_old",
    )


LESSON = "id, sender_id, domain, rule, project, occurrences, created_at, updated_at"


def steps(style: str = "swap") -> dict[str, tuple[str, ...]]:
    return {
        "001_init": (
            f"""CREATE TABLE IF NOT EXISTS conversations (
                id TEXT PRIMARY KEY, channel TEXT NOT NULL, sender_id TEXT NOT NULL,
                started_at {NOW}, updated_at {NOW} -- one row a talk
            )""",
            f"""CREATE TABLE IF NOT EXISTS messages (
                id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL REFERENCES conversations(id),
                role TEXT NOT NULL CHECK (role IN ('user', 'assistant')), content TEXT NOT NULL,
                timestamp {NOW}, metadata_json TEXT
            )""",
            f"""CREATE TABLE IF NOT EXISTS facts (
                id TEXT PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL,
                source_message_id TEXT REFERENCES messages(id), created_at {NOW}, updated_at {NOW}
            )""",
            "CREATE INDEX IF NOT EXISTS idx_conversations_channel_sender ON conversations(channel, sender_id)",
            "CREATE INDEX IF NOT EXISTS idx_messages_conversation ON messages(conversation_id, timestamp)",
        ),
        "002_audit_log": (
            f"""CREATE TABLE IF NOT EXISTS audit_log (
                id TEXT PRIMARY KEY, timestamp {NOW}, channel TEXT NOT NULL, sender_id TEXT NOT NULL,
                sender_name TEXT, input_text TEXT NOT NULL, output_text TEXT, provider_used TEXT, model TEXT,
                processing_ms INTEGER,
                status TEXT NOT NULL DEFAULT 'ok' CHECK (status IN ('ok', 'error', 'denied')), denial_reason TEXT
            )""",
            "CREATE INDEX idx_audit_log_timestamp ON audit_log(timestamp)",
            "CREATE INDEX idx_audit_log_sender ON audit_log(channel, sender_id)",
        ),
        "003_memory_enhancement": (
            "ALTER TABLE conversations ADD COLUMN summary TEXT",
            f"ALTER TABLE conversations ADD COLUMN last_activity {NOW}",
            "ALTER TABLE conversations ADD COLUMN status TEXT NOT NULL DEFAULT 'active'",
            "CREATE INDEX idx_conversations_status ON conversations(status, last_activity)",
            "DROP TABLE IF EXISTS facts",
            f"""CREATE TABLE facts (
                id TEXT PRIMARY KEY, sender_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                source_message_id TEXT REFERENCES messages(id), created_at {NOW}, updated_at {NOW},
                UNIQUE(sender_id, key)
            )""",
        ),
        "004_fts5_recall": (
            """CREATE VIRTUAL TABLE IF NOT EXISTS messages_fts USING fts5(
                content, content=messages, content_rowid=rowid)""",
            """CREATE TRIGGER IF NOT EXISTS messages_fts_insert AFTER INSERT ON messages
                WHEN NEW.role = 'user' BEGIN
                    INSERT INTO messages_fts(rowid, content) VALUES (NEW.rowid, NEW.content); END""",
            """CREATE TRIGGER IF NOT EXISTS messages_fts_delete AFTER DELETE ON messages
                WHEN OLD.role = 'user' BEGIN
                    INSERT INTO messages_fts(messages_fts, rowid, content)
                    VALUES ('delete', OLD.rowid, OLD.content); END""",
            """CREATE TRIGGER IF NOT EXISTS messages_fts_update AFTER UPDATE OF content ON messages
                WHEN NEW.role = 'user' BEGIN
                    INSERT INTO messages_fts(messages_fts, rowid, content)
                    VALUES ('delete', OLD.rowid, OLD.content);
                    INSERT INTO messages_fts(rowid, content) VALUES (NEW.rowid, NEW.content); END""",
            """INSERT INTO messages_fts(rowid, content)
                SELECT rowid, content FROM messages WHERE role = 'user'""",
        ),
        "005_scheduled_tasks": (
            f"""CREATE TABLE scheduled_tasks (
                id TEXT PRIMARY KEY, channel TEXT NOT NULL, sender_id TEXT NOT NULL,
                reply_target TEXT NOT NULL, description TEXT NOT NULL, due_at TEXT NOT NULL, repeat TEXT,
                status TEXT NOT NULL DEFAULT 'pending', created_at {NOW}, delivered_at TEXT
            )""",
            "CREATE INDEX idx_scheduled_tasks_due ON scheduled_tasks(status, due_at)",
            "CREATE INDEX idx_scheduled_tasks_sender ON scheduled_tasks(sender_id, status)",
        ),
        "006_limitations": (
            f"""CREATE TABLE limitations (
                id TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT NOT NULL,
                proposed_plan TEXT NOT NULL DEFAULT '', status TEXT NOT NULL DEFAULT 'open',
                created_at {NOW}, resolved_at TEXT
            )""",
            "CREATE UNIQUE INDEX idx_limitations_title ON limitations(title COLLATE NOCASE)",
        ),
        "007_task_type": (
            "ALTER TABLE scheduled_tasks ADD COLUMN task_type TEXT NOT NULL DEFAULT 'reminder'",
        ),
        "008_user_aliases": (
            """CREATE TABLE user_aliases (
                alias_sender_id TEXT PRIMARY KEY, canonical_sender_id TEXT NOT NULL)""",
        ),
        "009_task_retry": (
            "ALTER TABLE scheduled_tasks ADD COLUMN retry_count INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE scheduled_tasks ADD COLUMN last_error TEXT",
        ),
        "010_outcomes": (
            f"""CREATE TABLE outcomes (
                id TEXT PRIMARY KEY, timestamp {NOW}, sender_id TEXT NOT NULL, domain TEXT NOT NULL,
                score INTEGER NOT NULL CHECK (score IN (-1, 0, 1)), lesson TEXT NOT NULL,
                source TEXT NOT NULL DEFAULT 'conversation'
            )""",
            "CREATE INDEX idx_outcomes_sender_time ON outcomes(sender_id, timestamp)",
            "CREATE INDEX idx_outcomes_time ON outcomes(timestamp)",
            f"""CREATE TABLE lessons (
                id TEXT PRIMARY KEY, sender_id TEXT NOT NULL, domain TEXT NOT NULL, rule TEXT NOT NULL,
                occurrences INTEGER NOT NULL DEFAULT 1, created_at {NOW}, updated_at {NOW},
                UNIQUE(sender_id, domain)
            )""",
            "CREATE INDEX idx_lessons_sender ON lessons(sender_id)",
        ),
        "011_project_learning": (
            "ALTER TABLE outcomes ADD COLUMN project TEXT NOT NULL DEFAULT ''",
            "CREATE INDEX idx_outcomes_project ON outcomes(sender_id, project, timestamp)",
            *rebuilt_lessons(
                style,
                LESSON,
                LESSON.replace("project", "''"),
                ", UNIQUE(sender_id, domain, project)",
            ),
            "CREATE INDEX IF NOT EXISTS idx_lessons_sender ON lessons(sender_id)",
            "CREATE INDEX idx_lessons_project ON lessons(sender_id, project)",
            "ALTER TABLE scheduled_tasks ADD COLUMN project TEXT NOT NULL DEFAULT ''",
        ),
        "012_project_sessions": (
            f"""CREATE TABLE project_sessions (
                id TEXT PRIMARY KEY, channel TEXT NOT NULL, sender_id TEXT NOT NULL,
                project TEXT NOT NULL DEFAULT '', session_id TEXT NOT NULL, parent_project TEXT,
                created_at {NOW}, updated_at {NOW}, UNIQUE(channel, sender_id, project)
            )""",
            "CREATE INDEX idx_project_sessions_lookup ON project_sessions(channel, sender_id, project)",
            "ALTER TABLE conversations ADD COLUMN project TEXT NOT NULL DEFAULT ''",
            """CREATE INDEX idx_conversations_project
                ON conversations(channel, sender_id, project, status, last_activity)""",
        ),
        "013_multi_lessons": (
            *rebuilt_lessons(style, LESSON, LESSON),
            "CREATE INDEX IF NOT EXISTS idx_lessons_sender ON lessons(sender_id)",
            "CREATE INDEX IF NOT EXISTS idx_lessons_project ON lessons(sender_id, project)",
            "CREATE INDEX idx_lessons_domain ON lessons(sender_id, domain, project)",
        ),
    }


NAMES = tuple(steps())
OWN = tuple(step.name for step in STEPS if step.is_own)


def boundaries() -> list[tuple[int, int]]:
    """Every place Omega's runner may have stopped: the last whole step, and statements of the next."""
    counts = [*map(len, steps().values()), 1]
    return [(step, more) for step in range(14) for more in range(counts[step]) if step or more]


def build(
    path: Path, step: int, more: int = 0, *, tracked: bool = True, style: str = "swap", rows: bool = True
) -> None:
    """Each statement commits on its own, as in Omega; a step is recorded after its last one."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        if tracked:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS _migrations (name TEXT PRIMARY KEY, applied_at {NOW})"
            )
        for name in NAMES[:step]:
            for statement in steps(style)[name]:
                connection.execute(statement)
            if tracked:
                connection.execute("INSERT INTO _migrations (name) VALUES (?)", [name])
        late = step == 2  # a column with such a default cannot be added once there are rows
        if rows and not late:
            fill(connection)
        for statement in steps(style)[NAMES[step]][:more] if more else ():
            connection.execute(statement)
        if rows and late:
            fill(connection)


def connect(path: Path) -> sqlite3.Connection:
    """A connection such as any program makes, but that does not wait for the disk."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def fill(connection: sqlite3.Connection) -> None:
    """Rows in whatever tables and columns there are by now; one message in between is deleted again."""
    for table, rows in ROWS.items():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for row in rows:
            known = {name: value for name, value in row.items() if name in columns}
            if columns:
                sql = f"INSERT INTO {table} ({', '.join(known)}) VALUES ({', '.join('?' * len(known))})"
                connection.execute(sql, list(known.values()))
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone():
        connection.execute("DELETE FROM messages WHERE id = 'm-gone'")
