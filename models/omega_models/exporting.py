"""Everything that is kept of a person, as records that another Store can import."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from peewee import JOIN, SQL, Node, Tuple

from omega_models import personal, records
from omega_models.database import Database
from omega_models.personal import PERSON, everyone
from omega_models.records import Table, encode
from omega_models.statements import Given
from omega_models.tables import Message as M
from omega_models.tables import ScheduledTask as T
from omega_models.tables import SessionItem as I
from omega_models.tables import TaskOccurrence as O

if TYPE_CHECKING:
    from omega_models.store import Store

PAGE = 500  # rows that are read at once; between two pages nothing is held
Record = dict[str, Any]


def export_sender(store: Store, sender_id: str | int) -> Iterator[Record]:
    """All that is kept of the person, under the canonical id and every alias, as JSON-ready dicts.

    The first says which version this is; each of the others is a row, with its `table`. Only a page of rows, and
    ids, are in memory, and nothing is locked. What is stored while this runs may be left out; a task comes with its ledger as
    both were at one moment, and without the claim of whoever may be sending it. A person nobody knows has no
    records but the first.
    """
    people = everyone(store, sender_id)
    return _records(store, people)


def _records(store: Store, people: list[str]) -> Iterator[Record]:
    yield records.head(people[0])
    yield from _few(store, people, "user_aliases", "alias_sender_id")
    for conversation in _pages(store, people, "conversations"):
        yield conversation
        yield from _parts(store, str(conversation["id"]))
    yield from _few(store, people, "facts", "sender_id", "key")
    yield from _pages(store, people, "outcomes")
    yield from _pages(store, people, "lessons")
    yield from _few(store, people, "project_sessions", "sender_id", "channel", "project")
    yield from _pages(store, people, "audit_log")
    yield from _stray_ledger(store, people)
    yield from _tasks(store, people)


def _columns(table: Table) -> tuple[Any, ...]:
    return tuple(column.field for column in table.columns)


# What is little: read at once, in an order that does not depend on the database's idea of an alphabet


def _all(db: Database, name: str) -> Node:
    table = records.tables()[name]
    return table.model.select(*_columns(table)).where(personal.belongs(db, table.model, PERSON))  # type: ignore[no-any-return]


def _few(store: Store, people: list[str], name: str, *order: str) -> Iterator[Record]:
    rows = store.database.rows(_all, name, ids=store.database.listed(people))
    found = [encode(records.tables()[name], row) for row in rows]
    yield from sorted(found, key=itemgetter(*order))


# What is much: page by page, in the order in which it was written


def _keys(db: Database, name: str) -> Node:
    table = records.tables()[name]
    key = getattr(table.model, table.key)
    return table.model.select(key).where(personal.belongs(db, table.model, PERSON)).order_by(SQL("t1.rowid"))  # type: ignore[no-any-return]


def _page(db: Database, name: str) -> Node:
    table = records.tables()[name]
    found = table.model.select(*_columns(table)).where(db.among(getattr(table.model, table.key), "keys"))
    return found.order_by(SQL("t1.rowid"))  # type: ignore[no-any-return]


def _lists(store: Store, people: list[str], name: str) -> Iterator[Any]:
    """The ids of all rows there are now, a page at a time. Ids alone are little, and to look for where the last page
    ended would cost more with every page."""
    found = [key for (key,) in store.database.rows(_keys, name, ids=store.database.listed(people))]
    return (store.database.listed(found[start : start + PAGE]) for start in range(0, len(found), PAGE))


def _pages(store: Store, people: list[str], name: str) -> Iterator[Record]:
    table = records.tables()[name]
    for keys in _lists(store, people, name):
        yield from (encode(table, row) for row in store.database.rows(_page, name, keys=keys))


def _parts(store: Store, conversation: str) -> Iterator[Record]:
    yield from _said(store, conversation)
    received = store.database.rows(_received, conversation_id=conversation)
    found = [encode(records.tables()["received_messages"], row) for row in received]
    yield from sorted(found, key=itemgetter("message_id"))
    yield from _items(store, conversation)


def _messages(_: Database, first: bool) -> Node:
    table = records.tables()["messages"]
    found = M.select(*_columns(table), SQL("t1.rowid")).where(M.conversation == Given("conversation_id"))
    if not first:
        last = Tuple(Given("timestamp"), Given("row"))
        found = found.where(Tuple(M.timestamp, SQL("t1.rowid")) > last)
    return found.order_by(M.timestamp, SQL("t1.rowid")).limit(PAGE)


def _said(store: Store, conversation: str) -> Iterator[Record]:
    """Oldest first, as it is read, so that what was said within one second keeps its order."""
    table = records.tables()["messages"]
    when = [column.name for column in table.columns].index("timestamp")
    rows = store.database.rows(_messages, True, conversation_id=conversation)
    while rows:
        yield from (encode(table, row[:-1]) for row in rows)
        after = {"timestamp": rows[-1][when], "row": rows[-1][-1]}
        rows = store.database.rows(_messages, False, conversation_id=conversation, **after)


def _received(_: Database) -> Node:
    table = records.tables()["received_messages"]
    return table.model.select(*_columns(table)).where(table.model.conversation == Given("conversation_id"))  # type: ignore[no-any-return]


def _item_page(_: Database) -> Node:
    table = records.tables()["session_items"]
    here = (I.conversation == Given("conversation_id")) & (I.id > Given("after"))
    return I.select(*_columns(table), I.id).where(here).order_by(I.id).limit(PAGE)


def _items(store: Store, conversation: str) -> Iterator[Record]:
    table, after = records.tables()["session_items"], 0
    while rows := store.database.rows(_item_page, conversation_id=conversation, after=after):
        yield from (encode(table, row[:-1]) for row in rows)
        after = rows[-1][-1]


# Tasks, each after its ledger: an import that was interrupted has no task whose deliveries it does not know


def _ledger(db: Database) -> Node:
    table = records.tables()["task_occurrences"]
    of_them = O.select(*_columns(table)).where(db.among(O.task_id, "tasks"))
    return of_them.order_by(O.task_id, O.scheduled_for)


def _tasks(store: Store, people: list[str]) -> Iterator[Record]:
    table = records.tables()["scheduled_tasks"]
    for keys in _lists(store, people, table.name):
        with store.database.snapshot():
            tasks = [encode(table, row) for row in store.database.rows(_page, table.name, keys=keys)]
            ledger = _ledger_of(store, [task["id"] for task in tasks])
        for task in tasks:
            yield from ledger.get(task["id"], ())
            yield task


def _ledger_of(store: Store, tasks: list[str]) -> dict[str, list[Record]]:
    table = records.tables()["task_occurrences"]
    rows = store.database.rows(_ledger, tasks=store.database.listed(tasks))
    found = (encode(table, row) for row in rows)
    return {task: list(entries) for task, entries in groupby(found, itemgetter("task_id"))}


def _strays(db: Database) -> Node:
    table = records.tables()["task_occurrences"]
    found = O.select(*_columns(table)).join(T, JOIN.LEFT_OUTER, on=(T.id == O.task_id))
    return found.where(db.among(O.sender_id, "ids"), T.id.is_null())


def _stray_ledger(store: Store, people: list[str]) -> Iterator[Record]:
    """Of tasks that another program deleted."""
    rows = store.database.rows(_strays, ids=store.database.listed(people))
    found = [encode(records.tables()["task_occurrences"], row) for row in rows]
    yield from sorted(found, key=itemgetter("task_id", "scheduled_for"))
