"""AsyncStore and AsyncAuditLogger. Written by tools/async_store.py: `python3 omega.py generate`."""
# ruff: noqa: B008  the defaults are the Store's own, and frozen

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from omega_models.audit import AuditEntry, AuditLogger, AuditRecord, AuditStatus
from omega_models.awaiting import AwaitedStore
from omega_models.context import Context
from omega_models.conversations import ConversationRef, Summary
from omega_models.exchanges import Turn
from omega_models.exporting import Record
from omega_models.facts import Fact, SenderFact
from omega_models.incoming import ContextNeeds, IncomingMessage, OutgoingMessage
from omega_models.item_form import Item
from omega_models.keeping import DEFAULT_LEASE
from omega_models.language import Detect
from omega_models.limitations import Limitation
from omega_models.messages import Message, StoredMessage
from omega_models.opening import MOST_CONNECTIONS
from omega_models.outcomes import Lesson, Outcome
from omega_models.prompt import TEXTS, PromptTexts
from omega_models.recall import RecalledMessage
from omega_models.recall_vectors import Embed
from omega_models.receiving import Received
from omega_models.stats import MemoryStats, TokenEstimate
from omega_models.store import Clock, Store
from omega_models.unclaimed import AS_STORED
from omega_models.values import ClaimedTask, DueTask, Occurrence, PendingTask, Task, TaskCreated
from omega_models.visits import Visit


