"""Claim, send, settle: what the ledger says of every occurrence, whatever becomes of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from raw_rows import change

from omega_models import ClaimedTask, MissedPolicy, Occurrence, Store, next_occurrence
from omega_models.claims import Claim, claim
from omega_models.ledger import occurrence_id
from omega_models.settling import Settlement, settle_many
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


def add(store: Store, repeat: str | None = None, due: datetime = NINE, **more: Any) -> str:
    return store.create_task("chat", "me", "me", "water the plants", due, repeat, dedupe="off", **more)


def take(store: Store, **more: Any) -> ClaimedTask:
    (taken,) = store.claim_due_tasks("worker", 10, **more)
    return taken


def history(store: Store, task_id: str) -> list[Occurrence]:
    return store.task_history(task_id)


def states(store: Store, task_id: str) -> list[tuple[datetime, str]]:
    return [(each.scheduled_for, each.status) for each in history(store, task_id)]


def status(store: Store, task_id: str) -> str:
    task = store.get_task(task_id, "me")
    assert task is not None
    return task.status


def next_send(store: Store, task_id: str) -> datetime | None:
    task = store.get_task(task_id, "me")
    assert task is not None
    return task.next_send


# Claiming


def test_an_occurrences_id_is_the_same_in_every_release() -> None:
    """Receivers remember it as the key of what they have accepted."""
    nine = datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert (
        occurrence_id("1f2e3d4c-5b6a-4788-9900-aabbccddeeff", nine) == "019ca8a0-3e80-8254-9536-56fe1cbca734"
    )


def test_a_claim_says_what_is_to_be_sent_and_until_when(store: Store) -> None:
    task_id = add(store, project="garden", task_type="action")
    taken = take(store, lease=timedelta(seconds=90))
    assert taken[:8] == (task_id, "chat", "me", "me", "water the plants", None, "action", "garden")
    assert taken.scheduled_for == NINE
    assert taken.attempt == 1
    assert taken.lease_until == NINE + timedelta(seconds=90)
    (row,) = history(store, task_id)
    assert (row.id, row.status, row.attempts, row.worker) == (taken.occurrence_id, "claimed", 1, "worker")
    assert row.lateness is None


def test_what_is_claimed_is_neither_due_nor_claimed_again(store: Store) -> None:
    add(store)
    take(store)
    assert store.get_due_tasks() == []
    assert store.claim_due_tasks("another", 10) == []


def test_claims_come_earliest_first_and_no_more_than_asked_for(store: Store) -> None:
    ids = [add(store, due=NINE - timedelta(minutes=back)) for back in (1, 3, 2)]
    assert [each.id for each in store.claim_due_tasks("worker", 2)] == [ids[1], ids[2]]
    assert [each.id for each in store.claim_due_tasks("worker", 2)] == [ids[0]]
    assert store.claim_due_tasks("worker", 0) == []


def test_only_the_channels_and_types_asked_for_are_claimed(store: Store) -> None:
    def made(channel: str, kind: str) -> str:
        return store.create_task(channel, "me", "me", "x", NINE, task_type=kind, dedupe="off")

    chat, mail, action = made("chat", "reminder"), made("mail", "reminder"), made("chat", "action")
    assert store.claim_due_tasks("w", 10, channels=[]) == []
    assert store.claim_due_tasks("w", 10, task_types=()) == []
    assert store.claim_due_tasks("w", 10, channels=["carrier pigeon"]) == []
    assert [e.id for e in store.claim_due_tasks("w", 10, channels=["chat"], task_types=["action"])] == [
        action
    ]
    assert [
        e.id for e in store.claim_due_tasks("w", 10, channels={"mail", "chat"}, task_types={"reminder"})
    ] == [
        chat,
        mail,
    ]


def test_a_single_channel_may_be_given_as_text(store: Store) -> None:
    task_id = add(store)
    assert [each.id for each in store.claim_due_tasks("w", 10, channels="chat")] == [task_id]


def test_nothing_is_claimed_before_its_time(store: Store, clock: FakeClock) -> None:
    add(store, due=NINE + timedelta(seconds=1))
    clock.advance(microseconds=999_999)
    assert store.claim_due_tasks("w", 1) == []
    clock.advance(microseconds=1)
    assert len(store.claim_due_tasks("w", 1)) == 1


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(seconds=-1), timedelta.max, 60, None])
def test_a_lease_is_a_sensible_timedelta(store: Store, lease: Any) -> None:
    task_id = add(store)
    with pytest.raises(ValueError, match="lease"):
        store.claim_due_tasks("w", 1, lease)
    assert history(store, task_id) == []


# Settling


def test_delivered_ends_a_one_shot(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    clock.advance(seconds=5)
    taken = take(store)
    clock.advance(seconds=2)
    assert store.settle(taken.token, "delivered", receipt="msg-7") is True
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.delivered_at, task.claimed) == ("delivered", clock(), False)
    (row,) = history(store, task_id)
    assert (row.status, row.receipt, row.attempts) == ("delivered", "msg-7", 1)
    assert (row.lateness, row.settled_at) == (timedelta(seconds=7), clock())


def test_a_claim_is_settled_once(store: Store) -> None:
    task_id = add(store)
    token = take(store).token
    assert store.settle(token, "delivered")
    assert not store.settle(token, "delivered")
    assert not store.settle(token, "failed", error="too late")
    assert states(store, task_id) == [(NINE, "delivered")]


def test_a_series_goes_on_after_delivery(store: Store) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "delivered")
    assert status(store, task_id) == "pending"
    assert next_send(store, task_id) == NINE + DAY
    assert states(store, task_id) == [(NINE, "delivered")]


def test_the_series_never_drifts_by_late_deliveries(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    for day in range(5):
        clock.now = NINE + day * DAY + timedelta(minutes=7 * day, seconds=13)
        store.settle(take(store).token, "delivered")
    assert [at for at, _ in states(store, task_id)] == [NINE + day * DAY for day in range(5)]
    assert next_send(store, task_id) == NINE + 5 * DAY


def test_a_retry_keeps_the_occurrence_and_counts_the_attempt(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    first = take(store)
    assert store.settle(first.token, "retry", error="refused", retry_after=timedelta(seconds=90))
    assert states(store, task_id) == [(NINE, "retrying")]
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.retry_count, task.last_error, task.due_at) == (1, "refused", NINE + timedelta(seconds=90))
    assert store.get_due_tasks() == []
    clock.advance(seconds=90)
    second = take(store)
    assert (second.occurrence_id, second.attempt) == (first.occurrence_id, 2)
    assert second.token != first.token
    assert store.settle(second.token, "delivered")
    (row,) = history(store, task_id)
    assert (row.status, row.attempts, row.error, row.lateness) == (
        "delivered",
        2,
        None,
        timedelta(seconds=90),
    )
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.retry_count, task.last_error) == (0, None)


@pytest.mark.parametrize(("attempt", "least"), [(1, 120), (2, 240), (3, 480), (6, 3600), (20, 3600)])
def test_without_retry_after_the_wait_doubles_up_to_an_hour(
    store: Store, clock: FakeClock, attempt: int, least: int
) -> None:
    add(store)
    for _ in range(attempt - 1):
        store.settle(take(store).token, "retry", retry_after=0)
    token = take(store).token
    store.settle(token, "retry")
    (task,) = store.list_tasks("me")
    assert task.due_at is not None
    assert timedelta(seconds=least) <= task.due_at - clock() <= timedelta(seconds=least * 1.25 + 1)


@pytest.mark.parametrize("given", [5, 5.0, 4.2, timedelta(seconds=5), timedelta(seconds=4, milliseconds=1)])
def test_retry_after_is_seconds_or_a_timedelta_rounded_up(store: Store, given: Any) -> None:
    task_id = add(store)
    store.settle(take(store).token, "retry", retry_after=given)
    assert next_send(store, task_id) == NINE + timedelta(seconds=5)


@pytest.mark.parametrize("given", [-1, -(10**400), timedelta(days=-1), 0, 0.0, float("-inf")])
def test_a_retry_after_in_the_past_is_now(store: Store, given: Any) -> None:
    task_id = add(store)
    assert store.settle(take(store).token, "retry", retry_after=given)
    assert next_send(store, task_id) == NINE


@pytest.mark.parametrize("given", [10**400, 10**12, timedelta.max, float("inf")])
def test_a_senseless_retry_after_is_cut(store: Store, given: Any) -> None:
    task_id = add(store)
    assert store.settle(take(store).token, "retry", retry_after=given)
    assert next_send(store, task_id) == NINE + timedelta(days=366)


@pytest.mark.parametrize("given", ["5", float("nan"), True, [1]])
def test_a_retry_after_that_is_no_time_settles_nothing(store: Store, given: Any) -> None:
    task_id = add(store)
    token = take(store).token
    with pytest.raises(ValueError, match="retry_after"):
        store.settle(token, "retry", retry_after=given)
    assert states(store, task_id) == [(NINE, "claimed")]
    assert store.settle(token, "delivered")


def test_failed_ends_a_one_shot_and_it_can_be_retried_by_hand(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    first = take(store)
    assert store.settle(first.token, "failed", error="no such chat")
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.last_error) == ("failed", "no such chat")
    (row,) = history(store, task_id)
    assert (row.status, row.error, row.settled_at) == ("failed", "no such chat", NINE)
    clock.advance(days=3)
    assert store.retry_task(task_id, "me")
    again = take(store)
    assert (again.occurrence_id, again.attempt) == (first.occurrence_id, 2)


def test_failed_costs_a_series_one_occurrence(store: Store) -> None:
    task_id = add(store, "weekdays")
    assert store.settle(take(store).token, "failed", error="broken")
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.due_at, task.retry_count, task.last_error) == (
        "pending",
        NINE + DAY,
        0,
        "broken",
    )
    assert states(store, task_id) == [(NINE, "failed")]


def test_ambiguous_without_a_retry_is_held_for_a_person(store: Store) -> None:
    task_id = add(store)
    first = take(store)
    assert store.settle(first.token, "ambiguous", error="no answer")
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.last_error) == ("failed", "ambiguous: no answer")
    assert states(store, task_id) == [(NINE, "ambiguous")]
    assert store.get_due_tasks() == []
    assert store.retry_task(task_id[:8], "me")
    assert take(store).occurrence_id == first.occurrence_id


def test_ambiguous_of_a_series_goes_on_and_can_be_retried_by_hand(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    first = take(store)
    store.settle(first.token, "ambiguous", error="no answer")
    assert next_send(store, task_id) == NINE + DAY
    clock.advance(hours=1)
    assert store.retry_task(task_id, "me")
    again = take(store)
    assert (again.occurrence_id, again.attempt, again.scheduled_for) == (first.occurrence_id, 2, NINE)
    assert store.settle(again.token, "delivered")
    assert states(store, task_id) == [(NINE, "delivered")]
    assert next_send(store, task_id) == NINE + DAY


def test_ambiguous_with_a_retry_is_sent_again_with_the_same_key(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    first = take(store)
    assert store.settle(first.token, "ambiguous", retry_after=60)
    assert states(store, task_id) == [(NINE, "ambiguous")]
    assert status(store, task_id) == "pending"
    clock.advance(seconds=60)
    assert take(store).occurrence_id == first.occurrence_id


@pytest.mark.parametrize("outcome", ["DELIVERED", "", "done", None, 1, ["delivered"]])
def test_an_unknown_outcome_settles_nothing(store: Store, outcome: Any) -> None:
    task_id = add(store)
    token = take(store).token
    with pytest.raises(ValueError, match="outcome"):
        store.settle(token, outcome)
    assert states(store, task_id) == [(NINE, "claimed")]


def test_an_unknown_token_is_a_lost_lease(store: Store) -> None:
    task_id = add(store)
    taken = take(store)
    for token in ("nonsense", taken.occurrence_id, taken.occurrence_id + "/0000", "/" + taken.token, "%"):
        assert store.settle(token, "delivered") is False
        assert store.extend_claims([token], MINUTE) == set()
        store.release_claims([token])
    assert states(store, task_id) == [(NINE, "claimed")]


def test_errors_and_receipts_are_kept_as_one_readable_line(store: Store) -> None:
    task_id = add(store)
    store.settle(take(store).token, "failed", error="a\0b\n\tc\ud800 " + "x" * 9_000)
    (row,) = history(store, task_id)
    assert row.error is not None
    assert row.error.startswith("a b c? xxx")
    assert len(row.error) == 500


def test_several_settlements_in_one_transaction(store: Store) -> None:
    ids = [add(store, repeat) for repeat in (None, "daily", None, None, "daily")]
    taken = {each.id: each for each in store.claim_due_tasks("w", 10)}
    tokens = [taken[task_id].token for task_id in ids]
    store.cancel_task(ids[3], "me")
    outcomes = ["delivered", "delivered", "failed", "delivered", "retry"]
    kept = settle_many(store, [Settlement(*pair) for pair in zip(tokens, outcomes, strict=True)])
    assert kept == [True, True, True, False, True]
    assert [status(store, each) for each in ids] == ["delivered", "pending", "failed", "cancelled", "pending"]
    assert settle_many(store, [Settlement(tokens[4], "delivered")] * 2) == [False, False]


def test_the_same_token_twice_in_one_batch_counts_once(store: Store) -> None:
    for repeat in (None, "daily"):
        task_id = add(store, repeat)
        token = take(store).token
        assert settle_many(store, [Settlement(token, "delivered"), Settlement(token, "failed")]) == [
            True,
            False,
        ]
        assert states(store, task_id) == [(NINE, "delivered")]


# Lost leases


def test_a_lost_lease_is_claimed_again_with_the_same_key(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    first = take(store, lease=MINUTE)
    clock.advance(seconds=59)
    assert store.claim_due_tasks("another", 1) == []
    clock.advance(seconds=1)
    (second,) = store.claim_due_tasks("another", 1)
    assert (second.occurrence_id, second.scheduled_for, second.attempt) == (first.occurrence_id, NINE, 2)
    (row,) = history(store, task_id)
    assert (row.reason, row.attempts, row.worker) == ("lost lease", 2, "another")


@pytest.mark.parametrize("outcome", ["delivered", "retry", "failed", "ambiguous"])
@pytest.mark.parametrize("repeat", [None, "daily"])
def test_a_stale_owner_cannot_settle(
    store: Store, clock: FakeClock, outcome: str, repeat: str | None
) -> None:
    task_id = add(store, repeat)
    stale = take(store, lease=MINUTE)
    clock.advance(minutes=1)
    fresh = take(store)
    before = store.get_task(task_id, "me"), history(store, task_id)
    assert store.settle(stale.token, outcome) is False
    assert store.extend_claims([stale.token], HOUR) == set()
    store.release_claims([stale.token])
    assert (store.get_task(task_id, "me"), history(store, task_id)) == before
    assert store.settle(fresh.token, "delivered") is True


def test_a_lease_that_ended_but_went_to_nobody_still_settles(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    taken = take(store, lease=MINUTE)
    clock.advance(hours=5)
    assert store.settle(taken.token, "delivered") is True
    assert states(store, task_id) == [(NINE, "delivered")]


def test_extending_keeps_the_claim(store: Store, clock: FakeClock) -> None:
    add(store)
    taken = take(store, lease=MINUTE)
    clock.advance(seconds=50)
    assert store.extend_claims([taken.token, "gone"], MINUTE) == {taken.token}
    clock.advance(seconds=59)
    assert store.claim_due_tasks("another", 1) == []
    clock.advance(seconds=1)
    assert len(store.claim_due_tasks("another", 1)) == 1
    assert store.extend_claims([taken.token], MINUTE) == set()


def test_a_released_claim_is_due_at_once_and_costs_no_attempt(store: Store) -> None:
    task_id = add(store)
    first = take(store)
    store.release_claims([first.token])
    assert history(store, task_id) == []
    assert [each.id for each in store.get_due_tasks()] == [task_id]
    assert store.settle(first.token, "delivered") is False
    second = take(store)
    assert (second.occurrence_id, second.attempt) == (first.occurrence_id, 1)


def test_releasing_a_second_attempt_keeps_the_first(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    store.settle(take(store).token, "retry", error="refused", retry_after=10)
    clock.advance(seconds=10)
    store.release_claims([take(store).token])
    (row,) = history(store, task_id)
    assert (row.status, row.attempts, row.error) == ("retrying", 1, "refused")
    assert take(store).attempt == 2


def test_a_released_snooze_stays_a_snooze(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    store.snooze_task(task_id, "me", NINE + HOUR)
    clock.advance(hours=1)
    store.release_claims([take(store).token])
    assert states(store, task_id) == [(NINE, "held")]
    again = take(store)
    assert (again.attempt, again.scheduled_for) == (1, NINE)


def test_a_release_after_a_lost_lease_that_nobody_answers_for_is_accounted_for(
    store: Store, clock: FakeClock
) -> None:
    task_id = add(store, "daily")
    take(store, lease=MINUTE)
    clock.advance(minutes=2)
    store.release_claims([take(store).token])
    clock.advance(days=2)
    store.settle(take(store).token, "delivered")
    assert [state for _, state in states(store, task_id)] == ["skipped", "skipped", "delivered"]


# Changes while a send is under way


def test_a_cancel_is_never_overwritten_and_the_ledger_says_what_became_of_the_send(store: Store) -> None:
    for outcome, expected in (
        ("delivered", "delivered"),
        ("failed", "failed"),
        ("retry", "ambiguous"),
        ("ambiguous", "ambiguous"),
    ):
        task_id = add(store, "daily")
        taken = take(store)
        assert store.cancel_task(task_id, "me")
        assert store.settle(taken.token, outcome, receipt="r") is False
        assert status(store, task_id) == "cancelled"
        (row,) = history(store, task_id)
        assert (row.status, row.reason) == (expected, "cancelled while it was being sent")
        assert store.claim_due_tasks("w", 10) == []


@pytest.mark.parametrize("outcome", ["delivered", "retry", "failed", "ambiguous"])
def test_a_new_time_is_never_overwritten(store: Store, outcome: str) -> None:
    task_id = add(store, "daily")
    taken = take(store)
    assert store.update_task(task_id, "me", due_at=NINE + 5 * HOUR)
    assert store.settle(taken.token, outcome) is False
    assert status(store, task_id) == "pending"
    assert next_send(store, task_id) == NINE + 5 * HOUR


def test_a_new_text_during_a_send_leaves_the_claim(store: Store) -> None:
    task_id = add(store)
    taken = take(store)
    assert store.update_task(task_id, "me", "feed the cat")
    assert store.settle(taken.token, "delivered") is True
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.description) == ("delivered", "feed the cat")


@pytest.mark.parametrize(("repeat", "following"), [("weekly", NINE + 7 * DAY), ("once", None)])
def test_a_new_repeat_during_a_send_does_not_send_twice(
    store: Store, repeat: str, following: datetime | None
) -> None:
    task_id = add(store, "daily")
    taken = take(store)
    assert store.update_task(task_id, "me", repeat=repeat)
    assert store.claim_due_tasks("another", 10) == []
    assert store.settle(taken.token, "delivered") is True
    assert store.claim_due_tasks("another", 10) == []
    task = store.get_task(task_id, "me")
    assert task is not None
    assert task.status == ("pending" if following else "delivered")
    assert following is None or task.due_at == following


def test_a_pause_during_a_send_is_never_overwritten(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    taken = take(store)
    assert store.pause_task(task_id, "me")
    assert store.settle(taken.token, "delivered") is False
    assert status(store, task_id) == "paused"
    clock.advance(hours=1)
    assert store.resume_task(task_id, "me")
    assert store.claim_due_tasks("w", 10) == []
    assert states(store, task_id) == [(NINE, "delivered")]
    assert status(store, task_id) == "delivered"


def test_a_skip_during_a_send_is_never_overwritten(store: Store) -> None:
    task_id = add(store, "daily")
    taken = take(store)
    assert store.skip_task(task_id, "me")
    assert store.settle(taken.token, "retry") is False
    assert states(store, task_id) == [(NINE, "skipped")]
    assert next_send(store, task_id) == NINE + DAY


@pytest.mark.parametrize("repeat", [None, "daily"])
def test_a_snooze_during_a_send_comes_with_a_key_of_its_own(
    store: Store, clock: FakeClock, repeat: str | None
) -> None:
    task_id = add(store, repeat)
    first = take(store)
    assert store.snooze_task(task_id, "me", NINE + 10 * MINUTE)
    assert store.claim_due_tasks("another", 10) == []
    assert store.settle(first.token, "delivered") is True
    assert next_send(store, task_id) == NINE + 10 * MINUTE
    clock.advance(minutes=10)
    second = take(store)
    assert second.occurrence_id != first.occurrence_id
    store.settle(second.token, "delivered")
    assert states(store, task_id) == [(NINE, "delivered"), (NINE + 10 * MINUTE, "delivered")]
    assert status(store, task_id) == ("pending" if repeat else "delivered")


# Complete and fail, without a claim


def test_complete_ends_a_one_shot(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    clock.advance(seconds=30)
    assert store.complete_task(task_id) is None
    assert status(store, task_id) == "delivered"
    (row,) = history(store, task_id)
    assert (row.status, row.attempts, row.lateness) == ("delivered", 1, timedelta(seconds=30))


def test_complete_takes_a_series_to_its_next_occurrence(store: Store) -> None:
    task_id = add(store, "monthly", due=datetime(2026, 1, 31, 9, tzinfo=UTC))
    store.complete_task(task_id)
    assert status(store, task_id) == "pending"
    assert next_send(store, task_id) == datetime(2026, 3, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize("repeat", [None, "once", "ONCE"])
def test_complete_with_once_ends_even_a_series(store: Store, repeat: str | None) -> None:
    task_id = add(store, "daily")
    store.complete_task(task_id, repeat)
    assert status(store, task_id) == "delivered"
    assert states(store, task_id) == [(NINE, "delivered")]
    assert store.get_due_tasks() == []


def test_complete_with_a_repeat_goes_on_by_it(store: Store) -> None:
    task_id = add(store, "daily")
    store.complete_task(task_id, repeat="weekly")
    assert next_send(store, task_id) == NINE + 7 * DAY


def test_complete_ends_a_live_claim(store: Store) -> None:
    task_id = add(store)
    token = take(store).token
    store.complete_task(task_id)
    (row,) = history(store, task_id)
    assert (row.status, row.attempts) == ("delivered", 1)
    assert store.settle(token, "failed") is False
    assert status(store, task_id) == "delivered"


def test_complete_and_fail_of_what_is_not_pending_change_nothing(store: Store) -> None:
    task_id = add(store)
    store.cancel_task(task_id, "me")
    store.complete_task(task_id)
    store.complete_task("no such task")
    assert store.fail_task(task_id, "e", 3) is False
    assert store.fail_task("no such task", "e", 3) is False
    assert status(store, task_id) == "cancelled"
    assert history(store, task_id) == []


def test_fail_says_whether_there_will_be_another_try(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    for attempt in (1, 2):
        assert store.fail_task(task_id, "broken", 3) is True
        task = store.get_task(task_id, "me")
        assert task is not None
        assert (task.status, task.retry_count, task.last_error) == ("pending", attempt, "broken")
        assert task.due_at is not None
        assert task.due_at > clock()
        clock.now = task.due_at
    assert store.fail_task(task_id, "broken", 3) is False
    assert status(store, task_id) == "failed"
    (row,) = history(store, task_id)
    assert (row.status, row.attempts, row.error) == ("failed", 3, "broken")


@pytest.mark.parametrize("most", [0, 1])
def test_fail_at_once_where_no_retry_is_allowed(store: Store, most: int) -> None:
    task_id = add(store)
    assert store.fail_task(task_id, "broken", most) is False
    assert status(store, task_id) == "failed"


def test_the_last_failure_of_a_series_waits_for_its_next_occurrence(store: Store) -> None:
    task_id = add(store, "daily")
    assert store.fail_task(task_id, "broken", 2) is True
    assert store.fail_task(task_id, "broken", 2) is False
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.retry_count, task.due_at) == ("pending", 0, NINE + DAY)
    assert states(store, task_id) == [(NINE, "failed")]


# Superseded


def test_a_retry_that_would_reach_the_next_occurrence_is_not_made(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    taken = take(store)
    clock.advance(hours=23)
    assert store.settle(taken.token, "retry", error="busy", retry_after=HOUR)
    (row,) = history(store, task_id)
    assert (row.status, row.reason, row.error) == ("failed", "superseded", "busy")
    task = store.get_task(task_id, "me")
    assert task is not None
    assert (task.status, task.due_at, task.retry_count) == ("pending", NINE + DAY, 0)
    assert task.last_error is not None
    assert task.last_error.startswith("superseded")


def test_a_retry_just_before_the_next_occurrence_is_made(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    taken = take(store)
    clock.advance(hours=23)
    store.settle(taken.token, "retry", retry_after=HOUR - timedelta(seconds=1))
    assert states(store, task_id) == [(NINE, "retrying")]


def test_the_last_occurrence_of_a_series_is_retried_as_long_as_it_takes(store: Store) -> None:
    task_id = add(store, "RRULE:FREQ=DAILY;COUNT=1")
    store.settle(take(store).token, "retry", retry_after=10 * DAY)
    assert states(store, task_id) == [(NINE, "retrying")]


def test_superseded_by_fail_task_too(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "daily")
    clock.advance(hours=23, minutes=59)
    assert store.fail_task(task_id, "busy", 10) is False
    (row,) = history(store, task_id)
    assert (row.status, row.reason) == ("failed", "superseded")


# Missed


EVERY = (
    ("daily", 3),
    ("weekdays", 5),
    ("weekly", 15),
    ("monthly", 65),
    ("yearly", 800),
    ("cron:0 9 * * *", 3),
    ("cron:0 */4 * * *", 2),
    ("RRULE:FREQ=HOURLY;INTERVAL=3", 1.3),
    ("RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR", 6),
    ("RRULE:FREQ=MONTHLY;BYDAY=1MO", 70),
)


def occurrences(repeat: str, until: datetime, zone: str = "UTC", first: datetime = NINE) -> list[datetime]:
    found = [next_occurrence(repeat, first, first - timedelta(seconds=1), zone) or first]
    while (following := next_occurrence(repeat, first, found[-1], zone)) and following <= until:
        found.append(following)
    return found


@pytest.mark.parametrize(("repeat", "days"), EVERY)
def test_after_days_down_the_latest_is_sent_once_and_the_rest_are_skipped_rows(
    store: Store, clock: FakeClock, repeat: str, days: float
) -> None:
    task_id = add(store, repeat)
    clock.advance(days=days, hours=2)
    expected = occurrences(repeat, clock())
    assert len(expected) >= 2
    (taken,) = claim(store, "w", 10)
    assert (taken.task.scheduled_for, taken.missed) == (expected[-1], len(expected) - 1)
    assert store.settle(taken.task.token, "delivered")
    assert states(store, task_id) == [(at, "skipped") for at in expected[:-1]] + [(expected[-1], "delivered")]
    assert {each.reason for each in history(store, task_id)[:-1]} == {"missed"}
    assert store.claim_due_tasks("w", 10) == []
    assert next_send(store, task_id) == next_occurrence(repeat, NINE, clock())


@pytest.mark.parametrize(("repeat", "days"), EVERY)
def test_policy_skip_sends_none(store: Store, clock: FakeClock, repeat: str, days: float) -> None:
    task_id = add(store, repeat)
    clock.advance(days=days, hours=2)
    expected = occurrences(repeat, clock())
    assert claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": "skip"})) == []
    assert states(store, task_id) == [(at, "skipped") for at in expected]
    assert next_send(store, task_id) == next_occurrence(repeat, NINE, clock())


@pytest.mark.parametrize(("repeat", "days"), EVERY)
def test_policy_all_sends_each(store: Store, clock: FakeClock, repeat: str, days: float) -> None:
    task_id = add(store, repeat)
    clock.advance(days=days, hours=2)
    expected = occurrences(repeat, clock())
    sent = []
    while taken := claim(store, "w", 1, missed=MissedPolicy(by_type={"reminder": "all"})):
        sent.append(taken[0].task.scheduled_for)
        assert store.settle(taken[0].task.token, "delivered")
    assert sent == expected
    assert next_send(store, task_id) == next_occurrence(repeat, NINE, clock())


def test_missed_one_shots(store: Store, clock: FakeClock) -> None:
    reminder, action = add(store), add(store, task_type="action")
    clock.advance(hours=2)
    taken = claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": "skip"}))
    assert [each.task.id for each in taken] == [action]
    task = store.get_task(reminder, "me")
    assert task is not None
    assert task.status == "failed"
    assert task.last_error is not None
    assert "missed" in task.last_error
    assert states(store, reminder) == [(NINE, "skipped")]
    assert store.retry_task(reminder, "me")
    taken = claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": "skip"}))
    assert [each.task.id for each in taken] == [reminder]


@pytest.mark.parametrize("policy", ["once", "skip", "all"])
def test_up_to_an_hour_late_is_not_missed(store: Store, clock: FakeClock, policy: str) -> None:
    add(store, "daily")
    clock.advance(hours=1)
    (taken,) = claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": policy}))
    assert (taken.task.scheduled_for, taken.missed) == (NINE, 0)


def test_what_counts_as_missed_can_be_chosen(store: Store, clock: FakeClock) -> None:
    add(store)
    clock.advance(seconds=11)
    policy = MissedPolicy(after=timedelta(seconds=10), by_type={"reminder": "skip"})
    assert claim(store, "w", 10, missed=policy) == []


def test_what_was_claimed_in_time_is_not_missed_when_its_worker_dies(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    take(store)
    clock.advance(days=4)
    (taken,) = claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": "skip"}))
    assert (taken.task.id, taken.task.attempt, taken.reason) == (task_id, 2, "lost lease")


def test_what_was_deferred_is_not_missed(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    store.defer_task(task_id, NINE + 9 * HOUR)
    clock.advance(hours=9, minutes=59)
    (taken,) = claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": "skip"}))
    assert taken.due == NINE + 9 * HOUR


def test_a_catch_up_of_thousands_ends_in_one_counting_row(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=HOURLY")
    clock.advance(hours=3000, minutes=5)
    (taken,) = claim(store, "w", 10)
    assert taken.task.scheduled_for == NINE + 3000 * HOUR
    assert taken.missed == 3000
    skipped = [each for each in history(store, task_id) if each.status == "skipped"]
    counting = [each for each in skipped if each.stands_for > 1]
    assert len(skipped) - len(counting) <= 1000
    assert len(counting) == 1
    assert counting[0].scheduled_for == NINE + 2999 * HOUR
    assert sum(each.stands_for for each in skipped) == 3000
    assert counting[0].reason is not None
    assert f"{counting[0].stands_for:,}" in counting[0].reason


@pytest.mark.parametrize("hours", [999, 1000, 1001, 1002])
@pytest.mark.parametrize("policy", ["once", "skip"])
def test_the_numbers_of_a_catch_up_add_up_at_its_border(
    store: Store, clock: FakeClock, hours: int, policy: str
) -> None:
    task_id = add(store, "RRULE:FREQ=HOURLY")
    clock.advance(hours=hours, minutes=5)
    claim(store, "w", 10, missed=MissedPolicy(by_type={"reminder": policy}))
    rows = history(store, task_id)
    assert sum(each.stands_for for each in rows) == hours + 1
    counting = [each for each in rows if "stands for" in (each.reason or "")]
    assert len([each for each in rows if each.status == "skipped"]) <= 1000 + len(counting)
    assert len(counting) == (hours + (policy == "skip") > 1000)
    assert len({each.scheduled_for for each in rows}) == len(rows)


def test_a_long_send_costs_the_occurrences_it_outlasts_and_says_so(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=HOURLY")
    taken = take(store, lease=DAY)
    clock.advance(hours=2, minutes=30)
    assert store.settle(taken.token, "delivered")
    assert states(store, task_id) == [
        (NINE, "delivered"),
        (NINE + HOUR, "skipped"),
        (NINE + 2 * HOUR, "skipped"),
    ]
    assert next_send(store, task_id) == NINE + 3 * HOUR


def test_next_is_strictly_after_now(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=HOURLY")
    taken = take(store, lease=DAY)
    clock.advance(hours=1)
    store.settle(taken.token, "delivered")
    assert states(store, task_id) == [(NINE, "delivered"), (NINE + HOUR, "skipped")]
    assert next_send(store, task_id) == NINE + 2 * HOUR


def test_a_clock_that_goes_back_sends_nothing_twice(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=HOURLY")
    taken = take(store)
    clock.advance(hours=-30)
    store.settle(taken.token, "delivered")
    assert next_send(store, task_id) == NINE + HOUR
    clock.advance(hours=30)
    assert store.claim_due_tasks("w", 10) == []


def test_an_ended_series_is_delivered(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=DAILY;COUNT=2")
    store.settle(take(store).token, "delivered")
    assert status(store, task_id) == "pending"
    clock.advance(days=1)
    store.settle(take(store).token, "delivered")
    assert status(store, task_id) == "delivered"


def test_a_series_whose_last_occurrence_fails_is_failed(store: Store) -> None:
    task_id = add(store, "RRULE:FREQ=DAILY;COUNT=1")
    store.settle(take(store).token, "failed", error="broken")
    assert status(store, task_id) == "failed"
    assert store.retry_task(task_id, "me")
    assert take(store).attempt == 2


def test_a_missed_series_that_has_ended_sends_its_last(store: Store, clock: FakeClock) -> None:
    task_id = add(store, "RRULE:FREQ=DAILY;COUNT=3")
    clock.advance(days=30)
    taken = take(store)
    assert taken.scheduled_for == NINE + 2 * DAY
    store.settle(taken.token, "delivered")
    assert status(store, task_id) == "delivered"
    assert [state for _, state in states(store, task_id)] == ["skipped", "skipped", "delivered"]


@pytest.mark.parametrize("policy", ["once", "all"])
def test_catching_up_across_a_change_of_the_clocks(policy: str) -> None:
    clock = FakeClock("2026-03-27 07:00")
    with Store(":memory:", clock=clock) as store:
        store.create_task("chat", "me", "me", "x", "2026-03-27 09:00", "daily", timezone="Europe/Berlin")
        clock.now = datetime(2026, 3, 31, 12, tzinfo=UTC)
        sent = []
        while taken := claim(store, "w", 1, missed=MissedPolicy(by_type={"reminder": policy})):
            sent.append(taken[0].task.scheduled_for.hour)
            store.settle(taken[0].task.token, "delivered")
        assert sent == ([7] if policy == "once" else [8, 8, 7, 7, 7])
        (task,) = store.get_tasks_for_sender("me")
        assert task.due_at == datetime(2026, 4, 1, 7, tzinfo=UTC)


# The history


def test_history_is_per_task_and_per_sender(store: Store, clock: FakeClock) -> None:
    mine = add(store, "daily")
    store.settle(take(store).token, "delivered")
    clock.advance(days=1)
    store.settle(take(store).token, "failed", error="broken")
    assert [each.status for each in store.task_history(mine)] == ["delivered", "failed"]
    assert store.task_history(mine, "me") == store.task_history(mine)
    assert store.task_history(mine, "you") == []
    assert store.task_history("no such task") == []
    assert store.task_history(mine[:8]) == []


def test_a_snooze_after_delivery_is_late_from_its_own_time(store: Store, clock: FakeClock) -> None:
    task_id = add(store)
    store.settle(take(store).token, "delivered")
    store.snooze_task(task_id, "me", NINE + 3 * HOUR)
    clock.advance(hours=3, seconds=4)
    store.settle(take(store).token, "delivered")
    assert [each.lateness for each in history(store, task_id)] == [timedelta(0), timedelta(seconds=4)]


def test_the_id_of_an_occurrence_is_the_same_on_every_machine() -> None:
    assert len(occurrence_id("0b0e", NINE)) == 36
    assert occurrence_id("0b0e", NINE) == occurrence_id("0b0e", NINE.astimezone())
    assert occurrence_id("0b0e", NINE) != occurrence_id("0b0e", NINE + timedelta(seconds=1))
    assert occurrence_id("0b0e", NINE) != occurrence_id("0b0f", NINE)


def test_a_row_put_back_by_hand_is_not_sent_again(store: Store) -> None:
    task_id = add(store, "daily")
    store.settle(take(store).token, "delivered")
    change(
        store,
        "UPDATE scheduled_tasks SET scheduled_for = ?, due_at = ?, rev = rev + 1 WHERE id = ?",
        *("2026-03-02 09:00:00", "2026-03-02 09:00:00", task_id),
    )
    assert store.claim_due_tasks("w", 10) == []
    assert next_send(store, task_id) == NINE + DAY
    assert states(store, task_id) == [(NINE, "delivered")]


def test_what_claim_tells_a_sender(store: Store, clock: FakeClock) -> None:
    add(store, timezone="Europe/Berlin", urgent=True)
    clock.advance(seconds=3)
    (taken,) = claim(store, "w", 1)
    assert isinstance(taken, Claim)
    assert (taken.timezone, taken.urgent, taken.missed, taken.due, taken.reason) == (
        "Europe/Berlin",
        True,
        0,
        NINE,
        None,
    )


def test_a_row_of_another_program_with_an_impossible_sender_does_not_stop_the_others(store: Store) -> None:
    store.database.sql(
        "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at) "
        "VALUES ('odd', 'chat', '', '', 'x', '2026-03-02 08:59:00')"
    )
    task_id = add(store)
    assert [each.id for each in store.claim_due_tasks("w", 10)] == ["odd", task_id]
