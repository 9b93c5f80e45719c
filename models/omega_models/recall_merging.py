"""SQLite keeps what is indexed in parts, one after the other, and a search looks into each: fewer are quicker."""

from collections.abc import Callable
from time import perf_counter

from peewee import SQL, Node

from omega_models.database import Database

RESTING = 0.5  # of the time that a step took
CHANGES_OF_A_STEP = 2  # at least, where there was anything to bring together


def _is_early(_: Database) -> Node:
    return SQL("SELECT 1 FROM recall_config WHERE k = 'usermerge' AND v = 2")


def _early(_: Database) -> Node:
    """From two parts of about one size on; without that, from four."""
    return SQL("INSERT INTO recall (recall, rank) VALUES ('usermerge', 2)")


def _step(_: Database) -> Node:
    """A hundred pages, which takes some ten milliseconds."""
    return SQL("INSERT INTO recall (recall, rank) VALUES ('merge', 100)")


def _changes(_: Database) -> Node:
    return SQL("SELECT total_changes()")


def merge(database: Database, rest: Callable[[float], object]) -> None:
    """Brings parts of about one size together, in short transactions with a rest after each. On a server nothing."""
    if database.is_postgres:
        return
    if not database.value(_is_early):
        database.run(_early)
    while True:
        begun, before = perf_counter(), database.value(_changes)
        database.run(_step)
        if database.value(_changes) - before < CHANGES_OF_A_STEP:
            return
        rest((perf_counter() - begun) * RESTING)
