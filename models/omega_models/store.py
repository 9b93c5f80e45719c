"""The Store: a table of contents. Each method is a function of the module that tells its part."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import NoneType, TracebackType
from typing import Self

from omega_models import (
    aliases,
    checks,
    claims,
    context,
    controls,
    conversations,
    corrections,
    exchanges,
    exporting,
    facts,
    finding,
    forgetting,
    history,
    importing,
    items,
    keeping,
    limitations,
    messages,
    outcomes,
    recall,
    recall_index,
    recall_vectors,
    receiving,
    sessions,
    settling,
    stats,
    tasks,
    unclaimed,
)
from omega_models.language import Detect
from omega_models.opening import MOST_CONNECTIONS, open_database
from omega_models.prompt import TEXTS, PromptTexts
from omega_models.recall_vectors import Embed
from omega_models.times import system_clock
from omega_models.zones import zone

Clock = Callable[[], datetime]


class Store:
    """A memory in one SQLite file, or on a PostgreSQL server.

    `url` is a path, `sqlite:///relative`, `sqlite:////absolute`, `:memory:` or `postgresql://…`. `clock`
    returns an aware datetime. `conversation_timeout` is a timedelta, `max_text` counts characters,
    `durability` is `full` (survives power loss) or `normal` (survives crashes), `file_mode` the permission
    bits of a new file, `max_connections` how many a server is asked for at once. `detect(text)` returns a
    language's English name, with how sure that is (0 to 1) or without, or None; `prompt_texts` holds the
    words of the system prompt. `embed(texts)` returns a vector for each text, all of one length, and
    `embed_model` names what makes them: those of another name are made anew. Raises `StoreUnavailable`,
    `StoreBusy` or `MigrationFailed`.
    """

    def __init__(
        self,
        url: str | Path = "sqlite:///~/.omega/data/memory.db",
        *,
        max_context_messages: int = 50,
        conversation_timeout: timedelta = timedelta(minutes=120),
        default_timezone: str = "UTC",
        clock: Clock | None = None,
        durability: str = "full",
        file_mode: int | None = None,
        max_pending_tasks: int = 1000,
        max_text: int = 100_000,
        count_tokens: Callable[[str], int] | None = None,
        detect: Detect | None = None,
        prompt_texts: PromptTexts = TEXTS,
        embed: Embed | None = None,
        embed_model: str = "",
        max_connections: int = MOST_CONNECTIONS,
    ) -> None:
        checks.instance(url, "url", (str, Path))
        zone(checks.instance(default_timezone, "default_timezone", str))
        checks.instance(file_mode, "file_mode", (int, NoneType))
        checks.one_of(durability, "durability", ("full", "normal"))
        self.max_context_messages = checks.limit(max_context_messages, "max_context_messages")
        self.conversation_timeout = checks.instance(conversation_timeout, "conversation_timeout", timedelta)
        self.default_timezone = default_timezone
        self.clock = checks.called(clock, "clock") or system_clock
        self.max_pending_tasks = checks.limit(max_pending_tasks, "max_pending_tasks")
        self.max_text = checks.limit(max_text, "max_text")
        self.count_tokens = checks.called(count_tokens, "count_tokens") or (lambda text: -(-len(text) // 4))
        self.detect = checks.called(detect, "detect")
        self.prompt_texts = checks.instance(prompt_texts, "prompt_texts", PromptTexts)
        self.embedder = recall_vectors.embedder(embed, embed_model, self.clock)
        self.task_listeners: set[Callable[[], None]] = set()
        self.reached: Callable[[str], None] = lambda _: None
        most = checks.limit(max_connections, "max_connections")
        self.database = open_database(str(url), durability, file_mode, max(most, 1))
        recall_index.catch_up_now(self.database, recall_index.WHEN_OPENED)

    def announce_tasks(self) -> None:
        """Tells the workers of this process, once the transaction has committed, that tasks changed."""
        if self.task_listeners:
            self.database.after_commit(self._tell_listeners)

    def _tell_listeners(self) -> None:
        for listener in tuple(self.task_listeners):
            listener()

    def close(self) -> None:
        """Closes every connection. Idempotent; using the Store afterwards raises `StoreUnavailable`."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # conversations
    get_or_create_conversation = conversations.get_or_create_conversation
    get_active_conversation_id = conversations.get_active_conversation_id
    find_idle_conversations = conversations.find_idle_conversations
    find_all_active_conversations = conversations.find_all_active_conversations
    close_conversation = conversations.close_conversation
    close_current_conversation = conversations.close_current_conversation
    get_recent_summaries = conversations.get_recent_summaries
    get_all_recent_summaries = conversations.get_all_recent_summaries
    get_history = conversations.get_history

    # messages
    receive = receiving.receive
    store_exchange = receiving.store_exchange
    edit_message = corrections.edit_message
    delete_message = corrections.delete_message
    exchange = exchanges.exchange
    append_message = messages.append_message
    get_messages = messages.get_messages
    get_conversation_messages = messages.get_conversation_messages
    search_messages = recall.search_messages
    embed_waiting = recall_vectors.embed_waiting
    build_context = context.build_context

    # what an agent keeps besides
    add_items = items.add_items
    get_items = items.get_items
    pop_item = items.pop_item
    clear_items = items.clear_items

    # how much there is
    get_conversation_token_estimate = stats.get_conversation_token_estimate
    get_memory_stats = stats.get_memory_stats
    db_size = stats.db_size

    # people
    create_alias = aliases.create_alias
    resolve_sender_id = aliases.resolve_sender_id
    find_canonical_user = aliases.find_canonical_user
    is_new_user = facts.is_new_user

    # facts
    store_fact = facts.store_fact
    get_fact = facts.get_fact
    get_facts = facts.get_facts
    delete_fact = facts.delete_fact
    delete_facts = facts.delete_facts
    get_all_facts = facts.get_all_facts
    get_all_facts_by_key = facts.get_all_facts_by_key

    # what was learned
    store_outcome = outcomes.store_outcome
    get_recent_outcomes = outcomes.get_recent_outcomes
    get_all_recent_outcomes = outcomes.get_all_recent_outcomes
    store_lesson = outcomes.store_lesson
    get_lessons = outcomes.get_lessons
    get_all_lessons = outcomes.get_all_lessons
    store_limitation = limitations.store_limitation
    get_open_limitations = limitations.get_open_limitations

    # sessions
    store_session = sessions.store_session
    get_session = sessions.get_session
    clear_session = sessions.clear_session
    clear_all_sessions_for_sender = sessions.clear_all_sessions_for_sender

    # tasks
    create_task = tasks.create_task
    add_task = tasks.add_task
    get_due_tasks = finding.get_due_tasks
    get_tasks_for_sender = finding.get_tasks_for_sender
    get_task = finding.get_task
    list_tasks = finding.list_tasks
    preview = tasks.preview
    update_task = controls.update_task
    cancel_task = controls.cancel_task
    defer_task = controls.defer_task
    snooze_task = controls.snooze_task
    retry_task = controls.retry_task
    skip_task = controls.skip_task
    pause_task = controls.pause_task
    resume_task = controls.resume_task

    # forgetting
    forget_sender = forgetting.forget_sender
    forget_conversation = forgetting.forget_conversation
    copies = forgetting.copies

    # moving
    export_sender = exporting.export_sender
    import_records = importing.import_records

    # delivery
    claim_due_tasks = claims.claim_due_tasks
    extend_claims = keeping.extend_claims
    release_claims = keeping.release_claims
    settle = settling.settle
    complete_task = unclaimed.complete_task
    fail_task = unclaimed.fail_task
    task_history = history.task_history
