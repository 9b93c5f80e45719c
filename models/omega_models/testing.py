"""For tests of programs that embed the memory."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that stands still until it is moved: `Store(path, clock=FakeClock(start))`.

    `start` is a datetime or ISO-8601 text; naive is UTC.
    """

    def __init__(self, start: datetime | str = "2026-01-01") -> None:
        given = datetime.fromisoformat(start) if isinstance(start, str) else start
        self.now = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **timedelta_arguments: float) -> datetime:
        """Moves on by `timedelta(**timedelta_arguments)`; the new time."""
        self.now += timedelta(**timedelta_arguments)
        return self.now
