"""Forgetting a person, or one conversation: the rows, what the search knows of them, and their remains on disk."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peewee import SQL, Model, Node, fn

from omega_models import alerts, backup, checks, erasing, personal, recall_index
from omega_models.database import Database
from omega_models.erasing import Tell
from omega_models.personal import CONVERSATION, KEPT, PERSON, everyone, name_of
from omega_models.sqlite_file import MEMORY
from omega_models.tables import (
    AuditRow,
    Conversation,
    Fact,
    Lease,
    Message,
    ReceivedMessage,
    ScheduledTask,
    TaskOccurrence,
    UserAlias,
)
from omega_models.tables import RecallChat as H
from omega_models.tables import RecallVector as V

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")

BATCH = 500  # messages, or entries of the audit log, that one transaction deletes
MOST_CONVERSATIONS = 100  # of one transaction
REST_SECONDS = 0.01  # between two of them, so that other writers come in between

BEGUN, SOME_GONE, GONE = STEPS = ("forget: begun", "forget: some conversations gone", "forget: rows gone")

Rest = Callable[[float], object]
Counts = Counter[str]


def forget_sender(store: Store, sender_id: str | int, *, dry_run: bool = False) -> dict[str, int]:
    """Forgets the person: the canonical id and every alias of it. How many rows went, by table.

    Afterwards no byte of them is in the file, its write-ahead log or a search index; a log entry names the copies
    that may still hold them (see `copies`). `dry_run` only counts. What a person said in a group that is
    remembered as one belongs to the group. Raises `StoreBusy` while others still read the rows, which are gone
    by then: calling again finishes. On PostgreSQL the tables are vacuumed.
    """
    people = everyone(store, sender_id)
    return personal.counts(store, PERSON, people) if dry_run else forget_people(store, people)


def forget_conversation(store: Store, conversation_id: str, *, dry_run: bool = False) -> dict[str, int]:
    """The same for one conversation: its messages, items and summary, and what the audit log holds of them.

    Facts that were learned from it stay.
    """
    named = [checks.identifier(conversation_id, "conversation_id")]
    return personal.counts(store, CONVERSATION, named) if dry_run else forget_one(store, named)


def copies(store: Store, folder: str | Path | None = None) -> list[Path]:
    """Files that may still hold what was forgotten: backups, copies made before upgrades, what a restore replaced.

    Beside the database, and in `folder` where backups go elsewhere. On a server none are known.
    """
    if store.database.is_postgres or store.database.where == MEMORY:
        return []
    elsewhere = None if folder is None else Path(checks.instance(folder, "folder", (str, Path))).expanduser()
    return backup.copies(store.database.where, elsewhere)


def forget_people(store: Store, people: list[str], tell: Tell = lambda _: None) -> dict[str, int]:
    gone: Counts = Counter()
    tell("deleting")
    _first(store, people, gone)
    store.reached(BEGUN)
    _all_conversations(store, people, gone)
    _audit(store, people, gone)
    _last(store, people, gone)
    return _finished(store, PERSON, gone, tell)


def forget_one(store: Store, named: list[str], tell: Tell = lambda _: None) -> dict[str, int]:
    gone: Counts = Counter()
    with store.database.writing():
        erasing.note(store)
        for span in personal.spans(store, named):
            gone[name_of(AuditRow)] += store.database.run(personal.audit_of, True, **span)
        delete_conversations(store, named, gone)
    return {**_finished(store, CONVERSATION, gone, tell), name_of(AuditRow): gone[name_of(AuditRow)]}


def _finished(store: Store, of: str, gone: Counts, tell: Tell) -> dict[str, int]:
    store.reached(GONE)
    _name_copies(store)
    erasing.finish(store, tell)
    return {name_of(model): gone[name_of(model)] for model in personal.tables(of)}


def _name_copies(store: Store) -> None:
    held = copies(store)
    if held:
        named = ", ".join(str(path) for path in held)
        log.warning("what was forgotten may still be in these copies, delete them too: %s", named)


# Conversations, whole ones only


def _some(db: Database) -> Node:
    size = Message.select(fn.COUNT(SQL("*"))).where(Message.conversation == Conversation.id)
    found = Conversation.select(Conversation.id, size).where(db.among(Conversation.sender_id, "ids"))
    return found.order_by(SQL("rowid")).limit(MOST_CONVERSATIONS)


def together(sizes: Iterable[tuple[str, int]]) -> list[str]:
    """As many of the conversations as one transaction takes, and at least one."""
    found: list[str] = []
    messages = 0
    for identity, size in sizes:
        messages += size
        if found and messages > BATCH:
            break
        found.append(identity)
    return found


def _all_conversations(store: Store, people: list[str], gone: Counts, rest: Rest = time.sleep) -> None:
    listed = store.database.listed(people)
    while True:
        with store.database.writing():
            some = together(store.database.rows(_some, ids=listed))
            if not some:
                return
            delete_conversations(store, some, gone)
        store.reached(SOME_GONE)
        rest(REST_SECONDS)


def _unlink(db: Database) -> Node:
    said = Message.select(Message.id).where(
        Message.conversation.in_(personal.conversations(db, CONVERSATION))
    )
    return Fact.update({Fact.source_message: None}).where(Fact.source_message.in_(said))


def _delete(db: Database, model: Any, of: str) -> Node:
    return model.delete().where(personal.belongs(db, model, of))  # type: ignore[no-any-return]


def _delete_leases(db: Database) -> Node:
    return Lease.delete().where(db.among(Lease.name, "names"))


def delete_conversations(store: Store, named: list[str], gone: Counts) -> None:
    """With all that belongs to them, inside the caller's transaction."""
    listed = store.database.listed(named)
    store.database.run(_unlink, ids=listed)
    for model in personal.tables(CONVERSATION):
        gone[name_of(model)] += store.database.run(_delete, model, CONVERSATION, ids=listed)
    store.database.run(_delete_leases, names=store.database.listed([f"close {each}" for each in named]))


