"""`omega-worker tasks why`: what happens next to a task, and why it was or was not sent."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from omega_models import Occurrence, Store, Task
from omega_models.rows import TaskRow, as_task, series_of
from omega_worker.commands.lines import headline, one_line, sentence
from omega_worker.commands.moments import full_moment, moment
from omega_worker.commands.opening import open_existing, settings_of, task_of
from omega_worker.commands.presence import servers
from omega_worker.commands.spans import lateness
from omega_worker.commands.states import is_moved


@dataclass(frozen=True)
class Case:
    """A task and everything its explanation draws on; `servers` names the live workers that would send it."""

    task: Task
    row: TaskRow
    history: list[Occurrence]
    servers: str | None
    now: datetime

    def at(self, when: datetime | None) -> str:
        return full_moment(when, self.task.timezone, self.now) if when else "an unknown time"

    def entry(self) -> Occurrence | None:
        """The present occurrence's row of the ledger."""
        return next((each for each in self.history if each.scheduled_for == self.task.scheduled_for), None)


def why(arguments: Namespace) -> None:
    with open_existing(settings_of(arguments)) as store:
        case = case_of(store, task_of(store, arguments))
        headline(case.task.id, case.task.description)
        for each in explanation(case):
            sentence(each)


def case_of(store: Store, row: TaskRow) -> Case:
    now = store.clock()
    served = servers(store, row.channel, row.task_type, now)
    return Case(as_task(row), row, store.task_history(row.id), served, now)


def explanation(case: Case) -> Iterator[str]:
    """Sentences: its state, what follows, what was before, who would send it."""
    yield STATES.get(case.task.status, _other)(case)
    if case.task.status == "pending":
        yield from _following(case)
    yield from _before(case)
    if case.task.status in ("pending", "paused"):
        yield _server(case)


def _pending(case: Case) -> str:
    task = case.task
    if task.claimed:
        return _claimed(case)
    if task.retry_count:
        return _retrying(case)
    if task.due_at is not None and task.due_at <= case.now:
        held = "" if case.servers else " Nobody has sent it, since no live worker serves its channel."
        return f"It has been due since {case.at(task.due_at)}.{held or ' It goes out at any moment.'}"
    if is_moved(task):
        return _moved(case)
    return f"It waits for its time and is sent on {case.at(task.due_at)}."


def _claimed(case: Case) -> str:
    entry, lease = case.entry(), case.task.due_at
    who = f"worker {one_line(entry.worker)}" if entry and entry.worker else "a worker"
    attempt = f" (attempt {entry.attempts})" if entry else ""
    if lease is not None and lease <= case.now:
        return (
            f"It was taken by {who}{attempt}, whose lease ended on {case.at(lease)} without a word: that "
            "worker is gone or stuck, and the next one that looks sends it again under the same key."
        )
    return (
        f"It is being sent right now by {who}{attempt}. Should that worker die, another one sends it "
        f"under the same key once the lease has ended: {case.at(lease)}."
    )


def _retrying(case: Case) -> str:
    entry, error = case.entry(), one_line(case.task.last_error or "no reason given")
    outcome = "may have arrived or not" if entry and entry.status == "ambiguous" else "failed"
    return f"Attempt {case.task.retry_count} {outcome} ({error}); the next one is made on {case.at(case.task.due_at)}."


def _moved(case: Case) -> str:
    entry, task = case.entry(), case.task
    reason = f" ({one_line(entry.reason)})" if entry and entry.reason else ""
    own = moment(task.scheduled_for, task.timezone, case.now) if task.scheduled_for else "its time"
    return f"It was moved{reason} from {own} and is sent on {case.at(task.due_at)}."


def _paused(case: Case) -> str:
    return f"It is paused: nothing is sent until `omega-worker tasks resume {case.task.id[:8]}`."


def _delivered(case: Case) -> str:
    return f"It was delivered on {case.at(case.task.delivered_at)}. Nothing more is sent of it."


def _cancelled(_: Case) -> str:
    return "It was cancelled: nothing more is sent of it."


def _failed(case: Case) -> str:
    error = one_line(case.task.last_error or "no reason given")
    return f"It failed: {error}. It is not sent by itself any more; `omega-worker tasks retry {case.task.id[:8]}` sends it once more."


def _other(case: Case) -> str:
    return (
        f"Its status is '{one_line(case.task.status)}', written by another program: this one leaves it alone."
    )


OUTCOMES = {
    "delivered": "was delivered",
    "skipped": "was left out",
    "failed": "failed",
    "ambiguous": "was sent, and nobody knows whether it arrived",
}
STATES: dict[str, Callable[[Case], str]] = {
    "pending": _pending,
    "paused": _paused,
    "delivered": _delivered,
    "cancelled": _cancelled,
    "failed": _failed,
}


def _following(case: Case) -> Iterator[str]:
    if case.task.repeat is None:
        return
    following = series_of(case.row).upcoming(case.row.instant, 3)
    dates = ", ".join(moment(each, case.task.timezone, case.now) for each in following)
    rest = f"after that it comes on {dates}." if dates else "this is the last time."
    yield f"It repeats ({one_line(case.task.repeat)}): {rest}"


def _before(case: Case) -> Iterator[str]:
    """The last occurrence that is over, where that is not what the first sentence told."""
    over = [each for each in case.history if each.status in ("delivered", "failed", "skipped", "ambiguous")]
    ended = [
        each
        for each in over
        if each.scheduled_for != case.task.scheduled_for or case.task.status == "delivered"
    ]
    if not ended:
        return
    last = ended[-1]
    when = moment(last.scheduled_for, case.task.timezone, case.now)
    yield f"Its occurrence of {when} {_outcome(last)}."
    if len(ended) > 1:
        yield f"{len(ended)} occurrences are over; `omega-worker tasks show {case.task.id[:8]}` lists them."


def _outcome(entry: Occurrence) -> str:
    note = one_line(entry.reason or entry.error or "")
    tries = f"at attempt {entry.attempts}" if entry.attempts > 1 else ""
    late = f"{lateness(entry.lateness)} late" if entry.lateness is not None else ""
    details = ", ".join(filter(None, (late, tries, note)))
    word = OUTCOMES.get(entry.status, f"is {entry.status}")
    return f"{word} ({details})" if details else word


def _server(case: Case) -> str:
    channel = one_line(case.task.channel)
    if case.servers:
        return f"Channel '{channel}' is served by {case.servers}."
    return (
        f"No live worker serves channel '{channel}' for {one_line(case.task.task_type)}s: "
        "start one with `omega-worker run`."
    )
