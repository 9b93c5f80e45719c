"""Before a file is changed: the copy, the room for it, the plan. After a failure: the file as it was."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import old_files
import pytest

from omega_migrations import Step
from omega_models import safety_copy, sqlite_file, upgrade
from omega_models.errors import MigrationFailed, StoreUnavailable

NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)
COPY = "memory.db.before-010_outcomes-20310501T120000Z.bak"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "memory.db"
    old_files.build(path, 9)
    return path


def prepare(path: Path, **options: Any) -> upgrade.UpgradeReport:
    return with_limit(path, None, **options)


def with_limit(path: Path, pages: int | None, **options: Any) -> upgrade.UpgradeReport:
    """The upgrade of a file that may not grow beyond a number of pages: a full disk that fills at will."""
    database = sqlite_file.open_file(str(path), durability="off", file_mode=None)
    try:
        if pages is not None:
            database.sql(f"PRAGMA max_page_count = {pages}")
        return upgrade.prepare(database, clock=lambda: NOON, **options)
    finally:
        database.close()


def dump(path: Path) -> list[str]:
    with closing(old_files.connect(path)) as connection:
        return list(connection.iterdump())


def state(folder: Path) -> dict[str, str]:
    """Every file beside the database, to the byte."""
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}


def pages(path: Path) -> int:
    with closing(old_files.connect(path)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


def test_the_copy_is_the_file_as_it_was(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.chmod(0o640)
    before = dump(path)
    copy = prepare(path).copy
    assert copy == path.with_name(COPY)
    assert copy.stat().st_mode & 0o777 == 0o640
    assert str(copy) in caplog.text
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, COPY]
    assert dump(copy) == before


def test_the_copy_holds_what_is_only_in_the_wal_file(path: Path) -> None:
    with closing(old_files.connect(path)) as other:
        other.execute("INSERT INTO user_aliases VALUES ('9', '1')")
        copy = prepare(path).copy
    assert copy
    with closing(old_files.connect(copy)) as connection:
        assert ("9", "1") in connection.execute("SELECT * FROM user_aliases").fetchall()


def test_a_copy_never_replaces_a_file(path: Path) -> None:
    path.with_name(COPY).write_text("someone's")
    copy = prepare(path).copy
    assert copy
    assert copy.name == COPY.replace(".bak", "-1.bak")
    assert path.with_name(COPY).read_text() == "someone's"


def test_a_file_without_rows_is_not_copied(tmp_path: Path) -> None:
    old_files.build(tmp_path / "memory.db", 9, rows=False)
    assert prepare(tmp_path / "memory.db").copy is None
    assert [each.name for each in tmp_path.iterdir()] == ["memory.db"]


def test_too_little_room_is_said_before_anything_is_touched(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(old_files.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = state(path.parent)
    monkeypatch.setattr(safety_copy, "free", lambda _: 1_000_000)
    with pytest.raises(MigrationFailed, match=r"need 4\.\d MB .*1\.0 MB are free.*Nothing was touched"):
        prepare(path)
    assert state(path.parent) == before


def test_a_copy_that_cannot_be_made_stops_the_upgrade(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dump(path)
    monkeypatch.setattr(safety_copy, "row_counts", lambda connection: {"messages": id(connection)})
    with pytest.raises(MigrationFailed, match=r"no copy of it could be made at .*\.bak .*same rows"):
        prepare(path)
    assert dump(path) == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def failing_at(name: str, apply: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def fail(connection: sqlite3.Connection, step: Step, *, exact: bool) -> list[str]:
        notes = apply(connection, step, exact=exact)
        if step.name == name:
            raise sqlite3.OperationalError("boom")
        return notes

    return fail


@pytest.mark.parametrize("name", ["010_outcomes", "013_multi_lessons", *old_files.OWN])
def test_a_failing_step_undoes_all_of_them(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = dump(path)
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "apply", failing_at(name, upgrade.apply))
        with pytest.raises(MigrationFailed) as caught:
            prepare(path)
    for part in (str(path), name, "boom", "The file is as it was", COPY):
        assert part in str(caught.value)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert dump(path) == before
    assert set(old_files.OWN) <= set(prepare(path).applied)


def test_failing_again_and_again_keeps_one_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "apply", failing_at("010_outcomes", upgrade.apply))
    for _ in range(3):
        with pytest.raises(MigrationFailed, match=COPY):
            prepare(path)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, COPY]


def test_a_step_that_leaves_references_to_nothing_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drop_rows(connection: sqlite3.Connection, *_: object, **__: object) -> list[str]:
        connection.execute("DELETE FROM conversations WHERE id = 'c1'")
        return []

    before = dump(path)
    monkeypatch.setattr(upgrade, "apply", drop_rows)
    with pytest.raises(MigrationFailed, match="rows refer to rows that are gone"):
        prepare(path)
    assert dump(path) == before


def test_references_that_led_nowhere_before_are_no_failure(path: Path) -> None:
    with closing(old_files.connect(path)) as connection:
        connection.execute(
            "INSERT INTO messages (id, conversation_id, role, content) VALUES ('lost', '?', 'user', '')"
        )
    prepare(path)
    with closing(old_files.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM messages WHERE id = 'lost'").fetchone() == (1,)


@pytest.mark.parametrize("more", [0, 1, 3, 6, 10, 20])
def test_a_disk_that_fills_up_on_the_way(path: Path, more: int) -> None:
    before = dump(path)
    with pytest.raises(MigrationFailed, match=r"full.*The file is as it was\. Free some space"):
        with_limit(path, pages(path) + more)
    assert dump(path) == before


def test_foreign_keys_hold_again_afterwards(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = sqlite_file.open_file(str(path), durability="off", file_mode=None)
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "apply", failing_at("010_outcomes", upgrade.apply))
        with pytest.raises(MigrationFailed):
            upgrade.prepare(database)
    for expected in ([(1,)], [(0,)], [(5000,)]):
        name = {1: "foreign_keys", 0: "legacy_alter_table", 5000: "busy_timeout"}[expected[0][0]]
        assert database.sql_rows(f"PRAGMA {name}") == expected
    database.close()


def test_progress_is_told(path: Path) -> None:
    told: list[str] = []
    prepare(path, progress=told.append)
    assert COPY in told[0]
    assert [line[:3] for line in told[1:]] == [
        "010",
        "011",
        "012",
        "013",
        *(name[:3] for name in old_files.OWN),
    ]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_plan_tells_all_and_changes_nothing(path: Path, journal: str) -> None:
    with closing(old_files.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    before = state(path.parent)
    plan = upgrade.plan(path, clock=lambda: NOON)
    assert state(path.parent) == before
    assert [name for name, _ in plan.steps] == [
        "010_outcomes",
        "011_project_learning",
        "012_project_sessions",
        "013_multi_lessons",
        *old_files.OWN,
    ]
    assert all(says.endswith(".") for _, says in plan.steps)
    assert plan.rows["messages"] == 4
    assert "_migrations" not in plan.rows
    assert (plan.copy, plan.fits) == (path.with_name(COPY), True)
    for part in (f"{4 + len(old_files.OWN)} steps pending", "013_multi_lessons: ", "messages: 4", COPY, "MB"):
        assert part in str(plan)


def test_a_plan_reads_what_a_crash_left_in_the_wal_file(path: Path, tmp_path: Path) -> None:
    with closing(old_files.connect(path)) as connection:
        connection.execute("INSERT INTO user_aliases VALUES ('9', '1')")
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for each in (path, path.with_name("memory.db-wal")):
            (crashed / each.name).write_bytes(each.read_bytes())
    before = state(crashed)
    assert upgrade.plan(crashed / path.name).rows["user_aliases"] == 2
    assert {name: found for name, found in state(crashed).items() if not name.endswith("-shm")} == before


def test_a_plan_for_what_needs_nothing(path: Path, tmp_path: Path) -> None:
    assert "would be created" in str(upgrade.plan(tmp_path / "none.db"))
    assert not (tmp_path / "none.db").exists()
    prepare(path)
    assert str(upgrade.plan(f"sqlite:///{path}")) == f"{path}: up to date"


def test_a_plan_says_that_the_room_is_too_little(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_copy, "free", lambda _: 10)
    assert "NOT ENOUGH" in str(upgrade.plan(path))


def test_a_plan_for_something_else_is_refused_as_opening_would(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, just words, a few of them")
    for path, what in ((tmp_path, "not a file"), (tmp_path / "text", "not an SQLite database")):
        with pytest.raises(StoreUnavailable, match=what):
            upgrade.plan(path)


def test_what_belongs_to_a_linked_file_lies_beside_the_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "links" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    planned = upgrade.plan(link, clock=lambda: NOON).copy
    assert prepare(link).copy == planned == path.with_name(COPY)


def test_room_that_another_process_takes_for_this_upgrade_is_no_reason_to_fail(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy fills the disk while we look; by the time we hold the lock, nothing is left to do."""

    def free(_: Path) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(safety_copy, "free", lambda _: 10**9)
            prepare(path)
        return 0

    monkeypatch.setattr(safety_copy, "free", free)
    assert prepare(path) == upgrade.UpgradeReport()
