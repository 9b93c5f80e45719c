"""What a worker does and how often: the duties that its timetable drives."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Protocol

from omega_jobs.backup import Rules, backup_once
from omega_jobs.deliver import Round
from omega_jobs.maintain import maintain_once
from omega_models import Store, StoreError
from omega_models.copying import Stop, Stopped
from omega_models.errors import BackupFailed
from omega_models.overview import backlog
from omega_models.place import is_kept
from omega_models.presence import Unserved, beat, unserved
from omega_models.sqlite_file import NO_DESCRIPTORS, descriptors_left
from omega_models.tasks import TASK_TYPES
from omega_worker import narrate, timetable
from omega_worker.rules import backup_rules, keep_rules
from omega_worker.settings import Settings
from omega_worker.timetable import Duty
from omega_worker.vitals import Vitals, cause

WATCH_EVERY = timedelta(milliseconds=250)
WATCH_FOR = timedelta(minutes=1)  # in one run: to begin a job costs several times what a look does
LOOK_EVERY = timedelta(seconds=1)  # where the database has no change counter to watch
BEAT_EVERY = timedelta(seconds=20)
ALERT_EVERY = timedelta(seconds=30)
SURVEY_EVERY = timedelta(seconds=10)
MAINTAIN_EVERY = timedelta(hours=1)
BACKUP_LOOK_EVERY = timedelta(
    minutes=10
)  # at its age: a timer would know nothing of the time before the start


class Delivering(Protocol):
    """The part of a worker that duties drive."""

    id: str
    store: Store
    settings: Settings
    vitals: Vitals
    pulse: timedelta | None

    def in_hand(self) -> int: ...
    def served(self) -> list[str]: ...
    def deliver_round(self) -> Round | None: ...
    def expire(self) -> float | None: ...
    def ring(self) -> None: ...
    def look_at_clock(self) -> None: ...
    def compare_clocks(self) -> None: ...
    def look_at_file(self) -> None: ...
    def close_idle(self) -> int: ...
    def run_alerts(self) -> int: ...


class Duties:
    """The duties of one worker."""

    def __init__(self, worker: Delivering) -> None:
        self._worker = worker
        self._watch = worker.store.database.watch(worker.served())
        self._kept = True
        self._unserved: dict[tuple[str, str], Unserved] = {}

    def all(self) -> list[Duty]:
        chosen = self._worker.settings.duties
        duties = [self._duty(timetable.PRESENCE, self._be_present, self._often(BEAT_EVERY))]
        if "deliver" in chosen:
            duties.append(self._duty(timetable.DELIVER, self._deliver, self.poll()))
            duties.append(self._watching())
        if "close_idle" in chosen:
            every = timedelta(seconds=self._worker.settings.idle_check_seconds)
            duties.append(self._duty(timetable.IDLE, self._close_idle, every))
        if "maintain" in chosen:
            duties.append(self._duty(timetable.MAINTAIN, self._maintain, MAINTAIN_EVERY))
            if backup_rules(self._worker.settings):
                duties.append(self._backing_up())
        if self._worker.settings.alert_channel:
            duties.append(self._duty(timetable.ALERT, self._alert, ALERT_EVERY))
        if self._worker.vitals.is_watched:
            duties.append(self._duty(timetable.SURVEY, self._survey, SURVEY_EVERY))
        return duties

    def poll(self) -> timedelta:
        """The longest time between two rounds."""
        return self._often(timedelta(seconds=self._worker.settings.poll_interval_seconds))

    def _often(self, every: timedelta) -> timedelta:
        """As often as whoever watches over this process wants a sign of life."""
        return every if self._worker.pulse is None else min(every, self._worker.pulse)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def watch_anew(self) -> None:
        """The worker goes on with another file."""
        old, self._watch = self._watch, self._worker.store.database.watch(self._worker.served())
        if old is not None:
            old.close()

    def _watching(self) -> Duty:
        duty = Duty(timetable.WATCH, lambda: self._look(duty.pause), WATCH_FOR, self._failed, lasting=True)
        return duty

    def _backing_up(self) -> Duty:
        def run() -> timedelta | None:
            rules = backup_rules(self._worker.settings)
            return self._back_up(rules, lambda: not duty.pause(0)) if rules else None

        duty = self._duty(timetable.BACKUP, run, BACKUP_LOOK_EVERY)
        return duty

    def _duty(self, name: str, run: timetable.Run, every: timedelta) -> Duty:
        def told() -> timedelta | None:
            again = run()
            self._worker.vitals.say(name, None)
            return again

        return Duty(name, told, every, self._failed)

    def _failed(self, name: str, error: BaseException) -> None:
        judged = timetable.DELIVER if "deliver" in self._worker.settings.duties else timetable.PRESENCE
        if name != judged:  # that one's rounds tell of themselves
            self._worker.vitals.say(name, cause(error))
        duty_failed(name, error)

    def _deliver(self) -> timedelta | None:
        """The poll: a round, and how long until the next is wanted."""
        worker = self._worker
        patience = worker.expire()
        done = worker.deliver_round()
        if done is None:
            return None
        if done.busy:
            return timedelta(0)
        waits = [] if patience is None else [timedelta(seconds=max(0.0, patience))]
        if done.wake is not None:
            waits.append(done.wake - worker.store.clock())
        return min(waits, default=None)

    def _look(self, pause: Callable[[float], bool]) -> timedelta:
        """The watch: another process has written, so what is due may have changed; or the clock was set."""
        until = time.monotonic() + WATCH_FOR.total_seconds()
        while time.monotonic() < until and pause(self._until_next_look()):
            if self._has_changed():
                self._worker.ring()
            self._say_hampered()
            self._worker.look_at_clock()
            self._worker.vitals.say(timetable.WATCH, None)
        return timetable.AT_ONCE

    def _until_next_look(self) -> float:
        if self._watch is None:
            return LOOK_EVERY.total_seconds()
        return WATCH_EVERY.total_seconds() if self._watch.every is None else self._watch.every

    def _say_hampered(self) -> None:
        """Once when a look-out gets worse, and again when it is as it should be."""
        vitals, trouble = self._worker.vitals, self._watch.trouble if self._watch else None
        was, vitals.hampered = vitals.hampered, trouble
        if trouble and not was:
            narrate.hard_of_hearing(trouble)
        elif was and not trouble:
            narrate.hears_again()

    def _has_changed(self) -> bool:
        was, self._kept = self._kept, is_kept(self._worker.store)
        return self._watch is None or self._watch.changed() or was != self._kept

    def _alert(self) -> None:
        self._worker.run_alerts()

    def _close_idle(self) -> None:
        self._worker.close_idle()

    def _be_present(self) -> timedelta | None:
        """The heartbeat, a look at the server's clock, and one for due tasks that nobody serves."""
        worker = self._worker
        worker.compare_clocks()
        judged = "deliver" not in worker.settings.duties  # else by its rounds of delivering
        with worker.vitals.round() if judged else nullcontext():
            if judged:
                worker.look_at_file()
            beat(worker.store, worker.id, worker.served(), TASK_TYPES)
        self._say_unserved()
        return self._say_descriptors()

    def _say_descriptors(self) -> timedelta | None:
        """Sends fail one by one without them, and what has its files open goes on."""
        left = descriptors_left()
        self._worker.vitals.say("opening files", None if left else NO_DESCRIPTORS)
        if left:
            return None
        narrate.no_descriptors(NO_DESCRIPTORS)
        return timetable.AFTER_ERROR

    def _survey(self) -> None:
        """What waits, for those who watch over this worker."""
        worker = self._worker
        worker.vitals.survey(backlog(worker.store, worker.served()), worker.in_hand())

    def _say_unserved(self) -> None:
        """Once when it begins, and again when it has ended."""
        found = {(each.channel, each.task_type): each for each in unserved(self._worker.store)}
        for key, each in found.items():
            if key not in self._unserved:
                narrate.unserved(each)
        for channel, kind in self._unserved.keys() - found.keys():
            narrate.served_again(channel, kind)
        self._unserved = found

    def _maintain(self) -> None:
        done = maintain_once(self._worker.store, self._worker.id, keep_rules(self._worker.settings))
        if done is not None:
            narrate.maintained(done)

    def _back_up(self, rules: Rules, stop: Stop) -> timedelta | None:
        try:
            done = backup_once(self._worker.store, self._worker.id, rules, stop)
        except BackupFailed as error:
            narrate.not_backed_up(error, BACKUP_LOOK_EVERY)
            return None
        except Stopped:
            return None
        if done is not None:
            narrate.backed_up(done)
        return None


def duty_failed(name: str, error: BaseException) -> None:
    if isinstance(error, StoreError):
        narrate.database_trouble(name, error, timetable.AFTER_ERROR)
    else:
        narrate.duty_failed(name, error, timetable.AFTER_ERROR)
