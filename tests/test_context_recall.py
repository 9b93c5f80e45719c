"""What a context recalls: passages with their dates and speakers, as many as the budget has room for."""

from collections.abc import Iterator
from typing import Any

import pytest

from omega_models import Context, IncomingMessage, PromptTexts, Store, gathering
from omega_models.passages import excerpt
from omega_models.testing import FakeClock

QUESTION = "How old is the greyhound?"
FILLER = "and so on and so forth " * 10


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-06-01 12:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def tell(store: Store, *said: tuple[str, str], names: tuple[str, str] | None = None) -> None:
    """A conversation of its own, which is over."""
    conversation = store.get_or_create_conversation("telegram", 42)
    for role, text in said:
        name = names[role == "assistant"] if names else None
        store.append_message(conversation, role, text, sender_name=name)
    store.close_conversation(conversation, "")


def build(store: Store, text: str = QUESTION, **more: Any) -> Context:
    return store.build_context(IncomingMessage("telegram", 42, text), "", **more)


def recalled(store: Store, text: str = QUESTION, **more: Any) -> list[str]:
    """The lines, without their dates."""
    lines = build(store, text, **more).sections.get("recall", "").splitlines()[1:]
    return [line.partition("] ")[2] for line in lines]


def test_lines_say_when_in_the_senders_zone_and_who(store: Store) -> None:
    tell(store, ("user", "My greyhound turned three"), names=("Ada", "Omega"))
    store.store_fact(42, "timezone", "Europe/Berlin")
    assert build(store).sections["recall"].splitlines()[1:] == [
        "- [2026-06-01 14:00 CEST] Ada: My greyhound turned three"
    ]


# Passages


def test_a_fragment_comes_with_what_it_answers(store: Store) -> None:
    tell(store, ("assistant", "Congratulations on the greyhound! How old is it?"), ("user", "Three years"))
    assert recalled(store) == ["Omega: Congratulations on the greyhound! How old is it? — User: Three years"]


def test_a_fragment_that_begins_comes_with_what_follows(memory_url: str) -> None:
    with Store(memory_url, prompt_texts=PromptTexts(user="You")) as store:
        tell(store, ("user", "A greyhound!"), ("assistant", "What a fine thing to have in the house"))
        assert recalled(store)[0] == "You: A greyhound! — Omega: What a fine thing to have in the house"


def test_a_passage_is_no_longer_than_a_message(store: Store) -> None:
    tell(store, ("assistant", FILLER + "How old is the greyhound?"), ("user", "Three years"))
    line = recalled(store)[0]
    assert line.startswith("Omega: …")
    assert line.endswith("How old is the greyhound? — User: Three years")
    assert len(line) == len("Omega: ") + 200


def test_a_long_name_leaves_room_for_what_was_said(store: Store) -> None:
    tell(store, ("assistant", FILLER), ("user", "A greyhound"), names=("N" * 300, "O" * 300))
    line = recalled(store)[0]
    assert line.endswith("N…: A greyhound")
    assert len(line) <= 300 + len(": ") + 200


def test_a_fragment_whose_neighbour_is_shown_stands_alone(store: Store) -> None:
    tell(store, ("user", "The greyhound sleeps in the old wooden boat"), ("assistant", "A greyhound?"))
    assert sorted(recalled(store, "Where does the greyhound sleep?")) == [
        "Omega: A greyhound?",
        "User: The greyhound sleeps in the old wooden boat",
    ]


def test_the_same_words_are_shown_once(store: Store) -> None:
    for _ in range(3):
        tell(store, ("user", "My greyhound turned three this week"))
    assert recalled(store) == ["User: My greyhound turned three this week"]


def test_of_a_long_message_the_words_asked_for_are_seen() -> None:
    end, middle = f"{FILLER}The greyhound is three", f"{FILLER}Greyhounds are tall. {FILLER}{FILLER}"
    assert excerpt(end, {"grey"}) == "…" + end[-199:]
    assert excerpt(middle, {"grey"}).startswith("…forth and so on and so forth Greyhounds are tall. and")
    assert len(excerpt(middle, {"grey"})) in range(190, 201)


