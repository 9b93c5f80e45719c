"""Embeddings: what means the same in other words is found, whatever the model does, and of nobody else.

The model of these tests knows three pairs of words and nothing else.
"""

import logging
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from runpy import run_path
from struct import unpack
from typing import Any

import pytest

from omega_models import IncomingMessage, InvalidText, Store, WrongType, recall_nearness, recall_vectors
from omega_models.recall_nearness import NONE, nearness, packed
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

PAIRS = (("car", "automobile"), ("doctor", "physician"), ("supper", "dinner"))
SAID = "My automobile broke down"


class Model:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.before: Callable[[], object] = lambda: None

    def __call__(self, texts: list[str]) -> Sequence[Sequence[float]]:
        self.calls.append(list(texts))
        self.before()
        return [[float(any(word in text.lower() for word in pair)) for pair in PAIRS] for text in texts]

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


@pytest.fixture
def url(memory_url: str, tmp_path: Path) -> str:
    """A memory that can be opened again."""
    return str(tmp_path / "memory.db") if memory_url == ":memory:" else memory_url


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-01-05 12:00")


@pytest.fixture
def store(url: str, model: Model, clock: FakeClock) -> Iterator[Store]:
    with Store(url, embed=model, clock=clock) as opened:
        yield opened


def tell(store: Store, *texts: str, sender: int = 42, **more: Any) -> str:
    conversation = store.get_or_create_conversation("telegram", sender, **more)
    for text in texts:
        store.append_message(conversation, "user", text)
    return conversation


def search(store: Store, query: str, **more: Any) -> list[str]:
    given: dict[str, Any] = {"exclude_conversation_id": None, "sender_id": 42, "limit": 3, **more}
    return [found.content for found in store.search_messages(query, **given)]


def vectors(store: Store) -> list[bytes | None]:
    rows = store.database.sql_rows("SELECT vector FROM recall_vectors WHERE id > 0 ORDER BY id")
    return [None if vector is None else bytes(vector) for (vector,) in rows]


def test_other_words_of_the_same_meaning_are_found(store: Store, url: str) -> None:
    tell(store, "We had soup", SAID, "Rest for a week, the physician said")
    assert search(store, "What became of the car?", limit=1) == [SAID]
    assert search(store, "doctor", limit=1) == ["Rest for a week, the physician said"]
    with Store(url) as without:
        assert search(without, "What became of the car?") == []


def test_words_and_meaning_count_together(store: Store) -> None:
    for text in ("My aunt grows beans", "My aunt drives her automobile", "An automobile rusts"):
        tell(store, text)
        store.close_current_conversation("telegram", 42)
    assert search(store, "my aunt's car") == [
        "My aunt drives her automobile",
        "My aunt grows beans",
        "An automobile rusts",
    ]


def test_without_it_nothing_is_kept(memory_url: str) -> None:
    with Store(memory_url) as store:
        tell(store, SAID)
        assert search(store, "automobile") == [SAID]
        assert store.embed_waiting() == 0
        assert store.database.sql_rows("SELECT count(*) FROM recall_vectors") == [(0,)]


def test_an_exchange_waits_for_no_model(store: Store, model: Model) -> None:
    search(store, "car")
    model.calls.clear()
    store.store_exchange(IncomingMessage("telegram", 42, SAID), "Oh dear")
    assert model.calls == []
    assert vectors(store) == [None, None]
    assert search(store, "car")[0] == SAID
    assert model.calls == [["car", "Oh dear", SAID]]
    assert None not in vectors(store)
    search(store, "car")
    assert model.calls[1:] == [["car"]]


def test_a_search_makes_a_few_and_whoever_has_time_the_rest(store: Store, model: Model) -> None:
    count = 3 * recall_vectors.AT_ONCE
    tell(store, *(f"message {n}" for n in range(count)))
    search(store, "car")
    assert model.texts == ["car", *(f"message {count - n}" for n in range(1, recall_vectors.BESIDE + 1))]
    assert store.embed_waiting(10) == 10
    assert store.embed_waiting() == count - 10 - recall_vectors.BESIDE
    assert store.embed_waiting() == 0
    assert max(map(len, model.calls)) == recall_vectors.AT_ONCE
    assert len(set(model.texts)) == len(model.texts) == count + 1


def test_what_was_said_before_it_was_turned_on(
    url: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_vectors, "ENTERED_AT_ONCE", 4)
    with Store(url) as store:
        tell(store, SAID, *(f"message {n}" for n in range(10)))
    with Store(url, embed=model) as store:
        assert search(store, "message 9 about the car", limit=1) == ["message 9"]
        while store.embed_waiting(3):
            pass
        assert search(store, "car", limit=1) == [SAID]
    assert sorted(set(model.texts)).count(SAID) == 1


