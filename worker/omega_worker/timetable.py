"""Every APScheduler job, on one page. APScheduler is the clock; what is due stands in the database."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_STOPPED

from omega_worker import narrate

DELIVER, WATCH, PRESENCE, IDLE, MAINTAIN = "deliver", "watch", "presence", "close idle", "maintain"
SURVEY, BACKUP, ALERT = "survey", "backup", "alert"
AFTER_ERROR = timedelta(seconds=5)
AFTER_DEATH = 1.0  # seconds
AT_ONCE = timedelta(0)
STOP_SECONDS = 5.0
LASTING = "lasting"

Run = Callable[[], timedelta | None]


class Duty:
    """One job: run at its interval, earlier when rung or when it asked to be, never twice at once.

    `run` returns how long until it wants to run again, or None. A ring is never lost: one that comes
    while the duty runs makes it run once more. A `lasting` one may run on until it is told to end.
    """

    def __init__(
        self,
        name: str,
        run: Run,
        every: timedelta,
        failed: Callable[[str, BaseException], None],
        *,
        lasting: bool = False,
    ) -> None:
        self.name, self._run, self.every, self._failed = name, run, every, failed
        self._executor = LASTING if lasting else "default"
        self._lock = threading.Condition()
        self._running = self._rung = self._ended = False
        self._job: Any = None

    def join(self, scheduler: BackgroundScheduler) -> None:
        self._job = scheduler.add_job(
            self,
            "interval",
            seconds=self.every.total_seconds(),
            id=self.name,
            executor=self._executor,
            next_run_time=datetime.now(UTC),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=100,  # a second one only leaves word for the first, and none may be refused
        )

    def ring(self) -> None:
        """Run as soon as can be."""
        if self._rung:  # a run that has yet to begin will see it
            return
        with self._lock:
            self._rung = True
            if not self._running and self._job is not None:
                self._arm(AT_ONCE)

    def reset(self) -> None:
        """Run as soon as can be, even where it runs: its next time was reckoned by another clock."""
        with self._lock:
            self._rung = True
            if self._job is not None:
                self._arm(AT_ONCE)

    def _arm(self, delay: timedelta) -> None:
        with suppress(JobLookupError):  # the timetable has stopped
            self._job.modify(next_run_time=datetime.now(UTC) + max(delay, AT_ONCE))

    def __call__(self) -> None:
        again = self._begin()
        while again:
            again = self._goes_on(self._once())

    def _begin(self) -> bool:
        with self._lock:
            if self._ended:
                return False
            self._rung = self._running
            started, self._running = not self._running, True
            return started

    def _goes_on(self, delay: timedelta | None) -> bool:
        """Whether it wants to, or was rung; if not, it rests, and is armed before anybody can ring again."""
        with self._lock:
            wanted = self._rung or (delay is not None and delay <= AT_ONCE)
            self._running, self._rung = wanted and not self._ended, False
            if not self._running and delay is not None and delay < self.every:
                self._arm(delay)
            self._lock.notify_all()
            return self._running

    def pace(self, every: timedelta) -> None:
        """Another interval from now on."""
        with self._lock, suppress(JobLookupError):
            self.every = every
            self._job.reschedule("interval", seconds=every.total_seconds())

    def end(self) -> None:
        """Does not begin any more."""
        with self._lock:
            self._ended = True
            self._lock.notify_all()

    def pause(self, seconds: float) -> bool:
        """For a run that lasts: waits so long; False once it is to end."""
        with self._lock:
            return not self._lock.wait_for(lambda: self._ended, seconds)

    def ended(self, timeout: float) -> bool:
        """Waits for the run under way, if there is one."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._running, timeout)

    def _once(self) -> timedelta | None:
        try:
            return self._run()
        except BaseException as error:  # noqa: BLE001  a duty that fails is said and tried again
            self._failed(self.name, error)
            return AFTER_ERROR


class DaemonThreads(BaseExecutor):  # type: ignore[misc]  # it has no types
    """A thread for each run, which does not keep a program from ending as the pool's threads do."""

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        def work() -> None:
            self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))

        threading.Thread(target=work, name=f"omega {job.id}", daemon=True).start()


class Scheduler(BackgroundScheduler):  # type: ignore[misc]  # it has no types
    """One whose thread outlives what goes wrong in it."""

    def _main_loop(self) -> None:
        while self.state != STATE_STOPPED:
            try:
                super()._main_loop()
            except BaseException as error:  # noqa: BLE001  without this thread nothing is ever begun
                narrate.thread_lost("the scheduler", error)
                time.sleep(AFTER_DEATH)
                self._event.set()


class Timetable:
    """The duties of one worker and the scheduler that drives them."""

    def __init__(self, duties: list[Duty]) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self.duties = {duty.name: duty for duty in duties}
        self._scheduler = Scheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(4, len(duties))), LASTING: DaemonThreads()},
            daemon=True,
        )
        self.ticked = time.monotonic()
        self._scheduler.add_listener(self._tick, EVENT_JOB_SUBMITTED)
        for duty in duties:
            duty.join(self._scheduler)

    def _tick(self, _: Any) -> None:
        """The scheduler's own thread has begun a duty."""
        self.ticked = time.monotonic()

    def start(self) -> None:
        self._scheduler.start()

    def ring(self, name: str) -> None:
        duty = self.duties.get(name)
        if duty is not None:
            duty.ring()

    def reset(self) -> None:
        for duty in self.duties.values():
            duty.reset()

    def pace(self, wanted: list[Duty]) -> None:
        """The intervals of these for the duties of the same names."""
        for each in wanted:
            duty = self.duties.get(each.name)
            if duty is not None and duty.every != each.every:
                duty.pace(each.every)

    def lives(self) -> bool:
        """Whether the scheduler and its thread are there."""
        thread = getattr(self._scheduler, "_thread", None)
        return bool(self._scheduler.running and thread is not None and thread.is_alive())

    def stop(self) -> None:
        """No duty begins any more; those that run may take a moment to end."""
        for duty in self.duties.values():
            duty.end()
        if self._scheduler.running:
            self._scheduler.remove_all_jobs()  # so that its thread, should it wake just then, finds nothing to begin
            self._scheduler.shutdown(wait=False)
        deadline = time.monotonic() + STOP_SECONDS
        for duty in self.duties.values():
            duty.ended(max(0.0, deadline - time.monotonic()))
