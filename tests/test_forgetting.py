"""Forgetting leaves nothing of a person, and everything of everybody else."""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from full_memory import START, Person, fill, remains

from omega_jobs.alert import Alerting, alert_once
from omega_models import (
    AuditEntry,
    AuditLogger,
    AuditStatus,
    IncomingMessage,
    InvalidId,
    Store,
    StoreBusy,
    backup,
    erasing,
    forgetting,
    personal,
)
from omega_models.recall_words import beginning
from omega_models.tables import MODELS
from omega_models.testing import FakeClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    """Some builds of SQLite wipe what they delete; this one is told not to."""
    with Store(file, clock=FakeClock(START)) as opened:
        opened.database.sql_rows("PRAGMA secure_delete = OFF")
        yield opened


@pytest.fixture
def memory(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock(START)) as opened:
        yield opened


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables that callers fill."""
    names = [personal.name_of(model) for model in MODELS]
    return {
        name: sorted(store.database.sql_rows(f"SELECT * FROM {name}"), key=repr)
        for name in names
        if name not in ("_migrations", "workers")
    }


def beginnings(person: Person) -> list[str]:
    """What the index of recall holds of the words."""
    return [f"_{beginning(word)}" for word in person.words]


def test_no_byte_is_left(store: Store) -> None:
    fill(store, "another")
    person = fill(store)
    fill(store, "third")
    assert len(remains(store, person.words)["-wal"]) > len(person.words) / 2
    assert store.database.empty_log()
    assert len(remains(store, person.words)[""]) > len(person.words) / 2
    gone = store.forget_sender(person.sender)
    assert min(gone.values()) > 0, gone
    assert remains(store, [*person.words, person.conversation]) == {}
    assert store.database.sql_rows("PRAGMA integrity_check") == [("ok",)]
    assert store.database.sql_rows("PRAGMA foreign_key_check") == []


def test_others_lose_nothing(memory: Store) -> None:
    fill(memory, "another")
    before = everything(memory)
    person = fill(memory)
    memory.forget_sender(person.aliases[1])
    assert everything(memory) == before


def test_what_others_said_is_still_found(store: Store) -> None:
    """The rows of messages keep their numbers, by which both indexes know them."""
    person = fill(store)
    for text in ("the ferry to Odesa", "a kettle of tea"):
        store.store_exchange(IncomingMessage("chat", "another", text), f"yes, {text}")
    found = store.search_messages("when does the ferry go", "", "another")
    assert found[0].content == "the ferry to Odesa"
    store.forget_sender(person.sender)
    assert store.search_messages("when does the ferry go", "", "another") == found
    fts = "SELECT content FROM messages WHERE rowid IN (SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'kettle')"
    assert store.database.sql_rows(fts) == [("a kettle of tea",)]


def test_the_words_leave_the_indexes(store: Store) -> None:
    person = fill(store)
    store.database.sql_rows("SELECT count(*) FROM recall")
    held = [word for word in beginnings(person) if remains(store, [word])]
    assert len(held) > 10
    store.forget_sender(person.sender)
    assert remains(store, held) == {}
    for index in ("messages_fts", "recall"):
        store.database.sql(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")


def test_embeddings_go_with_their_messages(memory_url: str) -> None:
    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]

    with Store(memory_url, clock=FakeClock(START), embed=embed, embed_model="length") as memory:
        for sender in ("1", "2"):
            memory.store_exchange(IncomingMessage("chat", sender, "hello"), "hello")
        memory.embed_waiting()
        counted = "SELECT count(*) FROM recall_vectors WHERE id > 0 AND vector IS NOT NULL"
        assert memory.database.sql_rows(counted) == [(4,)]
        memory.forget_sender(1)
        assert memory.database.sql_rows(counted) == [(2,)]


def test_words_that_an_index_holds_by_mistake_go_too(store: Store) -> None:
    """Of a message that it was told to take out and never had: the word is in the only part there is."""
    store.store_exchange(IncomingMessage("chat", "another", "hello"), "hello")
    store.forget_sender("nobody")
    store.database.sql(
        "INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', 77, 'aardvark')"
    )
    store.forget_sender("nobody")
    store.database.sql("INSERT INTO messages_fts (messages_fts) VALUES ('optimize')")
    assert remains(store, ["ardvark"]) == {}


def test_a_conversation_is_forgotten_and_the_person_is_not(store: Store) -> None:
    person = fill(store)
    here = store.get_or_create_conversation("chat", person.sender)
    said = store.append_message(here, "user", "the secret otter", sender_name="quokka")
    store.add_items(here, [{"type": "reasoning", "summary": "capybara"}])
    store.close_conversation(here, "about narwhals")
    store.store_fact(person.sender, "animal", "otters")
    store.database.sql("UPDATE facts SET source_message_id = ? WHERE key = 'animal'", (said,))
    before = personal.counts(store, personal.PERSON, personal.everyone(store, person.sender))
    dry = store.forget_conversation(here, dry_run=True)
    gone = store.forget_conversation(here)
    assert (
        gone
        == dry
        == {
            "session_items": 1,
            "received_messages": 0,
            "messages": 1,
            "conversations": 1,
            "audit_log": 0,
        }
    )
    assert remains(store, ["secret otter", "quokka", "capybara", "narwhal", here, said]) == {}
    after = store.forget_sender(person.sender, dry_run=True)
    assert {name: before[name] - after[name] for name in before if before[name] != after[name]} == {
        "session_items": 1,
        "messages": 1,
        "conversations": 1,
    }
    assert store.get_fact(person.sender, "animal") == "otters"


def test_what_the_audit_log_holds_of_a_conversation_goes_with_it(memory_url: str) -> None:
    clock = FakeClock(START)

    def say(sender: str, text: str, answer: str, channel: str = "chat") -> str:
        AuditLogger(memory).log(AuditEntry(channel, sender, text, output_text=answer))
        return memory.store_exchange(IncomingMessage(channel, sender, text), answer)

    with Store(memory_url, clock=clock) as memory:
        here = say("1", "the secret otter", "noted")
        say("1", "yes", "the secret otter swims")
        AuditLogger(memory).log(AuditEntry("chat", "1", "the secret otter", AuditStatus.ERROR))
        say("2", "yes", "noted")
        say("1", "yes", "noted", "mail")
        clock.advance(hours=5)
        say("1", "yes", "noted")
        dry = memory.forget_conversation(here, dry_run=True)
        assert memory.forget_conversation(here) == dry
        assert dry["audit_log"] == 3
        left = AuditLogger(memory).recent(9)
        assert [(each.sender_id, each.channel, each.input_text) for each in left] == [
            ("1", "chat", "yes"),
            ("1", "mail", "yes"),
            ("2", "chat", "yes"),
        ]


def test_a_dry_run_counts_and_changes_nothing(memory: Store) -> None:
    person = fill(memory)
    before = everything(memory)
    counted = memory.forget_sender(person.sender, dry_run=True)
    assert everything(memory) == before
    assert memory.forget_sender(person.sender) == counted
    assert set(memory.forget_sender(person.sender).values()) == {0}


@pytest.mark.parametrize("by", [0, 1, 2])
def test_any_id_of_a_person_stands_for_all(memory: Store, by: int) -> None:
    person = fill(memory)
    sender = (person.sender, *person.aliases)[by]
    memory.forget_sender(sender)
    assert all(not rows for rows in everything(memory).values())


def test_a_circle_of_aliases_ends(memory: Store) -> None:
    memory.create_alias("b", "a")
    memory.create_alias("c", "b")
    memory.database.sql("INSERT INTO user_aliases (alias_sender_id, canonical_sender_id) VALUES ('a', 'c')")
    assert sorted(personal.everyone(memory, "b")) == ["a", "b", "c"]
    assert memory.forget_sender("b")["user_aliases"] == 3


def test_what_is_being_sent_is_settled_without_a_trace(memory: Store) -> None:
    memory.create_task("chat", 1, 1, "Call John", START)
    (claimed,) = memory.claim_due_tasks("w", 1)
    assert memory.forget_sender(1)["task_occurrences"] == 1
    assert not memory.settle(claimed.token, "delivered")
    assert all(not rows for rows in everything(memory).values())


def test_alerts_that_speak_of_a_task_go_with_it(memory: Store) -> None:
    mine, yours = (memory.create_task("chat", sender, sender, "Call John", START) for sender in (1, 2))
    for claimed in memory.claim_due_tasks("w", 2):
        memory.settle(claimed.token, "failed", error=f"nobody called otter-{claimed.sender_id}")
    assert alert_once(memory, Alerting("chat", "owner"), START - timedelta(days=1)) == 2
    memory.claim_due_tasks("w", 2)
    memory.forget_sender(1)
    (left,) = memory.list_tasks("omega", status=None)
    assert "otter-2" in left.description
    assert yours[:8] in left.description
    ledger = memory.database.sql_rows("SELECT DISTINCT task_id FROM task_occurrences")
    assert {task for (task,) in ledger} == {left.id, yours}
    assert mine not in {task.id for task in memory.list_tasks(status=None)}


def test_many_conversations_go_in_batches(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole ones only: whoever looks in between sees no half of one."""
    monkeypatch.setattr(forgetting, "BATCH", 5)
    monkeypatch.setattr(forgetting, "REST_SECONDS", 0)
    for number in range(7):
        here = memory.get_or_create_conversation("chat", 1, f"project {number}")
        for text in range(3 if number else 12):
            memory.append_message(here, "user", f"text {text}")
    seen: list[set[int]] = []

    def look(point: str) -> None:
        if point == forgetting.SOME_GONE:
            sizes = "SELECT count(*) FROM messages GROUP BY conversation_id"
            seen.append({size for (size,) in memory.database.sql_rows(sizes)})

    memory.reached = look
    gone = memory.forget_sender(1)
    assert (gone["conversations"], gone["messages"]) == (7, 30)
    assert seen == [{3}] * 6 + [set()]


