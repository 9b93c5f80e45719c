"""Several processes on one file: each occurrence is one's own, whoever is killed and whenever."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from fault_channels import add, outcome
from fault_children import (
    START,
    Family,
    Inbox,
    SharedClock,
    integrity,
    settle_everything,
    work_until_killed,
)

from omega_models import Store
from omega_models.settling import Settlement, settle_many
from omega_models.testing import FakeClock

TASKS = 2000


@pytest.fixture
def family() -> Iterator[Family]:
    with Family() as family:
        yield family


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


def claim_and_settle_all(path: str, own: str, name: str) -> None:
    """Until nothing is due; notes every token it got and every one whose settling was accepted."""
    with Store(path, clock=FakeClock(START), durability="normal") as store, Path(own).open("w") as notes:
        while claimed := store.claim_due_tasks(name, 25):
            held = settle_many(store, [Settlement(task.token, "delivered", receipt=name) for task in claimed])
            notes.writelines(
                json.dumps([task.id, task.occurrence_id, task.attempt, settled]) + "\n"
                for task, settled in zip(claimed, held, strict=True)
            )


def notes_of(files: list[Path]) -> list[Any]:
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_four_share_the_work(tmp_path: Path, shared_url: str, family: Family) -> None:
    path = shared_url
    with Store(path, clock=FakeClock(START), max_pending_tasks=TASKS, durability="normal") as store:
        ids = add(store, "one", *(f"t{n}" for n in range(TASKS)))
        files = [tmp_path / f"notes-{n}" for n in range(4)]
        children = [family.start(claim_and_settle_all, str(path), str(file), file.name) for file in files]
        assert [family.finish(child) for child in children] == [0] * 4
        notes = notes_of(files)
        assert sorted(task for task, *_ in notes) == sorted(ids)
        assert len({occurrence for _, occurrence, *_ in notes}) == TASKS
        assert {(attempt, settled) for *_, attempt, settled in notes} == {(1, True)}
        assert len(store.list_tasks(status="delivered")) == TASKS
        workers = Counter()
        for task_id in ids:
            (row,) = store.task_history(task_id)
            assert (row.status, row.attempts, row.receipt) == ("delivered", 1, row.worker)
            workers[row.worker] += 1
    assert sorted(workers.values()) == sorted(
        len(file.read_text().splitlines()) for file in files if file.read_text()
    )
    assert integrity(path) == "ok"


@pytest.mark.parametrize("outcome_told", ["delivered", "retry", "failed", "ambiguous"])
def test_stale_owner(shared_url: str, outcome_told: str) -> None:
    """Who lost its lease can neither settle, extend nor give back what is another's by now."""
    path, clock = shared_url, FakeClock(START)
    with Store(path, clock=clock) as stale, Store(path, clock=clock) as fresh:
        (task_id,) = add(stale, "one", "t")
        (old,) = stale.claim_due_tasks("stale", 1, timedelta(seconds=60))
        assert fresh.claim_due_tasks("fresh", 1) == []
        clock.advance(seconds=61)
        (new,) = fresh.claim_due_tasks("fresh", 1)
        assert (new.occurrence_id, new.attempt) == (old.occurrence_id, 2)
        assert stale.extend_claims([old.token], timedelta(hours=1)) == set()
        stale.release_claims([old.token])
        assert stale.settle(old.token, outcome_told, error="late") is False
        assert stale.get_due_tasks() == []
        assert fresh.extend_claims([new.token], timedelta(hours=1)) == {new.token}
        assert fresh.settle(new.token, "delivered", receipt="fresh") is True
        (row,) = fresh.task_history(task_id)
        assert (row.status, row.attempts, row.reason, row.receipt, row.worker) == (
            "delivered",
            2,
            "lost lease",
            "fresh",
            "fresh",
        )


