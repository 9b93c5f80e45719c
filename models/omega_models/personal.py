"""Whose rows are whose: what is kept of a person, and of a conversation, for forgetting it and for moving it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from peewee import SQL, Model, Node, fn

from omega_models import checks, times
from omega_models.aliases import resolve_sender_id
from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import (
    AuditRow,
    Conversation,
    Fact,
    Lesson,
    Message,
    Outcome,
    ProjectSession,
    ReceivedMessage,
    ScheduledTask,
    SessionItem,
    TaskOccurrence,
    UserAlias,
)

if TYPE_CHECKING:
    from omega_models.store import Store

PERSON, CONVERSATION = "person", "conversation"

# What belongs to a conversation, in an order in which it can be deleted.
PARTS: tuple[type[Model], ...] = (SessionItem, ReceivedMessage, Message)
# What is kept of a person besides what was said. Tasks come first: what is forgotten is not sent any more.
KEPT: tuple[type[Model], ...] = (
    ScheduledTask,
    TaskOccurrence,
    Fact,
    Outcome,
    Lesson,
    ProjectSession,
    AuditRow,
    ReceivedMessage,
)
LOGGED_WITHIN = timedelta(hours=1)  # of the conversation's beginning and end
TABLES: tuple[type[Model], ...] = (*KEPT, SessionItem, Message, Conversation, UserAlias)


def name_of(model: type[Model]) -> str:
    return str(model._meta.table_name)


def _aliases(db: Database) -> Node:
    return UserAlias.select(UserAlias.alias_sender_id).where(
        db.among(UserAlias.canonical_sender_id, "canonical")
    )


def everyone(store: Store, sender_id: str | int) -> list[str]:
    """The canonical id of the person, then every alias that leads there, through however many others."""
    given = checks.identifier(sender_id, "sender_id")
    with store.database.snapshot():
        found = dict.fromkeys([resolve_sender_id(store, given), given])
        latest = list(found)
        while latest:
            listed = store.database.listed(latest)
            rows = store.database.rows(_aliases, canonical=listed)
            latest = sorted(alias for (alias,) in rows if alias not in found)
            found.update(dict.fromkeys(latest))
    return list(found)


# Which rows


def conversations(db: Database, of: str) -> Any:
    """The conversations of the people, or those themselves, that are named by `ids`."""
    field = Conversation.sender_id if of == PERSON else Conversation.id
    return Conversation.select(Conversation.id).where(db.among(field, "ids"))


def belongs(db: Database, model: Any, of: str) -> Any:
    """A condition on the table: its row is one of the people's, or of the conversations, named by `ids`."""
    conditions: list[Any] = []
    if model is Conversation:
        conditions.append(db.among(Conversation.sender_id if of == PERSON else Conversation.id, "ids"))
    if model in PARTS:
        conditions.append(model.conversation.in_(conversations(db, of)))
    if model in KEPT and of == PERSON:
        conditions.append(db.among(model.sender_id, "ids"))
    if model is UserAlias:
        either = (UserAlias.alias_sender_id, UserAlias.canonical_sender_id)
        conditions += [db.among(field, "ids") for field in either]
    return reduce(or_, conditions)


def count(db: Database, model: Any, of: str) -> Node:
    return model.select(fn.COUNT(SQL("*"))).where(belongs(db, model, of))  # type: ignore[no-any-return]


def tables(of: str) -> tuple[type[Model], ...]:
    return TABLES if of == PERSON else (*PARTS, Conversation)


def counts(store: Store, of: str, ids: list[str]) -> dict[str, int]:
    """Rows by table, as they are at one moment."""
    listed = store.database.listed(ids)
    with store.database.snapshot():
        found = {
            name_of(model): int(store.database.value(count, model, of, ids=listed)) for model in tables(of)
        }
        if of == CONVERSATION:
            told = (store.database.value(audit_of, False, **each) for each in spans(store, ids))
            found[name_of(AuditRow)] = sum(map(int, told))
    return found


# The audit log knows no conversations: the texts tell, with whose they are and when they came


def _span(db: Database) -> Node:
    columns = (Conversation.id, Conversation.started_at, Conversation.updated_at)
    return Conversation.select(*columns).where(db.among(Conversation.id, "ids"))


def spans(store: Store, ids: list[str]) -> list[dict[str, str]]:
    """The conversations, each with the time in which its requests were logged: a while longer than itself."""
    rows = store.database.rows(_span, ids=store.database.listed(ids))
    return [
        {"id": identity, "since": _moved(began, -LOGGED_WITHIN), "until": _moved(ended, LOGGED_WITHIN)}
        for identity, began, ended in rows
    ]


def _moved(stored: str | datetime, by: timedelta) -> str:
    try:
        return times.to_text(times.from_text(stored) + by)
    except (OverflowError, ValueError):  # at the calendar's end, or written by another program
        return str(stored)


def audit_of(_: Database, delete: bool) -> Node:
    """The entries of the audit log about what was said in the conversation, to count or to delete."""
    here = Conversation.select().where(Conversation.id == Given("id"))
    said = Message.select(Message.content).where(Message.conversation == Given("id"))
    asked = AuditRow.input_text << said.where(Message.role == "user")
    answered = AuditRow.output_text << said.where(Message.role == "assistant")
    found = AuditRow.delete() if delete else AuditRow.select(fn.COUNT(SQL("*")))
    return found.where(
        (AuditRow.channel == here.select(Conversation.channel))
        & (AuditRow.sender_id == here.select(Conversation.sender_id))
        & AuditRow.timestamp.between(Given("since"), Given("until"))
        & (asked | answered)
    )
