"""The same reminder asked for twice is one; two that only look alike are two."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from raw_rows import change

from omega_models import Store
from omega_models.similarity import significant_words, similar
from omega_models.testing import FakeClock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
WORDS = "call john about the boat insurance"
HALF = timedelta(minutes=30)
SECOND = timedelta(seconds=1)
ASKED = {
    "channel": "chat",
    "sender_id": "me",
    "reply_target": "me",
    "description": WORDS,
    "due_at": NINE,
    "repeat": None,
    "task_type": "reminder",
    "project": "",
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NINE - timedelta(hours=1))


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def add(store: Store, **more: Any) -> str:
    return store.create_task(**(ASKED | more))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (WORDS, WORDS, True),
        (WORDS, "CALL John... about BOAT-insurance!", True),
        ("call john boat insurance", "call john sister birthday", True),  # 2 of 4
        ("call john boat insurance", "call mary sister birthday", False),  # 1 of 4
        ("call john boat", "call john sister birthday cake", True),  # 2 of 3: half, rounded up
        ("call john boat", "call mary sister birthday cake", False),  # 1 of 3
        ("call john", "call john", False),  # too little to judge by
        ("call john boat", "call john", False),
        ("go to it", "go to it", False),
        ("boat boat boat boat", "boat boat boat boat", False),  # unique words count
        ("pay the rent every month", "pay the rent every month", False),
        ("buy milk bread eggs", "milk, bread & eggs: buy!", True),
        ("купить молоко хлеб яйца", "Купить ХЛЕБ яйца сыр", True),
        ("müll für die tonne rausbringen", "Müll Tonne rausbringen", True),
        ("buy_milk_bread_eggs", "buy milk bread eggs", True),
        ("", "", False),
        ("🎂🎂🎂 🎁🎁🎁 🎈🎈🎈", "🎂🎂🎂 🎁🎁🎁 🎈🎈🎈", False),
    ],
)
def test_what_is_similar(one: str, other: str, expected: bool) -> None:
    assert similar(one, other) is expected
    assert similar(other, one) is expected


@pytest.mark.parametrize(
    "text",
    [
        "the and for that this with you",
        "para que los las del",
        "por uma não com para",
        "pour les des dans avec",
        "und der die das nicht",
        "che per non della sono",
        "het een van voor niet",
        "это как что для или",
        "daily weekly monthly yearly weekdays every day",
        "täglich wöchentlich jeden Tag",
        "a b cd ef",
    ],
)
def test_words_that_tell_nothing_do_not_count(text: str) -> None:
    assert significant_words(text) == frozenset()


def test_the_same_again_is_the_same_task(store: Store) -> None:
    first = add(store)
    made = store.add_task(**(ASKED | {"description": "About the boat: call John!"}))
    assert (made.id, made.created, made.similar_to, made.scheduled_for) == (first, False, first, NINE)
    assert len(store.list_tasks(status=None)) == 1


def test_what_was_found_is_described_and_not_what_was_asked_for(store: Store) -> None:
    add(store, repeat="daily", timezone="Europe/Berlin")
    made = store.add_task(**(ASKED | {"repeat": "daily", "due_at": NINE + timedelta(minutes=10)}))
    assert made.scheduled_for == NINE
    assert made.local_time.isoformat() == "2026-03-02T10:00:00+01:00"
    assert made.next[0] == NINE + timedelta(days=1)


@pytest.mark.parametrize(
    ("apart", "same"),
    [(timedelta(0), True), (HALF, True), (-HALF, True), (HALF + SECOND, False), (-HALF - SECOND, False)],
)
def test_within_half_an_hour(store: Store, apart: timedelta, same: bool) -> None:
    first = add(store)
    assert (add(store, due_at=NINE + apart) == first) is same


@pytest.mark.parametrize(
    "different",
    [
        {"channel": "mail"},
        {"sender_id": "you"},
        {"reply_target": "room"},
        {"project": "boat"},
        {"task_type": "action"},
        {"repeat": "daily"},
        {"repeat": "cron:0 9 * * *"},
    ],
)
@pytest.mark.parametrize("dedupe", ["similar", "exact"])
def test_anything_else_that_differs_makes_it_another(
    store: Store, different: dict[str, Any], dedupe: str
) -> None:
    add(store)
    assert store.add_task(**(ASKED | different), dedupe=dedupe).created
    assert len(store.list_tasks()) == 2


def test_the_same_repeat_in_other_letters_is_the_same(store: Store) -> None:
    first = add(store, repeat="Weekly")
    assert add(store, repeat="weekly") == first
    assert add(store, repeat=None) == add(store, repeat="ONCE") != first


@pytest.mark.parametrize("end", ["cancel", "deliver", "fail", "pause"])
def test_only_pending_ones_count(store: Store, clock: FakeClock, end: str) -> None:
    first = add(store)
    clock.now = NINE
    if end == "cancel":
        store.cancel_task(first, "me")
    elif end == "deliver":
        store.complete_task(first)
    elif end == "fail":
        store.fail_task(first, "broken", 1)
    else:
        store.pause_task(first, "me")
    assert add(store) != first


def test_exact_wants_the_same_words_and_the_same_instant(store: Store) -> None:
    first = add(store)
    assert add(store, dedupe="exact", description=f" {WORDS}\n") == first
    assert add(store, dedupe="exact", due_at="2026-03-02T10:00+01:00") == first
    assert add(store, dedupe="exact", description=WORDS.upper()) != first
    assert add(store, dedupe="exact", due_at=NINE + SECOND) != first


def test_short_words_are_doubles_only_where_they_are_the_same(store: Store) -> None:
    first = add(store, description="call john")
    assert add(store, description="call john") == first
    assert add(store, description="call john", due_at=NINE + SECOND) != first
    assert add(store, description="John call") != first


def test_off_always_adds(store: Store) -> None:
    assert add(store, dedupe="off") != add(store, dedupe="off")


def test_a_claimed_or_put_off_one_is_compared_by_its_instant(store: Store, clock: FakeClock) -> None:
    first = add(store)
    store.defer_task(first, NINE + timedelta(hours=5))
    assert add(store) == first
    clock.now = NINE + timedelta(hours=5)
    store.claim_due_tasks("w", 1)
    assert add(store) == first


def test_a_series_is_compared_by_its_present_occurrence(store: Store, clock: FakeClock) -> None:
    first = add(store, repeat="daily")
    clock.now = NINE
    store.complete_task(first)
    assert add(store, repeat="daily", due_at=NINE + timedelta(days=1)) == first
    assert add(store, repeat="daily") != first


def test_a_row_of_another_program_is_found_too(store: Store) -> None:
    change(
        store,
        "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat) "
        "VALUES ('theirs', 'chat', 'me', 'me', ?, '2026-03-02T09:05:00Z', 'daily')",
        WORDS,
    )
    made = store.add_task(**(ASKED | {"repeat": "daily"}))
    assert (made.id, made.created, made.scheduled_for) == ("theirs", False, NINE + timedelta(minutes=5))


@pytest.mark.parametrize("at", ["9999-12-31 23:50", "0001-01-01 00:10"])
def test_the_ends_of_the_calendar_have_no_half_hour_beyond(store: Store, at: str) -> None:
    assert add(store, due_at=at) == add(store, due_at=at)


def test_every_text_can_be_compared(store: Store) -> None:
    for text in ("%_'\";--", "x" * 100_000, "a " * 50_000, "שלום שלום שלום", "👩‍👩‍👧 👩‍👩‍👧", "\\N{BELL}"):
        assert add(store, description=text) == add(store, description=text)
