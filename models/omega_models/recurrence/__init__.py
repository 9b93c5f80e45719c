"""The calendar of the product: when a repeat fires, in every zone. Pure: no database, no clock."""

from omega_models.recurrence.given import next_occurrence
from omega_models.recurrence.offsets import to_instant, to_local
from omega_models.recurrence.series import between, count_between, first_occurrence, following, latest
from omega_models.recurrence.text import known_repeat, parse_repeat

__all__ = [
    "between",
    "count_between",
    "first_occurrence",
    "following",
    "known_repeat",
    "latest",
    "next_occurrence",
    "parse_repeat",
    "to_instant",
    "to_local",
]
