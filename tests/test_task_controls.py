"""What people do to their tasks: cancel, change, put off, snooze, retry, skip, pause, resume."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omega_models import ClaimedTask, InvalidRepeat, InvalidText, InvalidTime, Store, Task
from omega_models.testing import FakeClock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NINE)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def add(store: Store, repeat: str | None = None, due: Any = NINE, **more: Any) -> str:
    return store.create_task("chat", "me", "me", "water the plants", due, repeat, dedupe="off", **more)


def take(store: Store) -> ClaimedTask:
    (taken,) = store.claim_due_tasks("worker", 10)
    return taken


def send(store: Store) -> datetime:
    taken = take(store)
    assert store.settle(taken.token, "delivered")
    return taken.scheduled_for


def look(store: Store, task_id: str) -> Task:
    task = store.get_task(task_id, "me")
    assert task is not None
    return task


def states(store: Store, task_id: str) -> list[tuple[datetime, str]]:
    return [(each.scheduled_for, each.status) for each in store.task_history(task_id)]


def sent(store: Store, clock: FakeClock, task_id: str, until: datetime) -> list[datetime]:
    """When something of the task is sent by a worker that is always on time."""
    found = []
    while (task := look(store, task_id)).status == "pending" and task.due_at and task.due_at <= until:
        clock.now = max(clock.now, task.due_at)
        send(store)
        found.append(clock.now)
    return found


# Cancel


def test_what_is_cancelled_is_not_sent(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    assert store.cancel_task(task_id, "me")
    clock.advance(days=9)
    assert store.get_due_tasks() == []
    assert store.claim_due_tasks("w", 10) == []
    assert store.get_tasks_for_sender("me") == []
    assert look(store, task_id).status == "cancelled"


def test_a_cancel_ends_what_was_put_off_or_snoozed_too(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + HOUR)
    store.snooze_task(task_id, "me", NINE + 3 * DAY)
    store.cancel_task(task_id, "me")
    assert {state for _, state in states(store, task_id)} == {"delivered", "skipped"}
    clock.advance(days=9)
    assert store.claim_due_tasks("w", 10) == []


def test_a_paused_task_can_be_cancelled(store: Store) -> None:
    task_id = add(store)
    store.pause_task(task_id, "me")
    assert store.cancel_task(task_id, "me")
    assert not store.resume_task(task_id, "me")


# Update


def test_a_new_text_leaves_everything_else(store: Store) -> None:
    task_id = add(store, "daily", timezone="Europe/Berlin")
    store.fail_task(task_id, "broken", 5)
    before = look(store, task_id)
    assert store.update_task(task_id, "me", "feed the cat")
    after = look(store, task_id)
    assert after.description == "feed the cat"
    assert (after.due_at, after.repeat, after.timezone, after.retry_count) == (
        before.due_at,
        before.repeat,
        before.timezone,
        before.retry_count,
    )


def test_an_update_of_nothing_is_true(store: Store) -> None:
    task_id = add(store, "daily")
    before = look(store, task_id)
    assert store.update_task(task_id, "me")
    assert look(store, task_id) == before
    assert not store.update_task("nothing", "me")


def test_a_new_time_starts_the_series_anew(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "weekly")
    send(store)
    assert store.update_task(task_id, "me", due_at=NINE + 2 * DAY + HOUR)
    assert sent(store, clock, task_id, NINE + 20 * DAY) == [
        NINE + 2 * DAY + HOUR,
        NINE + 9 * DAY + HOUR,
        NINE + 16 * DAY + HOUR,
    ]


def test_a_new_time_that_does_not_fit_the_rule_is_its_next_that_does(store: Store) -> None:
    task_id = add(store, "weekdays")
    store.update_task(task_id, "me", due_at="2026-03-07 10:00")  # a Saturday
    assert look(store, task_id).due_at == datetime(2026, 3, 9, 10, tzinfo=UTC)


def test_a_new_repeat_goes_on_from_the_present_occurrence(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily", NINE + HOUR)
    assert store.update_task(task_id, "me", repeat="Monthly")
    assert look(store, task_id).repeat == "monthly"
    assert sent(store, clock, task_id, NINE + 32 * DAY) == [NINE + HOUR, datetime(2026, 4, 2, 10, tzinfo=UTC)]


def test_once_turns_a_series_into_a_one_shot(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily", NINE + HOUR)
    assert store.update_task(task_id, "me", repeat="once")
    assert sent(store, clock, task_id, NINE + 9 * DAY) == [NINE + HOUR]
    assert look(store, task_id).status == "delivered"


def test_a_one_shot_becomes_a_series(store: Store, clock: FakeClock) -> None:
    task_id = add(store, None, NINE + HOUR)
    store.update_task(task_id, "me", repeat="cron:0 */12 * * *")
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + 3 * HOUR, NINE + 15 * HOUR]


def test_a_new_repeat_keeps_the_wall_clock_time_of_the_series_and_not_of_its_snooze(
    store: Store, clock: FakeClock
) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + 17 * MINUTE)
    store.update_task(task_id, "me", repeat="weekly")
    assert sent(store, clock, task_id, NINE + 20 * DAY)[-1].time() == NINE.time()


def test_a_new_time_counts_tries_anew_and_ends_what_was_waiting(store: Store) -> None:
    task_id = add(store)
    store.fail_task(task_id, "broken", 3)
    store.update_task(task_id, "me", due_at=NINE + HOUR)
    task = look(store, task_id)
    assert (task.retry_count, task.due_at, task.status) == (0, NINE + HOUR, "pending")
    assert states(store, task_id) == [(NINE, "skipped")]


def test_a_new_repeat_leaves_a_retry_or_a_snooze_at_its_time(store: Store) -> None:
    task_id = add(store, "daily")
    store.snooze_task(task_id, "me", NINE + 2 * HOUR)
    store.update_task(task_id, "me", repeat="weekly")
    assert look(store, task_id).due_at == NINE + 2 * HOUR


def test_back_to_a_time_it_had_before(store: Store, clock: FakeClock) -> None:
    task_id = add(store, None, NINE + HOUR)
    store.defer_task(task_id, NINE + 5 * HOUR)
    store.update_task(task_id, "me", due_at=NINE + 2 * HOUR)
    store.update_task(task_id, "me", due_at=NINE + HOUR)
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + HOUR]
    assert [row.lateness for row in store.task_history(task_id) if row.status == "delivered"] == [
        timedelta(0)
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"description": ""}, InvalidText),
        ({"description": "\0"}, InvalidText),
        ({"due_at": "soon"}, InvalidTime),
        ({"repeat": "hourly"}, InvalidRepeat),
        ({"repeat": ""}, InvalidRepeat),
        ({"repeat": "RRULE:FREQ=DAILY;UNTIL=20200101T000000Z"}, InvalidRepeat),
        ({"description": "fine", "due_at": NINE + DAY, "repeat": "hourly"}, InvalidRepeat),
    ],
)
def test_a_bad_change_changes_nothing(store: Store, change: dict[str, Any], error: type[Exception]) -> None:
    task_id = add(store, "daily")
    before = look(store, task_id)
    with pytest.raises(error):
        store.update_task(task_id, "me", **change)
    assert look(store, task_id) == before


# Defer


def test_a_deferred_occurrence_comes_later_and_the_series_keeps_its_times(
    store: Store, clock: FakeClock
) -> None:
    task_id = add(store, "daily")
    assert store.defer_task(task_id, NINE + 2 * HOUR) is None
    assert store.get_due_tasks() == []
    assert states(store, task_id) == [(NINE, "held")]
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE + 2 * HOUR, NINE + DAY, NINE + 2 * DAY]
    assert states(store, task_id) == [(NINE + day * DAY, "delivered") for day in range(3)]
    assert store.task_history(task_id)[0].lateness == timedelta(0)


def test_deferring_again_moves_it_again(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    store.defer_task(task_id, NINE + 2 * HOUR)
    store.defer_task(task_id, NINE + HOUR)
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + HOUR]


@pytest.mark.parametrize("way", ["defer", "snooze"])
def test_put_off_beyond_the_next_occurrence_the_series_still_keeps_its_times(
    store: Store, clock: FakeClock, way: str
) -> None:
    task_id = add(store, "daily")
    late = NINE + 2 * DAY + 3 * HOUR
    if way == "defer":
        store.defer_task(task_id, late)
    else:
        assert store.snooze_task(task_id, "me", late)
    assert sent(store, clock, task_id, NINE + 3 * DAY) == [NINE + DAY, NINE + 2 * DAY, late, NINE + 3 * DAY]


@pytest.mark.parametrize("way", ["defer", "snooze"])
def test_put_off_to_the_very_next_occurrence_is_that_one(store: Store, clock: FakeClock, way: str) -> None:
    task_id = add(store, "daily")
    if way == "defer":
        store.defer_task(task_id, NINE + DAY)
    else:
        store.snooze_task(task_id, "me", NINE + DAY)
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE + DAY, NINE + 2 * DAY]


def test_a_defer_ends_a_live_claim(store: Store) -> None:
    task_id = add(store)
    taken = take(store)
    store.defer_task(task_id, NINE + HOUR)
    assert store.settle(taken.token, "delivered") is False
    assert look(store, task_id).due_at == NINE + HOUR


def test_what_has_ended_is_not_deferred(store: Store) -> None:
    task_id = add(store)
    store.complete_task(task_id)
    before = look(store, task_id)
    store.defer_task(task_id, NINE + HOUR)
    assert look(store, task_id) == before


# Snooze


def test_a_snooze_before_delivery_puts_it_off(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    assert store.snooze_task(task_id, "me", NINE + 10 * MINUTE)
    assert look(store, task_id).due_at == NINE + 10 * MINUTE
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + 10 * MINUTE]
    assert states(store, task_id) == [(NINE, "delivered")]


def test_a_snooze_after_delivery_is_an_occurrence_of_its_own(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    first = take(store)
    store.settle(first.token, "delivered")
    assert store.snooze_task(task_id, "me", NINE + 10 * MINUTE)
    assert look(store, task_id).status == "pending"
    clock.advance(minutes=10)
    second = take(store)
    assert second.occurrence_id != first.occurrence_id
    assert (second.attempt, second.scheduled_for) == (1, NINE + 10 * MINUTE)
    store.settle(second.token, "delivered")
    assert look(store, task_id).status == "delivered"
    assert states(store, task_id) == [(NINE, "delivered"), (NINE + 10 * MINUTE, "delivered")]


def test_a_snoozed_series_keeps_its_times(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + HOUR)
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE + HOUR, NINE + DAY, NINE + 2 * DAY]


def test_a_snooze_beyond_the_next_occurrence_comes_besides(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + DAY + HOUR)
    assert look(store, task_id).due_at == NINE + DAY
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE + DAY, NINE + DAY + HOUR, NINE + 2 * DAY]


def test_a_snooze_to_the_next_occurrence_is_that_one(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + DAY)
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE + DAY, NINE + 2 * DAY]


def test_snoozing_again_before_it_came_moves_it(store: Store, clock: FakeClock) -> None:
    for repeat in (None, "daily"):
        clock.now = NINE
        task_id = add(store, repeat)
        send(store)
        store.snooze_task(task_id, "me", NINE + 10 * MINUTE)
        store.snooze_task(task_id, "me", NINE + HOUR)
        assert sent(store, clock, task_id, NINE + 2 * HOUR) == [NINE + HOUR]
        store.cancel_task(task_id, "me")


def test_snoozing_the_snooze_after_it_came(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    send(store)
    for _ in range(3):
        store.snooze_task(task_id, "me", clock() + 10 * MINUTE)
        clock.advance(minutes=10)
        send(store)
    assert [state for _, state in states(store, task_id)] == ["delivered"] * 4


def test_a_snooze_of_one_that_failed_tries_then(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    store.settle(take(store).token, "failed")
    assert store.snooze_task(task_id, "me", NINE + HOUR)
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + HOUR]


def test_a_snooze_of_one_that_waits_for_a_retry_puts_it_off(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "retry", retry_after=60)
    assert store.snooze_task(task_id, "me", NINE + HOUR)
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + HOUR, NINE + DAY]


def test_snoozes_into_the_same_second_both_come(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    send(store)
    store.snooze_task(task_id, "me", NINE)
    assert sent(store, clock, task_id, NINE + MINUTE) == [NINE + timedelta(seconds=1)]


def test_what_was_cancelled_or_paused_is_not_snoozed(store: Store) -> None:
    cancelled, paused = add(store), add(store)
    store.cancel_task(cancelled, "me")
    store.pause_task(paused, "me")
    assert store.snooze_task(cancelled, "me", NINE + HOUR) is False
    assert store.snooze_task(paused, "me", NINE + HOUR) is False


def test_a_snoozed_series_that_was_missed_for_days_sends_one(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + HOUR)
    clock.now = NINE + 4 * DAY + 2 * HOUR
    assert send(store) == NINE + 4 * DAY
    assert store.claim_due_tasks("w", 10) == []
    assert states(store, task_id) == [
        (NINE, "delivered"),
        (NINE + HOUR, "skipped"),
        *((NINE + day * DAY, "skipped") for day in (1, 2, 3)),
        (NINE + 4 * DAY, "delivered"),
    ]


# Retry


def test_retry_of_what_waits_for_its_next_try_is_at_once(store: Store) -> None:
    task_id = add(store)
    store.settle(take(store).token, "retry", error="refused", retry_after=HOUR)
    assert store.retry_task(task_id, "me")
    taken = take(store)
    assert taken.attempt == 2
    task = look(store, task_id)
    assert (task.retry_count, task.last_error) == (0, None)


def test_there_is_nothing_to_retry_where_nothing_failed(store: Store) -> None:
    pending, delivered, cancelled = add(store, "daily"), add(store), add(store)
    store.complete_task(delivered)
    store.cancel_task(cancelled, "me")
    before = store.list_tasks(status=None)
    assert [store.retry_task(each, "me") for each in (pending, delivered, cancelled)] == [False] * 3
    assert store.list_tasks(status=None) == before


def test_a_task_being_sent_is_not_retried(store: Store) -> None:
    task_id = add(store)
    taken = take(store)
    assert store.retry_task(task_id, "me") is False
    assert store.settle(taken.token, "delivered")


def test_the_failed_occurrence_of_a_series_is_retried_and_the_series_goes_on(
    store: Store, clock: FakeClock
) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "failed")
    clock.advance(hours=4)
    assert store.retry_task(task_id, "me")
    assert send(store) == NINE
    assert look(store, task_id).due_at == NINE + DAY
    assert states(store, task_id) == [(NINE, "delivered")]


def test_a_retry_does_not_lose_a_deferred_next_occurrence(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "failed")
    store.defer_task(task_id, NINE + DAY + 2 * HOUR)
    store.retry_task(task_id, "me")
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE, NINE + DAY + 2 * HOUR, NINE + 2 * DAY]


def test_a_retry_by_hand_that_nobody_makes_is_accounted_for(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "failed")
    store.retry_task(task_id, "me")
    clock.advance(days=2, hours=3)
    send(store)
    assert [state for _, state in states(store, task_id)] == ["skipped", "skipped", "delivered"]


# Skip


def test_skip_leaves_out_one_occurrence(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily", NINE + HOUR)
    assert store.skip_task(task_id, "me")
    assert states(store, task_id) == [(NINE + HOUR, "skipped")]
    assert sent(store, clock, task_id, NINE + 2 * DAY) == [NINE + HOUR + DAY]


def test_skipping_a_one_shot_cancels_it(store: Store) -> None:
    task_id = add(store)
    assert store.skip_task(task_id, "me")
    assert look(store, task_id).status == "cancelled"
    assert states(store, task_id) == [(NINE, "skipped")]
    assert store.skip_task(task_id, "me") is False


def test_skipping_an_overdue_series_goes_beyond_now(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    clock.advance(days=2, hours=1)
    store.skip_task(task_id, "me")
    assert look(store, task_id).due_at == NINE + 3 * DAY
    assert [(at, state) for at, state in states(store, task_id)] == [
        (NINE + day * DAY, "skipped") for day in range(3)
    ]


# Pause and resume


def test_nothing_of_a_paused_task_is_sent(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    assert store.pause_task(task_id, "me")
    assert store.pause_task(task_id, "me")
    clock.advance(days=3)
    assert store.get_due_tasks() == []
    assert store.claim_due_tasks("w", 10) == []
    assert look(store, task_id).status == "paused"
    assert [task.id for task in store.list_tasks(status="paused")] == [task_id]


def test_a_resumed_series_goes_on_after_now_and_says_what_was_left_out(
    store: Store, clock: FakeClock
) -> None:
    task_id = add(store, "daily")
    store.pause_task(task_id, "me")
    clock.advance(days=3, hours=1)
    assert store.resume_task(task_id, "me")
    assert look(store, task_id).due_at == NINE + 4 * DAY
    rows = store.task_history(task_id)
    assert [(row.scheduled_for, row.status, row.reason) for row in rows] == [
        (NINE + day * DAY, "skipped", "paused") for day in range(4)
    ]


def test_a_series_resumed_in_time_misses_nothing(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily", NINE + HOUR)
    store.pause_task(task_id, "me")
    clock.advance(minutes=30)
    store.resume_task(task_id, "me")
    assert sent(store, clock, task_id, NINE + DAY) == [NINE + HOUR]


def test_a_resumed_one_shot_comes_at_its_own_time(store: Store, clock: FakeClock) -> None:
    early, late = add(store, None, NINE + HOUR), add(store, None, NINE + 9 * HOUR)
    for each in (early, late):
        store.pause_task(each, "me")
    clock.advance(hours=5)
    for each in (early, late):
        assert store.resume_task(each, "me")
    assert [task.id for task in store.get_due_tasks()] == [early]
    assert look(store, late).due_at == NINE + 9 * HOUR


def test_a_pause_while_a_retry_waits_leaves_no_open_ledger_row(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "retry", retry_after=60)
    store.pause_task(task_id, "me")
    clock.advance(days=1, hours=1)
    store.resume_task(task_id, "me")
    assert states(store, task_id) == [(NINE, "skipped"), (NINE + DAY, "skipped")]


def test_only_what_is_paused_is_resumed(store: Store) -> None:
    task_id = add(store)
    assert store.resume_task(task_id, "me") is False
    store.cancel_task(task_id, "me")
    assert store.pause_task(task_id, "me") is False
    assert store.resume_task(task_id, "me") is False


def test_a_paused_task_can_be_changed_and_stays_paused(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    store.pause_task(task_id, "me")
    assert store.update_task(task_id, "me", "feed the cat", NINE + 2 * HOUR)
    assert look(store, task_id).status == "paused"
    store.resume_task(task_id, "me")
    assert sent(store, clock, task_id, NINE + 3 * HOUR) == [NINE + 2 * HOUR]


# Ended series


def test_an_ended_series_can_be_snoozed_once_more(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=DAILY;COUNT=1")
    send(store)
    assert look(store, task_id).status == "delivered"
    assert store.snooze_task(task_id, "me", NINE + HOUR)
    assert sent(store, clock, task_id, NINE + 5 * DAY) == [NINE + HOUR]


def test_completing_for_good_ends_what_was_snoozed_too(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + 2 * DAY + HOUR)
    store.complete_task(task_id, None)
    clock.advance(days=9)
    assert store.claim_due_tasks("w", 10) == []
    assert {state for _, state in states(store, task_id)} == {"delivered", "skipped"}


def test_a_snooze_that_a_late_send_overtakes_is_accounted_for(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    send(store)
    store.snooze_task(task_id, "me", NINE + DAY + HOUR)
    clock.now = NINE + DAY + 3 * HOUR
    assert send(store) == NINE + DAY
    assert states(store, task_id)[1:] == [(NINE + DAY, "delivered"), (NINE + DAY + HOUR, "skipped")]
    assert look(store, task_id).due_at == NINE + 2 * DAY


def test_a_snooze_moves_what_is_to_be_tried_again_and_leaves_nothing_behind(store: Store) -> None:
    task = add(store, "daily")
    store.complete_task(task)
    store.fail_task(task, "broken", 0)
    assert store.retry_task(task)
    assert store.snooze_task(task, "me", NINE + MINUTE)
    assert store.cancel_task(task, "me")
    assert [state for _, state in states(store, task)] == ["delivered", "skipped"]
