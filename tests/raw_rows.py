"""What stands in the tables, read and written past the Store, on either backend."""

from datetime import datetime
from typing import Any

from omega_models import Store
from omega_models.times import to_text


def change(store: Store, statement: str, *values: Any) -> int:
    """Runs a statement with a `?` for each value; the number of rows it changed."""
    return store.database.sql(_marked(store, statement), values)


def read(store: Store, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows, with times as SQLite holds them: `YYYY-MM-DD HH:MM:SS` in UTC."""
    rows = store.database.sql_rows(_marked(store, query), values)
    return [tuple(to_text(each) if isinstance(each, datetime) else each for each in row) for row in rows]


def _marked(store: Store, statement: str) -> str:
    return statement.replace("?", "%s") if store.database.is_postgres else statement
