"""Restoring: checked first, in one step, and what it replaces is kept, down to what was only in the WAL."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import old_files
import pytest
import spoiled
from command_line import apart, told
from spoiled import HOLD, NOON, dump, execute, names

from omega_migrations import STEPS
from omega_models import Store, backup, copying
from omega_models.errors import RestoreRefused
from omega_models.presence import beat, live_workers, take_lease
from omega_models.restore import Restored, finish_interrupted, restore
from omega_models.testing import FakeClock

LATER = NOON + timedelta(hours=6)
KEPT = "memory.db.replaced-20310501T180000Z"
READ = "SELECT count(*) FROM facts"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir(mode=0o700)
    return spoiled.build(tmp_path / "data" / "memory.db")


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    """A backup; the file has a fact more since."""
    made = backup.make(path, tmp_path / "backups", NOON)
    with Store(path, clock=FakeClock(NOON)) as store:
        store.store_fact(42, "city", "Kyiv")
    return made.file


def facts(path: Path) -> int:
    ((count,),) = execute(path, READ)
    assert isinstance(count, int)
    return count


def back(copy: Path, path: Path, **more: Any) -> Restored:
    return restore(copy, path, LATER, **more)


@contextmanager
def refused(path: Path, match: str) -> Iterator[None]:
    """And everything is as it was."""
    before = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.name != "memory.db-shm"}
    with pytest.raises(RestoreRefused, match=match):
        yield
    after = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.name != "memory.db-shm"}
    assert after == before


def test_it_is_put_back_and_what_was_there_is_kept(path: Path, copy: Path) -> None:
    path.chmod(0o640)
    before = dump(path)
    done = back(copy, path)
    assert (done.file, done.kept, done.pending, done.due) == (path, path.with_name(KEPT), 0, 1)
    assert done.rows == done.source.rows
    assert names(path.parent) == {"memory.db", KEPT}
    assert (facts(path), facts(path.with_name(KEPT))) == (1, 2)
    assert dump(path.with_name(KEPT)) == before
    assert dump(path) == dump(copy)
    assert [each.stat().st_mode & 0o777 for each in path.parent.iterdir()] == [0o640] * 2
    assert path.stat().st_nlink == 1
    with Store(path) as store:
        assert store.get_fact(42, "name") == "Ada"


def test_it_can_be_undone(path: Path, copy: Path) -> None:
    before = dump(path)
    kept = back(copy, path).kept
    assert kept
    again = restore(kept, path, LATER + timedelta(hours=1))
    assert dump(path) == before
    assert again.kept == path.with_name("memory.db.replaced-20310501T190000Z")


def test_twice_in_a_second_replaces_nothing_that_is_kept(path: Path, copy: Path) -> None:
    kept = [back(copy, path).kept for _ in range(3)]
    assert kept == [path.with_name(f"{KEPT}{more}") for more in ("", "-1", "-2")]
    assert [facts(each) for each in kept if each] == [2, 1, 1]


def test_what_a_killed_program_left_in_the_wal_is_kept_too(path: Path, copy: Path, tmp_path: Path) -> None:
    """As it is found after a crash: the file, and a -wal that nobody has written into it."""
    with Store(path) as store:
        store.store_fact(42, "job", "sailor")
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for each in path.parent.iterdir():
            shutil.copy(each, crashed)
    done = back(copy, crashed / path.name)
    assert done.kept
    assert (facts(crashed / path.name), facts(done.kept)) == (1, 3)
    assert names(crashed) == {"memory.db", KEPT}


def test_where_there_is_nothing_yet(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)
    for folder, mode in (("new", 0o600), ("shared", 0o660)):
        file = tmp_path / folder / "memory.db"
        done = back(copy, file)
        assert (done.kept, file.stat().st_mode & 0o777, facts(file)) == (None, mode, 1)


def test_a_log_that_lost_its_file_does_not_get_into_the_new_one(
    path: Path, copy: Path, tmp_path: Path
) -> None:
    with Store(path) as store:
        store.store_fact(42, "job", "sailor")
        (tmp_path / "memory.db-wal").write_bytes(path.with_name("memory.db-wal").read_bytes())
    back(copy, tmp_path / "memory.db")
    assert not (tmp_path / "memory.db-wal").exists()
    assert dump(tmp_path / "memory.db") == dump(copy)


def test_a_link_stays_a_link(path: Path, copy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert back(copy, link).kept == path.with_name(KEPT)
    assert link.is_symlink()
    assert facts(link) == 1


def test_an_older_backup_is_brought_up_to_date_when_it_is_opened(path: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    old_files.build(older, 9)
    done = back(older, path)
    assert done.pending == len(STEPS) - 9
    assert done.source.fault == "nothing is on record about it"
    with Store(path) as store:
        assert store.list_tasks(status=None)


def test_who_was_at_work_when_it_was_made_is_not_restored(path: Path, tmp_path: Path) -> None:
    with Store(path, clock=FakeClock(NOON)) as store:
        beat(store, "w", ["chat"], ["reminder"])
        take_lease(store, "backup", "w", timedelta(hours=1))
        made = backup.make(path, tmp_path / "backups", NOON)
    back(made.file, path)
    with Store(path, clock=FakeClock(NOON)) as store:
        assert live_workers(store) == []
        assert take_lease(store, "backup", "another", timedelta(hours=1))


# Refusals


def test_a_live_worker_is_not_robbed_of_its_file(path: Path, copy: Path) -> None:
    with Store(path, clock=FakeClock(LATER - timedelta(seconds=50))) as store:
        beat(store, "host:1:ab", ["chat"], ["reminder"])
    with refused(path, r"worker host:1:ab uses .*stop it first.*--force"):
        back(copy, path)
    assert back(copy, path, force=True).kept


def test_a_worker_of_long_ago_is_no_reason(path: Path, copy: Path) -> None:
    with Store(path, clock=FakeClock(LATER - timedelta(seconds=70))) as store:
        beat(store, "host:1:ab", ["chat"], ["reminder"])
    assert back(copy, path).kept


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_another_program_has_open_is_never_replaced(
    path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    monkeypatch.setattr("omega_models.restore.BUSY_SECONDS", 0)
    with spoiled.another_program(HOLD, str(path), READ), refused(path, "another program has .* open"):
        back(copy, path, force=force)
    assert back(copy, path).kept


def test_nor_a_damaged_one(path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite cannot be asked then, but its lock can."""
    monkeypatch.setattr("omega_models.restore.BUSY_SECONDS", 0)
    with spoiled.another_program(HOLD, str(path), READ):
        with path.open("r+b") as opened:
            opened.write(b"\xa5" * 100)
        with refused(path, "another program has .* open"):
            back(copy, path)


