"""What a context is made of, read at one moment. What is not wanted is not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from peewee import Node

from omega_models import (
    conversations,
    facts,
    finding,
    language,
    messages,
    outcomes,
    recall,
    redelivery,
)
from omega_models.conversations import Place, Summary
from omega_models.database import Database
from omega_models.errors import InvalidTimezone
from omega_models.facts import LANGUAGE_SOURCE, PREFERRED_LANGUAGE, Fact
from omega_models.incoming import ContextNeeds, IncomingMessage
from omega_models.messages import Message
from omega_models.outcomes import Lesson, Outcome
from omega_models.passages import passages
from omega_models.prompt import Material, Said, compute_onboarding_stage, is_real, placed_stage
from omega_models.recall_nearness import NONE
from omega_models.recall_words import STOPS, words
from omega_models.rows import as_pending
from omega_models.statements import Given
from omega_models.tables import Fact as F
from omega_models.values import PendingTask
from omega_models.zones import zone

if TYPE_CHECKING:
    from omega_models.store import Store

MAX_PROMPT = 2**62
SUMMARIES, RECALLED, OUTCOMES = 3, 5, 15
MOST_RECALLED = 30  # where a budget leaves room for more
DETECTED = "detected"
ONBOARDING_STAGE = "onboarding_stage"
SHOWN_IN_GROUPS = ("name", "preferred_name", "pronouns", "timezone")
SETTINGS = (PREFERRED_LANGUAGE, LANGUAGE_SOURCE, ONBOARDING_STAGE, "timezone")


class Wish(NamedTuple):
    """A context that is asked for, its arguments checked."""

    incoming: IncomingMessage
    place: Place
    base_system_prompt: str
    needs: ContextNeeds
    project: str | None
    now: datetime
    recalled: int = RECALLED
    meaning: bytes = NONE  # the message's vector, where there is one

    @property
    def of_group(self) -> bool:
        """Whether the sender is one of several in a group, so that nothing private may be shown."""
        return self.place.group is not None and self.place.sender_id != f"group:{self.place.group}"

    @property
    def recalls(self) -> bool:
        """Whether what was said before is wanted, and asked for by any word."""
        return self.needs.recall and not STOPS.issuperset(words(self.incoming.text))


@dataclass(frozen=True)
class Gathered:
    """`settings` are facts as they were read, `learned` those to be written if they still are so.

    `further` is what was recalled besides, for which there may be room.
    """

    material: Material
    history: list[Message]
    timezone: str
    settings: dict[str, str]
    learned: dict[str, str] = field(default_factory=dict)
    further: Sequence[Said] = ()


def gather(store: Store, wish: Wish) -> Gathered:
    """Inside the caller's snapshot."""
    needs, place = wish.needs, wish.place
    known = _facts(store, wish)
    settings = {key: value for key, value in known if key in SETTINGS}
    conversation_id = _present(store, wish)
    pending = _tasks(store, wish) if needs.pending_tasks else []
    spoken, learned = _language(store, wish, settings)
    hint, stage = _onboarding(store, wish, known, settings, has_tasks=bool(pending))
    history = _history(store, wish, conversation_id)
    recalled = _recall(store, wish, conversation_id, history) if wish.recalls else []
    material = Material(
        facts=known if needs.profile else (),
        summaries=_summaries(store, place) if needs.summaries else (),
        recall=recalled[:RECALLED],
        pending_tasks=pending,
        lessons=_lessons(store, wish),
        outcomes=_outcomes(store, wish) if needs.outcomes else (),
        language=spoken,
        hint=hint,
    )
    further = recalled[RECALLED:]
    return Gathered(material, history, _timezone(store, settings), settings, {**learned, **stage}, further)


# Who it is


def _some(database: Database) -> Node:
    some = (F.sender_id == Given("sender_id")) & database.among(F.key, "keys")
    return F.select(F.key, F.value).where(some).order_by(database.by_letter(F.key))


def _facts(store: Store, wish: Wish) -> list[Fact]:
    """All facts where the profile is wanted, else those that settle how to answer."""
    if wish.needs.profile and not wish.of_group:
        return facts.get_facts(store, wish.place.sender_id)
    shown = SHOWN_IN_GROUPS if wish.needs.profile else ()
    keys = store.database.listed(sorted({*shown, *SETTINGS}))
    return [Fact(*row) for row in store.database.rows(_some, sender_id=wish.place.sender_id, keys=keys)]


