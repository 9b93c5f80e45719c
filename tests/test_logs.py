"""The log of the command line: three shapes, no secrets, nothing lost of other libraries."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from loguru import logger

from omega_worker.logs import Intercept, LogFormat, configure_logs, redactor

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    names = ["apscheduler", "httpx", "httpcore", "peewee", "asyncio"]
    levels = {name: logging.getLogger(name).level for name in names}
    handlers, level = list(root.handlers), root.level
    yield
    logger.remove()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def started(
    fmt: LogFormat = "text", level: str = "DEBUG", secrets: tuple[str, ...] = (), terminal: bool = False
) -> io.StringIO:
    stream = Terminal() if terminal else io.StringIO()
    configure_logs(level, fmt, stream, secrets)
    return stream


def fail(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("It failed: {}", text)


def test_text_is_one_plain_line() -> None:
    stream = started()
    logger.info("{} task claimed", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO     1 task claimed\n", stream.getvalue())


def test_text_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = started(terminal=True)
    logger.info("hello")
    assert "\x1b[32m" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    stream = started(terminal=True)
    logger.info("hello")
    assert "\x1b" not in stream.getvalue()


def test_the_level_is_kept() -> None:
    stream = started(level="WARNING")
    logger.info("quiet")
    logging.getLogger("somewhere").info("quiet")
    logger.warning("loud")
    logging.getLogger("somewhere").warning("loud")
    assert stream.getvalue().count("loud") == 2
    assert "quiet" not in stream.getvalue()


def test_configuring_again_replaces_everything() -> None:
    first, second = started(), started()
    logger.info("once")
    logging.getLogger("somewhere").info("and once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 2
    assert sum(isinstance(handler, Intercept) for handler in logging.getLogger().handlers) == 1


def test_what_is_logged_cannot_forge_lines_or_drive_the_terminal() -> None:
    stream = started()
    logger.info("{}", "a\x1b[2J\r\n2026-11-20 09:00:00 ERROR    forged\rx")
    assert stream.getvalue().splitlines()[1].startswith("    2026")
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "priority"),
    [("CRITICAL", 2), ("ERROR", 3), ("WARNING", 4), ("SUCCESS", 5), ("INFO", 6), ("DEBUG", 7), ("TRACE", 7)],
)
def test_the_journal_has_a_priority_on_every_line(level: str, priority: int) -> None:
    stream = started("journal", "TRACE")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger.opt(exception=True).log(level, "It failed")
    lines = stream.getvalue().splitlines()
    assert len(lines) > 4
    assert all(line.startswith(f"<{priority}>") for line in lines)
    assert lines[0] == f"<{priority}>It failed"


def test_auto_is_the_journal_under_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    stream = started("auto")
    logger.info("hello")
    assert stream.getvalue() == "<6>hello\n"
    monkeypatch.delenv("JOURNAL_STREAM")
    stream = started("auto")
    logger.info("hello")
    assert stream.getvalue().endswith(" INFO     hello\n")


def test_json_is_one_object_per_line() -> None:
    stream = started("json")
    logger.bind(task="1f2e3d4c", attempt=2).info('two\nlines, "quoted" ☕')
    fail("x")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "INFO",
        "logger": "test_logs",
        "message": 'two\nlines, "quoted" ☕',
        "task": "1f2e3d4c",
        "attempt": "2",
    }
    assert second["exception"].startswith("Traceback")
    assert second["exception"].endswith("ValueError: x")


FORMATS: list[LogFormat] = ["text", "journal", "json"]


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("secret", ["hunter2!", 'with "quotes" \\ and ☕', "a/b+c=d e"])
def test_given_secrets_are_nowhere_not_even_in_tracebacks(fmt: LogFormat, secret: str) -> None:
    stream = started(fmt, secrets=(secret, "", "abc"))
    fail(secret)
    logger.bind(extra=secret).info("and as an extra")
    text = stream.getvalue()
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in text
    assert "It failed: ***" in text
    assert "ValueError: ***" in text


def test_secrets_are_gone_from_coloured_tracebacks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = started(secrets=("hunter2!",), terminal=True)
    fail("postgresql://omega:pa@ss@db/omega hunter2!")
    assert "hunter2" not in stream.getvalue()
    assert "ss@db" not in stream.getvalue()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("POST https://user:pw@example.org/x", "POST https://***@example.org/x"),
        ("postgresql://omega:p@ss@db/omega", "postgresql://***@db/omega"),
        (f"https://api.telegram.org/bot{TOKEN}/sendMessage", "https://api.telegram.org/bot***/sendMessage"),
        (f"token {TOKEN}.", "token ***."),
        ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/***"),
        ("https://example.org/api/webhooks/12/abc?wait=1", "https://example.org/api/webhooks/***?wait=1"),
        ("xoxb-12-abc", "***"),
        ("whsec_c2VjcmV0", "***"),
        ("https://h/x?a=1&token=abc&b=2#c", "https://h/x?a=1&token=***&b=2#c"),
        ("host=db password=abc user=omega", "host=db password=*** user=omega"),
        ("mail a@example.org at 09:00, see http://h/@x", "mail a@example.org at 09:00, see http://h/@x"),
        ("task 1f2e3d4c of 123456:30 keys: 3", "task 1f2e3d4c of 123456:30 keys: 3"),
    ],
)
def test_credentials_are_known_by_their_shape(said: str, shown: str) -> None:
    assert redactor()(said) == shown


def test_a_quoted_secret_is_found_and_the_longest_wins() -> None:
    redact = redactor(["a b/c", "a b/c d"])
    assert redact("x=a%20b%2Fc&y a b/c d") == "x=***&y ***"


def test_tracebacks_show_no_values() -> None:
    stream = started()

    def inner(password: str) -> float:
        return len(password) / 0

    try:
        inner("swordfish-in-a-variable")
    except ZeroDivisionError:
        logger.exception("It failed")
    assert "ZeroDivisionError" in stream.getvalue()
    assert "'swordfish" not in stream.getvalue()


def test_the_standard_librarys_log_keeps_its_logger_level_and_traceback() -> None:
    stream = started("json")
    log = logging.getLogger("some.library")
    log.warning("%d of {these}", 3)
    try:
        raise OSError("gone")
    except OSError:
        log.exception("failed")
    log.log(35, "between")
    misfit = log.makeRecord(log.name, logging.WARNING, __file__, 1, "%d", ("not a number",), None)
    Intercept().emit(misfit)
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [entry["message"] for entry in entries] == [
        "3 of {these}",
        "failed",
        "between",
        "%d (its arguments do not fit)",
    ]
    assert {entry["logger"] for entry in entries} == {"some.library"}
    assert "OSError: gone" in entries[1]["exception"]
    assert [entry["level"] for entry in entries] == ["WARNING", "ERROR", "Level 35", "WARNING"]


def test_chatty_libraries_are_heard_from_warnings_on() -> None:
    stream = started(level="TRACE")
    for name in ("apscheduler.executors.default", "httpx", "httpcore.connection", "peewee"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    assert "chatter" not in stream.getvalue()
    assert stream.getvalue().count("trouble") == 4


def test_a_broken_stream_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    stream = started(secrets=("hunter2!",))
    stream.close()
    logger.info("hunter2!")
    logging.getLogger("somewhere").warning("hunter2!")
    assert capsys.readouterr() == ("", "")


def test_what_the_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    configure_logs("INFO", "text", stream)
    logger.info("☕")
    assert raw.getvalue().endswith(b"\\u2615\n")
    stream.close()


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "journal")
    logger.info("hello")
    assert capsys.readouterr() == ("", "<6>hello\n")


def test_unknown_names_are_refused_and_change_nothing() -> None:
    stream = started()
    with pytest.raises(ValueError, match="auto, text, journal or json"):
        configure_logs("INFO", "xml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="LOUD"):
        configure_logs("LOUD")
    logger.info("still here")
    assert "still here" in stream.getvalue()
