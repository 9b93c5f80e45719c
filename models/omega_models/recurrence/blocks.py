"""The turns of a rule on the clock on the wall: days, weeks, months or years of hits.

Any block can be computed without the ones before it, so the age of a series costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from math import gcd
from typing import Protocol

from omega_models.recurrence.seconds import DAY

Offsets = tuple[int, ...]

# The calendar, weekdays included, repeats every 400 years.
_YEARS_IN_CYCLE = 400
_MONTHS_IN_CYCLE = 4_800
DAYS_IN_CYCLE = 146_097

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year: int) -> bool:
    """Whether the year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_length(month: int, leap: bool) -> int:
    """Days in a month, 1 to 12."""
    return _MONTH_LENGTHS[month - 1] + (leap and month == 2)


def days_before(month: int, leap: bool) -> int:
    """Days of the year before a month, 1 to 12."""
    return sum(_MONTH_LENGTHS[: month - 1]) + (leap and month > 2)


def new_year(year: int) -> int:
    """Days from 1 January of year 1, a Monday, to that of any year."""
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400


def month_number(wall: int) -> int:
    """Months from January of year 0 to the month of a wall second."""
    day = date.fromordinal(wall // DAY + 1)
    return day.year * 12 + day.month - 1


class Blocks(Protocol):
    """Hits are `base + offset + inner`; blocks follow each other without mixing."""

    @property
    def inner(self) -> Offsets:
        """Sorted seconds added to each offset; shorter than the distance of two offsets."""

    @property
    def cycle(self) -> int:
        """After so many blocks the sizes repeat; so many empty ones mean there are no more."""

    def index(self, wall: int) -> int:
        """The block that a wall second belongs to."""

    def block(self, index: int) -> tuple[int, Offsets]:
        """`(base, sorted offsets)` of a block."""


@dataclass(frozen=True, slots=True)
class Even:
    """The same offsets every `step` seconds."""

    start: int
    step: int
    offsets: Offsets
    inner: Offsets = (0,)
    cycle: int = 1

    def index(self, wall: int) -> int:
        return (wall - self.start) // self.step

    def block(self, index: int) -> tuple[int, Offsets]:
        return self.start + index * self.step, self.offsets


NOTHING = Even(0, DAY, ())


@dataclass(frozen=True, slots=True)
class Sieved:
    """Every `step` seconds the offsets that `keep(base)` leaves, repeating after `cycle` blocks."""

    start: int
    step: int
    keep: Callable[[int], Offsets]
    inner: Offsets
    cycle: int

    def index(self, wall: int) -> int:
        return (wall - self.start) // self.step

    def block(self, index: int) -> tuple[int, Offsets]:
        base = self.start + index * self.step
        return base, self.keep(base)


@dataclass(frozen=True, slots=True)
class Months:
    """Every `step` months; `days(month, leap, weekday of the 1st)` gives the offsets in a month."""

    first: int
    step: int
    days: Callable[[int, bool, int], Offsets]
    inner: Offsets
    sieve: Callable[[int, Offsets], Offsets] | None = None
    sieve_cycle: int = 1
    known: dict[tuple[int, bool, int], Offsets] = field(default_factory=dict)

    @property
    def cycle(self) -> int:
        return _MONTHS_IN_CYCLE // gcd(_MONTHS_IN_CYCLE, self.step) * self.sieve_cycle

    def index(self, wall: int) -> int:
        return (month_number(wall) - self.first) // self.step

    def block(self, index: int) -> tuple[int, Offsets]:
        year, month = divmod(self.first + index * self.step, 12)
        day = date(year, month + 1, 1).toordinal() - 1
        kind = (month + 1, is_leap(year), day % 7)
        offsets = self.known.get(kind)
        if offsets is None:
            offsets = self.known[kind] = self.days(*kind)
        return day * DAY, self.sieve(day, offsets) if self.sieve else offsets


@dataclass(frozen=True, slots=True)
class Years:
    """Every `step` years; `days(year)` gives the offsets in a year."""

    first: int
    step: int
    days: Callable[[int], Offsets]
    inner: Offsets
    known: dict[tuple[bool, int, bool, bool], Offsets] = field(default_factory=dict)

    @property
    def cycle(self) -> int:
        return _YEARS_IN_CYCLE // gcd(_YEARS_IN_CYCLE, self.step)

    def index(self, wall: int) -> int:
        return (date.fromordinal(wall // DAY + 1).year - self.first) // self.step

    def block(self, index: int) -> tuple[int, Offsets]:
        year = self.first + index * self.step
        # A week of the year before may end in this one, and one of the year after begin: all lengths matter.
        kind = (is_leap(year), new_year(year) % 7, is_leap(year - 1), is_leap(year + 1))
        if kind not in self.known:
            self.known[kind] = self.days(year)
        return new_year(year) * DAY, self.known[kind]
