"""A server's database: written from the models, and brought up to date where an earlier version made it."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import new_database
from server_facts import describe, run

from omega_migrations import STEPS
from omega_models import MigrationFailed, Store, StoreError, StoreUnavailable, server_schema, upgrade
from omega_models.opening import connect

pytestmark = pytest.mark.postgres

EARLIER = Path(__file__).with_name("data") / "server_py016.sql"
CONVERSATION = "INSERT INTO conversations (id, channel, sender_id) VALUES ('c', 'chat', 'me')"
TASK = (
    "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at)"
    " VALUES ('t', 'chat', 'me', 'me', 'water the plants', '2026-03-02 09:00:00')"
)


@pytest.fixture
def earlier(postgres_database: str) -> str:
    """A database of this program's as it was at py016, with a conversation and a task."""
    run(postgres_database, EARLIER.read_text())
    run(postgres_database, CONVERSATION)
    run(postgres_database, TASK)
    return postgres_database


@pytest.fixture(scope="module")
def new_schema(postgres_url: str) -> Iterator[dict[str, str]]:
    with new_database(postgres_url) as url:
        Store(url).close()
        yield describe(url)


def steps_of(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return sorted(name for (name,) in connection.execute("SELECT name FROM _migrations"))


def test_an_earlier_one_ends_up_as_a_new_one_with_its_rows(earlier: str, new_schema: dict[str, str]) -> None:
    assert describe(earlier) != new_schema
    with Store(earlier) as store:
        assert [each.description for each in store.list_tasks("me")] == ["water the plants"]
        assert store.get_active_conversation_id("chat", "me") == "c"
    assert describe(earlier) == new_schema
    assert steps_of(earlier) == sorted(step.name for step in STEPS)


def test_a_column_that_is_missing_is_added(earlier: str, new_schema: dict[str, str]) -> None:
    for table, column in (("conversations", "group_target"), ("facts", "source_message_id")):
        run(earlier, f"ALTER TABLE {table} DROP COLUMN {column}")
    with Store(earlier) as store:
        store.store_fact("me", "name", "Ω")
    assert describe(earlier) == new_schema


def test_several_programs_may_start_at_once(earlier: str, new_schema: dict[str, str]) -> None:
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            Store(earlier).close()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert describe(earlier) == new_schema


def test_what_another_program_recorded_meanwhile_is_seen_within_a_transaction(postgres_database: str) -> None:
    recorded = ", ".join(f"('{step.name}')" for step in STEPS)
    with closing(connect(postgres_database)) as database, database.in_use, database.engine.atomic():
        assert server_schema.pending(database) == list(STEPS)
        run(postgres_database, "CREATE TABLE _migrations (name text)")
        run(postgres_database, f"INSERT INTO _migrations VALUES {recorded}")
        assert server_schema.pending(database) == []


def test_it_is_told_beforehand_what_would_be_done(earlier: str) -> None:
    before = describe(earlier)
    database = connect(earlier)
    plan = upgrade.plan(database)
    database.close()
    assert [name for name, _ in plan.steps] == [step.name for step in STEPS if step.number > 16]
    assert "back up the server" in str(plan)
    assert describe(earlier) == before


def test_a_step_that_fails_changes_nothing(earlier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {STEPS[-1].name: ("DROP INDEX idx_scheduled_tasks_due", "UPDATE scheduled_tasks SET nothing = 1")}
    monkeypatch.setattr(server_schema, "CHANGES", wrong)
    before = describe(earlier)
    with pytest.raises(MigrationFailed, match="It is as it was"):
        Store(earlier)
    assert describe(earlier) == before


def test_what_models_cannot_say_is_done_first(earlier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {STEPS[-1].name: ("UPDATE conversations SET project = 'garden'",)}
    monkeypatch.setattr(server_schema, "CHANGES", changes)
    Store(earlier).close()
    with psycopg.connect(earlier) as connection:
        assert connection.execute("SELECT project FROM conversations").fetchall() == [("garden",)]


def test_a_newer_one_is_refused_and_left_alone(postgres_database: str) -> None:
    Store(postgres_database).close()
    run(postgres_database, "INSERT INTO _migrations (name) VALUES ('py999_later')")
    before = describe(postgres_database)
    with pytest.raises(StoreUnavailable, match=r"newer version of this program \(step py999_later\)"):
        Store(postgres_database)
    assert describe(postgres_database) == before


def test_tables_of_somebody_else_are_left_alone(postgres_database: str) -> None:
    run(postgres_database, "CREATE TABLE messages (id int)")
    with pytest.raises(StoreUnavailable, match="not Omega's, such as messages"):
        Store(postgres_database)
    assert set(describe(postgres_database)) == {"column messages.id"}


def test_the_schema_says_what_holds(new_schema: dict[str, str]) -> None:
    assert new_schema["column scheduled_tasks.id"].startswith("text")
    assert new_schema["column scheduled_tasks.due_at"].startswith("timestamp with time zone true")
    assert new_schema["column messages.rowid"] == "bigint true d "
    assert "lower(title)" in new_schema["index idx_limitations_title"]
    assert "WHERE (status = 'pending'::text)" in new_schema["index idx_scheduled_tasks_lane"]
    assert "gin" in new_schema["index idx_recall_terms"]
    checks = [said for name, said in new_schema.items() if name.startswith("constraint") and "CHECK" in said]
    assert len(checks) >= 4


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO messages (id, conversation_id, role, content) VALUES ('m', 'c', 'nobody', 'x')",
        "INSERT INTO messages (id, conversation_id, role, content) VALUES ('m', 'gone', 'user', 'x')",
        "INSERT INTO outcomes (id, sender_id, domain, score, lesson) VALUES ('o', 's', 'd', 7, 'l')",
        "INSERT INTO limitations (id, title, description) VALUES ('1', 'A', ''), ('2', 'a', '')",
    ],
)
def test_what_must_not_be_stored_is_refused(memory_store: Any, statement: str) -> None:
    with pytest.raises(StoreError):
        memory_store.database.sql(statement)


@pytest.fixture
def memory_store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url) as store:
        store.database.sql(CONVERSATION)
        yield store


def test_what_another_program_writes_is_put_right(memory_store: Store) -> None:
    """Its new time starts the series anew and voids a claim; our own writes are left as they are."""
    memory_store.database.sql(TASK)
    (task,) = memory_store.list_tasks("me")
    assert task.scheduled_for == task.due_at
    (claimed,) = memory_store.claim_due_tasks("w", 1)
    memory_store.database.sql("UPDATE scheduled_tasks SET due_at = '2040-01-01 08:00:00'")
    memory_store.settle(claimed.token, "failed", error="no")
    (task,) = memory_store.list_tasks("me")
    assert (str(task.scheduled_for), task.claimed) == ("2040-01-01 08:00:00+00:00", False)
