"""The schema on one page: what Omega's files have always held, and what this program adds.

The models are bound to no database; `database.create_schema` writes them to a new file or server, and
queries are built from them once per Store (see `statements.py`). Seeds' times are whole-second UTC text
on SQLite and `timestamptz` on PostgreSQL; our own tables hold integer UTC milliseconds.
"""

from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    Context,
    Field,
    ForeignKeyField,
    IntegerField,
    Model,
    Node,
    TextField,
)


class DefaultNow(Node):
    """`DEFAULT` of the present second, for rows that other programs write."""

    def __sql__(self, ctx: Context) -> Context:
        sqlite = ctx.state.param == "?"
        return ctx.literal("DEFAULT (datetime('now'))" if sqlite else "DEFAULT date_trunc('second', now())")


class UtcField(Field):
    """A whole second in UTC, given and taken as `YYYY-MM-DD HH:MM:SS`."""

    field_type = "UTC"


def default(literal: str) -> list[Node]:
    return [SQL(f"DEFAULT {literal}")]


def row_id() -> TextField:
    return TextField(primary_key=True, null=True)  # `id TEXT PRIMARY KEY`, as Omega declared it


def now() -> UtcField:
    return UtcField(constraints=[DefaultNow()])


class Migration(Model):
    name = row_id()
    applied_at = now()

    class Meta:
        table_name = "_migrations"


class Conversation(Model):
    id = row_id()
    channel = TextField()
    sender_id = TextField()
    started_at = now()
    updated_at = now()
    summary = TextField(null=True)
    last_activity = now()
    status = TextField(constraints=default("'active'"))
    project = TextField(constraints=default("''"))
    group_target = TextField(null=True)  # the reply_target of a group; NULL: the sender's private chat

    class Meta:
        table_name = "conversations"


class Message(Model):
    id = row_id()
    conversation = ForeignKeyField(Conversation, column_name="conversation_id", index=False)
    role = TextField(constraints=[SQL("CHECK (role IN ('user', 'assistant'))")])
    content = TextField()
    timestamp = now()
    metadata_json = TextField(null=True)

    class Meta:
        table_name = "messages"


class ReceivedMessage(Model):
    """What a message is on its platform, and whether it was answered. The row outlives a deleted message."""

    message_id = row_id()
    conversation = ForeignKeyField(
        Conversation, column_name="conversation_id", on_delete="CASCADE", index=False
    )
    channel = TextField()
    sender_id = TextField()
    reply_target = TextField(constraints=default("''"))
    platform_message_id = TextField(null=True)
    reply_id = TextField(null=True)  # NULL: still waiting for its reply

    class Meta:
        table_name = "received_messages"
        constraints = (SQL("UNIQUE (channel, platform_message_id, reply_target, sender_id)"),)


class Fact(Model):
    id = row_id()
    sender_id = TextField()
    key = TextField()
    value = TextField()
    source_message = ForeignKeyField(Message, column_name="source_message_id", null=True, index=False)
    created_at = now()
    updated_at = now()

    class Meta:
        table_name = "facts"
        constraints = (SQL("UNIQUE (sender_id, key)"),)


class AuditRow(Model):
    id = row_id()
    timestamp = now()
    channel = TextField()
    sender_id = TextField()
    sender_name = TextField(null=True)
    input_text = TextField()
    output_text = TextField(null=True)
    provider_used = TextField(null=True)
    model = TextField(null=True)
    processing_ms = IntegerField(null=True)
    status = TextField(constraints=[*default("'ok'"), SQL("CHECK (status IN ('ok', 'error', 'denied'))")])
    denial_reason = TextField(null=True)

    class Meta:
        table_name = "audit_log"


class ScheduledTask(Model):
    """One row a task. `due_at` is when the row next wants attention: its instant, a retry, a lease's end."""

    id = row_id()
    channel = TextField()
    sender_id = TextField()
    reply_target = TextField()
    description = TextField()
    due_at = UtcField()
    repeat = TextField(null=True)
    status = TextField(constraints=default("'pending'"))  # pending, paused, delivered, cancelled, failed
    created_at = now()
    delivered_at = UtcField(null=True)
    task_type = TextField(constraints=default("'reminder'"))
    retry_count = IntegerField(constraints=default("0"))
    last_error = TextField(null=True)
    project = TextField(constraints=default("''"))
    scheduled_for = UtcField(null=True)  # the present occurrence's instant
    anchor_local = TextField(null=True)  # the series' first wall-clock time; NULL until a foreign row is seen
    timezone = TextField(null=True)
    missed = TextField(null=True)  # 'all' while every missed occurrence is being sent, one by one
    claim = TextField(null=True)  # the token of the worker that holds it
    urgent = IntegerField(constraints=default("0"))
    rev = IntegerField(constraints=default("0"))  # our own writes raise it; the triggers tell others' by that

    class Meta:
        table_name = "scheduled_tasks"


