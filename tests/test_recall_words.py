"""Words, families of words, and the times a question names: pure."""

from datetime import UTC, datetime

import pytest

from omega_models import recall_dates
from omega_models.recall_words import AKIN, asked, beginning, fold, is_slip, likeness, slips, words


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


@pytest.mark.parametrize(
    ("participle", "verb"),
    [
        ("gekauft", "kaufen"),
        ("eingekauft", "einkaufen"),
        ("aufgemacht", "aufmachen"),
        ("GESCHENKT", "schenken"),
        ("opgehaald", "ophalen"),
    ],
)
def test_a_participle_begins_as_its_verb_does(participle: str, verb: str) -> None:
    assert beginning(*words(participle)) == beginning(*words(verb))


@pytest.mark.parametrize("text", ["geen gel ging", "get together", "the agenda", "angel"])
def test_what_is_too_short_for_one_stays(text: str) -> None:
    assert words(text) == text.split()


def test_folding_does_not_take_syllables_apart() -> None:
    assert fold("한국") == "한국"


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("When did we go to the harbour?", ["harbour"]),
        ("Where is the war museum?", ["war", "museum"]),
        ("Wo war die Quittung?", ["quittung"]),
        ("Wann wird der Schrank abgeholt?", ["schrank", "abholt"]),
        ("What was it?", ["what", "was", "it"]),
        ("¿Dónde está la llave del sótano?", ["llave", "sotano"]),
        ("猫はどこ", ["猫", "猫は"]),
        ("我对什么过敏", ["对", "过", "敏", "我对", "对什", "么过", "过敏"]),
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


def test_the_slips_that_are_tried_are_slips_and_all_common_ones_are_there() -> None:
    tried = slips("tabl")
    assert all(is_slip(each, "tabl") for each in tried)
    assert {"tbla", "tble", "tab", "tavl", "taabl"[:4], "tblx", "talb", "tabel"[:4]} - {"tabl"} <= set(tried)
    assert "трба" in slips("труба"[:4])


@pytest.mark.parametrize(
    ("asked", "begun", "ended"),
    [
        (recall_dates.Asked(2024, 5, 27), "2024-05-27", "2024-05-28"),
        (recall_dates.Asked(2024, 12), "2024-12-01", "2025-01-01"),
        (recall_dates.Asked(None, 2), "2026-02-01", "2026-03-01"),
        (recall_dates.Asked(None, 6, 17), "2025-06-17", "2025-06-18"),
        (recall_dates.Asked(None, 2, 29), None, None),
        (recall_dates.Asked(2024), None, None),
        (recall_dates.Asked(), None, None),
    ],
)
def test_the_span_of_a_date(asked: recall_dates.Asked, begun: str | None, ended: str | None) -> None:
    found = recall_dates.span(asked, datetime(2026, 3, 1, tzinfo=UTC))
    assert tuple(f"{each:%Y-%m-%d}" for each in found or ()) == tuple(filter(None, (begun, ended)))