def test_a_damaged_file_is_kept_byte_by_byte_with_its_log(path: Path, copy: Path) -> None:
    for name in ("memory.db", "memory.db-wal", "memory.db-journal"):
        path.with_name(name).write_bytes(b"\xa5" * 5000 + name.encode())
    done = back(copy, path)
    assert done.kept == path.with_name(KEPT)
    assert facts(path) == 1
    for suffix in ("", "-wal", "-journal"):
        expected = b"\xa5" * 5000 + f"memory.db{suffix}".encode()
        assert path.with_name(f"{KEPT}{suffix}").read_bytes() == expected
    assert names(path.parent) == {"memory.db", KEPT, f"{KEPT}-wal", f"{KEPT}-journal"}


def test_a_disk_without_hard_links(path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", link)
    assert back(copy, path).kept == path.with_name(KEPT)
    assert (facts(path), facts(path.with_name(KEPT))) == (1, 2)


def test_a_backup_that_changed_is_refused(path: Path, copy: Path) -> None:
    with copy.open("r+b") as opened:
        opened.seek(-10, 2)
        opened.write(b"x")
    with refused(path, "it has changed since it was made. Choose another"):
        back(copy, path)


@pytest.mark.parametrize("table", ["messages", "facts", "idx_messages_conversation"])
def test_a_damaged_backup_is_refused(path: Path, copy: Path, table: str) -> None:
    backup.record_of(copy).unlink()
    spoiled.damage(copy, table)
    with refused(path, "damaged|malformed"):
        back(copy, path)


def test_a_backup_with_a_damaged_search_index_is_refused(path: Path, copy: Path) -> None:
    backup.record_of(copy).unlink()
    execute(copy, "UPDATE messages_fts_data SET block = zeroblob(60) WHERE id > 10")
    with refused(path, "search index"):
        back(copy, path)


def test_what_is_no_backup_is_refused(path: Path, copy: Path, tmp_path: Path) -> None:
    text, empty, other, newer = (tmp_path / name for name in ("text", "empty", "other", "newer"))
    text.write_text("not a database, just words, a few of them")
    empty.write_bytes(b"")
    execute(other, "CREATE TABLE t (a)")
    shutil.copy(copy, newer)
    execute(newer, "INSERT INTO _migrations (name) VALUES ('py999_later')")
    for given, why in (
        (text, "not a database|not an SQLite database"),
        (empty, "an empty file"),
        (other, "not an Omega file"),
        (newer, "newer version"),
        (path, "is the database itself"),
        (tmp_path / "missing", "there is no backup"),
        (tmp_path, "there is no backup"),
    ):
        with refused(path, why):
            back(given, path)


def test_too_little_room_is_seen_beforehand(path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "free", lambda _: 1_000_000)
    with refused(path, r"1\.0 MB are free"):
        back(copy, path)


def test_one_at_a_time(path: Path, copy: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with refused(path, "another restore is under way"):
            back(copy, path)
    finally:
        os.close(folder)
    assert back(copy, path).kept


def test_nothing_is_there_to_finish(path: Path) -> None:
    path.with_name("memory.db.replaced-20310501T180000Z").write_text("kept")
    assert finish_interrupted(path) == []


# The command


def test_it_says_what_it_did(
    path: Path,
    copy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(path))
    monkeypatch.setenv("OMEGA_BACKUP_FOLDER", str(copy.parent))
    tell = partial(told, capsys)
    code, said, errors = tell("restore", copy.name)
    assert (code, errors) == (0, "")
    lines = said.splitlines()
    assert lines[0] == f"restored {path} from {copy}"
    assert re.fullmatch(rf"  replaced  kept as {path}\.replaced-\d{{8}}T\d{{6}}Z", lines[3])
    assert [line.split()[0] for line in lines[1:3]] == ["made", "checked"]
    code, said, errors = tell("restore", "nothing")
    assert (code, said) == (1, "")
    assert "`omega-worker backups` shows" in errors