@pytest.mark.parametrize("text", [f"The greyhound is three {FILLER}", FILLER, "unspaced" * 40])
def test_else_its_beginning_is_seen(text: str) -> None:
    found = excerpt(text, {"grey"})
    assert found.endswith("…")
    assert text.startswith(found[:-1])
    assert len(found) in range(190, 201)


def test_scripts_without_spaces_are_cut_where_they_match() -> None:
    assert "灰犬" in excerpt("天気" * 150 + "。灰犬は三歳", {"灰犬"})


# What is shown elsewhere


def test_what_the_history_no_longer_holds_is_recalled(memory_url: str, clock: FakeClock) -> None:
    with Store(memory_url, clock=clock, max_context_messages=2) as store:
        for text in ("My greyhound turned three this week", "It rains again in this town", "I had soup"):
            store.store_exchange(IncomingMessage("telegram", 42, text), f"I see, {text}")
        context = build(store)
        assert [message.content for message in context.history] == ["I had soup", "I see, I had soup"]
        assert "User: My greyhound turned three this week" in recalled(store)


def test_words_that_stand_in_the_history_are_not_recalled(store: Store) -> None:
    tell(store, ("user", "My greyhound turned three this week"))
    store.store_exchange(IncomingMessage("telegram", 42, "My greyhound turned three this week"), "Again?")
    assert recalled(store) == []


# Room


def fill(store: Store) -> None:
    for n in range(60):
        tell(store, ("user", f"Note {n} about the greyhound: " + "it ran around the pond " * 3))


def test_without_a_budget_five_at_most(store: Store) -> None:
    fill(store)
    assert len(recalled(store)) == gathering.RECALLED == 5


def test_a_budget_is_filled_with_the_best(store: Store) -> None:
    fill(store)
    five = recalled(store)
    counts = {}
    for budget in (0, 150, 300, 600, 1200, 100_000):
        lines = recalled(store, token_budget=budget)
        context = build(store, token_budget=budget)
        assert context.over_budget or len(context.system_prompt) / 4 <= budget
        assert lines[:5] == five[: len(lines)]
        counts[budget] = len(lines)
    assert counts[0] == 0 < counts[150] < 5 < counts[600] < counts[1200] <= gathering.MOST_RECALLED
    assert counts[100_000] == gathering.MOST_RECALLED


def test_history_comes_before_more_of_recall(store: Store) -> None:
    fill(store)
    for n in range(8):
        store.store_exchange(IncomingMessage("telegram", 42, f"Talk {n}: " + "hello " * 20), "yes " * 20)
    rich, poor = build(store, token_budget=5000), build(store, token_budget=800)
    assert len(rich.history) == len(poor.history) == 16
    assert len(rich.sections["recall"].splitlines()) > len(poor.sections["recall"].splitlines())


def test_a_counter_that_counts_more_for_the_whole_is_heeded(memory_url: str) -> None:
    with Store(memory_url, count_tokens=lambda text: 10 + len(text)) as store:
        fill(store)
        context = build(store, token_budget=2500)
        assert not context.over_budget
        assert store.count_tokens(context.system_prompt) + store.count_tokens(QUESTION) <= 2500
        assert len(context.sections["recall"].splitlines()) > 6


def test_with_an_embedding_the_context_finds_other_words(memory_url: str, clock: FakeClock) -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[float("dog" in text or "hound" in text), 0.1] for text in texts]

    with Store(memory_url, clock=clock, embed=embed) as store:
        tell(store, ("user", "We had soup in the evening, I think"))
        tell(store, ("user", "My greyhound turned three this week"))
        assert recalled(store, "Tell me of dogs")[0] == "User: My greyhound turned three this week"
