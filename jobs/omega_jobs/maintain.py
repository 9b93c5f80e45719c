"""Housekeeping that any one of the workers does, once an hour."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from omega_models import Store, StoreBusy, erasing
from omega_models.presence import forget_old, release_lease, take_lease
from omega_models.recall_index import index_all
from omega_models.retention import (
    MAINTAINED,
    Rest,
    forget_audit,
    forget_conversations,
    forget_leases,
    forget_outcomes,
    forget_settled,
)

LEASE = "maintain"
FOR = timedelta(minutes=10)
MOST_INDEXED = 200_000  # messages a round: about a minute, with the rests between the batches
INDEXED_AT_ONCE = 128  # ten milliseconds, that a delivery may have to wait


@dataclass(frozen=True)
class Keep:
    """How long rows are kept once they have ended; None: for ever."""

    ledger: timedelta | None = timedelta(days=365)
    audit: timedelta | None = None
    conversations: timedelta | None = None
    outcomes: timedelta | None = None


class Maintained(NamedTuple):
    """Rows deleted, by kind; messages indexed for recall; whether the write-ahead log was emptied or is still read.

    `erased` is None unless a clean-up after forgetting was left over: then whether it came to its end.
    """

    ledger: int
    audit: int
    workers: int
    leases: int
    indexed: int
    log_emptied: bool
    conversations: int = 0
    outcomes: int = 0
    erased: bool | None = None


def maintain_once(
    store: Store, worker_id: str, keep: Keep = Keep(), rest: Rest = time.sleep
) -> Maintained | None:
    """Deletes what is old, indexes what recall does not know yet, refreshes statistics, empties the log.

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
            conversations=forget_conversations(store, now - keep.conversations, rest)
            if keep.conversations
            else 0,
            outcomes=forget_outcomes(store, now - keep.outcomes, rest) if keep.outcomes else 0,
            workers=forget_old(store),
            leases=forget_leases(store),
            indexed=index_all(store.database, most=MOST_INDEXED, at_once=INDEXED_AT_ONCE, rest=rest),
            erased=_finish_forgetting(store),
            log_emptied=store.database.tidy(),
        )
        take_lease(store, MAINTAINED, worker_id, timedelta(0))
        return done
    finally:
        release_lease(store, LEASE, token)


def _finish_forgetting(store: Store) -> bool | None:
    """What a call to forget that was interrupted has left of somebody in the file."""
    if not erasing.is_wanted(store):
        return None
    try:
        erasing.finish(store)
    except StoreBusy:
        return False
    return True
