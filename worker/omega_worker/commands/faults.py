"""Errors that end a command with a sentence instead of a traceback."""

from omega_models.errors import (
    AmbiguousTaskId,
    InvalidId,
    InvalidRepeat,
    InvalidText,
    InvalidTime,
    InvalidTimezone,
    StoreError,
    TextTooLong,
    TooManyTasks,
)
from omega_worker.channels.console import visible
from omega_worker.settings import SettingsError


class Refused(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""


class Misused(Exception):
    """Arguments that do not go together."""


MENDABLE = (
    AmbiguousTaskId,
    InvalidId,
    InvalidRepeat,
    InvalidText,
    InvalidTime,
    InvalidTimezone,
    Misused,
    OSError,
    Refused,
    StoreError,
    TextTooLong,
    TooManyTasks,
)


def sentences(error: Exception) -> list[str]:
    """What to say about an error, line by line; nothing for one that is a fault of the program."""
    if isinstance(error, SettingsError):
        return [_one_line(line) for line in error.lines]
    if isinstance(error, OSError) and error.strerror:
        return [_one_line(f"{error.filename or 'standard output'}: {error.strerror}")]
    return [_one_line(str(error) or type(error).__name__)] if isinstance(error, MENDABLE) else []


def _one_line(text: str) -> str:
    return visible(" ".join(text.split("\n")))
