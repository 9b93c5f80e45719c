"""What the assistant found it cannot do: one row a title."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from peewee import Node

from omega_models import checks, times
from omega_models.conversations import ROWID
from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import Limitation as L

if TYPE_CHECKING:
    from omega_models.store import Store


class Limitation(NamedTuple):
    title: str
    description: str
    proposed_plan: str


def _titles(_: Database) -> Node:
    return L.select(L.title)


def _insert(_: Database) -> Node:
    columns = ("id", "title", "description", "proposed_plan", "created_at")
    return L.insert({getattr(L, name): Given(name) for name in columns}).on_conflict_ignore()


def _open(_: Database) -> Node:
    found = L.select(L.title, L.description, L.proposed_plan).where(L.status == "open")
    return found.order_by(L.created_at, ROWID)


def store_limitation(store: Store, title: str, description: str, proposed_plan: str = "") -> bool:
    """Whether it is new: one is kept for a title, whatever its case, the first. Raises `InvalidText`."""
    columns = {
        "id": str(uuid.uuid4()),
        "title": checks.text(title, "title", store.max_text, empty=False).strip(),
        "description": checks.text(description, "description", store.max_text),
        "proposed_plan": checks.text(proposed_plan, "proposed_plan", store.max_text),
        "created_at": times.to_text(store.clock()),
    }
    with store.database.writing():
        known = {stored.strip().casefold() for (stored,) in store.database.rows(_titles)}
        return columns["title"].casefold() not in known and store.database.run(_insert, **columns) > 0


def get_open_limitations(store: Store) -> list[Limitation]:
    """Those not resolved yet, oldest first."""
    return [Limitation(*row) for row in store.database.rows(_open)]
