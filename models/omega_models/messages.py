"""Messages: reading a conversation, adding to it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import Node

from omega_models import checks, conversations, metadata, recall_index, times
from omega_models.conversations import ROWID
from omega_models.database import Database
from omega_models.errors import InvalidId
from omega_models.incoming import optional_text
from omega_models.statements import Given
from omega_models.tables import Message as M

if TYPE_CHECKING:
    from omega_models.store import Store

ROLES = ("user", "assistant")
UNLIMITED = 2**62


class Message(NamedTuple):
    role: str
    content: str


class StoredMessage(NamedTuple):
    """`metadata` is what came with it besides the sender's name; None where nothing did."""

    id: str
    role: str
    content: str
    timestamp: datetime
    sender_name: str | None
    metadata: dict[str, Any] | None


def _said(_: Database) -> Node:
    found = M.select(M.role, M.content).where(M.conversation == Given("conversation_id"))
    return found.order_by(M.timestamp, ROWID)


def _latest(_: Database) -> Node:
    found = M.select(M.id, M.role, M.content, M.timestamp, M.metadata_json)
    here = found.where(M.conversation == Given("conversation_id"))
    return here.order_by(M.timestamp.desc(), ROWID.desc()).limit(Given("limit"))


def _insert(_: Database) -> Node:
    columns = {
        M.id: "id",
        M.conversation: "conversation_id",
        M.role: "role",
        M.content: "content",
        M.timestamp: "timestamp",
        M.metadata_json: "metadata_json",
    }
    return M.insert({field: Given(name) for field, name in columns.items()})


def get_conversation_messages(store: Store, conversation_id: str) -> list[Message]:
    """Everything said in the conversation, oldest first."""
    found = checks.identifier(conversation_id, "conversation_id")
    return [Message(*row) for row in store.database.rows(_said, conversation_id=found)]


def get_messages(store: Store, conversation_id: str, *, limit: int | None = None) -> list[StoredMessage]:
    """The last `limit` messages, or all, oldest first."""
    rows = store.database.rows(
        _latest,
        conversation_id=checks.identifier(conversation_id, "conversation_id"),
        limit=UNLIMITED if limit is None else checks.limit(limit),
    )
    return [_stored(*row) for row in reversed(rows)]


def _stored(
    message_id: str, role: str, content: str, timestamp: str | datetime, kept: str | None
) -> StoredMessage:
    sender_name, rest = metadata.read(kept)
    return StoredMessage(message_id, role, content, times.from_text(timestamp), sender_name, rest)


def append_message(
    store: Store,
    conversation_id: str,
    role: str,
    content: str,
    *,
    timestamp: datetime | str | None = None,
    sender_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """The id of one more message, by `user` or `assistant`, said now or at `timestamp`.

    Raises the conversation's last activity, never lowers it. Raises `InvalidId` for an unknown one,
    `InvalidText`, `TextTooLong` or `InvalidTime`; nothing is written then.
    """
    conversation = checks.identifier(conversation_id, "conversation_id")
    checks.one_of(role, "role", ROLES)
    checks.text(content, "content", store.max_text)
    moment = store.clock() if timestamp is None else times.instant(timestamp)
    kept = _kept(sender_name, metadata)
    with store.database.writing():
        if not conversations.touch(store, conversation, moment):
            raise InvalidId(f"there is no conversation {conversation}")
        return insert(store, conversation, role, content, moment, kept)


def _kept(sender_name: str | None, more: Mapping[str, Any] | None) -> str | None:
    name = optional_text(sender_name, "sender_name")
    known = {metadata.SENDER_NAME: name} if name else {}
    return metadata.to_json({**metadata.checked(more), **known})


def insert(
    store: Store,
    conversation_id: str,
    role: str,
    content: str,
    moment: datetime,
    metadata_json: str | None,
    message_id: str | None = None,
    *,
    another: bool = False,
) -> str:
    """The id of the new row; inside the caller's transaction. `another` follows, and both are indexed then."""
    message_id = message_id or str(uuid.uuid4())
    store.database.run(
        _insert,
        id=message_id,
        conversation_id=conversation_id,
        role=role,
        content=content,
        timestamp=times.to_text(moment),
        metadata_json=metadata_json,
    )
    if not another:
        recall_index.catch_up(store.database)
    return message_id
