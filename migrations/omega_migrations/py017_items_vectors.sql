-- Messages may have embeddings, and agents keep tool calls and reasoning beside a conversation.
CREATE TABLE recall_vectors (
    id INTEGER NOT NULL PRIMARY KEY,
    chat INTEGER NOT NULL,
    model TEXT NOT NULL DEFAULT '',
    vector BLOB
);

CREATE INDEX idx_recall_vectors_chat ON recall_vectors (chat);

CREATE INDEX idx_recall_vectors_waiting ON recall_vectors (id) WHERE vector IS NULL;

CREATE TABLE session_items (
    id INTEGER NOT NULL PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    message_id TEXT,
    item TEXT NOT NULL,
    created_ms INTEGER NOT NULL
);

CREATE INDEX idx_session_items_conversation ON session_items (conversation_id, id);

CREATE TRIGGER recall_vector_deleted AFTER DELETE ON messages BEGIN
    DELETE FROM recall_vectors WHERE id = old.rowid;
END;

CREATE TRIGGER recall_vector_updated AFTER UPDATE OF content ON messages BEGIN
    DELETE FROM recall_vectors WHERE id = old.rowid;
END;
