"""What cannot be opened says so, says which file, and says what to do; nothing is changed by trying."""

import importlib.readers  # noqa: F401  as nobody, a child may not read the folder this Python lies in
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import old_files
import pytest

from omega_models import sqlite_file, upgrade
from omega_models.errors import StoreBusy, StoreError, StoreUnavailable

NOBODY = 65534


def open_once(path: Path, file_mode: int | None = None) -> upgrade.UpgradeReport:
    database = sqlite_file.open_file(str(path), durability="off", file_mode=file_mode)
    try:
        return upgrade.prepare(database)
    finally:
        database.close()


def message(path: Path) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        open_once(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike the tests' own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)  # a test may have locked its owner out
    shutil.rmtree(folder)


def as_nobody(work: Callable[[], object]) -> str:
    """What the work raises, done by a user without privileges: no permission stops root."""
    if os.getuid() != 0:
        return outcome(work)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writer, outcome(work).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception as error:  # noqa: BLE001  it is reported
        return f"{type(error).__name__}: {error}"
    return "no error"


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder: give the path of a file in it" in message(tmp_path)


@pytest.mark.parametrize(
    "content", [b"x", b"not a database, just words", b"\0" * 5000, bytes(range(256)) * 20]
)
def test_not_a_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert "is not an SQLite database. It was left untouched" in message(path)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("offset", [100, 108])
def test_a_damaged_database(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "memory.db"
    open_once(path)
    content = bytearray(path.read_bytes())
    content[offset : offset + 200] = b"\xff" * 200
    path.write_bytes(content)
    assert "is damaged. It was left as it is; stop every program that uses it" in message(path)
    assert path.read_bytes() == bytes(content)


def test_damage_that_only_the_copy_reveals_stops_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        page, size = (
            connection.execute(sql).fetchone()[0]
            for sql in (
                "SELECT rootpage FROM sqlite_master WHERE name = 'idx_audit_log_sender'",
                "PRAGMA page_size",
            )
        )
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        open_once(path)
    assert path.read_bytes() == bytes(content)
    assert [each.name for each in tmp_path.iterdir()] == ["memory.db"]


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    """SQLite calls it an empty database, and a process that creates the same file at once shows us one."""
    (tmp_path / "memory.db").touch(mode=0o640)
    assert open_once(tmp_path / "memory.db").created
    assert stat.S_IMODE((tmp_path / "memory.db").stat().st_mode) == 0o640


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    assert "cannot create" in message(tmp_path / "taken" / "memory.db")


def test_something_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in message(tmp_path / "pipe")


def test_a_read_only_file(shared_folder: Path) -> None:
    path = shared_folder / "memory.db"
    open_once(path)
    path.chmod(0o444)
    said = as_nobody(lambda: open_once(path))
    assert said.startswith(
        f"StoreUnavailable: {path} cannot be used: this user may not read and write the file."
    )


def test_an_unreadable_file(shared_folder: Path) -> None:
    path = shared_folder / "memory.db"
    open_once(path)
    path.chmod(0o000)
    assert as_nobody(lambda: open_once(path)).startswith(f"StoreUnavailable: {path} cannot be used")


def test_a_read_only_folder(shared_folder: Path) -> None:
    path = shared_folder / "memory.db"
    open_once(path)
    path.chmod(0o666)
    shared_folder.chmod(0o555)
    said = as_nobody(lambda: open_once(path))
    assert said.startswith(f"StoreUnavailable: {path} cannot be used")
    assert "its folder, for the -wal file" in said


def test_a_new_file_in_a_read_only_folder(shared_folder: Path) -> None:
    shared_folder.chmod(0o555)
    path = shared_folder / "memory.db"
    assert as_nobody(lambda: open_once(path)).startswith(
        f"StoreUnavailable: cannot create {path}: Permission denied"
    )


def test_a_folder_nobody_may_enter(shared_folder: Path) -> None:
    shared_folder.chmod(0o600)
    path = shared_folder / "memory.db"
    assert as_nobody(lambda: open_once(path)).startswith(f"StoreUnavailable: cannot create {path}")


def test_a_plan_needs_no_right_to_write(shared_folder: Path) -> None:
    path = shared_folder / "memory.db"
    old_files.build(path, 9)
    path.chmod(0o444)
    shared_folder.chmod(0o555)
    assert as_nobody(lambda: upgrade.plan(path)) == "no error"
    assert as_nobody(lambda: open_once(path)).startswith("StoreUnavailable")


def test_a_file_that_another_process_holds_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 9)
    monkeypatch.setattr(upgrade, "WAIT_SECONDS", 0.05)
    with closing(old_files.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="is locked by another process; nothing was written"):
            open_once(path)
        other.execute("ROLLBACK")
    assert open_once(path).applied


def test_an_interrupted_write_of_a_rollback_journal_is_undone(tmp_path: Path) -> None:
    path, crashed = tmp_path / "memory.db", tmp_path / "crashed" / "memory.db"
    crashed.parent.mkdir()
    old_files.build(path, 13)
    with closing(old_files.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE messages SET content = hex(randomblob(50000))")
        for suffix in ("", "-journal"):
            shutil.copy(f"{path}{suffix}", f"{crashed}{suffix}")
        connection.execute("ROLLBACK")
    open_once(crashed)
    with closing(sqlite3.connect(crashed)) as connection:
        assert connection.execute("SELECT content FROM messages WHERE id = 'm-4'").fetchone() == ("",)


@pytest.mark.parametrize(
    ("folder", "given", "expected"), [(0o700, None, 0o600), (0o770, None, 0o660), (0o770, 0o640, 0o640)]
)
def test_permissions_of_a_new_file(tmp_path: Path, folder: int, given: int | None, expected: int) -> None:
    tmp_path.chmod(folder)
    path = tmp_path / "memory.db"
    database = sqlite_file.open_file(str(path), durability="off", file_mode=given)
    upgrade.prepare(database)
    for each in tmp_path.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == expected, each
    database.close()


def test_a_link_to_a_file_that_is_yet_to_be(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "memory.db")
    open_once(tmp_path / "link.db")
    assert stat.S_IMODE((tmp_path / "memory.db").stat().st_mode) == 0o600


def test_names_that_a_uri_would_take_apart(tmp_path: Path) -> None:
    path = tmp_path / "100% mine? #1.db"
    open_once(path)
    assert str(upgrade.plan(path)).endswith("up to date")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_threads_that_open_a_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    reports: list[upgrade.UpgradeReport] = []
    threads = [threading.Thread(target=lambda: reports.append(open_once(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.created for report in reports) == [False] * 7 + [True]
