"""Backups: whole, checked, on record; made while others write; kept and deleted as was said."""

import fcntl
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import spoiled
from command_line import apart, told
from spoiled import NOON, dump, execute, names

from omega_jobs.backup import LEASE, Rules, backup_once, due_in
from omega_models import Store, backup, copying
from omega_models.copying import Stopped
from omega_models.errors import BackupFailed
from omega_models.presence import release_lease, take_lease
from omega_models.testing import FakeClock
from omega_worker import timetable
from omega_worker.duties import Duties, backup_rules
from omega_worker.settings import Settings
from omega_worker.worker import Worker

NAME = "memory.db.20310501T120000Z.backup"
DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return spoiled.build(tmp_path / "memory.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_a_backup_is_the_file_and_says_what_it_holds(path: Path, folder: Path) -> None:
    path.chmod(0o640)
    made = backup.make(path, folder, NOON)
    assert (made.file, made.made_at, made.verified) == (folder / NAME, NOON, True)
    assert names(folder) == {NAME, f"{NAME}.json"}
    assert dump(made.file) == dump(path)
    assert made.rows["messages"] == 2 * spoiled.USER_MESSAGES
    assert made.size == made.file.stat().st_size
    assert [each.stat().st_mode & 0o777 for each in folder.iterdir()] == [0o640] * 2
    assert folder.stat().st_mode & 0o777 == 0o700
    assert backup.find(folder) == [made] == backup.find(folder, path)
    assert backup.compared(made) == made


def test_a_backup_needs_nothing_beside_it(path: Path, folder: Path) -> None:
    """It can be read from where nobody may write."""
    made = backup.make(path, folder, NOON)
    folder.chmod(0o500)
    try:
        assert execute(made.file, "PRAGMA journal_mode") == [("delete",)]
        assert names(folder) == {NAME, f"{NAME}.json"}
    finally:
        folder.chmod(0o700)


def test_what_is_only_in_the_wal_file_is_in_the_backup(path: Path, folder: Path) -> None:
    with Store(path) as store:
        store.store_fact(42, "city", "Kyiv")
        assert path.with_name("memory.db-wal").stat().st_size
        made = backup.make(path, folder, NOON)
    assert execute(made.file, "SELECT value FROM facts WHERE key = 'city'") == [("Kyiv",)]


def test_a_backup_is_of_one_moment_and_nobody_waits(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection, which would not wait at all, writes after each page."""
    before, written = dump(path), [0]

    def write() -> bool:
        execute(path, "PRAGMA busy_timeout = 0", "UPDATE facts SET value = value || '!'")
        written[0] += 1
        return False

    monkeypatch.setattr(copying, "PAGES", 1)
    made = backup.make(path, folder, NOON, stop=write)
    assert written[0] > 30
    assert dump(made.file) == before


def test_a_program_that_writes_all_the_time_hardly_waits(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 4)
    with spoiled.another_program(spoiled.WRITE, str(path)) as writer:
        made = [backup.make(path, folder, NOON) for _ in range(5)]
        assert writer.stdin
        assert writer.stdout
        writer.stdin.write("enough\n")
        writer.stdin.flush()
        count, longest = writer.stdout.readline().split()
    assert int(count) > 5
    assert float(longest) < 3
    assert all(each.verified and each.rows == made[0].rows for each in made)


def test_a_file_without_wal_that_is_written_all_the_time_is_given_up(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(path, "PRAGMA journal_mode = DELETE")

    def write() -> bool:
        execute(path, "UPDATE facts SET value = value || '!'")
        return False

    monkeypatch.setattr(copying, "PAGES", 4)
    with pytest.raises(BackupFailed, match="write to it all the time"):
        backup.make(path, folder, NOON, stop=write)
    assert names(folder) == set()


def test_the_file_itself_is_left_as_it_is(path: Path, folder: Path) -> None:
    """Also one that this program has not brought up to date: a backup is for before that, too."""
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    backup.make(path, folder, NOON)
    assert path.read_bytes() == before
    assert names(path.parent) == {"memory.db", "backups"}


def test_two_in_one_second_have_two_names(path: Path, folder: Path) -> None:
    made = [backup.make(path, folder, NOON).file.name for _ in range(3)]
    assert made == [NAME, NAME.replace(".backup", "-1.backup"), NAME.replace(".backup", "-2.backup")]
    assert len(backup.find(folder)) == 3


def test_it_stops_when_it_is_told_to(path: Path, folder: Path) -> None:
    with pytest.raises(Stopped):
        backup.make(path, folder, NOON, stop=lambda: True)
    assert names(folder) == set()


# What goes wrong


@pytest.mark.parametrize("table", ["messages", "facts", "idx_messages_conversation"])
def test_a_damaged_file_is_not_backed_up(path: Path, folder: Path, table: str) -> None:
    backup.make(path, folder, NOON)
    spoiled.damage(path, table)
    with pytest.raises(BackupFailed, match=r"was not backed up to .*doctor.*earlier backups were left alone"):
        backup.make(path, folder, NOON + DAY)
    assert names(folder) == {NAME, f"{NAME}.json"}


def test_a_damaged_search_index_is_not_backed_up(path: Path, folder: Path) -> None:
    execute(path, "UPDATE messages_fts_data SET block = zeroblob(60) WHERE id > 10")
    with pytest.raises(BackupFailed, match="search index messages_fts"):
        backup.make(path, folder, NOON)
    assert names(folder) == set()


def test_too_little_room_is_seen_beforehand(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "free", lambda _: 1_000_000)
    with pytest.raises(BackupFailed, match=r"too full: 4\.\d MB are needed .* 1\.0 MB are free\. Free some"):
        backup.make(path, folder, NOON)
    assert names(folder) == set()


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file may grow beyond that: a disk that is full at a byte of our choice."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("part", [0.0, 0.2, 0.6, 0.99])
def test_a_disk_that_fills_up_on_the_way(path: Path, folder: Path, part: float) -> None:
    spoiled.empty_log(path)
    with at_most(int(path.stat().st_size * part)), pytest.raises(BackupFailed, match="Free some space"):
        backup.make(path, folder, NOON)
    assert names(folder) == set()
    assert backup.make(path, folder, NOON).verified


@pytest.mark.parametrize("place", ["missing.db", "."])
def test_there_must_be_a_file(tmp_path: Path, folder: Path, place: str) -> None:
    with pytest.raises(BackupFailed, match="there is no file"):
        backup.make(tmp_path / place, folder, NOON)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupFailed, match="choose another folder"):
        backup.make(path, tmp_path / "file" / "backups", NOON)


def test_what_a_killed_process_left_is_cleared_and_what_lives_is_not(path: Path, folder: Path) -> None:
    folder.mkdir()
    dead, alive = (folder / f"memory.db.20310430T12000{n}Z.backup.part" for n in (1, 2))
    other = folder / "other.db.20310430T120001Z.backup.part"
    for each in (dead, alive, other):
        each.write_text("half")
    backup.record_of(dead.with_suffix("")).write_text("{")
    with alive.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        backup.make(path, folder, NOON)
    assert names(folder) == {NAME, f"{NAME}.json", alive.name, other.name}


# What is on record


def test_a_backup_that_changed_no_longer_counts(path: Path, folder: Path) -> None:
    made = backup.make(path, folder, NOON)
    with made.file.open("r+b") as opened:
        opened.seek(-10, 2)
        opened.write(b"x")
    assert backup.read(made.file).verified
    assert backup.compared(made).fault == "it has changed since it was made"
    made.file.write_bytes(made.file.read_bytes()[:-1])
    assert "bytes, and had" in str(backup.read(made.file).fault)


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (None, "nothing is on record"),
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"made_by": "someone"}', "cannot be read"),
        ('{"made_by": "omega-worker", "made_at": "soon"}', "cannot be read"),
    ],
)
def test_a_backup_without_a_readable_record_does_not_count(
    path: Path, folder: Path, record: str | None, fault: str
) -> None:
    made = backup.make(path, folder, NOON)
    backup.record_of(made.file).unlink()
    if record is not None:
        backup.record_of(made.file).write_text(record)
    (found,) = backup.find(folder)
    assert fault in str(found.fault)
    assert (found.made_at, found.scheduled, backup.find(folder, path)) == (NOON, False, [])


def test_every_copy_is_known(path: Path, folder: Path) -> None:
    """For whoever wants to forget somebody altogether."""
    made = backup.make(path, folder, NOON).file
    beside = backup.make(path, path.parent, NOON).file
    for name in (
        "memory.db.before-010_outcomes-20310501T120000Z.bak",
        "memory.db.replaced-20310501T180000Z-wal",
    ):
        path.with_name(name).write_text("")
    path.with_name("other.db.replaced-20310501T180000Z").write_text("")
    found = backup.copies(path, folder)
    assert {each.name for each in found} == {
        NAME,
        *names(path.parent) - {"memory.db", "backups", "other.db.replaced-20310501T180000Z", f"{NAME}.json"},
    }
    assert {made, beside} <= set(found)
    assert made not in backup.copies(path)


# How many are kept


def test_the_newest_are_kept(path: Path, folder: Path) -> None:
    made = [backup.make(path, folder, NOON + n * DAY, scheduled=True).file for n in range(5)]
    assert backup.prune(folder, path, 2) == [made[2], made[1], made[0]]
    assert names(folder) == {name for file in made[3:] for name in (file.name, f"{file.name}.json")}
    assert backup.prune(folder, path, 0) == [made[3]]
    assert backup.prune(folder, path, 0) == []
    assert made[4].exists()


def test_only_what_the_worker_made_itself_is_deleted(path: Path, folder: Path) -> None:
    folder.mkdir()
    by_hand = backup.make(path, folder, NOON - 9 * DAY)
    other = backup.make(spoiled.build(path.with_name("other.db")), folder, NOON - 9 * DAY, scheduled=True)
    unknown = folder / "memory.db.20200101T000000Z.backup"
    unknown.write_bytes(by_hand.file.read_bytes())
    damaged = backup.make(path, folder, NOON - 8 * DAY, scheduled=True)
    damaged.file.write_bytes(b"short")
    scheduled = [backup.make(path, folder, NOON + n * DAY, scheduled=True).file for n in range(3)]
    (folder / "notes.txt").write_text("mine")
    before = names(folder)
    assert backup.prune(folder, path, 1) == [scheduled[1], scheduled[0]]
    assert before - names(folder) == {
        name for file in scheduled[:2] for name in (file.name, f"{file.name}.json")
    }
    assert all(each.exists() for each in (by_hand.file, other.file, unknown, damaged.file))


def test_the_last_verified_one_stays_however_many_damaged_ones_come_after(path: Path, folder: Path) -> None:
    good = backup.make(path, folder, NOON, scheduled=True)
    for n in range(1, 4):
        backup.make(path, folder, NOON + n * DAY, scheduled=True).file.write_bytes(b"short")
    assert backup.prune(folder, path, 1) == []
    assert good.file.exists()


# The job


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store(path, clock=clock, durability="normal") as opened:
        yield opened


def test_it_is_due_by_the_age_of_the_newest(store: Store, folder: Path, clock: FakeClock) -> None:
    rules = Rules(folder, DAY, keep=2)
    done = backup_once(store, "w", rules)
    assert done
    assert (done.made.made_at, done.made.scheduled, done.removed) == (NOON, True, [])
    assert (backup_once(store, "w", rules), due_in(store, rules)) == (None, DAY)
    clock.advance(hours=23, minutes=59)
    assert backup_once(store, "w", rules) is None
    clock.advance(days=40)  # nobody was there for weeks: one makes up for all
    assert backup_once(store, "w", rules)
    assert backup_once(store, "w", rules) is None
    clock.advance(days=1)
    last = backup_once(store, "w", rules)
    assert last
    assert last.removed == [done.made.file]


def test_one_that_does_not_count_makes_nobody_wait(store: Store, folder: Path, path: Path) -> None:
    rules = Rules(folder)
    backup.make(path, folder, NOON).file.write_bytes(b"short")
    assert due_in(store, rules) == timedelta(0)
    backup.make(path, folder, NOON + 400 * DAY)  # by a clock that was wrong
    assert due_in(store, rules) == timedelta(0)
    backup.make(path, folder, NOON - timedelta(hours=1))  # by hand, and it counts
    assert due_in(store, rules) == timedelta(hours=23)


def test_one_worker_at_a_time(store: Store, folder: Path, clock: FakeClock) -> None:
    token = take_lease(store, LEASE, "another", timedelta(hours=1))
    assert token
    assert backup_once(store, "w", Rules(folder)) is None
    release_lease(store, LEASE, token)
    assert backup_once(store, "w", Rules(folder))
    take_lease(store, LEASE, "killed", timedelta(hours=1))
    clock.advance(days=2)
    assert backup_once(store, "w", Rules(folder))


def test_a_failure_gives_the_lease_back(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(copying, "free", lambda _: 0)
        with pytest.raises(BackupFailed):
            backup_once(store, "w", Rules(folder))
    assert backup_once(store, "w", Rules(folder))


def test_what_has_no_file_is_not_backed_up(folder: Path) -> None:
    with Store(":memory:") as store:
        assert backup_once(store, "w", Rules(folder)) is None
    assert not folder.exists()


def back_up(store: Store, **settings: Any) -> None:
    """The worker's duty, once."""
    worker = Worker(store, {}, Settings.defaults(**settings))
    duties = Duties(worker)
    try:
        (duty,) = (each for each in duties.all() if each.name == timetable.BACKUP)
        duty()
    finally:
        duties.close()


def test_the_worker_makes_them(store: Store, folder: Path) -> None:
    back_up(store, backup_folder=str(folder), backup_keep=1)
    assert names(folder) == {NAME, f"{NAME}.json"}


def test_a_worker_that_cannot_make_one_goes_on(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    back_up(store, backup_folder=str(tmp_path / "file" / "x"))


def test_no_folder_no_backups(store: Store) -> None:
    assert backup_rules(Settings.defaults()) is None
    with pytest.raises(ValueError, match="not enough values"):
        back_up(store)


# The commands


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(tmp_path / "memory.db"))
    return partial(told, capsys)


def test_the_commands(path: Path, folder: Path, tell: Any) -> None:
    code, said, _ = tell("backup", "--to", str(folder))
    assert (code, said.splitlines()[0].startswith(f"backed up {path} to {folder}/memory.db.")) == (0, True)
    code, said, _ = tell("backups", "--to", str(folder), "--verify")
    head, row = said.splitlines()
    assert head.split() == ["BACKUP", "AGE", "SIZE", "ROWS", "VERIFIED"]
    assert row.endswith("yes")
    (listed,) = json.loads(tell("backups", "--to", str(folder), "--json")[1])
    assert (listed["verified"], listed["scheduled"], listed["database"]) == (True, False, str(path))
    datetime.fromisoformat(listed["made_at"])


def test_the_commands_want_a_folder(path: Path, tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert path.exists()
    for command in ("backup", "backups"):
        code, said, errors = tell(command)
        assert (code, said) == (1, "")
        assert "give --to FOLDER, or set OMEGA_BACKUP_FOLDER" in errors
    monkeypatch.setenv("OMEGA_BACKUP_FOLDER", str(path.parent / "set"))
    assert tell("backups")[1] == "no backups\n"
    assert tell("backup")[0] == 0
    assert len(names(path.parent / "set")) == 2


def test_a_server_has_tools_of_its_own(tell: Any) -> None:
    for command in (["backup", "--to", "x"], ["restore", "x"]):
        code, _, errors = tell(*command, "--database", "postgresql://example.org/x")
        assert (code, "pg_dump" in errors) == (1, True)
