"""Time zones by their IANA names."""

from functools import lru_cache
from zoneinfo import ZoneInfo

from omega_models.errors import InvalidTimezone


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name, such as `Europe/Berlin`; `InvalidTimezone` for anything else."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, TypeError, LookupError) as error:
        raise InvalidTimezone(
            f"unknown time zone {name!r}: give an IANA name such as 'Europe/Berlin' or 'UTC'"
        ) from error
