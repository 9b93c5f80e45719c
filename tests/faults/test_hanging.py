"""One delivery that hangs delays no other, keeps its lease while it runs, and ends at its deadline."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from fault_channels import STUCK, Phone, a_phone, add, eventually, outcome, quick
from fault_children import START, Busy
from http_receiver import Arrived, Behaviour, answer, hang

from omega_jobs.delivery import Delivery
from omega_models import Store
from omega_models.testing import FakeClock
from omega_worker import errand, lanes
from omega_worker.channels import Channel
from omega_worker.channels.webhook import webhook_channel
from omega_worker.worker import Worker

OTHERS = [f"other-{n}" for n in range(10)]


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errand, "GRACE", 0.05)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(shared_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(shared_url, clock=clock, durability="normal") as store:
        yield store


@pytest.fixture
def phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


@pytest.fixture
def other_phone() -> Iterator[Phone]:
    with a_phone() as phone:
        yield phone


def test_callable_delays_no_other(store: Store, phone: Phone, other_phone: Phone) -> None:
    (stuck,) = add(store, "one", STUCK, minutes_ago=1)
    add(store, "one", *OTHERS)
    add(store, "two", *OTHERS)
    settings = quick(send_timeout_seconds=60, delivery_concurrency=2)
    with Worker(store, {"one": phone, "two": other_phone}, settings) as worker:
        phone.wait_for(ended=len(OTHERS))
        other_phone.wait_for(ended=len(OTHERS))
        eventually(lambda: len(store.list_tasks(status="delivered")) == 2 * len(OTHERS))
        assert outcome(store, stuck) == ("claimed", 1)
        phone.released.set()
        eventually(lambda: outcome(store, stuck) == ("delivered", 1))
        assert worker.stop()


def test_callable_ends_at_its_deadline(store: Store, phone: Phone) -> None:
    """Nobody knows whether it arrived, so a person is asked."""
    (stuck,) = add(store, "one", STUCK)
    with Worker(store, {"one": phone}, quick()):
        eventually(lambda: outcome(store, stuck) == ("ambiguous", 1))
        task = store.get_task(stuck, "s")
        assert task is not None
        assert (task.status, task.last_error) == ("failed", "ambiguous: no answer within 0.3 s")
        phone.released.set()
        phone.wait_for(ended=1)
    assert outcome(store, stuck) == ("ambiguous", 1)


def test_callable_whose_receiver_knows_the_key_is_tried_again(
    store: Store, clock: FakeClock, phone: Phone
) -> None:
    (stuck,) = add(store, "one", STUCK)
    with Worker(store, {"one": Channel(phone, deduplicates=True)}, quick()) as worker:
        eventually(lambda: outcome(store, stuck) == ("ambiguous", 1))
        task = store.get_task(stuck, "s")
        assert task is not None
        assert (task.status, task.retry_count) == ("pending", 1)
        assert START + timedelta(seconds=60) <= task.due_at <= START + timedelta(seconds=76)
        phone.released.set()
        clock.advance(minutes=2)
        worker.ring()
        eventually(lambda: outcome(store, stuck) == ("delivered", 2))
    assert len({each.id for each in phone.begun}) == 1


def test_every_place_taken(store: Store, phone: Phone) -> None:
    """More hanging sends than places: the others go out once these have been given up."""
    hanging = add(store, "one", *(f"{STUCK}-{n}" for n in range(5)), minutes_ago=1)
    others = add(store, "one", *OTHERS)
    with Worker(store, {"one": phone}, quick(delivery_concurrency=2)):
        phone.wait_for(ended=len(OTHERS))
        eventually(lambda: all(outcome(store, each) == ("delivered", 1) for each in others))
        eventually(lambda: all(outcome(store, each) == ("ambiguous", 1) for each in hanging))


def test_hanging_for_ever_takes_a_bounded_number_of_threads(
    store: Store, phone: Phone, other_phone: Phone
) -> None:
    """Quick at first, so that much is claimed ahead; then everything hangs, and what is left stays due."""
    add(store, "one", *(f"quick-{n}" for n in range(100)), minutes_ago=2)
    hanging = add(store, "one", *(f"{STUCK}-{n}" for n in range(60)), minutes_ago=1)
    most = lanes.LOST_SENDS * 2 + 2
    settings = quick(delivery_concurrency=2, send_timeout_seconds=0.1)
    with Worker(store, {"one": phone, "two": other_phone}, settings) as worker:
        phone.wait_for(ended=100)
        eventually(lambda: len(tried(store, hanging)) >= lanes.LOST_SENDS * 2)
        eventually(lambda: len(store.get_due_tasks()) == len(hanging) - len(tried(store, hanging)))
        assert len(tried(store, hanging)) <= most
        assert sum(thread.name == "omega-one-reminder" for thread in threading.enumerate()) <= most
        add(store, "two", *OTHERS)
        other_phone.wait_for(ended=len(OTHERS))
        phone.released.set()
        phone.wait_for(ended=160)
        eventually(lambda: not store.get_due_tasks())
        assert worker.stop()
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("omega-")])


def tried(store: Store, ids: list[str]) -> list[str]:
    return [each for each in ids if outcome(store, each)[0] == "ambiguous"]


async def never(event: asyncio.Event) -> None:
    await event.wait()


async def not_to_be_cancelled(event: asyncio.Event) -> None:
    while not event.is_set():
        with suppress(asyncio.CancelledError):
            await event.wait()


@pytest.mark.parametrize("hanging", [never, not_to_be_cancelled])
def test_coroutine_delays_no_other(
    store: Store, phone: Phone, hanging: Callable[[asyncio.Event], Awaitable[None]]
) -> None:
    released = asyncio.Event()

    async def send(delivery: Delivery) -> None:
        await hanging(released) if delivery.reply_target.startswith(STUCK) else phone(delivery)

    stuck = add(store, "one", *(f"{STUCK}-{n}" for n in range(5)), minutes_ago=1)
    others = add(store, "one", *OTHERS) + add(store, "two", *OTHERS)

    async def run() -> None:
        async with Worker(store, {"one": send, "two": phone}, quick(delivery_concurrency=2)):
            await asyncio.to_thread(phone.wait_for, ended=20)
            await asyncio.to_thread(
                eventually, lambda: all(outcome(store, each) == ("delivered", 1) for each in others)
            )
            await asyncio.to_thread(
                eventually, lambda: all(outcome(store, each) == ("ambiguous", 1) for each in stuck)
            )
            released.set()

    asyncio.run(run())


class HalfDeaf(Busy):
    """Does not answer where the path begins with `stuck`."""

    def accept(self, arrived: Arrived) -> Behaviour:
        super().accept(arrived)
        return hang() if arrived.path.startswith(f"/{STUCK}") else answer(204)


def test_webhook_delays_no_other(store: Store) -> None:
    (stuck,) = add(store, "one", STUCK, minutes_ago=1)
    others = add(store, "one", *OTHERS)
    with HalfDeaf() as receiver:
        channel = webhook_channel(receiver.url + "/{reply_target}", timeout=timedelta(seconds=1))
        with (
            closing(channel),  # type: ignore[type-var]
            Worker(store, {"one": channel}, quick(send_timeout_seconds=30)),
        ):
            eventually(lambda: all(outcome(store, each) == ("delivered", 1) for each in others))
            eventually(lambda: outcome(store, stuck) == ("ambiguous", 1))
    task = store.get_task(stuck, "s")
    assert task is not None
    assert (task.status, task.retry_count) == ("pending", 1)


def test_lease_runs_on_while_it_is_being_sent(
    store: Store, shared_url: str, clock: FakeClock, phone: Phone
) -> None:
    """For more than three leases no other worker can have it."""
    (stuck,) = add(store, "one", STUCK)
    settings = quick(send_timeout_seconds=60, lease_seconds=60)
    with Worker(store, {"one": phone}, settings) as worker, Store(shared_url, clock=clock) as other:
        phone.wait_for(begun=1)
        for _ in range(8):
            clock.advance(seconds=25)
            worker.deliver_round()
            assert other.claim_due_tasks("other", 10) == []
        phone.released.set()
        eventually(lambda: outcome(store, stuck) == ("delivered", 1))


def test_lease_runs_on_by_itself(shared_url: str, phone: Phone) -> None:
    """In real time, with nothing else to wake the worker: a lease of a second, a send of three."""
    claims: list[object] = []
    with Store(shared_url) as store, Store(shared_url) as other:
        (stuck,) = add(store, "one", STUCK)
        settings = quick(send_timeout_seconds=60, lease_seconds=1)
        with Worker(store, {"one": phone}, settings):
            phone.wait_for(begun=1)
            first = store.list_tasks()[0].due_at
            eventually(
                lambda: (
                    claims.extend(other.claim_due_tasks("other", 10))
                    or store.list_tasks()[0].due_at >= first + timedelta(seconds=2)
                )
            )
            phone.released.set()
            eventually(lambda: outcome(store, stuck) == ("delivered", 1))
    assert claims == []
