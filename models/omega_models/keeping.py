"""Keeping a claim, letting it run on, giving it back: whoever holds its token may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from peewee import Node

from omega_models import checks, ledger, times
from omega_models.database import Database
from omega_models.errors import InvalidArgument
from omega_models.moving import change, change_many
from omega_models.rows import FIELDS, TaskRow, to_row
from omega_models.tables import ScheduledTask as T
from omega_models.tables import TaskOccurrence as O

if TYPE_CHECKING:
    from omega_models.store import Store

DEFAULT_LEASE = timedelta(seconds=60)
LONGEST_LEASE = timedelta(days=366)


def checked_lease(lease: timedelta) -> timedelta:
    if not timedelta(0) < checks.instance(lease, "lease", timedelta) <= LONGEST_LEASE:
        raise InvalidArgument("lease must be above zero and of a year at most")
    return lease


def _held(db: Database) -> Node:
    matching = (T.id == O.task_id) & (T.claim == O.claim)
    query = (
        O.select(*ledger.READ, *FIELDS)
        .join(T, on=matching)
        .where(db.among(O.id, "occurrences"), db.among(O.claim, "tokens"))
    )
    return db.locking(query, T)


Held = tuple[ledger.LedgerRow, TaskRow]
BATCH = 500


def held_rows(store: Store, tokens: Sequence[str]) -> dict[str, Held]:
    """The ledger's and the task's row of each claim that still holds, by token."""
    found: dict[str, Held] = {}
    for start in range(0, len(tokens), BATCH):
        some = tokens[start : start + BATCH]
        rows = store.database.rows(
            _held,
            occurrences=store.database.listed([token.partition("/")[0] for token in some]),
            tokens=store.database.listed(some),
        )
        width = len(ledger.READ)
        pairs = [(ledger.to_row(row[:width]), to_row(row[width:])) for row in rows]
        found |= {entry.claim: (entry, row) for entry, row in pairs if entry.claim}
    return found


def extend_claims(store: Store, tokens: Iterable[str], lease: timedelta = DEFAULT_LEASE) -> set[str]:
    """Lets the claims hold for `lease` from now; those that still hold."""
    wanted = _tokens(tokens)
    until = times.ceil(store.clock() + checked_lease(lease))
    with store.database.writing(together=True):
        held = held_rows(store, wanted)
        change_many(store, [{"due_at": until, "task_id": row.id} for _, row in held.values()])
        return set(held)


def _tokens(tokens: Iterable[str]) -> Sequence[str]:
    given = [tokens] if isinstance(tokens, str) else checks.several(tokens, "tokens")
    return [checks.identifier(token, "token") for token in given]


def release_claims(store: Store, tokens: Iterable[str]) -> None:
    """Gives back claims nothing was sent for: due at once, the attempt not counted."""
    wanted = _tokens(tokens)
    with store.database.writing(together=True):
        for entry, row in held_rows(store, wanted).values():
            _release(store, entry, row)


def _release(store: Store, entry: ledger.LedgerRow, row: TaskRow) -> None:
    if entry.attempts > 1:
        ledger.change(store, entry.id, state="retrying", attempts=entry.attempts - 1, claim=None)
        change(store, row.id, claim=None, due_at=store.clock())
        return
    if entry.reason is None:
        ledger.forget(store, entry.id)
    else:
        ledger.change(store, entry.id, state="held", attempts=0, claim=None)
    change(store, row.id, claim=None, due_at=entry.due)
