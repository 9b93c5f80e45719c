"""How well and how fast `search_messages` finds what answers a question, on chats of your own.

    uv run python benchmarks/recall.py CHATS.json [--messages 100000] [--senders 100,1]

CHATS.json: {"conversations": [{"id", "speakers": [user, assistant], "turns": [{"id", "s", "time", "who", "text"}],
"questions": [{"q", "cat", "ev": [turn ids]}]}]}; `s` numbers the sessions, `ev` names the turns that answer.
Each chat is one sender, each of its sessions one conversation, the first speaker the user. recall@k is the share
of a question's turns that are among the k, MRR the mean of 1 ÷ the place of the first. Beside ours: the phrase
method (the whole question as one phrase, in user messages), and plain BM25 (any word, both sides, one sender).
Questions of the category `adversarial` have no answer and are left out.
"""

import argparse
import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

from measuring import header, scratch, table

from omega_models import IncomingMessage, Store, recall_index, times
from omega_models.sqlite_file import driver

KS = (5, 10, 20)
CHANNEL = "bench"
PER_CONVERSATION = 50

Chat = dict[str, Any]
Search = Callable[[str, str, int], list[str]]


# Quality


def fill(store: Store, chats: Iterable[Chat]) -> None:
    """Each chat as it was, session by session."""
    with store.database.writing():
        for chat in chats:
            for session in sorted({turn["s"] for turn in chat["turns"]}):
                tell(store, chat, [turn for turn in chat["turns"] if turn["s"] == session])


def tell(store: Store, chat: Chat, turns: Sequence[dict[str, Any]]) -> None:
    conversation = store.get_or_create_conversation(CHANNEL, chat["id"])
    for turn in turns:
        role = "user" if turn["who"] == chat["speakers"][0] else "assistant"
        store.append_message(
            conversation, role, turn["text"], timestamp=turn["time"], sender_name=turn["who"]
        )
    store.close_conversation(conversation, "")


def ours(store: Store) -> Search:
    return lambda query, sender, limit: [
        found.content for found in store.search_messages(query, "", sender, limit)
    ]


def phrase(store: Store) -> Search:
    sql = """SELECT m.content FROM messages_fts f JOIN messages m ON m.rowid = f.rowid
        JOIN conversations c ON c.id = m.conversation_id
        WHERE messages_fts MATCH ? AND c.sender_id = ? ORDER BY rank LIMIT ?"""

    def search(query: str, sender: str, limit: int) -> list[str]:
        quoted = '"' + query.replace('"', '""') + '"'
        return [text for (text,) in driver(store.database).execute(sql, (quoted, sender, limit))]

    return search


def bm25(chats: Iterable[Chat]) -> Search:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE said USING fts5 (content, sender UNINDEXED)")
    rows = [(turn["text"], chat["id"]) for chat in chats for turn in chat["turns"]]
    connection.executemany("INSERT INTO said VALUES (?, ?)", rows)
    sql = "SELECT content FROM said WHERE said MATCH ? AND sender = ? ORDER BY rank LIMIT ?"

    def search(query: str, sender: str, limit: int) -> list[str]:
        words = "".join(letter if letter.isalnum() else " " for letter in query).split()
        any_of = " OR ".join(f'"{word}"' for word in words)
        return [text for (text,) in connection.execute(sql, (any_of, sender, limit))] if words else []

    return search


def questions(chats: Iterable[Chat]) -> Iterator[tuple[Chat, dict[str, Any]]]:
    for chat in chats:
        for question in chat["questions"]:
            if question["cat"] != "adversarial":
                yield chat, question


def scores(chats: Sequence[Chat], search: Search) -> dict[str, list[tuple[float, ...]]]:
    """Recall at each k, and the reciprocal rank, of each question by its category."""
    found: dict[str, list[tuple[float, ...]]] = {"all": []}
    for chat, question in questions(chats):
        texts = {turn["id"]: turn["text"] for turn in chat["turns"]}
        wanted = [texts[name] for name in question["ev"] if name in texts]
        if not wanted:
            continue
        got = search(question["q"], chat["id"], max(KS))
        shares = [mean(text in got[:k] for text in wanted) for k in KS]
        first = max((1 / (got.index(text) + 1) for text in wanted if text in got), default=0.0)
        for category in ("all", question["cat"]):
            found.setdefault(category, []).append((*shares, first))
    return found


