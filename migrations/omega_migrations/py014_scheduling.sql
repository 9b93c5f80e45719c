-- Tasks get what exact delivery needs: their instant, zone and claim, and a ledger of every occurrence.
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
    project TEXT NOT NULL DEFAULT '',
    scheduled_for TEXT,
    anchor_local TEXT,
    timezone TEXT,
    missed TEXT,
    claim TEXT,
    urgent INTEGER NOT NULL DEFAULT 0,
    rev INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX idx_scheduled_tasks_window ON scheduled_tasks (sender_id, status, scheduled_for);

CREATE TABLE task_occurrences (
    id TEXT PRIMARY KEY,
    task_id TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    scheduled_for INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('claimed', 'delivered', 'retrying', 'ambiguous', 'held', 'failed', 'skipped')),
    attempts INTEGER NOT NULL DEFAULT 0,
    stands_for INTEGER NOT NULL DEFAULT 1,
    due_ms INTEGER NOT NULL,
    claim TEXT,
    worker TEXT,
    follows TEXT,
    reason TEXT,
    receipt TEXT,
    error TEXT,
    lateness_ms INTEGER,
    claimed_ms INTEGER,
    settled_ms INTEGER,
    UNIQUE (task_id, scheduled_for)
);

CREATE INDEX idx_task_occurrences_sender ON task_occurrences (sender_id);

CREATE INDEX idx_task_occurrences_settled ON task_occurrences (settled_ms);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token TEXT NOT NULL,
    until_ms INTEGER NOT NULL
);

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    channels TEXT NOT NULL,
    task_types TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL
);

CREATE TABLE user_aliases (
    alias_sender_id TEXT PRIMARY KEY,
    canonical_sender_id TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE TRIGGER scheduled_tasks_inserted AFTER INSERT ON scheduled_tasks WHEN new.scheduled_for IS NULL BEGIN
    UPDATE scheduled_tasks SET
        due_at = CASE WHEN readable THEN datetime(new.due_at, '+0 seconds') ELSE new.due_at END,
        scheduled_for = CASE WHEN readable THEN datetime(new.due_at, '+0 seconds') END,
        status = CASE WHEN readable OR new.status <> 'pending' THEN new.status ELSE 'failed' END,
        last_error = CASE WHEN readable OR new.status <> 'pending' THEN new.last_error
            ELSE 'unreadable due_at: give YYYY-MM-DD HH:MM:SS in UTC' END,
        rev = new.rev + 1
    FROM (SELECT new.due_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'
        AND datetime(new.due_at, '+0 seconds') >= '0001' AS readable)
    WHERE scheduled_tasks.rowid = new.rowid;
END;

CREATE TRIGGER scheduled_tasks_updated AFTER UPDATE OF due_at, status ON scheduled_tasks WHEN new.rev = old.rev BEGIN
    UPDATE scheduled_tasks SET
        due_at = CASE WHEN readable THEN datetime(new.due_at, '+0 seconds') ELSE new.due_at END,
        scheduled_for = CASE WHEN new.due_at IS old.due_at THEN new.scheduled_for
            WHEN readable THEN datetime(new.due_at, '+0 seconds') END,
        anchor_local = CASE WHEN new.due_at IS old.due_at THEN new.anchor_local END,
        status = CASE WHEN readable OR new.status <> 'pending' THEN new.status ELSE 'failed' END,
        last_error = CASE WHEN readable OR new.status <> 'pending' THEN new.last_error
            ELSE 'unreadable due_at: give YYYY-MM-DD HH:MM:SS in UTC' END,
        claim = NULL,
        missed = NULL,
        rev = new.rev + 1
    FROM (SELECT new.due_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'
        AND datetime(new.due_at, '+0 seconds') >= '0001' AS readable)
    WHERE scheduled_tasks.rowid = new.rowid;
END;

-- Existing rows, as the triggers treat new ones. A rev that rises keeps the triggers from looking twice.
UPDATE scheduled_tasks SET
    due_at = datetime(due_at, '+0 seconds'),
    scheduled_for = datetime(due_at, '+0 seconds'),
    rev = rev + 1
WHERE scheduled_for IS NULL
    AND due_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'
    AND datetime(due_at, '+0 seconds') >= '0001';

UPDATE scheduled_tasks SET
    status = CASE status WHEN 'pending' THEN 'failed' ELSE status END,
    last_error = CASE status WHEN 'pending'
        THEN 'unreadable due_at: give YYYY-MM-DD HH:MM:SS in UTC' ELSE last_error END,
    rev = rev + 1
WHERE scheduled_for IS NULL;
