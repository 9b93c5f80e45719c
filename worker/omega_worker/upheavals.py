"""What may change under a running worker: the wall clock is set, the database's file is replaced."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from omega_jobs.deliver import Desk, Finished
from omega_jobs.digest import spread
from omega_models.carrying import carry
from omega_models.claims import Claim
from omega_models.place import go_on_with_another, is_kept
from omega_worker import narrate

CLOCK_STEP = 1.0  # seconds
CALM = timedelta(seconds=1)  # four looks of another worker's watch


def drift() -> float:
    """How far the wall clock is ahead of the one nobody can set, in seconds."""
    return time.time() - time.monotonic()


class ClockWatch:
    """Notices that the wall clock was set, or stood still with the machine; each time once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = drift()

    def step(self) -> float:
        """By how many seconds; 0 where it was not."""
        with self._lock:
            now = drift()
            found = now - self._known
            if abs(found) <= CLOCK_STEP:
                return 0.0
            self._known = now
            return found


class Lane(Protocol):
    def drop_waiting(self) -> list[Claim]: ...
    def being_sent(self) -> list[Claim]: ...


class Upheavals:
    """Looks for both at the beginning of each round, before anything is settled or claimed."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._clock = ClockWatch()
        self._carrying = self._moved = False
        self._wrong: str | None = None

    def look_at_clock(self, desk: Desk | None) -> None:
        """After a step forward nothing is claimed for a moment: other workers' leases only seem to be over."""
        step = self._clock.step()
        if not step:
            return
        narrate.clock_set(step)
        if desk is not None and step > 0:
            desk.calm_until = desk.store.clock() + CALM
        self._changed()

    def compare(self, desk: Desk | None, wrong: str | None, say: Callable[[str, str | None], object]) -> None:
        """Takes note of what is wrong with this machine's clock beside the server's, and says it once."""
        was, self._wrong = self._wrong, wrong
        say("clock", wrong)
        if desk is not None:
            desk.out_of_time = bool(wrong)
        if wrong and not was:
            narrate.clock_wrong(wrong)
        elif was and not wrong:
            narrate.clock_right_again()
            self._changed()

    def look_at_file(self, desk: Desk, lanes: Mapping[tuple[str, str], Lane]) -> bool:
        """True once the worker goes on with another file; raises `StoreUnavailable` while it cannot."""
        if not self._carrying and is_kept(desk.store):
            return False
        self._carrying = True
        for lane in lanes.values():
            desk.outbox.extend(Finished(claim, None) for claim in lane.drop_waiting())
        old = desk.store.database
        go_on_with_another(desk.store)
        if desk.store.database is old and not self._moved:
            self._carrying = False  # it was away, and is back
            return False
        self._moved = True
        being_sent = [claim for lane in lanes.values() for claim in lane.being_sent()]
        in_hand = being_sent + [each.claim for each in tuple(desk.outbox) if each.verdict]
        self._carry(desk, [one for each in in_hand for one in spread(each)])
        self._carrying = self._moved = False
        self._changed()
        return True

    def _carry(self, desk: Desk, claims: list[Claim]) -> None:
        kept = carry(desk.store, claims, desk.worker_id, desk.rules.lease)
        until = desk.store.clock() + desk.rules.lease
        desk.leases.clear()
        desk.leases.update(dict.fromkeys(kept, until))
        narrate.file_replaced(desk.store.database.where, len(kept), len(claims) - len(kept))
