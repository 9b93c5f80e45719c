from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omega_models.quiet import QuietHours, parse, quiet_until

NIGHT = parse("22:00-07:00")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_window_is_read() -> None:
    assert parse("22:00-07:00") == QuietHours(time(22), time(7))
    assert parse(" 9:30 – 10:15 ") == QuietHours(time(9, 30), time(10, 15))


@pytest.mark.parametrize("text", ["off", "None", "", "07:00-07:00"])
def test_no_quiet_hours(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("text", ["22-7", "24:00-07:00", "22:00", "22:00-07:00-08:00", "night"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"22:00-07:00"):
        parse(text)


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-03-01 21:59:59", None),
        ("2026-03-01 22:00:00", "2026-03-02 07:00:00"),
        ("2026-03-02 06:59:59", "2026-03-02 07:00:00"),
        ("2026-03-02 07:00:00", None),
    ],
)
def test_the_night_in_utc(moment: str, until: str | None) -> None:
    assert quiet_until(NIGHT, utc(moment), "UTC") == (utc(until) if until else None)


def test_the_window_is_on_the_wall_clock_of_the_zone() -> None:
    assert quiet_until(NIGHT, utc("2026-07-01 20:30"), "Europe/Berlin") == utc("2026-07-02 05:00")
    assert quiet_until(NIGHT, utc("2026-07-01 20:30"), "Europe/London") is None


def test_an_end_in_a_gap_moves_forward_with_it() -> None:
    window = parse("22:00-02:30")  # 02:30 does not exist on that morning in Berlin
    assert quiet_until(window, utc("2026-03-29 00:30"), "Europe/Berlin") == utc("2026-03-29 01:30")


@given(
    start=st.times(),
    end=st.times(),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Africa/Cairo"]),
)
def test_a_hold_ends_later_but_within_a_day_and_an_hour(
    start: time, end: time, moment: datetime, zone: str
) -> None:
    window = QuietHours(start.replace(microsecond=0), end.replace(microsecond=0))
    aware = moment.replace(tzinfo=UTC, microsecond=0)
    until = quiet_until(window, aware, zone)
    assert until is None or aware < until <= aware + timedelta(hours=25)
