"""Adding tasks, and reading them back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from raw_rows import read

from omega_models import (
    DueTask,
    InvalidId,
    InvalidRepeat,
    InvalidText,
    InvalidTime,
    InvalidTimezone,
    PendingTask,
    Store,
    TextTooLong,
    TooManyTasks,
)
from omega_models.testing import FakeClock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NINE - HOUR)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, max_pending_tasks=5, max_text=200) as opened:
        yield opened


def add(store: Store, text: str = "water the plants", due: Any = NINE, *args: Any, **more: Any) -> str:
    return store.create_task("chat", "me", "me", text, due, *args, **{"dedupe": "off"} | more)


def rows(store: Store) -> list[tuple[Any, ...]]:
    return store.database.sql_rows("SELECT * FROM scheduled_tasks ORDER BY rowid")


def test_a_task_is_stored_as_omega_stored_it(store: Store) -> None:
    task_id = add(store, "water the plants", "2026-03-02T10:00:00+01:00", "Weekly", "action", "garden")
    columns = "id, channel, sender_id, reply_target, description, due_at, repeat, status, task_type, project, created_at"
    assert read(store, f"SELECT {columns} FROM scheduled_tasks") == [
        (
            task_id,
            "chat",
            "me",
            "me",
            "water the plants",
            "2026-03-02 09:00:00",
            "weekly",
            "pending",
            "action",
            "garden",
            "2026-03-02 08:00:00",
        )
    ]
    assert len(task_id) == 36


def test_task_ids_are_random(store: Store) -> None:
    first, second = add(store), add(store)
    assert first[:8] != second[:8]
    assert first[14] == second[14] == "4"


def test_add_task_says_what_really_happened(store: Store) -> None:
    made = store.add_task("chat", 7, 8, "water", "2026-03-02 10:00", "daily", timezone="Europe/Berlin")
    assert made.created
    assert made.scheduled_for == NINE
    assert made.local_time.isoformat() == "2026-03-02T10:00:00+01:00"
    assert (made.adjusted, made.overdue, made.similar_to) == (None, False, None)
    assert made.next == (NINE + DAY, NINE + 2 * DAY, NINE + 3 * DAY)
    assert store.get_task(made.id, 7) is not None


def test_what_is_due_before_now_is_overdue_and_kept(store: Store, clock: FakeClock) -> None:
    made = store.add_task("chat", "me", "me", "water", NINE - 3 * DAY)
    assert (made.overdue, made.scheduled_for, made.next) == (True, NINE - 3 * DAY, ())
    assert [each.id for each in store.get_due_tasks()] == [made.id]
    assert not store.add_task("chat", "me", "me", "now", clock()).overdue


def test_numbers_of_platforms_are_kept_as_text(store: Store) -> None:
    task_id = store.create_task("chat", -100_123_456_789, 42, "water", NINE)
    (row,) = store.list_tasks()
    assert (row.id, row.sender_id, row.reply_target) == (task_id, "-100123456789", "42")
    assert store.get_tasks_for_sender(-100_123_456_789) == store.get_tasks_for_sender("-100123456789") != []


@pytest.mark.parametrize("given", [None, "once", "ONCE", " once "])
def test_once_is_kept_as_null(store: Store, given: str | None) -> None:
    add(store, "x", NINE, given)
    assert store.database.sql_rows("SELECT repeat FROM scheduled_tasks") == [(None,)]


@pytest.mark.parametrize(
    ("repeat", "due", "first"),
    [
        ("weekdays", "2026-03-07 09:00", "2026-03-09 09:00"),
        ("cron:0 12 * * *", "2026-03-02 09:00", "2026-03-02 12:00"),
        ("cron:0 9 * * *", "2026-03-02 09:00", "2026-03-02 09:00"),
        ("cron:0 0 29 feb *", "2026-03-02 09:00", "2028-02-29 00:00"),
        ("RRULE:FREQ=WEEKLY;BYDAY=FR", "2026-03-02 09:00", "2026-03-06 09:00"),
        ("monthly", "2026-01-31 09:00", "2026-01-31 09:00"),
    ],
)
def test_the_first_occurrence_is_the_first_that_fits(store: Store, repeat: str, due: str, first: str) -> None:
    made = store.add_task("chat", "me", "me", "x", due, repeat)
    assert made.scheduled_for == datetime.fromisoformat(first).replace(tzinfo=UTC)
    assert store.get_tasks_for_sender("me")[0].due_at == made.scheduled_for


@pytest.mark.parametrize(
    "repeat",
    [
        "hourly",
        "every day",
        "",
        " ",
        "cron:* * * *",
        "cron:0 0 30 2 *",
        "cron:61 * * * *",
        "RRULE:FREQ=MINUTELY",
        "RRULE:FREQ=SECONDLY",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "RRULE:FREQ=DAILY;UNTIL=20200101T000000Z",
        "FREQ=DAILY",
        "daily\0",
        "x" * 100_000,
        5,
        b"daily",
        ["daily"],
    ],
)
def test_an_impossible_repeat_is_refused_and_nothing_is_written(store: Store, repeat: Any) -> None:
    with pytest.raises(InvalidRepeat):
        add(store, "x", NINE, repeat)
    assert rows(store) == []


@pytest.mark.parametrize(
    "due", ["tomorrow", "", "2026-02-30", "25:00", None, 5, 1.5, b"2026-03-02", "\ud800", "now"]
)
def test_an_impossible_time_is_refused_and_nothing_is_written(store: Store, due: Any) -> None:
    with pytest.raises(InvalidTime):
        add(store, "x", due)
    assert rows(store) == []


@pytest.mark.parametrize(
    "zone", ["", "Mars", "GMT+25", "../UTC", "Europe", 5, ["UTC"], {}, "\0", "\ud800", b"UTC"]
)
def test_an_impossible_zone_is_refused_and_nothing_is_written(store: Store, zone: Any) -> None:
    with pytest.raises(InvalidTimezone):
        add(store, timezone=zone)
    with pytest.raises(InvalidTimezone):
        store.preview("daily", NINE, zone)
    assert rows(store) == []


@pytest.mark.parametrize(
    "given",
    ["", " ", "\n", None, 1.5, True, b"me", [], "x" * 501, 10**600, pytest.param(10**5000, id="huge")],
)
def test_empty_and_odd_ids_are_refused_and_nothing_is_written(store: Store, given: Any) -> None:
    for ids in ((given, "me", "me"), ("chat", given, "me"), ("chat", "me", given)):
        with pytest.raises(InvalidId):
            store.create_task(*ids, "x", NINE)
    with pytest.raises(InvalidId):
        store.get_tasks_for_sender(given)
    assert rows(store) == []


@pytest.mark.parametrize("text", ["", "  \n", "a\0b", "\ud800", None, 5, b"x"])
def test_texts_that_cannot_be_kept_are_refused(store: Store, text: Any) -> None:
    with pytest.raises(InvalidText):
        add(store, text)
    assert rows(store) == []


@pytest.mark.parametrize("name", ["channel", "sender_id", "reply_target", "project"])
@pytest.mark.parametrize("text", ["a\0b", "\udfff"])
def test_nul_and_lone_surrogates_are_refused_everywhere(store: Store, name: str, text: str) -> None:
    given = {"channel": "chat", "sender_id": "me", "reply_target": "me", "project": ""} | {name: text}
    with pytest.raises(ValueError, match=name):
        store.create_task(**given, description="x", due_at=NINE)
    assert rows(store) == []


def test_a_text_may_be_as_long_as_the_store_takes(store: Store) -> None:
    task_id = add(store, "€" * 200)
    with pytest.raises(TextTooLong):
        add(store, "€" * 201)
    with pytest.raises(TextTooLong):
        store.update_task(task_id, "me", "x" * 201)
    (task,) = store.get_tasks_for_sender("me")
    assert task.description == "€" * 200


@pytest.mark.parametrize(
    "text", ["🧪👩‍👩‍👧", "שלום עולם", "';DROP TABLE scheduled_tasks;--", "%_\\", "a\tb\nc", "é vs é"]
)
def test_any_text_comes_back_unchanged(store: Store, text: str) -> None:
    add(store, text)
    assert [each.description for each in store.get_tasks_for_sender("me")] == [text]


@pytest.mark.parametrize(
    "bad", [{"task_type": "nag"}, {"task_type": ""}, {"dedupe": "maybe"}, {"dedupe": None}]
)
def test_unknown_types_and_ways_are_refused(store: Store, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        add(store, **bad)
    assert rows(store) == []


def test_a_sender_may_have_so_many_pending_tasks(store: Store) -> None:
    ids = [add(store, f"thing {number}") for number in range(5)]
    with pytest.raises(TooManyTasks):
        add(store, "one too many")
    assert len(rows(store)) == 5
    store.create_task("chat", "somebody else", "me", "fine", NINE)
    store.cancel_task(ids[0], "me")
    add(store, "now it fits")


def test_a_duplicate_is_found_even_where_no_more_tasks_fit(store: Store) -> None:
    ids = [add(store, f"thing {number}") for number in range(5)]
    assert add(store, "thing 3", dedupe="exact") == ids[3]


# Reading


def test_due_tasks_are_tuples_in_omegas_order_earliest_first(store: Store) -> None:
    late = add(store, "late", NINE - 2 * HOUR, "daily", "action", "garden")
    later = add(store, "later", NINE - 3 * HOUR)
    add(store, "not yet", NINE)
    found = store.get_due_tasks()
    assert [each.id for each in found] == [later, late]
    assert found[1] == (late, "chat", "me", "me", "late", "daily", "action", "garden")
    assert isinstance(found[1], DueTask)
    assert store.get_due_tasks(1) == found[:1]
    assert store.get_due_tasks(limit=0) == []
    assert store.get_due_tasks() == found


def test_tasks_due_in_the_same_second_keep_their_order(store: Store, clock: FakeClock) -> None:
    ids = [add(store, f"thing {number}") for number in range(5)]
    clock.now = NINE
    assert [each.id for each in store.get_due_tasks()] == ids
    assert [each.id for each in store.get_tasks_for_sender("me")] == ids
    assert [each.id for each in store.claim_due_tasks("w", 10)] == ids


def test_what_waits_is_not_due(store: Store, clock: FakeClock) -> None:
    leased, snoozed, deferred, retrying = (add(store, f"thing {number}") for number in range(4))
    clock.now = NINE
    assert len(store.get_due_tasks()) == 4
    store.snooze_task(snoozed, "me", NINE + HOUR)
    store.defer_task(deferred, NINE + HOUR)
    store.fail_task(retrying, "broken", 3)
    assert [each.id for each in store.claim_due_tasks("w", 10)] == [leased]
    assert store.get_due_tasks() == []


def test_a_sender_sees_pending_tasks_by_the_time_each_will_next_be_sent(store: Store) -> None:
    first = add(store, "first", NINE, "daily", "action", "garden")
    second = add(store, "second", NINE + HOUR)
    store.create_task("chat", "you", "me", "not mine", NINE)
    assert store.get_tasks_for_sender("me") == [
        PendingTask(first, "first", NINE, "daily", "action", "garden"),
        PendingTask(second, "second", NINE + HOUR, None, "reminder", ""),
    ]
    store.snooze_task(first, "me", NINE + 2 * HOUR)
    assert [each.id for each in store.get_tasks_for_sender("me")] == [second, first]
    assert store.get_tasks_for_sender("me")[1].due_at == NINE + 2 * HOUR


def test_one_being_sent_is_listed_at_its_own_time(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    clock.now = NINE
    store.claim_due_tasks("w", 1, timedelta(hours=5))
    assert [each.due_at for each in store.get_tasks_for_sender("me")] == [NINE]
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.claimed, task.next_send) == (True, NINE)


def test_list_tasks_filters_and_limits(store: Store) -> None:
    mine = add(store, "mine", NINE, project="garden")
    yours = store.create_task("mail", "you", "room", "yours", NINE - HOUR)
    store.cancel_task(gone := add(store, "gone"), "me")
    assert [each.id for each in store.list_tasks()] == [yours, mine]
    assert [each.id for each in store.list_tasks("me")] == [mine]
    assert [each.id for each in store.list_tasks(channel="mail")] == [yours]
    assert [each.id for each in store.list_tasks(reply_target="room")] == [yours]
    assert [each.id for each in store.list_tasks(project="garden")] == [mine]
    assert [each.id for each in store.list_tasks(project="")] == [yours]
    assert [each.id for each in store.list_tasks(status="cancelled")] == [gone]
    assert len(store.list_tasks(status=None)) == 3
    assert [each.id for each in store.list_tasks(limit=1)] == [yours]
    assert store.list_tasks(channel="%") == []


def test_a_task_tells_everything(store: Store) -> None:
    task_id = add(store, "x", "2026-03-02 10:00", "daily", timezone="Europe/Berlin", urgent=True)
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.created_at, task.delivered_at) == ("pending", NINE - HOUR, None)
    assert (task.timezone, task.urgent, task.claimed, task.retry_count) == ("Europe/Berlin", True, False, 0)
    assert task.scheduled_for == task.due_at == task.next_send == NINE
    with pytest.raises(AttributeError):
        task.status = "delivered"  # type: ignore[misc]


def test_absence_is_none_or_empty(store: Store) -> None:
    assert store.get_task("nothing", "me") is None
    assert store.get_tasks_for_sender("nobody") == []
    assert store.get_due_tasks() == []
    assert store.list_tasks("nobody") == []
    assert store.task_history("nothing") == []
    assert store.complete_task("nothing") is None
    assert store.defer_task("nothing", NINE) is None


# Preview


def test_preview_shows_what_comes_after_now_and_stores_nothing(store: Store, clock: FakeClock) -> None:
    assert store.preview("daily", NINE, count=2) == [NINE, NINE + DAY]
    clock.now = NINE
    assert store.preview("daily", NINE, count=2) == [NINE + DAY, NINE + 2 * DAY]
    assert store.preview(None, NINE) == []
    assert store.preview("once", NINE + HOUR) == [NINE + HOUR]
    assert len(store.preview("monthly", NINE)) == 5
    assert store.preview("daily", NINE, count=0) == []
    assert store.preview("daily", "2026-03-03 10:00", "Europe/Berlin", 1) == [NINE + DAY]
    assert store.preview("RRULE:FREQ=DAILY;COUNT=2", NINE) == [NINE + DAY]
    assert rows(store) == []


def test_a_long_past_series_previews_as_fast_as_a_new_one(store: Store) -> None:
    assert store.preview("RRULE:FREQ=HOURLY", "1990-01-01", count=1) == [NINE]


@pytest.mark.parametrize("count", [-1, "5", None, True, 1.5])
def test_preview_wants_a_count(store: Store, count: Any) -> None:
    with pytest.raises(ValueError, match="count"):
        store.preview("daily", NINE, count=count)


# The process is told


def test_listeners_hear_of_tasks_once_they_are_committed(store: Store) -> None:
    heard: list[int] = []
    store.task_listeners.add(lambda: heard.append(len(store.list_tasks())))
    task_id = add(store)
    assert heard == [1]
    store.update_task(task_id, "me", due_at=NINE + HOUR)
    store.snooze_task(task_id, "me", NINE + 2 * HOUR)
    store.retry_task(task_id, "me")
    assert len(heard) >= 3
    with pytest.raises(InvalidTime):
        add(store, due="never")
    with pytest.raises(TooManyTasks):
        [add(store, f"thing {number}") for number in range(9)]
    assert heard[-1] == 5
