-- Recall gets an index of both speakers' messages, sender by sender; older messages are queued for it.
CREATE TABLE recall_chats (
    id INTEGER NOT NULL PRIMARY KEY,
    sender_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    group_target TEXT NOT NULL DEFAULT '',
    messages INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sender_id, channel, group_target)
);

CREATE TABLE recall_queue (
    id INTEGER NOT NULL PRIMARY KEY
);

CREATE VIRTUAL TABLE recall USING fts5(terms, detail=none, columnsize=0, tokenize="ascii tokenchars '_@'");

CREATE VIRTUAL TABLE recall_terms USING fts5vocab('recall', 'row');

CREATE TRIGGER recall_inserted AFTER INSERT ON messages BEGIN
    INSERT OR IGNORE INTO recall_queue (id) VALUES (new.rowid);
END;

CREATE TRIGGER recall_deleted AFTER DELETE ON messages BEGIN
    DELETE FROM recall WHERE rowid = old.rowid;
    DELETE FROM recall_queue WHERE id = old.rowid;
END;

CREATE TRIGGER recall_updated AFTER UPDATE OF content, metadata_json ON messages BEGIN
    DELETE FROM recall WHERE rowid = old.rowid;
    INSERT OR IGNORE INTO recall_queue (id) VALUES (new.rowid);
END;

INSERT OR IGNORE INTO recall_queue (id) SELECT rowid FROM messages;