class Massacre:
    """Four workers that are killed at random and replaced, while tasks keep coming."""

    def __init__(self, path: str, inbox: Inbox, family: Family, seed: int) -> None:
        self.path, self.inbox, self.family = path, inbox, family
        self.chance = random.Random(seed)
        self.clock = SharedClock()
        self.store = Store(path, clock=self.clock, durability="normal", max_pending_tasks=10**6)
        self.ids: list[str] = []
        self.killed_at_work = 0

    def run(self, kills: int) -> None:
        workers = [self._worker() for _ in range(4)]
        for n in range(kills):
            if n % 5 == 0:
                self._add()
            self._until(self.chance.randint(1, 12), self.chance.uniform(0.005, 0.15))
            victim = workers.pop(self.chance.randrange(4))
            assert victim.is_alive(), f"a worker ended by itself: {victim.exitcode}"
            self.family.kill(victim)
            self.clock.advance(self.chance.choice((0, 1, 3, 6)))
            workers.append(self._worker())
        for worker in workers:
            self.family.kill(worker)

    def _worker(self) -> BaseProcess:
        return self.family.start(work_until_killed, str(self.path), self.inbox.url, self.clock)

    def _add(self) -> None:
        for channel in ("web", "plain"):
            first = len(self.ids)
            targets = [self.chance.choice(("calm", "calm", "refused-once")) for _ in range(12)]
            self.ids += add(
                self.store, channel, *(f"{target}-{first + n}" for n, target in enumerate(targets))
            )
            self.inbox.refusals |= {f"/{t}-{first + n}": 1 for n, t in enumerate(targets) if t != "calm"}
        self.ids += add(self.store, "web", f"series-{len(self.ids)}", repeat="daily")

    def _until(self, requests: int, seconds: float) -> None:
        with self.inbox.seen:
            wanted = len(self.inbox.requests) + requests
            self.inbox.seen.wait_for(lambda: len(self.inbox.requests) >= wanted, seconds)

    def close(self) -> None:
        self.store.close()


def check_survived(massacre: Massacre) -> Counter[str]:
    """After a last worker, whom nobody kills: nothing is missing and nothing was sent without a trace."""
    inbox, store = massacre.inbox, massacre.store
    after = FakeClock(massacre.clock() + timedelta(minutes=5))
    settle_everything(massacre.path, inbox.url, after, rounds=20)  # many attempts make for long waits
    keys: set[str] = set()
    seen: Counter[str] = Counter()
    for task in store.list_tasks(status=None):
        (row,) = store.task_history(task.id)
        assert row.status == "delivered", row
        assert row.attempts >= inbox.asked[row.id] >= 1, (row, inbox.asked[row.id])
        assert (task.status, task.claimed) == ("pending" if task.repeat else "delivered", False)
        if task.repeat:
            assert task.scheduled_for == row.scheduled_for + timedelta(days=1)
        keys.add(row.id)
        seen["lost lease"] += row.reason == "lost lease"
        seen["sent twice"] += inbox.asked[row.id] > 1 + ("refused" in task.reply_target)
    assert len(keys) == len(massacre.ids) == len(store.list_tasks(status=None))
    assert inbox.accepted == dict.fromkeys(keys, 1)
    assert integrity(massacre.path) == "ok"
    return seen


def survive(path: str, inbox: Inbox, family: Family, seed: int, kills: int) -> Counter[str]:
    massacre = Massacre(path, inbox, family, seed)
    try:
        massacre.run(kills)
        return check_survived(massacre)
    finally:
        massacre.close()


def test_workers_are_killed_at_random(shared_url: str, inbox: Inbox, family: Family) -> None:
    survive(shared_url, inbox, family, seed=1, kills=40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 8))
def test_workers_are_killed_by_the_hundreds(
    shared_url: str, inbox: Inbox, family: Family, seed: int, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    seen = survive(shared_url, inbox, family, seed=seed, kills=500)
    record_property("seen", dict(seen))
    print(f"seed {seed}: 500 kills in {time.monotonic() - began:.0f} s, {dict(seen)}")
    assert seen["lost lease"] > 0
    assert seen["sent twice"] > 0


def test_outcome_of_another_process_is_seen(tmp_path: Path, family: Family) -> None:
    path, file = tmp_path / "memory.db", tmp_path / "notes"
    with Store(path, clock=FakeClock(START)) as store:
        ids = add(store, "one", "a", "b")
        assert family.finish(family.start(claim_and_settle_all, str(path), str(file), "other")) == 0
        assert [outcome(store, each) for each in ids] == [("delivered", 1)] * 2
        assert store.get_due_tasks() == []
