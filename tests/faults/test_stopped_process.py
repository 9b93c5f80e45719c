"""A process that stands still for longer than its leases, and goes on: what others have taken it does not send."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fault_channels import add, eventually
from fault_children import Family, Inbox, SharedClock, integrity, work_until_killed, working
from http_receiver import Arrived, Behaviour, late

from omega_models import Store


class Slow(Inbox):
    """Answers the first requests, as many as a worker sends at once, only when told to."""

    def accept(self, arrived: Arrived) -> Behaviour:
        behave = super().accept(arrived)
        return behave if len(self.requests) > 8 else late(self.released, 204)


@pytest.fixture
def family() -> Iterator[Family]:
    with Family() as family:
        yield family


def test_stopped_for_longer_than_its_leases(shared_url: str, family: Family) -> None:
    """Sent twice is what was under way, with a recorded attempt each; what was queued is sent once."""
    path, clock = shared_url, SharedClock()
    with Store(path, clock=clock, durability="normal") as store, Slow() as inbox:
        ids = add(store, "web", *(f"t{n}" for n in range(12)), minutes_ago=1)
        child = family.start(work_until_killed, str(path), inbox.url, clock)
        inbox.wait_for(8)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
        clock.advance(180)
        store.create_task("web", "s", "meanwhile", "call", clock() - timedelta(seconds=1))
        with working(path, inbox.url, clock) as (_, worker):
            worker.run_due()
        rows = [store.task_history(each)[0] for each in ids]
        assert {row.status for row in rows} == {"delivered"}
        assert sum(row.attempts == 2 for row in rows) >= 8
        before = sum(inbox.asked.values())
        inbox.released.set()
        os.kill(child.pid, signal.SIGCONT)
        (later,) = add(store, "web", "later")
        eventually(lambda: store.task_history(later) and store.task_history(later)[0].status == "delivered")
        assert child.is_alive()
        assert sum(inbox.asked.values()) == before + 1
        for row in [store.task_history(each)[0] for each in ids]:
            assert (row.status, inbox.accepted[row.id]) == ("delivered", 1)
            assert inbox.asked[row.id] <= row.attempts
        family.kill(child)
    assert integrity(path) == "ok"
