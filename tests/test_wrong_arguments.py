"""What a call cannot take: a `ValueError` that says so, a `TypeError` too where the type is wrong; nothing written."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omega_models import (
    AuditEntry,
    AuditLogger,
    IncomingMessage,
    InvalidArgument,
    InvalidId,
    InvalidText,
    InvalidTime,
    InvalidTimezone,
    OutgoingMessage,
    Store,
    WrongType,
    build_system_prompt,
    compute_onboarding_stage,
    detect_language,
    format_user_profile,
    next_occurrence,
)
from omega_models.testing import FakeClock

pytestmark = pytest.mark.mostly_sqlite  # what is refused before a database is asked
MESSAGE = IncomingMessage("telegram", 42, "hello", platform_message_id=1)
HUGE = 10**5000  # Python refuses to write it out


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock()) as opened:
        yield opened


CALLS: dict[str, tuple[type[Exception], Callable[[Store], Any]]] = {
    "a text for a message": (WrongType, lambda store: store.build_context("hello", "")),
    "nothing for a message": (WrongType, lambda store: store.receive(None)),
    "needs that are none": (WrongType, lambda store: store.build_context(MESSAGE, "", {"recall": False})),
    "a number for the base prompt": (InvalidText, lambda store: store.build_context(MESSAGE, 7)),
    "yes for a sender": (InvalidId, lambda store: store.get_facts(True)),
    "a number of thousands of digits": (InvalidId, lambda store: store.get_facts(HUGE)),
    "a limit with a fraction": (WrongType, lambda store: store.get_history("c", 1, 1.5)),
    "a limit below zero": (InvalidArgument, lambda store: store.get_history("c", 1, -1)),
    "a project that is a number": (InvalidText, lambda store: store.get_or_create_conversation("c", 1, 0)),
    "metadata that is a list": (
        WrongType,
        lambda store: store.append_message("c", "user", "x", metadata=[1]),
    ),
    "metadata of an answer": (
        WrongType,
        lambda store: store.store_exchange(MESSAGE, OutgoingMessage("x", "meta")),
    ),
    "a role nobody has": (InvalidArgument, lambda store: store.append_message("c", "system", "x")),
    "hours that are a text": (WrongType, lambda store: store.get_all_recent_outcomes("1", 1)),
    "hours that are no number": (
        InvalidArgument,
        lambda store: store.get_all_recent_outcomes(float("nan"), 1),
    ),
    "a score beyond its range": (InvalidArgument, lambda store: store.store_outcome(1, "d", 2, "l")),
    "one token that is a number": (WrongType, lambda store: store.release_claims(5)),
    "channels that are a number": (WrongType, lambda store: store.claim_due_tasks("w", 1, channels=5)),
    "a lease in seconds": (WrongType, lambda store: store.claim_due_tasks("w", 1, 60)),
    "a lease of no time": (InvalidArgument, lambda store: store.claim_due_tasks("w", 1, timedelta(0))),
    "an outcome nobody knows": (InvalidArgument, lambda store: store.settle("t", "lost")),
    "a delay that is a text": (WrongType, lambda store: store.settle("t", "retry", retry_after="5")),
    "a list for a person's tasks": (InvalidId, lambda store: store.list_tasks([1])),
    "records that are a number": (WrongType, lambda store: store.import_records(5)),
    "an entry that is a text": (WrongType, lambda store: AuditLogger(store).log("hello")),
    "entries that are a text": (WrongType, lambda store: AuditLogger(store).log_all("hello")),
    "a duration of years": (
        InvalidArgument,
        lambda store: AuditLogger(store).log(AuditEntry("c", 1, "hi", processing_ms=2**31)),
    ),
    "a status nobody knows": (InvalidArgument, lambda store: AuditLogger(store).recent(1, status="fine")),
}


@pytest.mark.parametrize("call", CALLS)
def test_it_is_refused_in_so_many_words(store: Store, call: str) -> None:
    error, made = CALLS[call]
    with pytest.raises(error) as refused:
        made(store)
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, TypeError) == (error is WrongType)
    assert str(refused.value)
    assert store.find_all_active_conversations() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"needs": None},
        {"base_system_prompt": 7},
        {"base_system_prompt": "a\0b"},
        {"token_budget": "much"},
        {"token_budget": -1},
        {"project": 7},
    ],
)
def test_an_exchange_that_cannot_be_asked_stores_no_message(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))), store.exchange(MESSAGE, **wrong):
        pass
    assert store.find_all_active_conversations() == []
    assert store.receive(MESSAGE).is_new


OPTIONS: list[tuple[type[Exception], dict[str, Any]]] = [
    (WrongType, {"url": None}),
    (WrongType, {"conversation_timeout": 120}),
    (WrongType, {"clock": datetime(2026, 1, 1, tzinfo=UTC)}),
    (WrongType, {"count_tokens": 4}),
    (WrongType, {"detect": "English"}),
    (WrongType, {"prompt_texts": {"bot_name": "Ada"}}),
    (WrongType, {"default_timezone": HUGE}),
    (WrongType, {"file_mode": "0600"}),
    (InvalidTimezone, {"default_timezone": "Mars/Olympus"}),
    (InvalidArgument, {"durability": "some"}),
    (InvalidArgument, {"max_text": -1}),
]


@pytest.mark.parametrize(
    ("error", "options"),
    OPTIONS,
    ids=lambda given: next(iter(given), None) if isinstance(given, dict) else given.__name__,
)
def test_a_store_says_which_option_it_cannot_take(error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error, match=next(iter(options)).replace("default_", "")[:4]):
        Store(**{"url": ":memory:"} | options)


FUNCTIONS: dict[str, tuple[type[Exception], Callable[[], Any]]] = {
    "a language of a number": (WrongType, lambda: detect_language(5)),  # type: ignore[arg-type]
    "facts that are texts": (WrongType, lambda: format_user_profile(["name"])),  # type: ignore[list-item]
    "lessons that are pairs": (WrongType, lambda: build_system_prompt("", lessons=[("a", "b")])),  # type: ignore[list-item]
    "a zone nobody knows": (InvalidTimezone, lambda: build_system_prompt("", timezone="Mars")),
    "a stage that is a text": (WrongType, lambda: compute_onboarding_stage("1", 0, False)),  # type: ignore[arg-type]
    "a time of thousands of digits": (InvalidTime, lambda: next_occurrence("daily", HUGE, HUGE)),  # type: ignore[arg-type]
    "a zone of thousands of digits": (
        InvalidTimezone,
        lambda: next_occurrence("daily", "2026-01-01", "2026-01-01", HUGE),  # type: ignore[arg-type]
    ),
    "an attachment that is a text": (
        InvalidText,
        lambda: IncomingMessage("c", 1, "", attachments=["photo"]),  # type: ignore[list-item]
    ),
    "attachments that are a number": (
        WrongType,
        lambda: IncomingMessage("c", 1, "", attachments=5),  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("call", FUNCTIONS)
def test_a_function_refuses_it_too(call: str) -> None:
    error, made = FUNCTIONS[call]
    with pytest.raises(error) as refused:
        made()
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("moment", ["0001-01-01 00:00:01", "9999-12-31 23:59:59"])
def test_the_ends_of_the_calendar_have_no_local_time_and_are_shown_in_utc(
    store: Store, zone: str, moment: str
) -> None:
    store.store_fact(42, "timezone", zone)
    conversation = store.get_or_create_conversation("telegram", 42)
    store.append_message(conversation, "user", "my sister moved to Norway", timestamp=moment)
    store.close_conversation(conversation, "about Norway")
    shown = store.build_context(IncomingMessage("telegram", 42, "Where is my sister?"), "")
    assert "Norway" in shown.sections["recall"]
