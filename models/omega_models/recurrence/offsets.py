"""From the clock on the wall to UTC and back, with every change of the offset in its place."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from omega_models.errors import InvalidTime
from omega_models.recurrence.seconds import DAY, LAST, instant_datetime, wall_datetime, wall_seconds
from omega_models.zones import zone

_CHUNK = 16 * DAY


class Piece(NamedTuple):
    """A stretch of UTC, `start <= instant < end`, in which wall = instant + `offset`.

    `skipped`: the offset that carries the wall-clock times of a gap forward into this stretch.
    `again`: these wall-clock times have already been read once, before the clock went back.
    """

    start: int
    end: int
    offset: int
    skipped: int | None = None
    again: bool = False


def to_instant(local: datetime, timezone: str) -> tuple[datetime, Literal["gap", "overlap"] | None]:
    """The UTC instant of a naive wall-clock time, and whether it had to be adjusted.

    In a gap it moves forward by the gap's length; of an ambiguous time it is the first reading.
    `InvalidTimezone`; `InvalidTime` for an aware time or an instant outside the years 1 to 9999.
    """
    tz = zone(timezone)
    if local.tzinfo is not None:
        raise InvalidTime(f"{local.isoformat()} has an offset: give a wall-clock time without one")
    try:
        instant = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    except OverflowError as error:
        raise InvalidTime(
            f"{local.isoformat()} in {timezone} is outside the years 1 to 9999 in UTC"
        ) from error
    return instant, _adjusted(local, tz)


def _adjusted(local: datetime, tz: tzinfo) -> Literal["gap", "overlap"] | None:
    # Python cannot look up a second reading in the first and the last day of its calendar.
    if not DAY <= wall_seconds(local) <= LAST - DAY:
        return None
    first = _seconds(local.replace(tzinfo=tz, fold=0).utcoffset())
    second = _seconds(local.replace(tzinfo=tz, fold=1).utcoffset())
    if first == second:
        return None
    return "gap" if first < second else "overlap"


def to_local(instant: datetime, timezone: str) -> datetime:
    """The naive wall-clock time of an aware instant; `InvalidTimezone`, `InvalidTime`."""
    tz = zone(timezone)
    if instant.utcoffset() is None:
        raise InvalidTime(f"{instant.isoformat()} has no offset: give an aware time")
    try:
        return instant.astimezone(tz).replace(tzinfo=None, fold=0)
    except OverflowError as error:
        raise InvalidTime(f"{instant.isoformat()} in {timezone} is outside the years 1 to 9999") from error


def first_reading(wall: int, timezone: str) -> int:
    """The instant of a wall second: moved forward in a gap, the first of an ambiguous two."""
    return wall - _seconds(wall_datetime(wall).replace(tzinfo=zone(timezone)).utcoffset())


def offset_at(instant: int, timezone: str) -> int:
    """Seconds east of UTC at an instant."""
    inside = min(max(instant, DAY), LAST - DAY)
    return _seconds(instant_datetime(inside).astimezone(zone(timezone)).utcoffset())


def piece_at(instant: int, timezone: str) -> Piece:
    """The stretch of constant offset around an instant, cut where the cache's pages end."""
    pieces = _pieces(instant // _CHUNK, timezone)
    return next(piece for piece in pieces if instant < piece.end)


@lru_cache(maxsize=16_384)
def _pieces(chunk: int, timezone: str) -> tuple[Piece, ...]:
    start, end = chunk * _CHUNK, (chunk + 1) * _CHUNK
    # No offset changes by more than a day, so what began earlier cannot reach in here.
    pieces = [Piece(start - DAY, end, offset_at(start - DAY, timezone))]
    for at in _changes(start - DAY, end, timezone):
        pieces[-1:] = _split(pieces[-1], at, offset_at(at, timezone))
    inside = (piece._replace(start=max(piece.start, start), end=min(piece.end, end)) for piece in pieces)
    return tuple(piece for piece in inside if piece.start < piece.end)


def _split(piece: Piece, at: int, offset: int) -> list[Piece]:
    length = abs(offset - piece.offset)
    gap = piece.offset if offset > piece.offset else None
    # Cut at midnight, so that what a gap carries forward arrives on one local day.
    midnight = at + -(at + offset) % DAY
    cuts = sorted({at, min(midnight, at + length), at + length})
    changed = [Piece(start, end, offset, gap, again=gap is None) for start, end in pairwise(cuts)]
    return [piece._replace(end=at), *changed, Piece(at + length, piece.end, offset)]


def _changes(start: int, end: int, timezone: str) -> list[int]:
    # Daily samples miss nothing: the closest two changes in the whole database are four days apart.
    days = range(start, end + DAY, DAY)
    offsets = [offset_at(day, timezone) for day in days]
    pairs = zip(days, offsets, offsets[1:], strict=False)
    found = (_first_instant(day, timezone) for day, before, after in pairs if before != after)
    return [at for at in found if at < end]


def _first_instant(day: int, timezone: str) -> int:
    before, low, high = offset_at(day, timezone), day, day + DAY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset_at(middle, timezone) == before else (low, middle)
    return high


def _seconds(offset: timedelta | None) -> int:
    return offset.days * DAY + offset.seconds if offset else 0
