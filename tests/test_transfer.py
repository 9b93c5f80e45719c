"""A whole memory moves from a file to a server and back, and is the same."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import full_memory
import old_files
import pytest

from omega_models import Store, StoreError, recall_soundness, transfer, transferred
from omega_models.diagnosis import OK
from omega_models.errors import TransferRefused
from omega_models.opening import connect
from omega_models.presence import beat

TABLES = [table.name for table in transferred.tables()]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with rows in every table, and work in progress."""
    path = str(tmp_path_factory.mktemp("made") / "full.db")
    with Store(path) as store:
        full_memory.fill(store, "one")
        full_memory.fill(store, "two")
        conversation = store.get_or_create_conversation("telegram", "three")
        store.add_items(conversation, [{"type": "reasoning", "id": "r1", "summary": []}])
        store.store_limitation("No wings", "Cannot fly.")
        store.create_task("telegram", "three", "3", "Call John", "2020-01-01 09:00", repeat="daily")
        store.claim_due_tasks("worker", 1)
        row = store.database.sql_rows("SELECT rowid FROM messages LIMIT 1")[0][0]
        with store.database.writing():
            store.database.sql(
                "INSERT OR IGNORE INTO recall_vectors VALUES (?, 1, 'm', ?)", (row, b"\0\1\xff\0" * 4)
            )
            store.database.sql("INSERT OR IGNORE INTO leases VALUES ('close', 'worker', 'token', 1)")
            store.database.sql("INSERT INTO workers VALUES ('gone', '[]', '[]', 1, 1)")
    return path


@pytest.fixture
def full(made_once: str, tmp_path: Path) -> str:
    return str(shutil.copy(made_once, tmp_path / "full.db"))


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "new.db")
    return str(request.getfixturevalue("postgres_database"))


def stocks(url: str) -> dict[str, transferred.Stock]:
    with closing(connect(url)) as database, database.snapshot():
        return transfer.surveyed(database, "").stocks


def test_every_table_is_filled_by_the_fixture(full: str) -> None:
    assert [name for name, stock in stocks(full).items() if not stock.rows] == []


def test_everything_arrives(full: str, empty: str) -> None:
    done = transfer.transfer(full, empty)
    assert stocks(empty) == stocks(full)
    assert done.rows == {name: stock.rows for name, stock in stocks(full).items()}
    assert done.written == sum(done.rows.values())
    assert done.indexed == done.rows["messages"]


@pytest.mark.postgres
def test_there_and_back(full: str, postgres_database: str, tmp_path: Path) -> None:
    back = str(tmp_path / "back.db")
    transfer.transfer(full, postgres_database)
    transfer.transfer(postgres_database, back)
    assert stocks(back) == stocks(full)


def test_the_source_is_left_as_it_is(full: str, empty: str) -> None:
    before, beside = Path(full).read_bytes(), set(Path(full).parent.glob("full.db*"))
    transfer.transfer(full, empty)
    assert Path(full).read_bytes() == before
    assert set(Path(full).parent.glob("full.db*")) == beside


def test_life_goes_on_in_the_new_place(full: str, empty: str) -> None:
    transfer.transfer(full, empty)
    with Store(full) as old, Store(empty) as new:
        people = sorted({ref.sender_id for ref in old.find_all_active_conversations()})
        for sender in people:
            assert new.get_facts(sender) == old.get_facts(sender)
            assert new.get_tasks_for_sender(sender) == old.get_tasks_for_sender(sender)
        said = new.get_or_create_conversation("telegram", "three")
        new.append_message(said, "user", "The pelican sleeps.")
        assert [line.content for line in new.search_messages("pelican", None, "three")] == [
            "The pelican sleeps."
        ]
        new.add_items(said, [{"type": "reasoning", "id": "r2", "summary": []}])
        assert [item["id"] for item in new.get_items(said) if item["type"] == "reasoning"] == ["r1", "r2"]


def test_what_was_said_is_found_in_the_new_place(full: str, empty: str) -> None:
    with Store(full) as old:
        conversation = old.get_or_create_conversation("telegram", "three")
        old.append_message(conversation, "user", "My sister plays the oboe.")
        old.append_message(conversation, "assistant", "How lovely.")
    transfer.transfer(full, empty)
    with Store(empty) as new:
        found = new.search_messages("oboe", None, "three")
    assert found[0].content == "My sister plays the oboe."


class Broken(Exception):
    pass


@pytest.mark.parametrize("stage", ["copying", "comparing", "indexing"])
def test_broken_off_it_goes_on(full: str, empty: str, stage: str) -> None:
    def breaks(now: str, table: str, _: int) -> None:
        if now == stage and table in ("messages", "recall_queue"):
            raise Broken

    with pytest.raises(Broken):
        transfer.transfer(full, empty, tell=breaks)
    done = transfer.transfer(full, empty)
    assert stocks(empty) == stocks(full)
    assert done.written < sum(done.rows.values())