class TaskOccurrence(Model):
    """The ledger: one row for each (task, scheduled instant) that was claimed, skipped or put off."""

    id = row_id()
    task_id = TextField()
    sender_id = TextField()
    scheduled_for = BigIntegerField()
    state = TextField(
        constraints=[
            SQL(
                "CHECK (state IN ('claimed', 'delivered', 'retrying', 'ambiguous', 'held', 'failed', 'skipped'))"
            )
        ]
    )
    attempts = IntegerField(constraints=default("0"))
    stands_for = IntegerField(constraints=default("1"))  # > 1: that many skipped occurrences in one row
    due_ms = BigIntegerField()  # when it was to be sent: its instant, or what it was put off to
    claim = TextField(null=True)
    worker = TextField(null=True)
    follows = TextField(null=True)
    reason = TextField(null=True)
    receipt = TextField(null=True)
    error = TextField(null=True)
    lateness_ms = BigIntegerField(null=True)
    claimed_ms = BigIntegerField(null=True)
    settled_ms = BigIntegerField(null=True)

    class Meta:
        table_name = "task_occurrences"
        constraints = (SQL("UNIQUE (task_id, scheduled_for)"),)


class Lease(Model):
    """A named right to do something alone, such as closing one conversation."""

    name = row_id()
    holder = TextField()
    token = TextField()
    until_ms = BigIntegerField()

    class Meta:
        table_name = "leases"


class WorkerRow(Model):
    """A live worker and what it serves; `channels` and `task_types` are JSON lists."""

    id = row_id()
    channels = TextField()
    task_types = TextField()
    started_ms = BigIntegerField()
    seen_ms = BigIntegerField()

    class Meta:
        table_name = "workers"


class Limitation(Model):
    id = row_id()
    title = TextField()
    description = TextField()
    proposed_plan = TextField(constraints=default("''"))
    status = TextField(constraints=default("'open'"))
    created_at = now()
    resolved_at = UtcField(null=True)

    class Meta:
        table_name = "limitations"


class UserAlias(Model):
    alias_sender_id = row_id()
    canonical_sender_id = TextField()
    created_at = now()

    class Meta:
        table_name = "user_aliases"


class Outcome(Model):
    id = row_id()
    timestamp = now()
    sender_id = TextField()
    domain = TextField()
    score = IntegerField(constraints=[SQL("CHECK (score IN (-1, 0, 1))")])
    lesson = TextField()
    source = TextField(constraints=default("'conversation'"))
    project = TextField(constraints=default("''"))

    class Meta:
        table_name = "outcomes"


class Lesson(Model):
    id = row_id()
    sender_id = TextField()
    domain = TextField()
    rule = TextField()
    project = TextField(constraints=default("''"))
    occurrences = IntegerField(constraints=default("1"))
    created_at = now()
    updated_at = now()

    class Meta:
        table_name = "lessons"


class ProjectSession(Model):
    id = row_id()
    channel = TextField()
    sender_id = TextField()
    project = TextField(constraints=default("''"))
    session_id = TextField()
    parent_project = TextField(null=True)
    created_at = now()
    updated_at = now()

    class Meta:
        table_name = "project_sessions"
        constraints = (SQL("UNIQUE (channel, sender_id, project)"),)


class RecallChat(Model):
    """A chat as the index of recall knows it; `group_target` is empty for the sender's private chat."""

    id = BigAutoField()
    sender_id = TextField()
    channel = TextField()
    group_target = TextField(constraints=default("''"))
    messages = IntegerField(constraints=default("0"))  # that were indexed, about

    class Meta:
        table_name = "recall_chats"
        constraints = (SQL("UNIQUE (sender_id, channel, group_target)"),)


class RecallQueue(Model):
    """Rows of messages that the index of recall does not know yet, or not as they are now."""

    id = BigAutoField()

    class Meta:
        table_name = "recall_queue"