def test_what_comes_in_meanwhile_goes_too(memory: Store) -> None:
    memory.store_fact(1, "name", "Ada")
    written: list[str] = []

    def write(point: str) -> None:
        if point == forgetting.BEGUN and not written:
            written.append(memory.store_exchange(IncomingMessage("chat", "1", "hello"), "hello"))
            memory.create_task("chat", 1, 1, "Call John", "2031-01-01")

    memory.reached = write
    gone = memory.forget_sender(1)
    assert (gone["messages"], gone["scheduled_tasks"]) == (2, 1)
    assert all(not rows for rows in everything(memory).values())


# Others at work


def test_a_reader_holds_up_the_clean_up_and_not_the_deleting(
    file: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "PATIENCE", 0.2)
    person = fill(store)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM facts").fetchall()
        with pytest.raises(StoreBusy, match="call again"):
            store.forget_sender(person.sender)
        assert store.get_facts(person.sender) == []
        assert erasing.is_wanted(store)
        store.store_fact("another", "name", "goes on writing")
    assert set(store.forget_sender(person.sender).values()) == {0}
    assert remains(store, person.words) == {}
    assert not erasing.is_wanted(store)


def test_a_writer_holds_it_up(file: Path, store: Store) -> None:
    person = fill(store)
    store.database.sql_rows("PRAGMA busy_timeout = 50")

    with closing(sqlite3.connect(file, isolation_level=None)) as writer:

        def hold(point: str) -> None:
            if point == erasing.MERGED and not writer.in_transaction:
                writer.execute("BEGIN IMMEDIATE")

        store.reached = hold
        with pytest.raises(StoreBusy, match="call again"):
            store.forget_sender(person.sender)
        writer.execute("ROLLBACK")
    store.reached = lambda _: None
    store.forget_sender(person.sender)
    assert remains(store, person.words) == {}


