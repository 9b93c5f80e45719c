"""The worker inside another program: on its event loop, in its threads, in its tests."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from loguru import logger

from omega_models import AsyncStore, Store, StoreUnavailable
from omega_models.testing import FakeClock
from omega_worker import Channel, Delivery, DeliveryError, Settings, Worker

NINE = "2026-03-02 09:00"
PATIENCE = 20
NO_POLL = Settings.defaults(poll_interval_seconds=3600, idle_check_seconds=3600)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NINE)


@pytest.fixture
def store(clock: FakeClock, shared_url: str) -> Iterator[Store]:
    with Store(shared_url, clock=clock) as opened:
        yield opened


def remind(store: Store, words: str = "Call John", due: str = NINE) -> str:
    return store.create_task("telegram", 42, 42, words, due, dedupe="off")


class Chat:
    """A coroutine channel, which notes what it was given and in which thread and loop it ran."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.ran: set[tuple[threading.Thread, asyncio.AbstractEventLoop]] = set()
        self._news = threading.Condition()

    async def __call__(self, delivery: Delivery) -> str:
        await asyncio.sleep(0)
        with self._news:
            self.ran.add((threading.current_thread(), asyncio.get_running_loop()))
            self.got.append(delivery.description)
            self._news.notify_all()
        return f"message {len(self.got)}"

    def wait_for(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.got) >= count, PATIENCE), self.got


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# On an event loop


def test_coroutines_are_awaited_on_the_running_loop(store: Store) -> None:
    chat, plain = Chat(), threading.Event()
    first = remind(store)
    store.create_task("plain", 42, 42, "Call John", NINE)

    async def bot() -> None:
        async with Worker(store, {"telegram": chat, "plain": lambda _: plain.set()}, NO_POLL):
            await asyncio.to_thread(chat.wait_for, 1)
            assert await asyncio.to_thread(plain.wait, PATIENCE)
        assert chat.ran == {(threading.current_thread(), asyncio.get_running_loop())}

    asyncio.run(bot())
    (row,) = store.task_history(first)
    assert (row.status, row.receipt) == ("delivered", "message 1")


def test_what_the_bot_adds_is_sent_at_once(store: Store) -> None:
    chat = Chat()

    async def bot() -> None:
        worker = Worker(store, {"telegram": chat}, NO_POLL)
        await worker.astart()
        for count in range(1, 4):
            await asyncio.to_thread(remind, store)
            await asyncio.to_thread(chat.wait_for, count)
        assert await worker.astop(timedelta(seconds=PATIENCE))
        assert await worker.astop(1)

    asyncio.run(bot())
    assert len(chat.got) == 3


def test_an_async_store_is_as_good_as_its_store(tmp_path: Path) -> None:
    chat = Chat()

    async def bot() -> None:
        async with AsyncStore(tmp_path / "memory.db", clock=FakeClock(NINE)) as store:
            async with Worker(store, {"telegram": chat}, NO_POLL) as worker:
                assert worker.store is store.store
                task = await store.create_task("telegram", 42, 42, "Call John", NINE)
                await asyncio.to_thread(chat.wait_for, 1)
            assert [row.status for row in await store.task_history(task)] == ["delivered"]

    asyncio.run(bot())


def test_an_async_store_must_be_open(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="async with"):
        Worker(AsyncStore(tmp_path / "memory.db"), {})