class RecallVector(Model):
    """The embedding of a message, by its row: little-endian 32-bit floats; NULL while it waits to be made."""

    id = BigAutoField()
    chat = BigIntegerField()
    model = TextField(constraints=default("''"))  # what made it: vectors of another are not compared
    vector = BlobField(null=True)

    class Meta:
        table_name = "recall_vectors"


class SessionItem(Model):
    """What an agent keeps of a conversation besides messages, such as tool calls; in the order of `id`."""

    id = BigAutoField()
    conversation = ForeignKeyField(Conversation, column_name="conversation_id", index=False)
    message_id = TextField(null=True)  # the message that holds this item's text
    item = TextField()  # JSON
    created_ms = BigIntegerField()

    class Meta:
        table_name = "session_items"


MODELS: tuple[type[Model], ...] = (
    Migration,
    Conversation,
    Message,
    ReceivedMessage,
    Fact,
    AuditRow,
    ScheduledTask,
    TaskOccurrence,
    Lease,
    WorkerRow,
    Limitation,
    UserAlias,
    Outcome,
    Lesson,
    ProjectSession,
    RecallChat,
    RecallQueue,
    RecallVector,
    SessionItem,
)


def _index(model: type[Model], name: str, *fields: Any, where: str | None = None) -> None:
    model.add_index(model.index(*fields, name=name, where=SQL(where) if where else None))


_index(Conversation, "idx_conversations_channel_sender", Conversation.channel, Conversation.sender_id)
_index(Conversation, "idx_conversations_status", Conversation.status, Conversation.last_activity)
_index(
    Conversation,
    "idx_conversations_project",
    Conversation.channel,
    Conversation.sender_id,
    Conversation.project,
    Conversation.status,
    Conversation.last_activity,
)
_index(Conversation, "idx_conversations_sender", Conversation.sender_id)
_index(
    Conversation,
    "idx_conversations_closed",
    Conversation.status,
    Conversation.updated_at,
    where="status = 'closed'",
)
_index(
    Conversation,
    "idx_conversations_past",
    Conversation.channel,
    Conversation.sender_id,
    Conversation.group_target,
    Conversation.updated_at,
    where="status = 'closed'",
)
_index(
    ReceivedMessage,
    "idx_received_messages_waiting",
    ReceivedMessage.conversation,
    ReceivedMessage.reply_id,
)
_index(Fact, "idx_facts_key", Fact.key, Fact.sender_id)
_index(Fact, "idx_facts_source", Fact.source_message, where="source_message_id IS NOT NULL")
_index(Message, "idx_messages_conversation", Message.conversation, Message.timestamp)
_index(AuditRow, "idx_audit_log_timestamp", AuditRow.timestamp)
_index(AuditRow, "idx_audit_log_sender", AuditRow.channel, AuditRow.sender_id)
_index(AuditRow, "idx_audit_log_sender_time", AuditRow.sender_id, AuditRow.timestamp)
_index(ScheduledTask, "idx_scheduled_tasks_due", ScheduledTask.status, ScheduledTask.due_at)
_index(ScheduledTask, "idx_scheduled_tasks_sender", ScheduledTask.sender_id, ScheduledTask.status)
_index(
    ScheduledTask,
    "idx_scheduled_tasks_window",
    ScheduledTask.sender_id,
    ScheduledTask.status,
    ScheduledTask.scheduled_for,
)
_index(
    ScheduledTask,
    "idx_scheduled_tasks_lane",
    ScheduledTask.channel,
    ScheduledTask.task_type,
    ScheduledTask.due_at,
    where="status = 'pending'",
)
_index(TaskOccurrence, "idx_task_occurrences_sender", TaskOccurrence.sender_id)
_index(TaskOccurrence, "idx_task_occurrences_settled", TaskOccurrence.settled_ms)
_index(Outcome, "idx_outcomes_sender_time", Outcome.sender_id, Outcome.timestamp)
_index(Outcome, "idx_outcomes_time", Outcome.timestamp)
_index(Outcome, "idx_outcomes_project", Outcome.sender_id, Outcome.project, Outcome.timestamp)
_index(Lesson, "idx_lessons_sender", Lesson.sender_id)
_index(Lesson, "idx_lessons_project", Lesson.sender_id, Lesson.project)
_index(Lesson, "idx_lessons_domain", Lesson.sender_id, Lesson.domain, Lesson.project)
_index(
    ProjectSession,
    "idx_project_sessions_lookup",
    ProjectSession.channel,
    ProjectSession.sender_id,
    ProjectSession.project,
)
_index(ProjectSession, "idx_project_sessions_sender", ProjectSession.sender_id)
_index(RecallVector, "idx_recall_vectors_chat", RecallVector.chat)
_index(RecallVector, "idx_recall_vectors_waiting", RecallVector.id, where="vector IS NULL")
_index(SessionItem, "idx_session_items_conversation", SessionItem.conversation, SessionItem.id)

