"""A file left anywhere by the older program ends as a new one begins, with every row it had."""

import re
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import old_files
import pytest

from omega_migrations import STEPS
from omega_models import sqlite_file, upgrade
from omega_models.schema_facts import describe

Rows = dict[str, dict[Any, dict[str, Any]]]

OWN = tuple(step.name for step in STEPS if step.is_own)
NORMALISED = {
    "t1": ("2030-01-01 10:00:00", "2030-01-01 10:00:00", "pending"),
    "t2": ("2030-01-01 08:00:00", "2030-01-01 08:00:00", "pending"),
    "t3": ("2030-01-01 10:00:00", "2030-01-01 10:00:00", "pending"),
    "t4": ("tomorrow at noon", None, "failed"),
    "t5": ("tomorrow at noon", None, "cancelled"),
    "t6": ("2024-01-01 10:00:00", "2024-01-01 10:00:00", "delivered"),
    "t7": ("2024-01-01 10:00:00", "2024-01-01 10:00:00", "failed"),
    "t8": ("2030-03-02 10:00:00", "2030-03-02 10:00:00", "pending"),
}
# Without a record of steps it is the schema that tells; by default at a step's end and after a first statement.
STOPPED = [
    pytest.param(
        *(step, more, tracked),
        id=f"{step}-{more}-{'tracked' if tracked else 'untracked'}",
        marks=() if tracked or more < 2 else pytest.mark.slow,
    )
    for step, more in old_files.boundaries()
    for tracked in (True, False)
]


def prepare(path: Path) -> upgrade.UpgradeReport:
    database = sqlite_file.open_file(str(path), durability="off", file_mode=None)
    try:
        return upgrade.prepare(database)
    finally:
        database.close()


def schema_of(path: Path) -> dict[str, Any]:
    with closing(old_files.connect(path)) as connection:
        return describe(connection)


@cache
def new_schema() -> dict[str, Any]:
    database = sqlite_file.open_file(":memory:", durability="off", file_mode=None)
    upgrade.prepare(database)
    facts = describe(database.engine.connection())
    database.close()
    return facts


def rows_of(path: Path) -> Rows:
    """Every row of every table by its first column, with its rowid; leftovers count as the table itself."""
    found: Rows = {}
    with closing(old_files.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall():
            rows = connection.execute(f"SELECT *, rowid AS place FROM {name}").fetchall()
            kept = found.setdefault(re.sub(r"_(v2|old)$", "", name), {})
            kept.update({row[0]: dict(row) for row in rows})
    return found


def recalled(path: Path) -> list[str]:
    """The ids of messages that a search finds, the index having checked itself."""
    with closing(old_files.connect(path)) as connection:
        connection.execute("INSERT INTO messages_fts(messages_fts) VALUES ('integrity-check')")
        found = connection.execute(
            "SELECT m.id FROM messages_fts f JOIN messages m ON m.rowid = f.rowid WHERE messages_fts MATCH 'omega'"
        )
        return sorted(row[0] for row in found)


def check_rows(before: Rows, after: Rows) -> None:
    for table, rows in before.items():
        for key, row in rows.items():
            changed = ("due_at", "status", "last_error") if table == "scheduled_tasks" else ()
            assert {name: after[table][key][name] for name in row if name not in changed} == {
                name: value for name, value in row.items() if name not in changed
            }
    for key in before.get("scheduled_tasks", ()):
        task = after["scheduled_tasks"][key]
        assert (task["due_at"], task["scheduled_for"], task["status"]) == NORMALISED[key]
    for conversation in after["conversations"].values():
        assert conversation["last_activity"] == conversation["updated_at"]


def check_upgraded(path: Path, before: Rows) -> None:
    assert schema_of(path) == new_schema()
    check_rows(before, rows_of(path))
    users = sorted(row["id"] for row in before.get("messages", {}).values() if row["role"] == "user")
    assert recalled(path) == users
    numbers = [re.sub(r"\D", "", name[:5]) for name in rows_of(path)["_migrations"]]
    assert sorted(numbers) == [f"{number:03}" for number in range(1, len(STEPS) + 1)]


@pytest.mark.parametrize(("step", "more", "tracked"), STOPPED)
def test_from_every_place_the_older_program_may_have_stopped(
    tmp_path: Path, step: int, more: int, tracked: bool
) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, step, more, tracked=tracked)
    before = rows_of(path)
    assert prepare(path).applied[-1] == STEPS[-1].name
    check_upgraded(path, before)
    assert prepare(path) == upgrade.UpgradeReport()


@pytest.mark.parametrize(
    ("step", "more", "tracked"), [place for place in STOPPED if place.values[0] in (10, 12)]
)
def test_tables_that_were_set_aside_are_taken_back(
    tmp_path: Path, step: int, more: int, tracked: bool
) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, step, more, tracked=tracked, style="aside")
    before = rows_of(path)
    prepare(path)
    after = rows_of(path)
    for row in [*before.get("lessons", {}).values(), *after["lessons"].values()]:
        row.pop("place")  # a copy of Omega's own gave them new places
    check_upgraded(path, before)


@pytest.mark.parametrize("step", [1, 2])
def test_rows_made_omegas_third_step_stop_after_its_first_statement(tmp_path: Path, step: int) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, step)
    statements = old_files.steps()["003_memory_enhancement"]
    with closing(old_files.connect(path)) as connection:
        connection.execute(statements[0])
        with pytest.raises(sqlite3.OperationalError, match="non-constant"):
            connection.execute(statements[1])
    before = rows_of(path)
    prepare(path)
    check_upgraded(path, before)
    assert set(rows_of(path)["facts"]) == {"f1", "f2"}


