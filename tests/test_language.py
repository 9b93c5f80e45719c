"""Languages: told by the words, silent when there is nothing to tell, never against what a person chose."""

import gc
import importlib
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from omega_models import IncomingMessage, Store, detect_language, language
from omega_models.testing import FakeClock

SENTENCES = {
    "English": "Could you tell me what the weather will be like tomorrow?",
    "Spanish": "¿Puedes decirme qué tiempo va a hacer mañana en mi ciudad?",
    "Portuguese": "Você pode me dizer como vai estar o tempo amanhã de manhã?",
    "French": "Est-ce que tu peux me dire quel temps il fera demain matin ?",
    "German": "Kannst du mir bitte sagen, wie das Wetter morgen wird?",
    "Italian": "Mi puoi dire per favore che tempo farà domani mattina da noi?",
    "Dutch": "Kun je mij vertellen wat voor weer het morgen gaat worden?",
    "Russian": "Скажи мне, пожалуйста, какая завтра будет погода?",
}
NOTHING = [
    "",
    "ok",
    "👍",
    "👍🏽 🎉",
    "lol",
    "haha ok",
    "hmm",
    "Anna",
    "Maria Fernanda",
    "Jean Dupont",
    "https://www.example.com/de/wetter/heute",
    "anna@example.com",
    "@anna",
    "/start",
    "42",
    "2026-01-05 10:00",
    "`for der in die: das`",
    "こんにちは、元気ですか",
    "Dzień dobry, jak się masz?",
    "Привіт, як твої справи?",
]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library; what the tests load is forgotten."""
    monkeypatch.setattr(language, "_loading", language._Loading())
    monkeypatch.setattr(language, "_own", threading.local())
    monkeypatch.setattr(language, "is_installed", lambda: False)


@pytest.mark.parametrize("name", SENTENCES)
def test_frequent_words_tell_the_eight_apart(name: str) -> None:
    assert detect_language(SENTENCES[name]) == name


@pytest.mark.parametrize("text", NOTHING)
def test_silent_where_there_is_nothing_to_tell(text: str) -> None:
    assert language.detect(text) is None
    assert detect_language(text) == "English"


@pytest.mark.parametrize(
    ("text", "name"), [("hola", "Spanish"), ("Danke!", "German"), ("merci", "French"), ("да", "Russian")]
)
def test_few_words_make_a_guess_but_never_a_sure_one(text: str, name: str) -> None:
    found = language.detect(text)
    assert found is not None
    assert found[0] == name
    assert found[1] < language.CONFIDENT


# The library


class Pretended:
    """A stand-in with the library's names: German whatever it is asked."""

    results = SimpleNamespace(gap=0.15)

    def __init__(self, _: Any) -> None: ...

    def detect(self, _: str) -> Any:
        return SimpleNamespace(iso_code="de")


def pretend(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    library = SimpleNamespace(
        Detector=Pretended,
        Language=SimpleNamespace(from_comma_separated=lambda names: names),
        Model=SimpleNamespace(load_from_path=lambda _, names: load(names)),
        __file__="library/__init__.py",
    )
    monkeypatch.setitem(sys.modules, language.LIBRARY, library)
    monkeypatch.setattr(language, "is_installed", lambda: True)


def test_a_library_that_is_installed_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(names: str) -> str:
        asked.append(names)
        return "model"

    pretend(monkeypatch, load)
    assert detect_language("Zwei Dinge noch heute erledigen") == "German"
    assert asked == ["en,es,pt,fr,de,it,nl,ru"]
    found = language.detect(SENTENCES["Dutch"])
    assert found is not None
    assert found[1] == pytest.approx(0.75)


def test_nobody_waits_while_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    pretend(monkeypatch, lambda _: may_end.wait(10))
    assert language.detect(SENTENCES["French"], wait=False) is not None
    assert not language._loading.done.is_set()
    may_end.set()
    assert detect_language("Zwei Dinge noch heute erledigen") == "German"


def test_where_the_words_agree_the_surer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, lambda _: "model")
    monkeypatch.setattr(Pretended, "results", SimpleNamespace(gap=0.09))
    detect_language("")
    text = SENTENCES["German"]
    alone = language.by_words(text.lower().replace(",", "").replace("?", "").split())
    assert alone is not None
    assert alone[1] > 0.45
    assert language.detect(text) == alone
    other = language.detect(SENTENCES["Dutch"])
    assert other is not None
    assert other[0] == "German"


