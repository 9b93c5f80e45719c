"""What the calls of the memory take, by the names of their parameters; and what spoils it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st
from test_bad_input import JUNK

from omega_models import (
    Attachment,
    AuditEntry,
    AuditStatus,
    ContextNeeds,
    IncomingMessage,
    Lesson,
    MessageMetadata,
    Outcome,
    OutgoingMessage,
    PromptTexts,
    Store,
    build_system_prompt,
    compute_onboarding_stage,
    detect_language,
    format_user_profile,
    next_occurrence,
)
from omega_models.values import PendingTask

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
STATES = ("failed", "claimed", "one", "series", "snoozed", "paused")


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


# What each parameter may be, by its name. `$name` stands for what `fill` has put there.
NAMES = one_of("me", "you", 42, "group:7")
TEXTS = one_of("call john about the boat", "My sister moved to Norway", "🌱", "water NEAR(the, cactus) OR *")
PROJECTS = one_of("", "garden", None)
ZONES = one_of(None, "UTC", "Europe/Berlin")
TIMES = one_of(NINE, NINE + timedelta(days=40), NINE - timedelta(days=40), "2026-03-02 10:00")
LIMITS = one_of(0, 1, 5, 2**62, 2**63, 10**30)
TASK_IDS = one_of(*(f"${state}" for state in STATES))
TOKENS = one_of("$held", "$lost")
METADATA = one_of(None, {}, {"model": "m"}, MessageMetadata("p", 7))
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "alias_id": NAMES,
    "canonical_id": NAMES,
    "exclude_sender_id": NAMES,
    "sender_id": NAMES,
    "reply_target": NAMES,
    "group": one_of(None, 7, "8"),
    "channel": one_of("chat", "signal"),
    "channels": one_of(None, ["chat"]),
    "task_types": one_of(None, ["reminder", "action"]),
    "project": PROJECTS,
    "active_project": PROJECTS,
    "conversation_id": one_of("$active", "$closed", "nowhere"),
    "exclude_conversation_id": one_of("$active", "", None),
    "summary": TEXTS,
    "if_idle_since": st.none() | TIMES,
    "timestamp": st.none() | TIMES,
    "platform_message_id": one_of("m1", "m2", 3),
    "text": TEXTS,
    "content": TEXTS,
    "query": TEXTS,
    "role": one_of("user", "assistant"),
    "response": TEXTS | TEXTS.map(OutgoingMessage),
    "metadata": METADATA,
    "sender_name": st.none() | TEXTS,
    "base_system_prompt": TEXTS,
    "needs": one_of(ContextNeeds(), ContextNeeds(recall=False, profile=False)),
    "token_budget": one_of(None, 0, 50, 10**30),
    "limit": LIMITS,
    "count": one_of(0, 1, 5),
    "hours": one_of(0, 1, 0.5, 10**9, float("inf")),
    "key": one_of("name", "timezone", "preferred_language"),
    "value": TEXTS,
    "domain": TEXTS,
    "score": one_of(-1, 0, 1),
    "lesson": TEXTS,
    "source": TEXTS,
    "rule": TEXTS,
    "title": TEXTS,
    "description": TEXTS,
    "proposed_plan": TEXTS,
    "session_id": one_of("s1", "s2"),
    "id": TASK_IDS,
    "id_prefix": TASK_IDS,
    "due_at": TIMES,
    "new_due_at": TIMES,
    "until": TIMES,
    "repeat": one_of(None, "once", "daily", "cron:0 9 * * *", "RRULE:FREQ=HOURLY"),
    "task_type": one_of("reminder", "action"),
    "timezone": ZONES,
    "dedupe": one_of("similar", "exact", "off"),
    "urgent": st.booleans(),
    "status": one_of(None, "pending", "ok"),
    "worker_id": one_of("w"),
    "lease": one_of(timedelta(seconds=60)),
    "tokens": TOKENS | st.lists(TOKENS, max_size=3),
    "token": TOKENS,
    "outcome": one_of("delivered", "retry", "failed", "ambiguous"),
    "receipt": st.none() | TEXTS,
    "error": st.none() | TEXTS,
    "retry_after": one_of(None, 5, timedelta(seconds=5)),
    "max_retries": one_of(0, 1, 5),
    "dry_run": st.booleans(),
    "folder": one_of(None, "/nowhere", "."),
}


class Broken(NamedTuple):
    """An export in which one value of one record is another."""

    record: int
    value: int
    junk: Any

    def of(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = [dict(each) for each in records]
        broken = found[self.record % len(found)]
        broken[list(broken)[self.value % len(broken)]] = self.junk
        return found


# What fits a message


MESSAGE: dict[str, st.SearchStrategy[Any]] = {
    "channel": GOOD["channel"],
    "sender_id": NAMES,
    "text": TEXTS,
    "sender_name": st.none() | TEXTS,
    "timestamp": st.none() | TIMES,
    "reply_target": one_of("me", 7),
    "platform_message_id": one_of(None, "m1", "m2", 3),
    "reply_to": one_of(None, "m1"),
    "is_group": st.booleans(),
    "attachments": one_of((), (Attachment("photo", "a.png", "image/png", 7, "ref"),)),
    "source": st.none() | TEXTS,
    "id": one_of(None, "own"),
}
ENTRY: dict[str, st.SearchStrategy[Any]] = {
    "channel": GOOD["channel"],
    "sender_id": NAMES,
    "input_text": TEXTS,
    "status": one_of(AuditStatus.OK, "denied"),
    **dict.fromkeys(("sender_name", "output_text", "provider_used", "model"), st.none() | TEXTS),
    "processing_ms": one_of(None, 0, 7),
    "denial_reason": st.none() | TEXTS,
}


@st.composite
def spoilt(draw: st.DrawFn, good: Mapping[str, st.SearchStrategy[Any]], least: int = 1) -> dict[str, Any]:
    """Good values, of which one to three are replaced by anything at all."""
    places = draw(st.sets(st.sampled_from(sorted(good)), min_size=least, max_size=3)) if good else set()
    return {name: draw(JUNK if name in places else strategy) for name, strategy in good.items()}


@st.composite
def made(draw: st.DrawFn, kind: Callable[..., Any], good: Mapping[str, st.SearchStrategy[Any]]) -> Any:
    """One made of spoilt values, or where those are refused, of good ones."""
    with suppress(ValueError):
        return kind(**draw(spoilt(good, 0)))
    return kind(**draw(st.fixed_dictionaries(dict(good))))


ITEMS = one_of(
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
    {"type": "function_call", "name": "look", "arguments": "{}"},
    {"role": "user", "content": 7},
)
GOOD |= {
    "incoming": made(IncomingMessage, MESSAGE),
    "items": st.lists(ITEMS | JUNK, max_size=3),
    "records": st.builds(Broken, st.integers(0, 99), st.integers(0, 9), JUNK) | one_of("$records", []),
    "entry": made(AuditEntry, ENTRY),
    "entries": st.lists(made(AuditEntry, ENTRY) | JUNK, max_size=3),
}


# Functions that touch no memory, and values


FIRST, LAST = (each.replace(tzinfo=UTC) for each in (datetime.min, datetime.max))  # noqa: DTZ901
MOMENTS = one_of(NINE, NINE - timedelta(days=1), LAST, FIRST, LAST.replace(tzinfo=None))
FACTS = st.lists(st.tuples(one_of("name", "welcomed", "pet"), TEXTS), max_size=3)
SCORED = one_of(Outcome(1, "chat", "liked it", NINE), Outcome(7, "", "", FIRST))
FUNCTIONS: dict[Callable[..., Any], dict[str, st.SearchStrategy[Any]]] = {
    next_occurrence: {name: GOOD[name] for name in ("repeat", "due_at", "timezone")} | {"after": TIMES},
    detect_language: {"text": TEXTS},
    format_user_profile: {"facts": FACTS, "heading": TEXTS},
    compute_onboarding_stage: {
        "current_stage": st.integers(0, 6),
        "real_fact_count": st.integers(0, 9),
        "has_tasks": st.booleans(),
    },
    build_system_prompt: {
        "base_system_prompt": TEXTS,
        "facts": FACTS,
        "summaries": st.lists(st.tuples(TEXTS, MOMENTS) | JUNK, max_size=2),
        "recall": st.lists(st.tuples(TEXTS, TEXTS, MOMENTS), max_size=2),
        "pending_tasks": st.lists(
            st.builds(PendingTask, TEXTS, TEXTS, MOMENTS, st.none() | TEXTS, TEXTS, TEXTS), max_size=2
        ),
        "lessons": st.lists(st.builds(Lesson, TEXTS, TEXTS, TEXTS) | JUNK, max_size=2),
        "outcomes": st.lists(SCORED | JUNK, max_size=2),
        "language": one_of("English", "Spanish"),
        "onboarding_hint": TEXTS,
        "now": st.none() | MOMENTS,
        "timezone": one_of("UTC", "Pacific/Kiritimati", "America/New_York"),
        "texts": one_of(PromptTexts(), PromptTexts(profile="")),
    },
    IncomingMessage: MESSAGE,
    Attachment: {
        **dict.fromkeys(("kind", "filename", "mime", "ref"), TEXTS),
        "size": one_of(None, 0, 7),
    },
    OutgoingMessage: {"text": TEXTS, "metadata": METADATA, "reply_target": NAMES},
    Store: {
        "url": st.just(":memory:"),
        "max_context_messages": LIMITS,
        "conversation_timeout": st.just(timedelta(minutes=1)),
        "default_timezone": one_of("UTC", "Asia/Tokyo"),
        "clock": one_of(None, lambda: NINE),
        "durability": one_of("full", "normal"),
        "file_mode": one_of(None, 0o600),
        "max_pending_tasks": LIMITS,
        "max_text": LIMITS,
        "max_connections": LIMITS,
        "embed": one_of(None, lambda texts: [[1.0] for _ in texts]),
        "embed_model": one_of("", "m"),
        "count_tokens": one_of(None, len),
        "detect": one_of(None, lambda _: "English"),
        "prompt_texts": st.just(PromptTexts()),
    },
}
