"""Messages that were edited or deleted on their platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peewee import Node

from omega_models import checks, recall_index
from omega_models.database import Database
from omega_models.redelivery import find
from omega_models.statements import Given
from omega_models.tables import Fact as F
from omega_models.tables import Message as M
from omega_models.tables import SessionItem as I

if TYPE_CHECKING:
    from omega_models.store import Store


def _edit(_: Database) -> Node:
    return M.update({M.content: Given("text")}).where(M.id == Given("id"))


def _delete(_: Database) -> Node:
    return M.delete().where(M.id == Given("id"))


def _unlink(_: Database) -> Node:
    return F.update({F.source_message: None}).where(F.source_message == Given("id"))


def _drop_items(_: Database) -> Node:
    conversation = M.select(M.conversation).where(M.id == Given("id"))
    return I.delete().where((I.conversation == conversation) & (I.message_id == Given("id")))


def edit_message(
    store: Store,
    channel: str,
    platform_message_id: str | int,
    text: str,
    *,
    reply_target: str | int = "",
) -> bool:
    """Gives a received message another text, for searches too; whether there is such a message."""
    checks.text(text, "text", store.max_text)
    with store.database.writing():
        found = find(store, channel, platform_message_id, reply_target)
        edited = found is not None and store.database.run(_edit, id=found, text=text) > 0
        recall_index.catch_up(store.database)
        return edited


def delete_message(
    store: Store, channel: str, platform_message_id: str | int, *, reply_target: str | int = ""
) -> bool:
    """Deletes a received message, for searches too; whether there was one. Delivered again it stays deleted."""
    with store.database.writing():
        found = find(store, channel, platform_message_id, reply_target)
        return found is not None and erase(store, found)


def erase(store: Store, message_id: str) -> bool:
    """Deletes the message and the item that points to it, inside the caller's transaction; whether it was there."""
    store.database.run(_unlink, id=message_id)
    store.database.run(_drop_items, id=message_id)
    return store.database.run(_delete, id=message_id) > 0
