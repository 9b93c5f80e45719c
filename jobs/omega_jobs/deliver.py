"""One round of delivering: settle what was sent, keep what is being sent, claim what is due.

Every database write of a worker's deliveries happens here, in one thread and, where it can, in one
transaction. Sending is somebody else's work: lanes take claims and put verdicts into the outbox.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from omega_jobs.delivery import Verdict
from omega_jobs.digest import MOST, gathered, is_missed, spread
from omega_models import Store, StoreError
from omega_models.claims import Claim, MissedPolicy, claim
from omega_models.finding import next_due
from omega_models.ledger import LOST
from omega_models.quiet import QuietHours
from omega_models.settling import Settlement, backoff, settle_many

MOST_LOST = 3
ON_TIME = timedelta(0)
ROUNDING = timedelta(seconds=2)
CALM_AT_MOST = timedelta(seconds=5)


class Finished(NamedTuple):
    """What became of a claim; verdict None: nothing was sent, and it is given back."""

    claim: Claim
    verdict: Verdict | None


class Lane(Protocol):
    """Sends claims of one channel and some task types, a bounded number at once."""

    channel: str
    task_types: tuple[str, ...]
    resends: bool  # whether an attempt of unknown outcome may simply be repeated

    def room(self) -> int: ...
    def start(self, claims: Sequence[Claim]) -> None: ...


@dataclass(frozen=True)
class Rules:
    """How often and how long to try."""

    max_attempts: int = 5
    retry_base: timedelta = timedelta(seconds=120)
    lease: timedelta = timedelta(seconds=60)
    missed: MissedPolicy = field(default_factory=MissedPolicy)
    quiet: QuietHours | None = None
    digest_above: int = 0


class Event(NamedTuple):
    """A change of state, for the log: ids and numbers, never a text of a task."""

    kind: str
    task_id: str
    occurrence_id: str
    attempt: int
    channel: str
    late: timedelta = ON_TIME
    note: str | None = None


@dataclass
class Desk:
    """What one worker is delivering. `leases` maps the token of each claim in hand to its lease's end."""

    store: Store
    worker_id: str
    lanes: Mapping[tuple[str, str], Lane]
    rules: Rules
    tell: Callable[[Event], None] = lambda _: None
    outbox: deque[Finished] = field(default_factory=deque)
    leases: dict[str, datetime] = field(default_factory=dict)
    claiming: bool = True
    remember: Callable[[Sequence[Claim]], None] = lambda _: None
    calm_until: datetime | None = None  # after the clock was set nothing is claimed for a moment
    out_of_time: bool = False  # the clock is far from the server's, and others' leases cannot be judged by it

    def holds(self, token: str) -> bool:
        """Whether the claim's lease still runs; a process that was stopped for long finds out here."""
        until = self.leases.get(token)
        return until is not None and self.store.clock() < until

    def calm(self, now: datetime) -> datetime | None:
        """Until when nothing is claimed, if so; never for longer than a moment, should the clock be set again."""
        until = self.calm_until
        return until if until is not None and now < until <= now + CALM_AT_MOST else None


class Round(NamedTuple):
    """What a round did. `wake`: when, at the latest, the next is wanted; `busy`: at once."""

    claimed: int
    settled: int
    wake: datetime | None

    @property
    def busy(self) -> bool:
        return self.claimed + self.settled > 0


def deliver_once(desk: Desk) -> Round:
    """One round; raises `StoreError` where the database cannot be used, and then nothing is lost.

    What is in hand is kept before anything is claimed: a clock set forward makes its leases look ended.
    """
    _extend(desk)
    finished = [
        Finished(claim, each.verdict) for each in _take_all(desk.outbox) for claim in spread(each.claim)
    ]
    try:
        held, claims = _write(desk, finished)
    except BaseException:
        desk.outbox.extendleft(reversed(finished))
        raise
    now = desk.store.clock()
    for each, kept in zip(finished, held, strict=True):
        _tell_finished(desk, each, kept, now)
        desk.leases.pop(each.claim.task.token, None)
    for lane, taken in claims:
        _hand_over(desk, lane, taken)
    return Round(sum(len(taken) for _, taken in claims), len(finished), _wake(desk))


def _take_all(outbox: deque[Finished]) -> list[Finished]:
    return [outbox.popleft() for _ in range(len(outbox))]


def _write(desk: Desk, finished: list[Finished]) -> tuple[list[bool], list[tuple[Lane, list[Claim]]]]:
    """Settles and claims in one transaction; peeks first, so that nothing due means no write lock."""
    may = desk.claiming and not desk.out_of_time and not desk.calm(desk.store.clock())
    due = may and bool(desk.store.get_due_tasks(limit=1))
    lanes = [(lane, room) for lane in desk.lanes.values() if (room := lane.room()) > 0] if due else []
    if not finished and not lanes:
        return [], []
    with desk.store.database.writing(together=True):
        held = _settle(desk, finished)
        claims = [(lane, _claim(desk, lane, room)) for lane, room in lanes]
    desk.store.reached("round: committed")
    return held, claims


def _settle(desk: Desk, finished: list[Finished]) -> list[bool]:
    if not finished:
        return []
    unsent = [each.claim.task.token for each in finished if each.verdict is None]
    if unsent:
        desk.store.release_claims(unsent)
    settlements = [settlement(each.claim, each.verdict, desk) for each in finished if each.verdict]
    held = iter(settle_many(desk.store, settlements) if settlements else [])
    kept = [next(held) if each.verdict else True for each in finished]
    desk.remember([each.claim for each, ours in zip(finished, kept, strict=True) if ours and _arrived(each)])
    return kept


