"""Lanes: each sends the claims of one channel and one type of task, a bounded number at once.

A slow or hanging receiver fills its own lane and no other. Every send has a deadline; one that does not
come back by then is given up, counts as ambiguous, and another takes its place.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from omega_jobs.deliver import Finished
from omega_jobs.delivery import DeliveryError, Verdict, accepted, verdict_of
from omega_models.claims import Claim
from omega_worker import narrate
from omega_worker.channels.seam import Channel
from omega_worker.errand import MOST_AHEAD, Appetite, Errand
from omega_worker.pace import Pace, PacedQueue

AGAIN = 1.0  # seconds
LOST_SENDS = 4  # times the concurrency: so many given up before the lane waits for one to return


class Unpaced(SimpleQueue["Claim | None"]):
    """A queue for a channel without a pace, with the face of a paced one."""

    held_up = 0

    def ready(self) -> tuple[Claim | None, float | None]:
        with suppress(Empty):
            while (claim := self.get_nowait()) is None:
                continue
            return claim, None
        return None, None

    def clear(self) -> list[Claim]:
        taken: list[Claim] = []
        while (claim := self.ready()[0]) is not None:
            taken.append(claim)
        return taken


Waiting = Unpaced | PacedQueue[Claim]


def _target(claim: Claim) -> str:
    return claim.task.reply_target


class Lane:
    """What every lane keeps count of: what it has in hand, what is being sent, what was given up.

    A claim leaves the lane and enters the outbox in one step, so that nobody ever sees it in neither.
    """

    def __init__(self, channel: Channel, name: str, task_type: str, errand: Errand, pace: Pace) -> None:
        self.channel = name
        self.task_types: tuple[str, ...] = (task_type,)
        self.resends = channel.on_ambiguous == "retry"
        self._send = channel.send
        self._errand = errand
        self._appetite = Appetite(errand.concurrency)
        self._waiting: Waiting = PacedQueue(pace, _target) if pace.limited else Unpaced()
        self._in_hand = 0
        self._running: dict[str, tuple[Claim, float]] = {}
        self._lost = 0
        self._lock = threading.Lock()

    def room(self) -> int:
        with self._lock:
            if self._choked():
                return 0
            wanted = min(self._appetite() + self._waiting.held_up, MOST_AHEAD)
            return max(0, wanted - self._in_hand)

    def in_hand(self) -> int:
        with self._lock:
            return self._in_hand

    def being_sent(self) -> list[Claim]:
        with self._lock:
            return [claim for claim, _ in self._running.values()]

    def _choked(self) -> bool:
        """Whether so many sends hang that no more are begun."""
        return self._lost >= LOST_SENDS * self._errand.concurrency

    def _take(self, claims: Sequence[Claim]) -> None:
        with self._lock:
            self._in_hand += len(claims)
        for each in claims:
            self._waiting.put(each)

    def _begin(self, claim: Claim) -> bool:
        """False where its lease was lost while it waited: it is given back."""
        with self._lock:
            if self._errand.holds(claim.task.token):
                self._running[claim.task.token] = (claim, time.monotonic() + self._errand.patience)
                return True
            self._hand_back(Finished(claim, None))
            return False

    def _end(self, claim: Claim, verdict: Verdict) -> bool:
        """False where it was given up meanwhile."""
        with self._lock:
            if self._running.pop(claim.task.token, None) is not None:
                self._hand_back(Finished(claim, verdict))
                return True
            self._lost -= 1
        self._errand.ring()
        return False

    def _hand_back(self, finished: Finished) -> None:
        self._in_hand -= 1
        self._appetite.finished()
        self._errand.finish(finished)

    def expire(self) -> float | None:
        """Gives up sends past their deadline; seconds until there can be another, None with nothing in hand."""
        now = time.monotonic()
        with self._lock:
            gone = [claim for claim, deadline in self._running.values() if deadline <= now]
            for claim in gone:
                del self._running[claim.task.token]
                self._lost += 1
                self._hand_back(Finished(claim, verdict_of(self._errand.timed_out())))
            choked = self._choked()
            ahead = [deadline - now for _, deadline in self._running.values()]
            wait = min(ahead, default=self._errand.patience) if self._in_hand else None
        if gone:
            self._replace(0 if choked else len(gone), len(gone))
        if choked:
            self._give_back_waiting()
        return wait

    def _replace(self, places: int, gone: int) -> None:
        """Lets that many sends begin in place of those given up."""
        raise NotImplementedError

    def drop_waiting(self) -> list[Claim]:
        """Takes back what was not started."""
        with self._lock:
            dropped = self._not_started()
            self._in_hand -= len(dropped)
            return dropped

    def _give_back_waiting(self) -> None:
        with self._lock:
            for claim in self._not_started():
                self._hand_back(Finished(claim, None))

    def _not_started(self) -> list[Claim]:
        return self._waiting.clear()


class ThreadLane(Lane):
    """For plain callables: threads of its own, made when first needed."""

    def __init__(self, channel: Channel, name: str, task_type: str, errand: Errand, pace: Pace) -> None:
        super().__init__(channel, name, task_type, errand, pace)
        self._threads = 0

    def start(self, claims: Sequence[Claim]) -> None:
        self._take(claims)
        self._staff()

    def _staff(self) -> bool:
        """Starts the threads that are missing; whether all there should be are there."""
        with self._lock:
            wanted = min(self._in_hand, self._errand.concurrency)
            missing = max(0, wanted - self._threads)
            self._threads += missing
        return self._new_threads(missing)

    def _new_threads(self, count: int) -> bool:
        """Those that cannot be started are wanted again by the next look."""
        name = f"omega-{self.channel}-{self.task_types[0]}"
        for started in range(count):
            try:
                threading.Thread(target=self._work, name=name, daemon=True).start()
            except (RuntimeError, OSError, MemoryError) as error:
                with self._lock:
                    self._threads -= count - started
                self._errand.say(name, "no thread can be started")
                narrate.no_thread(self.channel, error)
                return False
        if count:
            self._errand.say(name, None)
        return True

    def expire(self) -> float | None:
        wait = super().expire()
        return wait if self._staff() else min(AGAIN, AGAIN if wait is None else wait)

    def _work(self) -> None:
        try:
            self._send_all()
        except BaseException as error:  # noqa: BLE001  such as of the program's own clock
            with self._lock:
                self._threads -= 1
            narrate.thread_lost(f"a sender of channel {self.channel!r}", error)
            self._errand.ring()

    def _send_all(self) -> None:
        while (claim := self._waiting.get()) is not None:
            if self._begin(claim) and not self._end(claim, self._attempt(claim)):
                return

    def _attempt(self, claim: Claim) -> Verdict:
        try:
            delivery = self._errand.compose(claim)
            self._errand.reached("send: before")
            receipt = self._errand.awaited(self._send(delivery))
            self._errand.reached("send: after")
            return accepted(receipt)
        except BaseException as error:  # noqa: BLE001  whatever a channel raises is an outcome of this send
            return verdict_of(error)

    def _replace(self, places: int, gone: int) -> None:
        with self._lock:
            self._threads += places - gone
        self._new_threads(places)

    def close(self) -> None:
        for _ in range(self._threads):
            self._waiting.put(None)


class LoopLane(Lane):
    """For coroutine channels: tasks on the embedding program's event loop."""

    def __init__(
        self,
        channel: Channel,
        name: str,
        task_type: str,
        errand: Errand,
        pace: Pace,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(channel, name, task_type, errand, pace)
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, claims: Sequence[Claim]) -> None:
        if claims:
            self._take(claims)
            self._call_fill()

    def _call_fill(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._fill)
        except RuntimeError:  # the loop was closed: nothing can be sent, everything is given back
            self._give_back_waiting()

    def _fill(self) -> None:
        while len(self._tasks) - self._lost < self._errand.concurrency and not self._choked():
            claim, wait = self._waiting.ready()
            if claim is None:
                if wait is not None:
                    self._loop.call_later(wait, self._fill)
                return
            if self._begin(claim):
                task = self._loop.create_task(self._try(claim))
                self._tasks.add(task)
                task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._fill()

    async def _try(self, claim: Claim) -> None:
        self._end(claim, await self._attempt(claim))

    async def _attempt(self, claim: Claim) -> Verdict:
        try:
            async with asyncio.timeout(self._errand.timeout.total_seconds()) as limit:
                self._errand.reached("send: before")
                receipt = await self._send(self._errand.compose(claim))  # type: ignore[misc]  # a coroutine function
                self._errand.reached("send: after")
            return accepted(receipt)
        except TimeoutError as error:
            return verdict_of(self._errand.timed_out() if limit.expired() else error)
        except asyncio.CancelledError:
            return verdict_of(DeliveryError("cancelled while it was being sent", ambiguous=True))
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a channel raises is an outcome
            return verdict_of(error)

    def _replace(self, places: int, gone: int) -> None:  # noqa: ARG002
        self._call_fill()

    def close(self) -> None:
        """Its tasks belong to the loop, which ends them."""