def test_a_cancelled_bot_leaves_nothing_running(store: Store) -> None:
    chat = Chat()
    task = remind(store)

    async def bot() -> None:
        async with Worker(store, {"telegram": chat}, NO_POLL):
            await asyncio.Event().wait()

    async def main() -> None:
        running = asyncio.create_task(bot())
        await asyncio.to_thread(chat.wait_for, 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    before = threading.active_count()
    asyncio.run(main())
    assert [row.status for row in store.task_history(task)] == ["delivered"]
    assert threading.active_count() == before


def test_several_workers_share_a_loop_and_never_mix(store: Store, tmp_path: Path) -> None:
    chats = [Chat(), Chat()]

    async def bot(other: Store) -> None:
        async with (
            Worker(store, {"telegram": chats[0]}, NO_POLL),
            Worker(other, {"telegram": chats[1]}, NO_POLL),
        ):
            await asyncio.to_thread(remind, store, "Call John")
            await asyncio.to_thread(remind, other, "Drink water")
            for chat in chats:
                await asyncio.to_thread(chat.wait_for, 1)

    with Store(tmp_path / "other.db", clock=store.clock) as other:
        asyncio.run(bot(other))
    assert [chat.got for chat in chats] == [["Call John"], ["Drink water"]]


# In threads


def test_a_threaded_bot_needs_no_loop(store: Store) -> None:
    got: list[str] = []
    news = threading.Semaphore(0)

    def send(delivery: Delivery) -> None:
        got.append(delivery.text)
        news.release()

    with Worker(store, {"telegram": send}, NO_POLL):
        for _ in range(2):
            remind(store)
            assert news.acquire(timeout=PATIENCE)
    assert got == ["Reminder: Call John"] * 2


def test_coroutines_need_a_loop(store: Store) -> None:
    chat = Chat()
    worker = Worker(store, {"telegram": Channel(chat)}, NO_POLL)
    for begin in (worker.start, worker.run_due, worker.__enter__):
        with pytest.raises(ValueError, match=r"'telegram' is a coroutine function: .*astart\(\).*loop="):
            begin()
    remind(store)
    assert asyncio.run(worker.arun_due()) == 1


def test_coroutines_run_on_the_loop_that_is_given(store: Store) -> None:
    chat = Chat()
    with loop_in_a_thread() as loop:
        with Worker(store, {"telegram": chat}, NO_POLL, loop=loop):
            remind(store)
            chat.wait_for(1)
        remind(store)
        assert Worker(store, {"telegram": chat}, loop=loop).run_due() == 1
        assert {(thread.name, where) for thread, where in chat.ran} == {("loop", loop)}


def test_run_due_on_the_loop_itself_would_wait_for_ever_and_is_refused(store: Store) -> None:
    remind(store)

    async def bot() -> None:
        worker = Worker(store, {"telegram": Chat()}, loop=asyncio.get_running_loop())
        with pytest.raises(RuntimeError, match="arun_due"):
            worker.run_due()
        assert await worker.arun_due() == 1

    asyncio.run(bot())


def test_a_loop_that_was_closed_is_none(store: Store) -> None:
    worker = Worker(store, {"telegram": Chat()}, NO_POLL)
    assert asyncio.run(worker.arun_due()) == 0
    remind(store)
    with pytest.raises(ValueError, match="closed"):
        worker.run_due()
    with pytest.raises(ValueError, match="closed"):
        worker.start()
    assert asyncio.run(worker.arun_due()) == 1


def test_it_starts_once_and_again_after_it_was_stopped(store: Store) -> None:
    sent = threading.Semaphore(0)
    worker = Worker(store, {"telegram": lambda _: sent.release()}, NO_POLL)
    for _ in range(2):
        with worker:
            for again in (worker.start, worker.run_due):
                with pytest.raises(RuntimeError, match="running already"):
                    again()
            remind(store)
            assert sent.acquire(timeout=PATIENCE)
        assert worker.stop()


# In tests


def test_a_day_passes_in_a_test(store: Store, clock: FakeClock) -> None:
    got: list[tuple[str, int]] = []

    async def send(delivery: Delivery) -> None:
        got.append((delivery.description, delivery.attempt))
        if delivery.attempt == 1:
            raise DeliveryError("try again", retry_after=timedelta(minutes=5))

    async def bot() -> None:
        worker = Worker(store, {"telegram": send})
        store.create_task("telegram", 42, 42, "Stand up", "2026-03-02 10:00", repeat="daily")
        assert await worker.arun_due() == 0
        clock.advance(hours=1)
        assert await worker.arun_due() == 1
        assert await worker.arun_due() == 0
        clock.advance(minutes=5)
        assert await worker.arun_due() == 1
        clock.advance(days=1)
        assert await worker.arun_due() == 1

    asyncio.run(bot())
    assert got == [("Stand up", 1), ("Stand up", 2), ("Stand up", 1)]


def test_idle_conversations_in_a_test(store: Store, clock: FakeClock) -> None:
    worker = Worker(store, {})
    for close in (worker.run_idle, lambda: asyncio.run(worker.arun_idle())):
        conversation = store.get_or_create_conversation("telegram", 42)
        store.append_message(conversation, "user", "Green paint for the fence, please.")
        assert close() == 0
        clock.advance(minutes=121)
        assert close() == 1


# What is not its own


def test_signals_logs_and_environment_are_left_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("OMEGA_MAX_ATTEMPTS=none\nOMEGA_QUIET_HOURS=00:00-23:59\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMEGA_QUIET_HOURS", "00:00-23:59")
    monkeypatch.setenv("OMEGA_LEASE_SECONDS", "none")
    before = surroundings()
    chat = Chat()

    async def bot() -> None:
        async with Worker(store, {"telegram": chat}) as worker:
            assert surroundings() == before
            assert worker.settings.quiet_hours is None
            await asyncio.to_thread(remind, store)
            await asyncio.to_thread(chat.wait_for, 1)

    asyncio.run(bot())
    assert surroundings() == before
    assert capfd.readouterr() == ("", "")


def surroundings() -> list[object]:
    """What a program sets up once, and no library may."""
    numbers = signal.valid_signals() - {signal.SIGINT}  # asyncio.run minds that one itself
    handlers = [(number, signal.getsignal(number)) for number in sorted(numbers)]
    sinks = sorted(logger._core.handlers)  # type: ignore[attr-defined]
    logs = [(name, list(logging.getLogger(name).handlers)) for name in (None, "apscheduler", "omega_worker")]
    return [handlers, sinks, logs, dict(os.environ), Path.cwd()]
