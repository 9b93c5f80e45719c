"""Peewee queries compiled once: the text is kept, only the values are given at each call."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from peewee import Context, Database, Node

Build = Callable[..., Node]


class _Slot(NamedTuple):
    name: str


class Given(Node):
    """A value named now and given at each call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __sql__(self, ctx: Context) -> Context:
        ctx.value(_Slot(self.name), converter=False)
        return ctx


class Compiled(NamedTuple):
    """SQL text and what fills it: constants, and the names of values."""

    sql: str
    parts: tuple[Any, ...]
    pick: Callable[[dict[str, Any]], tuple[Any, ...]] | None  # at once, where there are no constants

    def values(self, given: dict[str, Any]) -> Sequence[Any]:
        if self.pick is not None:
            return self.pick(given)
        return [given[part.name] if type(part) is _Slot else part for part in self.parts]


def compile_query(database: Database, query: Node) -> Compiled:
    context: Any = database.get_sql_context()
    sql, parts = context.sql(query).query()
    only_slots = len(parts) > 1 and all(type(part) is _Slot for part in parts)
    pick = itemgetter(*(part.name for part in parts)) if only_slots else None
    return Compiled(sql, tuple(parts), pick)
