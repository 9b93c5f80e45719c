"""Claims: the right of one worker to send one occurrence, for as long as a lease."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import SQL, Node, NodeList, fn

from omega_models import checks, ledger, skipping, times
from omega_models.database import Database
from omega_models.holding import Quiet, after_hold, hold
from omega_models.keeping import DEFAULT_LEASE, checked_lease
from omega_models.moving import MISSED, adopt, change, change_many, move_on, skip_to_latest
from omega_models.quiet import QuietHours
from omega_models.rows import FIELDS, PENDING, TaskRow, to_row
from omega_models.statements import Given
from omega_models.tables import ScheduledTask as T
from omega_models.tables import TaskOccurrence as O
from omega_models.unnested import TEXT, unnested
from omega_models.values import ClaimedTask

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")

POLICIES = ("once", "skip", "all")


@dataclass(frozen=True)
class MissedPolicy:
    """What becomes of occurrences first claimed more than `after` past their instant, by task type.

    once: the latest is sent, the earlier ones are skipped rows; skip: none is sent; all: each is sent.
    """

    after: timedelta = timedelta(hours=1)
    by_type: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for policy in self.by_type.values():
            checks.one_of(policy, "a policy for missed occurrences", POLICIES)

    def of(self, task_type: str) -> str:
        return self.by_type.get(task_type, "once")


class Claim(NamedTuple):
    """A claimed task and what its sender needs to know besides.

    `missed` counts earlier occurrences that were skipped; `catching_up` is 'all' while each is sent.
    """

    task: ClaimedTask
    due: datetime
    timezone: str
    urgent: bool
    missed: int
    reason: str | None
    catching_up: str | None
    others: tuple[Claim, ...] = ()  # sent in one message with this one, and settled with it


def claim_due_tasks(
    store: Store,
    worker_id: str,
    limit: int,
    lease: timedelta = DEFAULT_LEASE,
    *,
    channels: Iterable[str] | None = None,
    task_types: Iterable[str] | None = None,
) -> list[ClaimedTask]:
    """Up to `limit` due tasks, earliest first, that no other worker can send before `lease` is over.

    Of a series missed for more than an hour the latest occurrence is claimed and the earlier ones are
    recorded as skipped.
    """
    found = claim(store, worker_id, limit, lease, channels=channels, task_types=task_types)
    return [each.task for each in found]


def claim(
    store: Store,
    worker_id: str,
    limit: int,
    lease: timedelta = DEFAULT_LEASE,
    *,
    channels: Iterable[str] | None = None,
    task_types: Iterable[str] | None = None,
    missed: MissedPolicy | None = None,
    quiet: QuietHours | None = None,
    targets: Iterable[str] | None = None,
) -> list[Claim]:
    """`claim_due_tasks` with a policy for missed occurrences, and with what a sender needs to know.

    `quiet` holds for senders without a `quiet_hours` fact of their own; `targets` are reply targets.
    """
    worker = checks.identifier(worker_id, "worker_id")
    served = _names(channels), _names(task_types), _names(targets)
    length = checked_lease(lease)
    most = checks.limit(limit)
    if not most or () in served:
        return []
    with store.database.writing(together=True):
        store.reached("claim: begun")
        policies = missed or MissedPolicy(), Quiet(store, quiet)
        found = _claim_due(store, worker, most, length, served, policies)
        store.reached("claim: written")
    store.reached("claim: committed")
    return found


def _names(given: Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = [given] if isinstance(given, str) else checks.several(given, "channels or task types")
    return tuple(sorted({checks.identifier(name, "channel or task type") for name in names}))


Policies = tuple[MissedPolicy, Quiet]
Names = tuple[str, ...] | None
Served = tuple[Names, Names, Names]


FILTERS = ("channel", "task_type", "reply_target")
LANE, ONE_LANE = FILTERS[:2], (1, 1)
RARELY = SQL("0.000001")
AS_WRITTEN = itemgetter(TaskRow._fields.index("due_at"), len(FIELDS))


def _due(db: Database, *asked: int | None) -> Node:
    number = (SQL("rowid"),) if db.is_postgres else ()
    query = T.select(*FIELDS, *number).where((T.status == PENDING) & (T.due_at <= Given("now")))
    if asked[:2] == ONE_LANE:
        query = query.where(_of_lane(db))
    for name, count in zip(FILTERS, asked, strict=True):
        if count is not None and (name not in LANE or asked[:2] != ONE_LANE):
            query = query.where(getattr(T, name).in_([Given(f"{name}{n}") for n in range(count)]))
    query = query.order_by(T.due_at).limit(Given("limit"))
    return db.skipping_locked(query)


def _of_lane(db: Database) -> Node:
    """One channel and one type. SQLite, once it has seen that most tasks are of one lane, has to be told."""
    of_channel: Node = T.channel == Given("channel0")
    rare: Node = of_channel if db.is_postgres else fn.LIKELIHOOD(of_channel, RARELY)
    return NodeList((rare, SQL("AND"), T.task_type == Given("task_type0")))


def due_rows(store: Store, limit: int, now: datetime, served: Served) -> list[TaskRow]:
    named = {
        f"{name}{n}": value
        for name, values in zip(FILTERS, served, strict=True)
        for n, value in enumerate(values or ())
    }
    shape = [None if values is None else len(values) for values in served]
    rows = store.database.rows(_due, *shape, **named, now=times.to_text(now), limit=limit)
    if store.database.is_postgres:  # its index knows the second only
        rows.sort(key=AS_WRITTEN)
    return [to_row(row[: len(FIELDS)]) for row in rows]


def _claim_due(
    store: Store, worker: str, limit: int, lease: timedelta, served: Served, policies: Policies
) -> list[Claim]:
    found: list[Claim] = []
    now = store.clock()
    while not found and (rows := due_rows(store, limit, now, served)):
        policies[1].look_up(rows)
        wanted = [each for row in rows if (each := _readable(store, row, now, *policies)) is not None]
        found = _hold(store, wanted, worker, now, lease)
    return found


def _readable(
    store: Store, row: TaskRow, now: datetime, policy: MissedPolicy, quiet: Quiet
) -> tuple[TaskRow, int] | None:
    """`_position`; a row that another program left unreadable is set aside and stops no other."""
    try:
        return _position(store, row, now, policy, quiet)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        log.error("task %s cannot be read (%s) and is set aside as failed", row.id, type(error).__name__)
        reason = f"unreadable row ({type(error).__name__}): update its time, repeat and zone"
        change(store, row.id, status="failed", claim=None, last_error=reason)
        return None


def _position(
    store: Store, given: TaskRow, now: datetime, policy: MissedPolicy, quiet: Quiet
) -> tuple[TaskRow, int] | None:
    """The row at the occurrence to send now, and how many before it were missed.

    None: nothing of it is to be sent after all, and it has moved on.
    """
    row = adopt(store, given)
    if row.status != "pending" or row.due_at > now or hold(store, row, now, quiet):
        return None
    if held := after_hold(store, row, now):
        return held
    if _is_missed(row, now, policy):
        return _catch_up(store, row, now, policy.of(row.task_type))
    return row, 0


def _is_missed(row: TaskRow, now: datetime, policy: MissedPolicy) -> bool:
    never_tried = row.claim is None and row.retry_count == 0
    return never_tried and now - row.due_at > policy.after


def _catch_up(store: Store, row: TaskRow, now: datetime, policy: str) -> tuple[TaskRow, int] | None:
    if policy == "all":
        return row._replace(missed="all"), 0
    if policy == "once":
        return skip_to_latest(store, row, now)
    skipping.skip(store, row, [row.instant], MISSED)
    reason = f"{MISSED}: not sent in time, and the policy is skip"
    move_on(store, row, now, status="failed", last_error=reason, already=1)
    return None


def _hold(
    store: Store, wanted: list[tuple[TaskRow, int]], worker: str, now: datetime, lease: timedelta
) -> list[Claim]:
    """Writes the claims: all that are new to the ledger at once, the others one by one."""
    until, secret = times.ceil(now + lease), secrets.token_hex(8)
    drawn = [
        (row, skipped, f"{ledger.occurrence_id(row.id, row.instant)}/{secret}") for row, skipped in wanted
    ]
    likely = [(row, token) for row, _, token in drawn if row.claim is None and row.due_at == row.instant]
    fresh = ledger.claim_fresh(store, likely, worker=worker, now=now)
    found = [
        _as_claim(row, skipped, token, (1, row.due_at, None), until)
        if token in fresh
        else _hold_again(store, row, skipped, token, worker, now, until)
        for row, skipped, token in drawn
    ]
    claims = [each for each in found if each is not None]
    plain = [each for each in claims if each.task.token in fresh and not each.missed and not each.catching_up]
    _mark(store, [each.task for each in plain], until)
    if len(plain) < len(claims):
        known = {each.task.token for each in plain}
        change_many(store, [_as_change(each) for each in claims if each.task.token not in known])
    return claims


def _marking_at_once(_: Database) -> Node:
    given = unnested("given", task_id=TEXT, token=TEXT)
    columns = {T.claim: SQL("given.token"), T.due_at: Given("until"), T.rev: T.rev + 1}
    return T.update(columns).from_(given).where(T.id == SQL("given.task_id"))


def _marking(db: Database) -> Node:
    columns = {T.claim: O.claim, T.due_at: Given("until"), T.rev: T.rev + 1}
    return T.update(columns).from_(O).where((T.id == O.task_id) & db.among(O.id, "occurrences"))


def _mark(store: Store, tasks: list[ClaimedTask], until: datetime) -> None:
    """Writes the claims that stand in the ledger to their tasks, which keep their instants."""
    if not tasks:
        return
    database, text = store.database, times.to_text(until)
    if database.is_postgres:
        ids, tokens = [each.id for each in tasks], [each.token for each in tasks]
        database.run(_marking_at_once, until=text, task_id=ids, token=tokens)
    else:
        given = database.listed([each.occurrence_id for each in tasks])
        database.run(_marking, until=text, occurrences=given)


def _as_change(claim: Claim) -> dict[str, Any]:
    task = claim.task
    return {
        "claim": task.token,
        "due_at": task.lease_until,
        "scheduled_for": task.scheduled_for,
        "missed": claim.catching_up,
        "task_id": task.id,
    }


def _hold_again(
    store: Store, row: TaskRow, skipped: int, token: str, worker: str, now: datetime, until: datetime
) -> Claim | None:
    entry = ledger.claim(store, row, row.instant, due=row.due_at, token=token, worker=worker, now=now)
    if entry is None:  # the ledger knows it as delivered: a row put back by hand or from a copy
        move_on(store, row, now)
        return None
    return _as_claim(row, skipped, token, entry, until)


def _as_claim(
    row: TaskRow, skipped: int, token: str, entry: tuple[int, datetime, str | None], until: datetime
) -> Claim:
    attempts, due, reason = entry
    task = ClaimedTask(*row[:8], token.partition("/")[0], row.instant, attempts, token, until)
    return Claim(task, due, row.timezone or "UTC", bool(row.urgent), skipped, reason, row.missed)
