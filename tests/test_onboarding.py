"""Onboarding: one step at a time, each hint once, and nobody who is known is greeted as a stranger."""

from collections.abc import Iterator

import pytest

from omega_models import ContextNeeds, IncomingMessage, PromptTexts, Store, compute_onboarding_stage
from omega_models.testing import FakeClock

HINTS = ("zero", "one", "two", "three", "four", "")


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock(), prompt_texts=PromptTexts(hints=HINTS)) as opened:
        yield opened


def hint(store: Store, **more: object) -> str | None:
    context = store.build_context(IncomingMessage("telegram", 42, "ok", **more), "")  # type: ignore[arg-type]
    return context.sections.get("onboarding")


def know(store: Store, count: int) -> None:
    for n in range(count):
        store.store_fact(42, f"fact {n}", "x")


@pytest.mark.parametrize(
    ("stage", "facts", "has_tasks", "following"),
    [
        (0, 0, True, 0),
        (0, 9, True, 1),
        (1, 2, True, 1),
        (1, 3, False, 2),
        (2, 9, False, 2),
        (2, 0, True, 3),
        (3, 4, True, 3),
        (3, 5, False, 4),
        (4, 0, False, 5),
        (5, 9, True, 5),
        (7, 9, True, 7),
    ],
)
def test_one_step_at_a_time(stage: int, facts: int, has_tasks: bool, following: int) -> None:
    assert compute_onboarding_stage(stage, facts, has_tasks) == following


def test_each_hint_is_shown_once(store: Store) -> None:
    assert [hint(store) for _ in range(2)] == ["zero", None]
    know(store, 5)
    assert [hint(store) for _ in range(3)] == ["one", "two", None]
    store.create_task("telegram", 42, 42, "buy tea", "2026-02-01")
    assert [hint(store) for _ in range(4)] == ["three", "four", None, None]
    assert store.get_fact(42, "onboarding_stage") == "5"


@pytest.mark.parametrize(("facts", "stage"), [(1, "1"), (4, "2")])
def test_somebody_known_is_placed_silently(store: Store, facts: int, stage: str) -> None:
    know(store, facts)
    assert hint(store) is None
    assert store.get_fact(42, "onboarding_stage") == stage


def test_the_systems_own_facts_count_for_nothing(store: Store) -> None:
    store.store_fact(42, "welcomed", "true")
    store.store_fact(42, "preferred_language", "French")
    assert hint(store) == "zero"


def test_a_stage_nobody_can_read_is_none(store: Store) -> None:
    store.store_fact(42, "onboarding_stage", "soon")
    assert hint(store) == "zero"
    store.store_fact(42, "onboarding_stage", "99999")
    assert hint(store) is None
    assert store.get_fact(42, "onboarding_stage") == "5"


def test_no_hints_in_groups_or_without_a_profile(store: Store) -> None:
    assert hint(store, is_group=True, reply_target=7) is None
    message = IncomingMessage("telegram", 42, "ok")
    assert "onboarding" not in store.build_context(message, "", ContextNeeds(profile=False)).sections
    assert store.get_fact(42, "onboarding_stage") is None
