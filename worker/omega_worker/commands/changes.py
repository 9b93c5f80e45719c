"""`omega-worker tasks cancel`, `snooze`, `skip`, `pause`, `resume` and `retry`."""

from argparse import Namespace
from collections.abc import Callable

from omega_models import Store
from omega_models.rows import TaskRow, as_task, fetch
from omega_worker.commands.faults import Misused, Refused
from omega_worker.commands.lines import headline, pairs, sentence
from omega_worker.commands.moments import asked, full_moment, usable_zone
from omega_worker.commands.opening import open_existing, settings_of, task_of
from omega_worker.commands.states import state

IN_FLIGHT = "it is being sent at this moment: that one is not recalled"


def cancel(arguments: Namespace) -> None:
    _change(arguments, "cancelled", lambda store, row: store.cancel_task(row.id, row.sender_id))


def skip(arguments: Namespace) -> None:
    _change(arguments, "skipped", lambda store, row: store.skip_task(row.id, row.sender_id))


def pause(arguments: Namespace) -> None:
    _change(arguments, "paused", lambda store, row: store.pause_task(row.id, row.sender_id))


def resume(arguments: Namespace) -> None:
    _change(arguments, "resumed", lambda store, row: store.resume_task(row.id, row.sender_id))


def retry(arguments: Namespace) -> None:
    _change(arguments, "retried", lambda store, row: store.retry_task(row.id, row.sender_id))


def snooze(arguments: Namespace) -> None:
    def put_off(store: Store, row: TaskRow) -> bool:
        zone_name = arguments.tz or usable_zone(row.timezone).key
        until = asked(arguments, zone_name, store.clock())
        if until is None:
            raise Misused("say until when: --in 10m, or --at 18:30")
        return store.snooze_task(row.id, row.sender_id, until, timezone=zone_name)

    _change(arguments, "snoozed", put_off)


def _change(arguments: Namespace, done: str, make: Callable[[Store, TaskRow], bool]) -> None:
    with open_existing(settings_of(arguments)) as store:
        before = task_of(store, arguments)
        if not make(store, before):
            word = state(as_task(before), store.clock())
            raise Refused(f"task {before.id[:8]} cannot be {done}: it is {_explained(word, done)}")
        print("cancelled already:" if before.status == done == "cancelled" else f"{done}:")
        headline(before.id, before.description)
        _print_after(store, before, done)


def _explained(word: str, done: str) -> str:
    if done == "retried" and word in ("pending", "due", "moved"):
        return f"{word}, and nothing of it has failed"
    return word


def _print_after(store: Store, before: TaskRow, done: str) -> None:
    after, now = fetch(store, before.id) or before, store.clock()
    task = as_task(after)
    if task.status == "pending" and task.next_send:
        pairs([("next", full_moment(task.next_send, task.timezone, now))])
    elif task.status != done:
        pairs([("state", task.status)])
    if before.claim:
        sentence(IN_FLIGHT)