# The rest of a person


def _first(store: Store, people: list[str], gone: Counts) -> None:
    """What is little and visible, at once: tasks above all, so that nothing is sent any more."""
    with store.database.writing():
        erasing.note(store)
        _delete_alerts(store, people)
        _delete_kept(store, people, gone, [each for each in KEPT if each not in (AuditRow, ReceivedMessage)])
        store.announce_tasks()


def _tasks(db: Database) -> Node:
    return ScheduledTask.select(ScheduledTask.id).where(db.among(ScheduledTask.sender_id, "ids"))


def _alerts(_: Database) -> Node:
    found = ScheduledTask.select(ScheduledTask.id, ScheduledTask.description)
    return found.where(ScheduledTask.sender_id == alerts.SENDER)


def _delete_by_task(db: Database, model: Any) -> Node:
    field = model.id if model is ScheduledTask else model.task_id
    return model.delete().where(db.among(field, "tasks"))  # type: ignore[no-any-return]


def _delete_alerts(store: Store, people: list[str]) -> None:
    """What the owner was told of their tasks, whose ids it begins with; it may quote an error."""
    tasks = store.database.rows(_tasks, ids=store.database.listed(people))
    short = {identity[:8] for (identity,) in tasks}
    told = store.database.rows(_alerts) if short else []
    about = [identity for identity, text in told if short & set(re.findall(r"\b[0-9a-f]{8}\b", text))]
    for model in (ScheduledTask, TaskOccurrence):
        store.database.run(_delete_by_task, model, tasks=store.database.listed(about))


def _delete_kept(store: Store, people: list[str], gone: Counts, models: Iterable[type[Model]]) -> None:
    listed = store.database.listed(people)
    for model in models:
        gone[name_of(model)] += store.database.run(_delete, model, PERSON, ids=listed)


def _delete_audit(db: Database) -> Node:
    some = AuditRow.select(SQL("rowid")).where(db.among(AuditRow.sender_id, "ids")).limit(BATCH)
    return AuditRow.delete().where(SQL("rowid") << some)


def _audit(store: Store, people: list[str], gone: Counts, rest: Rest = time.sleep) -> None:
    listed = store.database.listed(people)
    while deleted := store.database.run(_delete_audit, ids=listed):
        gone[name_of(AuditRow)] += deleted
        rest(REST_SECONDS)


def _chats(db: Database) -> Any:
    return H.select(H.id).where(db.among(H.sender_id, "ids"))


def _delete_vectors(db: Database) -> Node:
    return V.delete().where(V.chat.in_(_chats(db)))


def _last(store: Store, people: list[str], gone: Counts) -> None:
    """What came in meanwhile, and last the aliases: until then a call that was interrupted finds everybody."""
    listed = store.database.listed(people)
    with store.database.writing():
        left = [identity for (identity,) in store.database.rows(personal.conversations, PERSON, ids=listed)]
        delete_conversations(store, left, gone)
        _delete_kept(store, people, gone, KEPT)
        _delete_kept(store, people, gone, [UserAlias])
        store.database.run(_delete_vectors, ids=listed)
        for each in people:
            recall_index.forget_chats(store.database, each)
