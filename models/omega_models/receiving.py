"""Messages from a platform: each is stored once and answered once."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from peewee import Node

from omega_models import checks, conversations, messages, metadata
from omega_models.conversations import Place
from omega_models.database import Database
from omega_models.errors import InvalidId
from omega_models.incoming import IncomingMessage, OutgoingMessage
from omega_models.metadata import Metadata
from omega_models.redelivery import Seen, is_named, seen, waiting
from omega_models.statements import Given
from omega_models.tables import Conversation as C
from omega_models.tables import ReceivedMessage as R

if TYPE_CHECKING:
    from omega_models.store import Store


class Received(NamedTuple):
    """Where a message is kept. `is_new` False: it was there already, and nothing was written."""

    conversation_id: str
    message_id: str
    is_new: bool


class Draft(NamedTuple):
    """What is to be written, checked before the transaction begins."""

    incoming: IncomingMessage
    place: Place
    now: datetime
    metadata_json: str | None


def draft(store: Store, incoming: IncomingMessage, project: str | None) -> Draft:
    checks.instance(incoming, "incoming", IncomingMessage)
    checks.text(incoming.text, "text", store.max_text)
    kept = metadata.of_incoming(incoming)
    return Draft(incoming, conversations.place_of(incoming, project), store.clock(), kept)


def _note(_: Database) -> Node:
    columns = {
        R.message_id: "message_id",
        R.conversation: "conversation_id",
        R.channel: "channel",
        R.sender_id: "sender_id",
        R.reply_target: "reply_target",
        R.platform_message_id: "platform_message_id",
        R.reply_id: "reply_id",
    }
    return R.insert({field: Given(name) for field, name in columns.items()})


def _answer(_: Database) -> Node:
    still_waiting = (R.message_id == Given("message_id")) & R.reply_id.is_null()
    return R.update({R.reply_id: Given("reply_id")}).where(still_waiting)


def receive(store: Store, incoming: IncomingMessage, project: str | None = "") -> Received:
    """Stores the user's message before the model is asked.

    A platform message seen before (channel, reply_target, platform_message_id) writes nothing.
    Raises `InvalidText` or `TextTooLong`.
    """
    given = draft(store, incoming, project)
    with store.database.writing():
        conversations.alone(store, incoming.channel, incoming.sender_id)
        known = seen(store, incoming)
        if known is not None:
            return Received(known.conversation_id, known.message_id, is_new=False)
        conversation_id = conversations.enter(store, given.place, given.now)
        message_id = _add_user(store, given, conversation_id)
        _add_note(store, incoming, conversation_id, message_id, None)
    return Received(conversation_id, message_id, is_new=True)


def store_exchange(
    store: Store,
    incoming: IncomingMessage,
    response: OutgoingMessage | str,
    project: str | None = "",
    *,
    conversation_id: str | None = None,
) -> str:
    """Stores the user's message and the answer; after `receive` the answer only. The conversation's id.

    The same platform message a second time writes nothing. `conversation_id` names one of the sender's own.
    Raises `InvalidId`, `InvalidText` or `TextTooLong`; nothing is written then.
    """
    answer, known_of_it = _split(response)
    text = checks.text(answer, "response", store.max_text)
    kept = metadata.of_reply(known_of_it)
    given = draft(store, incoming, project)
    with store.database.writing():
        conversations.alone(store, incoming.channel, incoming.sender_id)
        known = seen(store, incoming)
        if known is not None:
            add_reply(store, known, text, kept, given.now)
            return known.conversation_id
        here = _conversation(store, given, conversation_id)
        _add_both(store, given, here, text, kept)
    return here


def _split(response: OutgoingMessage | str) -> tuple[str, Metadata | None]:
    return (response.text, response.metadata) if isinstance(response, OutgoingMessage) else (response, None)


def _conversation(store: Store, given: Draft, conversation_id: str | None) -> str:
    if conversation_id is None:
        return conversations.enter(store, given.place, given.now)
    named = checks.identifier(conversation_id, "conversation_id")
    _require_own(store, named, given.place)
    conversations.touch(store, named, given.now)
    return named


def _owner(_: Database) -> Node:
    return C.select(C.channel, C.sender_id, C.group_target).where(C.id == Given("id"))


def _require_own(store: Store, conversation_id: str, place: Place) -> None:
    owner = store.database.row(_owner, id=conversation_id)
    if owner != (place.channel, place.sender_id, place.group):
        raise InvalidId(f"there is no conversation {conversation_id} of this sender on this channel and chat")


def _add_both(store: Store, given: Draft, conversation_id: str, text: str, kept: str | None) -> None:
    known = waiting(store, given.incoming, conversation_id)
    message_id = known.message_id if known else _add_user(store, given, conversation_id, answered=True)
    reply_id = messages.insert(store, conversation_id, "assistant", text, given.now, kept)
    if known is not None:
        store.database.run(_answer, message_id=message_id, reply_id=reply_id)
    elif is_named(given.incoming):
        _add_note(store, given.incoming, conversation_id, message_id, reply_id)


def _add_user(store: Store, given: Draft, conversation_id: str, *, answered: bool = False) -> str:
    text, own_id = given.incoming.text, given.incoming.id
    kept = given.metadata_json
    return messages.insert(store, conversation_id, "user", text, given.now, kept, own_id, another=answered)


def _add_note(
    store: Store, incoming: IncomingMessage, conversation_id: str, message_id: str, reply_id: str | None
) -> None:
    store.database.run(
        _note,
        message_id=message_id,
        conversation_id=conversation_id,
        channel=incoming.channel,
        sender_id=incoming.sender_id,
        reply_target=incoming.reply_target or "",
        platform_message_id=incoming.platform_message_id,
        reply_id=reply_id,
    )


def add_reply(
    store: Store, known: Seen, text: str, metadata_json: str | None, now: datetime, *, final: bool = True
) -> bool:
    """Answers a received message, inside the caller's transaction; False where that was done, or it is gone.

    What is not `final` leaves it waiting for a reply.
    """
    reply_id = str(uuid.uuid4())
    if final and not store.database.run(_answer, message_id=known.message_id, reply_id=reply_id):
        return False
    if not conversations.touch(store, known.conversation_id, now):
        return False
    messages.insert(store, known.conversation_id, "assistant", text, now, metadata_json, reply_id)
    return True
