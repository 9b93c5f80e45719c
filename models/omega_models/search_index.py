"""The search index of user messages: whether it is sound, and what it lacks or has too much.

Never 'rebuild' and never the check with rank 1: both take assistant messages for part of it.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

INDEX = "messages_fts"
MOST_BLOCKS = 20_000  # a check of more would keep writers waiting for seconds
BATCH = 500
SAMPLE = 50
LONGEST_PHRASE = 200

MISSING = """SELECT m.rowid FROM messages AS m LEFT JOIN messages_fts_docsize AS d ON d.id = m.rowid
    WHERE m.role = 'user' AND d.id IS NULL ORDER BY m.rowid"""
EXTRA = """SELECT d.id FROM messages_fts_docsize AS d LEFT JOIN messages AS m ON m.rowid = d.id AND m.role = 'user'
    WHERE m.rowid IS NULL ORDER BY d.id"""
SAMPLED = """SELECT m.rowid, substr(m.content, 1, ?) FROM messages AS m WHERE m.role = 'user' AND m.rowid IN
    (SELECT abs(random() % (SELECT max(rowid) FROM messages)) + 1 FROM messages LIMIT ?)"""
STILL_EXTRA = """SELECT d.id FROM json_each(?) JOIN messages_fts_docsize AS d ON d.id = value
    LEFT JOIN messages AS m ON m.rowid = d.id AND m.role = 'user' WHERE m.rowid IS NULL"""
TERMS = """SELECT doc, group_concat(term, ' ') FROM
    (SELECT doc, term FROM temp.omega_terms WHERE doc IN (SELECT value FROM json_each(?)) ORDER BY doc, offset)
    GROUP BY doc"""


def is_there(connection: sqlite3.Connection, index: str = INDEX) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{index}_data",)).fetchone()
    return found is not None


def check(connection: sqlite3.Connection, index: str = INDEX) -> None:
    """SQLite's own check, as a writer that writes nothing. Raises `sqlite3.DatabaseError`."""
    if not is_there(connection, index):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")  # noqa: S608
    except sqlite3.DatabaseError as error:
        raise sqlite3.DatabaseError(f"the search index {index}: {error}") from error
    finally:
        connection.execute("ROLLBACK")


def is_quick(connection: sqlite3.Connection, index: str = INDEX) -> bool:
    """Whether `check` would hold writers up for no longer than they are ready to wait."""
    query = f"SELECT count(*) FROM (SELECT 1 FROM {index}_data LIMIT {MOST_BLOCKS + 1})"  # noqa: S608
    return int(connection.execute(query).fetchone()[0]) <= MOST_BLOCKS


def walk(connection: sqlite3.Connection) -> int:
    """Reads all of it without being a writer; the number of terms. Raises `sqlite3.DatabaseError`."""
    with _terms(connection, "row"):
        return int(connection.execute("SELECT count(doc) FROM temp.omega_terms").fetchone()[0])


@contextmanager
def _terms(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"CREATE VIRTUAL TABLE temp.omega_terms USING fts5vocab('main', '{INDEX}', '{kind}')")
    try:
        yield
    finally:
        connection.execute("DROP TABLE temp.omega_terms")


def missing(connection: sqlite3.Connection) -> list[int]:
    """Rowids of user messages that cannot be found."""
    return [row for (row,) in connection.execute(MISSING)]


def extra(connection: sqlite3.Connection) -> list[int]:
    """Rowids that are indexed and are no user message, or no message any more."""
    return [row for (row,) in connection.execute(EXTRA)]


def mismatched(connection: sqlite3.Connection) -> list[int]:
    """Of a random sample of user messages, those that their own beginning does not find."""
    sampled = connection.execute(SAMPLED, (LONGEST_PHRASE, SAMPLE)).fetchall()
    absent = set(missing(connection))
    phrases = ((row, _phrase(text)) for row, text in sampled if row not in absent)
    return [row for row, phrase in phrases if phrase and not _finds(connection, phrase, row)]


def _phrase(text: str) -> str | None:
    """Whole words only: the last may have been cut."""
    words = re.split(r"\s", text)
    whole = " ".join(words[:-1] if len(text) == LONGEST_PHRASE else words).replace("\0", " ")
    return '"' + whole.replace('"', '""') + '"' if re.search(r"[^\W_]", whole) else None


def _finds(connection: sqlite3.Connection, phrase: str, row: int) -> bool:
    found = "SELECT 1 FROM messages_fts WHERE messages_fts MATCH ? AND rowid = ?"
    return connection.execute(found, (phrase, row)).fetchone() is not None


def add_missing(connection: sqlite3.Connection) -> int:
    """Indexes the user messages that are not; how many."""
    rows = missing(connection)
    for some in _batches(rows):
        with _writing(connection):
            connection.executemany(
                "INSERT INTO messages_fts (rowid, content) SELECT rowid, content FROM messages"
                " WHERE rowid = ? AND role = 'user' AND NOT EXISTS"
                " (SELECT 1 FROM messages_fts_docsize AS d WHERE d.id = messages.rowid)",
                ((row,) for row in some),
            )
    return len(rows)


def remove_extra(connection: sqlite3.Connection) -> int:
    """Takes out what is indexed of anything but user messages; how many.

    The index wants to be told the very words it has, so they are read from it.
    """
    rows = extra(connection)
    with _terms(connection, "instance"):
        for some in _batches(rows):
            with _writing(connection):
                still = connection.execute(STILL_EXTRA, (json.dumps(some),)).fetchall()
                words = dict(connection.execute(TERMS, (json.dumps(some),)).fetchall())
                connection.executemany(
                    "INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', ?, ?)",
                    ((row, words.get(row, "")) for (row,) in still),
                )
    return len(rows)


def _batches(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