# What models cannot say: search, and the triggers that put right what the older program writes.
SQLITE_EXTRAS: tuple[str, ...] = (
    "CREATE UNIQUE INDEX idx_limitations_title ON limitations (title COLLATE NOCASE)",
    "CREATE VIRTUAL TABLE messages_fts USING fts5(content, content='messages', content_rowid='rowid')",
    """CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages WHEN new.role = 'user' BEGIN
    INSERT INTO messages_fts(rowid, content) VALUES (new.rowid, new.content);
END""",
    """CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages WHEN old.role = 'user' BEGIN
    INSERT INTO messages_fts(messages_fts, rowid, content) VALUES ('delete', old.rowid, old.content);
END""",
    """CREATE TRIGGER messages_fts_update AFTER UPDATE OF content ON messages WHEN old.role = 'user' BEGIN
    INSERT INTO messages_fts(messages_fts, rowid, content) VALUES ('delete', old.rowid, old.content);
    INSERT INTO messages_fts(rowid, content) VALUES (new.rowid, new.content);
END""",
    """CREATE TRIGGER scheduled_tasks_inserted AFTER INSERT ON scheduled_tasks WHEN new.scheduled_for IS NULL BEGIN
    UPDATE scheduled_tasks SET
        due_at = CASE WHEN readable THEN datetime(new.due_at, '+0 seconds') ELSE new.due_at END,
        scheduled_for = CASE WHEN readable THEN datetime(new.due_at, '+0 seconds') END,
        status = CASE WHEN readable OR new.status <> 'pending' THEN new.status ELSE 'failed' END,
        last_error = CASE WHEN readable OR new.status <> 'pending' THEN new.last_error
            ELSE 'unreadable due_at: give YYYY-MM-DD HH:MM:SS in UTC' END,
        rev = new.rev + 1
    FROM (SELECT new.due_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'
        AND datetime(new.due_at, '+0 seconds') >= '0001' AS readable)
    WHERE scheduled_tasks.rowid = new.rowid;
END""",
    """CREATE TRIGGER scheduled_tasks_updated AFTER UPDATE OF due_at, status ON scheduled_tasks WHEN new.rev = old.rev BEGIN
    UPDATE scheduled_tasks SET
        due_at = CASE WHEN readable THEN datetime(new.due_at, '+0 seconds') ELSE new.due_at END,
        scheduled_for = CASE WHEN new.due_at IS old.due_at THEN new.scheduled_for
            WHEN readable THEN datetime(new.due_at, '+0 seconds') END,
        anchor_local = CASE WHEN new.due_at IS old.due_at THEN new.anchor_local END,
        status = CASE WHEN readable OR new.status <> 'pending' THEN new.status ELSE 'failed' END,
        last_error = CASE WHEN readable OR new.status <> 'pending' THEN new.last_error
            ELSE 'unreadable due_at: give YYYY-MM-DD HH:MM:SS in UTC' END,
        claim = NULL,
        missed = NULL,
        rev = new.rev + 1
    FROM (SELECT new.due_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'
        AND datetime(new.due_at, '+0 seconds') >= '0001' AS readable)
    WHERE scheduled_tasks.rowid = new.rowid;
END""",
    """CREATE VIRTUAL TABLE recall USING fts5(terms, detail=none, columnsize=0, tokenize="ascii tokenchars '_@'")""",
    "CREATE VIRTUAL TABLE recall_terms USING fts5vocab('recall', 'row')",
    """CREATE TRIGGER recall_inserted AFTER INSERT ON messages BEGIN
    INSERT OR IGNORE INTO recall_queue (id) VALUES (new.rowid);
END""",
    """CREATE TRIGGER recall_deleted AFTER DELETE ON messages BEGIN
    DELETE FROM recall WHERE rowid = old.rowid;
    DELETE FROM recall_queue WHERE id = old.rowid;
END""",
    """CREATE TRIGGER recall_updated AFTER UPDATE OF content, metadata_json ON messages BEGIN
    DELETE FROM recall WHERE rowid = old.rowid;
    INSERT OR IGNORE INTO recall_queue (id) VALUES (new.rowid);
END""",
    """CREATE TRIGGER recall_vector_deleted AFTER DELETE ON messages BEGIN
    DELETE FROM recall_vectors WHERE id = old.rowid;
END""",
    """CREATE TRIGGER recall_vector_updated AFTER UPDATE OF content ON messages BEGIN
    DELETE FROM recall_vectors WHERE id = old.rowid;
END""",
)

