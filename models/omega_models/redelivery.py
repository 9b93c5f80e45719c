"""What a platform delivered before: a message is known by the ids it came with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peewee import Node

from omega_models import checks
from omega_models.database import Database
from omega_models.errors import InvalidId
from omega_models.incoming import IncomingMessage
from omega_models.statements import Given
from omega_models.tables import Message as M
from omega_models.tables import ReceivedMessage as R

if TYPE_CHECKING:
    from omega_models.store import Store


class Seen(NamedTuple):
    """A message that came before, and the reply to it, if there is one."""

    conversation_id: str
    message_id: str
    reply_id: str | None


SEEN = (R.conversation, R.message_id, R.reply_id)


def _seen_id(_: Database) -> Node:
    own = (R.channel == Given("channel")) & (R.sender_id == Given("sender_id"))
    return R.select(*SEEN).where((R.message_id == Given("id")) & own)


def _at(sender: bool) -> Node:
    """One platform message: ids are unique in a chat, and where no chat is named, only for its sender."""
    here = (R.channel == Given("channel")) & (R.platform_message_id == Given("platform_message_id"))
    here &= R.reply_target == Given("reply_target")
    return here & (R.sender_id == Given("sender_id")) if sender else here


def _seen_platform(_: Database, sender: bool) -> Node:
    return R.select(*SEEN).where(_at(sender))


def _waiting(_: Database) -> Node:
    here = (R.conversation == Given("conversation_id")) & R.reply_id.is_null()
    nameless = R.platform_message_id.is_null() & (M.content == Given("text"))
    return R.select(*SEEN).join(M, on=(M.id == R.message_id)).where(here & nameless).limit(1)


def seen(store: Store, incoming: IncomingMessage) -> Seen | None:
    """The message by its platform's id, else by its own; None for one that names neither."""
    own = {"channel": incoming.channel, "sender_id": incoming.sender_id}
    if incoming.platform_message_id is not None:
        target = incoming.reply_target or ""
        given = {**own, "platform_message_id": incoming.platform_message_id, "reply_target": target}
        found = store.database.row(_seen_platform, not target, **given)
    elif incoming.id is not None:
        found = store.database.row(_seen_id, id=incoming.id, **own)
    else:
        return None
    return Seen(*found) if found else None


def waiting(store: Store, incoming: IncomingMessage, conversation_id: str) -> Seen | None:
    """For one that names no id: the received message of the same text that still wants its reply."""
    if is_named(incoming):
        return None
    found = store.database.row(_waiting, conversation_id=conversation_id, text=incoming.text)
    return Seen(*found) if found else None


def is_named(incoming: IncomingMessage) -> bool:
    return incoming.platform_message_id is not None or incoming.id is not None


def find(
    store: Store, channel: str, platform_message_id: str | int, reply_target: str | int | None
) -> str | None:
    """The id of the message that its platform speaks of; more than one is an `InvalidId`."""
    rows = store.database.rows(
        _seen_platform,
        False,
        channel=checks.identifier(channel, "channel"),
        platform_message_id=checks.identifier(platform_message_id, "platform_message_id"),
        reply_target="" if reply_target in ("", None) else checks.identifier(reply_target, "reply_target"),
    )
    if len(rows) > 1:
        raise InvalidId(f"several chats have a message {platform_message_id}: give its reply_target")
    return Seen(*rows[0]).message_id if rows else None
