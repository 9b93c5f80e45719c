"""Outcomes, the lessons drawn from them, and what the assistant found it cannot do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omega_models import InvalidId, InvalidText, Lesson, Limitation, Outcome, Store
from omega_models.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def rules(found: list[Lesson]) -> list[str]:
    return [lesson.rule for lesson in found]


# Outcomes


def test_outcomes_come_newest_first(store: Store, clock: FakeClock) -> None:
    for score in (-1, 0, 1):
        store.store_outcome(42, "garden", score, f"score {score}")
        clock.advance(minutes=score + 1)
    found = store.get_recent_outcomes("42", 9)
    assert found[0] == Outcome(1, "garden", "score 1", NOON + timedelta(minutes=1))
    assert [outcome.score for outcome in found] == [1, 0, -1]
    assert store.get_recent_outcomes(42, 1) == found[:1]
    assert store.get_recent_outcomes(43, 9) == []


def test_outcomes_of_one_project_of_none_and_of_all(store: Store) -> None:
    for project in ("", "garden", "house", None):
        store.store_outcome(42, "d", 0, f"in {project}", project=project)
    for project, lessons in (
        (None, ["in None", "in house", "in garden", "in "]),
        ("", ["in None", "in "]),
        ("garden", ["in garden"]),
        ("car", []),
    ):
        assert [found.lesson for found in store.get_recent_outcomes(42, 9, project)] == lessons
        assert [found.lesson for found in store.get_all_recent_outcomes(1, 9, project)] == lessons


def test_everybodys_outcomes_of_the_last_hours(store: Store, clock: FakeClock) -> None:
    for sender in (1, 2, 3):
        store.store_outcome(sender, "d", 0, f"of {sender}")
        clock.advance(hours=1)
    assert [found.lesson for found in store.get_all_recent_outcomes(2, 9)] == ["of 3", "of 2"]
    assert [found.lesson for found in store.get_all_recent_outcomes(1.5, 9)] == ["of 3"]
    assert len(store.get_all_recent_outcomes(10**9, 2)) == 2
    assert store.get_all_recent_outcomes(0, 9) == []


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (ValueError, {"score": 2}),
        (ValueError, {"score": True}),
        (ValueError, {"score": 0.5}),
        (InvalidId, {"sender_id": ""}),
        (InvalidText, {"lesson": " "}),
        (InvalidText, {"domain": ""}),
        (InvalidText, {"project": "a\0b"}),
    ],
)
def test_an_outcome_that_makes_no_sense(store: Store, error: type[Exception], change: dict[str, Any]) -> None:
    with pytest.raises(error):
        store.store_outcome(**({"sender_id": 42, "domain": "d", "score": 0, "lesson": "l"} | change))
    with pytest.raises(ValueError, match="hours"):
        store.get_all_recent_outcomes(-1, 9)
    assert store.get_all_recent_outcomes(9, 9) == []


# Lessons


def test_a_known_lesson_counts_once_more_and_comes_to_the_front(store: Store) -> None:
    for rule in ("water less", "prune more", " water less "):
        store.store_lesson(42, "garden", rule)
    assert store.get_lessons(42) == [Lesson("garden", "water less", ""), Lesson("garden", "prune more", "")]
    counts = store.database.sql_rows("SELECT rule, occurrences FROM lessons ORDER BY rule")
    assert counts == [("prune more", 1), ("water less", 2)]


def test_a_lesson_keeps_its_id_and_its_beginning(store: Store, clock: FakeClock) -> None:
    sql = "SELECT id, created_at FROM lessons"
    store.store_lesson(42, "garden", "water less")
    before = store.database.sql_rows(sql)
    clock.advance(days=1)
    store.store_lesson(42, "garden", "water less")
    assert store.database.sql_rows(sql) == before


def test_beyond_ten_the_stalest_goes(store: Store, clock: FakeClock) -> None:
    for number in range(10):
        store.store_lesson(42, "garden", f"rule {number}")
        clock.advance(seconds=number % 2)
    store.store_lesson(42, "garden", "rule 0")
    store.store_lesson(42, "garden", "rule 10")
    assert rules(store.get_lessons(42)) == [f"rule {n}" for n in (10, 0, 9, 8, 7, 6, 5, 4, 3, 2)]


@pytest.mark.parametrize("other", [(43, "garden", ""), (42, "kitchen", ""), (42, "garden", "house")])
def test_the_ten_are_of_a_sender_a_domain_and_a_project(store: Store, other: tuple[int, str, str]) -> None:
    sender, domain, project = other
    store.store_lesson(sender, domain, "kept", project)
    for number in range(11):
        store.store_lesson(42, "garden", f"rule {number}")
    assert "kept" in rules(store.get_all_lessons())
    assert len(store.get_all_lessons()) == 11


def test_at_most_fifty_are_given(store: Store) -> None:
    for number in range(60):
        store.store_lesson(
            number % 2, f"domain {number // 9}", f"rule {number}", project="p" if number > 56 else ""
        )
    assert len(store.get_all_lessons()) == 50
    assert rules(store.get_all_lessons("p"))[:3] == ["rule 59", "rule 58", "rule 57"]
    assert len(store.get_all_lessons("p")) == 50


def test_a_projects_own_come_first_then_the_general_ones(store: Store) -> None:
    for project in ("garden", "", "house", "garden", ""):
        store.store_lesson(42, "d", f"{project or 'general'} {len(store.get_all_lessons())}", project)
    general = ["general 4", "general 1"]
    assert rules(store.get_lessons(42, "garden")) == ["garden 3", "garden 0", *general]
    assert rules(store.get_lessons(42, "car")) == general
    assert rules(store.get_lessons(42)) == rules(store.get_lessons(42, "")) == general
    assert store.get_lessons(43, "garden") == []
    assert rules(store.get_all_lessons()) == ["general 4", "garden 3", "house 2", "general 1", "garden 0"]
    assert rules(store.get_all_lessons("")) == general
    assert rules(store.get_all_lessons("house")) == ["house 2", *general]


def test_a_lesson_that_makes_no_sense(store: Store) -> None:
    for given, error in (
        (("", "d", "r"), InvalidId),
        ((42, "", "r"), InvalidText),
        ((42, "d", " "), InvalidText),
        ((42, "d", "r\0"), InvalidText),
    ):
        with pytest.raises(error):
            store.store_lesson(*given)  # type: ignore[arg-type]
    assert store.get_all_lessons() == []


# Limitations


def test_one_limitation_a_title_whatever_its_case(store: Store, clock: FakeClock) -> None:
    assert store.store_limitation("Cannot fly", "no wings", "grow some") is True
    clock.advance(minutes=1)
    for title in ("cannot FLY", " Cannot fly "):
        assert store.store_limitation(title, "too heavy") is False
    assert store.store_limitation("Übersetzen", "no dictionary") is True
    assert store.store_limitation("ÜBERSETZEN", "no dictionary") is False
    assert store.get_open_limitations() == [
        Limitation("Cannot fly", "no wings", "grow some"),
        ("Übersetzen", "no dictionary", ""),
    ]


def test_a_resolved_limitation_is_not_open_and_not_new(store: Store) -> None:
    store.store_limitation("Cannot fly", "no wings")
    store.database.sql("UPDATE limitations SET status = 'resolved'")
    assert store.get_open_limitations() == []
    assert store.store_limitation("Cannot fly", "no wings") is False


def test_a_limitation_needs_a_title(store: Store) -> None:
    with pytest.raises(InvalidText):
        store.store_limitation(" ", "no title")
