"""The context of an answer: what stands in it, what it costs, and what it leaves alone."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from omega_models import Context, ContextNeeds, IncomingMessage, Message, Store
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

OFF = ContextNeeds(recall=False, pending_tasks=False, profile=False, summaries=False, outcomes=False)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-01-05 12:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def message(text: str = "Where does my sister live now?", **more: Any) -> IncomingMessage:
    return IncomingMessage("telegram", 42, text, **more)


def fill(store: Store) -> None:
    """Something for every block."""
    store.store_exchange(
        message("My sister moved to a lighthouse in Norway", sender_name="Ada"), "How lovely!"
    )
    store.close_current_conversation("telegram", 42)
    past = store.get_or_create_conversation("telegram", 42)
    store.close_conversation(past, "talked about boats")
    store.store_fact(42, "name", "Ada")
    store.store_fact(42, "timezone", "Europe/Oslo")
    store.store_fact(42, "preferred_language", "Norwegian")
    store.create_task("telegram", 42, 42, "water the cactus", "2026-02-01 09:00", timezone="Europe/Oslo")
    store.store_lesson(42, "chat", "be brief")
    store.store_outcome(42, "chat", 1, "liked it")


def blocks(context: Context) -> str:
    return " ".join(context.sections)


def test_everything_in_its_order(store: Store) -> None:
    fill(store)
    context = store.build_context(message(), "Base.")
    assert context.sections == {
        "base": "Base.",
        "profile": "User profile:\n- name: Ada\n- timezone: Europe/Oslo",
        "summaries": "Recent conversation history:\n- [2026-01-05 13:00 CET] talked about boats",
        "recall": "Related past context:\n"
        "- [2026-01-05 13:00 CET] Ada: My sister moved to a lighthouse in Norway\n"
        "- [2026-01-05 13:00 CET] Omega: How lovely!",
        "tasks": f"User's scheduled tasks:\n- [{store.get_tasks_for_sender(42)[0].id[:8]}] water the cactus "
        "(due: 2026-02-01 09:00 CET, once)",
        "lessons": "Learned behavioral rules:\n- [chat] be brief",
        "outcomes": "Recent outcomes:\n- [+] chat: liked it (0m ago)",
        "language": "Always answer in Norwegian.",
        "language_switch": context.sections["language_switch"],
    }
    assert context.system_prompt == "\n\n".join(context.sections.values())
    assert (context.current_message, context.history) == (message().text, [])
    assert context.conversation_id == store.get_active_conversation_id("telegram", 42)


@pytest.mark.parametrize(
    ("need", "block"),
    [
        ("recall", "recall"),
        ("pending_tasks", "tasks"),
        ("profile", "profile"),
        ("summaries", "summaries"),
        ("outcomes", "outcomes"),
    ],
)
def test_each_block_can_be_switched_off(store: Store, need: str, block: str) -> None:
    fill(store)
    context = store.build_context(message(), "", ContextNeeds(**{need: False}))
    assert set(store.build_context(message(), "").sections) - set(context.sections) == {block}


TOUCHES = {
    "recall": "recall",
    "pending_tasks": "scheduled_tasks",
    "summaries": '"summary"',
    "outcomes": '"outcomes"',
}


@pytest.mark.parametrize("need", TOUCHES)
def test_what_is_off_costs_no_query(clock: FakeClock, need: str) -> None:
    with Store(":memory:", clock=clock) as store:
        fill(store)
        off, on = (traced(store, ContextNeeds(**{need: wanted})) for wanted in (False, True))
    assert not [sql for sql in off if TOUCHES[need] in sql]
    assert [sql for sql in on if TOUCHES[need] in sql]


def test_without_the_profile_only_what_settles_the_answer_is_read(clock: FakeClock) -> None:
    with Store(":memory:", clock=clock) as store:
        fill(store)
        read = [sql for sql in traced(store, OFF) if '"facts"' in sql]
    assert len(read) == 1
    assert "preferred_language" in read[0]
    assert '"name"' not in read[0].partition("IN")[2]


def traced(store: Store, needs: ContextNeeds) -> list[str]:
    statements: list[str] = []
    driver(store.database).set_trace_callback(statements.append)
    store.build_context(message(), "", needs)
    driver(store.database).set_trace_callback(None)
    return statements


def test_one_moment_is_read_without_a_lock_and_then_written_at_once(clock: FakeClock) -> None:
    with Store(":memory:", clock=clock) as store:
        fill(store)
        statements = traced(store, ContextNeeds())
    marks = [sql for sql in statements if sql.startswith(("BEGIN", "COMMIT"))]
    assert marks == ["BEGIN DEFERRED", "COMMIT", "BEGIN IMMEDIATE", "COMMIT"]
    read = statements[statements.index("BEGIN DEFERRED") : statements.index("COMMIT")]
    assert not [sql for sql in read if sql.startswith(("INSERT", "UPDATE", "DELETE"))]


# History


def test_history_is_the_last_messages_oldest_first(memory_url: str, clock: FakeClock) -> None:
    with Store(memory_url, clock=clock, max_context_messages=3) as store:
        store.store_exchange(message("one"), "two")
        store.store_exchange(message("three"), "four")
        assert store.build_context(message(), "").history == [
            Message("assistant", "two"),
            Message("user", "three"),
            Message("assistant", "four"),
        ]


@pytest.mark.parametrize("known_by", [{}, {"platform_message_id": 7}, {"id": "own"}])
def test_the_message_itself_is_not_history(store: Store, known_by: dict[str, Any]) -> None:
    store.store_exchange(message("hello", platform_message_id=1), "hi")
    incoming = message("hello", **known_by)
    before = store.build_context(incoming, "").history
    store.receive(incoming)
    assert store.build_context(incoming, "").history == before == [("user", "hello"), ("assistant", "hi")]


def test_a_full_history_is_full_without_the_message_itself(memory_url: str, clock: FakeClock) -> None:
    with Store(memory_url, clock=clock, max_context_messages=2) as store:
        store.store_exchange(message("one"), "two")
        store.receive(message("three"))
        assert store.build_context(message("three"), "").history == [("user", "one"), ("assistant", "two")]


def test_an_exchange_asks_with_its_context(store: Store) -> None:
    fill(store)
    with store.exchange(message(), "Base.") as turn:
        assert turn.context.history == []
        assert "lighthouse" in turn.context.sections["recall"]
        turn.reply("In Norway.")
    assert store.build_context(message("Thanks"), "").history == [
        ("user", message().text),
        ("assistant", "In Norway."),
    ]


def test_history_is_not_recalled_again(store: Store) -> None:
    store.store_exchange(message("My sister moved to a lighthouse in Norway"), "How lovely!")
    context = store.build_context(message(), "")
    assert len(context.history) == 2
    assert "recall" not in context.sections


@pytest.mark.parametrize("text", ["ok", "what is it", "👍"])
def test_what_asks_for_nothing_recalls_nothing(store: Store, text: str) -> None:
    store.store_exchange(message("what is it, ok"), "that is it, ok 👍")
    store.close_current_conversation("telegram", 42)
    assert ("recall" in store.build_context(message(text), "").sections) is (text == "ok")


def test_the_conversation_goes_on_or_begins(store: Store, clock: FakeClock) -> None:
    first = store.build_context(message(), "").conversation_id
    clock.advance(minutes=100)
    assert store.build_context(message(), "").conversation_id == first
    clock.advance(minutes=100)
    assert store.build_context(message(), "").conversation_id == first
    clock.advance(minutes=121)
    assert store.build_context(message(), "").conversation_id != first
    assert store.build_context(message(), "", active_project="boat").conversation_id != first


def test_rules_and_outcomes_of_the_project(store: Store) -> None:
    store.store_lesson(42, "chat", "general")
    store.store_lesson(42, "chat", "about boats", "boat")
    store.store_outcome(42, "chat", 1, "a boat", project="boat")
    store.store_outcome(42, "chat", 1, "a house", project="house")
    general, boat = (store.build_context(message(), "", OFF, project) for project in (None, "boat"))
    assert "about boats" not in general.sections["lessons"]
    assert boat.sections["lessons"].splitlines()[1:] == ["- [chat] (boat) about boats", "- [chat] general"]
    found = store.build_context(message(), "", active_project="boat").sections["outcomes"]
    assert "a boat" in found
    assert "a house" not in found


def test_an_unreadable_zone_is_the_stores(store: Store) -> None:
    fill(store)
    store.store_fact(42, "timezone", "Atlantis/Capital")
    assert "12:00 UTC" in store.build_context(message(), "").sections["summaries"]


def test_other_people_are_not_in_it(store: Store) -> None:
    fill(store)
    other = store.build_context(IncomingMessage("telegram", 43, message().text), "")
    assert blocks(other) == "language onboarding language_switch"
    assert other.history == []


# Budget


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def counted(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, count_tokens=words) as opened:
        fill(opened)
        opened.store_exchange(message("one two three"), "four five")
        yield opened


def size(context: Context) -> int:
    parts = [context.system_prompt, context.current_message, *(each.content for each in context.history)]
    return sum(map(words, parts))


def test_a_budget_takes_history_then_recall_summaries_outcomes(counted: Store) -> None:
    whole = store_sizes(counted, None)
    states: list[tuple[int, str]] = []
    for budget in range(whole, 0, -1):
        context = counted.build_context(message(), "Base.", token_budget=budget)
        assert context.over_budget is (size(context) > budget)
        assert context.over_budget or size(context) <= budget
        if (state := (len(context.history), blocks(context))) not in states:
            states.append(state)
    rest = "base profile {}tasks lessons {}language language_switch"
    assert states == [
        (2, rest.format("summaries recall ", "outcomes ")),
        (1, rest.format("summaries recall ", "outcomes ")),
        (0, rest.format("summaries recall ", "outcomes ")),
        (0, rest.format("summaries ", "outcomes ")),
        (0, rest.format("", "outcomes ")),
        (0, rest.format("", "")),
        (0, "base profile tasks language language_switch"),
        (0, "base profile language language_switch"),
        (0, "base language language_switch"),
    ]


def test_over_budget_is_what_only_base_message_and_directives_can_be(counted: Store) -> None:
    least = counted.build_context(message(), "Base.", token_budget=0)
    assert least.over_budget
    assert blocks(least) == "base language language_switch"
    assert not counted.build_context(message(), "Base.", token_budget=size(least)).over_budget


def test_the_name_is_the_last_of_the_profile_to_go(counted: Store) -> None:
    for key in ("name", "aunt", "zebra"):
        counted.store_fact(42, key, "somebody")
    seen = []
    for budget in range(80):
        profile = counted.build_context(message(), "Base.", token_budget=budget).sections.get("profile", "")
        if profile and (not seen or seen[-1] != profile):
            seen.append(profile)
    assert seen[0] == "User profile:\n- name: somebody"
    assert all(more.startswith(less) for less, more in itertools.pairwise(seen))


def store_sizes(store: Store, budget: int | None) -> int:
    return size(store.build_context(message(), "Base.", token_budget=budget))


def test_the_best_evidence_is_the_last_to_go(counted: Store) -> None:
    whole = counted.build_context(message(), "Base.")
    less = counted.build_context(message(), "Base.", token_budget=store_sizes(counted, None) - 6)
    assert "How lovely" in whole.sections["recall"]
    assert "How lovely" not in less.sections["recall"]
    assert "lighthouse" in less.sections["recall"]


@pytest.mark.parametrize("budget", [-1, 1.5, True])
def test_a_budget_is_a_whole_number(store: Store, budget: Any) -> None:
    with pytest.raises(ValueError, match="token_budget"):
        store.build_context(message(), "", token_budget=budget)


def test_it_wants_a_message(store: Store) -> None:
    with pytest.raises(TypeError, match="IncomingMessage"):
        store.build_context("hello", "")  # type: ignore[arg-type]
