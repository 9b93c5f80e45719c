"""What a bot's calls cost, by the number of rows: each call's rate and its slowest hundredth.

    uv run python benchmarks/memory.py [--rows 1000,100000] [--durability full] [--seconds 1]

A file with that many messages, tasks and audit entries, two hundred of each a sender. Beside the Store, taking
turns with it in one run: the same work in SQL written by hand for Python's sqlite3 on the same file, and the
statements of the program this one follows on a file of its own, without our tables and triggers. All three wait
for the disk in the same way.
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from by_hand import ByHand, Original, connect
from measuring import CHANNEL, fsync_ms, header, scratch, table

from omega_migrations.steps import STEPS, shape_after
from omega_models import AuditEntry, AuditLogger, IncomingMessage, Store, recall_index, times

EACH = 200  # rows of a sender
TURNS = 20  # messages of a conversation
GROUP = 100  # audit entries of one `log_all`
WORDS = 5000
LEAST = 25  # calls of each kind
COMMON, MID, RARE, NOWHERE = "boat", "harbour", "lighthouse", "zeppelin"
SIZES = {COMMON: 8, MID: 1000, RARE: 20_000}  # one message in so many holds the word
FUTURE = datetime(2090, 1, 1, tzinfo=UTC)

Call = Callable[[], object]


class Question(NamedTuple):
    """One piece of work: by the Store, by hand, and by the older program's statements, where they do it."""

    name: str
    ours: Call
    by_hand: Call | None
    original: Call | None
    each: int = 1  # pieces that one call does


# The files


