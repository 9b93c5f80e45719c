"""Rows that something is wrong with although the database is sound: unreadable, stuck, or left behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from peewee import SQL, Node, fn

from omega_models import times
from omega_models.database import Database
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding, Remedy, counted
from omega_models.presence import forget_old, unserved
from omega_models.retention import MAINTAINED, forget_leases
from omega_models.rows import PENDING
from omega_models.statements import Given
from omega_models.tables import Lease as L
from omega_models.tables import ScheduledTask as T
from omega_models.tables import TaskOccurrence as O
from omega_models.tables import WorkerRow as W

if TYPE_CHECKING:
    from omega_models.store import Store

LONG_AGO = timedelta(hours=1)
LEFT_BEHIND = timedelta(days=1)
BIG_LOG = 256 * 1024 * 1024
NAMED = 5
COUNT = fn.COUNT(SQL("*"))

TASKS, LEDGER, PRESENCE = "tasks", "ledger", "workers"


def examine(store: Store) -> list[Finding]:
    """Every finding about rows; one `ok` for each part nothing is wrong with."""
    parts = {
        TASKS: [*_set_aside(store), *_never_due(store), *_lapsed(store), *_unserved(store)],
        LEDGER: [*_without_task(store), *_stuck(store)],
        PRESENCE: _left_behind(store),
    }
    fine = {
        TASKS: "every pending task can fall due, and nothing due is left unserved",
        LEDGER: "every row has its task, and no claim is left over",
        PRESENCE: "no traces of workers long gone",
    }
    return [each for part, found in parts.items() for each in found or [Finding(part, OK, fine[part])]]


def _unreadable(_: Database) -> Node:
    return T.select(T.id).where((T.status == "failed") & T.last_error.startswith("unreadable due_at"))


def _set_aside(store: Store) -> list[Finding]:
    found = [task for (task,) in store.database.rows(_unreadable)]
    if not found:
        return []
    said = f"{counted(len(found), 'task')} set aside, for nobody can read when they are due: {_named(found)}"
    return [Finding(TASKS, PROBLEM, f"{said}. `omega-worker tasks show ID` tells more")]


def _named(ids: list[str | None]) -> str:
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return ", ".join(str(each)[:8] for each in ids[:NAMED]) + more


MISSHAPEN = """SELECT id FROM scheduled_tasks
    WHERE status = 'pending' AND due_at IS NOT datetime(due_at, '+0 seconds')"""
TOUCH = """UPDATE scheduled_tasks SET due_at = due_at
    WHERE status = 'pending' AND due_at IS NOT datetime(due_at, '+0 seconds')"""


def _never_due(store: Store) -> list[Finding]:
    """Compared as text, such a time comes too late, or never. A server keeps times, not text."""
    if store.database.is_postgres:
        return []
    found = [task for (task,) in store.database.sql_rows(MISSHAPEN)]
    if not found:
        return []
    said = f"{counted(len(found), 'pending task')} may never be due, by the way the time is written: "
    return [Finding(TASKS, PROBLEM, said + _named(found), Remedy("read their times anew", _touch))]


def _touch(store: Store) -> str:
    """What another program wrote goes through the trigger that was to read it: put right, or set aside."""
    with store.database.writing():
        touched = store.database.sql(TOUCH)
    store.announce_tasks()
    return f"{counted(touched, 'time')} read anew; what cannot be read is set aside as failed"


def _lapsed_claims(_: Database) -> Node:
    long_ago = (T.status == PENDING) & (T.due_at < Given("before"))
    return T.select(T.id).where(long_ago & T.claim.is_null(False))


def _lapsed(store: Store) -> list[Finding]:
    before = times.to_text(store.clock() - LONG_AGO)
    found = [task for (task,) in store.database.rows(_lapsed_claims, before=before)]
    if not found:
        return []
    said = (
        f"{counted(len(found), 'task')} claimed by a worker that is gone since over an hour: {_named(found)}"
    )
    return [Finding(TASKS, PROBLEM, f"{said}. The next worker takes them: omega-worker run")]


def _unserved(store: Store) -> list[Finding]:
    return [
        Finding(
            TASKS,
            PROBLEM,
            f"{counted(each.count, f'due {each.task_type}')} for channel {each.channel!r}, which no live worker "
            f"serves, since {each.oldest:%Y-%m-%d %H:%M} UTC: omega-worker run",
        )
        for each in unserved(store)
    ]


def _orphans(_: Database) -> Node:
    task = T.select(SQL("1")).where(T.id == O.task_id)
    return O.select(COUNT).where(~fn.EXISTS(task))


def _without_task(store: Store) -> list[Finding]:
    count = store.database.value(_orphans)
    said = f"{counted(count, 'row')} of tasks that another program deleted; they go when they are old enough"
    return [Finding(LEDGER, NOTE, said)] if count else []


def _stuck_claims(_: Database) -> Node:
    held = T.select(SQL("1")).where((T.id == O.task_id) & (T.claim == O.claim))
    older = O.claimed_ms.is_null() | (O.claimed_ms < Given("before"))
    return O.select(COUNT).where((O.state == "claimed") & O.settled_ms.is_null() & older & ~fn.EXISTS(held))


def _stuck(store: Store) -> list[Finding]:
    count = store.database.value(_stuck_claims, before=times.to_ms(store.clock() - LONG_AGO))
    said = (
        f"{counted(count, 'occurrence')} claimed, while the task was changed by another program; nobody knows"
    )
    return [Finding(LEDGER, WARNING, f"{said} whether it arrived")] if count else []


def _old_leases(_: Database) -> Node:
    return L.select(COUNT).where((L.until_ms < Given("before")) & (L.name != MAINTAINED))


def _old_workers(_: Database) -> Node:
    return W.select(COUNT).where(W.seen_ms < Given("before"))


def _left_behind(store: Store) -> list[Finding]:
    before = times.to_ms(store.clock() - LEFT_BEHIND)
    counts: list[Any] = [store.database.value(each, before=before) for each in (_old_leases, _old_workers)]
    said = f"{counted(counts[0], 'lease')} and {counted(counts[1], 'worker')} left behind over a day ago"
    return [Finding(PRESENCE, WARNING, said, Remedy("forget them", _forget))] if any(counts) else []


def _forget(store: Store) -> str:
    return f"{counted(forget_old(store), 'worker')} and {counted(forget_leases(store), 'lease')} forgotten"


def log_size(size: int) -> Finding:
    """Of the write-ahead log, in bytes."""
    said = f"{size / 1_000_000:.1f} MB"
    if size < BIG_LOG:
        return Finding("WAL", OK, said)
    reader = "is there a program that reads for ever?"
    return Finding("WAL", WARNING, f"{said}: {reader}", Remedy("write it into the file", _empty_log))


def _empty_log(store: Store) -> str:
    return "written into the file" if store.database.empty_log() else "somebody still reads from it"


def leftovers(kept: list[str]) -> list[Finding]:
    """Of a restore that was interrupted."""
    said = f"an interrupted restore left {', '.join(kept)}: the next `omega-worker restore` clears up"
    return [Finding("restore", WARNING, said)] if kept else []


def backup_age(newest: datetime | None, every: timedelta, now: datetime, folder: str) -> Finding:
    """`newest`: when the newest verified one was made."""
    if newest is None:
        return Finding("backups", PROBLEM, f"there is no verified backup in {folder}: omega-worker backup")
    said = f"the newest is of {newest:%Y-%m-%d %H:%M} UTC"
    if now - newest > 2 * every:
        return Finding("backups", PROBLEM, f"{said}, and one is wanted every {every // timedelta(hours=1)} h")
    return Finding("backups", OK, said)