def print_quality(chats: Sequence[Chat]) -> None:
    with Store(":memory:") as store:
        fill(store, chats)
        methods = {"phrase": phrase(store), "BM25": bm25(chats), "ours": ours(store)}
        measured = {name: scores(chats, search) for name, search in methods.items()}
    rows = []
    for category in measured["ours"]:
        for name, found in measured.items():
            values = [f"{100 * mean(column):.1f}" for column in zip(*found[category], strict=True)]
            rows.append([f"{category}, {name}", str(len(found[category])), *values])
    table(["", "questions", *(f"@{k}" for k in KS), "MRR"], rows)


# Speed


def fill_many(store: Store, texts: Sequence[str], count: int, senders: int) -> None:
    """So many messages, taken from the chats at random, queued as another program would leave them."""
    chosen, begun = random.Random(1), datetime(2020, 1, 1, tzinfo=UTC)
    said: dict[str, list[tuple[Any, ...]]] = {"conversations": [], "messages": []}
    for n in range(count):
        sender, turn = n % senders, n // senders
        place = f"{sender}-{turn // PER_CONVERSATION}"
        moment = times.to_text(begun + timedelta(minutes=10 * turn))
        if turn % PER_CONVERSATION == 0:
            said["conversations"].append((place, CHANNEL, f"s{sender}", moment, "closed"))
        said["messages"].append(
            (f"m{n}", place, ("user", "assistant")[turn % 2], chosen.choice(texts), moment)
        )
    connection = driver(store.database)
    with store.database.writing():
        connection.executemany(
            "INSERT INTO conversations (id, channel, sender_id, last_activity, status) VALUES (?, ?, ?, ?, ?)",
            said["conversations"],
        )
        connection.executemany(
            "INSERT INTO messages (id, conversation_id, role, content, timestamp) VALUES (?, ?, ?, ?, ?)",
            said["messages"],
        )


def percentiles(seconds: Sequence[float]) -> tuple[str, str]:
    ordered = sorted(seconds)
    return tuple(f"{ordered[int(len(ordered) * share)] * 1e3:.2f}" for share in (0.5, 0.95))  # type: ignore[return-value]


def timed(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def index_bytes(store: Store) -> int:
    sql = "SELECT sum(length(block)) FROM recall_data UNION ALL SELECT sum(length(c0)) FROM recall_content"
    return sum(size for (size,) in store.database.sql_rows(sql))


def measure(file: Path, chats: Sequence[Chat], count: int, senders: int) -> list[str]:
    asked = [question["q"] for _, question in questions(chats)][:500]
    texts = [turn["text"] for chat in chats for turn in chat["turns"]]
    with Store(file, durability="normal") as store:
        fill_many(store, texts, count, senders)
        each = timed(lambda: recall_index.index_all(store.database)) / count
        size = index_bytes(store) / count

        def search(n: int) -> object:
            return store.search_messages(asked[n], "", f"s{n % senders}", 10)

        def add(n: int) -> object:
            return store.store_exchange(IncomingMessage(CHANNEL, f"s{n % senders}", asked[n]), texts[n])

        for n in range(20):
            search(n)
        found = percentiles([timed(lambda n=n: search(n)) for n in range(len(asked))])  # type: ignore[misc]
        added = percentiles([timed(lambda n=n: add(n)) for n in range(200)])  # type: ignore[misc]
    return [f"{count:,} of {senders}", *found, *added, f"{each * 1e6:.0f}", f"{size:.0f}"]


def print_speed(chats: Sequence[Chat], count: int, senders: Sequence[int]) -> None:
    rows = []
    for number in senders:
        with scratch() as folder:
            rows.append(measure(folder / "memory.db", chats, count, number))
    head = ["messages", "search p50", "p95", "exchange p50", "p95 ms", "index µs each", "bytes each"]
    table(head, rows)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chats", type=Path, help="a JSON file of chats and questions")
    parser.add_argument("--messages", type=int, default=100_000, help="0: quality only")
    parser.add_argument("--senders", default="100,1", help="numbers of senders, separated by commas")
    given = parser.parse_args()
    chats = json.loads(given.chats.read_text(encoding="utf-8"))["conversations"]
    with scratch() as folder:
        header("Recall, in % of the turns that answer", folder)
    print_quality(chats)
    if given.messages:
        print("\nMilliseconds a call; `synchronous` is normal\n")
        print_speed(chats, given.messages, [int(each) for each in given.senders.split(",")])


if __name__ == "__main__":
    main()
