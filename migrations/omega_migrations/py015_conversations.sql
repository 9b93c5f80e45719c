-- Conversations know the group they are held in, messages what they are on their platform.
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    started_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now')),
    summary TEXT,
    last_activity TEXT NOT NULL DEFAULT (datetime('now')),
    status TEXT NOT NULL DEFAULT 'active',
    project TEXT NOT NULL DEFAULT '',
    group_target TEXT
);

CREATE INDEX idx_conversations_sender ON conversations (sender_id);

CREATE INDEX idx_conversations_closed ON conversations (status, updated_at) WHERE status = 'closed';

CREATE INDEX idx_conversations_past
    ON conversations (channel, sender_id, group_target, updated_at) WHERE status = 'closed';

CREATE TABLE received_messages (
    message_id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    reply_target TEXT NOT NULL DEFAULT '',
    platform_message_id TEXT,
    reply_id TEXT,
    UNIQUE (channel, platform_message_id, reply_target, sender_id)
);

CREATE INDEX idx_received_messages_waiting ON received_messages (conversation_id, reply_id);

CREATE INDEX idx_facts_key ON facts (key, sender_id);

CREATE INDEX idx_facts_source ON facts (source_message_id) WHERE source_message_id IS NOT NULL;

CREATE INDEX idx_audit_log_sender_time ON audit_log (sender_id, timestamp);

CREATE INDEX idx_project_sessions_sender ON project_sessions (sender_id);
