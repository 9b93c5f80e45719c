"""`omega-worker check`: every problem at once, before anything is started or changed."""

import json
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import old_files
import pytest
import spoiled
from command_line import apart, told
from spoiled import NOON, execute, names

from omega_migrations import STEPS
from omega_models import Store, copying, surroundings
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding, is_healthy
from omega_models.presence import beat
from omega_models.testing import FakeClock
from omega_worker import preflight

Examine = Callable[..., dict[str, list[Finding]]]


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(tmp_path / "data" / "memory.db"))
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path / "data" / "memory.db"


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    """What is found with those settings, by topic."""

    def run(now: datetime = NOON, **settings: str) -> dict[str, list[Finding]]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        by_topic: dict[str, list[Finding]] = {}
        for each in preflight.examine({}, now):
            by_topic.setdefault(each.topic, []).append(each)
        return by_topic

    return run


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Any:
    return partial(told, capsys, "check")


def levels(found: list[Finding]) -> list[str]:
    return [each.level for each in found]


def only(found: list[Finding], level: str) -> str:
    """The text of the one finding of that level."""
    (text,) = [each.text for each in found if each.level == level]
    return text


def test_nothing_is_wrong_before_the_first_start(examine: Examine, path: Path) -> None:
    found = examine()
    assert {topic: levels(each) for topic, each in found.items()} == {
        "settings": [OK],
        "channels": [OK],
        "database": [OK],
        "disk": [OK],
        "clock": [OK],
        "backups": [NOTE],
        "time zones": [found["time zones"][0].level],
        "SQLite": [OK],
    }
    assert "would be created" in found["database"][0].text
    assert not path.exists()


def test_nothing_is_changed(examine: Examine, path: Path) -> None:
    old_files.build(path, 9)
    before = path.read_bytes()
    assert f"{len(STEPS) - 9} steps would bring it up to date" in only(examine()["database"], NOTE)
    assert path.read_bytes() == before
    assert names(path.parent) == {"memory.db"}


# Settings and channels


def test_every_wrong_setting_is_named_and_the_rest_is_looked_at(examine: Examine, path: Path) -> None:
    spoiled.build(path)
    found = examine(
        OMEGA_POLL_INTERVAL_SECONDS="soon",
        OMEGA_QUIET_HOURS="3",
        OMEGA_MISSED__ACTION="never",
        OMEGA_CHANNELS__BAD="nowhere",
        OMEGA_WEBHOOK_SECRET="short",
    )
    assert levels(found["settings"]) == [PROBLEM] * 3
    assert [each.text.partition("=")[0] for each in found["settings"]] == [
        "OMEGA_POLL_INTERVAL_SECONDS",
        "OMEGA_QUIET_HOURS",
        "OMEGA_MISSED__ACTION",
    ]
    assert sorted(each.text.partition(":")[0] for each in found["channels"]) == [
        "OMEGA_CHANNELS__BAD",
        "OMEGA_WEBHOOK_SECRET",
    ]
    assert "up to date" in only(found["database"], OK)


def test_a_setting_that_is_no_json_is_named(examine: Examine) -> None:
    found = examine(OMEGA_CHANNELS="{", OMEGA_DATABASE_URL="")
    assert "OMEGA_CHANNELS: must be JSON" in only(found["settings"], PROBLEM)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OMEGA_POLL_INTERVAL_SECOND", "OMEGA_POLL_INTERVAL_SECONDS"),
        ("OMEGA_MISSED__REMINDERS", None),
        ("OMEGA_SOMETHING_ELSE", None),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_names_that_nobody_reads(examine: Examine, name: str, meant: str | None, place: str) -> None:
    if place == ".env":
        Path(".env").write_text(f"# OMEGA_NOT_THIS=1\nOMEGA_LOG_LEVEL=INFO\nexport {name}=1\n")
        found = examine()
    else:
        found = examine(**{name: "1"})
    said = only(found["settings"], WARNING)
    assert said.startswith(f"{name} is no setting, and is ignored")
    assert (f"did you mean {meant}?" in said) == (meant is not None)


def test_known_names_are_no_slip(examine: Examine) -> None:
    found = examine(OMEGA_CHANNELS__ANY="console", OMEGA_MISSED__ACTION="skip", omega_log_level="debug")
    assert levels(found["settings"]) == [OK]


