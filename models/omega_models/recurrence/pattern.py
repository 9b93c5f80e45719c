"""When a rule fires on the clock on the wall: the hits of its blocks between two ends."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from omega_models.recurrence.blocks import Blocks, Offsets
from omega_models.recurrence.seconds import LAST


@dataclass(frozen=True, slots=True)
class Pattern:
    """The hits of some blocks from wall second `start` to `stop`, both included."""

    blocks: Blocks
    start: int = 0
    stop: int = LAST

    def at_or_after(self, wall: int) -> int | None:
        """The first hit that is not before `wall`."""
        wall = max(wall, self.start)
        if wall > self.stop:
            return None
        index = self.blocks.index(wall)
        hit = _first(self.blocks.block(index), self.blocks.inner, wall)
        if hit is None:
            hit = self._first_from(index + 1)
        return hit if hit is not None and hit <= self.stop else None

    def at_or_before(self, wall: int) -> int | None:
        """The last hit that is not after `wall`."""
        wall = min(wall, self.stop)
        if wall < self.start:
            return None
        index = self.blocks.index(wall)
        hit = _last(self.blocks.block(index), self.blocks.inner, wall)
        if hit is None:
            hit = self._last_until(index - 1)
        return hit if hit is not None and hit >= self.start else None

    def count(self, first: int, last: int) -> int:
        """How many hits lie from `first` to `last`, both included."""
        first, last = max(first, self.start), min(last, self.stop)
        if first > last:
            return 0
        low, high = self.blocks.index(first), self.blocks.index(last)
        return self._whole(low, high) + self._upto(high, last) - self._upto(low, first - 1)

    def hits(self, first: int, last: int) -> Iterator[int]:
        """The hits from `first` to `last`, both included, ascending."""
        hit = self.at_or_after(first)
        while hit is not None and hit <= last:
            yield hit
            hit = self.at_or_after(hit + 1)

    def first_hits(self, count: int) -> "Pattern":
        """The same pattern, ended by its `count`-th hit."""
        return replace(self, stop=min(self.stop, self._nth(count)))

    def _first_from(self, index: int) -> int | None:
        end = min(index + self.blocks.cycle, self.blocks.index(self.stop) + 1)
        for at in range(index, end):
            base, offsets = self.blocks.block(at)
            if offsets:
                return base + offsets[0] + self.blocks.inner[0]
        return None

    def _last_until(self, index: int) -> int | None:
        end = max(index - self.blocks.cycle, self.blocks.index(self.start) - 1)
        for at in range(index, end, -1):
            base, offsets = self.blocks.block(at)
            if offsets:
                return base + offsets[-1] + self.blocks.inner[-1]
        return None

    def _size(self, index: int) -> int:
        return len(self.blocks.block(index)[1]) * len(self.blocks.inner)

    def _whole(self, low: int, high: int) -> int:
        if self.blocks.cycle == 1:
            return self._size(low) * (high - low)
        return sum(self._size(index) for index in range(low, high))

    def _upto(self, index: int, wall: int) -> int:
        base, offsets = self.blocks.block(index)
        at = bisect_right(offsets, wall - base) - 1
        if at < 0:
            return 0
        inner = self.blocks.inner
        return at * len(inner) + bisect_right(inner, wall - base - offsets[at])

    def _nth(self, count: int) -> int:
        low, end = self.blocks.index(self.start), self.blocks.index(self.stop) + 1
        wanted, turn = count + self._upto(low, self.start - 1), low + self.blocks.cycle
        index, left = self._scan(low, min(turn, end), wanted)
        if index == turn:
            # A whole cycle has been counted; the next ones are multiplication.
            if left == wanted:
                return LAST
            turns, left = divmod(left - 1, wanted - left)
            index, left = self._scan(turn + turns * self.blocks.cycle, end, left + 1)
        return self._pick(index, left) if index < end else LAST

    def _scan(self, index: int, end: int, wanted: int) -> tuple[int, int]:
        while index < end:
            size = self._size(index)
            if wanted <= size:
                break
            wanted -= size
            index += 1
        return index, wanted

    def _pick(self, index: int, nth: int) -> int:
        base, offsets = self.blocks.block(index)
        at, within = divmod(nth - 1, len(self.blocks.inner))
        return base + offsets[at] + self.blocks.inner[within]


def _first(block: tuple[int, Offsets], inner: Offsets, wall: int) -> int | None:
    base, offsets = block
    at = bisect_right(offsets, wall - base) - 1
    if at >= 0:
        within = bisect_left(inner, wall - base - offsets[at])
        if within < len(inner):
            return base + offsets[at] + inner[within]
    return base + offsets[at + 1] + inner[0] if at + 1 < len(offsets) else None


def _last(block: tuple[int, Offsets], inner: Offsets, wall: int) -> int | None:
    base, offsets = block
    at = bisect_right(offsets, wall - base) - 1
    if at < 0:
        return None
    within = bisect_right(inner, wall - base - offsets[at]) - 1
    if within >= 0:
        return base + offsets[at] + inner[within]
    return base + offsets[at - 1] + inner[-1] if at > 0 else None
