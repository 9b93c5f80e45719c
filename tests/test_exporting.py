"""What is kept of a person travels to another Store, of either kind, and nothing of it is lost or doubled."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from full_memory import START, fill
from hypothesis import given, settings
from hypothesis import strategies as st

from omega_models import (
    IncomingMessage,
    InvalidId,
    InvalidRecord,
    Store,
    exporting,
    importing,
    personal,
    records,
)
from omega_models.testing import FakeClock

Record = dict[str, Any]


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock(START)) as opened:
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """SQLite: with `store` on a server, a move from one kind of database to the other."""
    with Store(tmp_path / "other.db", clock=FakeClock(START + timedelta(days=1))) as opened:
        yield opened


def travelled(given: Iterator[Record]) -> list[Record]:
    """Through a file of JSON lines."""
    return [json.loads(json.dumps(record)) for record in given]


def counted(given: list[Record]) -> dict[str, int]:
    found = Counter(record["table"] for record in given)
    del found[records.HEAD]
    return dict(found)


def test_everything_is_exported(store: Store) -> None:
    fill(store, "another")
    person = fill(store)
    found = travelled(store.export_sender(person.sender))
    assert counted(found) == store.forget_sender(person.sender, dry_run=True)
    assert found[0] == {"table": "export", "version": 1, "sender_id": person.sender}
    assert travelled(store.export_sender(person.aliases[1])) == found


def test_there_and_back(store: Store, other: Store) -> None:
    person = fill(store)
    sent = travelled(store.export_sender(person.sender))
    written = other.import_records(sent)
    assert written == counted(sent)
    assert travelled(other.export_sender(person.sender)) == sent
    store.forget_sender(person.sender)
    assert store.import_records(other.export_sender(person.sender)) == written
    assert travelled(store.export_sender(person.sender)) == sent


def test_a_second_import_writes_nothing(store: Store, other: Store) -> None:
    person = fill(store)
    sent = travelled(store.export_sender(person.sender))
    other.import_records(sent)
    done = importing.bring_in(other, sent)
    assert set(done.written.values()) == {0}
    assert done.known == counted(sent)
    assert done.different == {}
    assert set(store.import_records(sent).values()) == {0}


def test_what_was_imported_is_used_like_what_was_said_here(store: Store, other: Store) -> None:
    for text in ("the ferry to Odesa", "a kettle of tea"):
        store.store_exchange(IncomingMessage("chat", "1", text, platform_message_id=text), f"yes, {text}")
    store.store_fact(1, "name", "Ada")
    store.create_task("chat", 1, 1, "Call John", START + timedelta(days=2), "daily")
    other.store_exchange(IncomingMessage("chat", "2", "something else"), "yes")
    other.import_records(store.export_sender(1))
    assert other.search_messages("ferry", "", "1")[0].content == "the ferry to Odesa"
    assert other.get_fact(1, "name") == "Ada"
    again = other.receive(IncomingMessage("chat", "1", "the ferry", platform_message_id="a kettle of tea"))
    assert not again.is_new
    assert [each.description for each in other.get_tasks_for_sender(1)] == ["Call John"]
    clock = other.clock
    assert isinstance(clock, FakeClock)
    clock.advance(days=1)
    assert [each.description for each in other.claim_due_tasks("w", 5)] == ["Call John"]


def test_the_order_within_a_second_is_kept(store: Store, other: Store) -> None:
    here = store.get_or_create_conversation("chat", 1)
    for number in range(40):
        store.append_message(here, "user", f"text {number}")
        store.store_outcome(1, "domain", 1, f"lesson {number}")
    other.import_records(store.export_sender(1))
    for each in (store, other):
        assert [said.content for said in each.get_conversation_messages(here)] == [
            f"text {number}" for number in range(40)
        ]
        assert [found.lesson for found in each.get_recent_outcomes(1, 3)] == [
            "lesson 39",
            "lesson 38",
            "lesson 37",
        ]


def test_it_goes_by_pages(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    monkeypatch.setattr(importing, "BATCH", 7)
    monkeypatch.setattr(importing, "REST_SECONDS", 0)
    person = fill(store)
    store.database._compiled.clear()
    here = store.get_or_create_conversation("chat", person.sender)
    for number in range(8):
        store.append_message(here, "user", f"text {number}")
        store.add_items(here, [{"type": "reasoning", "summary": "the same"}])
    told: list[int] = []
    sent = travelled(store.export_sender(person.sender))
    assert counted(sent) == store.forget_sender(person.sender, dry_run=True)
    importing.bring_in(other, sent, tell=told.append)
    assert told == sorted(told)
    assert told[-1] == len(sent)
    assert len(other.get_items(here)) == 8
    assert travelled(other.export_sender(person.sender)) == sent
    store.database._compiled.clear()


def test_others_write_while_it_is_read(store: Store) -> None:
    person = fill(store)
    found = store.export_sender(person.sender)
    for number, _ in zip(count(), found, strict=False):
        store.store_fact("another", f"key {number}", "written in between")
        with store.database.writing():
            store.store_fact("another", f"key {number}", "and again")


def test_a_claim_does_not_travel(store: Store, other: Store) -> None:
    """Whoever is sending it may still arrive; when the lease is over it is sent again, under the same key."""
    store.create_task("chat", 1, 1, "Call John", START)
    (claimed,) = store.claim_due_tasks("w", 1)
    other.import_records(store.export_sender(1))
    (again,) = other.claim_due_tasks("another", 1)
    assert (again.occurrence_id, again.attempt) == (claimed.occurrence_id, 2)
    assert again.token != claimed.token
    assert not other.settle(claimed.token, "delivered")
    assert store.settle(claimed.token, "delivered")


def test_the_ledger_comes_before_its_task(store: Store) -> None:
    person = fill(store)
    seen: set[str] = set()
    for record in store.export_sender(person.sender):
        if record["table"] == "scheduled_tasks":
            seen.add(record["id"])
        elif record["table"] == "task_occurrences":
            assert record["task_id"] not in seen


def test_what_is_there_stays(store: Store, other: Store, caplog: pytest.LogCaptureFixture) -> None:
    here = store.store_exchange(IncomingMessage("chat", "1", "hello"), "hello")
    store.store_fact(1, "name", "Ada")
    store.create_alias("1b", 1)
    sent = travelled(store.export_sender(1))
    other.create_alias("1b", 1)
    other.store_fact(1, "name", "Augusta Ada")
    other.import_records(sent)
    other.append_message(here, "user", "and later here")
    assert other.get_fact(1, "name") == "Augusta Ada"
    with caplog.at_level(logging.WARNING):
        done = importing.bring_in(other, sent)
    assert set(done.written.values()) == {0}
    assert done.different == {"user_aliases": 1, "conversations": 1, "facts": 1}
    assert "Ada" not in caplog.text
    assert len(other.get_messages(here)) == 3


def test_a_dry_run_says_the_same_and_writes_nothing(store: Store, other: Store) -> None:
    person = fill(store)
    sent = travelled(store.export_sender(person.sender))
    for _ in range(2):
        foreseen = importing.bring_in(other, sent, dry_run=True).written
        assert set(other.forget_sender(person.sender, dry_run=True).values()) == {0}
    assert other.import_records(sent) == foreseen


def test_a_fact_whose_message_is_gone(store: Store, other: Store) -> None:
    here = store.store_exchange(IncomingMessage("chat", "1", "I am Ada"), "hello")
    said = store.get_messages(here)[0].id
    store.store_fact(1, "name", "Ada")
    store.database.sql(f"UPDATE facts SET source_message_id = '{said}' WHERE key = 'name'")
    sent = travelled(store.export_sender(1))
    other.import_records([each for each in sent if each["table"] in ("export", "facts")])
    assert other.get_fact(1, "name") == "Ada"
    other.forget_sender(1)
    other.import_records(sent)
    assert travelled(other.export_sender(1)) == sent


def test_several_people_one_after_the_other(store: Store, other: Store) -> None:
    first, second = fill(store, "first"), fill(store, "second")
    sent = [*store.export_sender(first.sender), *store.export_sender(second.sender)]
    other.import_records(iter(sent))
    for person in (first, second):
        assert list(other.export_sender(person.sender)) == list(store.export_sender(person.sender))


def test_nobody_has_a_header_only(store: Store) -> None:
    assert list(store.export_sender("nobody")) == [records.head("nobody")]
    assert set(store.import_records(store.export_sender("nobody")).values()) == {0}
    with pytest.raises(InvalidId):
        store.export_sender("")


# What is refused


@pytest.fixture(scope="module")
def exported() -> list[Record]:
    with Store(":memory:", clock=FakeClock(START)) as filled:
        return travelled(filled.export_sender(fill(filled).sender))


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        ("messages", {"colour": "blue"}, "more than this program knows"),
        ("messages", {"role": "system"}, "must be one of user, assistant"),
        ("messages", {"content": "a\0b"}, "NUL"),
        ("messages", {"content": "\ud800"}, "surrogate"),
        ("messages", {"content": 7}, "must be text"),
        ("messages", {"content": None}, "must be text"),
        ("messages", {"timestamp": "yesterday"}, "is not a time"),
        ("messages", {"timestamp": 7}, "is not a time"),
        ("messages", {"timestamp": "0001-01-01T00:00:00+14:00"}, "is not a time"),
        ("messages", {"conversation_id": "secret-id"}, "does not come before"),
        ("conversations", {"sender_id": "x" * 501}, "sender_id"),
        ("conversations", {"id": ""}, "must not be empty"),
        ("scheduled_tasks", {"retry_count": True}, "whole number"),
        ("scheduled_tasks", {"retry_count": 2**40}, "whole number"),
        ("scheduled_tasks", {"due_at": "whenever"}, "is not a time"),
        ("scheduled_tasks", {"due_at": "whenever", "scheduled_for": None, "status": "pending"}, "not a time"),
        ("scheduled_tasks", {"timezone": "Europe/Atlantis"}, "not a time zone"),
        ("scheduled_tasks", {"anchor_local": "noon"}, "not a local time"),
        ("scheduled_tasks", {"anchor_local": "2030-01-01T09:00:00+00:00"}, "not a local time"),
        ("session_items", {"item": "["}, "not a JSON object"),
        ("session_items", {"created_ms": 2**60}, "whole number"),
        ("task_occurrences", {"state": "lost"}, "must be one of"),
        ("outcomes", {"score": 5}, "must be one of"),
        ("audit_log", {"status": "fine"}, "must be one of"),
        ("facts", {"table": "feelings"}, "table is not one"),
        ("facts", {"table": ["facts"]}, "table is not one"),
        ("export", {"version": 2}, "update it"),
        ("export", {"version": "1"}, "which version"),
        ("export", {"table": "facts"}, "says its version"),
    ],
)
def test_what_cannot_be_read_is_refused_whole(
    exported: list[Record], other: Store, table: str, change: Record, says: str
) -> None:
    sent = [dict(each) for each in exported]
    number = [each["table"] for each in sent].index(table) + 1
    sent[number - 1].update(change)
    with pytest.raises(InvalidRecord, match=says) as caught:
        other.import_records(sent)
    assert caught.value.number == number
    assert f"record {number}" in str(caught.value)
    assert not any(text in str(caught.value) for text in ("secret-id", "yesterday", "whenever"))
    assert set(other.forget_sender(exported[0]["sender_id"], dry_run=True).values()) == {0}


@pytest.mark.parametrize("record", [None, 7, "text", [], {}, {"table": None}])
def test_what_is_no_record(other: Store, record: Any) -> None:
    with pytest.raises(InvalidRecord, match=r"record 2: .*Nothing was imported"):
        other.import_records([records.head("1"), record])
    with pytest.raises(InvalidRecord, match="record 1: "):
        other.import_records([record])


def test_somebody_elses_rows_are_not_touched(store: Store, other: Store) -> None:
    person = fill(store)
    sent = travelled(store.export_sender(person.sender))
    for table in ("conversations", "facts", "scheduled_tasks", "audit_log", "messages", "task_occurrences"):
        stolen = next(each for each in sent if each["table"] == table)
        owner = records.tables()[table].owner[-1]
        if table == "conversations":
            owner = "sender_id"
        other.import_records(sent)
        before = travelled(other.export_sender(person.sender))
        claimed = [{**each, owner: "mallory"} if each is stolen else each for each in sent]
        if owner == "conversation_id":
            mine = {**next(each for each in sent if each["table"] == "conversations"), "id": "mallory"}
            claimed = [claimed[0], mine, *claimed[1:]]
        with pytest.raises(InvalidRecord, match="somebody or something else"):
            other.import_records(claimed)
        assert travelled(other.export_sender(person.sender)) == before
        other.forget_sender(person.sender)


def test_an_interrupted_import_is_finished_by_the_next(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 9)
    monkeypatch.setattr(importing, "REST_SECONDS", 0)
    person = fill(store)
    sent = travelled(store.export_sender(person.sender))
    points = count()

    def stop(_: str) -> None:
        if next(points) == 3:
            raise KeyboardInterrupt

    other.reached = stop
    with pytest.raises(KeyboardInterrupt):
        other.import_records(sent)
    assert 0 < sum(other.forget_sender(person.sender, dry_run=True).values()) < len(sent) - 1
    other.import_records(sent)
    assert travelled(other.export_sender(person.sender)) == sent


def test_rows_of_the_older_program(store: Store, tmp_path: Path) -> None:
    """Due times that nobody can read, and ledger rows whose task is gone."""
    with Store(tmp_path / "old.db", clock=FakeClock(START)) as old:
        old.database.sql(
            "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at)"
            " VALUES ('a', 'chat', '1', '1', 'Call John', 'whenever'),"
            " ('b', 'chat', '1', '1', 'Call Mary', '2031-01-01T10:00:00')"
        )
        old.complete_task(old.create_task("chat", 1, 1, "gone", START))
        old.database.sql("DELETE FROM scheduled_tasks WHERE description = 'gone'")
        sent = travelled(old.export_sender(1))
    written = store.import_records(sent)
    assert (written["scheduled_tasks"], written["task_occurrences"]) == (2, 1)
    states = {task.description: task.status for task in store.list_tasks(1, status=None)}
    assert states == {"Call John": "failed", "Call Mary": "pending"}


def test_the_columns_that_travel_are_known() -> None:
    """Another column changes the form: raise the version, and read the former one still."""
    known = {name: [column.name for column in table.columns] for name, table in records.tables().items()}
    total = sum(len(columns) for columns in known.values())
    assert (records.VERSION, len(known), total) == (1, len(personal.TABLES), 108)


# Any memory at all

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
names = texts.filter(lambda text: bool(text.strip()))
steps = st.one_of(
    st.tuples(st.just("say"), names, texts),
    st.tuples(st.just("know"), names, texts),
    st.tuples(st.just("learn"), names, names),
    st.tuples(st.just("plan"), names, st.integers(0, 10_000)),
    st.tuples(st.just("deliver"), st.integers(0, 2000), st.booleans()),
    st.tuples(st.just("alias"), names, names),
    st.tuples(st.just("close"), names, texts),
)


def take(store: Store, step: tuple[str, Any, Any], clock: FakeClock) -> None:
    kind, one, two = step
    if kind == "say":
        store.store_exchange(IncomingMessage("chat", "1", two, platform_message_id=one), two, one)
        store.add_items(store.get_or_create_conversation("chat", 1), [{"type": "note", "text": two}])
    elif kind == "know":
        store.store_fact(1, one, two)
    elif kind == "learn":
        store.store_lesson(1, one, two)
        store.store_outcome(1, one, -1, two)
        store.store_session("chat", 1, one, two)
    elif kind == "plan":
        store.create_task("chat", 1, 1, one, clock() + timedelta(minutes=two), "daily", dedupe="off")
    elif kind == "deliver":
        clock.advance(minutes=one)
        for each in store.claim_due_tasks("w", 3):
            store.settle(each.token, "delivered" if two else "retry", error="no")
    elif kind == "alias" and one != two:
        store.create_alias(f"alias {one}", 1)
    elif kind == "close":
        store.close_current_conversation("chat", 1, one)


@settings(max_examples=15)
@given(st.lists(steps, max_size=12))
def test_export_import_export_is_the_same(plan: list[tuple[str, Any, Any]]) -> None:
    clock = FakeClock(START)
    with Store(":memory:", clock=clock) as here, Store(":memory:", clock=clock) as there:
        for step in plan:
            take(here, step, clock)
        sent = travelled(here.export_sender(1))
        there.import_records(sent)
        assert travelled(there.export_sender(1)) == sent
        assert set(there.import_records(sent).values()) == {0}
        assert there.get_memory_stats(1) == here.get_memory_stats(1)
        assert there.get_tasks_for_sender(1) == here.get_tasks_for_sender(1)
