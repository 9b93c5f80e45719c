"""A guard over what recall finds: eleven languages, slips of the finger and dates, beside simpler methods.

The chats and questions are in data/recall_languages.json; `benchmarks/recall.py` prints the same numbers by category.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from postgres_server import new_database

from omega_models import Store
from omega_models.testing import FakeClock

CHATS = json.loads((Path(__file__).parent / "data/recall_languages.json").read_text("utf-8"))["conversations"]
K = 10
FLOOR, FLOOR_MRR = 0.95, 0.90  # measured: 0.987 and 0.943
LEAST_OF_A_LANGUAGE = 0.85
MARGIN = 0.10  # over BM25

Search = Callable[[str, str], list[str]]
Found = dict[str, list[tuple[float, float]]]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "sqlite":
        with filled(":memory:") as opened:
            yield opened
    else:
        with new_database(request.getfixturevalue("postgres_url")) as url, filled(url) as opened:
            yield opened


@contextmanager
def filled(url: str) -> Iterator[Store]:
    with Store(url, clock=FakeClock("2025-01-01")) as opened:
        with opened.database.writing():
            for chat in CHATS:
                tell(opened, chat)
        yield opened


def tell(store: Store, chat: dict[str, Any]) -> None:
    """Each session is a conversation; the first speaker is the user."""
    session = conversation = ""
    for turn in chat["turns"]:
        if turn["s"] != session:
            session = turn["s"]
            store.close_current_conversation("test", chat["id"])
            conversation = store.get_or_create_conversation("test", chat["id"])
        role = "user" if turn["who"] == chat["speakers"][0] else "assistant"
        store.append_message(
            conversation, role, turn["text"], timestamp=turn["time"], sender_name=turn["who"]
        )


@pytest.fixture
def bm25() -> Iterator[Search]:
    """Any word, both sides, one sender."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE said USING fts5 (content, sender UNINDEXED)")
        said = [(turn["text"], chat["id"]) for chat in CHATS for turn in chat["turns"]]
        connection.executemany("INSERT INTO said VALUES (?, ?)", said)
        yield partial(any_word, connection)


def any_word(connection: sqlite3.Connection, query: str, sender: str) -> list[str]:
    sql = f"SELECT content FROM said WHERE said MATCH ? AND sender = ? ORDER BY rank LIMIT {K}"
    words = "".join(letter if letter.isalnum() else " " for letter in query).split()
    any_of = " OR ".join(f'"{word}"' for word in words)
    return [text for (text,) in connection.execute(sql, (any_of, sender))]


def measured(search: Search) -> Found:
    """By category: recall@10 and reciprocal rank of each question."""
    found: Found = {}
    for chat in CHATS:
        texts = {turn["id"]: turn["text"] for turn in chat["turns"]}
        for question in chat["questions"]:
            wanted = [texts[name] for name in question["ev"]]
            got = search(question["q"], chat["id"])
            first = max((1 / (got.index(text) + 1) for text in wanted if text in got), default=0.0)
            found.setdefault(question["cat"], []).append((mean(text in got for text in wanted), first))
    return found


@pytest.fixture(scope="module")
def ours(store: Store) -> Found:
    return measured(
        lambda query, sender: [each.content for each in store.search_messages(query, "", sender, K)]
    )


def averages(found: Found) -> tuple[float, float]:
    every = [each for some in found.values() for each in some]
    return mean(share for share, _ in every), mean(rank for _, rank in every)


def test_most_answers_are_found_and_stand_first(ours: Found) -> None:
    recall, reciprocal_rank = averages(ours)
    assert recall >= FLOOR
    assert reciprocal_rank >= FLOOR_MRR


def test_no_language_is_left_behind(ours: Found) -> None:
    assert len(ours) == 12
    by_language = {name: mean(share for share, _ in some) for name, some in ours.items()}
    assert {name: share for name, share in by_language.items() if share < LEAST_OF_A_LANGUAGE} == {}


def test_simpler_methods_find_less(ours: Found, store: Store, bm25: Search) -> None:
    plain = averages(measured(bm25))
    assert averages(ours)[0] >= plain[0] + MARGIN
    assert averages(ours)[1] >= plain[1] + MARGIN
    if not store.database.is_postgres:  # the older program knows files only
        assert averages(measured(lambda query, sender: phrase(store, query, sender)))[0] < 0.01


def phrase(store: Store, query: str, sender: str) -> list[str]:
    """The older program's: the whole question as one phrase, in user messages."""
    quoted = '"' + query.replace('"', '""') + '"'
    rows = store.database.sql_rows(
        """SELECT m.content FROM messages_fts f JOIN messages m ON m.rowid = f.rowid
        JOIN conversations c ON c.id = m.conversation_id
        WHERE messages_fts MATCH ? AND c.sender_id = ? ORDER BY rank LIMIT ?""",
        (quoted, sender, K),
    )
    return [text for (text,) in rows]


@pytest.mark.parametrize(
    ("sender", "question", "answer"),
    [
        ("Dutch", "Waar spraken we over op 27 mei 2024?", "Onze tent ligt nog bij de buren"),
        ("Russian", "О чём мы говорили 17 июня?", "Ключи от дачи"),
        ("English", "2024-05-19", "The code of the bicycle lock"),
    ],
)
def test_a_date_alone_brings_up_what_was_said_then(
    store: Store, sender: str, question: str, answer: str
) -> None:
    found = store.search_messages(question, "", sender, 20)
    assert any(each.content.startswith(answer) for each in found)


def test_a_date_brings_up_nothing_of_other_senders_or_the_conversation_left_out(store: Store) -> None:
    assert store.search_messages("27 mei 2024", "", "nobody") == []
    conversations = {
        conversation
        for (conversation,) in store.database.sql_rows(
            "SELECT conversation_id FROM messages WHERE substr(content, 1, 9) = 'Onze tent'"
        )
    }
    found = store.search_messages("27 mei 2024", conversations.pop(), "Dutch", 20)
    assert not any(each.content.startswith("Onze tent") for each in found)
