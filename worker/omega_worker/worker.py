"""The worker: lanes, a desk and a timetable around one Store."""

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from omega_jobs.alert import alert_once
from omega_jobs.close_idle import Summarise, close_idle_once
from omega_jobs.deliver import Desk, Finished, Round, deliver_once, release_all
from omega_jobs.delivery import Delivery
from omega_jobs.remember import remember
from omega_jobs.summary import summarise as in_their_words
from omega_models import AsyncStore, Store, StoreError
from omega_models.claims import Claim
from omega_models.finding import next_due
from omega_models.presence import beat, leave
from omega_models.server_findings import skew, wrong_clock
from omega_models.tasks import TASK_TYPES
from omega_worker import narrate, timetable
from omega_worker.channels.seam import Channel, as_channel
from omega_worker.composing import compose
from omega_worker.duties import Duties
from omega_worker.errand import Errand
from omega_worker.health import Health, open_health
from omega_worker.lanes import LoopLane, ThreadLane
from omega_worker.pace import Pace, parse_rate
from omega_worker.rules import alert_rules, delivery_rules
from omega_worker.settings import Settings
from omega_worker.timetable import Timetable
from omega_worker.upheavals import Upheavals
from omega_worker.vitals import Vitals


class Worker:
    """Delivers what falls due in `store` through `channels`: names to callables or `Channel`s.

    `store` may be an `AsyncStore` that is open. A callable takes a `Delivery` and returns a receipt or None;
    it raises `DeliveryError` where it did not deliver. Coroutine functions are awaited on the loop of
    `astart()`, or on `loop`. Installs no signal handlers or log sinks and reads no environment; `settings`
    defaults to the documented defaults. `summarise` words the summary of an idle conversation from its (role, content) pairs.
    """

    def __init__(
        self,
        store: Store | AsyncStore,
        channels: Mapping[str, Any],
        settings: Settings | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        summarise: Summarise = in_their_words,
    ) -> None:
        self.store = store if isinstance(store, Store) else store.store
        self.settings = settings or Settings.defaults()
        self.channels: dict[str, Channel] = {name: as_channel(value) for name, value in channels.items()}
        self.id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._ruled_by = self.settings
        self.vitals = Vitals()
        self.pulse: timedelta | None = None  # rounds come at least this often, however rare the poll
        self._health: Health | None = None
        self._loop = loop
        self._alerted: datetime | None = None
        self._summarise = summarise
        self._lanes: dict[tuple[str, str], ThreadLane | LoopLane] = {}
        self._desk: Desk | None = None
        self._timetable: Timetable | None = None
        self._duties: Duties | None = None
        self._news = threading.Event()
        self._round_lock = threading.Lock()
        self._upheavals = Upheavals(self._everything_anew)

    # Starting and stopping

    def start(self) -> None:
        """Delivers in threads of its own until `stop`. Coroutine channels need `loop=`."""
        if self._timetable is not None:
            raise RuntimeError("this worker is running already")
        self.vitals.begin()
        self._health = open_health(self)
        try:
            self._begin()
        except BaseException:
            self._close_health()
            raise

    def _begin(self) -> None:
        self._open_desk()
        self._greet()
        self.store.task_listeners.add(self.ring)
        self._duties = Duties(self)
        self._timetable = Timetable(self._duties.all())
        self._timetable.start()

    def stop(self, timeout: float | timedelta | None = None) -> bool:
        """No new claims; what is being sent may end within `timeout` (seconds; default `drain_seconds`).

        What was not started is given back uncounted. True: nothing was left unsettled. Idempotent.
        """
        if self._timetable is None or self._desk is None:
            return True
        limit = _seconds(timeout, self.settings.drain_seconds)
        self.vitals.stopping = True
        self.store.task_listeners.discard(self.ring)
        self._desk.claiming = False
        narrate.stopping(self.in_hand())
        self._give_back_waiting(self._desk)
        self._drain(self._desk, limit)
        self._timetable.stop()
        self._timetable = None
        if self.settings.close_on_shutdown:
            self._close_conversations()
        left = self._close()
        self._close_channels()
        self._close_health()
        narrate.stopped(left == 0, left)
        return left == 0

    async def astart(self) -> None:
        """`start` on the running loop; coroutine channels are awaited there."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.start)

    async def astop(self, timeout: float | timedelta | None = None) -> bool:
        """`stop` without blocking the loop."""
        return await asyncio.to_thread(self.stop, timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.astop()

    # One round without starting, for tests

    def run_due(self) -> int:
        """Delivers everything that is due now and waits for the outcomes; how many sends were settled."""
        if self._timetable is not None:
            raise RuntimeError("this worker is running already; run_due is for tests without start()")
        if self._loop is not None and self._loop is _loop_here() and self._needs_loop():
            raise RuntimeError("run_due would keep the loop waiting for itself: await arun_due()")
        desk = self._open_desk()
        settled = 0
        try:
            while True:
                self._news.clear()
                done = self._round(desk)
                settled += done.settled
                if not done.busy and not self.in_hand() and not desk.outbox:
                    return settled
                if not done.busy:
                    self._news.wait(self._patience())
        finally:
            self._close()

    async def arun_due(self) -> int:
        """`run_due` without blocking the loop, on which coroutine channels are awaited."""
        self._loop = asyncio.get_running_loop()
        return await asyncio.to_thread(self.run_due)

    def run_idle(self) -> int:
        """Closes the conversations that are idle now; how many."""
        return self.close_idle()

    async def arun_idle(self) -> int:
        """`run_idle` without blocking the loop."""
        return await asyncio.to_thread(self.close_idle)

    def close_idle(self, *, everything: bool = False) -> int:
        """One round of closing idle conversations, or all active ones; how many."""
        return close_idle_once(
            self.store, self.id, self._summarise, tell=narrate.closed, everything=everything
        )

    def run_alerts(self) -> int:
        """Tells the owner what has come up since it was last asked; how many alerts are new."""
        asked, alerting = self.store.clock(), alert_rules(self.settings)
        if alerting is None:
            return 0
        known = self._alerted if self._alerted and self._alerted <= asked else None  # by a clock set back
        raised = alert_once(self.store, alerting, known)
        self._alerted = asked - timedelta(seconds=1)
        return raised

    # The desk and its lanes

    def _open_desk(self) -> Desk:
        self._require_loop()
        desk = Desk(self.store, self.id, self._lanes, delivery_rules(self.settings), self.vitals.tell)
        if self.settings.remember_reminders:
            desk.remember = self._remember
        errand = Errand(
            compose=self._compose,
            holds=desk.holds,
            finish=self._finished,
            ring=self.ring,
            reached=self.store.reached,
            say=self.vitals.say,
            concurrency=self.settings.delivery_concurrency,
            timeout=timedelta(seconds=self.settings.send_timeout_seconds),
            loop=self._loop,
        )
        paces = {name: self._pace(name, channel) for name, channel in self.channels.items()}
        for kind in TASK_TYPES:  # reminders are claimed before actions
            for name, channel in self.channels.items():
                self._lanes[name, kind] = self._lane(channel, name, kind, errand, paces[name])
        self._desk = desk
        return desk

    def _needs_loop(self) -> list[str]:
        return [name for name, channel in self.channels.items() if channel.is_async]

    def _require_loop(self) -> None:
        needy = self._needs_loop()
        if needy and (self._loop is None or self._loop.is_closed()):
            trouble = "its loop was closed" if self._loop else "it needs a loop"
            raise ValueError(
                f"channel {needy[0]!r} is a coroutine function: {trouble}; use astart(), or give the worker loop="
            )

    def _pace(self, name: str, channel: Channel) -> Pace:
        rate = self.settings.rates.get(name) or channel.rate
        return Pace(parse_rate(rate)) if rate else Pace()

    def _lane(
        self, channel: Channel, name: str, kind: str, errand: Errand, pace: Pace
    ) -> ThreadLane | LoopLane:
        if channel.is_async and self._loop is not None:
            return LoopLane(channel, name, kind, errand, pace, self._loop)
        return ThreadLane(channel, name, kind, errand, pace)

    def _compose(self, claim: Claim) -> Delivery:
        return compose(claim, self.store.clock())

    def _remember(self, delivered: Sequence[Claim]) -> None:
        remember(self.store, delivered, lambda claim: self._compose(claim).text)

    def _finished(self, finished: Finished) -> None:
        desk = self._desk
        if desk is not None:
            desk.outbox.append(finished)
        self.ring()

    def ring(self) -> None:
        """Something has changed: a round is wanted as soon as can be."""
        self._news.set()
        if self._timetable is not None:
            self._timetable.ring(timetable.DELIVER)

    def in_hand(self) -> int:
        """How many claims are being sent or wait for their turn."""
        return sum(lane.in_hand() for lane in self._lanes.values())

    def look_at_clock(self) -> None:
        """Whether the wall clock was set."""
        self._upheavals.look_at_clock(self._desk)

    def compare_clocks(self) -> None:
        """Whether this machine and the server mean the same by now; if not, nothing is claimed."""
        if self.store.database.is_postgres:
            lease = timedelta(seconds=self.settings.lease_seconds)
            self._upheavals.compare(
                self._desk, wrong_clock(skew(self.store.database), lease), self.vitals.say
            )

    def look_at_file(self) -> None:
        """Whether the database is still the file that was opened."""
        desk = self._desk
        if desk is not None and self._upheavals.look_at_file(desk, self._lanes) and self._duties is not None:
            self._duties.watch_anew()

    def _everything_anew(self) -> None:
        if self._timetable is not None:
            self._timetable.reset()

    def served(self) -> list[str]:
        """The channels this worker sends to."""
        return sorted(self.channels) if "deliver" in self.settings.duties else []

    def deliver_round(self) -> Round | None:
        """One round of the desk; None where the worker has been stopped."""
        desk = self._desk
        return None if desk is None else self._round(desk)

    def expire(self) -> float | None:
        """Gives up sends past their deadline; seconds until the next deadline."""
        waits = [lane.expire() for lane in list(self._lanes.values())]
        return min((wait for wait in waits if wait is not None), default=None)

    def _round(self, desk: Desk) -> Round:
        with self._round_lock, self.vitals.round():
            self.look_at_clock()
            self.look_at_file()
            if self._ruled_by is not self.settings:
                desk.rules, self._ruled_by = delivery_rules(self.settings), self.settings
            return deliver_once(desk)

    def _patience(self) -> float:
        """Seconds until a send's deadline, at most one."""
        wait = self.expire()
        return 1.0 if wait is None else max(0.0, min(1.0, wait))

    def _give_back_waiting(self, desk: Desk) -> None:
        with self._round_lock:  # a round that has begun may still claim
            waiting = [claim for lane in self._lanes.values() for claim in lane.drop_waiting()]
            release_all(desk, waiting)

    def _drain(self, desk: Desk, limit: float) -> None:
        """Settles what ends in time."""
        deadline = time.monotonic() + limit
        while not self._all_settled(desk):
            self._news.clear()
            trouble = False
            try:
                self._round(desk)
            except StoreError as error:
                trouble = True
                narrate.database_trouble("stopping", error, timedelta(seconds=1))
            left = deadline - time.monotonic()
            if left <= 0:
                return
            if trouble or not desk.outbox:
                self._news.wait(min(left, self._patience()))

    def _all_settled(self, desk: Desk) -> bool:
        with self._round_lock:  # a round that runs has emptied the outbox before it writes
            return not self.in_hand() and not desk.outbox

    def _greet(self) -> None:
        self.compare_clocks()
        beat(self.store, self.id, self.served(), TASK_TYPES)
        due = len(self.store.get_due_tasks(limit=1000))
        narrate.started(self.id, self.store.database.where, self.served(), due, next_due(self.store))

    def go_on_with(self, settings: Settings) -> None:
        """Other settings from the next round on; which of them that can be, `reloading.LIVE` says."""
        self.settings = settings
        if self._timetable is not None and self._duties is not None:
            self._timetable.pace(self._duties.all())
            self.ring()

    def ticked(self) -> float | None:
        """When, by `time.monotonic`, the scheduler last began a duty; None where it does not run."""
        running = self._timetable
        return running.ticked if running is not None and running.lives() else None

    def _close_health(self) -> None:
        if self._health is not None:
            self._health.close()
            self._health = None

    def _close_conversations(self) -> None:
        try:
            self.close_idle(everything=True)
        except StoreError as error:
            narrate.database_trouble("stopping", error, timedelta(0))

    def _close_channels(self) -> None:
        for channel in self.channels.values():
            if channel.close is not None:
                channel.close()

    def _close(self) -> int:
        """Lets go of everything but the Store; how many sends were left unsettled."""
        left = self.in_hand() + (len(self._desk.outbox) if self._desk else 0)
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()
        self._desk = None
        if self._duties is not None:
            self._duties.close()
            self._duties = None
        try:
            leave(self.store, self.id)
        except StoreError as error:
            narrate.database_trouble("stopping", error, timedelta(0))
        return left


def _loop_here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _seconds(given: float | timedelta | None, default: float) -> float:
    if given is None:
        return default
    return given.total_seconds() if isinstance(given, timedelta) else float(given)