def _timezone(store: Store, settings: dict[str, str]) -> str:
    try:
        return zone(settings.get("timezone", store.default_timezone).strip()).key
    except InvalidTimezone:
        return store.default_timezone


def _language(store: Store, wish: Wish, settings: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The language to answer in, and what to keep of it: a choice stands, an earlier guess can be put right."""
    preferred = settings.get(PREFERRED_LANGUAGE, "").strip()
    guessed = settings.get(LANGUAGE_SOURCE) == DETECTED
    if preferred and not guessed:
        return preferred, {}
    found = language.judged(store.detect, wish.incoming.text)
    if found is None or found[1] < (language.CORRECTING if preferred else language.CONFIDENT):
        return preferred or language.ENGLISH, {}
    if found[0] == preferred or wish.of_group:
        return found[0], {}
    return found[0], {PREFERRED_LANGUAGE: found[0], LANGUAGE_SOURCE: DETECTED}


def _onboarding(
    store: Store, wish: Wish, known: list[Fact], settings: dict[str, str], *, has_tasks: bool
) -> tuple[str, dict[str, str]]:
    """The hint of a stage that is entered now, and the stage to keep. Who was known before is placed silently."""
    if wish.of_group or not wish.needs.profile:
        return "", {}
    count = sum(is_real(key) for key, _ in known)
    stored = settings.get(ONBOARDING_STAGE, "").strip()
    if not stored.isdecimal():
        stage, silent = placed_stage(count, has_tasks), bool(count)
    else:
        stage = compute_onboarding_stage(min(int(stored[:2]), 5), count, has_tasks)
        silent = False
    if stored == str(stage):
        return "", {}
    hints = store.prompt_texts.hints
    hint = hints[stage] if stage < len(hints) and not silent else ""
    return store.prompt_texts.filled(hint), {ONBOARDING_STAGE: str(stage)}


# What was said


def _present(store: Store, wish: Wish) -> str | None:
    place = wish.place
    return conversations.get_active_conversation_id(
        store, place.channel, place.sender_id, place.project, group=place.group
    )


def _history(store: Store, wish: Wish, conversation_id: str | None) -> list[Message]:
    """The last messages, oldest first, without the one that is to be answered."""
    if conversation_id is None or not store.max_context_messages:
        return []
    own = _own_id(store, wish.incoming, conversation_id)
    found = messages.get_messages(store, conversation_id, limit=store.max_context_messages + 1)
    said = [Message(each.role, each.content) for each in found if each.id != own]
    return said[-store.max_context_messages :]


def _own_id(store: Store, incoming: IncomingMessage, conversation_id: str) -> str | None:
    """The id of the message itself, where it was received before."""
    known = redelivery.seen(store, incoming) or redelivery.waiting(store, incoming, conversation_id)
    return known.message_id if known else incoming.id


def _summaries(store: Store, place: Place) -> list[Summary]:
    return conversations.get_recent_summaries(
        store, place.channel, place.sender_id, SUMMARIES, group=place.group
    )


def _recall(store: Store, wish: Wish, conversation_id: str | None, history: Sequence[Message]) -> list[Said]:
    """Best first; of a group only what was said in it, of the present conversation what the history lacks."""
    place = wish.place
    wanted = recall.Wanted(
        query=wish.incoming.text,
        left_out=conversation_id,
        sender_id=place.sender_id,
        limit=max(wish.recalled, 2 * RECALLED),
        channel=place.channel if place.group is not None else None,
        project=None,
        group=place.group,
        newest=store.max_context_messages and store.max_context_messages + 1,
    )
    lines = recall.find(store, wanted, wish.meaning)
    shown = {said.content for said in history}
    return passages(lines, wish.incoming.text, shown, store.prompt_texts)[: wish.recalled]


# What is to be done, and what was learned


def _tasks(store: Store, wish: Wish) -> list[PendingTask]:
    place = wish.place
    if place.group is None:
        return finding.get_tasks_for_sender(store, place.sender_id)
    return [
        as_pending(row)
        for row in finding.rows_of_sender(store, place.sender_id)
        if (row.channel, row.reply_target) == (place.channel, place.group)
    ]


def _lessons(store: Store, wish: Wish) -> list[Lesson]:
    """Nothing says in which chat a rule was learned, so that none is shown where others read along."""
    return [] if wish.of_group else outcomes.get_lessons(store, wish.place.sender_id, wish.project)


def _outcomes(store: Store, wish: Wish) -> list[Outcome]:
    if wish.of_group:
        return []
    return outcomes.get_recent_outcomes(store, wish.place.sender_id, OUTCOMES, wish.project)
