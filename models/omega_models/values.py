"""What callers get back about tasks: plain values, never live rows. Times are aware UTC `datetime`s."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


class DueTask(NamedTuple):
    """A task that wants to be sent now."""

    id: str
    channel: str
    sender_id: str
    reply_target: str
    description: str
    repeat: str | None
    task_type: str
    project: str


class ClaimedTask(NamedTuple):
    """A due task and the right, until `lease_until`, to send and settle one occurrence of it."""

    id: str
    channel: str
    sender_id: str
    reply_target: str
    description: str
    repeat: str | None
    task_type: str
    project: str
    occurrence_id: str
    scheduled_for: datetime
    attempt: int
    token: str
    lease_until: datetime


class PendingTask(NamedTuple):
    """A sender's task as lists show it; `due_at` is when it will next be sent."""

    id: str
    description: str
    due_at: datetime
    repeat: str | None
    task_type: str
    project: str


@dataclass(frozen=True)
class Task:
    """Everything known of a task. `due_at` is when its row next wants attention, a lease's end included."""

    id: str
    channel: str
    sender_id: str
    reply_target: str
    description: str
    due_at: datetime | None
    repeat: str | None
    status: str
    created_at: datetime
    delivered_at: datetime | None
    task_type: str
    retry_count: int
    last_error: str | None
    project: str
    scheduled_for: datetime | None
    timezone: str | None
    urgent: bool
    claimed: bool

    @property
    def next_send(self) -> datetime | None:
        """When it will next be sent; for one that is being sent, its own instant."""
        return self.scheduled_for if self.claimed else self.due_at


@dataclass(frozen=True)
class TaskCreated:
    """What `add_task` really did: a new task, or (`created` False) the one that was there already.

    `local_time` is the scheduled instant in the task's zone; `adjusted` is `gap` or `overlap` where the
    wall-clock time given does not exist just once; `next` holds the occurrences that follow.
    """

    id: str
    created: bool
    scheduled_for: datetime
    local_time: datetime
    adjusted: str | None
    overdue: bool
    similar_to: str | None
    next: tuple[datetime, ...]


@dataclass(frozen=True)
class Occurrence:
    """One row of the ledger. `stands_for` > 1: a row for that many skipped occurrences."""

    id: str
    scheduled_for: datetime
    status: str
    attempts: int
    lateness: timedelta | None
    reason: str | None
    receipt: str | None
    error: str | None
    stands_for: int = 1
    worker: str | None = None
    settled_at: datetime | None = None
