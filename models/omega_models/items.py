"""What an agent keeps of a conversation: messages, and between them tool calls, outputs and reasoning.

An item is a JSON object. What a user or an assistant says in it is kept once, as a message of the
conversation, so that it is searched, counted and edited as any other; the item points there and keeps the
rest. Every other item is kept whole, and nothing but `get_items` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from peewee import JOIN, SQL, Node

from omega_models import checks, conversations, corrections, item_form, messages, times
from omega_models.conversations import ROWID
from omega_models.database import Database
from omega_models.errors import InvalidId
from omega_models.item_form import Draft, Item
from omega_models.messages import UNLIMITED
from omega_models.statements import Given
from omega_models.tables import Message as M
from omega_models.tables import ReceivedMessage as R
from omega_models.tables import SessionItem as I

if TYPE_CHECKING:
    from omega_models.store import Store

MOST_KNOWN = 20  # messages of one call that are looked for among those stored before


class _Said(NamedTuple):
    """A message of the conversation; `linked` None: no item points to it."""

    id: str
    role: str
    content: str
    linked: int | None


HERE = I.conversation == Given("conversation_id")


def _insert(_: Database) -> Node:
    columns = {
        I.conversation: "conversation_id",
        I.message_id: "message_id",
        I.item: "item",
        I.created_ms: "created_ms",
    }
    return I.insert({field: Given(name) for field, name in columns.items()})


def _kept(_: Database) -> Node:
    """The newest first, without those whose message another program deleted."""
    found = I.select(I.id, I.item, I.message_id, M.content)
    found = found.join(M, JOIN.LEFT_OUTER, on=(M.id == I.message_id))
    whole = I.message_id.is_null() | M.id.is_null(False)
    return found.where(HERE & whole).order_by(I.id.desc()).limit(Given("limit"))


def _said_last(_: Database) -> Node:
    linked = I.select(SQL("1")).where(HERE & (I.message_id == M.id)).limit(1)
    found = M.select(M.id, M.role, M.content, linked).where(M.conversation == Given("conversation_id"))
    return found.order_by(M.timestamp.desc(), ROWID.desc()).limit(Given("limit"))


def _asked_last() -> Node:
    """The received message of the last user's item, while it waits for its reply."""
    asked = I.select(I.message_id).join(M, on=(M.id == I.message_id))
    last = asked.where(HERE & (M.role == "user")).order_by(I.id.desc()).limit(1)
    return (R.message_id == last) & R.reply_id.is_null()


def _answer(_: Database) -> Node:
    return R.update({R.reply_id: Given("reply_id")}).where(_asked_last())


def _waiting(_: Database) -> Node:
    return M.select(M.content).join(R, on=(R.message_id == M.id)).where(_asked_last())


def _await_again(_: Database) -> Node:
    here = R.conversation == Given("conversation_id")
    return R.update({R.reply_id: None}).where(here & (R.reply_id == Given("reply_id")))


def _received(_: Database) -> Node:
    return R.select(SQL("1")).where(R.message_id == Given("message_id"))


def _links(_: Database) -> Node:
    return I.select(I.message_id).where(HERE & I.message_id.is_null(False))


def _delete_one(_: Database) -> Node:
    return I.delete().where(I.id == Given("id"))


def _delete_all(_: Database) -> Node:
    return I.delete().where(HERE)


