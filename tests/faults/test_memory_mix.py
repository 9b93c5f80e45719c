"""Processes and threads that mix everything on one file: nothing is refused, lost, doubled or shown to others."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_children import Family, integrity
from memory_mix import CHANNEL, FOREIGN, MARKS, TROUBLE, act

from omega_models import Store

Notes = dict[str, list[list[Any]]]


@pytest.fixture
def family() -> Iterator[Family]:
    with Family() as family:
        yield family


def mixed(
    folder: Path, family: Family, *, processes: int, threads: int, seconds: float, most: int | None = None
) -> tuple[Path, Notes, float]:
    """The file, each thread's notes, and how long the longest call took."""
    path = folder / "memory.db"
    Store(path).close()
    files = [folder / f"notes-{number}" for number in range(processes)]
    children = [
        family.start(act, str(path), str(file), f"p{n}", threads, seconds, most, 100 * n)
        for n, file in enumerate(files)
    ]
    assert [family.finish(child, seconds + 60) for child in children] == [0] * processes
    told = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    notes = {name: noted for each in told for name, noted in each["notes"].items()}
    return path, notes, max(each["longest"] for each in told)


class Model:
    """What the acknowledged calls, taken together, say the file must hold."""

    def __init__(self, notes: Notes) -> None:
        self.noted: Counter[str] = Counter()
        self.trouble: list[Any] = []
        self.said: set[tuple[int, str]] = set()
        self.facts: dict[tuple[int, str], str | None] = {}
        self.lessons: Counter[int] = Counter()
        self.outcomes: set[tuple[int, str]] = set()
        self.sessions: dict[tuple[int, str], str] = {}
        self.audit: set[str] = set()
        self.tasks: dict[str, str] = {}
        self.delivered: list[tuple[str, str]] = []
        self.cancelled: set[str] = set()
        for name, lines in notes.items():
            for what, *details in lines:
                self.noted[what] += 1
                self.take(name, what, details)

    def take(self, name: str, what: str, details: list[Any]) -> None:
        match what, details:
            case "said", [sender, text]:
                self.said.add((sender, text))
            case "unsaid", [sender, text]:
                self.said.discard((sender, text))
            case "fact", [sender, key, value]:
                self.facts[sender, key] = value
            case "lesson", [sender]:
                self.lessons[sender] += 1
            case "outcome", [sender, text]:
                self.outcomes.add((sender, text))
            case "session", [sender, session]:
                self.sessions[sender, name] = session
            case "audit", [text]:
                self.audit.add(text)
            case "task", [task, text]:
                self.tasks[task] = text
            case "delivered", [task, occurrence]:
                self.delivered.append((task, occurrence))
            case "cancelled", [task]:
                self.cancelled.add(task)
            case _:
                self.trouble.append((name, what, details))


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def check(path: Path, model: Model) -> None:
    assert model.trouble == []
    check_messages(path, model)
    assert {(int(sender), key): value for sender, key, value in rows(path, FACTS)} == {
        name: value for name, value in model.facts.items() if value is not None
    }
    assert {int(sender): times for sender, times in rows(path, LESSONS)} == dict(model.lessons)
    outcomes = [(int(sender), text) for sender, text in rows(path, "SELECT sender_id, lesson FROM outcomes")]
    assert Counter(outcomes) == Counter(model.outcomes)
    sessions = rows(path, "SELECT sender_id, project, session_id FROM project_sessions")
    assert {(int(sender), project): session for sender, project, session in sessions} == model.sessions
    audit = [text for (text,) in rows(path, "SELECT input_text FROM audit_log")]
    assert Counter(audit) == Counter(model.audit)
    check_tasks(path, model)
    assert integrity(path) == "ok"


SAID = """SELECT c.sender_id, m.content FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE c.channel = '{}'"""
FACTS = "SELECT sender_id, key, value FROM facts WHERE key LIKE 'p%t% %'"
LESSONS = "SELECT sender_id, occurrences FROM lessons"
ACTIVE_TWICE = """SELECT sender_id FROM conversations WHERE status = 'active'
    GROUP BY channel, sender_id, project, group_target HAVING count(*) > 1"""


def check_messages(path: Path, model: Model) -> None:
    """Each once, with its own sender, and known to both indexes."""
    said = Counter((int(sender), text) for sender, text in rows(path, SAID.format(CHANNEL)))
    assert said == Counter(model.said)
    assert all(MARKS[sender] in text for sender, text in said)
    assert rows(path, ACTIVE_TWICE) == []
    users = {text for (text,) in rows(path, "SELECT content FROM messages WHERE role = 'user'")}
    indexed = rows(
        path, "SELECT content FROM messages_fts WHERE messages_fts MATCH '{}'".format(" OR ".join(MARKS))
    )
    assert {text for (text,) in indexed} == users
    with Store(path) as store:
        by_sender: dict[int, set[str]] = defaultdict(set)
        for sender, text in model.said:
            by_sender[sender].add(text)
        for sender, texts in by_sender.items():
            wanted = max(texts)
            found = store.search_messages(wanted, None, sender, 20)
            assert wanted in [line.content for line in found]


def check_tasks(path: Path, model: Model) -> None:
    """Each delivered once, by whoever was told so; what was cancelled while it was being sent is noted as well."""
    stored = {task: (text, status) for task, text, status in rows(path, TASKS)}
    assert {task: text for task, (text, _) in stored.items()} == model.tasks
    ledger = rows(path, "SELECT task_id, id FROM task_occurrences WHERE state = 'delivered'")
    late = Counter(ledger) - Counter(model.delivered)
    assert Counter(model.delivered) + late == Counter(ledger)
    assert {task for task, _ in late} <= model.cancelled
    assert all(stored[task][1] == "cancelled" for task in model.cancelled)
    ended = {task for task, _ in model.delivered} | model.cancelled
    assert all(status == "pending" for task, (_, status) in stored.items() if task not in ended)


TASKS = "SELECT id, description, status FROM scheduled_tasks"


def test_a_few_calls_of_everything(tmp_path: Path, family: Family) -> None:
    path, notes, _ = mixed(tmp_path, family, processes=3, threads=3, seconds=60, most=30)
    model = Model(notes)
    check(path, model)
    assert {"said", "unsaid", "fact", "lesson", "session", "audit", "task", "cancelled"} <= set(model.noted)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_of_everything_by_eight_processes(tmp_path: Path, family: Family) -> None:
    path, notes, longest = mixed(tmp_path, family, processes=8, threads=4, seconds=60)
    model = Model(notes)
    check(path, model)
    assert model.noted.total() > 1000
    assert longest < 15  # a call may be several transactions, each of which waits for five seconds at most


def test_the_notes_themselves_would_show_what_went_wrong() -> None:
    noted = [[FOREIGN, "search", 0, MARKS[1]], [TROUBLE, "exchange", "StoreBusy: …"], ["said", 0, "x"]]
    model = Model({"p0t0": noted})
    assert [what for _, what, _ in model.trouble] == [FOREIGN, TROUBLE]