def test_other_connections_go_on(file: Path, store: Store) -> None:
    """Their prepared statements, their threads, and another Store on the file."""
    person = fill(store)
    with Store(file, clock=FakeClock(START)) as other:
        other.store_fact("another", "name", "Ada")
        answers: list[str | None] = []
        begun, forgotten = threading.Event(), threading.Event()

        def in_a_thread() -> None:
            store.get_fact("another", "name")
            begun.set()
            forgotten.wait(10)
            answers.append(store.get_fact("another", "name"))
            store.store_fact("another", "city", "Kyiv")

        thread = threading.Thread(target=in_a_thread)
        thread.start()
        begun.wait(10)
        store.forget_sender(person.sender)
        forgotten.set()
        thread.join(10)
        assert answers == ["Ada"]
        assert other.get_fact("another", "city") == "Kyiv"
        other.store_exchange(IncomingMessage("chat", "another", "the ferry"), "yes")
        assert store.search_messages("ferry", "", "another")[0].content == "the ferry"
    assert remains(store, person.words) == {}


def test_a_big_file_is_rebuilt_outside_memory(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "IN_MEMORY", 0)
    before = set(tmp_path.iterdir())
    person = fill(store)
    store.forget_sender(person.sender)
    assert remains(store, person.words) == {}
    assert set(tmp_path.iterdir()) == before
    assert store.database.sql_rows("PRAGMA temp_store") == [(2,)]


