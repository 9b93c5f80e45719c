"""`omega-worker tasks list` and `show`."""

import json
from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from omega_models import Occurrence, Store, Task
from omega_models.presence import unserved
from omega_models.rows import as_task
from omega_worker.commands.lines import headline, one_line, pairs, warn
from omega_worker.commands.moments import full_moment, moment
from omega_worker.commands.opening import open_existing, settings_of, task_of
from omega_worker.commands.states import state

LIVE = ("pending", "paused")


def show_list(arguments: Namespace) -> None:
    with open_existing(settings_of(arguments)) as store:
        found, now = _chosen(store, arguments), store.clock()
        shown = found[: arguments.limit]
        if arguments.json:
            print(json.dumps([_plain(_fields(task)) for task in shown], indent=2))
            return
        _print_tasks(shown, now)
        if len(found) > len(shown):
            warn(f"there are more than these {len(shown)}: --limit shows more")
        _warn_unserved(store)


def _chosen(store: Store, arguments: Namespace) -> list[Task]:
    """One more than asked for, where there are more."""
    statuses = (None,) if arguments.all else (arguments.status,) if arguments.status else LIVE
    found = [
        task
        for status in statuses
        for task in store.list_tasks(
            arguments.sender,
            channel=arguments.channel,
            project=arguments.project,
            status=status,
            limit=arguments.limit + 1,
        )
    ]
    return sorted(found, key=lambda task: task.next_send or task.created_at)[: arguments.limit + 1]


def _print_tasks(tasks: list[Task], now: datetime) -> None:
    if not tasks:
        print("no such tasks")
        return
    from omega_worker.commands.tables import Column, print_table

    several = len({task.sender_id for task in tasks}) > 1
    elsewhere = any(task.channel != "console" for task in tasks)
    print_table(
        [
            Column("ID"),
            Column("WHEN"),
            Column("STATE"),
            Column("REPEAT"),
            Column("SENDER"),
            Column("CHANNEL"),
            Column("PROJECT"),
            Column("TEXT", takes_rest=True),
        ],
        [
            (
                task.id[:8],
                _when(task, now),
                state(task, now),
                _short(task.repeat or ""),
                task.sender_id if several else "",
                task.channel if elsewhere else "",
                task.project,
                task.description,
            )
            for task in tasks
        ],
    )


def _when(task: Task, now: datetime) -> str:
    """When it is sent next; of what has ended, when it was sent or would have been."""
    when = task.next_send if task.status in LIVE else task.delivered_at or task.scheduled_for
    return "-" if when is None else moment(when, task.timezone, now)


def _short(repeat: str, most: int = 22) -> str:
    return repeat if len(repeat) <= most else repeat[: most - 1] + "…"


def _warn_unserved(store: Store) -> None:
    for each in unserved(store):
        warn(
            f"{each.count} due {each.task_type}{'s wait' if each.count > 1 else ' waits'} for channel "
            f"'{each.channel}', which no live worker serves: start one with `omega-worker run`"
        )


def show(arguments: Namespace) -> None:
    with open_existing(settings_of(arguments)) as store:
        task, now = as_task(task_of(store, arguments)), store.clock()
        history = store.task_history(task.id)
        if arguments.json:
            ledger = [_plain(asdict(each)) for each in history]
            print(json.dumps(_plain(_fields(task)) | {"history": ledger}, indent=2))
            return
        headline(task.id, task.description)
        pairs(_known(task, now))
        _print_history(history, task, now)


def _known(task: Task, now: datetime) -> list[tuple[str, str]]:
    live = task.status in LIVE
    rows = [
        ("id", one_line(task.id)),
        ("state", state(task, now)),
        ("next", full_moment(task.next_send, task.timezone, now) if live and task.next_send else ""),
        ("instant", _instant(task, now)),
        ("repeat", one_line(task.repeat or "once")),
        ("zone", one_line(task.timezone or "UTC")),
        ("to", one_line(f"{task.reply_target} on {task.channel}")),
        ("sender", one_line(task.sender_id)),
        ("project", one_line(task.project)),
        ("type", one_line(task.task_type) + (", urgent" if task.urgent else "")),
        ("created", full_moment(task.created_at, task.timezone, now)),
        ("last sent", full_moment(task.delivered_at, task.timezone, now) if task.delivered_at else ""),
        ("error", one_line(task.last_error or "")),
    ]
    return [(key, value) for key, value in rows if value]


def _instant(task: Task, now: datetime) -> str:
    """The occurrence's own time, where that is not when it is sent."""
    when = task.scheduled_for
    return "" if when is None or when == task.next_send else full_moment(when, task.timezone, now)


def _print_history(history: list[Occurrence], task: Task, now: datetime) -> None:
    if not history:
        print("\nNo attempt has been made yet: the ledger is empty.")
        return
    from omega_worker.commands.ledgers import print_ledger

    print("\nLedger")
    print_ledger((("", task.timezone, each) for each in history), now)


def _fields(task: Task) -> dict[str, Any]:
    return asdict(task) | {"next_send": task.next_send if task.status in LIVE else None}


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """With values that JSON knows: times in UTC, lengths of time in seconds."""
    return {name: _plain_value(value) for name, value in fields.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.total_seconds() if isinstance(value, timedelta) else value