class AsyncStore(AwaitedStore):
    """The Store for an event loop: the same arguments, or an open Store; every method a coroutine.

    It opens with `async with`, or with the first call that is awaited, and never blocks the loop. A call that
    is cancelled has happened wholly or not at all. `aclose()` leaves a Store open that was given open. May be
    shared by tasks, and by several loops. The other options are the Store's: `help(Store)`.
    """

    def __init__(
        self,
        url: str | Path | Store = "sqlite:///~/.omega/data/memory.db",
        *,
        max_context_messages: int = 50,
        conversation_timeout: timedelta = timedelta(minutes=120),
        default_timezone: str = "UTC",
        clock: Clock | None = None,
        durability: str = "full",
        file_mode: int | None = None,
        max_pending_tasks: int = 1000,
        max_text: int = 100000,
        count_tokens: Callable[[str], int] | None = None,
        detect: Detect | None = None,
        prompt_texts: PromptTexts = TEXTS,
        embed: Embed | None = None,
        embed_model: str = "",
        max_connections: int = MOST_CONNECTIONS,
    ) -> None:
        super().__init__(
            url,
            {
                "max_context_messages": max_context_messages,
                "conversation_timeout": conversation_timeout,
                "default_timezone": default_timezone,
                "clock": clock,
                "durability": durability,
                "file_mode": file_mode,
                "max_pending_tasks": max_pending_tasks,
                "max_text": max_text,
                "count_tokens": count_tokens,
                "detect": detect,
                "prompt_texts": prompt_texts,
                "embed": embed,
                "embed_model": embed_model,
                "max_connections": max_connections,
            },
        )

    async def announce_tasks(self) -> None:
        """Tells the workers of this process, once the transaction has committed, that tasks changed."""
        await self._writes(lambda store: store.announce_tasks())

    async def get_or_create_conversation(
        self, channel: str, sender_id: str | int, project: str | None = "", *, group: str | int | None = None
    ) -> str:
        """The id of the active conversation younger than the timeout, touched; of a new one where there is none.

        `group` is the reply_target of a group, None the private chat. Raises `InvalidId`.
        """
        return await self._writes(
            lambda store: store.get_or_create_conversation(channel, sender_id, project, group=group)
        )

    async def get_active_conversation_id(
        self, channel: str, sender_id: str | int, project: str | None = "", *, group: str | int | None = None
    ) -> str | None:
        """The id of the active conversation younger than the timeout, left as it is."""
        return await self._reads(
            lambda store: store.get_active_conversation_id(channel, sender_id, project, group=group)
        )

    async def find_idle_conversations(self) -> list[ConversationRef]:
        """The active conversations without activity for as long as the timeout, the longest idle first."""
        return await self._reads(lambda store: store.find_idle_conversations())

    async def find_all_active_conversations(self) -> list[ConversationRef]:
        """All active conversations, the longest idle first."""
        return await self._reads(lambda store: store.find_all_active_conversations())

    async def close_conversation(
        self, conversation_id: str, summary: str | None, *, if_idle_since: datetime | str | None = None
    ) -> bool:
        """Closes it with the summary, or gives a closed one another; whether it did.

        With `if_idle_since` only while it is active, its last activity was not after that time, and nothing
        was added since. A blank summary is none.
        """
        return await self._writes(
            lambda store: store.close_conversation(conversation_id, summary, if_idle_since=if_idle_since)
        )

    async def close_current_conversation(
        self, channel: str, sender_id: str | int, project: str | None = "", *, group: str | int | None = None
    ) -> bool:
        """Closes what is active, without a summary; whether anything was. The older program may leave several."""
        return await self._writes(
            lambda store: store.close_current_conversation(channel, sender_id, project, group=group)
        )

    async def get_recent_summaries(
        self, channel: str, sender_id: str | int, limit: int, *, group: str | int | None = None
    ) -> list[Summary]:
        """The summaries of the sender's closed conversations in the private chat, or in that group; newest first."""
        return await self._reads(
            lambda store: store.get_recent_summaries(channel, sender_id, limit, group=group)
        )

    async def get_all_recent_summaries(self, limit: int) -> list[Summary]:
        """The summaries of everybody's closed conversations, newest first."""
        return await self._reads(lambda store: store.get_all_recent_summaries(limit))

    async def get_history(
        self, channel: str, sender_id: str | int, limit: int, *, group: str | int | None = None
    ) -> list[Summary]:
        """The same with those that have no summary, as `(no summary)`."""
        return await self._reads(lambda store: store.get_history(channel, sender_id, limit, group=group))

    async def receive(self, incoming: IncomingMessage, project: str | None = "") -> Received:
        """Stores the user's message before the model is asked.

        A platform message seen before (channel, reply_target, platform_message_id) writes nothing.
        Raises `InvalidText` or `TextTooLong`.
        """
        return await self._writes(lambda store: store.receive(incoming, project))

    async def store_exchange(
        self,
        incoming: IncomingMessage,
        response: OutgoingMessage | str,
        project: str | None = "",
        *,
        conversation_id: str | None = None,
    ) -> str:
        """Stores the user's message and the answer; after `receive` the answer only. The conversation's id.

        The same platform message a second time writes nothing. `conversation_id` names one of the sender's own.
        Raises `InvalidId`, `InvalidText` or `TextTooLong`; nothing is written then.
        """
        return await self._writes(
            lambda store: store.store_exchange(incoming, response, project, conversation_id=conversation_id)
        )

    async def edit_message(
        self, channel: str, platform_message_id: str | int, text: str, *, reply_target: str | int = ""
    ) -> bool:
        """Gives a received message another text, for searches too; whether there is such a message."""
        return await self._writes(
            lambda store: store.edit_message(channel, platform_message_id, text, reply_target=reply_target)
        )

    async def delete_message(
        self, channel: str, platform_message_id: str | int, *, reply_target: str | int = ""
    ) -> bool:
        """Deletes a received message, for searches too; whether there was one. Delivered again it stays deleted."""
        return await self._writes(
            lambda store: store.delete_message(channel, platform_message_id, reply_target=reply_target)
        )

    def exchange(
        self,
        incoming: IncomingMessage,
        base_system_prompt: str = "",
        *,
        project: str | None = "",
        needs: ContextNeeds = ContextNeeds(),
        token_budget: int | None = None,
    ) -> Visit[Turn]:
        """Receives the message, builds its context, and stores what was said when the block ends.

        Where an exception ends it, what was said so far is kept, marked `"partial": true`, and the message still
        waits for its reply. No transaction is held meanwhile.
        """
        return self._visits(
            lambda store: store.exchange(
                incoming, base_system_prompt, project=project, needs=needs, token_budget=token_budget
            )
        )

    async def append_message(
        self,
        conversation_id: str,
        role: str,
        content: str,
        *,
        timestamp: datetime | str | None = None,
        sender_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """The id of one more message, by `user` or `assistant`, said now or at `timestamp`.

        Raises the conversation's last activity, never lowers it. Raises `InvalidId` for an unknown one,
        `InvalidText`, `TextTooLong` or `InvalidTime`; nothing is written then.
        """
        return await self._writes(
            lambda store: store.append_message(
                conversation_id,
                role,
                content,
                timestamp=timestamp,
                sender_name=sender_name,
                metadata=metadata,
            )
        )

    async def get_messages(self, conversation_id: str, *, limit: int | None = None) -> list[StoredMessage]:
        """The last `limit` messages, or all, oldest first."""
        return await self._reads(lambda store: store.get_messages(conversation_id, limit=limit))

    async def get_conversation_messages(self, conversation_id: str) -> list[Message]:
        """Everything said in the conversation, oldest first."""
        return await self._reads(lambda store: store.get_conversation_messages(conversation_id))

    async def search_messages(
        self,
        query: str,
        exclude_conversation_id: str | None,
        sender_id: str | int,
        limit: int = 5,
        *,
        channel: str | None = None,
        project: str | None = None,
        group: str | int | None = None,
    ) -> list[RecalledMessage]:
        """What the sender and the assistant said that answers the query, best first; any text is a query.

        `exclude_conversation_id` is usually the present one; `channel`, `project` ("" is general) and `group`, a
        group's reply_target, narrow the search. Raises `InvalidId` or `InvalidText`.
        """
        return await self._reads(
            lambda store: store.search_messages(
                query,
                exclude_conversation_id,
                sender_id,
                limit,
                channel=channel,
                project=project,
                group=group,
            )
        )

    async def embed_waiting(self, limit: int = 1000) -> int:
        """Makes up to so many of the vectors that are still to be made, the newest messages' first; how many.

        0: none waits, or there is no `embed`, or it fails. To be called by whoever has time, until it says 0: a
        thread, a job, a command. No transaction is open while `embed` works.
        """
        return await self._writes(lambda store: store.embed_waiting(limit))

    async def build_context(
        self,
        incoming: IncomingMessage,
        base_system_prompt: str,
        needs: ContextNeeds = ContextNeeds(),
        active_project: str | None = None,
        *,
        token_budget: int | None = None,
    ) -> Context:
        """Everything a model should know to answer the message, which may have been received before or not.

        In a group nothing of the sender's private chats comes in. With a budget of tokens, as the Store counts
        them, the oldest history goes first, then recall, summaries and outcomes, at last rules, tasks and profile;
        what it leaves free is filled with more of what was recalled. Raises `InvalidText`.
        """
        return await self._writes(
            lambda store: store.build_context(
                incoming, base_system_prompt, needs, active_project, token_budget=token_budget
            )
        )

    async def add_items(self, conversation_id: str, items: Sequence[Item]) -> None:
        """Adds what an agent said, was told, called or thought: dicts that JSON can hold, in their order.

        What a user or an assistant says in them becomes a message, or is the one stored just before, as by
        `receive`; an assistant's words at the end answer the received message. While that waits, it is not
        added again: a run that failed may be repeated. Raises `InvalidId` for an
        unknown conversation, `WrongType`, `InvalidText`, or `TextTooLong` for an item of more than `max_text` characters
        of JSON; nothing is written then.
        """
        await self._writes(lambda store: store.add_items(conversation_id, items))

    async def get_items(self, conversation_id: str, limit: int | None = None) -> list[Item]:
        """The last `limit` items, or all, oldest first: equal to what was added, messages as they read now."""
        return await self._reads(lambda store: store.get_items(conversation_id, limit))

    async def pop_item(self, conversation_id: str) -> Item | None:
        """Takes the last item away, with its message unless that came from a platform; None: there was none."""
        return await self._writes(lambda store: store.pop_item(conversation_id))

    async def clear_items(self, conversation_id: str) -> int:
        """Deletes all items, with their messages unless those came from a platform; how many items."""
        return await self._writes(lambda store: store.clear_items(conversation_id))

    async def get_conversation_token_estimate(self, conversation_id: str) -> TokenEstimate:
        """How many messages the conversation has, and their tokens as the Store counts them."""
        return await self._reads(lambda store: store.get_conversation_token_estimate(conversation_id))

    async def get_memory_stats(self, sender_id: str | int) -> MemoryStats:
        """How many conversations, messages and facts there are of the sender, on all channels."""
        return await self._reads(lambda store: store.get_memory_stats(sender_id))

    async def db_size(self) -> int:
        """The size of the database in bytes."""
        return await self._reads(lambda store: store.db_size())

    async def create_alias(self, alias_id: str | int, canonical_id: str | int) -> None:
        """From now on `alias_id` is `canonical_id`. The first alias of an id stays.

        Raises `InvalidId` where the canonical id is, through its own aliases, the alias itself.
        """
        await self._writes(lambda store: store.create_alias(alias_id, canonical_id))

    async def resolve_sender_id(self, sender_id: str | int) -> str:
        """The canonical id, through however many aliases; the id itself where it has none."""
        return await self._reads(lambda store: store.resolve_sender_id(sender_id))

    async def find_canonical_user(self, exclude_sender_id: str | int) -> str | None:
        """The first person welcomed who is not this one: for installations with a single owner."""
        return await self._reads(lambda store: store.find_canonical_user(exclude_sender_id))

    async def is_new_user(self, sender_id: str | int) -> bool:
        """Whether nobody has welcomed the sender yet."""
        return await self._reads(lambda store: store.is_new_user(sender_id))

    async def store_fact(self, sender_id: str | int, key: str, value: str) -> None:
        """Writes the fact, or a new value where the key is known. Raises `InvalidId`, `InvalidText`, `TextTooLong`.

        A preferred language that is given in place of a detected one was chosen: detection leaves it alone.
        """
        await self._writes(lambda store: store.store_fact(sender_id, key, value))

    async def get_fact(self, sender_id: str | int, key: str) -> str | None:
        """The value, or None."""
        return await self._reads(lambda store: store.get_fact(sender_id, key))

    async def get_facts(self, sender_id: str | int) -> list[Fact]:
        """All facts of the sender, by key."""
        return await self._reads(lambda store: store.get_facts(sender_id))

    async def delete_fact(self, sender_id: str | int, key: str) -> bool:
        """Whether there was such a fact."""
        return await self._writes(lambda store: store.delete_fact(sender_id, key))

    async def delete_facts(self, sender_id: str | int, key: str | None = None) -> int:
        """Deletes one fact, or all of the sender's where `key` is None; how many there were."""
        return await self._writes(lambda store: store.delete_facts(sender_id, key))

    async def get_all_facts(self) -> list[Fact]:
        """Everybody's facts, by key, without `welcomed`."""
        return await self._reads(lambda store: store.get_all_facts())

    async def get_all_facts_by_key(self, key: str) -> list[SenderFact]:
        """Everybody's value of one fact, by sender."""
        return await self._reads(lambda store: store.get_all_facts_by_key(key))

    async def store_outcome(
        self,
        sender_id: str | int,
        domain: str,
        score: int,
        lesson: str,
        source: str = "conversation",
        project: str | None = "",
    ) -> None:
        """Keeps how something went: `score` is -1, 0 or 1. Raises `ValueError`, `InvalidId` or `InvalidText`."""
        await self._writes(
            lambda store: store.store_outcome(sender_id, domain, score, lesson, source, project)
        )

    async def get_recent_outcomes(
        self, sender_id: str | int, limit: int, project: str | None = None
    ) -> list[Outcome]:
        """The sender's, newest first, of one project; "" is general, None is all."""
        return await self._reads(lambda store: store.get_recent_outcomes(sender_id, limit, project))

    async def get_all_recent_outcomes(
        self, hours: float, limit: int, project: str | None = None
    ) -> list[Outcome]:
        """Everybody's of the last hours, newest first, of one project; "" is general, None is all."""
        return await self._reads(lambda store: store.get_all_recent_outcomes(hours, limit, project))

    async def store_lesson(
        self, sender_id: str | int, domain: str, rule: str, project: str | None = ""
    ) -> None:
        """Keeps a rule. One that is known counts once more and comes to the front; beyond ten the stalest goes.

        Raises `InvalidId`, `InvalidText` or `TextTooLong`.
        """
        await self._writes(lambda store: store.store_lesson(sender_id, domain, rule, project))

    async def get_lessons(self, sender_id: str | int, project: str | None = None) -> list[Lesson]:
        """At most 50: the project's own, then the general ones; without a project the general ones. Newest first."""
        return await self._reads(lambda store: store.get_lessons(sender_id, project))

    async def get_all_lessons(self, project: str | None = None) -> list[Lesson]:
        """Everybody's, at most 50; as `get_lessons`, but None is all."""
        return await self._reads(lambda store: store.get_all_lessons(project))

    async def store_limitation(self, title: str, description: str, proposed_plan: str = "") -> bool:
        """Whether it is new: one is kept for a title, whatever its case, the first. Raises `InvalidText`."""
        return await self._writes(lambda store: store.store_limitation(title, description, proposed_plan))

    async def get_open_limitations(self) -> list[Limitation]:
        """Those not resolved yet, oldest first."""
        return await self._reads(lambda store: store.get_open_limitations())

    async def store_session(
        self, channel: str, sender_id: str | int, project: str | None, session_id: str
    ) -> None:
        """Keeps the session's id, in place of an earlier one."""
        await self._writes(lambda store: store.store_session(channel, sender_id, project, session_id))

    async def get_session(self, channel: str, sender_id: str | int, project: str | None) -> str | None:
        """The session's id, or None."""
        return await self._reads(lambda store: store.get_session(channel, sender_id, project))

    async def clear_session(self, channel: str, sender_id: str | int, project: str | None) -> None:
        """Forgets the session."""
        await self._writes(lambda store: store.clear_session(channel, sender_id, project))

    async def clear_all_sessions_for_sender(self, sender_id: str | int) -> None:
        """Forgets the sender's sessions on all channels, in all projects."""
        await self._writes(lambda store: store.clear_all_sessions_for_sender(sender_id))

    async def create_task(
        self,
        channel: str,
        sender_id: str | int,
        reply_target: str | int,
        description: str,
        due_at: datetime | str,
        repeat: str | None = None,
        task_type: str = "reminder",
        project: str = "",
        *,
        timezone: str | None = None,
        dedupe: str = "similar",
        urgent: bool = False,
    ) -> str:
        """The id of the new task, or of the sender's pending one that says the same; see `add_task`."""
        return await self._writes(
            lambda store: store.create_task(
                channel,
                sender_id,
                reply_target,
                description,
                due_at,
                repeat,
                task_type,
                project,
                timezone=timezone,
                dedupe=dedupe,
                urgent=urgent,
            )
        )

    async def add_task(
        self,
        channel: str,
        sender_id: str | int,
        reply_target: str | int,
        description: str,
        due_at: datetime | str,
        repeat: str | None = None,
        task_type: str = "reminder",
        project: str = "",
        *,
        timezone: str | None = None,
        dedupe: str = "similar",
        urgent: bool = False,
    ) -> TaskCreated:
        """Adds a task and says what really happened.

        `due_at` is aware, naive or ISO-8601; naive is UTC, or wall-clock where `timezone` is named. `repeat` is
        once, daily, weekdays, weekly, monthly, yearly, `cron:…` or `RRULE:…`. `dedupe` is similar, exact or off.
        Raises `InvalidTime`, `InvalidRepeat`, `InvalidTimezone`, `InvalidId`, `InvalidText`, `TextTooLong`,
        `TooManyTasks`; nothing is written then.
        """
        return await self._writes(
            lambda store: store.add_task(
                channel,
                sender_id,
                reply_target,
                description,
                due_at,
                repeat,
                task_type,
                project,
                timezone=timezone,
                dedupe=dedupe,
                urgent=urgent,
            )
        )

    async def get_due_tasks(self, limit: int | None = None) -> list[DueTask]:
        """Tasks that want to be sent now, earliest first. Reads only; what is leased or put off is not due."""
        return await self._reads(lambda store: store.get_due_tasks(limit))

    async def get_tasks_for_sender(self, sender_id: str | int) -> list[PendingTask]:
        """The sender's pending tasks, by the time each will next be sent."""
        return await self._reads(lambda store: store.get_tasks_for_sender(sender_id))

    async def get_task(self, id_prefix: str, sender_id: str | int) -> Task | None:
        """The sender's task of that id or beginning of an id; `AmbiguousTaskId` where several pending ones fit."""
        return await self._reads(lambda store: store.get_task(id_prefix, sender_id))

    async def list_tasks(
        self,
        sender_id: str | int | None = None,
        *,
        channel: str | None = None,
        reply_target: str | int | None = None,
        project: str | None = None,
        status: str | None = "pending",
        limit: int | None = None,
    ) -> list[Task]:
        """Full rows, earliest first. None means any; `status` is pending, paused, delivered, cancelled or failed."""
        return await self._reads(
            lambda store: store.list_tasks(
                sender_id,
                channel=channel,
                reply_target=reply_target,
                project=project,
                status=status,
                limit=limit,
            )
        )

    async def preview(
        self, repeat: str | None, due_at: datetime | str, timezone: str | None = None, count: int = 5
    ) -> list[datetime]:
        """The next `count` occurrences after now of a series that would start at `due_at`. Stores nothing."""
        return await self._reads(lambda store: store.preview(repeat, due_at, timezone, count))

    async def update_task(
        self,
        id_prefix: str,
        sender_id: str | int,
        description: str | None = None,
        due_at: datetime | str | None = None,
        repeat: str | None = None,
        *,
        timezone: str | None = None,
    ) -> bool:
        """Changes what is given. A new time, repeat or zone starts the series anew; a new text leaves it be.

        `repeat="once"` turns a series into a one-shot. Naive `due_at` is UTC, or wall-clock where `timezone` is
        named. False: no such pending task. A send under way is not recalled, and cannot overwrite this.
        """
        return await self._writes(
            lambda store: store.update_task(
                id_prefix, sender_id, description, due_at, repeat, timezone=timezone
            )
        )

    async def cancel_task(self, id_prefix: str, sender_id: str | int) -> bool:
        """Cancels the sender's pending task; True also where it was cancelled already."""
        return await self._writes(lambda store: store.cancel_task(id_prefix, sender_id))

    async def defer_task(self, id: str, new_due_at: datetime | str, *, timezone: str | None = None) -> None:
        """This occurrence later; the series keeps its times. Naive is UTC, or wall-clock where `timezone` is named."""
        await self._writes(lambda store: store.defer_task(id, new_due_at, timezone=timezone))

    async def snooze_task(
        self, id_prefix: str, sender_id: str | int, until: datetime | str, *, timezone: str | None = None
    ) -> bool:
        """Reminds again at `until`.

        What is waiting or overdue is put off. What was delivered comes once more, as an occurrence of its own,
        and a series keeps its times besides.
        """
        return await self._writes(
            lambda store: store.snooze_task(id_prefix, sender_id, until, timezone=timezone)
        )

    async def retry_task(self, id_prefix: str, sender_id: str | int | None = None) -> bool:
        """Sends once more, now and with the same key, what failed or may not have arrived."""
        return await self._writes(lambda store: store.retry_task(id_prefix, sender_id))

    async def skip_task(self, id_prefix: str, sender_id: str | int) -> bool:
        """Leaves out the present or next occurrence; a one-shot is cancelled by that."""
        return await self._writes(lambda store: store.skip_task(id_prefix, sender_id))

    async def pause_task(self, id_prefix: str, sender_id: str | int) -> bool:
        """Nothing of the task is sent until it is resumed."""
        return await self._writes(lambda store: store.pause_task(id_prefix, sender_id))

    async def resume_task(self, id_prefix: str, sender_id: str | int) -> bool:
        """Goes on with a paused task: a series at its next occurrence after now, a one-shot at its own time."""
        return await self._writes(lambda store: store.resume_task(id_prefix, sender_id))

    async def forget_sender(self, sender_id: str | int, *, dry_run: bool = False) -> dict[str, int]:
        """Forgets the person: the canonical id and every alias of it. How many rows went, by table.

        Afterwards no byte of them is in the file, its write-ahead log or a search index; a log entry names the copies
        that may still hold them (see `copies`). `dry_run` only counts. What a person said in a group that is
        remembered as one belongs to the group. Raises `StoreBusy` while others still read the rows, which are gone
        by then: calling again finishes. On PostgreSQL the tables are vacuumed.
        """
        return await self._writes(lambda store: store.forget_sender(sender_id, dry_run=dry_run))

    async def forget_conversation(self, conversation_id: str, *, dry_run: bool = False) -> dict[str, int]:
        """The same for one conversation: its messages, items and summary, and what the audit log holds of them.

        Facts that were learned from it stay.
        """
        return await self._writes(lambda store: store.forget_conversation(conversation_id, dry_run=dry_run))

    async def copies(self, folder: str | Path | None = None) -> list[Path]:
        """Files that may still hold what was forgotten: backups, copies made before upgrades, what a restore replaced.

        Beside the database, and in `folder` where backups go elsewhere. On a server none are known.
        """
        return await self._writes(lambda store: store.copies(folder))

    def export_sender(self, sender_id: str | int) -> AsyncGenerator[Record, None]:
        """All that is kept of the person, under the canonical id and every alias, as JSON-ready dicts.

        The first says which version this is; each of the others is a row, with its `table`. Only a page of rows, and
        ids, are in memory, and nothing is locked. What is stored while this runs may be left out; a task comes with its ledger as
        both were at one moment, and without the claim of whoever may be sending it. A person nobody knows has no
        records but the first.
        """
        return self._iterates(lambda store: store.export_sender(sender_id))

    async def import_records(self, records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Writes what `export_sender` gave, here or elsewhere; how many rows, by table.

        Ids and the order within a second are kept. What is there already stays as it is, so that a second import
        writes nothing, and one that was interrupted is finished by the next. Raises `InvalidRecord` before anything is
        written, for what this program cannot read and for an id that belongs to somebody else here. Exports of several
        people may follow each other.
        """
        return await self._writes(lambda store: store.import_records(records))

    async def claim_due_tasks(
        self,
        worker_id: str,
        limit: int,
        lease: timedelta = DEFAULT_LEASE,
        *,
        channels: Iterable[str] | None = None,
        task_types: Iterable[str] | None = None,
    ) -> list[ClaimedTask]:
        """Up to `limit` due tasks, earliest first, that no other worker can send before `lease` is over.

        Of a series missed for more than an hour the latest occurrence is claimed and the earlier ones are
        recorded as skipped.
        """
        return await self._writes(
            lambda store: store.claim_due_tasks(
                worker_id, limit, lease, channels=channels, task_types=task_types
            )
        )

    async def extend_claims(self, tokens: Iterable[str], lease: timedelta = DEFAULT_LEASE) -> set[str]:
        """Lets the claims hold for `lease` from now; those that still hold."""
        return await self._writes(lambda store: store.extend_claims(tokens, lease))

    async def release_claims(self, tokens: Iterable[str]) -> None:
        """Gives back claims nothing was sent for: due at once, the attempt not counted."""
        await self._writes(lambda store: store.release_claims(tokens))

    async def settle(
        self,
        token: str,
        outcome: str,
        *,
        receipt: str | None = None,
        error: str | None = None,
        retry_after: timedelta | float | None = None,
    ) -> bool:
        """Ends a claim: `delivered`, `retry`, `failed` or `ambiguous` (sent, but nobody knows if it arrived).

        `retry_after` (a timedelta or seconds) says when to try again; an ambiguous one is tried again only where
        it is given, else it is kept for a person. False: the lease was lost, or the task was cancelled or
        changed meanwhile, and the task is as it was.
        """
        return await self._writes(
            lambda store: store.settle(token, outcome, receipt=receipt, error=error, retry_after=retry_after)
        )

    async def complete_task(self, id: str, repeat: str | None = AS_STORED) -> None:
        """Marks the present occurrence delivered. `None` or `once` ends even a series; else on to the next."""
        await self._writes(lambda store: store.complete_task(id, repeat))

    async def fail_task(self, id: str, error: str, max_retries: int) -> bool:
        """Records a failed try; whether there will be another.

        True until the `max_retries`-th failure; then a one-shot is `failed` and a series waits for its next
        occurrence.
        """
        return await self._writes(lambda store: store.fail_task(id, error, max_retries))

    async def task_history(self, id: str, sender_id: str | int | None = None) -> list[Occurrence]:
        """The task's rows of the ledger, oldest instant first; of that sender only, where one is named."""
        return await self._reads(lambda store: store.task_history(id, sender_id))


class AsyncAuditLogger:
    """The audit log of an `AsyncStore`: what `AuditLogger` does, awaited."""

    def __init__(self, store: AsyncStore) -> None:
        self.store = store

    async def log(self, entry: AuditEntry) -> None:
        """Keeps the entry. Raises `StoreError`, `InvalidId`, `InvalidText` or `TextTooLong`."""
        await self.store._writes(lambda store: AuditLogger(store).log(entry))

    async def log_all(self, entries: Iterable[AuditEntry]) -> None:
        """Keeps all of them in one transaction, or none."""
        await self.store._writes(lambda store: AuditLogger(store).log_all(entries))

    async def recent(
        self, limit: int, sender_id: str | int | None = None, status: AuditStatus | str | None = None
    ) -> list[AuditRecord]:
        """The latest entries, newest first, of one sender and one status where those are given."""
        return await self.store._reads(lambda store: AuditLogger(store).recent(limit, sender_id, status))
