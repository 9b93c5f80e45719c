"""How long a search takes, and what the index costs, as a memory grows.

    uv run python benchmarks/recall_latency.py CHATS.json [--sizes 5000x10,100000x100,100000x1,1000000x1000]
        [--url postgresql://user@host/an_empty_database]

CHATS.json: as for recall.py. Its turns, taken at random, are what is said; its questions are asked. `100000x100` is
100,000 messages of 100 people. Searches ask for ten messages; an exchange is a question with its answer, stored and
indexed in one transaction; `synchronous` is normal. `cpu` is this program's processor time, which others on the
machine hardly change. Index: microseconds and bytes for each message. Filling a million takes a few minutes.
With --url the same on a server, in a database that is empty before and is left empty.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from time import perf_counter, thread_time
from typing import Any, NamedTuple

from measuring import header, scratch, table
from peewee import Node

from omega_models import IncomingMessage, Store, recall_index, times
from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import Conversation, Message

CHANNEL = "bench"
PER_CONVERSATION = 50
AT_ONCE = 20_000
WARM = 20
ASKED = 500
EXCHANGES = 400
USED = ("messages", "conversations", "recall", "recall_queue", "recall_chats")
HEAD = [
    "messages",
    "search p50",
    "p95",
    "of it cpu",
    "p95",
    "exchange p50",
    "p95",
    "mean",
    "of it cpu",
    "index µs",
    "bytes",
]


# Filling


def conversation(_: Database) -> Node:
    values = {name: Given(name) for name in ("id", "sender_id", "last_activity")}
    return Conversation.insert(values | {"channel": CHANNEL, "status": "closed"})


def message(_: Database) -> Node:
    return Message.insert(
        {name: Given(name) for name in ("id", "conversation_id", "role", "content", "timestamp")}
    )


def fill(store: Store, texts: Sequence[str], count: int, senders: int) -> float:
    """So many messages, queued as another program would leave them; then the seconds it takes to index them."""
    chosen, indexing = random.Random(1), 0.0
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(count, start + AT_ONCE))
        sets = [_said(n, senders, chosen.choice(texts)) for n in numbers]
        begun = [each for n, each in zip(numbers, sets, strict=True) if n // senders % PER_CONVERSATION == 0]
        with store.database.writing():
            store.database.many(conversation, sets=[_begun(each) for each in begun])
            store.database.many(message, sets=sets)
        indexing += timed(lambda: recall_index.index_all(store.database, rest=lambda _: None))
    return indexing


def _said(number: int, senders: int, text: str) -> dict[str, Any]:
    sender, turn = number % senders, number // senders
    return {
        "id": f"m{number}",
        "conversation_id": f"{sender}-{turn // PER_CONVERSATION}",
        "role": ("user", "assistant")[turn % 2],
        "content": text,
        "timestamp": times.to_text(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=turn)),
    }


def _begun(first: dict[str, Any]) -> dict[str, Any]:
    place = first["conversation_id"]
    return {"id": place, "sender_id": f"s{place.split('-')[0]}", "last_activity": first["timestamp"]}


@contextmanager
def memory(url: str | None) -> Iterator[Store]:
    """A file of its own, or the server's database, emptied."""
    if url is None:
        with scratch() as folder, Store(folder / "memory.db", durability="normal") as store:
            yield store
        return
    with Store(url, durability="normal") as store:
        yield store
        store.database.sql(f"TRUNCATE {', '.join(USED)} CASCADE")


# Measuring


def timed(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


class Took(NamedTuple):
    """Seconds by the clock, and of this thread's processor."""

    wall: float
    cpu: float


def took(call: Callable[[], object]) -> Took:
    begun = thread_time()
    return Took(timed(call), thread_time() - begun)


def percentiles(seconds: Sequence[float]) -> list[str]:
    ordered = sorted(seconds)
    return [f"{ordered[int(len(ordered) * share)] * 1e3:.2f}" for share in (0.5, 0.95)]


def index_bytes(store: Store) -> int:
    """Of the index alone; the queue and the list of chats are next to nothing."""
    if store.database.is_postgres:
        return int(store.database.sql_rows("SELECT pg_total_relation_size('recall')")[0][0])
    sql = "SELECT sum(length(block)) FROM recall_data UNION ALL SELECT sum(length(c0)) FROM recall_content"
    return sum(size for (size,) in store.database.sql_rows(sql))


def settle(store: Store) -> None:
    """As a memory is whose worker looks after it."""
    if store.database.is_postgres:
        store.database.sql("ANALYZE")
    else:
        store.database.tidy()


def measure(
    url: str | None, asked: Sequence[str], texts: Sequence[str], count: int, senders: int
) -> list[str]:
    with memory(url) as store:
        indexing = fill(store, texts, count, senders)
        settle(store)
        size = index_bytes(store)

        def search(n: int) -> object:
            return store.search_messages(asked[n], "", f"s{n % senders}", 10)

        def add(n: int) -> object:
            given = IncomingMessage(CHANNEL, f"s{n % senders}", asked[n % len(asked)])
            return store.store_exchange(given, texts[n % len(texts)])

        for n in range(min(WARM, len(asked))):
            search(n)
        found = [took(lambda n=n: search(n)) for n in range(len(asked))]  # type: ignore[misc]
        added = [took(lambda n=n: add(n)) for n in range(EXCHANGES)]  # type: ignore[misc]
    searched = [*percentiles([each.wall for each in found]), *percentiles([each.cpu for each in found])]
    means = [f"{mean(column) * 1e3:.2f}" for column in zip(*added, strict=True)]
    each = [f"{indexing / count * 1e6:.0f}", f"{size / count:.0f}"]
    return [
        f"{count:,} of {senders:,}",
        *searched,
        *percentiles([each.wall for each in added]),
        *means,
        *each,
    ]


def sizes(given: str) -> list[tuple[int, int]]:
    pairs = [each.split("x") for each in given.split(",")]
    return [(int(count), int(senders)) for count, senders in pairs]


def main() -> None:
    """Prints one table, the sizes in order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chats", type=Path, help="a JSON file of chats and questions")
    parser.add_argument(
        "--sizes", type=sizes, default="5000x10,100000x100,100000x1,1000000x1000", help="MESSAGESxPEOPLE,…"
    )
    parser.add_argument("--url", help="an empty database on a PostgreSQL server (default: a file)")
    given = parser.parse_args()
    chats = json.loads(given.chats.read_text(encoding="utf-8"))["conversations"]
    asked = [question["q"] for chat in chats for question in chat["questions"]][:ASKED]
    texts = [turn["text"] for chat in chats for turn in chat["turns"]]
    with scratch() as folder:
        header("Recall: milliseconds a call", folder)
    table(HEAD, [measure(given.url, asked, texts, *size) for size in given.sizes])


if __name__ == "__main__":
    main()
