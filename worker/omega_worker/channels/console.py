"""The channel that always exists: one line per delivery on standard output."""

import re
import sys
import threading
from functools import partial
from typing import TextIO

from omega_jobs.delivery import Delivery, DeliveryError
from omega_worker.channels.seam import Channel

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_INDENT = " " * len("09:00:00  ")
# Every console channel of a process writes to the same terminal.
_one_at_a_time = threading.Lock()


def console_channel(stream: TextIO | None = None) -> Channel:
    """A channel that prints to `stream`, or to whatever `sys.stdout` is at that moment.

    `09:00:00  Reminder: Call John  [task 1f2e3d4c, attempt 1]`; the time is that of sending, in the
    task's zone. Further lines of a text are indented. Returns no receipt; a stream that is closed or
    broken is a `DeliveryError` to be retried.
    """
    return Channel(partial(_send, stream), on_ambiguous="retry", name="console")


def visible(text: str) -> str:
    """The text with everything that could drive a terminal escaped, line ends excepted."""
    unified = text.replace("\r\n", "\n")
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), unified)


def encodable(text: str, encoding: str | None) -> str:
    """The text with what the encoding (None: any) cannot express as backslash escapes."""
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text


def _send(stream: TextIO | None, delivery: Delivery) -> None:
    line = _line(delivery)
    out: TextIO | None = sys.stdout if stream is None else stream
    if out is None:
        raise DeliveryError("there is no standard output")
    try:
        with _one_at_a_time:
            out.write(encodable(line, getattr(out, "encoding", None)))
            out.flush()
    except (OSError, ValueError) as error:  # a closed stream is a ValueError
        raise DeliveryError(f"the output stream is broken ({type(error).__name__})") from None


def _line(delivery: Delivery) -> str:
    sent = (delivery.scheduled_for + delivery.late_by).astimezone(delivery.scheduled_local.tzinfo)
    text = visible(delivery.text).replace("\n", "\n" + _INDENT)
    mark = f"[task {visible(delivery.task_id[:8])}, attempt {delivery.attempt}]"
    return f"{sent:%H:%M:%S}  {text}  {mark}\n"
