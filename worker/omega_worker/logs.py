"""Where the log of the command line goes, how it looks, and what it never shows.

Only the command line calls this: an embedded worker logs through loguru and leaves the sinks alone.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Literal, TextIO
from urllib.parse import quote

from loguru import logger

from omega_worker.channels.console import encodable, visible

if TYPE_CHECKING:
    from loguru import Message, Record

LogFormat = Literal["auto", "text", "journal", "json"]

_SHORTEST_SECRET = 4
_QUIET = (
    *("apscheduler", "httpx", "httpcore", "peewee", "asyncio", "urllib3"),
    *("requests_oauthlib", "oauthlib", "slixmpp", "MARKDOWN"),  # what Apprise brings
)
_PRIORITIES = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "SUCCESS": 5, "INFO": 6}
_DEBUG = 7
_COLOURED = "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <8}</level> {message}\n{exception}"
_PLAIN = "{time:YYYY-MM-DD HH:mm:ss} {level: <8} {message}\n{exception}"
_JOURNAL = "{message}\n{exception}"
_JSON = "{exception}"
_TOKENS = [  # what a text must hold in lower letters, the pattern, and what takes its place
    (("@",), re.compile(r"(?<=://)[^\s/?#]*@"), "***@"),
    ((":",), re.compile(r"(?<!\d)\d{6,}:[A-Za-z0-9_-]{30,}"), "***"),
    (("xox",), re.compile(r"\bxox[a-z]-[A-Za-z0-9-]+"), "***"),
    (("whsec_",), re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), "***"),
    (
        ("slack.com", "webhooks"),
        re.compile(r"(hooks\.slack\.com/services/|/api/webhooks/)[^\s\"'?#]+"),
        r"\1***",
    ),
    (
        ("token=", "key=", "secret=", "password=", "passwd=", "pwd="),
        re.compile(r"(?i)\b((?:access_|auth_)?token|api_?key|key|secret|password|passwd|pwd)=[^\s&#\"']+"),
        r"\1=***",
    ),
]


def configure_logs(
    level: str, fmt: LogFormat = "auto", stream: TextIO | None = None, secrets: Iterable[str] = ()
) -> None:
    """Send every log line of this process to `stream` (default: standard error), replacing all sinks.

    `level` is a loguru level name; `auto` is `journal` when systemd has connected the stream, else
    `text` (in colour only on a terminal). `secrets` of at least 4 characters, credentials in
    addresses and bot tokens are replaced by `***` in the finished line, tracebacks included.
    Raises ValueError for an unknown level or format.
    """
    out = sys.stderr if stream is None else stream
    chosen = _format(fmt)
    redact = redactor(secrets)
    coloured = chosen == "text" and _is_terminal(out)
    templates = {"text": _COLOURED if coloured else _PLAIN, "journal": _JOURNAL, "json": _JSON}
    write = {"text": _text, "journal": _journal, "json": _json}[chosen]
    number = logger.level(level).no
    logger.enable("omega_worker")  # as a library it is silent
    logger.remove()
    logger.add(
        _sink(out, lambda message: write(message, redact)),
        level=level,
        format=_layout(templates[chosen]),
        colorize=coloured,
        backtrace=False,
        diagnose=False,
        catch=False,  # loguru's report of a failing sink prints the record as it is, secrets included
    )
    _take_over_stdlib(number)


def redactor(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that blanks out these secrets, as they are and percent-quoted, and common tokens."""
    known = {
        form
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET
        for form in (secret, quote(secret, safe=""))
    }
    longest_first = sorted(known, key=len, reverse=True)
    given = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def redact(text: str) -> str:
        if given is not None:
            text = given.sub("***", text)
        lower = text.lower()
        for marks, pattern, replacement in _TOKENS:
            if any(mark in lower for mark in marks):  # several times cheaper than a search that finds nothing
                text = pattern.sub(replacement, text)
        return text

    return redact


class Intercept(logging.Handler):
    """Hands what the standard library logs to loguru, under the name of its logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; a level loguru does not name keeps its number."""
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        source = {"name": record.name, "function": record.funcName, "line": record.lineno}
        patched = logger.patch(lambda entry: entry.update(source))  # type: ignore[typeddict-item]
        patched.opt(exception=record.exc_info).log(level, "{}", _said(record))


def _format(fmt: str) -> Literal["text", "journal", "json"]:
    match fmt:
        case "auto":
            return "journal" if os.environ.get("JOURNAL_STREAM") else "text"
        case "text" | "journal" | "json":
            return fmt
    raise ValueError(f"the log format is auto, text, journal or json, not {fmt!r}")


def _is_terminal(stream: TextIO) -> bool:
    with suppress(AttributeError, ValueError):
        return stream.isatty() and not os.environ.get("NO_COLOR")
    return False


def _layout(template: str) -> "Callable[[Record], str]":
    def layout(record: "Record") -> str:
        if template != _JSON:
            record["message"] = visible(record["message"]).replace("\n", "\n    ")
        return template

    return layout


def _sink(stream: TextIO, shown: "Callable[[Message], str]") -> "Callable[[Message], None]":
    def write(message: "Message") -> None:
        # A log that cannot be written must not stop a delivery.
        with suppress(OSError, ValueError):
            stream.write(encodable(shown(message), getattr(stream, "encoding", None)))
            stream.flush()

    return write


def _text(message: "Message", redact: Callable[[str], str]) -> str:
    return redact(str(message).rstrip("\n")) + "\n"


def _journal(message: "Message", redact: Callable[[str], str]) -> str:
    priority = _PRIORITIES.get(message.record["level"].name, _DEBUG)
    lines = redact(str(message).rstrip("\n")).split("\n")
    return "".join(f"<{priority}>{line}\n" for line in lines)


def _json(message: "Message", redact: Callable[[str], str]) -> str:
    record = message.record
    entry = {
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record["level"].name,
        "logger": record["name"] or "",
        "message": redact(record["message"]),
    }
    entry |= {name: redact(str(value)) for name, value in record["extra"].items() if name not in entry}
    if str(message):
        entry["exception"] = redact(str(message).rstrip("\n"))
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _said(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # formatting someone else's arguments may raise anything
        return f"{record.msg} (its arguments do not fit)"


def _take_over_stdlib(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, Intercept)]
    root.addHandler(Intercept())
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
