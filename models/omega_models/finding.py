"""Finding tasks: what is due, what is next, a sender's list, one by its id or the beginning of it."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from peewee import SQL, Case, Node, fn

from omega_models import checks, times
from omega_models.database import Database
from omega_models.errors import (
    AmbiguousTaskId,
    InvalidId,
)
from omega_models.rows import (
    FIELDS,
    LIVE,
    PENDING,
    TaskRow,
    as_task,
    by_id,
    to_row,
)
from omega_models.statements import Given
from omega_models.tables import ScheduledTask as T
from omega_models.values import DueTask, PendingTask, Task

if TYPE_CHECKING:
    from omega_models.store import Store

UNLIMITED = 2**62


def _due(db: Database) -> Node:
    number = (T.due_at, SQL("rowid")) if db.is_postgres else ()
    found = T.select(*FIELDS[:8], *number).where((T.status == PENDING) & (T.due_at <= Given("now")))
    return found.order_by(T.due_at).limit(Given("limit"))


def get_due_tasks(store: Store, limit: int | None = None) -> list[DueTask]:
    """Tasks that want to be sent now, earliest first. Reads only; what is leased or put off is not due."""
    count = UNLIMITED if limit is None else checks.limit(limit)
    now = times.to_text(store.clock())
    rows = store.database.rows(_due, now=now, limit=count)
    if store.database.is_postgres:  # its index knows the second only
        rows.sort(key=itemgetter(8, 9))
    return [DueTask(*row[:8]) for row in rows]


def _next_due(_: Database) -> Node:
    return T.select(fn.MIN(T.due_at)).where((T.status == PENDING) & (T.due_at > Given("now")))


def next_due(store: Store) -> datetime | None:
    """When, after now, the next row wants attention: an occurrence, a retry, or the end of a lease."""
    found = store.database.value(_next_due, now=times.to_text(store.clock()))
    return times.from_text(found) if found else None


def _as_written(db: Database, query: Any) -> Node:
    """In the order in which they were written, which is the one a file gives them in anyway."""
    return query.order_by(SQL("rowid")) if db.is_postgres else query  # type: ignore[no-any-return]


def _of_sender(db: Database) -> Node:
    mine = (T.sender_id == Given("sender_id")) & (T.status == Given("status"))
    return _as_written(db, T.select(*FIELDS).where(mine))


def rows_of_sender(store: Store, sender_id: str, status: str = "pending") -> list[TaskRow]:
    rows = store.database.rows(_of_sender, sender_id=sender_id, status=status)
    return sorted(map(to_row, rows), key=lambda row: row.attention)


def _pending_of_sender(db: Database) -> Node:
    next_sent = Case(None, [(T.claim.is_null(), T.due_at)], fn.COALESCE(T.scheduled_for, T.due_at))
    shown = T.select(T.id, T.description, next_sent, T.repeat, T.task_type, T.project)
    return _as_written(db, shown.where((T.sender_id == Given("sender_id")) & (T.status == PENDING)))


def get_tasks_for_sender(store: Store, sender_id: str | int) -> list[PendingTask]:
    """The sender's pending tasks, by the time each will next be sent."""
    rows = store.database.rows(_pending_of_sender, sender_id=checks.identifier(sender_id, "sender_id"))
    rows.sort(key=itemgetter(2))
    return [PendingTask(row[0], row[1], times.from_text(row[2]), *row[3:]) for row in rows]


def _listed(_: Database, filters: tuple[str, ...]) -> Node:
    query = T.select(*FIELDS).order_by(T.due_at, SQL("rowid")).limit(Given("limit"))
    for name in filters:
        query = query.where(getattr(T, name) == Given(name))
    return query


def list_tasks(
    store: Store,
    sender_id: str | int | None = None,
    *,
    channel: str | None = None,
    reply_target: str | int | None = None,
    project: str | None = None,
    status: str | None = "pending",
    limit: int | None = None,
) -> list[Task]:
    """Full rows, earliest first. None means any; `status` is pending, paused, delivered, cancelled or failed."""
    ids = {"sender_id": sender_id, "channel": channel, "reply_target": reply_target}
    texts = {"project": project, "status": status}
    given = {name: checks.identifier(value, name) for name, value in ids.items() if value is not None}
    given |= {
        name: checks.text(value, name, checks.MAX_ID) for name, value in texts.items() if value is not None
    }
    count = UNLIMITED if limit is None else checks.limit(limit)
    return [as_task(to_row(row)) for row in store.database.rows(_listed, tuple(given), limit=count, **given)]


# Ids and prefixes


def get_task(store: Store, id_prefix: str, sender_id: str | int) -> Task | None:
    """The sender's task of that id or beginning of an id; `AmbiguousTaskId` where several pending ones fit."""
    row = find(store, id_prefix, checks.identifier(sender_id, "sender_id"))
    return as_task(row) if row else None


def _with_prefix(_: Database, filters: tuple[str, ...]) -> Node:
    beginning = fn.LOWER(fn.SUBSTR(T.id, 1, Given("length")))
    query = T.select(*FIELDS).where(beginning == Given("prefix"))
    for name in filters:
        query = query.where(getattr(T, name) == Given(name))
    return query.limit(1000)


def find(
    store: Store,
    id_prefix: str,
    sender_id: str | None,
    statuses: tuple[str, ...] = (*LIVE, "delivered", "failed", "cancelled"),
) -> TaskRow | None:
    """The task whose id is or begins with the prefix, live ones first. `%` and `_` are plain characters."""
    if not isinstance(id_prefix, str):
        raise InvalidId(f"a task id must be text, not {type(id_prefix).__name__}")
    prefix = checks.storable(id_prefix.strip(), "task id").lower()
    if not prefix:
        return None
    exact = store.database.row(by_id, id=id_prefix.strip()) or store.database.row(by_id, id=prefix)
    if exact is not None:
        row = to_row(exact)
        return row if row.status in statuses and sender_id in (None, row.sender_id) else None
    for wanted in (tuple(s for s in statuses if s in LIVE), tuple(s for s in statuses if s not in LIVE)):
        found = [row for status in wanted for row in _beginning_with(store, prefix, sender_id, status)]
        if len(found) > 1:
            raise AmbiguousTaskId(
                f"{len(found)} tasks begin with {id_prefix.strip()[:40]!r}: "
                + ", ".join(sorted(row.id[: len(prefix) + 4] for row in found[:5]))
                + ". Give more characters; nothing was changed"
            )
        if found:
            return found[0]
    return None


def _beginning_with(store: Store, prefix: str, sender_id: str | None, status: str) -> list[TaskRow]:
    given = {"status": status} | ({"sender_id": sender_id} if sender_id is not None else {})
    rows = store.database.rows(_with_prefix, tuple(given), prefix=prefix, length=len(prefix), **given)
    return [to_row(row) for row in rows]
