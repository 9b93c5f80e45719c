"""Housekeeping that any one of the workers does, once an hour."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from omega_models import Store
from omega_models.presence import forget_old, release_lease, take_lease
from omega_models.retention import MAINTAINED, Rest, forget_audit, forget_leases, forget_settled

LEASE = "maintain"
FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class Keep:
    """How long rows are kept once they have ended; None: for ever."""

    ledger: timedelta | None = timedelta(days=365)
    audit: timedelta | None = None


class Maintained(NamedTuple):
    """Rows deleted, by kind, and whether the write-ahead log was emptied or somebody still reads from it."""

    ledger: int
    audit: int
    workers: int
    leases: int
    log_emptied: bool


def maintain_once(
    store: Store, worker_id: str, keep: Keep = Keep(), rest: Rest = time.sleep
) -> Maintained | None:
    """Deletes what is old, refreshes the planner's statistics, empties the write-ahead log.

    None: another worker is at it.
    """
    token = take_lease(store, LEASE, worker_id, FOR)
    if token is None:
        return None
    try:
        now = store.clock()
        done = Maintained(
            ledger=forget_settled(store, now - keep.ledger, rest) if keep.ledger else 0,
            audit=forget_audit(store, now - keep.audit, rest) if keep.audit else 0,
            workers=forget_old(store),
            leases=forget_leases(store),
            log_emptied=store.database.tidy(),
        )
        take_lease(store, MAINTAINED, worker_id, timedelta(0))
        return done
    finally:
        release_lease(store, LEASE, token)
