"""What an examination finds: a topic, how bad it is, a sentence, and what could be done about it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from omega_models.store import Store

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "PROBLEM"


class Remedy(NamedTuple):
    """A repair that loses nothing anybody stored; `apply` says in a few words what it did."""

    name: str
    apply: Callable[[Store], str]


class Finding(NamedTuple):
    topic: str
    level: str
    text: str
    remedy: Remedy | None = None


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def is_healthy(found: Iterable[Finding]) -> bool:
    return all(each.level != PROBLEM for each in found)
