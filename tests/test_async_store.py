"""The Store, awaited: where it runs, how it opens and ends, what becomes of a call that is cancelled."""

import ast
import asyncio
import contextvars
import gc
import importlib.util
import inspect
import os
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from omega_models import (
    AsyncAuditLogger,
    AsyncStore,
    AuditEntry,
    AuditLogger,
    IncomingMessage,
    InvalidId,
    InvalidTimezone,
    Store,
    StoreBusy,
    StoreUnavailable,
    sqlite_file,
)
from omega_models.testing import FakeClock

ROOT = Path(__file__).parent.parent
INCOMING = IncomingMessage("telegram", 42, "hello", platform_message_id=7)


class Gate(FakeClock):
    """A clock that a call stops at while the gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()
        self.open.set()

    def __call__(self) -> datetime:
        if not self.open.is_set():
            self.reached.set()
            assert self.open.wait(10)
        return super().__call__()

    def shut(self) -> None:
        self.reached.clear()
        self.open.clear()

    async def stands_before(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 10)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def started(call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(call)


def threads_of(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(f"omega-{name}")]


# What is generated


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools_async_store", ROOT / "tools/async_store.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public(kind: type) -> dict[str, Any]:
    return {
        name: found
        for name, found in vars(kind).items()
        if inspect.isfunction(found) and not name.startswith("_")
    }


def test_the_module_is_what_the_generator_writes(generator: ModuleType) -> None:
    assert (ROOT / generator.TARGET).read_text() == generator.text(), generator.STALE


def test_a_stale_module_is_said_and_put_right(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / generator.TARGET
    target.parent.mkdir(parents=True)
    target.write_text("old\n")
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "text", lambda: "new\n")
    with pytest.raises(SystemExit, match=r"run `python3 omega\.py generate`"):
        generator.main(["--check"])
    assert target.read_text() == "old\n"
    generator.main([])
    generator.main(["--check"])
    assert target.read_text() == "new\n"


def test_the_generator_works_where_the_module_does_not_even_load(generator: ModuleType) -> None:
    """A method that is gone would otherwise take the package, and so the generator, with it."""
    broken = "import sys, runpy; sys.modules['omega_models.async_store'] = None; sys.argv = ['x', '--check']"
    run = "runpy.run_path('tools/async_store.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", f"{broken}; {run}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() in ("", generator.STALE)


@pytest.mark.parametrize(("ours", "theirs"), [(AsyncStore, Store), (AsyncAuditLogger, AuditLogger)])
def test_every_method_is_there_with_its_parameters_and_its_words(ours: type, theirs: type) -> None:
    wanted = public(theirs)
    assert wanted
    for name, method in wanted.items():
        found = getattr(ours, name)
        if name == "close":
            continue
        assert inspect.getdoc(found) == inspect.getdoc(method), name
        known, given = (list(inspect.signature(each).parameters.values())[1:] for each in (found, method))
        assert [(each.name, each.kind, each.default) for each in known] == [
            (each.name, each.kind, each.default) for each in given
        ], name


def test_the_options_are_the_stores_own() -> None:
    ours, theirs = (inspect.signature(each).parameters for each in (AsyncStore, Store))
    assert [(each.name, each.default) for each in ours.values()] == [
        (each.name, each.default) for each in theirs.values()
    ]


ADDED = '''
from __future__ import annotations
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction as Share
from omega_models.store import Store

HALF = Share(1, 2)
log: list[str] = []


def get_share(store: Store, *texts: str, of: Share = HALF, **more: int) -> dict[str, Share]:
    """How much of it."""
    return {text: of * more["by"] for text in texts}


def export_numbers(store: Store, most: int) -> Iterator[int]:
    """One after the other."""
    try:
        yield from range(most)
    finally:
        log.append("closed")


@contextmanager
def opened(store: Store, name: str) -> Iterator[str]:
    """A thing that is open."""
    log.append("entered")
    try:
        yield name.upper()
    except BaseException as error:
        log.append(type(error).__name__)
        raise
    log.append("left")
'''


class Grown:
    """A Store with three more methods, and the AsyncStore that is written for it."""

    def __init__(self, generator: ModuleType, folder: Path) -> None:
        (folder / "added_methods.py").write_text(ADDED)
        self.module = importlib.import_module("added_methods")
        names = ("get_share", "export_numbers", "opened")
        store: Any = type("Grown", (Store,), {name: getattr(self.module, name) for name in names})
        self.text = generator.text(store)
        written: dict[str, Any] = {"__name__": "written"}
        exec(self.text, written)  # noqa: S102  it is what was just generated
        self.open = lambda: written["AsyncStore"](store(":memory:"))
        self.log: list[str] = self.module.log


@pytest.fixture(scope="module")
def grown(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    folder = tmp_path_factory.mktemp("grown")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield Grown(generator, folder)
        sys.modules.pop("added_methods")


def test_a_new_method_appears_by_itself(grown: Grown) -> None:
    for line in (
        "from fractions import Fraction as Share",
        "from added_methods import HALF",
        "    async def get_share(self, *texts: str, of: Share = HALF, **more: int) -> dict[str, Share]:",
        "    def export_numbers(self, most: int) -> AsyncGenerator[int, None]:",
        "    def opened(self, name: str) -> Visit[str]:",
        '        """How much of it."""',
    ):
        assert f"\n{line}\n" in grown.text

    async def use() -> None:
        async with grown.open() as store:
            assert await store.get_share("a", by=4) == {"a": 2}
            assert [n async for n in store.export_numbers(450)] == list(range(450))
            assert grown.log.pop() == "closed"
            async with store.opened("x") as name:
                assert name == "X"
            assert grown.log[-2:] == ["entered", "left"]
            store.store.close()

    asyncio.run(use())


def test_a_method_without_docstring_or_return_type_is_refused(generator: ModuleType) -> None:
    for source, said in (("def f(s) -> int: ...", "docstring"), ('def f(s):\n    """."""', "annotate it")):
        (found,) = ast.parse(source).body
        with pytest.raises(SystemExit, match=said):
            generator.method_text(generator.Method("f", found, ast), "self", "store")


# Using it


def test_what_the_store_does_awaited(memory_url: str) -> None:
    async def use() -> None:
        async with AsyncStore(memory_url, clock=FakeClock("2026-01-01 09:00"), max_text=100) as store:
            await store.store_fact(42, "name", "Ann")
            assert await store.get_fact(42, "name") == "Ann"
            async with store.exchange(INCOMING, "Be kind.") as turn:
                assert turn.context.system_prompt.startswith("Be kind.")
                turn.write("h")
                turn.write("i")
            said = await store.get_conversation_messages(turn.conversation_id)
            assert said == [("user", "hello"), ("assistant", "hi")]
            task = await store.add_task("telegram", 42, 42, "Call John", "2026-01-02 09:00", repeat="daily")
            assert [each.id for each in await store.list_tasks(42)] == [task.id]
            audit = AsyncAuditLogger(store)
            await audit.log(AuditEntry("telegram", 42, "hello"))
            assert [each.input_text for each in await audit.recent(5)] == ["hello"]
            assert store.store.clock() == datetime.fromisoformat("2026-01-01T09:00+00:00")
            with pytest.raises(InvalidId):
                await store.get_fact("", "name")

    asyncio.run(use())


def test_it_opens_with_the_first_call_once_however_many_come(tmp_path: Path) -> None:
    async def use() -> None:
        store = AsyncStore(tmp_path / "memory.db")
        assert not (tmp_path / "memory.db").exists()
        with pytest.raises(StoreUnavailable, match="not open yet"):
            assert store.store
        assert await asyncio.gather(*(store.get_facts(n) for n in range(9))) == [[]] * 9
        opened = store.store
        await store.get_facts(1)
        assert store.store is opened
        await store.aclose()

    asyncio.run(use())


def test_what_cannot_be_opened_is_said_by_every_call(tmp_path: Path) -> None:
    async def use() -> None:
        with pytest.raises(InvalidTimezone):
            async with AsyncStore(":memory:", default_timezone="Nowhere"):
                pass
        (tmp_path / "memory.db").mkdir()
        store = AsyncStore(tmp_path / "memory.db")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="is a folder"):
                await store.get_facts(1)
        (tmp_path / "memory.db").rmdir()
        assert await store.get_facts(1) == []
        await store.aclose()

    asyncio.run(use())


def test_closing_is_idempotent_and_ends_every_thread() -> None:
    async def use() -> None:
        store = AsyncStore(":memory:")
        await store.store_fact(1, "a", "b")
        await store.get_facts(1)
        await asyncio.gather(store.aclose(), store.close())
        await store.aclose()
        with pytest.raises(StoreUnavailable, match="was closed"):
            await store.get_facts(1)
        with pytest.raises(StoreUnavailable, match="was closed"):
            store.store.get_facts(1)
        unused = AsyncStore(":memory:")
        await unused.aclose()
        with pytest.raises(StoreUnavailable, match="was closed"):
            await unused.get_facts(1)

    before = {*threads_of("")}
    asyncio.run(use())
    left = [each.name for each in threads_of("") if each not in before]
    assert [name for name in left if "reads" in name or "writes" in name] == []


def test_a_store_that_was_given_open_stays_open() -> None:
    async def use(store: Store) -> None:
        for _ in range(2):
            async with AsyncStore(store) as awaited:
                assert awaited.store is store
                await awaited.store_fact(1, "a", "b")

    with Store(":memory:") as store:
        asyncio.run(use(store))
        assert store.get_fact(1, "a") == "b"
        with pytest.raises(TypeError, match="has its options already; give it clock, max_text"):
            AsyncStore(store, max_text=7, clock=FakeClock())


def test_closing_waits_for_what_was_asked_for(tmp_path: Path) -> None:
    async def use() -> None:
        store = AsyncStore(tmp_path / "memory.db", durability="normal")
        asked = [started(store.store_fact(1, f"k{n}", "v")) for n in range(30)]
        await asyncio.sleep(0)
        await store.aclose()
        await asyncio.gather(*asked)

    asyncio.run(use())
    with Store(tmp_path / "memory.db") as store:
        assert len(store.get_facts(1)) == 30


def test_one_serves_several_loops_and_threads(tmp_path: Path) -> None:
    store = AsyncStore(tmp_path / "memory.db", durability="normal")

    async def write(sender: int) -> None:
        await asyncio.gather(*(store.store_fact(sender, f"k{n}", "v") for n in range(10)))
        assert len(await store.get_facts(sender)) == 10

    threads = [threading.Thread(target=lambda n=n: asyncio.run(write(n))) for n in range(1, 4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    asyncio.run(write(9))
    asyncio.run(store.aclose())


def test_many_at_once_in_a_few_threads(tmp_path: Path) -> None:
    async def talk(store: AsyncStore, sender: int) -> None:
        async with store.exchange(IncomingMessage("telegram", sender, "hello")) as turn:
            turn.reply("hi")
        assert len(await store.get_conversation_messages(turn.conversation_id)) == 2

    async def use() -> None:
        before = {*threading.enumerate()}
        async with AsyncStore(tmp_path / "memory.db", durability="normal") as store:
            async with asyncio.TaskGroup() as group:
                for sender in range(1, 61):
                    group.create_task(talk(store, sender))
            ours = [each for each in threads_of("reads") + threads_of("writes") if each not in before]
            assert len(ours) == 3

    asyncio.run(use())


def test_callables_see_the_callers_context() -> None:
    asked: contextvars.ContextVar[str] = contextvars.ContextVar("asked")
    seen = []

    def clock() -> datetime:
        seen.append(asked.get("nobody"))
        return FakeClock()()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=clock) as store:
            asked.set("me")
            await store.store_fact(1, "a", "b")

    asyncio.run(use())
    assert seen[-1] == "me"


def test_one_that_nobody_closed_warns_and_closes_its_store() -> None:
    async def use() -> Store:
        store = AsyncStore(":memory:")
        await store.get_facts(1)
        return store.store

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        store = asyncio.run(use())
        gc.collect()
        for _ in range(1000):
            if store.database.closed:
                break
            threading.Event().wait(0.01)
    assert "AsyncStore was not closed" in [str(each.message) for each in said]
    with pytest.raises(StoreUnavailable):
        store.get_facts(1)


def test_after_a_fork_it_says_so_and_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        async with AsyncStore(":memory:") as store:
            with monkeypatch.context() as child:
                child.setattr(os, "getpid", lambda: -1)
                with pytest.raises(StoreUnavailable, match="open one in each process"):
                    await store.get_facts(1)
                with pytest.raises(StoreUnavailable, match="open one in each process"):
                    async with store.exchange(INCOMING):
                        pass
            assert await store.get_facts(1) == []

    asyncio.run(use())


# Cancelling


def test_what_has_not_begun_when_it_is_cancelled_never_happens() -> None:
    gate = Gate()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            gate.shut()
            first = started(store.store_fact(1, "first", "v"))
            await gate.stands_before()
            second = started(store.store_fact(1, "second", "v"))
            await asyncio.sleep(0)
            await cancelled(second)
            gate.open.set()
            await first
            assert [fact.key for fact in await store.get_facts(1)] == ["first"]

    asyncio.run(use())


def test_what_has_begun_when_it_is_cancelled_happens_wholly() -> None:
    gate = Gate()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            gate.shut()
            task = started(store.store_fact(1, "begun", "v"))
            await gate.stands_before()
            await cancelled(task)
            gate.open.set()
            await store.store_fact(1, "later", "v")
            assert [fact.key for fact in await store.get_facts(1)] == ["begun", "later"]

    asyncio.run(use())


def test_an_error_nobody_waits_for_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            for text in ("unreadable time", "my secret"):
                gate.shut()
                task = started(store.append_message("nowhere", "user", text, timestamp=None))
                await gate.stands_before()
                await cancelled(task)
                gate.open.set()

    asyncio.run(use())
    assert caplog.text.count("AsyncStore.append_message failed after its caller was cancelled") == 2
    assert "my secret" not in caplog.text


def test_a_timeout_ends_the_wait_at_once() -> None:
    gate = Gate()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            gate.shut()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await store.store_fact(1, "a", "b")
            gate.open.set()

    asyncio.run(use())


def test_a_loop_that_ends_meanwhile_loses_nothing(tmp_path: Path) -> None:
    gate = Gate()
    store = AsyncStore(tmp_path / "memory.db", clock=gate)

    async def use() -> None:
        await store.get_facts(1)
        gate.shut()
        started(store.store_fact(1, "a", "b"))
        await gate.stands_before()

    asyncio.run(use())
    gate.open.set()
    assert asyncio.run(store.get_fact(1, "a")) in (None, "b")
    asyncio.run(store.aclose())
    with Store(tmp_path / "memory.db") as again:
        assert again.get_fact(1, "a") == "b"


# An exchange


def said(store: Store) -> list[tuple[str, str, bool]]:
    conversation = store.get_or_create_conversation("telegram", 42)
    return [
        (each.role, each.content, bool(each.metadata and each.metadata.get("partial")))
        for each in store.get_messages(conversation)
    ]


PARTIAL = [("user", "hello", False), ("assistant", "I thi", True)]


async def answering(store: AsyncStore, written: asyncio.Event) -> None:
    async with store.exchange(INCOMING) as turn:
        turn.write("I thi")
        written.set()
        await asyncio.Event().wait()


def test_what_was_said_before_a_cancel_is_kept_and_marked(memory_url: str) -> None:
    async def use() -> None:
        async with AsyncStore(memory_url, clock=FakeClock()) as store:
            written = asyncio.Event()
            task = started(answering(store, written))
            await written.wait()
            await cancelled(task)
            assert said(store.store) == PARTIAL
            async with store.exchange(INCOMING) as again:
                assert (again.duplicate, again.answered) == (True, False)

    asyncio.run(use())


def test_a_timeout_and_a_task_group_keep_it_too() -> None:
    async def within(store: AsyncStore, written: asyncio.Event) -> None:
        async with asyncio.timeout(None) as limit:
            waiting = started(written.wait())
            waiting.add_done_callback(lambda _: limit.reschedule(0))
            await answering(store, written)

    async def beside(store: AsyncStore, written: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(answering(store, written))
            await written.wait()
            raise LookupError

    async def use() -> None:
        for way, error in ((within, TimeoutError), (beside, ExceptionGroup)):
            async with AsyncStore(":memory:", clock=FakeClock()) as store:
                with pytest.raises(error):
                    await way(store, asyncio.Event())
                assert said(store.store) == PARTIAL

    asyncio.run(use())


def test_a_second_cancel_while_it_is_kept_loses_nothing() -> None:
    gate = Gate()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            written = asyncio.Event()
            task = started(answering(store, written))
            await written.wait()
            gate.shut()
            task.cancel()
            await gate.stands_before()
            await cancelled(task)
            gate.open.set()
            await store.store_fact(1, "after", "it")
            assert said(store.store) == PARTIAL

    asyncio.run(use())


def test_a_reply_whose_storing_is_cancelled_is_stored() -> None:
    gate = Gate()

    async def answer(store: AsyncStore) -> None:
        async with store.exchange(INCOMING) as turn:
            turn.reply("hi")
            gate.shut()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            task = started(answer(store))
            await gate.stands_before()
            await cancelled(task)
            gate.open.set()
            await store.store_fact(1, "after", "it")
            assert said(store.store) == [("user", "hello", False), ("assistant", "hi", False)]

    asyncio.run(use())


@pytest.mark.parametrize("begun", [True, False])
def test_a_message_is_received_even_where_its_exchange_is_cancelled_at_the_door(begun: bool) -> None:
    gate = Gate()

    async def use() -> None:
        async with AsyncStore(":memory:", clock=gate) as store:
            gate.shut()
            ahead = [] if begun else [started(store.store_fact(1, "a", "b"))]
            await asyncio.sleep(0)
            task = started(answering(store, asyncio.Event()))
            await gate.stands_before()
            await cancelled(task)
            gate.open.set()
            await asyncio.gather(*ahead)
            await store.store_fact(1, "after", "it")
            assert said(store.store) == [("user", "hello", False)]

    asyncio.run(use())


def test_an_error_in_the_block_is_the_one_that_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def use() -> None:
        store = AsyncStore(":memory:")
        with pytest.raises(LookupError) as caught:
            async with store.exchange(INCOMING) as turn:
                turn.write("my secret")
                await store.aclose()
                raise LookupError
        assert "could not be kept" in caught.value.__notes__[0]
        with pytest.raises(StoreUnavailable, match="was closed"):
            async with store.exchange(INCOMING):
                pass

    asyncio.run(use())
    assert "could not be kept" in caplog.text
    assert "my secret" not in caplog.text


def test_a_reply_that_can_no_longer_be_stored_is_said() -> None:
    async def use() -> None:
        store = AsyncStore(":memory:")
        with pytest.raises(StoreUnavailable, match="was closed"):
            async with store.exchange(INCOMING) as turn:
                turn.reply("hi")
                await store.aclose()

    asyncio.run(use())


def test_a_task_that_is_thrown_away_keeps_what_was_said() -> None:
    with Store(":memory:", clock=FakeClock()) as store:
        awaited = AsyncStore(store)
        written = asyncio.Event()

        async def use() -> Coroutine[Any, Any, None]:
            task = answering(awaited, written)
            while not written.is_set():
                waiting = task.send(None)
                while waiting is not None and not waiting.done() and not written.is_set():
                    await asyncio.sleep(0.001)
            return task

        asyncio.run(use()).close()
        asyncio.run(awaited.aclose())
        assert said(store) == PARTIAL


# An iterator


def test_an_iteration_that_is_left_early_is_closed(grown: Grown) -> None:
    async def use() -> None:
        async with grown.open() as store:
            async with aclosing(store.export_numbers(1000)) as numbers:
                async for number in numbers:
                    await store.get_facts(1)
                    if number == 3:
                        break
            going_on = store.export_numbers(1000)
            assert await anext(going_on) == 0
            inner = store.store
        assert grown.log[-2:] == ["closed", "closed"]
        await going_on.aclose()
        with pytest.raises(StoreUnavailable, match="was closed"):
            await anext(store.export_numbers(3))
        inner.close()

    grown.log.clear()
    before = {*threads_of("iterates")}
    asyncio.run(use())
    assert {*threads_of("iterates")} <= before


# Locks


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else holds the write lock."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_reads_go_on_while_hundreds_of_writes_wait(tmp_path: Path) -> None:
    async def use() -> None:
        async with AsyncStore(tmp_path / "memory.db", durability="normal") as store:
            with locked(tmp_path / "memory.db"):
                writes = [started(store.store_fact(1, f"k{n}", "v")) for n in range(200)]
                await asyncio.sleep(0)
                for _ in range(20):
                    assert await store.get_facts(1) == []
                assert not any(each.done() for each in writes)
            await asyncio.gather(*writes)
            assert len(await store.get_facts(1)) == 200

    asyncio.run(use())


def test_who_waits_in_line_for_a_lock_that_never_comes_waits_no_longer_than_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "memory.db").close()
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.3)

    async def use() -> None:
        async with AsyncStore(tmp_path / "memory.db") as store:
            loop = asyncio.get_running_loop()
            began = loop.time()
            with locked(tmp_path / "memory.db"):
                calls = (store.store_fact(1, f"k{n}", "v") for n in range(50))
                ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(each) for each in ended} == {StoreBusy}
            assert loop.time() - began < 5  # one after the other it would be fifteen seconds
            await store.store_fact(1, "free", "again")

    asyncio.run(use())


EXAMPLES: dict[str, Any] = {
    "incoming": INCOMING,
    "limit": 3,
    "hours": 3,
    "due_at": "2026-01-01",
    "repeat": "daily",
    "worker_id": "w",
}


def reading(path: Path) -> list[str]:
    found = ast.parse(path.read_text())
    (kind,) = (node for node in found.body if isinstance(node, ast.ClassDef) and node.name == "AsyncStore")
    methods = [node for node in kind.body if isinstance(node, ast.AsyncFunctionDef)]
    return [node.name for node in methods if "self._reads(" in ast.unparse(node)]


def test_what_shares_the_readers_threads_never_waits_for_the_lock(
    tmp_path: Path, generator: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "memory.db").close()
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0)
    names = reading(ROOT / generator.TARGET)
    assert len(names) > 20

    async def use() -> None:
        async with AsyncStore(tmp_path / "memory.db") as store:
            with locked(tmp_path / "memory.db"):
                for name in names:
                    parameters = inspect.signature(getattr(store, name)).parameters.values()
                    needed = [each.name for each in parameters if each.default is each.empty]
                    await getattr(store, name)(**{each: EXAMPLES.get(each, "x") for each in needed})
                with suppress(StoreBusy):
                    await asyncio.wait_for(
                        store.store_fact(1, "a", "b"), timedelta(seconds=5).total_seconds()
                    )
                    pytest.fail("the file was not locked")

    asyncio.run(use())
