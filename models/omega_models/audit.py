"""The audit log: every request and what became of it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from peewee import Node

from omega_models import checks, times
from omega_models.conversations import ROWID
from omega_models.database import Database
from omega_models.errors import InvalidArgument, StoreError
from omega_models.statements import Given
from omega_models.tables import AuditRow as A

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")


class AuditStatus(StrEnum):
    OK = "ok"
    ERROR = "error"
    DENIED = "denied"


@dataclass(frozen=True)
class AuditEntry:
    """A request, the answer to it, and who gave that; or why it was denied."""

    channel: str
    sender_id: str | int
    input_text: str
    status: AuditStatus = AuditStatus.OK
    sender_name: str | None = None
    output_text: str | None = None
    provider_used: str | None = None
    model: str | None = None
    processing_ms: int | None = None
    denial_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class AuditRecord(AuditEntry):
    """An entry as it was kept."""

    id: str
    timestamp: datetime


STATUSES = tuple(AuditStatus)
COLUMNS = tuple(field.name for field in fields(AuditEntry))
LONGEST_MS = 2**31 - 1  # a server's integer
OPTIONAL_TEXTS = ("sender_name", "output_text", "provider_used", "model", "denial_reason")


def _insert(_: Database) -> Node:
    return A.insert({getattr(A, name): Given(name) for name in ("id", "timestamp", *COLUMNS)})


def _recent(_: Database, of_sender: bool, of_status: bool) -> Node:
    found = A.select(A.id, A.timestamp, *(getattr(A, name) for name in COLUMNS))
    if of_sender:
        found = found.where(A.sender_id == Given("sender_id"))
    if of_status:
        found = found.where(A.status == Given("status"))
    return found.order_by(A.timestamp.desc(), ROWID.desc()).limit(Given("limit"))


class AuditLogger:
    """Writes to the Store's audit log, each time in a transaction of its own.

    A write that fails takes nothing else with it, is logged (without any text), and raises its `StoreError`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def log(self, entry: AuditEntry) -> None:
        """Keeps the entry. Raises `StoreError`, `InvalidId`, `InvalidText` or `TextTooLong`."""
        self.log_all([entry])

    def log_all(self, entries: Iterable[AuditEntry]) -> None:
        """Keeps all of them in one transaction, or none."""
        now = times.to_text(self.store.clock())
        rows = [self._row(entry, now) for entry in checks.several(entries, "entries")]
        try:
            with self.store.database.writing():
                self.store.database.many(_insert, sets=rows)
        except StoreError as error:
            log.error("%d audit entries were not written: %s", len(rows), error)
            raise

    def recent(
        self, limit: int, sender_id: str | int | None = None, status: AuditStatus | str | None = None
    ) -> list[AuditRecord]:
        """The latest entries, newest first, of one sender and one status where those are given."""
        given = {
            "limit": checks.limit(limit),
            "sender_id": None if sender_id is None else checks.identifier(sender_id, "sender_id"),
            "status": None if status is None else _status(status),
        }
        rows = self.store.database.rows(_recent, sender_id is not None, status is not None, **given)
        return [_record(*row) for row in rows]

    def _row(self, entry: AuditEntry, now: str) -> dict[str, Any]:
        checks.instance(entry, "entry", AuditEntry)
        longest = self.store.max_text
        row = vars(entry) | {
            "id": str(uuid.uuid4()),
            "timestamp": now,
            "channel": checks.identifier(entry.channel, "channel"),
            "sender_id": checks.identifier(entry.sender_id, "sender_id"),
            "input_text": checks.text(entry.input_text, "input_text", longest),
            "status": _status(entry.status),
        }
        for name in OPTIONAL_TEXTS:
            if row[name] is not None:
                checks.text(row[name], name, longest)
        if entry.processing_ms is not None:
            checks.limit(entry.processing_ms, "processing_ms")
            if entry.processing_ms > LONGEST_MS:
                raise InvalidArgument(f"processing_ms must be {LONGEST_MS:,} at most")
        return row


def _status(given: AuditStatus | str) -> str:
    return checks.one_of(given, "status", STATUSES).lower()


def _record(record_id: str, timestamp: str | datetime, *columns: Any) -> AuditRecord:
    known = dict(zip(COLUMNS, columns, strict=True))
    known["status"] = AuditStatus(known["status"])
    return AuditRecord(id=record_id, timestamp=times.from_text(timestamp), **known)