def test_an_empty_record_of_steps_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        connection.execute("DELETE FROM _migrations")
    before = rows_of(path)
    assert prepare(path).applied == OWN
    check_upgraded(path, before)


def test_a_step_known_under_another_name_is_not_run_or_recorded_again(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        connection.execute("UPDATE _migrations SET name = '007_kinds_of_task' WHERE name LIKE '007%'")
    before = rows_of(path)
    prepare(path)
    check_upgraded(path, before)
    assert [name for name in rows_of(path)["_migrations"] if name.startswith("007")] == ["007_kinds_of_task"]


def test_a_recorded_step_that_did_not_finish_is_finished(tmp_path: Path) -> None:
    """Omega took a file for one that had its third step as soon as it saw a summary."""
    path = tmp_path / "memory.db"
    old_files.build(path, 2, 1)
    with closing(old_files.connect(path)) as connection:
        connection.execute("INSERT INTO _migrations (name) VALUES ('003_memory_enhancement')")
    before = rows_of(path)
    prepare(path)
    check_upgraded(path, before)


@pytest.mark.parametrize(
    "damage",
    [
        "INSERT INTO messages_fts(messages_fts) VALUES ('delete-all')",
        "INSERT INTO messages_fts(messages_fts) VALUES ('rebuild')",
        "DROP TRIGGER messages_fts_delete",
        "DROP TABLE messages_fts",
    ],
)
def test_a_search_index_that_is_not_right_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        connection.execute(damage)
    before = rows_of(path)
    prepare(path)
    check_upgraded(path, before)


DIFFERENT = {
    "a CHECK less": ("CHECK (role IN ('user', 'assistant'))", ""),
    "a CHECK more": ("content TEXT NOT NULL", "content TEXT NOT NULL CHECK (content <> 'x')"),
    "no default": (f"timestamp {old_files.NOW}", "timestamp TEXT NOT NULL"),
    "no NOT NULL": (f"timestamp {old_files.NOW}", "timestamp TEXT"),
    "another order": ("metadata_json TEXT", "note TEXT"),
    "no foreign key": (" REFERENCES conversations(id)", ""),
}


@pytest.mark.parametrize("difference", DIFFERENT)
def test_a_table_that_was_declared_otherwise_is_rebuilt_in_place(tmp_path: Path, difference: str) -> None:
    """Its rows keep their places, which the search index knows them by."""
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        columns = "rowid, id, conversation_id, role, content, timestamp"
        declared = old_files.steps()["001_init"][1].replace(*DIFFERENT[difference])
        connection.execute(declared.replace("IF NOT EXISTS messages", "other"))
        connection.execute(f"INSERT INTO other ({columns}) SELECT {columns} FROM messages")
        connection.execute("DROP TABLE messages")
        connection.execute("ALTER TABLE other RENAME TO messages")
        if difference == "another order":
            connection.execute("ALTER TABLE messages DROP COLUMN note")
            connection.execute("ALTER TABLE messages DROP COLUMN timestamp")
            connection.execute("ALTER TABLE messages ADD COLUMN metadata_json TEXT")
            connection.execute("ALTER TABLE messages ADD COLUMN timestamp TEXT")
            connection.execute("UPDATE messages SET timestamp = '2024-05-01 00:00:00'")
    before = rows_of(path)
    prepare(path)
    check_upgraded(path, before)


def test_rows_still_set_aside_though_everything_else_is_there(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13, tracked=False)
    with closing(old_files.connect(path)) as connection:
        connection.execute("CREATE TABLE lessons_old AS SELECT * FROM lessons")
        connection.execute("DELETE FROM lessons WHERE id = 'x1'")
    assert {"013_multi_lessons", *old_files.OWN} <= set(prepare(path).applied)
    assert schema_of(path) == new_schema()
    assert set(rows_of(path)["lessons"]) == {"x1", "x2"}


def test_what_others_added_to_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 2)
    own = [
        "CREATE VIEW talks AS SELECT id, updated_at FROM conversations",
        "CREATE INDEX own_index ON conversations (started_at)",
        "CREATE TABLE own_table (n INTEGER)",
        "CREATE TRIGGER own_trigger AFTER DELETE ON conversations BEGIN INSERT INTO own_table VALUES (1); END",
        "ALTER TABLE conversations ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'",
        "PRAGMA user_version = 7",
    ]
    with closing(old_files.connect(path)) as connection:
        for statement in own:
            connection.execute(statement)
    prepare(path)
    with closing(old_files.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM talks").fetchone() == (2,)
        assert connection.execute("SELECT mood FROM conversations").fetchall() == [("calm",), ("calm",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert names >= {"own_index", "own_table", "own_trigger", "talks"}


def test_a_file_that_does_not_use_write_ahead_logging_yet(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 9)
    with closing(old_files.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = rows_of(path)
    prepare(path)
    check_upgraded(path, before)
    with closing(old_files.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_steps_are_recorded_with_the_second_in_utc(tmp_path: Path) -> None:
    prepare(tmp_path / "memory.db")
    for row in rows_of(tmp_path / "memory.db")["_migrations"].values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["applied_at"])


def test_the_last_step_leads_to_what_the_models_describe(tmp_path: Path) -> None:
    """A change of `tables.py` needs a step of its own."""
    path = tmp_path / "memory.db"
    old_files.build(path, 13, rows=False)
    prepare(path)
    assert schema_of(path) == new_schema()
