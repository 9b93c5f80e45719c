"""How well `search_messages` finds what answers a question, on chats of your own; how fast: recall_latency.py.

    uv run python benchmarks/recall.py CHATS.json [--embed examples.embedding:embed] [--context]

CHATS.json: {"conversations": [{"id", "speakers": [user, assistant], "turns": [{"id", "s", "time", "who", "text"}],
"questions": [{"q", "cat", "ev": [turn ids]}]}]}; `s` numbers the sessions, `ev` names the turns that answer.
Each chat is one sender, each of its sessions one conversation, the first speaker the user. recall@k is the share
of a question's turns that are among the k, MRR the mean of 1 ÷ the place of the first. Beside ours: the phrase
method (the whole question as one phrase, in user messages), and plain BM25 (any word, both sides, one sender).
Questions of the category `adversarial` have no answer and are left out. The least and the most of the chats, each
by itself, say how much a number depends on who talks. With --embed, ours once more with embeddings. With --context
instead: what part of the turns stands in the system prompt of `build_context`, by its budget of tokens.
"""

import argparse
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import Any

from measuring import header, scratch, table

from omega_models import IncomingMessage, Store
from omega_models.prompt import LONGEST_RECALLED
from omega_models.recall_vectors import Embed
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

KS = (5, 10, 20)
BUDGETS = (None, 500, 1000, 2000)
PASSAGE = 80  # characters of a long message that tell that it is shown
CHANNEL = "bench"
CHAT = "chat "  # begins the key of a chat's numbers

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


Scores = dict[str, list[tuple[float, ...]]]


def scores(chats: Sequence[Chat], search: Search) -> Scores:
    """Recall at each k, the reciprocal rank and the milliseconds of each question, by category and by chat."""
    found: Scores = {"all": []}
    for chat, question in questions(chats):
        texts = {turn["id"]: turn["text"] for turn in chat["turns"]}
        wanted = [texts[name] for name in question["ev"] if name in texts]
        if not wanted:
            continue
        start = perf_counter()
        got = search(question["q"], chat["id"], max(KS))
        took = (perf_counter() - start) * 1e3
        shares = [mean(text in got[:k] for text in wanted) for k in KS]
        first = max((1 / (got.index(text) + 1) for text in wanted if text in got), default=0.0)
        for category in ("all", question["cat"], f"{CHAT}{chat['id']}"):
            found.setdefault(category, []).append((*shares, first, took))
    return found


def row(name: str, found: Sequence[tuple[float, ...]]) -> list[str]:
    *columns, took = zip(*found, strict=True)
    shares = [f"{100 * mean(column):.1f}" for column in columns]
    return [name, str(len(found)), *shares, *(f"{each:.1f}" for each in quantiles(took))]


def spread(name: str, found: Scores) -> list[list[str]]:
    """The least and the most of any chat, number by number."""
    each = [row("", found[key])[1:] for key in found if key.startswith(CHAT)]
    columns = [sorted(column, key=float) for column in zip(*each, strict=True)]
    return [
        [f"{which} chat, {name}", *(column[n] for column in columns)]
        for which, n in (("least", 0), ("most", -1))
    ]


def print_quality(chats: Sequence[Chat], embed: Embed | None) -> None:
    with Store(":memory:") as store, Store(":memory:", embed=embed) as embedding:
        fill(store, chats)
        methods = {"phrase": phrase(store), "BM25": bm25(chats), "ours": ours(store)}
        if embed:
            fill(embedding, chats)
            while embedding.embed_waiting():
                pass
            methods["ours + embedding"] = ours(embedding)
        measured = {name: scores(chats, search) for name, search in methods.items()}
    categories = [each for each in measured["ours"] if not each.startswith(CHAT)]
    rows = [row(f"{each}, {name}", found[each]) for each in categories for name, found in measured.items()]
    rows += [line for name, found in measured.items() for line in spread(name, found)]
    table(["", "questions", *(f"@{k}" for k in KS), "MRR", "ms p50", "p95"], rows)


# The context


def print_contexts(chats: Sequence[Chat], budgets: Sequence[int | None], embed: Embed | None) -> None:
    """How many of the turns that answer stand in a context's system prompt, asked on the day after the last."""
    rows = []
    for budget in budgets:
        clock = FakeClock(max(turn["time"] for chat in chats for turn in chat["turns"]))
        clock.advance(days=1)
        with Store(":memory:", clock=clock, embed=embed) as store:
            fill(store, chats)
            while store.embed_waiting():
                pass
            found, lengths, took = contexts(store, chats, budget)
        name = "no budget" if budget is None else f"{budget:,} tokens"
        lines = f"{mean(lengths):.1f}"
        rows.append(
            [name, f"{100 * mean(found):.1f}", lines, f"{median(took):.2f}", f"{quantiles(took)[-1]:.2f}"]
        )
    table(["context", "evidence %", "lines", "ms p50", "p95"], rows)


def contexts(
    store: Store, chats: Sequence[Chat], budget: int | None
) -> tuple[list[float], list[int], list[float]]:
    """For each question the share of its turns that are shown, the lines recalled, and the milliseconds."""
    found, lengths, took = [], [], []
    for chat, question in questions(chats):
        texts = {turn["id"]: turn["text"] for turn in chat["turns"]}
        if wanted := [texts[name] for name in question["ev"] if name in texts]:
            incoming = IncomingMessage(CHANNEL, chat["id"], question["q"])
            start = perf_counter()
            prompt = store.build_context(incoming, "", token_budget=budget)
            took.append((perf_counter() - start) * 1e3)
            lines = prompt.sections.get("recall", "").splitlines()[1:]
            found.append(mean(is_shown(text, prompt.system_prompt) for text in wanted))
            lengths.append(len(lines))
    return found, lengths, took


def is_shown(text: str, prompt: str) -> bool:
    """The whole text, or of a longer one a passage of it."""
    line = " ".join(text.split())
    if len(line) <= LONGEST_RECALLED:
        return line in prompt
    return any(line[n : n + PASSAGE] in prompt for n in range(0, len(line) - PASSAGE, 5))


def quantiles(values: Sequence[float]) -> list[float]:
    return [sorted(values)[int(len(values) * share)] for share in (0.5, 0.95)]


def imported(name: str) -> Embed:
    """`module:function`, found from the present folder."""
    sys.path.insert(0, ".")
    module, _, function = name.partition(":")
    found: Embed = getattr(import_module(module), function)
    return found


def main() -> None:
    """Prints the table, or both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chats", type=Path, help="a JSON file of chats and questions")
    parser.add_argument(
        "--embed", help="module:function that makes embeddings, such as examples.embedding:embed"
    )
    parser.add_argument("--context", action="store_true", help="what stands in a context, instead")
    given = parser.parse_args()
    chats = json.loads(given.chats.read_text(encoding="utf-8"))["conversations"]
    embed = imported(given.embed) if given.embed else None
    with scratch() as folder:
        header("Recall, in % of the turns that answer", folder)
    if given.context:
        print_contexts(chats, BUDGETS, embed)
    else:
        print_quality(chats, embed)


if __name__ == "__main__":
    main()