def test_the_former_permissions_and_settings_stay(file: Path, store: Store) -> None:
    file.chmod(0o640)
    store.forget_sender(fill(store).sender)
    assert file.stat().st_mode & 0o777 == 0o640
    assert store.database.sql_rows("PRAGMA journal_mode") == [("wal",)]
    assert store.database.sql_rows("PRAGMA temp_store") == [(2,)]
    assert store.database.sql_rows("PRAGMA busy_timeout") == [(5000,)]


# A server


@pytest.fixture
def server(postgres_database: str) -> Iterator[Store]:
    with Store(postgres_database, clock=FakeClock(START)) as opened:
        yield opened


def vacuumed(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = "SELECT relname FROM pg_stat_user_tables WHERE vacuum_count > 0"
        return {name for (name,) in connection.execute(found)}


@pytest.mark.postgres
def test_the_tables_are_vacuumed(server: Store, postgres_database: str) -> None:
    patience = server.database.sql_rows("SHOW statement_timeout")
    server.forget_sender(fill(server).sender)
    wanted = {personal.name_of(model) for model in personal.TABLES} | {"recall", "recall_chats"}
    assert vacuumed(postgres_database) >= wanted
    assert server.database.sql_rows("SHOW statement_timeout") == patience


@pytest.mark.postgres
def test_vacuum_is_in_no_transaction_of_a_pooler_either(server: Store, postgres_database: str) -> None:
    """Through one, every statement is given its limits in a transaction of its own."""
    person = fill(server)
    with server.database.in_use:
        server.database.engine.connection().limits = "SELECT 1"
    server.forget_sender(person.sender)
    assert "messages" in vacuumed(postgres_database)
    with server.database.in_use:
        assert server.database.engine.connection().limits == "SELECT 1"


@pytest.mark.postgres
def test_an_older_transaction_holds_up_the_clean_up(
    server: Store, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it may still read, the server would silently keep."""
    monkeypatch.setattr(erasing, "PATIENCE", 0.2)
    person = fill(server)
    with psycopg.connect(postgres_database) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM facts").fetchall()
        with pytest.raises(StoreBusy, match="call again"):
            server.forget_sender(person.sender)
        assert server.get_facts(person.sender) == []
        assert erasing.is_wanted(server)
        assert vacuumed(postgres_database) == set()
    assert set(server.forget_sender(person.sender).values()) == {0}
    assert "messages" in vacuumed(postgres_database)
    assert not erasing.is_wanted(server)


# Copies


def test_copies_that_still_hold_it_are_named(
    file: Path, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    person = fill(store)
    elsewhere = backup.make(file, tmp_path / "backups", START).file
    beside = backup.make(file, tmp_path, START).file
    killed = tmp_path / "memory.db.20300101T090000Z-7.backup.part"
    killed.write_text("")
    with caplog.at_level(logging.WARNING):
        store.forget_sender(person.sender)
    (said,) = [each.getMessage() for each in caplog.records]
    assert str(beside) in said
    assert str(killed) in said
    assert not any(word in said for word in person.words)
    assert store.copies() == [killed, beside] or store.copies() == [beside, killed]
    assert elsewhere in store.copies(tmp_path / "backups")


def test_a_server_has_no_copies_that_we_know(memory: Store) -> None:
    assert memory.copies() == []


def test_an_id_is_wanted(memory: Store) -> None:
    for call in (memory.forget_sender, memory.forget_conversation):
        with pytest.raises(InvalidId):
            call("")
