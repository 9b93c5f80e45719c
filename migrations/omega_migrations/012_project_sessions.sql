-- A coding session is remembered for each project, and a conversation belongs to one or to none.
CREATE TABLE project_sessions (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    project TEXT NOT NULL DEFAULT '',
    session_id TEXT NOT NULL,
    parent_project TEXT,
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now')),
    UNIQUE (channel, sender_id, project)
);

CREATE INDEX idx_project_sessions_lookup ON project_sessions (channel, sender_id, project);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    started_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now')),
    summary TEXT,
    last_activity TEXT NOT NULL DEFAULT (datetime('now')),
    status TEXT NOT NULL DEFAULT 'active',
    project TEXT NOT NULL DEFAULT ''
);

CREATE INDEX idx_conversations_project
    ON conversations (channel, sender_id, project, status, last_activity);
