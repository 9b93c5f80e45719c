"""`once`, `daily`, `weekdays`, `weekly`, `monthly`, `yearly`."""

from omega_models.recurrence.blocks import Even, Months, Offsets, month_length, month_number
from omega_models.recurrence.pattern import Pattern
from omega_models.recurrence.seconds import DAY, LAST, wall_datetime

WORDS = ("daily", "weekdays", "weekly", "monthly", "yearly")


def once_pattern(anchor: int) -> Pattern:
    """The anchor and nothing more."""
    return Pattern(Even(anchor, LAST + 1, (0,)), start=anchor, stop=anchor)


def word_pattern(word: str, anchor: int) -> Pattern:
    """One of `WORDS` from the wall second of its anchor."""
    match word:
        case "daily":
            return Pattern(Even(anchor, DAY, (0,)), start=anchor)
        case "weekly":
            return Pattern(Even(anchor, 7 * DAY, (0,)), start=anchor)
        case "weekdays":
            return _weekdays(anchor)
        case "monthly":
            return _on_the_same_day(anchor, 1)
        case _:
            return _on_the_same_day(anchor, 12)


def _weekdays(anchor: int) -> Pattern:
    day, time = divmod(anchor, DAY)
    five_days = tuple(range(0, 5 * DAY, DAY))
    return Pattern(Even((day - day % 7) * DAY, 7 * DAY, five_days, (time,)), start=anchor)


def _on_the_same_day(anchor: int, months: int) -> Pattern:
    day = wall_datetime(anchor).day

    def last_day_at_most(month: int, leap: bool, _weekday: int) -> Offsets:
        return ((min(day, month_length(month, leap)) - 1) * DAY,)

    blocks = Months(month_number(anchor), months, last_day_at_most, (anchor % DAY,))
    return Pattern(blocks, start=anchor)
