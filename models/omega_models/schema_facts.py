"""A comparable description of everything a SQLite schema says, whatever its SQL looks like."""

import re
import sqlite3
from typing import Any


def describe(connection: sqlite3.Connection) -> dict[str, Any]:
    """Tables, indexes, triggers, virtual tables and views by name; equal schemas give equal descriptions."""
    kinds = connection.execute(
        "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'"
    ).fetchall()
    own = [row for row in kinds if not row[0].startswith("sqlite_")]
    facts: dict[str, Any] = {}
    for name, kind, without_rowid, strict in own:
        if kind == "table":
            facts[f"table {name}"] = {**table(connection, name), "options": (without_rowid, strict)}
        elif kind == "virtual":
            facts[f"virtual {name}"] = spaced(sql_of(connection, name)).replace('"', "")
    for name, on, sql in connection.execute(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
    ):
        facts[f"trigger {name}"] = (on, spaced(sql))
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"):
        facts[f"view {name}"] = spaced(sql)
    return facts


def table(connection: sqlite3.Connection, name: str) -> dict[str, Any]:
    return {
        "columns": connection.execute(f'PRAGMA table_xinfo("{name}")').fetchall(),
        "checks": sorted(checks(sql_of(connection, name))),
        "foreign keys": sorted(row[2:] for row in connection.execute(f'PRAGMA foreign_key_list("{name}")')),
        "indexes": indexes(connection, name),
    }


def indexes(connection: sqlite3.Connection, name: str) -> list[Any]:
    """Indexes by name, those of constraints without; columns with order and collation."""
    found = []
    for _, index, unique, origin, partial in connection.execute(f'PRAGMA index_list("{name}")').fetchall():
        columns = [row[2:] for row in connection.execute(f'PRAGMA index_xinfo("{index}")') if row[5]]
        label = index if origin == "c" else ""
        found.append((label, unique, origin, partial, condition(sql_of(connection, index)), columns))
    return sorted(found, key=repr)


def condition(sql: str) -> str:
    """The WHERE of a partial index."""
    return spaced("".join(re.split(r"\bWHERE\b", sql, flags=re.IGNORECASE)[1:]))


def checks(sql: str) -> list[str]:
    found = []
    for match in re.finditer(r"\bCHECK\s*\(", sql, re.IGNORECASE):
        depth, end = 1, match.end()
        while depth and end < len(sql):
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        found.append(re.sub(r"\s", "", sql[match.end() : end - 1]).replace('"', ""))
    return found


def spaced(sql: str) -> str:
    return " ".join(sql.split())


def sql_of(connection: sqlite3.Connection, name: str) -> str:
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return (found[0] or "") if found else ""