def test_no_full_collection_halts_the_program_while_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    seen: list[tuple[int, int, int]] = []

    def load(_: str) -> str:
        seen.append(gc.get_threshold())
        return "model"

    pretend(monkeypatch, load)
    assert detect_language(SENTENCES["German"]) == "German"
    assert seen == [(before[0], before[1], language.RARELY)]
    assert gc.get_threshold() == before


def test_a_library_that_fails_is_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> None:
        raise OSError("no model")

    pretend(monkeypatch, fail)
    assert detect_language(SENTENCES["Dutch"]) == "Dutch"
    assert "no model" in caplog.text


def test_the_library_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(language.LIBRARY)
    importlib.import_module(language.LIBRARY)
    monkeypatch.setattr(language, "is_installed", lambda: True)
    assert {name: detect_language(text) for name, text in SENTENCES.items()} == {
        name: name for name in SENTENCES
    }
    assert [text for text in NOTHING if language.detect(text)] == []
    assert all((language.detect(text) or ("", 0))[1] >= language.CONFIDENT for text in SENTENCES.values())


def test_the_library_leaves_the_garbage_collector_little_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(language.LIBRARY)
    monkeypatch.setattr(language, "is_installed", lambda: True)
    detect_language(SENTENCES["German"])
    gc.collect()
    table = language._loading.model.get_table(3)
    assert not any(map(gc.is_tracked, table.values()))


# What a Store keeps of it


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(":memory:", clock=FakeClock(), detect=lambda text: GUESSES.get(text)) as opened:
        yield opened


GUESSES: dict[str, str | tuple[str, float]] = {
    "sure": ("German", 0.95),
    "fairly": ("French", 0.7),
    "unsure": ("Italian", 0.4),
    "bare": "Dutch",
}


def answered(store: Store, text: str, **more: Any) -> str:
    context = store.build_context(IncomingMessage("telegram", 42, text, **more), "")
    return context.sections["language"].removeprefix("Always answer in ").rstrip(".")


def kept(store: Store) -> tuple[str | None, str | None]:
    return store.get_fact(42, "preferred_language"), store.get_fact(42, "language_source")


def test_what_is_sure_is_kept_as_detected(store: Store) -> None:
    assert answered(store, "fairly") == "French"
    assert kept(store) == ("French", "detected")
    assert answered(store, "ok") == "French"


@pytest.mark.parametrize("text", ["unsure", "nothing"])
def test_what_is_not_sure_is_english_and_not_kept(store: Store, text: str) -> None:
    assert answered(store, text) == "English"
    assert kept(store) == (None, None)


def test_a_guess_is_corrected_by_a_surer_one_only(store: Store) -> None:
    answered(store, "fairly")
    assert answered(store, "unsure") == "French"
    assert answered(store, "sure") == "German"
    assert kept(store) == ("German", "detected")
    assert answered(store, "fairly") == "German"
    assert answered(store, "bare") == "Dutch"


def test_what_was_chosen_stays(store: Store) -> None:
    store.store_fact(42, "preferred_language", "Spanish")
    assert answered(store, "sure") == "Spanish"
    assert kept(store) == ("Spanish", None)


@pytest.mark.parametrize("choice", ["Spanish", "French"])
def test_a_choice_in_place_of_a_guess_stays_too(store: Store, choice: str) -> None:
    answered(store, "fairly")
    store.store_fact(42, "preferred_language", choice)
    assert answered(store, "sure") == choice
    assert kept(store) == (choice, None)


def test_what_is_said_in_a_group_is_answered_so_and_not_kept(store: Store) -> None:
    assert answered(store, "sure", is_group=True, reply_target=7) == "German"
    assert kept(store) == (None, None)
