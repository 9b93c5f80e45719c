"""The yardstick itself: it sees every difference that matters and none that does not."""

import sqlite3
from contextlib import closing

import pytest

from omega_models.schema_facts import describe

TABLE = """CREATE TABLE t (
    id TEXT PRIMARY KEY,
    parent TEXT REFERENCES t (id),
    score INTEGER NOT NULL DEFAULT 0 CHECK (score IN (-1, 0, 1)),
    at TEXT NOT NULL DEFAULT (datetime('now')),
    UNIQUE (parent, score)
)"""
INDEX = "CREATE UNIQUE INDEX i ON t (at COLLATE NOCASE) WHERE score = 1"
TRIGGER = "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE score = 0; END"
SEARCH = "CREATE VIRTUAL TABLE f USING fts5(at, content='t')"


def facts(*statements: str) -> dict[str, object]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        return describe(connection)


ORIGINAL = (TABLE, INDEX, TRIGGER, SEARCH)

CHANGES = {
    "default": ("DEFAULT 0", "DEFAULT 1"),
    "missing default": ("DEFAULT 0 ", ""),
    "missing CHECK": ("CHECK (score IN (-1, 0, 1))", ""),
    "other CHECK": ("(-1, 0, 1)", "(-1, 0, 2)"),
    "NOT NULL": ("TEXT NOT NULL DEFAULT (", "TEXT DEFAULT ("),
    "type": ("score INTEGER", "score BIGINT"),
    "primary key": ("id TEXT PRIMARY KEY", "id TEXT"),
    "foreign key": ("REFERENCES t (id)", ""),
    "foreign key's action": ("REFERENCES t (id)", "REFERENCES t (id) ON DELETE CASCADE"),
    "unique constraint": ("UNIQUE (parent, score)", "UNIQUE (score, parent)"),
    "column order": ("parent TEXT REFERENCES t (id),", "extra TEXT, parent TEXT REFERENCES t (id),"),
    "index collation": ("at COLLATE NOCASE", "at"),
    "index order": ("at COLLATE NOCASE", "at COLLATE NOCASE DESC"),
    "index uniqueness": ("UNIQUE INDEX", "INDEX"),
    "partial index": ("WHERE score = 1", "WHERE score = 2"),
    "index no longer partial": (" WHERE score = 1", ""),
    "trigger": ("WHERE score = 0", "WHERE score < 0"),
    "trigger's event": ("AFTER INSERT", "AFTER DELETE"),
    "virtual table": ("content='t'", "content=''"),
    "WITHOUT ROWID": ("score)\n)", "score)\n) WITHOUT ROWID"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_seen(change: str) -> None:
    old, new = CHANGES[change]
    changed = [statement.replace(old, new) for statement in ORIGINAL]
    assert changed != list(ORIGINAL)
    assert facts(*changed) != facts(*ORIGINAL)


def test_layout_and_quoting_are_no_difference() -> None:
    quoted = TABLE.replace("score INTEGER", '"score"   INTEGER').replace("IN (-1, 0, 1)", "IN\n(-1,0,1)")
    inline = quoted.replace("TEXT REFERENCES t (id)", "TEXT").replace(
        "UNIQUE (", "FOREIGN KEY (parent) REFERENCES t (id), UNIQUE ("
    )
    assert facts(inline, INDEX, TRIGGER.replace(" BEGIN ", "\nBEGIN\n    "), SEARCH) == facts(*ORIGINAL)


@pytest.mark.parametrize("missing", range(1, 4))
def test_something_missing_is_seen(missing: int) -> None:
    assert facts(*ORIGINAL[:missing], *ORIGINAL[missing + 1 :]) != facts(*ORIGINAL)
