"""Telling the owner, once each and with the remedy, what needs a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from omega_jobs.wording import late_words
from omega_models import Store
from omega_models.alerts import SENDER, failing_since, raise_alert
from omega_models.overview import Trouble, oldest_due, troubles
from omega_models.presence import live_workers, unserved
from omega_models.rows import fetch

LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True)
class Alerting:
    """Whom to tell, and from when on something is worth telling."""

    channel: str
    to: str
    overdue: timedelta = timedelta(minutes=5)
    in_a_row: int = 3


@dataclass(frozen=True)
class Alert:
    """`cause` marks the occasion: the same cause is told once."""

    cause: str
    text: str


def alert_once(store: Store, alerting: Alerting, since: datetime | None = None) -> int:
    """Raises what has come up since then (or within a day); how many alerts are new."""
    found = [
        *_settled_badly(store, alerting, since or store.clock() - LOOK_BACK),
        *_unserved(store, alerting),
        *_overdue(store, alerting),
    ]
    return sum(raise_alert(store, alerting.channel, alerting.to, each.cause, each.text) for each in found)


def _settled_badly(store: Store, alerting: Alerting, since: datetime) -> Iterator[Alert]:
    for each in troubles(store, since):
        row = fetch(store, each.task_id)
        if row is None or row.sender_id == SENDER:
            continue  # an alert that failed is in the log; another one would fail as well
        yield _given_up(each) if each.state == "failed" else _held(each)
        began = failing_since(store, each.task_id, alerting.in_a_row) if row.repeat else None
        if began:
            yield _failing(each, began, alerting.in_a_row)


def _given_up(trouble: Trouble) -> Alert:
    short = trouble.task_id[:8]
    return Alert(
        f"failed {trouble.task_id} {trouble.scheduled_for.isoformat()}",
        f"Omega: task {short} on channel {trouble.channel} was given up for "
        f"{trouble.scheduled_for:%Y-%m-%d %H:%M} UTC ({trouble.error or 'no reason known'}). "
        f"To send it after all: omega-worker tasks retry {short}",
    )


def _held(trouble: Trouble) -> Alert:
    short = trouble.task_id[:8]
    return Alert(
        f"ambiguous {trouble.task_id} {trouble.scheduled_for.isoformat()}",
        f"Omega: task {short} on channel {trouble.channel} was sent for "
        f"{trouble.scheduled_for:%Y-%m-%d %H:%M} UTC and nobody knows whether it arrived "
        f"({trouble.error or 'no answer'}). If it did not: omega-worker tasks retry {short}",
    )


def _failing(trouble: Trouble, began: str, in_a_row: int) -> Alert:
    short = trouble.task_id[:8]
    return Alert(
        f"failing {trouble.task_id} {began}",
        f"Omega: the series {short} on channel {trouble.channel} has failed {in_a_row} times in a row or more, "
        f"since {began} UTC. What happened: omega-worker tasks why {short}",
    )


def _unserved(store: Store, alerting: Alerting) -> Iterator[Alert]:
    for each in unserved(store):
        if each.channel != alerting.channel:
            yield Alert(
                f"unserved {each.channel} {each.task_type} {each.oldest.isoformat()}",
                f"Omega: {each.count} due {each.task_type} task(s) wait for channel {each.channel}, which no "
                f"worker serves. Set OMEGA_CHANNELS__{each.channel.upper()} and restart omega-worker run",
            )


def _overdue(store: Store, alerting: Alerting) -> Iterator[Alert]:
    served = sorted({name for worker in live_workers(store) for name in worker.channels})
    oldest = oldest_due(store, served)
    if oldest is not None and store.clock() - oldest > alerting.overdue:
        late = late_words(store.clock() - oldest)
        yield Alert(
            f"overdue {oldest:%Y-%m-%d %H}",  # at most one for the tasks of one hour
            f"Omega: a due task has been waiting for {late}, since {oldest:%Y-%m-%d %H:%M} UTC. "
            "What holds it up: omega-worker status",
        )