def test_another_model_makes_them_anew(url: str, model: Model) -> None:
    with Store(url, embed=lambda texts: [[0.0, 1.0] for _ in texts], embed_model="one") as store:
        tell(store, SAID, "We had soup")
        assert store.embed_waiting() == 2
    with Store(url, embed=model, embed_model="other") as store:
        assert store.embed_waiting() == 2
        assert model.texts == ["We had soup", SAID]
        assert search(store, "car", limit=1) == [SAID]


def test_a_program_without_a_model_leaves_word_for_the_one_that_has_it(url: str, model: Model) -> None:
    with Store(url, embed=model) as store:
        search(store, "car")
        with Store(url) as without:
            tell(without, SAID)
        assert vectors(store) == [None]
        assert store.embed_waiting() == 1


def receive(store: Store, number: int, text: str) -> None:
    store.receive(IncomingMessage("telegram", 42, text, platform_message_id=number))


def test_edited_and_deleted_messages(store: Store) -> None:
    receive(store, 1, SAID)
    receive(store, 2, "We had soup")
    store.embed_waiting()
    store.edit_message("telegram", 1, "The physician called")
    assert vectors(store).count(None) == 1
    assert search(store, "doctor", limit=1) == ["The physician called"]
    assert SAID not in search(store, "car")
    store.delete_message("telegram", 1)
    store.delete_message("telegram", 2)
    assert vectors(store) == []


def test_what_is_edited_while_it_is_embedded_is_embedded_again(store: Store, model: Model) -> None:
    receive(store, 1, SAID)

    def edit() -> None:
        model.before = lambda: None
        store.edit_message("telegram", 1, "The physician called")

    model.before = edit
    store.embed_waiting(1)
    assert vectors(store) == [None]
    assert search(store, "doctor") == ["The physician called"]


