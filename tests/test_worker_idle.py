import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from omega_models import Store
from omega_models.testing import FakeClock
from omega_worker import Settings, Worker


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01 09:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def talk(store: Store) -> str:
    conversation = store.get_or_create_conversation("telegram", 7)
    store.append_message(conversation, "user", "Please order green paint for the garden fence.")
    return conversation


def test_run_idle_closes_what_is_idle(store: Store, clock: FakeClock) -> None:
    talk(store)
    worker = Worker(store, {})
    assert worker.run_idle() == 0
    clock.advance(hours=2)
    assert worker.run_idle() == 1
    [summary] = store.get_recent_summaries("telegram", 7, 5)
    assert summary.summary == "Please order green paint for the garden fence."


def test_arun_idle_with_a_summariser_of_ones_own(store: Store, clock: FakeClock) -> None:
    talk(store)
    clock.advance(hours=2)
    worker = Worker(store, {}, summarise=lambda said: f"{len(said)} message about paint")
    assert asyncio.run(worker.arun_idle()) == 1
    assert store.get_recent_summaries("telegram", 7, 5)[0].summary == "1 message about paint"


def test_a_running_worker_closes_them_by_itself(store: Store, clock: FakeClock) -> None:
    talk(store)
    clock.advance(hours=2)
    closed = asyncio.Event()

    async def until_closed() -> None:
        loop = asyncio.get_running_loop()

        def said(_: list[tuple[str, str]]) -> str:
            loop.call_soon_threadsafe(closed.set)
            return "paint"

        async with Worker(store, {}, summarise=said):
            await asyncio.wait_for(closed.wait(), 20)

    asyncio.run(until_closed())


@pytest.mark.parametrize("wanted", [True, False])
def test_all_are_closed_at_shutdown_only_where_that_is_set(store: Store, wanted: bool) -> None:
    talk(store)
    settings = Settings.defaults(close_on_shutdown=wanted, duties=("deliver",))
    with Worker(store, {}, settings):
        pass
    assert bool(store.find_all_active_conversations()) is not wanted


def test_without_the_duty_nothing_is_closed(store: Store, clock: FakeClock) -> None:
    talk(store)
    clock.advance(hours=2)
    worker = Worker(store, {}, Settings.defaults(duties=("maintain",)))
    worker.start()
    assert worker.stop(timedelta(seconds=5))
    assert len(store.find_idle_conversations()) == 1
