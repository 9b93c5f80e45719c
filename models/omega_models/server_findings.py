"""What a database depends on that lives on a server: its clock against ours, its version, what stands between."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from omega_models.database import Database
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding
from omega_models.times import system_clock

OLDEST_SERVER = 120_000
LOOKS = 3  # the quickest answer says most


class Skew(NamedTuple):
    """How far this machine's clock is ahead of the server's, give or take `doubt`."""

    ahead: timedelta
    doubt: timedelta

    def exceeds(self, limit: timedelta) -> bool:
        """For certain."""
        return abs(self.ahead) - self.doubt > limit

    def __str__(self) -> str:
        seconds = self.ahead.total_seconds()
        return f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the server's"


def skew(database: Database) -> Skew:
    """Asks the server for the time; half of what the answer took is in doubt."""
    return min((_look(database) for _ in range(LOOKS)), key=lambda found: found.doubt)


def _look(database: Database) -> Skew:
    before = system_clock()
    ((said,),) = database.sql_rows("SELECT clock_timestamp()")
    after = system_clock()
    half = (after - before) / 2
    return Skew(before + half - _utc(said), half)


def _utc(said: Any) -> datetime:
    told: datetime = said
    return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)


def wrong_clock(found: Skew, lease: timedelta) -> str | None:
    """What to say where it is too far off for leases to mean the same to everybody."""
    if not found.exceeds(lease / 2):
        return None
    return (
        f"this machine's clock is {found}, by more than half a lease ({lease.total_seconds() / 2:g} s): "
        "set it by NTP; until then nothing is claimed here"
    )


def examine(database: Database, lease: timedelta) -> Iterator[Finding]:
    """Nothing for a file."""
    if database.is_postgres:
        yield _clock(skew(database), lease)
        yield _version(database)
        yield from _between(database)


def _clock(found: Skew, lease: timedelta) -> Finding:
    wrong = wrong_clock(found, lease)
    if wrong:
        return Finding("clock", PROBLEM, wrong)
    level = OK if not found.exceeds(lease / 8) else WARNING
    return Finding("clock", level, f"this machine's clock is {found}; leases are {lease.total_seconds():g} s")


def _version(database: Database) -> Finding:
    ((number, name),) = database.sql_rows(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    if number < OLDEST_SERVER:
        return Finding("server", PROBLEM, f"PostgreSQL {name} is too old: 12 or newer is needed")
    return Finding("server", OK, f"PostgreSQL {name}")


def _between(database: Database) -> Iterator[Finding]:
    engine: Any = database.engine
    if engine.connector.pooled:
        said = "a pooler stands before the server: every transaction costs one question more, and a worker looks "
        yield Finding("server", NOTE, f"{said}for new tasks once a second instead of being told")
    ((readable,),) = database.sql_rows("SELECT pg_is_in_recovery()")
    if readable:
        yield Finding("server", PROBLEM, "it is a standby, which only reads: name the server that writes")
