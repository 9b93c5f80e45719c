"""Tasks under every order of claims, outcomes, lost leases, changes by hand and jumps of the clock."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from omega_models import MissedPolicy, Store, next_occurrence
from omega_models.claims import claim
from omega_models.testing import FakeClock

START = datetime(2026, 3, 27, 8, tzinfo=UTC)  # two days before Europe changes its clocks
SENDER = "me"
REPEATS = (
    None,
    "daily",
    "weekdays",
    "weekly",
    "monthly",
    "yearly",
    "cron:0 */6 * * *",
    "cron:30 2 * * *",
    "RRULE:FREQ=HOURLY;INTERVAL=5",
    "RRULE:FREQ=DAILY;COUNT=3",
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
FINAL = ("delivered", "failed", "skipped")
OPEN = ("claimed", "retrying", "held")


@dataclass
class Known:
    """What the model knows of a task: from which instant on its rule counts, and what was done by hand."""

    repeat: str | None
    zone: str
    first: datetime
    by_hand: bool = False  # the ledger may have been reopened since the last look
    attempts: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


@dataclass
class Held:
    """A claim somebody was given; `void` once the task was changed under it."""

    task: str
    occurrence: str
    until: datetime
    void: bool = False


moments = st.integers(-3 * 86400, 10 * 86400).map(lambda seconds: timedelta(seconds=seconds))
soon = st.sampled_from([1, 30, 90, 600, 3700, 5 * 3600, 86400, 3 * 86400]).map(
    lambda seconds: timedelta(seconds=seconds)
)
choice = st.integers(0, 1000)


class TaskMachine(RuleBasedStateMachine):
    def __init__(self, new_memory: Callable[[], str] = lambda: ":memory:") -> None:
        super().__init__()
        self.new_memory = new_memory

    @initialize()
    def open(self) -> None:
        self.clock = FakeClock(START)
        self.store = Store(self.new_memory(), clock=self.clock)
        self.known: dict[str, Known] = {}
        self.claims: dict[str, Held] = {}
        self.delivered: set[str] = set()
        self.released: set[str] = set()

    def teardown(self) -> None:
        self.store.close()

    # helpers

    def pick(self, number: int) -> str:
        return list(self.known)[number % len(self.known)]

    def void(self, task_id: str) -> None:
        for each in self.claims.values():
            each.void = each.void or each.task == task_id

    def restart(self, task_id: str) -> None:
        """From here on the model counts from wherever the row is."""
        row = self.store.get_task(task_id, SENDER)
        assert row is not None
        assert row.scheduled_for is not None
        known = self.known[task_id]
        self.known[task_id] = Known(row.repeat, row.timezone or "UTC", row.scheduled_for, by_hand=True)
        self.known[task_id].attempts = known.attempts
        self.void(task_id)

    # what people do

    @precondition(lambda self: len(self.known) < 5)
    @rule(repeat=st.sampled_from(REPEATS), zone=st.sampled_from(ZONES), due=moments)
    def add(self, repeat: str | None, zone: str, due: timedelta) -> None:
        at = (self.clock() + due).replace(microsecond=0, tzinfo=None)
        made = self.store.add_task(
            "chat", SENDER, SENDER, f"task {len(self.known)}", at, repeat, timezone=zone, dedupe="off"
        )
        assert made.created
        self.known[made.id] = Known(repeat, zone, made.scheduled_for)
        assert made.scheduled_for >= self.clock() + due - timedelta(days=1)

    @precondition(lambda self: self.known)
    @rule(number=choice)
    def cancel(self, number: int) -> None:
        task_id = self.pick(number)
        before = self.store.get_task(task_id, SENDER)
        assert before is not None
        done = self.store.cancel_task(task_id, SENDER)
        assert done == (before.status in ("pending", "paused", "cancelled"))
        if done:
            self.void(task_id)

    @precondition(lambda self: self.known)
    @rule(
        number=choice,
        due=st.none() | moments,
        repeat=st.none() | st.sampled_from(["once", *REPEATS[1:]]),
        zone=st.none() | st.sampled_from(ZONES),
    )
    def update(self, number: int, due: timedelta | None, repeat: str | None, zone: str | None) -> None:
        task_id = self.pick(number)
        before = self.store.get_task(task_id, SENDER)
        assert before is not None
        at = None if due is None else (self.clock() + due).replace(microsecond=0)
        done = self.store.update_task(task_id, SENDER, "new words", at, repeat, timezone=zone)
        assert done == (before.status in ("pending", "paused"))
        after = self.store.get_task(task_id, SENDER)
        assert after is not None
        if done and (due, repeat, zone) != (None, None, None):
            claimed = after.claimed
            voided = [each.void for each in self.claims.values()]
            self.restart(task_id)
            if claimed:  # the same occurrence goes on under the new rule
                for each, was in zip(self.claims.values(), voided, strict=True):
                    each.void = was

    @precondition(lambda self: self.known)
    @rule(number=choice, wait=soon)
    def snooze(self, number: int, wait: timedelta) -> None:
        task_id = self.pick(number)
        before = self.store.get_task(task_id, SENDER)
        assert before is not None
        done = self.store.snooze_task(task_id, SENDER, self.clock() + wait)
        assert done == (before.status in ("pending", "delivered", "failed"))
        if before.status != "pending" and done:
            self.restart(task_id)
            self.known[task_id].repeat = None
        elif done:
            self.known[task_id].by_hand = True
            after = self.store.get_task(task_id, SENDER)
            if after is None or not after.claimed:
                self.void(task_id)

    @precondition(lambda self: self.known)
    @rule(number=choice, wait=soon)
    def defer(self, number: int, wait: timedelta) -> None:
        task_id = self.pick(number)
        self.store.defer_task(task_id, self.clock() + wait)
        row = self.store.get_task(task_id, SENDER)
        assert row is not None
        if row.status == "pending":
            self.known[task_id].by_hand = True
            self.void(task_id)

    @precondition(lambda self: self.known)
    @rule(number=choice)
    def skip(self, number: int) -> None:
        task_id = self.pick(number)
        if self.store.skip_task(task_id, SENDER):
            self.known[task_id].by_hand = True
            self.void(task_id)

    @precondition(lambda self: self.known)
    @rule(number=choice)
    def pause(self, number: int) -> None:
        task_id = self.pick(number)
        if self.store.pause_task(task_id, SENDER):
            self.known[task_id].by_hand = True
            self.void(task_id)

    @precondition(lambda self: self.known)
    @rule(number=choice)
    def resume(self, number: int) -> None:
        task_id = self.pick(number)
        if self.store.resume_task(task_id, SENDER):
            self.known[task_id].by_hand = True

    @precondition(lambda self: self.known)
    @rule(number=choice)
    def retry(self, number: int) -> None:
        task_id = self.pick(number)
        if self.store.retry_task(task_id, SENDER):
            self.known[task_id].by_hand = True
            row = self.store.get_task(task_id, SENDER)
            assert row is not None
            assert row.next_send is not None
            assert row.next_send <= self.clock()

    @precondition(lambda self: self.known)
    @rule(number=choice, end=st.booleans())
    def complete(self, number: int, end: bool) -> None:
        task_id = self.pick(number)
        before = self.store.get_task(task_id, SENDER)
        assert before is not None
        if end:
            self.store.complete_task(task_id, None)
        else:
            self.store.complete_task(task_id)
        if before.status == "pending":
            self.known[task_id].by_hand = True
            self.void(task_id)

    @precondition(lambda self: self.known)
    @rule(number=choice, most=st.integers(0, 3))
    def fail(self, number: int, most: int) -> None:
        task_id = self.pick(number)
        before = self.store.get_task(task_id, SENDER)
        assert before is not None
        again = self.store.fail_task(task_id, "broken", most)
        after = self.store.get_task(task_id, SENDER)
        assert after is not None
        if before.status == "pending":
            self.known[task_id].by_hand = True
            self.void(task_id)
            assert not again or after.status == "pending"
        else:
            assert not again

    # what workers do

    @rule(
        limit=st.integers(1, 4),
        lease=st.sampled_from([1, 60, 3600]),
        policy=st.sampled_from(["once", "once", "skip", "all"]),
    )
    def claim(self, limit: int, lease: int, policy: str) -> None:
        now = self.clock()
        missed = MissedPolicy(by_type={"reminder": policy})
        taken = claim(self.store, "worker", limit, timedelta(seconds=lease), missed=missed)
        assert len(taken) <= limit
        for each in taken:
            task = each.task
            assert task.occurrence_id not in self.delivered, "sent again after it was delivered"
            live = [
                held
                for held in self.claims.values()
                if held.occurrence == task.occurrence_id and not held.void and held.until > now
            ]
            assert not live, "two live claims of one occurrence"
            self.claims[task.token] = Held(task.id, task.occurrence_id, task.lease_until)
            self.known[task.id].by_hand |= False
        if len(taken) < limit and policy != "all":
            assert not taken or len(self.store.get_due_tasks()) <= len(self.known)

    @precondition(lambda self: self.claims)
    @rule(
        number=choice,
        outcome=st.sampled_from(["delivered", "delivered", "retry", "failed", "ambiguous"]),
        retry_after=st.sampled_from([None, 0, 60, 5000]),
    )
    def settle(self, number: int, outcome: str, retry_after: int | None) -> None:
        token = list(self.claims)[number % len(self.claims)]
        held = self.claims.pop(token)
        before = self.store.get_task(held.task, SENDER)
        kept = self.store.settle(token, outcome, error="why", retry_after=retry_after)
        assert not (kept and held.void), "a settle overwrote what was done by hand"
        if kept and outcome == "delivered":
            assert held.occurrence not in self.delivered, "delivered twice"
            self.delivered.add(held.occurrence)
        if not kept:
            self.known[held.task].by_hand = True  # a late outcome is noted
            assert self.store.get_task(held.task, SENDER) == before
        elif outcome in ("delivered", "failed"):
            self.check_next(held.task, before)

    def check_next(self, task_id: str, before: object) -> None:
        """Strictly after the later of now and the one settled, from the anchor."""
        row = self.store.get_task(task_id, SENDER)
        assert row is not None
        if row.status == "pending":
            assert row.scheduled_for is not None
            assert not row.claimed
            assert row.retry_count == 0
            known = self.known[task_id]
            settled = before.scheduled_for  # type: ignore[attr-defined]
            expected = next_occurrence(known.repeat, known.first, max(self.clock(), settled), known.zone)
            waiting = [
                each.scheduled_for for each in self.store.task_history(task_id) if each.status == "held"
            ]
            catching_up = row.scheduled_for <= self.clock()
            assert row.scheduled_for == expected or row.scheduled_for in waiting or catching_up

    @precondition(lambda self: self.claims)
    @rule(number=choice)
    def extend(self, number: int) -> None:
        token = list(self.claims)[number % len(self.claims)]
        held = self.claims[token]
        kept = self.store.extend_claims([token], timedelta(seconds=60))
        assert not (kept and held.void)
        if kept:
            held.until = self.clock() + timedelta(seconds=60)

    @precondition(lambda self: self.claims)
    @rule(number=choice)
    def release(self, number: int) -> None:
        token = list(self.claims)[number % len(self.claims)]
        held = self.claims.pop(token)
        self.store.release_claims([token])
        self.released.add(held.occurrence)

    @rule(by=st.sampled_from([1, 7, 61, 900, 4000, 20_000, 90_000, 700_000, 3_000_000]))
    def wait(self, by: int) -> None:
        self.clock.advance(seconds=by)

    # what must hold

    @invariant()
    def every_task_goes_on_or_has_ended(self) -> None:
        if not hasattr(self, "known"):
            return
        due = {task.id for task in self.store.get_due_tasks()}
        for task_id in self.known:
            row = self.store.get_task(task_id, SENDER)
            assert row is not None
            if row.status == "pending":
                assert row.due_at is not None
                assert (row.id in due) == (row.due_at <= self.clock())
            else:
                assert row.id not in due
                assert not row.claimed

    @invariant()
    def the_ledger_adds_up(self) -> None:
        if not hasattr(self, "known"):
            return
        for task_id, known in self.known.items():
            row = self.store.get_task(task_id, SENDER)
            assert row is not None
            history = self.store.task_history(task_id)
            for each in history:
                before = known.states.get(each.id)
                less = each.attempts < known.attempts.get(each.id, 0)
                assert not less or each.id in self.released
                if before in FINAL and not known.by_hand:
                    assert each.status == before, "a settled row changed"
                if each.status == "delivered":
                    assert each.settled_at is not None
                    assert each.attempts >= 1
                    assert each.lateness is not None
            known.attempts = {each.id: each.attempts for each in history}
            known.states = {each.id: each.status for each in history}
            known.by_hand = False
            if row.status in ("delivered", "failed", "cancelled"):
                left = [each for each in history if each.status in OPEN]
                assert not left, f"a task that has ended leaves {left}"
            if row.status == "pending" and row.scheduled_for and not row.retry_count:
                stuck = [
                    each for each in history if each.scheduled_for < row.scheduled_for and each.status in OPEN
                ]
                assert not stuck, f"the task moved past {stuck}"
            self.check_all_accounted_for(known, row.scheduled_for, history)
        self.released.clear()

    def check_all_accounted_for(self, known: Known, until: datetime | None, history: list) -> None:  # type: ignore[type-arg]
        if known.repeat is None or until is None:
            return
        recorded = {each.scheduled_for for each in history}
        sums = [each.scheduled_for for each in history if each.stands_for > 1]
        instant: datetime | None = known.first
        seen = 0
        while instant is not None and instant < until and seen < 600:
            covered = instant in recorded or any(instant <= last for last in sums)
            assert covered, f"{instant} of {known.repeat} left no trace"
            instant = next_occurrence(known.repeat, known.first, instant, known.zone)
            seen += 1


QUICK = settings(
    max_examples=int(os.environ.get("OMEGA_MACHINE_EXAMPLES", "40")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def test_tasks_keep_their_promises_in_any_order() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(TaskMachine, settings=QUICK)


@pytest.mark.postgres
def test_tasks_on_a_server_keep_their_promises_in_any_order(
    shared_postgres: tuple[str, Callable[[], None]],
) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    url, empty = shared_postgres

    def new_memory() -> str:
        empty()
        return url

    fewer = settings(QUICK, max_examples=max(1, QUICK.max_examples // 5))
    run_state_machine_as_test(lambda: TaskMachine(new_memory), settings=fewer)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_tasks_keep_their_promises_in_thousands_of_orders() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        TaskMachine, settings=settings(QUICK, max_examples=3000, stateful_step_count=60)
    )
