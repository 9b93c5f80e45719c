import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from omega_jobs.close_idle import Closing, close_idle_once
from omega_jobs.summary import EMPTY
from omega_models import Store
from omega_models.presence import take_lease
from omega_models.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01 09:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def talk(store: Store, *said: str, sender: str = "7") -> str:
    conversation = store.get_or_create_conversation("telegram", sender)
    for text in said:
        store.append_message(conversation, "user", text)
    return conversation


def summary(store: Store, sender: str = "7") -> list[str]:
    return [each.summary for each in store.get_history("telegram", sender, 9)]


def test_an_idle_conversation_is_closed_with_a_summary_and_its_session_cleared(
    store: Store, clock: FakeClock
) -> None:
    talk(store, "Please move the dentist appointment to Tuesday.")
    store.store_session("telegram", "7", "", "session-1")
    clock.advance(minutes=119, seconds=59)
    assert close_idle_once(store, "w") == 0
    clock.advance(seconds=1)
    assert close_idle_once(store, "w") == 1
    assert summary(store) == ["Please move the dentist appointment to Tuesday."]
    assert store.get_session("telegram", "7", "") is None
    assert close_idle_once(store, "w") == 0


def test_nothing_was_said(store: Store, clock: FakeClock) -> None:
    talk(store)
    clock.advance(hours=3)
    assert close_idle_once(store, "w") == 1
    assert summary(store) == [EMPTY]


def test_a_message_that_arrives_meanwhile_wins(store: Store, clock: FakeClock) -> None:
    conversation = talk(store, "Hello there, garden fence.")
    clock.advance(hours=3)

    def slow(_: list[tuple[str, str]]) -> str:
        store.append_message(conversation, "user", "Wait, one more thing.")
        return "a summary"

    told: list[Closing] = []
    assert close_idle_once(store, "w", slow, tell=told.append) == 0
    assert told == [Closing(conversation, closed=False)]
    assert [each.id for each in store.find_all_active_conversations()] == [conversation]


@pytest.mark.parametrize("answer", [RuntimeError("secret words"), "", None, 7])
def test_a_failing_summariser_keeps_no_conversation_open(
    store: Store, clock: FakeClock, answer: object
) -> None:
    talk(store, "The garden fence needs paint.")
    clock.advance(hours=3)

    def failing(_: list[tuple[str, str]]) -> str:
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    told: list[Closing] = []
    assert close_idle_once(store, "w", failing, tell=told.append) == 1
    assert summary(store) == ["The garden fence needs paint."]
    assert told[0].trouble in ("RuntimeError", "no summary returned")


def test_a_summariser_that_never_returns(store: Store, clock: FakeClock) -> None:
    talk(store, "The garden fence needs paint.")
    clock.advance(hours=3)
    released = threading.Event()

    def hanging(_: list[tuple[str, str]]) -> str:
        released.wait(30)
        return "too late"

    told: list[Closing] = []
    try:
        closed = close_idle_once(store, "w", hanging, tell=told.append, patience=timedelta(milliseconds=50))
    finally:
        released.set()
    assert closed == 1
    assert told[0].trouble == "TimeoutError"
    assert summary(store) == ["The garden fence needs paint."]


def test_another_worker_is_at_it(store: Store, clock: FakeClock) -> None:
    conversation = talk(store, "Hello")
    clock.advance(hours=3)
    assert take_lease(store, f"close {conversation}", "other", timedelta(minutes=5))
    assert close_idle_once(store, "w") == 0
    clock.advance(minutes=6)
    assert close_idle_once(store, "w") == 1


def test_everything_at_shutdown(store: Store) -> None:
    talk(store, "Hello", sender="1")
    talk(store, "Hello", sender="2")
    assert close_idle_once(store, "w", everything=True) == 2
    assert store.find_all_active_conversations() == []


def test_a_summary_of_the_callers_own(store: Store, clock: FakeClock) -> None:
    conversation = talk(store, "My name is on the list.")
    store.append_message(conversation, "assistant", "Good.")
    clock.advance(hours=3)
    seen: list[list[tuple[str, str]]] = []

    def mine(said: list[tuple[str, str]]) -> str:
        seen.append(said)
        return "a list was talked about"

    close_idle_once(store, "w", mine)
    assert seen == [[("user", "My name is on the list."), ("assistant", "Good.")]]
    assert summary(store) == ["a list was talked about"]
