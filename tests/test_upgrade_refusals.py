"""What is not ours to touch is refused, and not touched; what a newer Omega added is put up with."""

import hashlib
from contextlib import closing
from pathlib import Path

import old_files
import pytest

from omega_migrations import STEPS
from omega_models import sqlite_file, upgrade
from omega_models.errors import StoreUnavailable

FOREIGN = {
    "tables of another program": ["CREATE TABLE users (id INTEGER PRIMARY KEY)"],
    "another program's conversations": ["CREATE TABLE conversations (id INTEGER, title TEXT)"],
    "another program's messages": ["CREATE TABLE messages (id INTEGER, body TEXT)"],
    "another program's migrations": [
        "CREATE TABLE _migrations (name TEXT)",
        "INSERT INTO _migrations VALUES ('1')",
    ],
    "a view and nothing else": ["CREATE VIEW v AS SELECT 1"],
}


def prepare(path: Path) -> upgrade.UpgradeReport:
    database = sqlite_file.open_file(str(path), durability="off", file_mode=None)
    try:
        return upgrade.prepare(database)
    finally:
        database.close()


def run(path: Path, *statements: str) -> None:
    with closing(old_files.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(path: Path, what: str) -> None:
    before = digest(path)
    names = sorted(each.name for each in path.parent.iterdir())
    for refuse in (prepare, upgrade.plan):
        with pytest.raises(StoreUnavailable, match=what) as caught:
            refuse(path)
        assert str(path) in str(caught.value)
        assert "untouched" in str(caught.value)
        assert digest(path) == before
        assert sorted(each.name for each in path.parent.iterdir()) == names


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_another_programs_file_is_refused(tmp_path: Path, kind: str, journal: str) -> None:
    path = tmp_path / "other.db"
    run(path, f"PRAGMA journal_mode = {journal}", *FOREIGN[kind])
    refused(path, "not an Omega file")


def test_another_programs_file_is_refused_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(old_files.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (id)")
        refused(path, "not an Omega file")


def test_another_programs_crash_is_left_as_it_is(tmp_path: Path) -> None:
    path, crashed = tmp_path / "other.db", tmp_path / "crashed.db"
    with closing(old_files.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (id)")
        crashed.write_bytes(path.read_bytes())
        wal = crashed.with_name("crashed.db-wal")
        wal.write_bytes(path.with_name("other.db-wal").read_bytes())
    before = digest(crashed), digest(wal)
    with pytest.raises(StoreUnavailable, match="not an Omega file"):
        prepare(crashed)
    assert (digest(crashed), digest(wal)) == before


@pytest.mark.parametrize("step", [5, 13])
def test_a_newer_programs_file_is_refused(tmp_path: Path, step: int) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, step)
    run(path, "INSERT INTO _migrations (name) VALUES ('py099_tomorrow')")
    refused(path, "py099_tomorrow.*install that version")


def test_an_upgraded_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    prepare(path)
    run(path, "INSERT INTO _migrations (name) VALUES ('py098_tomorrow')")
    refused(path, "py098_tomorrow")


def add_newer_step(path: Path) -> None:
    run(
        path,
        "INSERT INTO _migrations (name) VALUES ('014_tokens'), ('odd')",
        "ALTER TABLE audit_log ADD COLUMN tokens INTEGER",
        "CREATE TABLE token_use (id TEXT PRIMARY KEY)",
        "UPDATE audit_log SET tokens = 12",
    )


def test_steps_of_a_newer_omega_are_put_up_with(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    add_newer_step(path)
    assert prepare(path).applied == tuple(step.name for step in STEPS if step.is_own)
    assert "014_tokens, odd" in caplog.text
    assert prepare(path).applied == ()
    with closing(old_files.connect(path)) as connection:
        assert connection.execute("SELECT tokens FROM audit_log").fetchall() == [(12,)]
        assert connection.execute("SELECT count(*) FROM scheduled_tasks WHERE rev = 1").fetchone() == (8,)


def test_steps_between_are_made_up_for_beside_those_of_a_newer_omega(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 12)
    add_newer_step(path)
    assert prepare(path).applied == ("013_multi_lessons", *old_files.OWN)
    run(
        path, "INSERT INTO lessons (id, sender_id, domain, rule) VALUES ('x9', '1', 'kitchen', 'taste first')"
    )


def test_what_a_newer_omega_allows_is_not_forbidden_again(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    add_newer_step(path)
    run(
        path,
        "DROP TABLE outcomes",
        """CREATE TABLE outcomes (id TEXT PRIMARY KEY, timestamp TEXT, sender_id TEXT, domain TEXT, score INTEGER,
            lesson TEXT, source TEXT, project TEXT)""",
        "INSERT INTO outcomes (id, score) VALUES ('o9', 5)",
    )
    prepare(path)
    with closing(old_files.connect(path)) as connection:
        assert connection.execute("SELECT score FROM outcomes").fetchall() == [(5,)]


@pytest.mark.parametrize("upgraded", [False, True])
def test_a_newer_omega_that_took_a_column_away_is_refused(tmp_path: Path, upgraded: bool) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    if upgraded:
        prepare(path)
        path.with_name(next(each.name for each in tmp_path.iterdir() if each.suffix == ".bak")).unlink()
    add_newer_step(path)
    run(path, "ALTER TABLE audit_log DROP COLUMN model")
    refused(path, r"014_tokens|odd.* lacks audit_log\.model")


def two_senders(path: Path, step: int = 2) -> None:
    old_files.build(path, step)
    run(
        path,
        "INSERT INTO conversations (id, channel, sender_id) VALUES ('c9', 'console', '2')",
        "INSERT INTO messages (id, conversation_id, role, content) VALUES ('m-9', 'c9', 'user', 'mine')",
        "INSERT INTO facts (id, key, value, source_message_id) VALUES ('f9', 'name', 'Two', 'm-9')",
        "INSERT INTO facts (id, key, value, source_message_id, updated_at)"
        " VALUES ('f8', 'name', 'Newer', 'm-1', '2029-01-01 00:00:00')",
    )


def test_facts_from_before_senders_go_to_who_said_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whose the others are nobody knows: they stay in the copy, and the log says so."""
    path = tmp_path / "memory.db"
    two_senders(path)
    report = prepare(path)
    with closing(old_files.connect(path)) as connection:
        facts = connection.execute("SELECT id, sender_id, value FROM facts ORDER BY id").fetchall()
    assert facts == [("f8", "1", "Newer"), ("f9", "2", "Two")]
    assert report.notes[0].startswith("2 facts")
    assert report.notes[0] in caplog.text
    assert report.copy
    with closing(old_files.connect(report.copy)) as connection:
        assert connection.execute("SELECT count(*) FROM facts").fetchone() == (4,)
