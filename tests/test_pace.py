from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omega_worker.pace import Line, Pace, Rate, parse_rate


def line(rate: Rate) -> Line[tuple[str, int]]:
    return Line(Pace(rate), lambda item: item[0])


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30/s", Rate(1 / 30)),
        ("30/s 1/s", Rate(1 / 30, 1.0)),
        ("20/m, 1/s", Rate(3.0, 1.0)),
        ("0.5/s", Rate(2.0)),
        ("1/h", Rate(3600.0)),
    ],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "30", "0/s", "1/s 1/s 1/s", "-1/s", "1/d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_rate(text)


def test_without_a_limit_everything_goes_at_once_in_order() -> None:
    waiting = line(Rate())
    for number in range(3):
        waiting.add(("a", number))
    assert [waiting.take(0.0)[0] for _ in range(3)] == [("a", 0), ("a", 1), ("a", 2)]
    assert waiting.take(0.0) == (None, None)


def test_one_target_waits_and_holds_up_nobody_behind_it() -> None:
    waiting = line(Rate(target=1.0))
    for item in [("a", 1), ("a", 2), ("b", 3)]:
        waiting.add(item)
    assert waiting.take(0.0) == (("a", 1), None)
    assert waiting.take(0.0) == (("b", 3), None)
    assert waiting.held_up == 1
    assert waiting.take(0.25) == (None, 0.75)
    assert waiting.take(1.0) == (("a", 2), None)


def test_the_whole_channel_waits() -> None:
    waiting = line(Rate(channel=0.5))
    waiting.add(("a", 1))
    waiting.add(("b", 2))
    assert waiting.take(0.0) == (("a", 1), None)
    assert waiting.take(0.0) == (None, 0.5)
    assert waiting.take(0.5) == (("b", 2), None)


def test_what_waits_can_be_taken_back() -> None:
    waiting = line(Rate(channel=9.0))
    waiting.add(("a", 1))
    waiting.add(("b", 2))
    waiting.take(0.0)
    assert waiting.clear() == [("b", 2)]
    assert len(waiting) == 0


@given(
    st.lists(st.sampled_from("abc"), max_size=30),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 1.0, 2.0]),
)
def test_nothing_is_lost_and_no_pace_is_broken(targets: list[str], channel: float, target: float) -> None:
    waiting = line(Rate(channel, target))
    for number, name in enumerate(targets):
        waiting.add((name, number))
    now, sent = 0.0, []
    while len(waiting):
        item, wait = waiting.take(now)
        if item is None:
            assert wait is not None
            assert wait > 0
            now += wait
        else:
            sent.append((now, item))
    assert sorted(item for _, item in sent) == sorted((name, n) for n, name in enumerate(targets))
    times = [moment for moment, _ in sent]
    assert all(later - earlier >= channel - 1e-9 for earlier, later in pairwise(times))
    for name in set(targets):
        own = [(moment, number) for moment, (who, number) in sent if who == name]
        assert own == sorted(own)
        assert [number for _, number in own] == sorted(number for _, number in own)
        assert all(b[0] - a[0] >= target - 1e-9 for a, b in pairwise(own))
