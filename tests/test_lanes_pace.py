import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest

from omega_models import Store
from omega_models.testing import FakeClock
from omega_worker import Channel, Delivery, Settings, Worker

GAP = 0.1


@pytest.fixture
def store(shared_url: str) -> Iterator[Store]:
    with Store(shared_url, clock=FakeClock("2026-03-01 09:00")) as opened:
        for target in ("7", "7", "7", "8"):
            opened.create_task("chat", 7, target, "Water the plants", "2026-03-01 09:00", dedupe="off")
        yield opened


def check(sent: list[tuple[str, float]]) -> None:
    times = [moment for target, moment in sent if target == "7"]
    assert len(sent) == 4
    assert all(later - earlier >= GAP * 0.9 for earlier, later in itertools.pairwise(times))
    assert [target for target, _ in sent].index("8") <= 1  # nobody waits behind another's pace


def test_threads_keep_the_pace(store: Store) -> None:
    sent: list[tuple[str, float]] = []

    def send(delivery: Delivery) -> None:
        sent.append((delivery.reply_target, time.monotonic()))

    Worker(store, {"chat": Channel(send, rate="1000/s 10/s")}).run_due()
    check(sent)


def test_coroutines_keep_the_pace_that_the_settings_name(store: Store) -> None:
    sent: list[tuple[str, float]] = []

    async def send(delivery: Delivery) -> None:
        sent.append((delivery.reply_target, time.monotonic()))

    worker = Worker(store, {"chat": send}, Settings.defaults(rates={"chat": "1000/s 10/s"}))
    assert asyncio.run(worker.arun_due()) == 4
    check(sent)


def test_a_pace_nobody_can_read_is_refused() -> None:
    with pytest.raises(ValueError, match="must be like 30/s"):
        Channel(lambda _: None, rate="fast")
