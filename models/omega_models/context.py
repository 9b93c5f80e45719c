"""The context of an answer: who asks, what was said, what is known. One read, and one short write after it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from omega_models import checks, conversations, facts, gathering, recall_index, recall_vectors
from omega_models.gathering import Gathered, Wish
from omega_models.incoming import ContextNeeds, IncomingMessage
from omega_models.messages import Message
from omega_models.prompt import in_order, joined, prompt_sections, recalled_line

if TYPE_CHECKING:
    from omega_models.store import Store

TITLES = {"user": "[User]", "assistant": "[Assistant]"}
# In this order, once the history is gone.
DROPPED = ("recall", "summaries", "outcomes", "lessons", "pending_tasks", "facts")


@dataclass
class Context:
    """What a model is asked with. `sections` are the blocks of the system prompt by name, in their order.

    `session_id` and `agent_name` are the caller's to set: a model that resumes a session knows the history
    already, an agent its system prompt too. `over_budget`: even what must stay is longer than the budget.
    """

    system_prompt: str
    history: list[Message]
    current_message: str
    conversation_id: str
    session_id: str | None = None
    agent_name: str | None = None
    sections: dict[str, str] = field(default_factory=dict)
    over_budget: bool = False

    def to_prompt_string(self) -> str:
        """One text for a model that takes no list of messages."""
        if self.agent_name:
            return self.current_message
        history = [] if self.session_id else self.history
        turns = [*history, Message("user", self.current_message)]
        parts = [f"{TITLES.get(role, TITLES['user'])}\n{content}" for role, content in turns if content]
        return "\n\n".join([f"[System]\n{self.system_prompt}", *parts] if self.system_prompt else parts)

    def to_api_messages(self) -> tuple[str, list[dict[str, str]]]:
        """The system prompt and the turns: a user's first, taking turns, none empty."""
        found: list[dict[str, str]] = []
        for role, content in [*self.history, Message("user", self.current_message)]:
            if not content.strip() or (not found and role != "user"):
                continue
            if found and found[-1]["role"] == role:
                found[-1]["content"] += f"\n\n{content}"
            else:
                found.append({"role": role, "content": content})
        return self.system_prompt, found


def build_context(
    store: Store,
    incoming: IncomingMessage,
    base_system_prompt: str,
    needs: ContextNeeds = ContextNeeds(),  # noqa: B008  frozen
    active_project: str | None = None,
    *,
    token_budget: int | None = None,
) -> Context:
    """Everything a model should know to answer the message, which may have been received before or not.

    In a group nothing of the sender's private chats comes in. With a budget of tokens, as the Store counts
    them, the oldest history goes first, then recall, summaries and outcomes, at last rules, tasks and profile;
    what it leaves free is filled with more of what was recalled. Raises `InvalidText`.
    """
    wish = _wish(store, incoming, base_system_prompt, needs, active_project)
    budget = None if token_budget is None else checks.limit(token_budget, "token_budget")
    if wish.recalls:
        recall_index.catch_up_now(store.database)
        recalled = gathering.RECALLED if budget is None else gathering.MOST_RECALLED
        wish = wish._replace(recalled=recalled, meaning=recall_vectors.meaning(store, incoming.text))
    with store.database.snapshot():
        found = gathering.gather(store, wish)
    conversation_id = _remember(store, wish, found)
    return _fitted(store, wish, found, conversation_id, budget)


def _wish(
    store: Store,
    incoming: IncomingMessage,
    base_system_prompt: str,
    needs: ContextNeeds,
    active_project: str | None,
) -> Wish:
    checks.instance(incoming, "incoming", IncomingMessage)
    checks.instance(needs, "needs", ContextNeeds)
    checks.text(incoming.text, "text", store.max_text)
    project = checks.project(active_project) if active_project is not None else None
    place = conversations.place_of(incoming, project)
    base = checks.text(base_system_prompt, "base_system_prompt", gathering.MAX_PROMPT)
    return Wish(incoming, place, base, needs, project, store.clock())


def _remember(store: Store, wish: Wish, found: Gathered) -> str:
    """The conversation's id, touched or new; what the message taught is written with it, in one transaction."""
    place = wish.place
    with store.database.writing():
        conversations.alone(store, place.channel, place.sender_id)
        if found.learned and _unchanged(store, place.sender_id, found):
            for key, value in found.learned.items():
                facts.keep(store, place.sender_id, key, value)
        return conversations.enter(store, place, wish.now)


def _unchanged(store: Store, sender_id: str, found: Gathered) -> bool:
    """Whether nobody has written meanwhile what is about to be written."""
    return all(facts.get_fact(store, sender_id, key) == found.settings.get(key) for key in found.learned)


# Within the budget


def _fitted(store: Store, wish: Wish, found: Gathered, conversation_id: str, budget: int | None) -> Context:
    """The context, cut down to the budget; what cannot be cut says so."""
    sections = _sections(store, wish, found)
    history, over = found.history, False
    if budget is not None:
        spare = budget - store.count_tokens(wish.incoming.text)
        room = spare - store.count_tokens(joined(sections))
        history = _newest(store, history, room)
        found = _more(store, found, room - sum(store.count_tokens(said.content) for said in history))
        sections = _sections(store, wish, found)
        for block in DROPPED:
            if store.count_tokens(joined(sections)) <= spare:
                break
            found = _shorter(store, wish, found, block, spare)
            sections = _sections(store, wish, found)
        over = store.count_tokens(joined(sections)) > spare
    return Context(
        system_prompt=joined(sections),
        history=history,
        current_message=wish.incoming.text,
        conversation_id=conversation_id,
        sections=sections,
        over_budget=over,
    )


def _sections(store: Store, wish: Wish, found: Gathered) -> dict[str, str]:
    return prompt_sections(
        wish.base_system_prompt, found.material, wish.now, found.timezone, store.prompt_texts
    )


def _newest(store: Store, history: list[Message], spare: int) -> list[Message]:
    """As many of the last messages as there is room for."""
    for n in range(len(history), 0, -1):
        spare -= store.count_tokens(history[n - 1].content)
        if spare < 0:
            return history[n:]
    return history


def _more(store: Store, found: Gathered, room: int) -> Gathered:
    """With as much more of what was recalled as there is room for, the best first."""
    lines = list(found.material.recall)
    for said in found.further:
        room -= store.count_tokens("\n" + recalled_line(said, found.timezone, store.prompt_texts))
        if room < 0:
            break
        lines.append(said)
    return replace(found, material=replace(found.material, recall=lines))


def _shorter(store: Store, wish: Wish, found: Gathered, block: str, spare: int) -> Gathered:
    """With as many of the block's first lines as there is room for."""
    lines = getattr(found.material, block)
    if block == "facts":
        lines = in_order(lines)

    def kept(n: int) -> Gathered:
        return replace(found, material=replace(found.material, **{block: lines[:n]}))

    def size(n: int) -> int:
        return store.count_tokens(joined(_sections(store, wish, kept(n))))

    return kept(max(0, bisect_right(range(len(lines)), spare, key=size) - 1))