def senders(rows: int) -> int:
    return max(2, rows // EACH)


def said(rows: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Messages as rows, conversation by conversation; the sender's last one is the present one."""
    chance, start = random.Random(7), times.system_clock() - timedelta(days=300)
    vocabulary = [f"word{number}" for number in range(WORDS)]
    for number in range(rows):
        words = [vocabulary[int(WORDS * chance.random() ** 3)] for _ in range(10)]
        words += [word for word, one_in in SIZES.items() if number % one_in == one_in // 2]
        moment = times.to_text(start + timedelta(seconds=number // 2))
        role = "assistant" if number % 2 else "user"
        yield f"m{number}", f"c{number // TURNS}", role, " ".join(words), moment


def conversations(rows: int) -> Iterator[tuple[str, str, str, str, str]]:
    talks, people = -(-rows // TURNS), senders(rows)
    now = times.to_text(times.system_clock())
    for number in range(talks):
        status = "active" if number + people >= talks else "closed"
        yield f"c{number}", CHANNEL, f"s{number % people}", status, now


def tasks(rows: int) -> Iterator[tuple[str, ...]]:
    people = senders(rows)
    for number in range(rows):
        due = times.to_text(FUTURE + timedelta(hours=number // people))
        sender = f"s{number % people}"
        yield f"t{number}", CHANNEL, sender, sender, f"task number {number}", due


FILL = {
    "INSERT INTO conversations (id, channel, sender_id, status, last_activity) VALUES (?, ?, ?, ?, ?)": conversations,
    "INSERT INTO messages (id, conversation_id, role, content, timestamp) VALUES (?, ?, ?, ?, ?)": said,
    "INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at)"
    " VALUES (?, ?, ?, ?, ?, ?)": tasks,
    "INSERT INTO audit_log (id, channel, sender_id, input_text) VALUES (?, ?, ?, ?)": lambda rows: (
        (f"a{number}", CHANNEL, f"s{number % senders(rows)}", "what is new?") for number in range(rows)
    ),
    "INSERT INTO facts (id, sender_id, key, value) VALUES (?, ?, ?, ?)": lambda rows: (
        (f"{number} {key}", f"s{number}", key, value)
        for number in range(senders(rows))
        for key, value in (("name", "Ada"), ("timezone", "UTC"), ("preferred_language", "English"))
    ),
}


def fill(file: Path, rows: int) -> None:
    """The rows as the older program writes them; they are the same in both files."""
    connection = connect(file, "off")
    connection.execute("BEGIN")
    for sql, made in FILL.items():
        connection.executemany(sql, made(rows))
    connection.execute("COMMIT")
    connection.close()


def build_ours(file: Path, rows: int) -> None:
    Store(file, durability="normal").close()
    fill(file, rows)
    with Store(file, durability="normal") as store:
        recall_index.index_all(store.database)


def build_original(file: Path, rows: int) -> None:
    last = next(step for step in STEPS if step.number == 13)
    connection = connect(file, "off")
    for made in shape_after(last):
        connection.execute(made.sql)
    connection.close()
    fill(file, rows)


# The questions


def questions(store: Store, by_hand: ByHand, original: Original, rows: int) -> Iterator[Question]:
    people, numbers = senders(rows), count(10**9)
    audit = AuditLogger(store)

    def sender() -> str:
        return f"s{next(numbers) % people}"

    def exchange() -> object:
        return store.store_exchange(IncomingMessage(CHANNEL, sender(), "is the boat back?"), "Since noon.")

    def create() -> object:
        number = next(numbers)
        return store.create_task(CHANNEL, f"s{number % people}", 1, f"call number {number}", later(number))

    def context(text: str) -> Call:
        return lambda: store.build_context(IncomingMessage(CHANNEL, sender(), text), "Be kind.")

    def entries(size: int) -> list[AuditEntry]:
        return [AuditEntry(CHANNEL, "s1", "what is new?", output_text="Nothing.") for _ in range(size)]

    yield Question(
        "store_exchange",
        exchange,
        lambda: by_hand.exchange(CHANNEL, sender(), "is the boat back?", "Since noon."),
        lambda: original.exchange(CHANNEL, sender(), "is the boat back?", "Since noon."),
    )
    for name, text in (("one word", COMMON), ("eight words", EIGHT)):
        yield Question(
            f"build_context, {name}", context(text), None, _original_context(original, sender, text)
        )
    yield Question(
        "create_task",
        create,
        lambda: by_hand.create(CHANNEL, sender(), f"call number {next(numbers)}", later(next(numbers))),
        lambda: original.create(CHANNEL, sender(), f"call number {next(numbers)}", later(next(numbers))),
    )
    yield Question(
        "get_tasks_for_sender",
        lambda: store.get_tasks_for_sender(sender()),
        lambda: by_hand.tasks(sender()),
        lambda: original.tasks(sender()),
    )
    for name, text in SEARCHES.items():
        yield Question(
            f"search_messages, {name}",
            lambda text=text: store.search_messages(text, None, sender()),  # type: ignore[misc]
            None,
            lambda text=text: original.search(text, "", sender()),  # type: ignore[misc]
        )
    yield Question(
        "audit.log",
        lambda: audit.log(*entries(1)),
        lambda: by_hand.audit(CHANNEL, "s1", 1),
        lambda: original.audit(CHANNEL, "s1", 1),
    )
    yield Question(
        f"audit.log_all of {GROUP}, an entry",
        lambda: audit.log_all(entries(GROUP)),
        lambda: by_hand.audit(CHANNEL, "s1", GROUP),
        lambda: original.audit(CHANNEL, "s1", GROUP),
        GROUP,
    )


EIGHT = "when does the boat leave the old harbour"
SEARCHES = {
    "common": COMMON,
    "mid": MID,
    "rare": RARE,
    "two common": f"{COMMON} word0",
    "no hit": NOWHERE,
}


def _original_context(original: Original, sender: Callable[[], str], text: str) -> Call:
    return lambda: original.context(CHANNEL, sender(), text)


def later(number: int) -> datetime:
    return FUTURE + timedelta(days=1 + number % 10_000)


# Measuring


def measure(calls: Sequence[Call | None], seconds: float) -> list[list[float]]:
    """Seconds of each call, taken in turn, so that a slow minute is slow for all."""
    found: list[list[float]] = [[] for _ in calls]
    for call in calls:
        if call is not None:
            call()
    until = perf_counter() + seconds * sum(call is not None for call in calls)
    while len(found[0]) < LEAST or perf_counter() < until:
        for call, taken in zip(calls, found, strict=True):
            if call is not None:
                start = perf_counter()
                call()
                taken.append(perf_counter() - start)
    return found


def line(question: Question, rows: int, seconds: float) -> list[str]:
    ours, hand, theirs = measure((question.ours, question.by_hand, question.original), seconds)
    cells = [question.name, f"{rows:,}", *_pace(ours, question.each)]
    for other, shown in ((hand, "ours ÷"), (theirs, "÷ ours")):
        if not other:
            cells += ["", ""]
            continue
        ratio = median(ours) / median(other)
        cells += [
            f"{question.each / median(other):,.0f}",
            f"{ratio if shown == 'ours ÷' else 1 / ratio:,.2f}",
        ]
    return cells


def _pace(taken: list[float], each: int) -> list[str]:
    slowest = sorted(taken)[int(len(taken) * 0.99)]
    return [f"{each / median(taken):,.0f}", f"{slowest * 1e3:,.2f}"]


def lines(folder: Path, rows: int, durability: str, seconds: float, only: str) -> Iterator[list[str]]:
    ours, theirs = folder / "memory.db", folder / "original.db"
    build_ours(ours, rows)
    build_original(theirs, rows)
    hand, original = ByHand(connect(ours, durability)), Original(connect(theirs, durability))
    with Store(ours, durability=durability, max_pending_tasks=10**9) as store:
        for question in questions(store, hand, original, rows):
            if question.name.startswith(only):
                yield line(question, rows, seconds)
    hand.connection.close()
    original.connection.close()


HEAD = ("", "rows", "a second", "p99 ms", "by hand", "ours ÷ hand", "original", "original ÷ ours")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="1000,100000", help="messages, tasks and entries, by commas")
    parser.add_argument("--durability", choices=("full", "normal"), default="full")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each call and side")
    parser.add_argument("--only", default="", help="calls whose name begins so")
    given = parser.parse_args()
    found: list[list[str]] = []
    with scratch() as folder:
        header(f"A bot's calls, durability {given.durability}", folder)
        for rows in map(int, given.rows.split(",")):
            place = folder / str(rows)
            place.mkdir()
            found += lines(place, rows, given.durability, given.seconds, given.only)
        table(HEAD, sorted(found, key=lambda cells: cells[0]))
        print(f"\nthe times of two calls are compared by their medians; fsync now {fsync_ms(folder):.2f} ms")


if __name__ == "__main__":
    main()
