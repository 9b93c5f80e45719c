"""The pool: how many connections there are, who waits for one, and which are not used again."""

import threading
from collections.abc import Callable

import pytest

from omega_models import StoreBusy, StoreUnavailable
from omega_models.pool import UNUSED_SECONDS, Pool


class Line:
    def __init__(self) -> None:
        self.fit = self.answering = True
        self.closed = False

    def is_fit(self) -> bool:
        return self.fit

    def is_answering(self) -> bool:
        return self.answering

    def close(self) -> None:
        self.closed = True


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pool(time: Time) -> Pool:
    return Pool(2, 0.0, lambda: None, time)


def test_what_was_given_back_is_used_again(pool: Pool) -> None:
    first = pool.take(Line)
    pool.give(first)
    assert pool.take(Line) is first
    assert pool.open_connections() == 1


def test_who_finds_all_in_use_is_told_to_try_again(pool: Pool) -> None:
    pool.take(Line)
    pool.take(Line)
    with pytest.raises(StoreBusy, match=r"all 2 connections were in use .*OMEGA_DATABASE_CONNECTIONS"):
        pool.take(Line)


def test_who_waits_gets_what_another_gives_back() -> None:
    pool = Pool(1, 30.0, lambda: None)
    line = pool.take(Line)
    found: list[Line] = []
    waiting = threading.Thread(target=lambda: found.append(pool.take(Line)))
    waiting.start()
    pool.give(line)
    waiting.join(10)
    assert found == [line]


@pytest.mark.parametrize("how", ["fit", "answering"])
def test_one_that_is_no_longer_of_use_is_replaced(pool: Pool, how: str) -> None:
    line = pool.take(Line)
    pool.give(line)
    setattr(line, how, False)
    line.answering = False
    other = pool.take(Line)
    assert other is not line
    assert line.closed
    assert pool.open_connections() == 1


def test_one_that_broke_in_use_speaks_for_the_idle_ones(pool: Pool) -> None:
    broken, idle = pool.take(Line), pool.take(Line)
    pool.give(idle)
    broken.fit = False
    pool.give(broken)
    assert (broken.closed, idle.closed, pool.open_connections()) == (True, True, 0)


def test_a_connection_that_cannot_be_made_takes_nobodys_place(pool: Pool) -> None:
    def fail() -> Line:
        raise StoreUnavailable("not there")

    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            pool.take(fail)
    assert pool.open_connections() == 0


def test_unused_ones_are_closed(pool: Pool, time: Time) -> None:
    first, second = pool.take(Line), pool.take(Line)
    pool.give(first)
    time.now += UNUSED_SECONDS + 1
    pool.give(second)
    assert (first.closed, second.closed) == (True, False)


def test_after_closing_nothing_is_lent_and_what_comes_back_is_closed(pool: Pool) -> None:
    used, idle = pool.take(Line), pool.take(Line)
    pool.give(idle)
    with pool.in_use:
        pool.close_all()
    assert idle.closed
    with pytest.raises(StoreUnavailable, match="was closed"):
        pool.take(Line)
    pool.give(used)
    assert used.closed


def test_closing_waits_for_who_is_at_work() -> None:
    pool = Pool(1, 0.0, lambda: None)
    line = pool.take(Line)
    closing = threading.Thread(target=pool.close_all)
    closing.start()
    pool.give(line)
    closing.join(10)
    assert not closing.is_alive()
    assert line.closed


def test_a_connection_is_given_back_by_the_outermost_exit() -> None:
    given: list[str] = []
    give: Callable[[], None] = lambda: given.append("back")
    pool = Pool(1, 0.0, give)
    with pool.in_use:
        with pool.in_use:
            pass
        assert given == []
    assert given == ["back"]
