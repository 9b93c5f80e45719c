"""What a round of claiming and settling costs on a server: questions, not rows, and none that reads all there is."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from omega_models import Store
from omega_models.claims import claim
from omega_models.database import Database
from omega_models.settling import Settlement, settle_many
from omega_models.times import system_clock

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_database: str) -> Iterator[Store]:
    with Store(postgres_database, max_pending_tasks=10**6) as store:
        yield store


class Asked:
    """Every statement that the database is given, by `execute` or many times over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        for name in ("sql", "sql_rows"):
            monkeypatch.setattr(Database, name, self._noting(getattr(Database, name)))
        many = Database.many

        def noting_many(database: Database, *given: Any, sets: Any, **named: Any) -> int:
            sets = list(sets)
            self.statements += ["one of many"] * len(sets)
            return many(database, *given, sets=sets, **named)

        monkeypatch.setattr(Database, "many", noting_many)

    def _noting(self, call: Any) -> Any:
        def noting(database: Database, sql: str, *values: Any) -> Any:
            self.statements.append(sql)
            return call(database, sql, *values)

        return noting

    def __call__(self) -> int:
        count = len(self.statements)
        self.statements.clear()
        return count


def add(store: Store, count: int) -> None:
    due = system_clock() - timedelta(seconds=5)
    with store.database.writing():
        for n in range(count):
            store.create_task("chat", n, n, f"call {n}", due, dedupe="off")


def test_a_round_asks_as_often_for_many_as_for_few(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for count in (3, 60):
        add(store, count)
        asked = Asked(monkeypatch)
        claims = claim(store, "w", 100)
        claiming = asked()
        settled = settle_many(store, [Settlement(each.task.token, "delivered", "r") for each in claims])
        assert settled == [True] * count
        found.append((claiming, asked()))
        monkeypatch.undo()
    assert found[0] == found[1]
    assert max(found[0]) <= 5, found


def test_receipts_and_losses_are_told_apart_in_one_question(store: Store) -> None:
    add(store, 4)
    tasks = store.claim_due_tasks("w", 4)
    with_receipt, without, cancelled, stale = tasks
    store.cancel_task(cancelled.id, cancelled.sender_id)
    told = [
        Settlement(with_receipt.token, "delivered", "m1"),
        Settlement(without.token, "delivered"),
        Settlement(cancelled.token, "delivered", "m3"),
        Settlement(f"{stale.occurrence_id}/another", "delivered", "m4"),
    ]
    assert settle_many(store, told) == [True, True, False, False]
    receipts = [store.task_history(each.id)[0].receipt for each in tasks]
    assert receipts == ["m1", None, "m3", None]
    assert store.task_history(stale.id)[0].status == "claimed"
    assert store.settle(stale.token, "delivered")


def test_settling_does_not_read_a_ledger_it_knows_nothing_of(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planner without statistics thinks that few rows have no reason, and would begin with those."""
    store.database.sql("ALTER TABLE task_occurrences SET (autovacuum_enabled = off)")
    add(store, 600)
    claims = claim(store, "w", 600)
    asked: list[tuple[str, Any]] = []
    rows = Database.sql_rows

    def noting(database: Database, sql: str, values: Any = ()) -> Any:
        asked.append((sql, values))
        return rows(database, sql, values)

    monkeypatch.setattr(Database, "sql_rows", noting)
    settle_many(store, [Settlement(each.task.token, "delivered") for each in claims[:300]])
    ((sql, values),) = [each for each in asked if each[0].startswith("WITH ended")]
    ((plan,),) = rows(store.database, f"EXPLAIN (FORMAT JSON) {sql}", values)
    assert [each for each in scans(plan) if each[0] == "Seq Scan" and "follows" in each[1]] == []


def scans(plan: Any) -> Iterator[tuple[str, str]]:
    """Every kind of scan in a plan, and what it looks for."""
    if isinstance(plan, list):
        for each in plan:
            yield from scans(each)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Node Type"], plan.get("Filter", "")
        for each in plan.values():
            yield from scans(each)
