-- Outcomes, lessons and tasks belong to a project, or to none.
CREATE TABLE outcomes (
    id TEXT PRIMARY KEY,
    timestamp TEXT NOT NULL DEFAULT (datetime('now')),
    sender_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    score INTEGER NOT NULL CHECK (score IN (-1, 0, 1)),
    lesson TEXT NOT NULL,
    source TEXT NOT NULL DEFAULT 'conversation',
    project TEXT NOT NULL DEFAULT ''
);

CREATE INDEX idx_outcomes_project ON outcomes (sender_id, project, timestamp);

CREATE TABLE lessons (
    id TEXT PRIMARY KEY,
    sender_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    rule TEXT NOT NULL,
    project TEXT NOT NULL DEFAULT '',
    occurrences INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now')),
    UNIQUE (sender_id, domain, project)
);

CREATE INDEX idx_lessons_project ON lessons (sender_id, project);

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
    last_error TEXT,
    project TEXT NOT NULL DEFAULT ''
);
