-- A task remembers how often it failed, and why.
CREATE TABLE scheduled_tasks (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    reply_target TEXT NOT NULL,
    description TEXT NOT NULL,
    due_at TEXT NOT NULL,
    repeat TEXT,
    status TEXT NOT NULL DEFAULT 'pending',
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    delivered_at TEXT,
    task_type TEXT NOT NULL DEFAULT 'reminder',
    retry_count INTEGER NOT NULL DEFAULT 0,
    last_error TEXT
);
