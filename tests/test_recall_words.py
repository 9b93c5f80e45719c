"""Words, families of words, and the times a question names: pure."""

from datetime import UTC, datetime

import pytest

from omega_models import recall_dates
from omega_models.recall_words import AKIN, asked, beginning, fold, is_slip, likeness, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's 5 o'clock, snake_case!", ["it", "s", "5", "o", "clock", "snake", "case"]),
        ("Café ÉTÉ Straße", ["cafe", "ete", "strasse"]),
        ("Ёлка й", ["елка", "и"]),
        ("猫カフェ", ["猫", "カ", "フ", "ェ", "猫カ", "カフ", "フェ"]),
        ("A350の翼", ["a350", "の", "翼", "の翼"]),
        ("👍 — …", []),
        ("\ud800 x\0y", ["x", "y"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_folding_does_not_take_syllables_apart() -> None:
    assert fold("한국") == "한국"


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("When did we go to the harbour?", ["harbour"]),
        ("Where is the war museum?", ["war", "museum"]),
        ("What was it?", ["what", "was", "it"]),
        ("¿Dónde está la llave del sótano?", ["llave", "sotano"]),
        ("猫はどこ", ["猫は", "はど", "どこ"]),
        ("猫", ["猫"]),
        ("", []),
    ],
)
def test_what_a_question_is_about(question: str, about: list[str]) -> None:
    assert asked(question) == about


@pytest.mark.parametrize(
    ("one", "other", "like"),
    [
        ("camping", "camping", 1.0),
        ("camping", "camp", AKIN),
        ("camping", "campfire", AKIN),
        ("camping", "campanological", 0.0),
        ("dog", "dogs", AKIN),
        ("dog", "dogma", AKIN),
        ("dog", "dogmatic", 0.0),
        ("книга", "книгу", AKIN),
        ("2023", "2024", 0.0),
        ("20231", "20232", 0.0),
        ("boat", "goat", 0.0),
    ],
)
def test_families_of_words(one: str, other: str, like: float) -> None:
    assert likeness(one, other) == like
    assert beginning("dogs") == beginning("dog")


@pytest.mark.parametrize(
    ("one", "other", "slip"),
    [
        ("hrab", "harb", True),
        ("habr", "harb", True),
        ("arb", "harb", True),
        ("haarb", "harb", True),
        ("herb", "harb", True),
        ("hebr", "harb", False),
        ("harbou", "harb", False),
    ],
)
def test_slips_of_the_finger(one: str, other: str, slip: bool) -> None:
    assert is_slip(one, other) is slip


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What happened on 21 May, 2023?", (2023, 5, 21, False)),
        ("When may I come?", (None, None, None, True)),
        ("When did we meet in June?", (None, 6, None, True)),
        ("¿Qué pasó el 3 de marzo?", (None, 3, 3, False)),
        ("Что было в декабре 2024?", (2024, None, None, False)),
        ("What was said on 2024-02-29?", (2024, 2, 29, False)),
        ("and in 2024-13", (2024, None, None, False)),
        ("I have 3 cats", (None, None, None, False)),
    ],
)
def test_times_that_a_question_names(question: str, named: tuple[int | None, ...]) -> None:
    assert tuple(recall_dates.read(question, words(question))) == named


@pytest.mark.parametrize(
    ("named", "day", "fits"),
    [
        ((2023, 5, 21), "2023-05-21", 2.0),
        ((2023, 5, 21), "2023-05-28", 1.0),
        ((2023, 5, 21), "2022-05-21", 0.0),
        ((None, 12, 31), "2024-01-01", 2.0),
        ((None, 5, None), "2020-05-09", 1.0),
        ((None, 5, None), "2020-06-09", 0.5),
        ((None, 5, None), "2020-06-29", 0.0),
        ((2023, None, None), "2023-08-01", 1.0),
    ],
)
def test_nearness(named: tuple[int | None, int | None, int | None], day: str, fits: float) -> None:
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert recall_dates.nearness(recall_dates.Asked(*named), moment) == fits