def add_items(store: Store, conversation_id: str, items: Sequence[Item]) -> None:
    """Adds what an agent said, was told, called or thought: dicts that JSON can hold, in their order.

    What a user or an assistant says in them becomes a message, or is the one stored just before, as by
    `receive`; an assistant's words at the end answer the received message. While that waits, it is not
    added again: a run that failed may be repeated. Raises `InvalidId` for an
    unknown conversation, `WrongType`, `InvalidText`, or `TextTooLong` for an item of more than `max_text` characters
    of JSON; nothing is written then.
    """
    conversation = checks.identifier(conversation_id, "conversation_id")
    drafts = item_form.drafts(items, store.max_text)
    moment = store.clock()
    with store.database.writing():
        if not drafts:
            return
        if not conversations.touch(store, conversation, moment):
            raise InvalidId(f"there is no conversation {conversation}")
        known = _stored_before(store, conversation, drafts)
        if not known and _waits(store, conversation, drafts[0]):
            del drafts[0]
        linked = _messages(store, conversation, drafts, known, moment)
        rows = [
            {"message_id": message, "item": draft.item} for message, draft in zip(linked, drafts, strict=True)
        ]
        every = {"conversation_id": conversation, "created_ms": times.to_ms(moment)}
        store.database.many(_insert, sets=[row | every for row in rows])
        if drafts and drafts[-1].role == "assistant":
            store.database.run(_answer, conversation_id=conversation, reply_id=linked[-1])


def _waits(store: Store, conversation_id: str, draft: Draft) -> bool:
    """Whether it is what a user asked before, and was not answered."""
    if draft.role != "user":
        return False
    waiting = store.database.value(_waiting, conversation_id=conversation_id)
    return waiting is not None and waiting == draft.text


def _messages(
    store: Store, conversation_id: str, drafts: Sequence[Draft], known: Sequence[str], moment: datetime
) -> list[str | None]:
    """The message of each item, None where it has none; the first of them are those that are known."""
    rest = iter(known)

    def message_of(draft: Draft) -> str | None:
        if draft.role is None:
            return None
        found = next(rest, None)
        return found or messages.insert(store, conversation_id, draft.role, draft.text, moment, None)

    return [message_of(draft) for draft in drafts]


def _stored_before(store: Store, conversation_id: str, drafts: Sequence[Draft]) -> list[str]:
    """The conversation's last messages, as far as they are the first of these and no item's yet."""
    said = [draft for draft in drafts if draft.role is not None]
    most = min(len(said), MOST_KNOWN)
    if not most:
        return []
    rows = store.database.rows(_said_last, conversation_id=conversation_id, limit=most)
    loose = list(takewhile(lambda each: each.linked is None, (_Said(*row) for row in rows)))[::-1]
    for count in range(len(loose), 0, -1):
        last = loose[-count:]
        if [each[1:3] for each in last] == [each[1:3] for each in said[:count]]:
            return [each.id for each in last]
    return []


def get_items(store: Store, conversation_id: str, limit: int | None = None) -> list[Item]:
    """The last `limit` items, or all, oldest first: equal to what was added, messages as they read now."""
    rows = store.database.rows(
        _kept,
        conversation_id=checks.identifier(conversation_id, "conversation_id"),
        limit=UNLIMITED if limit is None else checks.limit(limit),
    )
    return [item_form.read(item, text) for _, item, _, text in reversed(rows)]


def pop_item(store: Store, conversation_id: str) -> Item | None:
    """Takes the last item away, with its message unless that came from a platform; None: there was none."""
    conversation = checks.identifier(conversation_id, "conversation_id")
    with store.database.writing():
        found = store.database.row(_kept, conversation_id=conversation, limit=1)
        if found is None:
            return None
        identity, item, message_id, text = found
        store.database.run(_delete_one, id=identity)
        _take_back(store, conversation, message_id)
        return item_form.read(item, text)


def clear_items(store: Store, conversation_id: str) -> int:
    """Deletes all items, with their messages unless those came from a platform; how many items."""
    conversation = checks.identifier(conversation_id, "conversation_id")
    with store.database.writing():
        linked = store.database.rows(_links, conversation_id=conversation)
        gone = store.database.run(_delete_all, conversation_id=conversation)
        for (message_id,) in linked:
            _take_back(store, conversation, message_id)
        return gone


def _take_back(store: Store, conversation_id: str, message_id: str | None) -> None:
    """What somebody sent stays said; an answer that is deleted leaves it waiting for another one."""
    if message_id is None or store.database.value(_received, message_id=message_id):
        return
    store.database.run(_await_again, conversation_id=conversation_id, reply_id=message_id)
    corrections.erase(store, message_id)
