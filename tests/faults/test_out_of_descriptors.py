"""In a process of its own: no descriptor is left. Red while it lasts, then green by itself."""

import json
import os
import resource
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_channels import add, eventually, quick
from fault_children import Family, Inbox, channels, integrity
from fault_health import green, logged, red

from omega_models import Store
from omega_worker import duties, timetable
from omega_worker.worker import Worker


@pytest.fixture
def family() -> Iterator[Family]:
    with Family() as family:
        yield family


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


def leave(spare: int) -> None:
    """The limit becomes what is open already and so many more."""
    most = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(2) for _ in range(most)]  # fills the gaps below
    highest = max(*taken, most)
    for each in taken:
        if each > most:
            os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(highest, most + 1) + spare, hard))


def new_thread_writes(store: Store) -> str:
    """What a thread without a connection is told."""
    told: list[str] = []

    def write() -> None:
        try:
            store.store_fact("s", "key", "value")
        except Exception as error:  # noqa: BLE001  it is looked at by the test
            told.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    return "".join(told)


def without_descriptors(folder: str, url: str) -> None:
    """A worker that runs out of them while sends and connections want some."""
    timetable.AFTER_ERROR = timedelta(seconds=0.1)
    duties.BEAT_EVERY = timedelta(seconds=0.2)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    settings = quick(send_timeout_seconds=5, retry_base_seconds=1, max_attempts=50)
    with (
        Store(Path(folder) / "memory.db") as store,
        channels(url) as named,
        logged() as lines,
        Worker(store, named, settings) as worker,
    ):
        green(worker)
        ids = add(store, "web", "warm", minutes_ago=1)
        eventually(lambda: state(store, ids[0]) == "delivered")
        leave(0)
        red(worker, "opening files failed: no file descriptor is left")
        told = new_thread_writes(store)
        ids += add(store, "plain", "a", "b", "c", minutes_ago=1)
        eventually(lambda: [state(store, each) for each in ids[1:]] == ["retrying"] * 3)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        took = green(worker)
        eventually(lambda: all(state(store, each) == "delivered" for each in ids))
        note(folder, told=told, took=took, lines=lines)


def state(store: Store, task_id: str) -> str:
    rows = store.task_history(task_id)
    return rows[0].status if rows else "new"


def note(folder: str, **found: Any) -> None:
    (Path(folder) / "found").write_text(json.dumps(found))


def run(family: Family, folder: Path, url: str, what: Callable[..., None]) -> dict[str, Any]:
    assert family.finish(family.start(what, str(folder), url)) == 0
    found: dict[str, Any] = json.loads((folder / "found").read_text())
    return found


def test_out_of_descriptors(tmp_path: Path, family: Family, inbox: Inbox) -> None:
    """Sends are tried again once each, and what needs a connection says what is the matter."""
    found = run(family, tmp_path, inbox.url, without_descriptors)
    assert "cannot be opened: no file descriptor is left" in found["told"]
    assert any("retrying: " in line for line in found["lines"])
    assert any("nothing can be opened: no file descriptor is left" in line for line in found["lines"])
    assert found["took"] < 2
    assert sorted(inbox.accepted.values()) == [1] * 4
    assert integrity(tmp_path / "memory.db") == "ok"
