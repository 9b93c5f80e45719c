-- What users wrote becomes searchable.
CREATE VIRTUAL TABLE messages_fts USING fts5(content, content='messages', content_rowid='rowid');

CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages WHEN new.role = 'user' BEGIN
    INSERT INTO messages_fts(rowid, content) VALUES (new.rowid, new.content);
END;

CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages WHEN old.role = 'user' BEGIN
    INSERT INTO messages_fts(messages_fts, rowid, content) VALUES ('delete', old.rowid, old.content);
END;

CREATE TRIGGER messages_fts_update AFTER UPDATE OF content ON messages WHEN old.role = 'user' BEGIN
    INSERT INTO messages_fts(messages_fts, rowid, content) VALUES ('delete', old.rowid, old.content);
    INSERT INTO messages_fts(rowid, content) VALUES (new.rowid, new.content);
END;

-- Not 'rebuild': that would index the assistant's messages too.
INSERT INTO messages_fts(messages_fts) VALUES ('delete-all');

INSERT INTO messages_fts(rowid, content) SELECT rowid, content FROM messages WHERE role = 'user';
