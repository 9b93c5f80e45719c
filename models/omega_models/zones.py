"""Time zones by their IANA names."""

from functools import lru_cache
from zoneinfo import ZoneInfo

from omega_models.errors import InvalidTimezone


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name, such as `Europe/Berlin`; `InvalidTimezone` for anything else."""
    try:
        if name.startswith(("posix/", "right/", "localtime")):
            raise ValueError("a name of this machine, not of a zone")
        return ZoneInfo(name)
    except (ValueError, OSError, TypeError, LookupError, AttributeError) as error:
        raise InvalidTimezone(
            f"unknown time zone {str(name)[:60]!r}: give an IANA name such as 'Europe/Berlin' or 'UTC'"
        ) from error
