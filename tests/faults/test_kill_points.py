"""A worker that is killed at any point of a delivery loses nothing, and doubles nothing without a trace."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fault_children import (
    START,
    Family,
    Inbox,
    claim_and_settle_until_killed,
    deliver_until_killed,
    integrity,
    settle_everything,
)

import omega_jobs
import omega_models
import omega_worker
from omega_models import Store
from omega_models.testing import FakeClock

BY_STORE = (
    "claim: begun",
    "claim: written",
    "claim: committed",
    "settle: begun",
    "settle: written",
    "settle: committed",
)
POINTS = (*BY_STORE, "round: committed", "send: before", "send: after")
UNSENT = ("claim: begun", "claim: written", "claim: committed", "round: committed")
REFUSED_ONCE = "refused-once"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as receiver:
        receiver.refusals[f"/{REFUSED_ONCE}"] = 1
        yield receiver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "memory.db"
    fill(path)
    return path


@pytest.fixture
def url(shared_postgres: tuple[str, Callable[[], None]]) -> str:
    address, empty = shared_postgres
    empty()
    fill(address)
    return address


def fill(path: Path | str) -> None:
    """Tasks of every kind, three of them due ten minutes apart."""
    with Store(path, clock=FakeClock(START - timedelta(hours=1))) as store:
        for channel, target, minutes, repeat in (
            ("web", "one-shot", 0, None),
            ("web", "series", 0, "daily"),
            ("web", REFUSED_ONCE, 0, None),
            ("plain", "does not deduplicate", 0, None),
            ("web", "second", 10, None),
            ("web", "third", 20, None),
        ):
            due_at = START + timedelta(minutes=minutes)
            store.create_task(channel, "s", target.replace(" ", "-"), target, due_at, repeat)


def check_everything_arrived(path: Path | str, inbox: Inbox) -> dict[str, int]:
    """Recovers, and checks ledger and receiver against each other; the attempts on record by target."""
    settle_everything(path, inbox.url, FakeClock(START + timedelta(minutes=30)))
    attempts: dict[str, int] = {}
    keys: set[str] = set()
    with Store(path, clock=FakeClock(START + timedelta(hours=3))) as store:
        tasks = store.list_tasks(status=None)
        assert len(tasks) == 6
        for task in tasks:
            (row,) = store.task_history(task.id)
            assert row.status == "delivered", row
            assert row.attempts >= inbox.asked[row.id], row
            assert (task.claimed, task.retry_count) == (False, 0)
            attempts[task.reply_target] = row.attempts
            keys.add(row.id)
            if task.repeat is None:
                assert task.status == "delivered"
            else:
                assert (task.status, task.scheduled_for) == ("pending", START + timedelta(days=1))
                assert task.due_at == task.scheduled_for
    assert inbox.accepted == dict.fromkeys(keys, 1)
    assert inbox.asked[key_of(inbox, REFUSED_ONCE)] >= 2
    assert isinstance(path, str) or integrity(path) == "ok"
    return attempts


def key_of(inbox: Inbox, target: str) -> str:
    (key,) = {each.headers["idempotency-key"] for each in inbox.requests if each.path == f"/{target}"}
    return key


def test_every_point_is_tried() -> None:
    folders = [Path(package.__path__[0]) for package in (omega_models, omega_jobs, omega_worker)]
    sources = [file.read_text() for folder in folders for file in folder.rglob("*.py")]
    assert sorted(set(re.findall(r'reached\(\s*"([^"]+)"', "\n".join(sources)))) == sorted(POINTS)


@pytest.mark.parametrize("arrival", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_worker_is_killed(path: Path | str, inbox: Inbox, point: str, arrival: int) -> None:
    with Family() as family:
        child = family.start(deliver_until_killed, str(path), inbox.url, point, arrival)
        assert family.finish(child) == -9, f"{point} was not reached {arrival} times"
    if arrival == 1 and point in UNSENT:
        assert inbox.requests == []
    check_everything_arrived(path, inbox)


@pytest.mark.postgres
@pytest.mark.parametrize("point", POINTS)
def test_worker_on_a_server_is_killed(url: str, inbox: Inbox, point: str) -> None:
    test_worker_is_killed(url, inbox, point, 1)


RESENT = {"settle: begun": 1, "settle: written": 1}
COUNTED = {"claim: committed": 1} | RESENT


@pytest.mark.parametrize("arrival", [1, 2, 4, 6])
@pytest.mark.parametrize("point", BY_STORE)
def test_program_on_the_store_is_killed(path: Path | str, inbox: Inbox, point: str, arrival: int) -> None:
    """One task at a time, so that exactly one can have been sent twice, and only at two of the points."""
    with Family() as family:
        child = family.start(claim_and_settle_until_killed, str(path), inbox.url, point, arrival)
        assert family.finish(child) == -9, f"{point} was not reached {arrival} times"
    attempts = check_everything_arrived(path, inbox)
    assert sum(inbox.asked.values()) == 7 + RESENT.get(point, 0)
    assert sum(attempts.values()) == 7 + COUNTED.get(point, 0)


@pytest.mark.postgres
@pytest.mark.parametrize("point", BY_STORE)
def test_program_on_the_store_of_a_server_is_killed(url: str, inbox: Inbox, point: str) -> None:
    test_program_on_the_store_is_killed(url, inbox, point, 2)


def test_nobody_is_killed(path: Path, inbox: Inbox) -> None:
    with Family() as family:
        child = family.start(deliver_until_killed, str(path), inbox.url, "nowhere", 1)
        assert family.finish(child) == 0
    attempts = check_everything_arrived(path, inbox)
    assert sum(inbox.asked.values()) == 7
    assert attempts.pop(REFUSED_ONCE) == 2
    assert set(attempts.values()) == {1}
