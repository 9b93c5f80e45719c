from collections.abc import Iterator

import pytest

from omega_models import Store
from omega_models.testing import FakeClock
from omega_worker import Delivery, DeliveryError, Settings, Worker


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01 09:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def fill(store: Store, count: int, target: str = "7") -> list[str]:
    return [
        store.create_task(
            "chat", 7, target, f"Thing number {number}", f"2026-03-01 09:{number:02}", dedupe="off"
        )
        for number in range(count)
    ]


def run(store: Store, sent: list[Delivery], above: int = 3) -> None:
    def send(delivery: Delivery) -> str:
        sent.append(delivery)
        return f"r{len(sent)}"

    Worker(store, {"chat": send}, Settings.defaults(digest_above=above)).run_due()


def test_many_missed_for_one_target_come_in_one_message(store: Store, clock: FakeClock) -> None:
    tasks = fill(store, 20)
    clock.advance(hours=3)
    sent: list[Delivery] = []
    run(store, sent)
    [message] = sent
    lines = message.text.splitlines()
    assert lines[0] == "20 reminders came due while nothing could be sent:"
    assert lines[1] == "- Thing number 0 (due Sun 1 Mar 09:00 UTC)"
    assert len(lines) == 21
    for task in tasks:
        [row] = store.task_history(task)
        assert (row.status, row.receipt, row.attempts) == ("delivered", "r1", 1)


@pytest.mark.parametrize(("count", "above"), [(3, 3), (5, 0)])
def test_few_or_without_the_setting_come_one_by_one(
    store: Store, clock: FakeClock, count: int, above: int
) -> None:
    fill(store, count)
    clock.advance(hours=3)
    sent: list[Delivery] = []
    run(store, sent, above)
    assert len(sent) == count


def test_what_is_on_time_or_for_another_target_is_not_swept_in(store: Store, clock: FakeClock) -> None:
    fill(store, 10)
    fill(store, 2, target="8")
    clock.advance(hours=3)
    store.create_task("chat", 7, 7, "Right now", store.clock())
    sent: list[Delivery] = []
    run(store, sent)
    assert sorted(len(each.text.splitlines()) for each in sent) == [1, 1, 1, 11]


def test_a_digest_that_fails_fails_for_all_and_comes_again_under_the_same_key(
    store: Store, clock: FakeClock
) -> None:
    tasks = fill(store, 6)
    clock.advance(hours=3)
    keys: list[str] = []

    def refuse(delivery: Delivery) -> None:
        keys.append(delivery.id)
        raise DeliveryError("busy", retry_after=60)

    worker = Worker(store, {"chat": refuse}, Settings.defaults(digest_above=3, retry_base_seconds=1))
    worker.run_due()
    assert {row.status for task in tasks for row in store.task_history(task)} == {"retrying"}
    clock.advance(minutes=5)
    sent: list[Delivery] = []
    run(store, sent)
    assert [each.id for each in sent] == keys
    assert {row.attempts for task in tasks for row in store.task_history(task)} == {2}


def test_a_great_many_come_in_several_messages_and_none_is_left_out(store: Store, clock: FakeClock) -> None:
    fill(store, 59)
    clock.advance(hours=3)
    sent: list[Delivery] = []
    run(store, sent)
    lines = [line for each in sent for line in each.text.splitlines() if "Thing number" in line]
    assert len(lines) == len(set(lines)) == 59
    assert len(sent) <= 5
