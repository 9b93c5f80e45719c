"""A new database is written from the models; an existing file is brought up to them by the migrations."""

from functools import cache
from typing import Any

from peewee import SchemaManager

from omega_models.database import Database
from omega_models.tables import MODELS, SQLITE_EXTRAS
from omega_models.thread_connections import ThreadConnections


def create(database: Database) -> None:
    """Writes every table, index and trigger into an empty file, inside the caller's transaction."""
    for statement in _statements():
        database.sql(statement)


class _Draft(ThreadConnections):
    """Keeps the statements it is given, instead of connecting and executing them."""

    def __init__(self) -> None:
        super().__init__(None, shared=True)
        self.statements: list[str] = []

    def execute_sql(self, sql: str, *_: Any) -> None:
        self.statements.append(sql)


@cache
def _statements() -> tuple[str, ...]:
    """The same for every file, so a program that creates many works them out once."""
    draft = _Draft()
    for model in MODELS:
        SchemaManager(model, draft).create_all(safe=False)
    return (*draft.statements, *SQLITE_EXTRAS)