def test_a_channel_set_twice(examine: Examine) -> None:
    found = examine(OMEGA_CHANNELS__TELEGRAM="console", OMEGA_CHANNELS__Telegram="console")
    assert "OMEGA_CHANNELS__TELEGRAM is set 2 times" in only(found["channels"], PROBLEM)


def test_webhooks_in_the_clear_and_unsigned(examine: Examine) -> None:
    found = examine(OMEGA_CHANNELS__FAR="http://example.org/x", OMEGA_CHANNELS__NEAR="http://127.0.0.1/x")
    assert only(found["channels"], WARNING).startswith("far: http://")
    assert "OMEGA_WEBHOOK_SECRET" in only(found["channels"], NOTE)
    found = examine(
        OMEGA_CHANNELS__FAR="https://example.org/x", OMEGA_WEBHOOK_SECRET="a secret of some length"
    )
    assert levels(found["channels"]) == [OK]


def test_no_address_and_no_secret_is_shown(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMEGA_CHANNELS__FAR", "http://example.org/bot12345:token")
    monkeypatch.setenv("OMEGA_CHANNELS__BAD", "nowhere/bot12345:token")
    monkeypatch.setenv("OMEGA_WEBHOOK_SECRET", "short token")
    shown = "".join(map(str, tell()))
    assert "token" not in shown


def test_a_worker_that_would_send_nothing(examine: Examine) -> None:
    found = examine(OMEGA_DUTIES="maintain", OMEGA_CHANNELS__A="console")
    assert "OMEGA_DUTIES lacks deliver" in only(found["channels"], WARNING)


# The database


def test_files_that_cannot_be_used(examine: Examine, path: Path) -> None:
    execute(path, "CREATE TABLE t (a)")
    assert "not an Omega file" in only(examine()["database"], PROBLEM)
    path.write_text("not a database, just words, a few of them")
    assert "not an SQLite database" in only(examine()["database"], PROBLEM)
    path.unlink()
    spoiled.build(path)
    execute(path, "INSERT INTO _migrations (name) VALUES ('py999_later')")
    assert "newer version" in only(examine()["database"], PROBLEM)
    assert "cannot open a 'ftp'" in only(examine(OMEGA_DATABASE_URL="ftp://x")["database"], PROBLEM)


def test_an_upgrade_that_would_find_no_room(
    examine: Examine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_files.build(path, 9)
    monkeypatch.setattr(copying, "free", lambda _: 1_000_000)
    found = examine()
    assert "no room for the copy" in only(found["database"], PROBLEM)
    assert levels(found["disk"]) == [PROBLEM]
    monkeypatch.setattr(copying, "free", lambda _: 100_000_000)
    assert levels(examine()["disk"]) == [WARNING]


def test_a_database_in_memory(examine: Examine) -> None:
    assert "nothing is kept" in only(examine(OMEGA_DATABASE_URL=":memory:")["database"], WARNING)


@pytest.mark.postgres
def test_a_server(examine: Examine, postgres_database: str) -> None:
    found = examine(OMEGA_DATABASE_URL=postgres_database, OMEGA_BACKUP_FOLDER="/tmp")
    assert "would get its tables" in only(found["database"], OK)
    assert "own tools" in only(found["backups"], PROBLEM)


def test_a_server_that_is_not_there(examine: Examine) -> None:
    found = examine(OMEGA_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/x")
    assert "secret" not in only(found["database"], PROBLEM)


# Permissions


@pytest.mark.parametrize(
    ("file", "folder", "level", "said"),
    [
        (0o600, 0o700, OK, "0600"),
        (0o660, 0o770, OK, "0660"),
        (0o644, 0o700, WARNING, "everybody on this machine may open"),
        (0o600, 0o770, WARNING, "shared with a group that may not write"),
        (0o600, 0o703, WARNING, "anybody may replace files"),
    ],
)
def test_permissions(examine: Examine, path: Path, file: int, folder: int, level: str, said: str) -> None:
    spoiled.build(path)
    path.chmod(file)
    path.parent.chmod(folder)
    assert said in only(examine()["permissions"], level)


def test_permissions_of_what_lies_beside_it(examine: Examine, path: Path) -> None:
    path.parent.chmod(0o770)
    with Store(path) as store:
        store.store_fact(1, "name", "Ada")
        path.chmod(0o660)
        path.with_name("memory.db-wal").chmod(0o600)
        assert "memory.db-wal" in only(examine()["permissions"], WARNING)


def test_a_folder_that_may_not_be_used(examine: Examine, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_, **__: False)
        assert "may not make" in only(examine()["permissions"], PROBLEM)
    spoiled.build(path)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert levels(examine()["permissions"]) == [PROBLEM, PROBLEM]


# The clock, zones, SQLite


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (timedelta(0), OK),
        (timedelta(minutes=-30), OK),
        (timedelta(minutes=30), WARNING),
        (timedelta(hours=3), PROBLEM),
    ],
)
def test_a_clock_behind_what_was_written(examine: Examine, path: Path, ahead: timedelta, level: str) -> None:
    spoiled.build(path)
    os.utime(path, (NOON.timestamp() - 60, NOON.timestamp() - 60))
    with Store(path, clock=FakeClock(NOON + ahead)) as store:
        beat(store, "w", ["chat"], ["reminder"])
    os.utime(path, (NOON.timestamp() - 60, NOON.timestamp() - 60))
    assert levels(examine()["clock"]) == [level]


@pytest.mark.parametrize("year", [1970, 2024, 2101])
def test_a_clock_that_was_never_set(examine: Examine, year: int) -> None:
    assert "set its clock" in only(examine(datetime(year, 1, 1, tzinfo=UTC))["clock"], PROBLEM)


def test_times_that_nobody_can_read_are_no_trace(path: Path) -> None:
    spoiled.build(path)
    execute(path, "UPDATE conversations SET last_activity = 'soon', status = 'active'")
    connection = sqlite3.connect(path)
    assert all(when.year == 2031 for _, when in surroundings.traces(connection))
    connection.close()


def test_zone_data(examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "zoneinfo"
    (folder / "Europe").mkdir(parents=True)
    (folder / "Europe" / "Berlin").write_text("")
    monkeypatch.setattr(surroundings, "TZPATH", (str(folder),))
    assert levels(examine()["time zones"]) == [NOTE]
    (folder / "tzdata.zi").write_text("# version 2031a\n")
    assert only(examine()["time zones"], OK) == f"{folder} 2031a"
    (folder / "tzdata.zi").write_text("# version 2029b\n")
    assert "update it" in only(examine()["time zones"], WARNING)
    monkeypatch.setattr(surroundings, "TZPATH", ())
    assert "tzdata" in examine()["time zones"][0].text


def test_a_sqlite_that_lacks_something(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(surroundings.NEEDED, "magic", "SELECT magic()")
    monkeypatch.setattr(surroundings, "OLDEST_SQLITE", (99, 0))
    assert "lacks version 99.0 or newer, magic" in only(examine()["SQLite"], PROBLEM)


# Backups


def test_backups(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = examine(OMEGA_BACKUP_FOLDER=str(tmp_path / "new" / "backups"))
    assert "every 24 h, 7 are kept" in only(found["backups"], OK)
    found = examine(OMEGA_BACKUP_FOLDER=str(tmp_path / "file" / "x"))
    assert "may not write" in only(found["backups"], PROBLEM)
    found = examine(OMEGA_BACKUP_FOLDER=str(tmp_path), OMEGA_DUTIES="deliver")
    assert "lacks maintain" in only(found["backups"], WARNING)
    assert not (tmp_path / "new").exists()


# The command


def test_the_exit_code_and_the_table(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, said, errors = tell()
    assert (code, errors) == (0, "")
    assert said.splitlines()[-1].startswith("Nothing is wrong")
    monkeypatch.setenv("OMEGA_QUIET_HOURS", "3")
    monkeypatch.setenv("OMEGA_POLL_INTERVAL_SECONDS", "soon")
    code, said, errors = tell()
    assert (code, errors) == (1, "")
    assert max(map(len, said.splitlines())) <= 80
    assert said.splitlines()[-1].startswith("2 problems")


def test_as_json(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMEGA_QUIET_HOURS", "3")
    code, said, _ = tell("--json")
    shown = json.loads(said)
    assert (code, shown["healthy"]) == (1, False)
    assert shown["findings"][0]["level"] == "problem"
    assert set(shown["findings"][0]) == {"topic", "level", "text", "fix"}


def test_the_named_database_is_looked_at(tell: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "other.db")
    assert path in "".join(tell("--database", path)[1].split())  # a long one is broken in two


def test_only_problems_count() -> None:
    assert is_healthy([Finding("a", level, "") for level in (OK, NOTE, WARNING)])
    assert not is_healthy([Finding("a", PROBLEM, "")])
