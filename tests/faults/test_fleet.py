"""Many workers on one server: each occurrence is accepted once, whoever is killed, restarted or cut off."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import pytest
from fault_channels import eventually
from fault_children import Family
from fleet_children import Entry, Recorder, add_tasks, ledger, tasks_left, work_in_fleet, work_on_machine
from machines import GATEWAY, NETWORK, machines, why_not
from postgres_server import Server, find_binaries, new_database, own_server

from omega_models import Store, StoreUnavailable, server_connection

pytestmark = pytest.mark.postgres

QUICK = {"lease_seconds": 2, "poll_interval_seconds": 1}


@pytest.fixture
def family() -> Iterator[Family]:
    with Family() as family:
        yield family


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def url(own_postgres: Server) -> Iterator[str]:
    with new_database(own_postgres.url) as address:
        Store(address).close()
        yield address


class Fleet:
    """Workers on one server, which are killed and replaced."""

    def __init__(self, family: Family, url: str, recorder: Recorder, size: int, seed: int = 1) -> None:
        self.family, self.url, self.recorder = family, url, recorder
        self.chance = random.Random(seed)
        self.workers: list[BaseProcess] = []
        for _ in range(size):
            self.hire()

    def hire(self) -> None:
        seed = self.chance.randrange(2**31)
        self.workers.append(self.family.start(work_in_fleet, self.url, self.recorder.address, QUICK, seed))

    def kill_one(self) -> None:
        victim = self.workers.pop(self.chance.randrange(len(self.workers)))
        assert victim.is_alive(), f"a worker ended by itself: {victim.exitcode}"
        self.family.kill(victim)


def checked(url: str, ids: list[str], recorder: Recorder) -> list[Entry]:
    """The ledger, after all is done: nothing is missing, doubled, or sent without a trace."""
    entries = ledger(url)
    assert sorted(entry.task_id for entry in entries) == sorted(ids)
    assert {entry.state for entry in entries} == {"delivered"}
    assert recorder.accepted.keys() == {entry.id for entry in entries}
    untold = {e.id: (e.attempts, recorder.asked[e.id]) for e in entries if recorder.asked[e.id] > e.attempts}
    assert untold == {}
    return entries


def shares(entries: list[Entry]) -> Counter[str]:
    return Counter(entry.worker for entry in entries)


def test_killed_workers_and_a_restarted_server_lose_nothing(
    own_postgres: Server, url: str, recorder: Recorder, family: Family
) -> None:
    ids = add_tasks(url, 300)
    fleet = Fleet(family, url, recorder, size=3)
    assert recorder.wait_for(40, 30)
    fleet.kill_one()
    fleet.hire()
    assert recorder.wait_for(120, 30)
    own_postgres.stop()
    own_postgres.start()
    ids += add_tasks(url, 100)
    eventually(lambda: tasks_left(url) == 0, seconds=40)
    assert len(shares(checked(url, ids, recorder))) >= 2


def test_who_stands_still_in_a_transaction_holds_others_up_for_a_moment_only(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a machine that was cut off in the middle of a claim, whose connection the server still has."""
    monkeypatch.setattr(server_connection, "IDLE_MS", 2000)
    (task_id,) = add_tasks(url, 1)
    with Store(url) as cut, Store(url) as other:
        with pytest.raises(StoreUnavailable), cut.database.writing(together=True):
            (lost,) = cut.claim_due_tasks("cut off", 1)
            assert other.claim_due_tasks("other", 1) == []
            with other.database.writing():  # which waits until the server has given up on the first
                pass
            (taken,) = other.claim_due_tasks("other", 1)
            cut.claim_due_tasks("cut off", 1)
        assert cut.settle(lost.token, "delivered") is False
        assert other.settle(taken.token, "delivered") is True
        assert [(row.worker, row.attempts) for row in other.task_history(task_id)] == [("other", 1)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_eight_workers_share_a_hundred_thousand(url: str, recorder: Recorder, family: Family) -> None:
    ids = add_tasks(url, 100_000)
    began = time.monotonic()
    Fleet(family, url, recorder, size=8)
    eventually(lambda: tasks_left(url) == 0, seconds=1200)
    took = time.monotonic() - began
    entries = checked(url, ids, recorder)
    done = shares(entries)
    print(f"100,000 by {len(done)} workers in {took:.0f} s: {sorted(done.values())}")
    assert len(done) == 8
    assert min(done.values()) >= 100_000 / 8 / 4
    assert {entry.attempts for entry in entries} == {1}
    assert set(recorder.asked.values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
def test_eight_workers_are_killed_at_random_and_the_server_restarts_twice(
    own_postgres: Server, url: str, recorder: Recorder, family: Family, seed: int
) -> None:
    ids = add_tasks(url, 100_000)
    began = time.monotonic()
    fleet = Fleet(family, url, recorder, size=8, seed=seed)
    restarts = {33_000: "fast", 66_000: "immediate"}
    kills = 0
    while not recorder.wait_for(95_000, fleet.chance.uniform(0.2, 1.5)):
        fleet.kill_one()
        fleet.hire()
        kills += 1
        if restarts and len(recorder.accepted) >= min(restarts):
            own_postgres.stop(restarts.pop(min(restarts)))
            time.sleep(fleet.chance.uniform(0, 3))
            own_postgres.start()
    eventually(lambda: tasks_left(url) == 0, seconds=600)
    entries = checked(url, ids, recorder)
    lost, twice = sum(e.attempts > 1 for e in entries), sum(count > 1 for count in recorder.asked.values())
    print(
        f"{kills} kills, 2 restarts, {time.monotonic() - began:.0f} s: {lost} tried again, {twice} sent twice"
    )
    assert restarts == {}
    assert kills > 10
    assert lost > 0
    assert len(shares(entries)) > 8


# Several machines


@pytest.fixture
def networked() -> Iterator[Server]:
    """A server that machines reach over their network."""
    if reason := why_not():
        pytest.skip(reason)
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("needs a server that it may stop")
    with own_server(binaries) as server:
        with (server.folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(f"listen_addresses = '{GATEWAY}'\n")
        with (server.folder / "data" / "pg_hba.conf").open("a") as access:
            access.write(f"host all all {NETWORK}.0/24 trust\n")
        yield server


def name_of(worker: str) -> str:
    return worker.split(":")[1]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_machine_that_is_cut_off_is_replaced_and_comes_back(networked: Server, family: Family) -> None:
    """Its tasks are taken over when its leases end, and what it says about them afterwards changes nothing."""
    with machines(3) as three, new_database(networked.url) as url, Recorder(GATEWAY) as recorder:
        networked.stop("fast")
        networked.start()  # now that the address is there
        Store(url).close()
        remote = _over_network(url)
        changes = QUICK | {"send_timeout_seconds": 3, "lease_seconds": 4}
        at_work = {
            str(family.start(work_on_machine, name, remote, recorder.address, changes, n).pid): name
            for n, name in enumerate(three.names)
        }
        lonely = three.names[0]
        ids = add_tasks(url, 2000)

        def machine(entry: Entry) -> str:
            return at_work[name_of(entry.worker)]

        def by(name: str) -> list[Entry]:
            return [entry for entry in ledger(url) if machine(entry) == name]

        eventually(lambda: all(by(name) for name in three.names), seconds=30)
        ids += add_tasks(url, 4000)
        eventually(lambda: any(entry.state == "claimed" for entry in by(lonely)), seconds=30)
        three.unplug(lonely)
        in_its_hands = {entry.id for entry in by(lonely) if entry.state == "claimed"}
        eventually(lambda: tasks_left(url) == 0, seconds=60)
        before = ledger(url)
        taken_over = [entry for entry in before if entry.id in in_its_hands and entry.attempts > 1]
        assert taken_over
        assert lonely not in {machine(entry) for entry in taken_over}
        three.plug_in(lonely)

        def is_back() -> bool:
            ids.extend(add_tasks(url, 300))
            eventually(lambda: tasks_left(url) == 0, seconds=60)
            known = {entry.id for entry in before}
            return any(entry.id not in known for entry in by(lonely))

        eventually(is_back, seconds=90)
        after = {entry.id: entry for entry in checked(url, ids, recorder)}
        assert [after[entry.id] for entry in before] == before


def _over_network(url: str) -> str:
    database = url.split("?")[0].rpartition("/")[2]
    return f"postgresql://omega@{GATEWAY}:5432/{database}"
