"""Lengths of time, as people type and read them."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\s*", re.ASCII)


def parse_span(text: str) -> timedelta:
    """`10s`, `5m`, `1h30m`, `2d`, `1w`: for argparse, whose error it raises."""
    bare = text.strip().lower()
    parts = _PART.findall(bare)
    if not parts or _PART.sub("", bare):
        raise ArgumentTypeError(
            f"{text!r} is not a length of time: give 10s, 5m, 1h30m, 2d or 1w (seconds, minutes, hours, days, weeks)"
        )
    try:
        return timedelta(seconds=sum(float(count) * UNITS[unit] for count, unit in parts))
    except OverflowError:
        raise ArgumentTypeError(f"{text!r} is too long") from None


def span(length: timedelta) -> str:
    """Its two largest units, rounded down: `45 s`, `5 min`, `1 h 30 min`, `2 days 3 h`."""
    seconds = max(0, int(length.total_seconds()))
    counts = (
        _counted(seconds // 86_400, " day" if seconds < 172_800 else " days"),
        _counted(seconds // 3600 % 24, " h"),
        _counted(seconds // 60 % 60, " min"),
        _counted(seconds % 60, " s"),
    )
    first = next((place for place, words in enumerate(counts) if words), 3)
    return " ".join(filter(None, counts[first : first + 2])) or "0 s"


def _counted(count: int, unit: str) -> str:
    return f"{count}{unit}" if count else ""


def lateness(length: timedelta | None) -> str:
    """Milliseconds below a second, tenths below a minute, then as `span`; a dash where nothing is known."""
    if length is None:
        return "-"
    seconds = max(0.0, length.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else span(length)
