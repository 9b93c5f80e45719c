"""How much is remembered: of a sender, in a conversation, on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peewee import SQL, Node, fn

from omega_models import checks
from omega_models.database import Database
from omega_models.messages import get_conversation_messages
from omega_models.statements import Given
from omega_models.tables import Conversation as C
from omega_models.tables import Fact as F
from omega_models.tables import Message as M

if TYPE_CHECKING:
    from omega_models.store import Store

COUNT = fn.COUNT(SQL("*"))


class MemoryStats(NamedTuple):
    conversations: int
    messages: int
    facts: int


class TokenEstimate(NamedTuple):
    message_count: int
    tokens: int


def _conversations(_: Database) -> Node:
    return C.select(COUNT).where(C.sender_id == Given("sender_id"))


def _messages(_: Database) -> Node:
    return M.select(COUNT).join(C).where(C.sender_id == Given("sender_id"))


def _facts(_: Database) -> Node:
    return F.select(COUNT).where(F.sender_id == Given("sender_id"))


def get_memory_stats(store: Store, sender_id: str | int) -> MemoryStats:
    """How many conversations, messages and facts there are of the sender, on all channels."""
    sender = checks.identifier(sender_id, "sender_id")
    with store.database.snapshot():
        counts = (
            store.database.value(build, sender_id=sender) for build in (_conversations, _messages, _facts)
        )
        return MemoryStats(*counts)


def get_conversation_token_estimate(store: Store, conversation_id: str) -> TokenEstimate:
    """How many messages the conversation has, and their tokens as the Store counts them."""
    messages = get_conversation_messages(store, conversation_id)
    return TokenEstimate(len(messages), sum(store.count_tokens(message.content) for message in messages))


def db_size(store: Store) -> int:
    """The size of the database in bytes."""
    if store.database.is_postgres:
        return int(store.database.sql_rows("SELECT pg_database_size(current_database())")[0][0])
    sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    return int(store.database.sql_rows(sql)[0][0])
