"""A lane with little to do does not read through the backlog of another."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from omega_models import Store, times
from omega_models.claims import claim
from omega_models.statements import Compiled
from omega_models.tasks import insert_task
from omega_models.testing import FakeClock

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BACKLOG = 4000
EXPLAIN = {True: "EXPLAIN ", False: "EXPLAIN QUERY PLAN "}


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    """Thousands of reminders that are due, one action, and a planner that has looked at them."""
    with Store(memory_url, clock=FakeClock(NOW), max_pending_tasks=10**6) as opened:
        with opened.database.writing():
            opened.database.many(insert_task, sets=[_reminder(n) for n in range(BACKLOG)])
        opened.create_task("chat", "me", "me", "Tidy up", NOW, task_type="action")
        opened.database.sql("ANALYZE")
        yield opened


def _reminder(number: int) -> dict[str, object]:
    due = times.to_text(NOW - timedelta(seconds=number % 1000))
    constant = {"channel": "chat", "reply_target": "me", "task_type": "reminder", "project": "", "urgent": 0}
    moments = dict.fromkeys(("due_at", "created_at", "scheduled_for", "anchor_local"), due)
    own = {"id": f"r{number}", "sender_id": f"s{number % 40}", "description": f"thing {number}"}
    return {**constant, **moments, **own, "repeat": None, "timezone": "UTC"}


def plan_of_claim(store: Store) -> str:
    """How the database finds what is due for the lane of actions."""
    asked: list[tuple[str, list[object]]] = []
    compiled = store.database.compiled

    def noted(build: object, *shape: object) -> Compiled:
        found: Compiled = compiled(build, *shape)  # type: ignore[arg-type]
        if getattr(build, "__name__", "") == "_due":
            given = {"now": times.to_text(NOW), "channel0": "chat", "task_type0": "action", "limit": 20}
            asked.append((found.sql, list(found.values(given))))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.database, "compiled", noted)
        assert len(claim(store, "w", 20, channels=["chat"], task_types=["action"])) == 1
    sql, values = asked[0]
    rows = store.database.sql_rows(EXPLAIN[store.database.is_postgres] + sql, values)
    return "\n".join(str(row[-1]) for row in rows)


def test_a_claim_goes_by_the_index_of_its_lane(store: Store) -> None:
    assert "idx_scheduled_tasks_lane" in plan_of_claim(store)


def test_each_lane_gets_its_own_the_earliest_first(store: Store) -> None:
    actions = store.claim_due_tasks("w", 20, channels=["chat"], task_types=["action"])
    reminders = store.claim_due_tasks("w", 20, channels=["chat"], task_types=["reminder"])
    assert [task.description for task in actions] == ["Tidy up"]
    assert [task.scheduled_for for task in reminders] == sorted(task.scheduled_for for task in reminders)
    assert reminders[0].scheduled_for == NOW - timedelta(seconds=999)
    assert {task.task_type for task in reminders} == {"reminder"}
    assert store.claim_due_tasks("w", 20, channels=["other"], task_types=["reminder"]) == []