# Each may run again, on a server's database that an earlier version of this program made.
POSTGRES_EXTRAS: tuple[str, ...] = (
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_limitations_title ON limitations (lower(title))",
    *(
        f"ALTER TABLE {model._meta.table_name} ADD COLUMN IF NOT EXISTS rowid bigint GENERATED BY DEFAULT AS IDENTITY"
        for model in (Conversation, Message, AuditRow, ScheduledTask, Limitation, Outcome, Lesson)
    ),
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_messages_rowid ON messages (rowid)",
    "CREATE TABLE IF NOT EXISTS recall (id bigint PRIMARY KEY, terms text[] NOT NULL)",
    # Not fastupdate: every search would read all of what was put off, and a question makes many.
    "CREATE INDEX IF NOT EXISTS idx_recall_terms ON recall USING gin (terms) WITH (fastupdate = off)",
    """CREATE OR REPLACE FUNCTION recall_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM recall WHERE id = old.rowid;
        DELETE FROM recall_vectors WHERE id = old.rowid;
    END IF;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM recall_queue WHERE id = old.rowid;
    ELSE
        INSERT INTO recall_queue (id) VALUES (new.rowid) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$""",
    "DROP TRIGGER IF EXISTS recall_message ON messages",
    """CREATE TRIGGER recall_message AFTER INSERT OR DELETE OR UPDATE OF content, metadata_json ON messages
    FOR EACH ROW EXECUTE FUNCTION recall_message()""",
    """CREATE OR REPLACE FUNCTION put_task_right() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' OR new.due_at IS DISTINCT FROM old.due_at THEN
        new.due_at := date_trunc('second', new.due_at);
        new.scheduled_for := new.due_at;
        new.anchor_local := NULL;
    END IF;
    new.claim := NULL;
    new.missed := NULL;
    new.rev := new.rev + 1;
    RETURN new;
END $$""",
    "DROP TRIGGER IF EXISTS scheduled_tasks_inserted ON scheduled_tasks",
    """CREATE TRIGGER scheduled_tasks_inserted BEFORE INSERT ON scheduled_tasks
    FOR EACH ROW WHEN (new.scheduled_for IS NULL) EXECUTE FUNCTION put_task_right()""",
    "DROP TRIGGER IF EXISTS scheduled_tasks_updated ON scheduled_tasks",
    """CREATE TRIGGER scheduled_tasks_updated BEFORE UPDATE OF due_at, status ON scheduled_tasks
    FOR EACH ROW WHEN (new.rev = old.rev) EXECUTE FUNCTION put_task_right()""",
    # Of what may be due earlier than a worker knows, and of nothing else: who notifies commits one by one.
    """CREATE OR REPLACE FUNCTION tell_of_task() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_notify('omega_tasks', CASE WHEN length(new.channel) <= 500 THEN new.channel ELSE '' END);
    RETURN NULL;
END $$""",
    "DROP TRIGGER IF EXISTS task_inserted ON scheduled_tasks",
    """CREATE TRIGGER task_inserted AFTER INSERT ON scheduled_tasks
    FOR EACH ROW WHEN (new.status = 'pending') EXECUTE FUNCTION tell_of_task()""",
    "DROP TRIGGER IF EXISTS task_updated ON scheduled_tasks",
    """CREATE TRIGGER task_updated AFTER UPDATE OF due_at, status ON scheduled_tasks
    FOR EACH ROW WHEN (new.status = 'pending' AND (old.status <> 'pending' OR new.due_at < old.due_at))
    EXECUTE FUNCTION tell_of_task()""",
)
