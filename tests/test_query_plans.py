"""Every statement of the task part goes by an index, whatever the planner knows of the tables."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omega_models import MissedPolicy, Store
from omega_models.claims import claim
from omega_models.finding import next_due
from omega_models.presence import beat, forget_old, live_workers, release_lease, take_lease, unserved
from omega_models.settling import Settlement, settle_many
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SENDERS = 40
STATEMENT = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)

FILL_TASKS = """
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 3999)
INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat, status, task_type,
    scheduled_for, anchor_local, timezone, delivered_at)
SELECT printf('%08x-0000-4000-8000-000000000000', n * 2654435761 % 4294967296), 'chat' || n % 3,
    's' || n % {senders}, 's' || n % {senders}, 'thing number ' || n,
    datetime('2026-03-02 09:00:00', (n % 1000 - 50) || ' minutes'), iif(n % 4, NULL, 'daily'),
    iif(n % 5 < 2, 'pending', iif(n % 5 = 2, 'delivered', iif(n % 5 = 3, 'cancelled', 'failed'))),
    iif(n % 7, 'reminder', 'action'),
    datetime('2026-03-02 09:00:00', (n % 1000 - 50) || ' minutes'),
    datetime('2026-03-02 09:00:00', (n % 1000 - 50) || ' minutes'), 'UTC', NULL
FROM counted
"""
FILL_LEDGER = """
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 1)
INSERT INTO task_occurrences (id, task_id, sender_id, scheduled_for, state, attempts, due_ms, settled_ms)
SELECT t.id || '-' || n, t.id, t.sender_id, 1700000000000 + n * 86400000,
    iif(n % 3, 'delivered', 'skipped'), 1, 1700000000000, 1700000000000 + n
FROM scheduled_tasks AS t, counted
"""


@pytest.fixture(scope="module", params=["analyzed", "not analyzed"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with thousands of rows, with the planner's statistics and without."""
    file = tmp_path_factory.mktemp("plans") / "memory.db"
    with Store(file, clock=FakeClock(NOW)) as store:
        store.database.sql(FILL_TASKS.format(senders=SENDERS))
        store.database.sql(FILL_LEDGER)
        if request.param == "analyzed":
            store.database.sql("ANALYZE")
    return file


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    file = tmp_path / "memory.db"
    file.write_bytes(filled.read_bytes())
    with Store(file, clock=FakeClock(NOW)) as opened:
        yield opened


@contextmanager
def seen(store: Store) -> Iterator[list[str]]:
    """Every statement this thread's connection executes, with its values in it."""
    statements: list[str] = []
    connection = driver(store.database)
    connection.set_trace_callback(statements.append)
    try:
        yield statements
    finally:
        connection.set_trace_callback(None)


