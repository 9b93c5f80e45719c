"""Omega's memory: one Store on a SQLite file or a PostgreSQL server.

from omega_models import Store

with Store("memory.db") as store:
    store.create_task("telegram", 42, 42, "Call John", "2026-03-01 09:00", timezone="Europe/Berlin")
"""

import logging

from omega_models.async_store import AsyncAuditLogger, AsyncStore
from omega_models.audit import AuditEntry, AuditLogger, AuditRecord, AuditStatus
from omega_models.claims import MissedPolicy
from omega_models.context import Context
from omega_models.conversations import ConversationRef, Summary
from omega_models.errors import (
    AmbiguousTaskId,
    InvalidArgument,
    InvalidId,
    InvalidRecord,
    InvalidRepeat,
    InvalidText,
    InvalidTime,
    InvalidTimezone,
    MigrationFailed,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    TextTooLong,
    TooManyTasks,
    WrongType,
)
from omega_models.exchanges import Turn
from omega_models.facts import Fact, SenderFact
from omega_models.incoming import Attachment, ContextNeeds, IncomingMessage, MessageMetadata, OutgoingMessage
from omega_models.language import detect_language
from omega_models.limitations import Limitation
from omega_models.messages import Message, StoredMessage
from omega_models.outcomes import Lesson, Outcome
from omega_models.prompt import (
    PromptTexts,
    build_system_prompt,
    compute_onboarding_stage,
    format_user_profile,
)
from omega_models.recall import RecalledMessage
from omega_models.receiving import Received
from omega_models.recurrence import next_occurrence
from omega_models.stats import MemoryStats, TokenEstimate
from omega_models.store import Store
from omega_models.values import ClaimedTask, DueTask, Occurrence, PendingTask, Task, TaskCreated

logging.getLogger("omega_models").addHandler(logging.NullHandler())

__all__ = [
    "AmbiguousTaskId",
    "AsyncAuditLogger",
    "AsyncStore",
    "Attachment",
    "AuditEntry",
    "AuditLogger",
    "AuditRecord",
    "AuditStatus",
    "ClaimedTask",
    "Context",
    "ContextNeeds",
    "ConversationRef",
    "DueTask",
    "Fact",
    "IncomingMessage",
    "InvalidArgument",
    "InvalidId",
    "InvalidRecord",
    "InvalidRepeat",
    "InvalidText",
    "InvalidTime",
    "InvalidTimezone",
    "Lesson",
    "Limitation",
    "MemoryStats",
    "Message",
    "MessageMetadata",
    "MigrationFailed",
    "MissedPolicy",
    "Occurrence",
    "Outcome",
    "OutgoingMessage",
    "PendingTask",
    "PromptTexts",
    "RecalledMessage",
    "Received",
    "SenderFact",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreUnavailable",
    "StoredMessage",
    "Summary",
    "Task",
    "TaskCreated",
    "TextTooLong",
    "TokenEstimate",
    "TooManyTasks",
    "Turn",
    "WrongType",
    "build_system_prompt",
    "compute_onboarding_stage",
    "detect_language",
    "format_user_profile",
    "next_occurrence",
]
