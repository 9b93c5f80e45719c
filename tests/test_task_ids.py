"""People cite the beginning of an id. Which task that is, and that no other is ever touched."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from raw_rows import change

from omega_models import AmbiguousTaskId, InvalidId, InvalidText, Store
from omega_models.testing import FakeClock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = NINE + timedelta(hours=3)
pytestmark = pytest.mark.mostly_sqlite  # what a text or a time is understood as

CALLS: dict[str, Callable[[Store, Any, Any], Any]] = {
    "cancel": lambda store, prefix, sender: store.cancel_task(prefix, sender),
    "update": lambda store, prefix, sender: store.update_task(prefix, sender, "changed"),
    "snooze": lambda store, prefix, sender: store.snooze_task(prefix, sender, LATER),
    "skip": lambda store, prefix, sender: store.skip_task(prefix, sender),
    "pause": lambda store, prefix, sender: store.pause_task(prefix, sender),
    "get": lambda store, prefix, sender: store.get_task(prefix, sender),
}
PAUSED_CALLS = {"resume": lambda store, prefix, sender: store.resume_task(prefix, sender)}
FAILED_CALLS = {"retry": lambda store, prefix, sender: store.retry_task(prefix, sender)}
every_call = pytest.mark.parametrize("call", CALLS)


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock(NINE)) as opened:
        yield opened


def add(store: Store, task_id: str, sender: str = "me", status: str = "pending") -> str:
    """A task with an id of our choice, which the Store never gives."""
    made = store.create_task("chat", sender, sender, f"the task {task_id}", NINE, "daily", dedupe="off")
    change(
        store,
        "UPDATE scheduled_tasks SET id = ?, status = ?, rev = rev + 1 WHERE id = ?",
        task_id,
        status,
        made,
    )
    return task_id


def everything(store: Store) -> list[Any]:
    return [
        *store.database.sql_rows("SELECT * FROM scheduled_tasks ORDER BY id"),
        *store.database.sql_rows("SELECT * FROM task_occurrences ORDER BY id"),
    ]


def changed(store: Store, before: list[Any]) -> set[str]:
    return {row[0] for row in set(everything(store)) ^ set(before)} & {row[0] for row in before}


@every_call
def test_the_first_eight_characters_are_enough(store: Store, call: str) -> None:
    mine = store.create_task("chat", "me", "me", "mine", NINE, "daily")
    store.create_task("chat", "me", "me", "another", NINE + timedelta(days=1), "daily")
    before = everything(store)
    assert CALLS[call](store, mine[:8], "me")
    assert changed(store, before) == (set() if call == "get" else {mine})


@every_call
@pytest.mark.parametrize("prefix", ["ABCD", "abcd", "aBcD12", " abcd ", "ABCD1234-0000"])
def test_case_and_blanks_around_do_not_matter(store: Store, call: str, prefix: str) -> None:
    add(store, "abcd1234-0000-4000-8000-000000000000")
    assert CALLS[call](store, prefix, "me")


@every_call
def test_an_id_of_another_program_may_be_in_capitals(store: Store, call: str) -> None:
    add(store, "ABCD1234-0000-4000-8000-000000000000")
    assert CALLS[call](store, "abcd", "me")


@every_call
@pytest.mark.parametrize(
    "prefix",
    ["%", "_", "%%%%", "________", "a%", "a_cd", "abc%", "*", "a*", "[a-z]", "a?", "'", '"', "' OR 1=1 --"],
)
def test_wildcards_are_plain_characters(store: Store, call: str, prefix: str) -> None:
    add(store, "abcd1234-0000-4000-8000-000000000000")
    before = everything(store)
    assert not CALLS[call](store, prefix, "me")
    assert everything(store) == before


def test_wildcards_match_themselves(store: Store) -> None:
    add(store, "50%_off")
    add(store, "50 percent off")
    assert store.cancel_task("50%_", "me")
    assert [task.id for task in store.get_tasks_for_sender("me")] == ["50 percent off"]


@every_call
@pytest.mark.parametrize("prefix", ["", " ", "\t\n"])
def test_an_empty_prefix_matches_nothing(store: Store, call: str, prefix: str) -> None:
    add(store, "abcd")
    before = everything(store)
    assert not CALLS[call](store, prefix, "me")
    assert everything(store) == before


@every_call
def test_an_exact_id_wins_over_longer_ones(store: Store, call: str) -> None:
    add(store, "abcd")
    add(store, "abcd-1")
    before = everything(store)
    assert CALLS[call](store, "abcd", "me")
    assert "abcd-1" not in changed(store, before)


@every_call
def test_more_than_one_is_ambiguous_and_changes_nothing(store: Store, call: str) -> None:
    add(store, "abcd-1")
    add(store, "ABCD-2")
    before = everything(store)
    with pytest.raises(AmbiguousTaskId, match="2 tasks"):
        CALLS[call](store, "abc", "me")
    assert everything(store) == before


@every_call
def test_other_senders_tasks_are_never_touched_nor_counted(store: Store, call: str) -> None:
    yours = add(store, "abcd-1", "you")
    before = everything(store)
    for prefix in (yours, "abcd", "ABCD-1"):
        assert not CALLS[call](store, prefix, "me")
    assert everything(store) == before
    add(store, "abcd-2", "me")
    before = everything(store)
    assert CALLS[call](store, "abcd", "me")
    assert yours not in changed(store, before)


@every_call
def test_pending_ones_go_before_those_that_have_ended(store: Store, call: str) -> None:
    for number, status in enumerate(("delivered", "cancelled", "failed")):
        add(store, f"abcd-{number}", status=status)
    live = add(store, "abcd-9")
    before = everything(store)
    assert CALLS[call](store, "abcd", "me")
    assert changed(store, before) <= {live}


@pytest.mark.parametrize("call", ["cancel", "update", "skip", "pause"])
@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_what_has_ended_is_left_alone(store: Store, call: str, status: str) -> None:
    add(store, "abcd", status=status)
    before = everything(store)
    assert CALLS[call](store, "abcd", "me") is False
    assert CALLS[call](store, "abc", "me") is False
    assert everything(store) == before


def test_cancelling_again_is_true(store: Store) -> None:
    add(store, "abcd-1")
    assert [store.cancel_task(prefix, "me") for prefix in ("abc", "abc", "abcd-1")] == [True, True, True]


def test_numbers_of_senders_are_found_as_text(store: Store) -> None:
    task_id = store.create_task("chat", 42, 42, "x", NINE)
    assert store.get_task(task_id[:8], 42) == store.get_task(task_id, "42") is not None
    assert store.cancel_task(task_id[:8], 42)


@every_call
@pytest.mark.parametrize("given", [None, 5, 1.5, b"abcd", ["abcd"], True])
def test_a_task_id_is_text(store: Store, call: str, given: Any) -> None:
    add(store, "abcd")
    with pytest.raises(InvalidId):
        CALLS[call](store, given, "me")


@every_call
@pytest.mark.parametrize("given", ["a\0", "\ud800"])
def test_a_task_id_that_no_database_can_hold_is_refused(store: Store, call: str, given: str) -> None:
    with pytest.raises(InvalidText):
        CALLS[call](store, given, "me")


@every_call
@pytest.mark.parametrize("given", [None, "", " ", 1.5, True])
def test_a_sender_must_be_named(store: Store, call: str, given: Any) -> None:
    add(store, "abcd")
    with pytest.raises(InvalidId):
        CALLS[call](store, "abcd", given)


@every_call
@pytest.mark.parametrize(
    "prefix", ["x" * 100_000, "🧪", "שלום", "İ", "ß", "abcd1234-0000-4000-8000-000000000000-and-more"]
)
def test_prefixes_nobody_has_match_nothing(store: Store, call: str, prefix: str) -> None:
    add(store, "abcd1234-0000-4000-8000-000000000000")
    assert not CALLS[call](store, prefix, "me")


def test_resume_and_retry_find_what_they_are_for(store: Store) -> None:
    add(store, "abcd-1")
    paused = add(store, "abcd-2", status="paused")
    failed = add(store, "abcd-3", status="failed")
    assert PAUSED_CALLS["resume"](store, "abcd-2", "me")
    assert FAILED_CALLS["retry"](store, "abcd-3", "me")
    assert {task.id for task in store.get_tasks_for_sender("me")} == {"abcd-1", paused, failed}


def test_retry_without_a_sender_takes_anybodys(store: Store) -> None:
    add(store, "abcd-1", "you", status="failed")
    assert store.retry_task("abcd", "me") is False
    assert store.retry_task("abcd") is True
