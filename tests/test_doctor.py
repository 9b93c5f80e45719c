"""`omega-worker doctor`: what is wrong with a database, and what it mends without losing anything."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import old_files
import pytest
import spoiled
from command_line import apart, told
from spoiled import NOON, dump, execute

from omega_migrations import STEPS
from omega_models import Store, backup, oddities, search_index, soundness
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding
from omega_models.presence import beat, take_lease
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock
from omega_worker import examination
from omega_worker.examination import Examined
from omega_worker.settings import Settings

Look = Callable[..., Examined]
FTS_TRIGGERS = ("messages_fts_insert", "messages_fts_delete", "messages_fts_update")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir(mode=0o700)
    return spoiled.build(tmp_path / "data" / "memory.db")


@pytest.fixture
def look(path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """The examination, by a clock of its own; a worker serves the channel."""
    clock = FakeClock(NOON)
    with Store(path, clock=clock) as store:
        beat(store, "w", ["chat"], ["reminder"])
    monkeypatch.setattr(
        examination, "open_existing", lambda settings: Store(settings.database_url, clock=clock)
    )

    def run(*, fix: bool = False, **settings: Any) -> Examined:
        return examination.examine(Settings.defaults(database_url=str(path), **settings), clock(), fix=fix)

    return run


def wrong(done: Examined) -> list[tuple[str, str]]:
    """Topic and level of everything that is not as it should be."""
    return [
        (each.topic, each.level)
        for each in done.found
        if each.level not in (OK, NOTE) and each.topic != "clock"
    ]


def text(done: Examined, topic: str) -> str:
    return " ".join(each.text for each in done.found if each.topic == topic and each.level != OK)


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    return execute(path, f"SELECT * FROM {table} ORDER BY 1")


def test_a_sound_database(look: Look, path: Path) -> None:
    before = dump(path)
    done = look()
    assert wrong(done) == []
    assert dump(path) == before
    topics = ["integrity", "schema", "search index", "recall index", "tasks", "ledger", "workers", "WAL"]
    around = ["permissions", "disk", "clock", "backups"]
    assert list(dict.fromkeys(each.topic for each in done.found)) == [*topics, *around]
    assert look(fix=True).repaired == []
    assert dump(path) == before


# The file


@pytest.mark.parametrize("table", ["messages", "facts", "idx_messages_conversation"])
def test_corrupt_pages(look: Look, path: Path, table: str) -> None:
    spoiled.damage(path, table)
    before = path.read_bytes()
    done = look(fix=True)
    assert ("integrity", PROBLEM) in wrong(done)
    assert "omega-worker restore" in text(done, "integrity")
    assert done.repaired == []
    assert path.read_bytes() == before


def test_references_that_lead_nowhere(look: Look, path: Path) -> None:
    execute(path, "PRAGMA foreign_keys = OFF", "UPDATE messages SET conversation_id = '?' WHERE id = 'm1'")
    done = look()
    assert wrong(done) == [("integrity", WARNING)]
    assert "1 row refers to something that is gone" in text(done, "integrity")


def test_an_older_file_is_looked_at_and_not_upgraded(look: Look, path: Path) -> None:
    path.unlink()
    for each in path.parent.iterdir():
        each.unlink()
    old_files.build(path, 9)
    path.chmod(0o600)
    done = look(fix=True)
    assert wrong(done) == []
    assert f"{len(STEPS) - 9} steps behind" in text(done, "upgrade")
    assert [each.topic for each in done.found][:2] == ["integrity", "upgrade"]


# The schema


def test_a_missing_index_is_made(look: Look, path: Path) -> None:
    execute(path, "DROP INDEX idx_scheduled_tasks_due", "DROP INDEX idx_facts_key")
    done = look()
    assert wrong(done) == [("schema", PROBLEM), ("schema", PROBLEM)]
    done = look(fix=True)
    assert (wrong(done), len(done.repaired)) == ([], 1)
    assert "idx_scheduled_tasks_due" in done.repaired[0]


@pytest.mark.parametrize("name", [*FTS_TRIGGERS, "scheduled_tasks_inserted", "scheduled_tasks_updated"])
def test_a_missing_or_other_trigger_is_made_anew(look: Look, path: Path, name: str) -> None:
    for other in ("", f"CREATE TRIGGER {name} AFTER INSERT ON facts BEGIN SELECT 1; END"):
        execute(path, f"DROP TRIGGER {name}", *filter(None, [other]))
        assert wrong(look()) == [("schema", PROBLEM)]
        done = look(fix=True)
        assert (wrong(done), done.repaired) == ([], [f"make the trigger {name}: trigger {name} made"])


def test_what_others_added_is_noted(look: Look, path: Path) -> None:
    execute(path, "CREATE TABLE mine (a)", "CREATE VIEW seen AS SELECT 1", "CREATE TABLE [two words] (b)")
    done = look()
    assert wrong(done) == []
    assert "table mine, table two words, view seen" in text(done, "schema")


def test_a_table_that_lacks_a_column(look: Look, path: Path) -> None:
    execute(path, "ALTER TABLE lessons DROP COLUMN occurrences")
    done = look()
    assert wrong(done) == [("schema", PROBLEM)]
    assert "lacks occurrences" in text(done, "schema")
    assert not done.found[1].remedy


def test_a_table_that_is_gone(look: Look, path: Path) -> None:
    execute(path, "DROP TABLE limitations")
    assert "table limitations is missing" in text(look(fix=True), "schema")


# The search index


def found(path: Path, word: str) -> int:
    return len(execute(path, f"SELECT rowid FROM messages_fts WHERE messages_fts MATCH '\"{word}\"'"))


def test_user_messages_that_are_not_indexed(look: Look, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "BATCH", 2)
    triggers = execute(path, "SELECT sql FROM sqlite_master WHERE name = 'messages_fts_delete'")
    execute(
        path,
        "INSERT INTO messages_fts (messages_fts, rowid, content) SELECT 'delete', rowid, content FROM messages"
        " WHERE role = 'user' AND rowid < 10",
    )
    assert triggers
    done = look()
    assert wrong(done) == [("search index", PROBLEM)]
    assert "5 user messages cannot be found" in text(done, "search index")
    done = look(fix=True)
    assert (wrong(done), done.repaired) == ([], ["index them: 5 messages indexed"])
    assert found(path, "boat") == spoiled.USER_MESSAGES


def test_assistant_messages_that_a_rebuild_indexed(look: Look, path: Path) -> None:
    """What another program's 'rebuild' does: it takes every message for part of the index."""
    execute(path, "INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
    assert found(path, "see") == spoiled.USER_MESSAGES
    before = rows(path, "messages")
    done = look(fix=True)
    assert (wrong(done), done.repaired) == (
        [],
        [f"take them out: {spoiled.USER_MESSAGES} entries taken out"],
    )
    assert (found(path, "see"), found(path, "boat")) == (0, spoiled.USER_MESSAGES)
    assert rows(path, "messages") == before


def test_messages_deleted_behind_the_index(look: Look, path: Path) -> None:
    """Their words are known to nobody but the index, and go all the same."""
    trigger = execute(path, "SELECT sql FROM sqlite_master WHERE name = 'messages_fts_delete'")[0][0]
    secret = "INSERT INTO messages (id, conversation_id, role, content) SELECT 's', id, 'user', 'Größe xyzzy' FROM conversations"
    execute(
        path, secret, "DROP TRIGGER messages_fts_delete", "DELETE FROM messages WHERE id = 's'", str(trigger)
    )
    terms = "SELECT count(*) FROM v WHERE term IN ('große', 'grosse', 'xyzzy', 'groe', 'größe')"
    vocabulary = "CREATE VIRTUAL TABLE temp.v USING fts5vocab('main', 'messages_fts', 'row')"
    assert execute(path, vocabulary, terms) != [(0,)]
    done = look(fix=True)
    assert (wrong(done), done.repaired) == ([], ["take them out: 1 entry taken out"])
    assert execute(path, vocabulary, terms) == [(0,)]
    with Store(path) as store:
        search_index.check(driver(store.database))


def test_an_index_that_fell_out_of_step(look: Look, path: Path) -> None:
    """As after a VACUUM that gave rows other numbers: every row is there, under the words of another."""
    execute(path, "DROP TRIGGER messages_fts_update")
    execute(path, "UPDATE messages SET content = 'quite something else ' || rowid WHERE role = 'user'")
    done = look()
    assert ("search index", PROBLEM) in wrong(done)
    assert "not found by their own words" in text(done, "search index")


def test_a_damaged_index(look: Look, path: Path) -> None:
    execute(path, "UPDATE messages_fts_data SET block = zeroblob(60) WHERE id > 10")
    done = look(fix=True)
    assert ("search index", PROBLEM) in wrong(done)
    assert done.repaired == []


def test_a_big_index_is_not_checked_at_writers_cost(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "MOST_BLOCKS", 0)
    done = look()
    assert wrong(done) == []
    assert "each backup is checked" in text(done, "search index")


def test_any_text_can_be_sampled(path: Path) -> None:
    random.seed(3)
    with Store(path) as store:
        for number, said in enumerate(
            ('"quoted" (((', "*", "é" * 500, "a b " * 200, "AND OR NOT", "c++ – 日本語")
        ):
            conversation = store.get_or_create_conversation("chat", 42)
            store.append_message(conversation, "user", f"{said}", timestamp=NOON + timedelta(seconds=number))
        connection = driver(store.database)
        for _ in range(20):
            assert search_index.mismatched(connection) == []


# The rows


def task(path: Path, where: str = "repeat IS NULL") -> str:
    ((identity,),) = execute(path, f"SELECT id FROM scheduled_tasks WHERE {where}")
    return str(identity)


def test_tasks_that_nobody_can_read(look: Look, path: Path) -> None:
    execute(path, "UPDATE scheduled_tasks SET due_at = 'tomorrow at noon' WHERE repeat IS NULL")
    done = look(fix=True)
    assert wrong(done) == [("tasks", PROBLEM)]
    assert f"1 task set aside, for nobody can read when they are due: {task(path)[:8]}" in text(done, "tasks")


def test_times_that_are_never_reached(look: Look, path: Path) -> None:
    """Written by a program that had the triggers off: readable ones are put right, others set aside."""
    trigger = execute(path, "SELECT sql FROM sqlite_master WHERE name = 'scheduled_tasks_updated'")[0][0]
    off = "DROP TRIGGER scheduled_tasks_updated"
    change = "UPDATE scheduled_tasks SET due_at = '{}' WHERE repeat IS {} NULL"
    execute(
        path,
        off,
        change.format("2031-05-01T15:00:00Z", ""),
        change.format("on a Tuesday", "NOT"),
        str(trigger),
    )
    assert wrong(look()) == [("tasks", PROBLEM)]
    done = look(fix=True)
    assert done.repaired == [
        "read their times anew: 2 times read anew; what cannot be read is set aside as failed"
    ]
    assert "1 task set aside" in text(done, "tasks")
    states = "SELECT due_at, status FROM scheduled_tasks ORDER BY repeat IS NULL DESC"
    assert execute(path, states) == [("2031-05-01 15:00:00", "pending"), ("on a Tuesday", "failed")]


def test_a_claim_that_lapsed_long_ago(look: Look, path: Path) -> None:
    with Store(path, clock=FakeClock(NOON - timedelta(minutes=50))) as store:
        assert store.claim_due_tasks("gone", 1, timedelta(minutes=1))
    assert wrong(look()) == []
    execute(
        path, "UPDATE scheduled_tasks SET due_at = '2031-05-01 10:00:00', rev = rev + 1 WHERE repeat IS NULL"
    )
    done = look()
    assert "claimed by a worker that is gone" in text(done, "tasks")


def test_a_claim_that_was_voided_by_another_program(look: Look, path: Path) -> None:
    with Store(path, clock=FakeClock(NOON - timedelta(minutes=50))) as store:
        store.claim_due_tasks("gone", 1, timedelta(minutes=1))
    execute(path, "UPDATE scheduled_tasks SET status = 'cancelled' WHERE repeat IS NULL")
    assert wrong(look()) == []
    execute(path, "UPDATE task_occurrences SET claimed_ms = claimed_ms - 3600000")
    assert wrong(look()) == [("ledger", WARNING)]


def test_a_channel_that_nobody_serves(look: Look, path: Path) -> None:
    execute(path, "DELETE FROM workers")
    done = look()
    assert wrong(done) == [("tasks", PROBLEM)]
    assert "1 due reminder for channel 'chat', which no live worker serves" in text(done, "tasks")


def test_a_ledger_without_tasks_is_noted(look: Look, path: Path) -> None:
    with Store(path, clock=FakeClock(NOON)) as store:
        store.complete_task(task(path))
    execute(path, "DELETE FROM scheduled_tasks WHERE repeat IS NULL")
    done = look(fix=True)
    assert wrong(done) == []
    assert "1 row of tasks that another program deleted" in text(done, "ledger")
    assert len(rows(path, "task_occurrences")) == 1


def test_what_workers_left_behind_is_forgotten(look: Look, path: Path) -> None:
    with Store(path, clock=FakeClock(NOON - timedelta(days=3))) as store:
        beat(store, "gone", ["chat"], ["reminder"])
        take_lease(store, "close c1", "gone", timedelta(minutes=1))
        take_lease(store, "maintained", "gone", timedelta(0))
    done = look()
    assert (wrong(done), "1 lease and 1 worker" in text(done, "workers")) == ([("workers", WARNING)], True)
    done = look(fix=True)
    assert (wrong(done), done.repaired) == ([], ["forget them: 1 worker and 1 lease forgotten"])


# Around it


def test_a_log_that_has_grown(look: Look, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oddities, "BIG_LOG", 1000)
    with Store(path) as store:
        store.store_fact(42, "city", "Kyiv")
        assert wrong(look()) == [("WAL", WARNING)]
        done = look(fix=True)
    assert (wrong(done), done.repaired) == ([], ["write it into the file: written into the file"])


def test_backups_that_are_old_or_damaged(look: Look, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    assert wrong(look(backup_folder=str(folder))) == [("backups", PROBLEM)]
    backup.make(path, folder, NOON - timedelta(hours=47))
    assert wrong(look(backup_folder=str(folder))) == []
    assert wrong(look(backup_folder=str(folder), backup_interval_hours=12)) == [("backups", PROBLEM)]
    backup.make(path, folder, NOON).file.write_bytes(b"short")
    assert backup.find(folder)[0].fault
    assert wrong(look(backup_folder=str(folder))) == [("backups", WARNING)]


def test_what_an_interrupted_restore_left(look: Look, path: Path) -> None:
    path.with_name("memory.db.replaced-20310501T180000Z.part").write_text("")
    path.with_name("memory.db.replaced-20310501T180000Z").write_text("kept")
    assert wrong(look()) == [("restore", WARNING)]


@pytest.mark.postgres
def test_a_server(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        examination, "open_existing", lambda settings: Store(settings.database_url, clock=FakeClock(NOON))
    )
    settings = Settings.defaults(database_url=postgres_database)
    done = examination.examine(settings, NOON, fix=True)
    assert {each.level for each in done.found} == {OK}
    with Store(postgres_database, clock=FakeClock(NOON)) as store:
        store.create_task("chat", 1, 1, "Call John", NOON - timedelta(hours=2))
    assert wrong(examination.examine(settings, NOON)) == [("tasks", PROBLEM)]


# The command


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    return partial(told, capsys, "doctor", "--database", str(tmp_path / "data" / "memory.db"))


def sound_today(path: Path) -> None:
    """Nothing of it is from the future of the machine's own clock."""
    path.unlink()
    for each in path.parent.iterdir():
        each.unlink()
    with Store(path) as store:
        store.store_fact(1, "name", "Ada")


def test_healthy(path: Path, tell: Any) -> None:
    sound_today(path)
    code, said, errors = tell()
    assert (code, errors) == (0, "")
    assert said.splitlines()[0].split() == ["WHAT", "STATE", "FOUND"]
    assert said.splitlines()[-1] == "Nothing is wrong; 1 note."


def test_ill_and_mended(path: Path, tell: Any) -> None:
    sound_today(path)
    execute(path, "DROP TRIGGER messages_fts_insert")
    code, said, _ = tell()
    assert (code, "[--fix: make the trigger messages_fts_insert]" in " ".join(said.split())) == (1, True)
    assert said.splitlines()[-1] == "1 problem, 1 note; --fix mends 1 of them."
    assert max(map(len, said.splitlines())) <= 80
    code, said, _ = tell("--fix", "--json")
    shown = json.loads(said)
    assert (code, shown["healthy"], len(shown["repaired"])) == (0, True, 1)
    assert tell("--fix")[0] == 0


@pytest.mark.parametrize("content", [None, "not a database, just words, a few of them"])
def test_what_cannot_be_examined(path: Path, tell: Any, content: str | None) -> None:
    path.unlink()
    if content:
        path.write_text(content)
    code, said, errors = tell()
    assert (code, said) == (2, "")
    assert "there is no database" in errors if content is None else "not an SQLite database" in errors


def test_a_newer_or_foreign_file_cannot_be_examined(path: Path, tell: Any) -> None:
    execute(path, "INSERT INTO _migrations (name) VALUES ('py999_later')")
    code, said, errors = tell()
    assert (code, said) == (2, "")
    assert "newer version" in errors


def test_the_expected_schema_is_that_of_a_new_file(path: Path) -> None:
    assert soundness.expected()
    assert [each.level for each in soundness_of(path)] == [OK]


def soundness_of(path: Path) -> list[Finding]:
    with Store(path) as store:
        return soundness.schema_differences(driver(store.database))
