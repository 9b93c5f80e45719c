-- One person may be known under several sender ids.
CREATE TABLE user_aliases (
    alias_sender_id TEXT PRIMARY KEY,
    canonical_sender_id TEXT NOT NULL
);
