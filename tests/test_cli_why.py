"""`omega-worker tasks why`: each state a task can be in, in words."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from omega_models import Store
from omega_models.presence import beat
from omega_models.rows import fetch
from omega_models.testing import FakeClock
from omega_worker.commands.why import case_of, explanation

DUE = "2026-03-02 09:00"  # a Monday
NOBODY = "Nobody has sent it, since no live worker serves its channel."
UNSERVED = "No live worker serves channel 'console' for reminders: start one with `omega-worker run`."


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-02 08:00")


@pytest.fixture
def store(clock: FakeClock) -> Iterator[Store]:
    with Store(":memory:", clock=clock) as opened:
        yield opened


def add(store: Store, repeat: str | None = None) -> str:
    return store.create_task("console", "owner", "owner", "Call John", DUE, repeat)


def said(store: Store, task: str) -> list[str]:
    row = fetch(store, task)
    assert row is not None
    return list(explanation(case_of(store, row)))


def attempt(store: Store, outcome: str, **result: object) -> None:
    (claimed,) = store.claim_due_tasks("worker-1", 10)
    assert store.settle(claimed.token, outcome, **result)  # type: ignore[arg-type]


def test_waiting(store: Store) -> None:
    assert said(store, add(store)) == [
        "It waits for its time and is sent on Mon 2 Mar 09:00 UTC, in 1 h.",
        UNSERVED,
    ]


def test_a_live_worker_is_named(store: Store, clock: FakeClock) -> None:
    beat(store, "worker-1", ["console"], ["reminder"])
    clock.advance(seconds=12)
    assert said(store, add(store))[1] == "Channel 'console' is served by worker-1 (seen 12 s ago)."


def test_due_and_served_by_nobody(store: Store, clock: FakeClock) -> None:
    task = add(store)
    clock.advance(hours=2)
    assert said(store, task) == [
        f"It has been due since Mon 2 Mar 09:00 UTC, 1 h ago. {NOBODY}",
        UNSERVED,
    ]


def test_due_and_served(store: Store, clock: FakeClock) -> None:
    task = add(store)
    clock.advance(hours=2)
    beat(store, "worker-1", ["console"], ["reminder"])
    assert said(store, task)[0].endswith(" 1 h ago. It goes out at any moment.")


def test_being_sent(store: Store, clock: FakeClock) -> None:
    task = add(store)
    clock.advance(hours=1)
    store.claim_due_tasks("worker-1", 10)
    assert said(store, task)[0] == (
        "It is being sent right now by worker worker-1 (attempt 1). Should that worker die, another one "
        "sends it under the same key once the lease has ended: Mon 2 Mar 09:01 UTC, in 1 min."
    )
    clock.advance(minutes=5)
    assert said(store, task)[0] == (
        "It was taken by worker worker-1 (attempt 1), whose lease ended on Mon 2 Mar 09:01 UTC, 4 min ago without "
        "a word: that worker is gone or stuck, and the next one that looks sends it again under the same key."
    )


def test_to_be_tried_again(store: Store, clock: FakeClock) -> None:
    task = add(store)
    clock.advance(hours=1)
    attempt(store, "retry", error="HTTP 503", retry_after=timedelta(minutes=3))
    assert said(store, task)[0] == (
        "Attempt 1 failed (HTTP 503); the next one is made on Mon 2 Mar 09:03 UTC, in 3 min."
    )
    clock.advance(minutes=3)
    attempt(store, "ambiguous", error="no answer", retry_after=timedelta(minutes=3))
    assert said(store, task)[0].startswith(
        "Attempt 2 may have arrived or not (no answer); the next one is made"
    )


@pytest.mark.parametrize(("until", "distance"), [("10:30", "2 h 30 min"), ("08:10", "10 min")])
def test_moved(until: str, distance: str, store: Store) -> None:
    task = add(store)
    store.snooze_task(task, "owner", f"2026-03-02 {until}")
    assert said(store, task)[0] == (
        f"It was moved (snoozed) from Mon 2 Mar 09:00 UTC and is sent on Mon 2 Mar {until} UTC, in {distance}."
    )


def test_a_series_tells_what_was_and_what_follows(store: Store, clock: FakeClock) -> None:
    task = add(store, "daily")
    clock.advance(hours=1)
    attempt(store, "delivered")
    assert said(store, task) == [
        "It waits for its time and is sent on Tue 3 Mar 09:00 UTC, in 1 day.",
        "It repeats (daily): after that it comes on Wed 4 Mar 09:00 UTC, Thu 5 Mar 09:00 UTC, Fri 6 Mar 09:00 UTC.",
        "Its occurrence of Mon 2 Mar 09:00 UTC was delivered (0 ms late).",
        UNSERVED,
    ]
    clock.advance(days=1)
    attempt(store, "failed", error="HTTP 410")
    assert said(store, task)[2:4] == [
        "Its occurrence of Tue 3 Mar 09:00 UTC failed (HTTP 410).",
        f"2 occurrences are over; `omega-worker tasks show {task[:8]}` lists them.",
    ]


def test_the_last_of_a_series(store: Store) -> None:
    assert said(store, add(store, "RRULE:FREQ=DAILY;COUNT=1"))[1].endswith(": this is the last time.")


def test_delivered(store: Store, clock: FakeClock) -> None:
    task = add(store)
    clock.advance(hours=1, seconds=2)
    attempt(store, "delivered")
    assert said(store, task) == [
        "It was delivered on Mon 2 Mar 09:00:02 UTC, now. Nothing more is sent of it.",
        "Its occurrence of Mon 2 Mar 09:00 UTC was delivered (2.0 s late).",
    ]


def test_failed(store: Store, clock: FakeClock) -> None:
    task = add(store)
    clock.advance(hours=1)
    attempt(store, "failed", error="HTTP 410")
    assert said(store, task) == [
        f"It failed: HTTP 410. It is not sent by itself any more; `omega-worker tasks retry {task[:8]}` sends it once more."
    ]


def test_cancelled_and_paused(store: Store) -> None:
    task = add(store)
    store.pause_task(task, "owner")
    assert said(store, task) == [
        f"It is paused: nothing is sent until `omega-worker tasks resume {task[:8]}`.",
        UNSERVED,
    ]
    store.cancel_task(task, "owner")
    assert said(store, task) == ["It was cancelled: nothing more is sent of it."]
