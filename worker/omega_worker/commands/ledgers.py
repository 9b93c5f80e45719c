"""The ledger as a table."""

from collections.abc import Callable, Iterable
from datetime import datetime

from omega_models import Occurrence
from omega_worker.commands.moments import moment
from omega_worker.commands.spans import lateness
from omega_worker.commands.tables import Column, print_table

COLUMNS = (
    Column("TASK"),
    Column("SCHEDULED"),
    Column("STATE"),
    Column("TRIES", right=True),
    Column("LATE", right=True),
    Column("NOTE", takes_rest=True, wraps=True),
)


def print_ledger(
    entries: Iterable[tuple[str, str | None, Occurrence]],
    now: datetime,
    said: Callable[[datetime], str] | None = None,
) -> None:
    """`entries`: the task's name (empty for all where it goes without saying), its zone, the row.

    `said` puts an instant into words; by default with day and zone.
    """
    rows = [
        (name, said(each.scheduled_for) if said else moment(each.scheduled_for, zone, now), *_rest(each))
        for name, zone, each in entries
    ]
    print_table(COLUMNS, rows, indent=2)


def _rest(each: Occurrence) -> tuple[str, ...]:
    many = f"stands for {each.stands_for:,} occurrences" if each.stands_for > 1 else ""
    receipt = f"receipt {each.receipt}" if each.receipt else ""
    return (
        each.status,
        str(each.attempts),
        lateness(each.lateness),
        "; ".join(filter(None, (each.reason, each.error, receipt, many))),
    )