def test_what_cannot_be_kept_ends_the_work(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(store, SAID)
    monkeypatch.setattr(recall_vectors, "keep", lambda *_: 0)
    assert store.embed_waiting() == 0
    assert model.texts == [SAID]


def test_no_transaction_is_open_while_a_model_works(store: Store, model: Model) -> None:
    open_ones: list[bool] = []
    model.before = lambda: open_ones.append(store.database.engine.in_transaction())
    tell(store, SAID)
    search(store, "car")
    store.build_context(IncomingMessage("telegram", 42, "Where is my car?"), "")
    tell(store, "one more")
    store.embed_waiting()
    assert open_ones == [False, False, False]


# Nobody else's, and nothing left out


def test_it_stays_with_the_sender(store: Store) -> None:
    tell(store, SAID, sender=43)
    tell(store, "We had soup")
    store.embed_waiting()
    assert SAID not in search(store, "car")


def test_it_keeps_to_chat_project_and_conversation(store: Store) -> None:
    general = tell(store, SAID)
    tell(store, "The automobile club", project="boat")
    group = IncomingMessage("telegram", 42, "An automobile for all", reply_target="7", is_group=True)
    store.store_exchange(group, "Fine")
    store.embed_waiting()
    assert set(search(store, "car")) == {SAID, "The automobile club", "An automobile for all"}
    assert search(store, "car", project="boat") == ["The automobile club"]
    assert search(store, "car", group="7", limit=1) == ["An automobile for all"]
    assert SAID not in search(store, "car", group="7")
    assert SAID not in search(store, "car", exclude_conversation_id=general)
    assert search(store, "car", channel="other") == []


def test_a_group_hears_nothing_private(store: Store) -> None:
    tell(store, SAID)
    store.close_current_conversation("telegram", 42)
    asked = IncomingMessage("telegram", 42, "Where is my car?", reply_target="7", is_group=True)
    assert "recall" not in store.build_context(asked, "").sections
    private = IncomingMessage("telegram", 42, "Where is my car?")
    assert SAID in store.build_context(private, "").sections["recall"]


# What models do


class Trouble(Exception):
    pass


def test_a_failure_costs_no_search_and_is_logged_once(
    store: Store, model: Model, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise Trouble(SAID)

    tell(store, SAID)
    model.before = fail
    with caplog.at_level(logging.WARNING, "omega_models"):
        assert search(store, "automobile") == [SAID]
        assert search(store, "automobile") == [SAID]
        assert store.embed_waiting() == 0
        assert len(model.calls) == 1
        clock.advance(minutes=1)
        assert search(store, "car") == []
    assert len(model.calls) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "embed failed (Trouble): recall goes by words until it works again"
    ]
    model.before = lambda: None
    clock.advance(minutes=1)
    assert search(store, "car") == [SAID]


@pytest.mark.parametrize(
    "returned",
    [[], [[1.0]] * 9, [["one"]], None, [None], 7],
    ids=["too few", "too many", "words", "nothing", "no vector", "a number"],
)
def test_what_is_no_list_of_vectors_is_a_failure(returned: Any) -> None:
    with Store(":memory:", embed=lambda _: returned) as store:
        tell(store, SAID)
        assert search(store, "automobile") == [SAID]
        assert store.embed_waiting() == 0
        assert vectors(store).count(None) == len(vectors(store))


@pytest.mark.parametrize("vector", [[], [0.0, 0.0, 0.0], [math.nan, 1.0, 1.0], [math.inf, 1.0, 1.0]])
def test_a_text_may_have_no_vector(model: Model, vector: list[float]) -> None:
    def embed(texts: list[str]) -> Any:
        return [vector if text == SAID else made for text, made in zip(texts, model(texts), strict=True)]

    with Store(":memory:", embed=embed) as store:
        tell(store, SAID, "An automobile")
        assert store.embed_waiting() == 2
        assert vectors(store)[0] == NONE
        assert search(store, "car", limit=1) == ["An automobile"]
        assert SAID in search(store, "what broke")
        assert store.embed_waiting() == 0


def test_vectors_of_another_length_are_not_compared(url: str, model: Model) -> None:
    with Store(url, embed=lambda texts: [[1.0, 0.0] for _ in texts]) as store:
        tell(store, "We had soup")
        store.embed_waiting()
    with Store(url, embed=model) as store:
        tell(store, SAID)
        assert search(store, "car", limit=1) == [SAID]


def test_blank_messages_are_not_sent(store: Store, model: Model) -> None:
    tell(store, "", "  \n")
    assert store.embed_waiting() == 2
    assert model.calls == []
    assert vectors(store) == [NONE, NONE]
    assert search(store, " ?! ") == []
    assert model.calls == []


def test_arrays_are_vectors_too() -> None:
    numpy = pytest.importorskip("numpy")
    with Store(":memory:", embed=lambda texts: numpy.array(Model()(texts), "float32")) as store:
        tell(store, SAID)
        assert search(store, "car") == [SAID]


def test_the_models_name_is_a_text() -> None:
    with pytest.raises(InvalidText, match="embed_model"):
        Store(":memory:", embed=Model(), embed_model="\0")


def test_a_model_is_a_function() -> None:
    with pytest.raises(WrongType, match="embed"):
        Store(":memory:", embed="model")  # type: ignore[arg-type]


def test_the_example_finds_what_it_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wordllama")
    run_path(str(Path(__file__).parents[1] / "examples" / "semantic_recall.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "What happened to the car? → My automobile broke down on the way to the coast",
        "What did the doctor say? → The physician told me to rest for a week",
    ]


def test_a_search_goes_on_beside_a_writer(tmp_path: Path, model: Model) -> None:
    file = tmp_path / "memory.db"
    with Store(file, embed=model) as store:
        tell(store, SAID)
        store.embed_waiting()
        tell(store, "An automobile")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert SAID in search(store, "car")
            other.execute("ROLLBACK")
        assert len(search(store, "car")) == 2


# Arithmetic


def test_vectors_are_kept_as_directions() -> None:
    assert unpack("<2f", packed([3, 4])) == pytest.approx((0.6, 0.8))
    assert packed([1e300, 0]) == packed([1e-300, 0]) == b"\x00\x00\x80?\x00\x00\x00\x00"


@pytest.mark.parametrize("with_numpy", [True, False])
def test_nearness_is_the_cosine(with_numpy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if with_numpy:
        pytest.importorskip("numpy")
    else:
        monkeypatch.setattr(recall_nearness, "numpy", lambda: None)
    monkeypatch.setattr(recall_nearness, "AT_ONCE", 2)
    others = [packed(each) for each in ([1, 0], [0, 1], [-2, 0], [5, 5])]
    assert nearness(packed([2, 0]), others) == pytest.approx([1, 0, -1, math.sqrt(0.5)])
    assert nearness(packed([2, 0]), []) == []


def test_only_the_newest_are_compared(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_vectors, "MOST", 2)
    monkeypatch.setattr(recall_vectors, "MOST_WITHOUT_NUMPY", 2)
    tell(store, SAID, "An automobile", "Many automobiles")
    store.embed_waiting()
    assert set(search(store, "car")) == {"An automobile", "Many automobiles"}


def test_it_uses_its_indexes(model: Model) -> None:
    with Store(":memory:", embed=model) as store:
        tell(store, SAID)
        seen: list[str] = []
        driver(store.database).set_trace_callback(seen.append)
        search(store, "car")
        driver(store.database).set_trace_callback(None)
        asked = [sql for sql in seen if sql.startswith("SELECT") and "recall_vectors" in sql]
        plans = [row[3] for sql in asked for row in store.database.sql_rows("EXPLAIN QUERY PLAN " + sql)]
    assert asked
    assert not [plan for plan in plans if plan.startswith("SCAN") and "waiting" not in plan]
