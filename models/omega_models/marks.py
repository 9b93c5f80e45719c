"""What is on record until it is done: rows of `leases` that are no right to anything, and do not end by themselves."""

from __future__ import annotations

from peewee import Node

from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import Lease as L

NEVER_MS = 253_402_300_799_000  # the end of the calendar


def _put(_: Database) -> Node:
    columns = ("name", "holder", "token", "until_ms")
    return L.insert({getattr(L, name): Given(name) for name in columns}).on_conflict_ignore()


def _token(_: Database) -> Node:
    return L.select(L.token).where(L.name == Given("name"))


def _remove(_: Database) -> Node:
    return L.delete().where(L.name == Given("name"))


def put(database: Database, name: str, token: str, holder: str = "") -> None:
    """Makes the mark; one that is there stays as it is."""
    database.run(_put, name=name, holder=holder, token=token, until_ms=NEVER_MS)


def token(database: Database, name: str) -> str | None:
    """What the mark says; None where there is none."""
    found: str | None = database.value(_token, name=name)
    return found


def remove(database: Database, name: str) -> None:
    database.run(_remove, name=name)