def _arrived(finished: Finished) -> bool:
    return finished.verdict is not None and finished.verdict.outcome == "delivered"


def settlement(claim: Claim, verdict: Verdict, desk: Desk) -> Settlement:
    """How the ledger is to record a verdict: retried with growing waits, given up after so many attempts."""
    task, rules = claim.task, desk.rules
    if verdict.outcome in ("delivered", "failed"):
        return Settlement(task.token, verdict.outcome, verdict.receipt, verdict.error)
    wait = backoff(task.attempt, rules.retry_base, verdict.retry_after)
    last = task.attempt >= rules.max_attempts
    if verdict.outcome == "ambiguous":
        resend = desk.lanes[task.channel, task.task_type].resends and not last
        return Settlement(task.token, "ambiguous", error=verdict.error, retry_after=wait if resend else None)
    if last:
        return Settlement(
            task.token, "failed", error=f"given up after {task.attempt} attempts: {verdict.error}"
        )
    return Settlement(task.token, "retry", error=verdict.error, retry_after=wait)


def _claim(desk: Desk, lane: Lane, room: int) -> list[Claim]:
    """What there is room for; and where many of a target's reminders were missed, as many as a digest holds."""
    found, now = _claim_some(desk, lane, room), desk.store.clock()
    above, after = desk.rules.digest_above, desk.rules.missed.after
    if above:
        late = {each.task.reply_target for each in found if is_missed(each, now, after)}
        for target in sorted(late):
            found += _claim_some(desk, lane, MOST, targets=(target,))
    return gathered(found, now, after, above)


def _claim_some(desk: Desk, lane: Lane, room: int, targets: tuple[str, ...] | None = None) -> list[Claim]:
    return claim(
        desk.store,
        desk.worker_id,
        room,
        desk.rules.lease,
        channels=(lane.channel,),
        task_types=lane.task_types,
        missed=desk.rules.missed,
        quiet=desk.rules.quiet,
        targets=targets,
    )


def _hand_over(desk: Desk, lane: Lane, claims: list[Claim]) -> None:
    """To the lane what can be sent; what has cost its sender its life too often is given up instead."""
    good: list[Claim] = []
    now = desk.store.clock()
    for each in claims:
        for one in spread(each):
            desk.leases[one.task.token] = one.task.lease_until
            _tell_claimed(desk, one, now)
        if each.reason == LOST and each.task.attempt > desk.rules.max_attempts + MOST_LOST:
            gone = Verdict(
                "failed", error=f"given up after {each.task.attempt} attempts that lost their lease"
            )
            desk.outbox.append(Finished(each, gone))
            continue
        good.append(each)
    lane.start(good)


def _extend(desk: Desk) -> None:
    """Lets leases of what is in hand run on, once a third of them is over.

    Those that last too long, since the clock was set back, are shortened: who dies now is replaced in time.
    """
    now = desk.store.clock()
    soon, far = now + desk.rules.lease * 2 / 3, now + desk.rules.lease + ROUNDING
    tokens = [token for token, until in tuple(desk.leases.items()) if not soon <= until <= far]
    if not tokens:
        return
    kept = desk.store.extend_claims(tokens, desk.rules.lease)
    for token in tokens:
        if token in kept:
            desk.leases[token] = now + desk.rules.lease
        else:
            desk.leases.pop(token, None)


def _wake(desk: Desk) -> datetime | None:
    """When the next row wants attention or a lease wants extending."""
    leases = min(desk.leases.values(), default=None)
    calm = desk.calm(desk.store.clock())
    ahead = [calm or next_due(desk.store)] if desk.claiming and not desk.out_of_time else []
    if leases is not None:
        ahead.append(leases - desk.rules.lease / 2)
    return min((moment for moment in ahead if moment is not None), default=None)


def release_all(desk: Desk, waiting: Sequence[Claim]) -> None:
    """Gives back claims that were not started; where that fails their leases lapse."""
    claims = [each for claim in waiting for each in spread(claim)]
    tokens = [each.task.token for each in claims]
    for token in tokens:
        desk.leases.pop(token, None)
    if tokens:
        try:
            desk.store.release_claims(tokens)
        except StoreError:
            return
        for each in claims:
            desk.tell(_event("released", each))


def _event(kind: str, claim: Claim, note: str | None = None, late: timedelta = ON_TIME) -> Event:
    task = claim.task
    return Event(kind, task.id, task.occurrence_id, task.attempt, task.channel, late, note)


def _tell_claimed(desk: Desk, claim: Claim, now: datetime) -> None:
    note = f"{claim.missed} earlier missed" if claim.missed else claim.reason
    desk.tell(_event("claimed", claim, note, max(now - claim.due, ON_TIME)))


def _tell_finished(desk: Desk, finished: Finished, held: bool, now: datetime) -> None:
    claim, verdict = finished
    if verdict is None:
        desk.tell(_event("released", claim))
        return
    kind = _said(claim, verdict, desk) if held else "lease lost"
    late = max(now - claim.due, ON_TIME)
    desk.tell(_event(kind, claim, verdict.error if held else verdict.outcome, late))


def _said(claim: Claim, verdict: Verdict, desk: Desk) -> str:
    if verdict.outcome in ("delivered", "failed"):
        return verdict.outcome
    given = settlement(claim, verdict, desk)
    if given.outcome == "ambiguous":
        return "ambiguous, retrying" if given.retry_after is not None else "ambiguous, held"
    return {"retry": "retrying"}.get(given.outcome, given.outcome)
