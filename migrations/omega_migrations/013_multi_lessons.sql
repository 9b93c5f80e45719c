-- Several lessons may be kept for one domain.
CREATE TABLE lessons (
    id TEXT PRIMARY KEY,
    sender_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    rule TEXT NOT NULL,
    project TEXT NOT NULL DEFAULT '',
    occurrences INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE INDEX idx_lessons_domain ON lessons (sender_id, domain, project);
