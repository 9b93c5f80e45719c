"""Every request leaves a record, or an error that nobody can overlook."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omega_models import (
    AuditEntry,
    AuditLogger,
    AuditStatus,
    IncomingMessage,
    InvalidId,
    InvalidText,
    Store,
    StoreError,
    TextTooLong,
)
from omega_models.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, max_text=1000) as opened:
        yield opened


@pytest.fixture
def audit(store: Store) -> AuditLogger:
    return AuditLogger(store)


def test_an_entry_comes_back_as_it_was(audit: AuditLogger) -> None:
    entry = AuditEntry("telegram", "42", "hello", AuditStatus.ERROR, "Ω", "hi", "local", "m", 340, "none")
    audit.log(entry)
    (found,) = audit.recent(5)
    assert {name: getattr(found, name) for name in vars(entry)} == vars(entry)
    assert (found.timestamp, len(found.id)) == (NOON, 36)


def test_only_three_things_are_needed(audit: AuditLogger) -> None:
    audit.log(AuditEntry("telegram", 42, ""))
    (found,) = audit.recent(5)
    assert (found.sender_id, found.status, found.output_text, found.processing_ms) == ("42", "ok", None, None)


def test_the_latest_come_first(audit: AuditLogger, clock: FakeClock) -> None:
    audit.log_all(AuditEntry("telegram", 42, text) for text in "abc")
    clock.advance(seconds=-1)
    audit.log(AuditEntry("telegram", 42, "before"))
    assert [found.input_text for found in audit.recent(9)] == ["c", "b", "a", "before"]
    assert [found.input_text for found in audit.recent(2)] == ["c", "b"]


def test_of_one_sender_and_one_status(audit: AuditLogger) -> None:
    for sender, status in ((1, "ok"), (1, "denied"), (2, "denied")):
        audit.log(AuditEntry("telegram", sender, f"{sender} {status}", status=AuditStatus(status)))
    assert [found.input_text for found in audit.recent(9, sender_id=1)] == ["1 denied", "1 ok"]
    assert [found.input_text for found in audit.recent(9, status=AuditStatus.DENIED)] == [
        "2 denied",
        "1 denied",
    ]
    assert [found.input_text for found in audit.recent(9, 1, "ok")] == ["1 ok"]  # type: ignore[arg-type]
    assert audit.recent(9, sender_id=3) == []


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (InvalidId, {"channel": ""}),
        (InvalidId, {"sender_id": None}),
        (InvalidText, {"input_text": "a\0b"}),
        (TextTooLong, {"output_text": "x" * 1001}),
        (InvalidText, {"model": 7}),
        (ValueError, {"status": "fine"}),
        (ValueError, {"processing_ms": -1}),
    ],
)
def test_what_cannot_be_kept_is_refused(
    audit: AuditLogger, error: type[Exception], change: dict[str, Any]
) -> None:
    good = {"channel": "telegram", "sender_id": 42, "input_text": "hi"}
    with pytest.raises(error):
        audit.log_all([AuditEntry(**good), AuditEntry(**(good | change))])
    assert audit.recent(9) == []


def test_a_write_that_fails_is_said_and_takes_nothing_with_it(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(tmp_path / "m.db", clock=clock) as store:
        with closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as connection:
            connection.execute("DROP TABLE audit_log")
        conversation = store.store_exchange(IncomingMessage("telegram", 42, "my secret"), "hi")
        with pytest.raises(StoreError):
            AuditLogger(store).log(AuditEntry("telegram", 42, "my secret", output_text="hi"))
        assert len(store.get_messages(conversation)) == 2
    assert "1 audit entries were not written" in caplog.text
    assert "my secret" not in caplog.text
