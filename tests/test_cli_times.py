"""How people type and read lengths of time and points in time."""

from datetime import UTC, datetime, timedelta

import pytest

from omega_models import InvalidTime
from omega_worker.commands.moments import machine_zone, moment, parse_moment
from omega_worker.commands.spans import lateness, parse_span, span


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("10s", 10),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        (" 1W ", 604_800),
        ("1.5h", 5400),
        ("0s", 0),
    ],
)
def test_spans_are_read(given: str, seconds: int) -> None:
    assert parse_span(given) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (5430, "1 h 30 min"),
        (86_400, "1 day"),
        (86_400 + 600, "1 day"),
        (200_000, "2 days 7 h"),
    ],
)
def test_spans_are_said(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_lateness_is_said() -> None:
    told = [lateness(timedelta(seconds=each)) for each in (0.0124, 2.34, 75)]
    assert [*told, lateness(None)] == ["12 ms", "2.3 s", "1 min 15 s", "-"]


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("18:30", "2026-11-20 18:30:00"),
        ("9:00", "2026-11-21 09:00:00"),
        ("13:00", "2026-11-21 13:00:00"),
        ("13:00:01", "2026-11-20 13:00:01"),
        ("6pm", "2026-11-20 18:00:00"),
        ("12am", "2026-11-21 00:00:00"),
        ("12:15 PM", "2026-11-21 12:15:00"),
        ("today 9:00", "2026-11-20 09:00:00"),
        ("tomorrow at 9:00", "2026-11-21 09:00:00"),
        ("fri 18:00", "2026-11-20 18:00:00"),
        ("Friday 9:00", "2026-11-27 09:00:00"),
        ("wednesday 9:00", "2026-11-25 09:00:00"),
        ("2026-03-01 09:00", "2026-03-01 09:00:00"),
        ("2026-03-01 9:00", "2026-03-01 09:00:00"),
        ("2026-03-01T09:00+02:00", "2026-03-01 09:00:00+02:00"),
        ("2026-03-01", "2026-03-01 00:00:00"),
    ],
)
def test_times_are_read_on_the_wall_clock(given: str, found: str) -> None:
    assert str(parse_moment(given, "Europe/Berlin", NOON)) == found


@pytest.mark.parametrize("given", ["", "soon", "25:00", "13pm", "0am", "9", "someday 9:00", "2026-02-30"])
def test_what_is_no_time_is_refused_with_the_forms_that_are(given: str) -> None:
    with pytest.raises(InvalidTime, match=r"give 18:30, 6pm, .*ISO-8601"):
        parse_moment(given, "UTC", NOON)


def test_moments_name_the_day_the_zone_and_another_year() -> None:
    assert moment(NOON, "Europe/Berlin", NOON) == "Fri 20 Nov 13:00 CET"
    assert moment(NOON.replace(second=5), "America/Sao_Paulo", NOON) == "Fri 20 Nov 09:00:05 UTC-03"
    assert moment(NOON.replace(year=2027), None, NOON) == "Sat 20 Nov 2027 12:00 UTC"


def test_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("Europe/Berlin", ":Asia/Tokyo", "Etc/UTC"):
        monkeypatch.setenv("TZ", name)
        found.append(machine_zone())
    assert found == ["Europe/Berlin", "Asia/Tokyo", "UTC"]
