"""`omega-worker status`: how things stand, on one screen, out of the database alone."""

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from omega_models.overview import MOST_COUNTED, Overview, Trouble, overview
from omega_models.presence import LiveWorker, Unserved
from omega_worker.commands.lines import one_line, pairs
from omega_worker.commands.moments import distance, moment
from omega_worker.commands.opening import open_existing, settings_of
from omega_worker.commands.spans import span
from omega_worker.settings import Settings

MOST_SHOWN = 5
FAILED_WITHIN = timedelta(days=1)
TROUBLED = 1


def status(arguments: Namespace) -> int:
    settings = settings_of(arguments)
    with open_existing(settings) as store:
        found, where = overview(store), store.database.where
    wrong = list(troubles(found, settings))
    if arguments.json:
        print(json.dumps({"database": where, "trouble": wrong} | _plain(asdict(found)), indent=2))
    else:
        _show(found, settings, where, wrong)
    return TROUBLED if wrong else 0


def troubles(found: Overview, settings: Settings) -> Iterator[str]:
    """What wants a person, in words."""
    yield from map(_unserved, found.backlog.unserved)
    limit = timedelta(seconds=settings.overdue_limit_seconds)
    if found.backlog.oldest is not None and found.now - found.backlog.oldest > limit:
        yield f"a due task has been waiting for {span(found.now - found.backlog.oldest)}"
    if not found.workers and found.backlog.next_due is not None and not found.backlog.unserved:
        yield "no worker runs, and tasks are to come: start one with `omega-worker run`"
    ambiguous, failed = _ambiguous(found), _failed(found)
    if ambiguous:
        yield f"{_many(len(ambiguous), 'send')} may have arrived or not"
    if failed:
        yield f"{_many(len(failed), 'occurrence')} given up within a day"


def _ambiguous(found: Overview) -> list[Trouble]:
    return [each for each in found.troubles if each.state == "ambiguous"]


def _failed(found: Overview) -> list[Trouble]:
    since = found.now - FAILED_WITHIN
    return [each for each in found.troubles if each.state == "failed" and each.settled_at >= since]


def _show(found: Overview, settings: Settings, where: str, wrong: list[str]) -> None:
    zone = settings.default_timezone
    print(f"Omega on {one_line(where)}, {moment(found.now, zone, found.now)}\n")
    pairs([*_workers(found), *_queue(found, zone), *_keeping(found)])
    _show_troubles("May have arrived or not", _ambiguous(found), zone, found.now)
    _show_troubles("Given up within a day", _failed(found), zone, found.now)
    print()
    for line in wrong:
        print(f"trouble: {line}")
    if not wrong:
        print("all is well")


def _workers(found: Overview) -> Iterator[tuple[str, str]]:
    if not found.workers:
        yield "workers", "none alive"
    for number, each in enumerate(found.workers):
        yield "" if number else "workers", _worker(each, found.now)


def _worker(each: LiveWorker, now: datetime) -> str:
    channels = ", ".join(map(one_line, each.channels)) or "no channels"
    seen, up = span(now - each.seen_at), span(now - each.started_at)
    return f"{one_line(each.id)} serves {channels}; seen {seen} ago, up {up}"


def _queue(found: Overview, zone: str) -> Iterator[tuple[str, str]]:
    waits, now = found.backlog, found.now
    due = _count(waits.due)
    yield "due now", f"{due}, the oldest for {span(now - waits.oldest)}" if waits.oldest else due
    ahead = waits.next_due
    yield "next due", f"{moment(ahead, zone, now)}, {distance(ahead, now)}" if ahead else "nothing"
    yield "in flight", _count(found.in_flight)
    retry = found.next_retry
    again = f", the next {distance(retry, now) if retry > now else 'at once'}" if retry else ""
    yield "retrying", f"{_count(found.retrying)}{again}"


def _unserved(each: Unserved) -> str:
    waits = "waits" if each.count == 1 else "wait"
    return (
        f"{_many(each.count, f'due {each.task_type}')} {waits} for channel '{one_line(each.channel)}', "
        "which no live worker serves"
    )


def _keeping(found: Overview) -> Iterator[tuple[str, str]]:
    wal = f", write-ahead log {_bytes(found.backlog.wal_bytes)}" if found.backlog.wal_bytes else ""
    yield "size", f"{_bytes(found.size)}{wal}"
    done = found.maintained_at
    yield "tidied", distance(done, found.now) if done else "not yet"


def _show_troubles(title: str, given: list[Trouble], zone: str, now: datetime) -> None:
    if not given:
        return
    from omega_worker.commands.tables import Column, print_table

    columns = [
        Column("TASK"),
        Column("SCHEDULED"),
        Column("CHANNEL"),
        Column("WHY", takes_rest=True, wraps=True),
    ]
    rows = [
        (each.task_id[:8], moment(each.scheduled_for, zone, now), each.channel, each.error or "")
        for each in given[:MOST_SHOWN]
    ]
    last = f", the last {MOST_SHOWN}" if len(given) > MOST_SHOWN else ""
    print(f"\n{title}: {len(given)}{last}; `omega-worker tasks retry ID` sends one again")
    print_table(columns, rows, indent=2)


def _count(count: int) -> str:
    return f"{count:,} or more" if count >= MOST_COUNTED else str(count)


def _many(count: int, what: str) -> str:
    return f"{_count(count)} {what}{'' if count == 1 else 's'}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _plain(value: Any) -> Any:
    """With values that JSON knows: times in UTC."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