@pytest.mark.parametrize("stage", ["copying", "indexing"])
def test_who_looks_into_what_is_half_filled_does_not_spoil_it(full: str, empty: str, stage: str) -> None:
    def breaks(now: str, table: str, _: int) -> None:
        if now == stage and table in ("messages", "recall_queue"):
            with Store(empty) as store:
                assert store.get_facts("nobody") == []
            raise Broken

    with closing(connect(full)) as old, old.writing():
        old.sql("DELETE FROM recall_vectors")
        old.sql("DELETE FROM recall_chats WHERE id = (SELECT min(id) FROM recall_chats)")
    with pytest.raises(Broken):
        transfer.transfer(full, empty, tell=breaks)
    transfer.transfer(full, empty)
    with Store(empty) as new:
        assert [each.level for each in recall_soundness.examine(new)] == [OK]


def test_a_source_that_changed_meanwhile_is_refused(full: str, empty: str) -> None:
    def breaks(now: str, table: str, _: int) -> None:
        if (now, table) == ("copying", "messages"):
            raise Broken

    with pytest.raises(Broken):
        transfer.transfer(full, empty, tell=breaks)
    with Store(full) as store:
        store.store_fact("three", "name", "Ada")
    with pytest.raises(TransferRefused, match="has changed since"):
        transfer.transfer(full, empty)


def test_a_memory_is_never_mixed_with_another(full: str, empty: str) -> None:
    with Store(empty) as store:
        store.store_fact("four", "name", "Ada")
    before = stocks(empty)
    with pytest.raises(TransferRefused, match="holds a memory already"):
        transfer.transfer(full, empty)
    with pytest.raises(TransferRefused, match="holds a memory already"):
        transfer.look(full, empty)
    assert stocks(empty) == before


def test_a_look_writes_nothing(full: str, empty: str) -> None:
    assert transfer.look(full, empty) == {name: stock.rows for name, stock in stocks(full).items()}
    if "://" not in empty:
        assert not Path(empty).exists()


def test_somebody_who_writes_meanwhile_is_noticed(full: str, empty: str) -> None:
    def meddles(now: str, table: str, _: int) -> None:
        if (now, table) == ("copying", "scheduled_tasks"):
            with Store(empty) as store:
                store.store_fact("four", "name", "Ada")

    with pytest.raises(StoreError, match="facts"):
        transfer.transfer(full, empty, tell=meddles)


def test_an_older_file_is_brought_up_to_date_in_a_copy(tmp_path: Path, empty: str) -> None:
    old = tmp_path / "old.db"
    old_files.build(old, 13)
    before = old.read_bytes()
    done = transfer.transfer(str(old), empty)
    assert done.rows["messages"] > 0
    assert old.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("old")] == ["old.db"]


def test_a_live_worker_is_in_the_way(full: str, empty: str) -> None:
    with Store(full) as store:
        beat(store, "worker-1", ["telegram"], ["reminder"])
    with pytest.raises(TransferRefused, match="worker-1 uses"):
        transfer.transfer(full, empty)
    transfer.transfer(full, empty, force=True)
    assert stocks(empty) == stocks(full)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE facts SET value = 'a' || char(0) || 'b' WHERE rowid = 1", "facts: a row value holds a NUL"),
        ("UPDATE facts SET value = x'00ff' WHERE rowid = 1", "facts: a row value is a bytes"),
        ("UPDATE outcomes SET id = NULL WHERE rowid = 1", "outcomes: a row has no id"),
        ("UPDATE session_items SET conversation_id = 'gone'", "session_items: .* belong to rows"),
        (
            "INSERT INTO limitations (id, title, description) VALUES ('l', 'Ü', ''), ('m', 'ü', '')",
            "limitations: 1 title.* only in case",
        ),
    ],
)
def test_what_would_not_fit_is_said_before_anything_is_written(
    full: str, empty: str, change: str, said: str
) -> None:
    with closing(sqlite3.connect(full, isolation_level=None)) as foreign:
        foreign.execute(change)
    with pytest.raises(TransferRefused, match=said):
        transfer.transfer(full, empty)
    if "://" not in empty:
        assert not Path(empty).exists()


def test_a_time_nobody_can_read_stays_a_task_that_is_set_aside(full: str, empty: str) -> None:
    with closing(sqlite3.connect(full, isolation_level=None)) as foreign:
        foreign.execute(
            "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at)"
            " VALUES ('odd', 'telegram', 'three', '3', 'Odd', 'tomorrow-ish')"
        )
    transfer.transfer(full, empty)
    with Store(empty) as new:
        task = new.get_task("odd", "three")
        assert task is not None
        assert task.status == "failed"


@pytest.mark.parametrize("missing", ["nowhere.db", "sqlite:///nowhere/at/all.db"])
def test_a_source_that_is_not_there(missing: str, tmp_path: Path) -> None:
    with pytest.raises(TransferRefused, match="there is no database"):
        transfer.transfer(missing, str(tmp_path / "new.db"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_copied_onto_itself(full: str) -> None:
    with pytest.raises(TransferRefused, match="is the source itself"):
        transfer.transfer(full, full)
