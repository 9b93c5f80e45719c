"""Each block of a context, one by one: whose it is, what it costs, and at which moment it was read."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from omega_models import (
    AuditEntry,
    AuditLogger,
    Context,
    ContextNeeds,
    IncomingMessage,
    Store,
    StoreBusy,
    StoreError,
)
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

QUESTION = "What did we say about the surprise voyage?"
OFF = ContextNeeds(**{each.name: False for each in fields(ContextNeeds)})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-01-05 12:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def message(text: str = QUESTION, group: int | None = None, **more: Any) -> IncomingMessage:
    target = 42 if group is None else group
    return IncomingMessage("telegram", 42, text, reply_target=target, is_group=group is not None, **more)


# Whose it is

Plant = Callable[[Store, str], object]


def past(store: Store, secret: str) -> None:
    """A conversation that was summarised."""
    store.store_exchange(message(f"the voyage: {secret}"), "noted")
    here = store.get_active_conversation_id("telegram", 42)
    store.close_conversation(here or "", f"about {secret}")


def projects_past(store: Store, secret: str) -> None:
    store.store_exchange(message(f"the voyage: {secret}"), "noted", "garden")
    here = store.get_active_conversation_id("telegram", 42, "garden")
    store.close_conversation(here or "", f"about {secret}")


PLANTED: dict[str, Plant] = {
    "history": lambda store, secret: store.store_exchange(message(f"hello {secret}"), f"yes {secret}"),
    "summaries": past,
    "recall": lambda store, secret: store.append_message(
        store.get_or_create_conversation("signal", 42), "user", f"the surprise voyage is {secret}"
    ),
    "profile": lambda store, secret: [store.store_fact(42, key, secret) for key in ("location", "pet")],
    "tasks": lambda store, secret: store.create_task("telegram", 42, 42, secret, "2026-02-01"),
    "lessons": lambda store, secret: store.store_lesson(42, "travel", secret),
    "outcomes": lambda store, secret: store.store_outcome(42, "travel", 1, secret),
}


def shown(context: Context) -> str:
    return "\n".join([context.system_prompt, *(content for _, content in context.history)])


@pytest.mark.parametrize("block", PLANTED)
def test_a_block_shows_in_private_what_no_group_may_see(store: Store, block: str) -> None:
    PLANTED[block](store, "zanzibar")
    in_group = store.build_context(message(group=7), "")
    in_private = store.build_context(message(), "")
    where = dict(in_private.sections) | {"history": str(in_private.history)}
    assert "zanzibar" in where[block]
    assert "zanzibar" not in shown(in_group)
    assert "zanzibar" not in in_group.to_prompt_string()


@pytest.mark.parametrize("group", [7, 8])
def test_no_block_of_all_together_leaks(store: Store, group: int) -> None:
    for block, plant in PLANTED.items():
        plant(store, f"zanzibar-{block}")
    projects_past(store, "zanzibar-project")
    store.store_session("telegram", 42, "", "zanzibar-session")
    store.store_exchange(message("hello", group=7), "hi all")
    for project in (None, "", "garden"):
        context = store.build_context(message(group=group), "", active_project=project)
        assert "zanzibar" not in shown(context)
        assert context.session_id is None


def test_an_exchange_in_a_group_shows_nothing_private(store: Store) -> None:
    for block, plant in PLANTED.items():
        plant(store, f"zanzibar-{block}")
    with store.exchange(message(group=7), "Base.") as turn:
        assert "zanzibar" not in shown(turn.context)


def test_searches_and_summaries_of_a_group_are_its_own(store: Store) -> None:
    past(store, "zanzibar")
    assert store.search_messages("voyage", None, 42, channel="telegram", group=7) == []
    assert store.get_recent_summaries("telegram", 42, 9, group=7) == []
    assert store.get_history("telegram", 42, 9, group=7) == []


@pytest.mark.parametrize("key", ["welcomed", "active_project", "personality", "pending_setup"])
def test_the_systems_own_facts_are_shown_nowhere(store: Store, key: str) -> None:
    store.store_fact(42, key, "zanzibar")
    for group in (None, 7):
        assert "zanzibar" not in shown(store.build_context(message(group=group), ""))


# What it costs


def traced(store: Store, needs: ContextNeeds) -> list[str]:
    statements: list[str] = []
    driver(store.database).set_trace_callback(statements.append)
    store.build_context(message(), "", needs)
    driver(store.database).set_trace_callback(None)
    read = statements[: statements.index("COMMIT")]  # what follows is its one write
    return [each for each in read if each.startswith(("SELECT", "WITH"))]


def test_with_everything_off_only_who_asks_and_what_was_said_is_read(clock: FakeClock) -> None:
    with Store(":memory:", clock=clock) as store:
        for block, plant in PLANTED.items():
            plant(store, f"zanzibar-{block}")
        PLANTED["history"](store, "zanzibar")
        tables = [read.split('FROM "')[1].partition('"')[0] for read in traced(store, OFF)]
    assert sorted(set(tables)) == ["conversations", "facts", "lessons", "messages", "received_messages"]
    assert len(tables) <= 6


@pytest.mark.parametrize("need", ["recall", "pending_tasks", "summaries", "outcomes"])
def test_each_block_that_is_on_costs_queries_of_its_own(clock: FakeClock, need: str) -> None:
    with Store(":memory:", clock=clock) as store:
        past(store, "zanzibar")
        traced(store, OFF)
        assert len(traced(store, ContextNeeds(**(vars(OFF) | {need: True})))) > len(traced(store, OFF))


# At which moment it is read


def test_others_write_while_it_reads_and_it_shows_none_of_it(tmp_path: Path, clock: FakeClock) -> None:
    """One consistent read, without a lock: what another commits between its queries comes with the next one."""
    path = tmp_path / "memory.db"
    with Store(path, clock=clock) as store, Store(path, clock=clock) as other:
        past(store, "norway")
        written: list[str] = []

        def write_meanwhile(statement: str) -> None:
            if "scheduled_tasks" in statement and not written:
                written.append(other.create_task("telegram", 42, 42, "zanzibar", "2026-02-01"))
                other.store_outcome(42, "travel", 1, "zanzibar")
                other.append_message(other.get_or_create_conversation("telegram", 42), "user", "zanzibar")

        driver(store.database).set_trace_callback(write_meanwhile)
        context = store.build_context(message(), "")
        driver(store.database).set_trace_callback(None)
        assert written
        assert "zanzibar" not in shown(context)
        assert context.conversation_id == other.get_active_conversation_id("telegram", 42)
        after = shown(store.build_context(message(), ""))
        assert after.count("zanzibar") == 3


def test_its_one_write_waits_for_who_is_writing_and_says_so(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "memory.db"
    with Store(path, clock=clock) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        driver(store.database).execute("PRAGMA busy_timeout = 50")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            store.build_context(message(), "")
        other.execute("COMMIT")
        assert store.build_context(message(), "").conversation_id


# The audit log beside an exchange


def spoil(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE audit_log")


def test_an_audit_entry_that_fails_within_an_exchange_loses_neither_side(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "memory.db"
    with Store(path, clock=clock) as store:
        spoil(path)
        with pytest.raises(StoreError), store.exchange(message(), "Base.") as turn:
            turn.reply("to Norway")
            AuditLogger(store).log(AuditEntry("telegram", 42, QUESTION, output_text="to Norway"))
        said = store.get_conversation_messages(turn.conversation_id)
    assert said == [("user", QUESTION), ("assistant", "to Norway")]
    assert "were not written" in caplog.text
    assert "Norway" not in caplog.text


def test_an_audit_entry_that_finds_the_file_locked_says_so(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "memory.db"
    with Store(path, clock=clock) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        conversation = store.store_exchange(message(), "to Norway")
        driver(store.database).execute("PRAGMA busy_timeout = 50")
        other.execute("BEGIN IMMEDIATE")
        entry = AuditEntry("telegram", 42, QUESTION, output_text="to Norway")
        with pytest.raises(StoreBusy):
            AuditLogger(store).log(entry)
        other.execute("ROLLBACK")
        AuditLogger(store).log(entry)
        assert len(AuditLogger(store).recent(9)) == 1
        assert len(store.get_messages(conversation)) == 2
    assert "were not written" in caplog.text
