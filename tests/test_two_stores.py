"""A Store is a value: several in one process, and several threads on one, never get in each other's way."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from omega_models import IncomingMessage, Store, StoreUnavailable, TooManyTasks
from omega_models.testing import FakeClock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
THREADS = 6


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """Runs `work(0)` … `work(count - 1)` at once, each in a thread of its own."""
    barrier = Barrier(count)

    def begin(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def open_store(file: Path | str, **more: int) -> Store:
    return Store(file, clock=FakeClock(NINE), **more)


def test_two_stores_on_two_files_in_several_threads_never_mix_rows(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as first, open_store(tmp_path / "b.db") as second:
        stores = {"a": first, "b": second}

        def work(number: int) -> None:
            for turn in range(8):
                for name, store in stores.items():
                    task_id = store.create_task(
                        name, name, name, f"{name} {number} {turn}", NINE, dedupe="off"
                    )
                    store.store_fact(name, f"{number} {turn}", name)
                    taken = store.claim_due_tasks(f"{name} {number}", 1)
                    assert {each.channel for each in taken} <= {name}
                    for each in taken:
                        assert store.settle(each.token, "delivered")
                    assert store.get_task(task_id, name) is not None

        together(THREADS, work)
        for name, store in stores.items():
            tasks = store.list_tasks(status=None)
            assert len(tasks) == THREADS * 8
            assert {task.sender_id for task in tasks} == {name}
            assert {fact.value for fact in store.get_facts(name)} == {name}
            assert len(store.get_facts(name)) == THREADS * 8


def test_two_stores_never_mix_what_was_said(tmp_path: Path) -> None:
    marks = {"a": "walrus", "b": "narwhal"}
    with open_store(tmp_path / "a.db") as first, open_store(tmp_path / "b.db") as second:
        stores = {"a": first, "b": second}

        def work(number: int) -> None:
            for turn in range(2):
                for name, store in stores.items():
                    text = f"{marks[name]} {number} {turn}"
                    message = IncomingMessage("chat", "me", text, platform_message_id=text)
                    with store.exchange(message, name) as answer:
                        answer.reply(f"{text} indeed")
                    store.store_lesson("me", name, f"feed the {marks[name]}")
                    assert store.edit_message("chat", text, f"{text} edited")
                    for query in marks.values():
                        found = store.search_messages(query, None, "me", 20)
                        assert all(marks[name] in line.content for line in found)
                    context = store.build_context(IncomingMessage("chat", "me", "walrus or narwhal?"), name)
                    other = marks["b" if name == "a" else "a"]
                    assert not any(other in line.content for line in context.history)
                    assert other not in context.system_prompt

        together(THREADS, work)
        for name, store in stores.items():
            place = store.get_or_create_conversation("chat", "me")
            said = [line.content for line in store.get_conversation_messages(place)]
            assert len(said) == len(set(said)) == THREADS * 2 * 2
            assert all(marks[name] in content for content in said)
            assert [lesson.rule for lesson in store.get_lessons("me")] == [f"feed the {marks[name]}"]


def test_two_stores_in_memory_know_nothing_of_each_other() -> None:
    with open_store(":memory:") as first, open_store(":memory:") as second:
        first.create_task("chat", "me", "me", "x", NINE)
        assert len(first.list_tasks()) == 1
        assert second.list_tasks() == []


def test_two_stores_on_one_file_share_its_rows(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as first, open_store(tmp_path / "a.db") as second:
        task_id = first.create_task("chat", "me", "me", "x", NINE)
        (taken,) = second.claim_due_tasks("w", 1)
        assert taken.id == task_id
        assert first.claim_due_tasks("w", 1) == []
        assert first.settle(taken.token, "delivered")
        assert not second.settle(taken.token, "delivered")


@pytest.mark.parametrize("where", ["file", ":memory:"])
def test_no_two_threads_get_the_same_occurrence(tmp_path: Path, where: str) -> None:
    with open_store(tmp_path / "a.db" if where == "file" else where) as store:
        ids = {store.create_task("chat", "me", "me", f"thing {n}", NINE, dedupe="off") for n in range(60)}

        def work(number: int) -> list[str]:
            found: list[str] = []
            while taken := store.claim_due_tasks(f"w{number}", 3):
                found += [each.id for each in taken]
                assert all(store.settle(each.token, "delivered") for each in taken)
            return found

        found = [task_id for part in together(THREADS, work) for task_id in part]  # type: ignore[attr-defined]
        assert sorted(found) == sorted(ids)


def test_threads_that_ask_for_the_same_reminder_get_one(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        ids = together(
            THREADS, lambda _: store.create_task("chat", "me", "me", "call john about the boat", NINE)
        )
        assert len(set(ids)) == 1
        assert len(store.list_tasks(status=None)) == 1


def test_threads_together_do_not_exceed_a_senders_limit(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db", max_pending_tasks=10) as store:

        def work(number: int) -> int:
            refused = 0
            for turn in range(5):
                try:
                    store.create_task("chat", "me", "me", f"thing {number} {turn}", NINE, dedupe="off")
                except TooManyTasks:
                    refused += 1
            return refused

        assert sum(together(THREADS, work)) == THREADS * 5 - 10  # type: ignore[arg-type]
        assert len(store.list_tasks()) == 10


def test_only_one_of_many_settles_a_claim(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        task_id = store.create_task("chat", "me", "me", "x", NINE, "daily")
        (taken,) = store.claim_due_tasks("w", 1)
        assert sorted(together(THREADS, lambda _: store.settle(taken.token, "delivered"))) == [False] * (  # type: ignore[type-var]
            THREADS - 1
        ) + [True]
        (row,) = store.task_history(task_id)
        assert (row.status, row.attempts) == ("delivered", 1)


def test_a_cancel_against_a_settle_never_loses(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        for turn in range(10):
            task_id = store.create_task("chat", "me", "me", f"thing {turn}", NINE, "daily", dedupe="off")
            (taken,) = store.claim_due_tasks("w", 1)
            calls = (
                lambda token=taken.token: store.settle(token, "delivered"),
                lambda task_id=task_id: store.cancel_task(task_id, "me"),
            )
            together(2, lambda number, calls=calls: calls[number]())  # type: ignore[misc]
            task = store.get_task(task_id, "me")
            assert task is not None
            assert task.status == "cancelled"
            assert [each.status for each in store.task_history(task_id)] == ["delivered"]


def test_one_clock_for_each_store(tmp_path: Path) -> None:
    late = FakeClock(NINE + timedelta(days=1))
    with open_store(tmp_path / "a.db") as early, Store(tmp_path / "a.db", clock=late) as store:
        early.create_task("chat", "me", "me", "x", NINE + timedelta(hours=1))
        assert early.get_due_tasks() == []
        assert len(store.get_due_tasks()) == 1


def test_dead_threads_leave_no_descriptors(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        together(4, lambda _: store.list_tasks())
        store.list_tasks()
        before = descriptors()
        for _ in range(40):
            thread = Thread(target=store.get_due_tasks)
            thread.start()
            thread.join()
        assert descriptors() <= before + 3


def test_closed_stores_leave_no_descriptors(tmp_path: Path) -> None:
    open_store(tmp_path / "a.db").close()
    before = descriptors()
    for _ in range(5):
        with open_store(tmp_path / "a.db") as store:
            together(4, lambda number, store=store: store.create_task("chat", number + 1, 1, "x", NINE))  # type: ignore[misc]
    assert descriptors() == before


def test_a_closed_store_says_so_in_every_thread(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a.db")
    store.list_tasks()
    store.close()
    store.close()

    def work(_: int) -> str:
        try:
            store.create_task("chat", "me", "me", "x", NINE)
        except StoreUnavailable as error:
            return str(error)
        return ""

    for said in (work(0), *together(3, work)):
        assert "closed" in str(said)
