"""Many messages that wait for the index of recall: worked off beside those who write, by whoever has the time."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import old_files
import pytest
from command_line import PROGRAM, environment, run

from omega_jobs import maintain
from omega_models import IncomingMessage, Store, recall_index, recall_soundness
from omega_models.diagnosis import OK
from omega_models.recall_index import count_waiting, index_all
from omega_models.testing import FakeClock
from omega_worker.commands import indexing

MANY = 4000
SAYS = """INSERT INTO messages (id, conversation_id, role, content, timestamp)
    VALUES (?, ?, 'user', ?, '2026-01-01 00:00:00')"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with Store(file, clock=FakeClock(), durability="normal") as opened:
        yield opened


def leave_waiting(store: Store, file: Path, count: int, prefix: str = "m") -> None:
    """As another program would: nothing but the queue knows of them."""
    conversation = store.get_or_create_conversation("telegram", 42)
    with closing(old_files.connect(file)) as other:
        other.execute("BEGIN")
        other.executemany(SAYS, ((f"{prefix}{n}", conversation, f"walrus number {n}") for n in range(count)))
        other.execute("COMMIT")


def is_sound(store: Store) -> bool:
    return [each.level for each in recall_soundness.examine(store)] == [OK]


def unhurried(_: float) -> None:
    """No rest between batches."""


def test_a_command_that_is_killed_goes_on_the_next_time_while_a_bot_writes(store: Store, file: Path) -> None:
    leave_waiting(store, file, MANY)
    command = [*PROGRAM, "--database", str(file), "migrate"]
    told: list[str] = []
    with subprocess.Popen(
        command, cwd=file.parent, env=environment(file.parent), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        for n, line in enumerate(child.stdout):
            told.append(line)
            store.store_exchange(IncomingMessage("telegram", 42, f"a penguin {n}"), "indeed")
            if " %" in line:
                child.kill()
    assert re.fullmatch(rf"{re.escape(str(file))}: indexing [34],\d\d\d messages for recall\n", told[1])
    assert 0 < count_waiting(store.database) < MANY
    finished = run(file.parent, "--database", str(file), "migrate")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.endswith(" indexed\n")
    assert is_sound(store)
    assert store.search_messages("number 0", "", 42)[0].content == "walrus number 0"


def test_the_command_says_nothing_where_nothing_waits(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    indexing.index(store.database)
    assert capsys.readouterr().out == ""


def test_a_terminal_sees_a_bar(
    store: Store, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_waiting(store, file, 600)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    indexing.index(store.database)
    assert "600/600" in capsys.readouterr().out
    assert count_waiting(store.database) == 0


def test_others_get_in_between_two_batches(store: Store, file: Path) -> None:
    """Another program that does not wait at all writes after every batch."""
    leave_waiting(store, file, 300)
    with closing(old_files.connect(file)) as other:
        other.execute("PRAGMA busy_timeout = 0")
        written: list[float] = []

        def write(seconds: float) -> None:
            other.execute("UPDATE conversations SET summary = 'walruses'")
            written.append(seconds)

        assert index_all(store.database, at_once=100, rest=write) == 300
    assert len(written) >= 3
    assert all(seconds > 0 for seconds in written)


def test_what_was_indexed_in_many_parts_is_brought_together(store: Store, file: Path) -> None:
    """A search looks into each of them."""
    for n in range(6):
        leave_waiting(store, file, 20, prefix=f"{n}-")
        recall_index.catch_up_now(store.database)
    parts = "SELECT count(DISTINCT segid) FROM recall_idx"
    ((before,),) = store.database.sql_rows(parts)
    assert index_all(store.database, rest=unhurried) == 0
    ((after,),) = store.database.sql_rows(parts)
    assert (before > 1, after) == (True, 1)
    assert is_sound(store)
    assert len(store.search_messages("walrus number 7", "", 42, 6)) == 6


def test_maintenance_takes_some_each_time(store: Store, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintain, "MOST_INDEXED", 250)
    leave_waiting(store, file, 600)
    done = [maintain.maintain_once(store, "w", rest=unhurried) for _ in range(3)]
    assert [each and each.indexed for each in done] == [250, 250, 100]
    assert is_sound(store)


def test_a_row_that_cannot_be_taken_on_stops_nobody(store: Store) -> None:
    store.database.sql("INSERT INTO recall_queue (id) VALUES (-1)")
    assert index_all(store.database, rest=unhurried) == 0
    recall_index.catch_up_now(store.database)
    store.store_exchange(IncomingMessage("telegram", 42, "a walrus"), "indeed")
    assert store.search_messages("walrus", "", 42)


def test_a_server_works_its_queue_off_too(memory_url: str) -> None:
    with Store(memory_url, clock=FakeClock()) as store:
        conversation = store.get_or_create_conversation("telegram", 42)
        for n in range(5):
            store.append_message(conversation, "user", f"walrus number {n}")
        store.database.sql("INSERT INTO recall_queue (id) SELECT rowid FROM messages")
        told: list[int] = []
        assert index_all(store.database, told.append, at_once=2, rest=unhurried) == 5
        assert told == [2, 4, 5]
        assert len(store.search_messages("walrus", "", 42)) == 5
