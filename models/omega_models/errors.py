"""Every error the memory layer raises, on one page.

`StoreError`s speak of the file or server; `ValueError`s speak of an argument and are raised
before anything is written. Where its type is wrong they are `TypeError`s besides, or speak of what
should have been given.
"""


class StoreError(Exception):
    """Something is wrong with the database; the message names it and the remedy."""


class StoreBusy(StoreError):
    """Another process still holds the lock after the busy timeout. Safe to retry."""


class MigrationFailed(StoreError):
    """The file could not be brought up to date; it is as it was before."""


class StoreUnavailable(StoreError):
    """The file or server cannot be used: missing, damaged, foreign, full, read-only or newer."""


class BackupFailed(StoreError):
    """No backup was made; whatever was there before is as it was."""


class RestoreRefused(StoreError):
    """The backup was not put in place; the database is as it was."""


class TransferRefused(StoreError):
    """Nothing was copied; both databases are as they were."""


class InvalidArgument(ValueError):
    """Out of range, or none of the choices."""


class WrongType(InvalidArgument, TypeError):
    """A value of a type that the call does not take."""


class InvalidTime(ValueError):
    """Not a point in time."""


class InvalidRepeat(ValueError):
    """Not a repeat this program knows, or a rule that never fires."""


class InvalidTimezone(ValueError):
    """Not the name of an IANA time zone."""


class InvalidId(ValueError):
    """An empty or unreadable id."""


class AmbiguousTaskId(ValueError):
    """A prefix that fits several tasks; nothing was changed."""


class TextTooLong(ValueError):
    """A text beyond the Store's `max_text`."""


class TooManyTasks(ValueError):
    """The sender already has `max_pending_tasks` tasks waiting."""


class InvalidText(ValueError):
    """A text that cannot be stored: empty where words are needed, NUL, or a lone surrogate."""


class InvalidRecord(ValueError):
    """A record that cannot be imported; the message gives its number, counted from 1, and none of its text."""

    def __init__(self, number: int, what: str) -> None:
        self.number = number
        super().__init__(f"record {number:,}: {what}. Nothing was imported")
