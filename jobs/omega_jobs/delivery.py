"""What goes to a channel and what comes back: pure values, known to every side of a delivery."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Outcome = Literal["delivered", "retry", "failed", "ambiguous"]

LONGEST_WAIT = timedelta(days=365)
_LONGEST_ERROR = 500
_LONGEST_RECEIPT = 200
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True)
class Delivery:
    """One occurrence of one task on its way to a channel.

    `id` is the occurrence's and the same on every attempt: the key by which a receiver de-duplicates.
    `scheduled_for` is aware UTC, `scheduled_local` the same instant in the task's zone, `attempt`
    counts from 1, `late_by` is how long after its instant it is being sent. `text` is what to show,
    `description` the user's own words; neither appears in the repr.
    """

    id: str
    task_id: str
    channel: str
    sender_id: str
    reply_target: str
    text: str = field(repr=False)
    description: str = field(repr=False)
    scheduled_for: datetime
    scheduled_local: datetime
    attempt: int
    late_by: timedelta
    project: str
    is_action: bool


class DeliveryError(Exception):
    """Raised by a channel that did not deliver.

    `reason` is stored in the ledger and shown to people: no message text, no secrets. `retry=False`
    gives this occurrence up; `retry_after` (a timedelta, or seconds) is the earliest next attempt;
    `ambiguous=True` says that it may have arrived, and then `retry` is ignored.
    """

    def __init__(
        self,
        reason: str,
        retry: bool = True,
        retry_after: timedelta | float | None = None,
        *,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.retry_after = _wait(retry_after)
        self.ambiguous = ambiguous


@dataclass(frozen=True)
class Verdict:
    """What one attempt came to, in the words `Store.settle` takes."""

    outcome: Outcome
    receipt: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None


def verdict_of(exception: BaseException) -> Verdict:
    """What an exception out of a channel means.

    A `DeliveryError` means what it says. Anything else is a retry, named by its type alone: its
    message may hold the text of a reminder or a secret.
    """
    if not isinstance(exception, DeliveryError):
        return Verdict("retry", error=type(exception).__name__)
    error = one_line(exception.reason, _LONGEST_ERROR) or type(exception).__name__
    if exception.ambiguous:
        return Verdict("ambiguous", error=error, retry_after=exception.retry_after)
    if exception.retry:
        return Verdict("retry", error=error, retry_after=exception.retry_after)
    return Verdict("failed", error=error)


def accepted(receipt: object) -> Verdict:
    """`delivered`, with what the channel returned as receipt if that is text or a whole number."""
    known = isinstance(receipt, str | int) and not isinstance(receipt, bool)
    return Verdict("delivered", receipt=(one_line(receipt, _LONGEST_RECEIPT) or None) if known else None)


def one_line(text: object, limit: int) -> str:
    """At most `limit` characters of a text, with runs of what a column cannot hold as one space."""
    try:
        words = str(text)
    except ValueError:  # a whole number beyond the interpreter's digit limit
        return ""
    return _UNSTORABLE.sub(" ", words[: 4 * limit]).strip()[:limit]


def _wait(given: timedelta | float | None) -> timedelta | None:
    if given is None:
        return None
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0), LONGEST_WAIT.total_seconds()))
