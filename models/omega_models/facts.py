"""What is known of a person: one value a key."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from peewee import EXCLUDED, Node

from omega_models import checks, times
from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import Fact as F

if TYPE_CHECKING:
    from omega_models.store import Store


WELCOMED = "welcomed"  # set when a sender was greeted
PREFERRED_LANGUAGE = "preferred_language"
LANGUAGE_SOURCE = "language_source"  # "detected": nobody chose the preferred language


class Fact(NamedTuple):
    key: str
    value: str


class SenderFact(NamedTuple):
    sender_id: str
    value: str


def _upsert(_: Database) -> Node:
    columns = ("id", "sender_id", "key", "value", "created_at", "updated_at")
    return F.insert({getattr(F, name): Given(name) for name in columns}).on_conflict(
        conflict_target=[F.sender_id, F.key],
        update={F.value: EXCLUDED.value, F.updated_at: EXCLUDED.updated_at},
    )


def _one(_: Database) -> Node:
    return F.select(F.value).where((F.sender_id == Given("sender_id")) & (F.key == Given("key")))


def _all(db: Database) -> Node:
    return F.select(F.key, F.value).where(F.sender_id == Given("sender_id")).order_by(db.by_letter(F.key))


def _everybodys(db: Database) -> Node:
    return (
        F.select(F.key, F.value)
        .where(F.key != WELCOMED)
        .order_by(db.by_letter(F.key), db.by_letter(F.sender_id))
    )


def _by_key(db: Database) -> Node:
    return F.select(F.sender_id, F.value).where(F.key == Given("key")).order_by(db.by_letter(F.sender_id))


def _of_senders(db: Database) -> Node:
    return F.select(F.sender_id, F.value).where((F.key == Given("key")) & db.among(F.sender_id, "senders"))


def _delete_one(_: Database) -> Node:
    return F.delete().where((F.sender_id == Given("sender_id")) & (F.key == Given("key")))


def _delete_all(_: Database) -> Node:
    return F.delete().where(F.sender_id == Given("sender_id"))


def store_fact(store: Store, sender_id: str | int, key: str, value: str) -> None:
    """Writes the fact, or a new value where the key is known. Raises `InvalidId`, `InvalidText`, `TextTooLong`.

    A preferred language that is given in place of a detected one was chosen: detection leaves it alone.
    """
    sender = checks.identifier(sender_id, "sender_id")
    name = checks.identifier(key, "key")
    if name != PREFERRED_LANGUAGE:
        keep(store, sender, name, value)
        return
    with store.database.writing():
        if get_fact(store, sender, name) is not None:
            delete_fact(store, sender, LANGUAGE_SOURCE)
        keep(store, sender, name, value)


def keep(store: Store, sender_id: str, key: str, value: str) -> None:
    now = times.to_text(store.clock())
    store.database.run(
        _upsert,
        id=str(uuid.uuid4()),
        sender_id=sender_id,
        key=key,
        value=checks.text(value, "value", store.max_text),
        created_at=now,
        updated_at=now,
    )


def get_fact(store: Store, sender_id: str | int, key: str) -> str | None:
    """The value, or None."""
    sender = checks.identifier(sender_id, "sender_id")
    found: str | None = store.database.value(_one, sender_id=sender, key=checks.identifier(key, "key"))
    return found


def get_facts(store: Store, sender_id: str | int) -> list[Fact]:
    """All facts of the sender, by key."""
    sender = checks.identifier(sender_id, "sender_id")
    return [Fact(*row) for row in store.database.rows(_all, sender_id=sender)]


def get_all_facts(store: Store) -> list[Fact]:
    """Everybody's facts, by key, without `welcomed`."""
    return [Fact(*row) for row in store.database.rows(_everybodys)]


def get_all_facts_by_key(store: Store, key: str) -> list[SenderFact]:
    """Everybody's value of one fact, by sender."""
    rows = store.database.rows(_by_key, key=checks.identifier(key, "key"))
    return [SenderFact(*row) for row in rows]


def of_senders(store: Store, senders: Sequence[str], key: str) -> dict[str, str]:
    """Those senders' values of one fact, by sender; who has none is not in it."""
    if not senders:
        return {}
    return dict(store.database.rows(_of_senders, key=key, senders=store.database.listed(senders)))


def is_new_user(store: Store, sender_id: str | int) -> bool:
    """Whether nobody has welcomed the sender yet."""
    return get_fact(store, sender_id, WELCOMED) is None


def delete_fact(store: Store, sender_id: str | int, key: str) -> bool:
    """Whether there was such a fact."""
    sender = checks.identifier(sender_id, "sender_id")
    return store.database.run(_delete_one, sender_id=sender, key=checks.identifier(key, "key")) > 0


def delete_facts(store: Store, sender_id: str | int, key: str | None = None) -> int:
    """Deletes one fact, or all of the sender's where `key` is None; how many there were."""
    if key is not None:
        return int(delete_fact(store, sender_id, key))
    return store.database.run(_delete_all, sender_id=checks.identifier(sender_id, "sender_id"))