def plan(store: Store, statement: str) -> list[str]:
    with closing(sqlite3.connect(store.database.where)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def is_fine(step: str) -> bool:
    if "TEMP B-TREE" in step or "AUTOMATIC" in step:
        return False
    return not step.startswith("SCAN") or step.startswith(
        ("SCAN CONSTANT ROW", "SCAN json_each", "SCAN wanted")
    )


def bad_plans(store: Store, statements: list[str]) -> dict[str, list[str]]:
    queries = [each for each in dict.fromkeys(statements) if STATEMENT.match(each)]
    assert queries, "nothing was traced"
    plans = {query: plan(store, query) for query in queries}
    return {query: steps for query, steps in plans.items() if not all(map(is_fine, steps))}


def some_task(store: Store, where: str = "status = 'pending'", skip: int = 7) -> tuple[str, str]:
    sql = f"SELECT id, sender_id FROM scheduled_tasks WHERE {where} ORDER BY rowid LIMIT 1 OFFSET {skip}"
    ((task_id, sender),) = store.database.sql_rows(sql)
    return task_id, sender


def tokens(store: Store, count: int = 8) -> list[str]:
    return [each.token for each in store.claim_due_tasks("w", count)]


def settling(outcome: str, **more: Any) -> Callable[[Store], Callable[[], Any]]:
    def prepare(store: Store) -> Callable[[], Any]:
        given = [Settlement(token, outcome, error="e", receipt="r", **more) for token in tokens(store)]
        return lambda: settle_many(store, given)

    return prepare


def on_claims(call: Callable[[Store, list[str]], Any]) -> Any:
    def prepare(store: Store) -> Callable[[], Any]:
        held = tokens(store)
        return lambda: call(store, held)

    return prepare


def on_task(call: Callable[[Store, str, str], Any], where: str = "status = 'pending'") -> Any:
    def prepare(store: Store) -> Callable[[], Any]:
        task_id, sender = some_task(store, where)
        return lambda: call(store, task_id, sender)

    return prepare


def policy(way: str) -> MissedPolicy:
    return MissedPolicy(after=timedelta(minutes=1), by_type={"reminder": way, "action": way})


CALLS: dict[str, Callable[[Store], Callable[[], Any]]] = {
    "peek": lambda s: lambda: s.get_due_tasks(limit=1),
    "due": lambda s: lambda: s.get_due_tasks(),
    "claim": lambda s: lambda: s.claim_due_tasks("w", 20),
    "claim for a channel": lambda s: lambda: s.claim_due_tasks("w", 20, channels=["chat1"]),
    "claim for a lane": lambda s: (
        lambda: s.claim_due_tasks("w", 20, channels=["chat1"], task_types=["action"])
    ),
    "claim for channels and types": lambda s: (
        lambda: s.claim_due_tasks("w", 20, channels=["chat1", "chat2"], task_types=["reminder", "action"])
    ),
    "claim once": lambda s: lambda: claim(s, "w", 20, missed=policy("once")),
    "claim none": lambda s: lambda: claim(s, "w", 20, missed=policy("skip")),
    "claim all": lambda s: lambda: claim(s, "w", 20, missed=policy("all")),
    "next due": lambda s: lambda: next_due(s),
    "list of a sender": lambda s: lambda: s.get_tasks_for_sender("s3"),
    "add": lambda s: lambda: s.create_task("chat1", "s3", "s3", "call john about the boat", NOW, "daily"),
    "add exactly": lambda s: lambda: s.create_task("chat1", "s3", "s3", "x", NOW, dedupe="exact"),
    "delivered": settling("delivered"),
    "retry": settling("retry", retry_after=timedelta(seconds=60)),
    "failed": settling("failed"),
    "ambiguous": settling("ambiguous"),
    "settle one": on_claims(lambda s, held: s.settle(held[0], "delivered")),
    "settle a lost one": lambda s: lambda: s.settle("no/such", "delivered"),
    "extend": on_claims(lambda s, held: s.extend_claims(held, HOUR)),
    "release": on_claims(lambda s, held: s.release_claims(held)),
    "complete": on_task(lambda s, task_id, _: s.complete_task(task_id)),
    "fail": on_task(lambda s, task_id, _: s.fail_task(task_id, "e", 3)),
    "history": on_task(lambda s, task_id, _: s.task_history(task_id)),
    "history of a sender": on_task(lambda s, task_id, sender: s.task_history(task_id, sender)),
    "get": on_task(lambda s, task_id, sender: s.get_task(task_id, sender)),
    "get by prefix": on_task(lambda s, task_id, sender: s.get_task(task_id[:8], sender)),
    "cancel by prefix": on_task(lambda s, task_id, sender: s.cancel_task(task_id[:8], sender)),
    "update": on_task(lambda s, task_id, sender: s.update_task(task_id, sender, "new", NOW + HOUR, "weekly")),
    "defer": on_task(lambda s, task_id, _: s.defer_task(task_id, NOW + HOUR)),
    "snooze": on_task(lambda s, task_id, sender: s.snooze_task(task_id, sender, NOW + HOUR)),
    "snooze one delivered": on_task(
        lambda s, task_id, sender: s.snooze_task(task_id, sender, NOW + HOUR), "status = 'delivered'"
    ),
    "retry by hand": on_task(lambda s, task_id, sender: s.retry_task(task_id, sender), "status = 'failed'"),
    "skip": on_task(
        lambda s, task_id, sender: s.skip_task(task_id, sender), "repeat = 'daily' AND status = 'pending'"
    ),
    "pause and resume": on_task(
        lambda s, task_id, sender: (s.pause_task(task_id, sender), s.resume_task(task_id, sender))
    ),
    "unserved": lambda s: lambda: unserved(s),
    "workers": lambda s: lambda: (beat(s, "w", ["chat1"], ["reminder"]), live_workers(s)),
    "leases": lambda s: lambda: release_lease(s, "n", take_lease(s, "n", "me", HOUR) or ""),
}
WINDOW = (
    "SEARCH t1 USING INDEX idx_scheduled_tasks_window "
    "(sender_id=? AND status=? AND scheduled_for>? AND scheduled_for<?)"
)
LANE = "SEARCH t1 USING INDEX idx_scheduled_tasks_lane (channel=? AND task_type=? AND due_at<?)"
SMALL = ("workers",)  # a handful of rows, read whole
GROUPED = "USE TEMP B-TREE FOR GROUP BY"  # over what is due and waits, when an operator asks for it


@pytest.mark.parametrize("call", CALLS)
def test_goes_by_an_index(store: Store, call: str) -> None:
    run = CALLS[call](store)
    with seen(store) as statements:
        run()
    bad = bad_plans(store, statements)
    bad = {query: steps for query, steps in bad.items() if not any(f'"{table}"' in query for table in SMALL)}
    if call == "unserved":
        bad = {query: steps for query, steps in bad.items() if not (GROUPED in steps and is_fine(steps[0]))}
    assert not bad


@pytest.mark.parametrize(
    ("call", "step"),
    [
        ("peek", "SEARCH t1 USING INDEX idx_scheduled_tasks_due (status=? AND due_at<?)"),
        ("claim", "SEARCH t1 USING INDEX idx_scheduled_tasks_due (status=? AND due_at<?)"),
        ("claim for a lane", LANE),
        (
            "claim for channels and types",
            "SEARCH t1 USING INDEX idx_scheduled_tasks_due (status=? AND due_at<?)",
        ),
        ("next due", "SEARCH t1 USING COVERING INDEX idx_scheduled_tasks_due (status=? AND due_at>?)"),
        (
            "add",
            WINDOW,
        ),
    ],
)
def test_goes_by_a_range_of_the_index_made_for_it(store: Store, call: str, step: str) -> None:
    run = CALLS[call](store)
    with seen(store) as statements:
        run()
    steps = [each for query in statements if STATEMENT.match(query) for each in plan(store, query)]
    assert step in steps


def test_forgetting_old_workers_reads_a_handful(store: Store) -> None:
    assert forget_old(store) == 0


def test_what_waits_after_an_instant_goes_by_task_and_instant(store: Store) -> None:
    task_id, sender = some_task(store, "repeat = 'daily' AND status = 'pending'")
    with seen(store) as statements:
        store.complete_task(task_id)
    waiting = [each for each in statements if "'held'" in each and each.startswith("SELECT")]
    assert waiting
    for each in waiting:
        assert any("(task_id=? AND scheduled_for>?)" in step for step in plan(store, each))
    assert store.get_task(task_id, sender) is not None


def test_the_work_of_a_claim_does_not_grow_with_the_table(store: Store) -> None:
    def statements_for(count: int) -> int:
        with seen(store) as statements:
            store.claim_due_tasks("w", count)
        return len(statements)

    assert statements_for(5) <= statements_for(50) <= 60 * 4
