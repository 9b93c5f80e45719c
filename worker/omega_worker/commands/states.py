"""What state a task is in, in a word."""

from datetime import datetime

from omega_models.values import Task


def state(task: Task, now: datetime) -> str:
    """The status; for a pending task rather what it waits for."""
    if task.status != "pending":
        return task.status
    if task.claimed:
        return "being sent"
    if task.retry_count:
        return f"retry {task.retry_count}"
    if task.due_at is not None and task.due_at <= now:
        return "due"
    return "moved" if is_moved(task) else "pending"


def is_moved(task: Task) -> bool:
    """Snoozed, deferred or held: it is sent at another time than its own."""
    return not task.claimed and task.scheduled_for is not None and task.due_at != task.scheduled_for
