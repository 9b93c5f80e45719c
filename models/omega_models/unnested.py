"""Many rows of values in one statement, on a server: each column is an array. SQLite has `executemany`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peewee import SQL, CommaNodeList, Node, NodeList

from omega_models.statements import Given

TEXT, BIGINT = "text[]", "bigint[]"


def unnested(name: str, **columns: str) -> Node:
    """`unnest(…) AS name(columns)`; each column, whose type is named, is given as a list at each call."""
    arrays = [NodeList((Given(column), SQL(f"::{kind}")), glue="") for column, kind in columns.items()]
    return NodeList((SQL("unnest("), CommaNodeList(arrays), SQL(f") AS {name}({', '.join(columns)})")))


def turned(rows: Sequence[dict[str, Any]], *names: str) -> dict[str, list[Any]]:
    """Rows as the columns that `unnested` wants."""
    return {name: [row[name] for row in rows] for name in names}
