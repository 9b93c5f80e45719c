"""The instants of a series: its wall-clock pattern laid over the offsets of a zone.

An anchor is the naive local time the series starts from; instants are aware, results in UTC.
Every function raises `InvalidRepeat`, `InvalidTimezone` or `InvalidTime` for what it cannot read;
None, or nothing, means that no occurrence is left before the year 10000.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from omega_models.errors import InvalidTime
from omega_models.recurrence.offsets import Piece, first_reading, piece_at
from omega_models.recurrence.seconds import DAY, LAST, instant_datetime, instant_seconds, wall_seconds
from omega_models.recurrence.text import Meaning, meaning, parse_repeat
from omega_models.zones import zone


@dataclass(frozen=True, slots=True)
class Series:
    """A repeat in a zone between two instants, both included."""

    meaning: Meaning
    timezone: str
    first: int
    last: int

    def after(self, instant: int) -> int | None:
        """The first occurrence later than an instant."""
        at = max(instant + 1, self.first)
        while at <= self.last:
            piece = piece_at(at, self.timezone)
            hit = self._first_in(piece, at)
            if hit is not None:
                return hit if hit <= self.last else None
            # Offsets stay within a day of UTC, so nothing happens before this wall second does.
            wall = self.meaning.pattern.at_or_after(piece.end - DAY)
            if wall is None:
                return None
            at = max(piece.end, wall - DAY)
        return None

    def before(self, instant: int) -> int | None:
        """The last occurrence not later than an instant."""
        at = min(instant, self.last)
        while at >= self.first:
            piece = piece_at(at, self.timezone)
            hit = self._last_in(piece, at)
            if hit is not None:
                return hit if hit >= self.first else None
            wall = self.meaning.pattern.at_or_before(piece.start - 1 + DAY)
            if wall is None:
                return None
            at = min(piece.start - 1, wall + DAY)
        return None

    def count(self, after: int, until: int) -> int:
        """How many occurrences are later than `after` and not later than `until`."""
        at, end, total = max(after + 1, self.first), min(until, self.last), 0
        while at <= end:
            piece = piece_at(at, self.timezone)
            total += self._count_in(piece, at, min(piece.end - 1, end))
            at = piece.end
        return total

    def _first_in(self, piece: Piece, at: int) -> int | None:
        first = self.meaning.pattern.at_or_after
        hits = [(first(at + offset), offset) for offset in self._offsets(piece)]
        instants = [wall - offset for wall, offset in hits if wall is not None]
        return min((instant for instant in instants if instant < piece.end), default=None)

    def _last_in(self, piece: Piece, at: int) -> int | None:
        last = self.meaning.pattern.at_or_before
        hits = [(last(at + offset), offset) for offset in self._offsets(piece)]
        instants = [wall - offset for wall, offset in hits if wall is not None]
        return max((instant for instant in instants if instant >= piece.start), default=None)

    def _count_in(self, piece: Piece, first: int, last: int) -> int:
        pattern, offsets = self.meaning.pattern, self._offsets(piece)
        if len(offsets) == 1:
            return pattern.count(first + offsets[0], last + offsets[0])
        walls = ((wall, at) for at in offsets for wall in pattern.hits(first + at, last + at))
        return len({wall - at for wall, at in walls})

    def _offsets(self, piece: Piece) -> tuple[int, ...]:
        """The offsets with which wall-clock times become occurrences in a piece."""
        if piece.again:
            return (piece.offset,) if self.meaning.twice else ()
        at_weekend = (piece.start + piece.offset) // DAY % 7 >= 5
        if piece.skipped is None or not self.meaning.shifts or (self.meaning.workdays and at_weekend):
            return (piece.offset,)
        return piece.offset, piece.skipped


@lru_cache(maxsize=1024)
def series(repeat: str | None, anchor: int, timezone: str) -> Series:
    """The series of a canonical repeat from the wall second of its anchor, 0 to `LAST`."""
    what = meaning(repeat, anchor)
    first = max(first_reading(anchor, timezone), 0)
    return Series(what, timezone, first, min(what.until, LAST))


def first_occurrence(repeat: str | None, anchor: datetime, timezone: str) -> datetime | None:
    """The first instant at or after the anchor that fits the repeat; for `once` the anchor's."""
    found = _series(repeat, anchor, timezone)
    return _moment(found.after(found.first - 1)) if found else None


def following(repeat: str | None, anchor: datetime, after: datetime, timezone: str) -> datetime | None:
    """The first occurrence strictly later than `after`."""
    found = _series(repeat, anchor, timezone)
    return _moment(found.after(_instant(after))) if found else None


def latest(repeat: str | None, anchor: datetime, at_or_before: datetime, timezone: str) -> datetime | None:
    """The last occurrence that is not later than `at_or_before`."""
    found = _series(repeat, anchor, timezone)
    return _moment(found.before(_instant(at_or_before))) if found else None


def between(
    repeat: str | None, anchor: datetime, after: datetime, until: datetime, timezone: str
) -> Iterator[datetime]:
    """The occurrences strictly later than `after` and not later than `until`, ascending, lazily."""
    found, end = _series(repeat, anchor, timezone), _instant(until)
    return _walk(found, _instant(after), end) if found else iter(())


def count_between(
    repeat: str | None, anchor: datetime, after: datetime, until: datetime, timezone: str
) -> int:
    """How many occurrences `between` would give, counted without visiting them."""
    found = _series(repeat, anchor, timezone)
    return found.count(_instant(after), _instant(until)) if found else 0


def _walk(found: Series, after: int, until: int) -> Iterator[datetime]:
    instant = found.after(after)
    while instant is not None and instant <= until:
        yield instant_datetime(instant)
        instant = found.after(instant)


def _series(repeat: str | None, anchor: datetime, timezone: str) -> Series | None:
    canonical = parse_repeat(repeat)
    zone(timezone)
    if anchor.tzinfo is not None:
        raise InvalidTime(f"the anchor {anchor.isoformat()} has an offset: give local wall-clock time")
    wall = wall_seconds(anchor)
    return series(canonical, wall, timezone) if wall <= LAST else None


def _instant(moment: datetime) -> int:
    if moment.utcoffset() is None:
        raise InvalidTime(f"{moment.isoformat()} has no offset: give an aware time")
    return instant_seconds(moment)


def _moment(instant: int | None) -> datetime | None:
    return None if instant is None else instant_datetime(instant)
