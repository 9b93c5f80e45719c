"""One person under several sender ids: an alias leads to the canonical one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peewee import Node

from omega_models import checks, times
from omega_models.database import Database
from omega_models.errors import InvalidId
from omega_models.facts import WELCOMED
from omega_models.statements import Given
from omega_models.tables import Fact as F
from omega_models.tables import UserAlias as A

if TYPE_CHECKING:
    from omega_models.store import Store


def _next(_: Database) -> Node:
    return A.select(A.canonical_sender_id).where(A.alias_sender_id == Given("sender_id"))


def _insert(_: Database) -> Node:
    columns = {A.alias_sender_id: "alias", A.canonical_sender_id: "canonical", A.created_at: "now"}
    return A.insert({field: Given(name) for field, name in columns.items()}).on_conflict_ignore()


def _welcomed(db: Database) -> Node:
    alias = A.select(A.alias_sender_id)
    others = F.select(F.sender_id).where((F.key == WELCOMED) & (F.sender_id != Given("sender_id")))
    return others.where(F.sender_id.not_in(alias)).order_by(F.created_at, db.by_letter(F.sender_id)).limit(1)


def create_alias(store: Store, alias_id: str | int, canonical_id: str | int) -> None:
    """From now on `alias_id` is `canonical_id`. The first alias of an id stays.

    Raises `InvalidId` where the canonical id is, through its own aliases, the alias itself.
    """
    alias = checks.identifier(alias_id, "alias_id")
    canonical = checks.identifier(canonical_id, "canonical_id")
    with store.database.writing():
        if alias in _chain(store, canonical):
            raise InvalidId(f"{canonical} already leads to {alias}: an alias must not lead back to itself")
        store.database.run(_insert, alias=alias, canonical=canonical, now=times.to_text(store.clock()))


def resolve_sender_id(store: Store, sender_id: str | int) -> str:
    """The canonical id, through however many aliases; the id itself where it has none."""
    return _chain(store, checks.identifier(sender_id, "sender_id"))[-1]


def _chain(store: Store, sender_id: str) -> list[str]:
    """The id and what it leads to. Another program may have written a circle: it ends before it closes."""
    found = [sender_id]
    while (following := store.database.value(_next, sender_id=found[-1])) and following not in found:
        found.append(following)
    return found


def find_canonical_user(store: Store, exclude_sender_id: str | int) -> str | None:
    """The first person welcomed who is not this one: for installations with a single owner."""
    sender = checks.identifier(exclude_sender_id, "exclude_sender_id")
    found: str | None = store.database.value(_welcomed, sender_id=sender)
    return found
