"""Conversations: finding the present one, closing it with a summary, what is remembered of past ones."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from peewee import SQL, Field, Node, fn

from omega_models import checks, times
from omega_models.database import Database
from omega_models.incoming import IncomingMessage, optional_id
from omega_models.statements import Given
from omega_models.tables import Conversation as C
from omega_models.tables import Message as M

if TYPE_CHECKING:
    from omega_models.store import Store

ACTIVE = SQL("'active'")  # literals, so that partial indexes are seen to fit
CLOSED = SQL("'closed'")
ROWID = SQL("rowid")
NO_SUMMARY = "(no summary)"


class ConversationRef(NamedTuple):
    id: str
    channel: str
    sender_id: str
    project: str


class Summary(NamedTuple):
    summary: str
    updated_at: datetime


class Place(NamedTuple):
    """Where a conversation is held. `group` is a group's reply_target, None the sender's private chat."""

    channel: str
    sender_id: str
    project: str
    group: str | None


def place(channel: str, sender_id: str | int, project: str | None, group: str | int | None) -> Place:
    return Place(
        checks.identifier(channel, "channel"),
        checks.identifier(sender_id, "sender_id"),
        checks.project(project),
        optional_id(group, "group"),
    )


def place_of(incoming: IncomingMessage, project: str | None) -> Place:
    return Place(incoming.channel, incoming.sender_id, checks.project(project), incoming.group)


# The present one


def _held_here(grouped: bool) -> Node:
    group = C.group_target == Given("group") if grouped else C.group_target.is_null()
    return (C.channel == Given("channel")) & (C.sender_id == Given("sender_id")) & group


def _present(_: Database, grouped: bool) -> Node:
    here = _held_here(grouped) & (C.project == Given("project")) & (C.status == ACTIVE)
    young = C.select(C.id).where(here & (C.last_activity > Given("cutoff")))
    return young.order_by(C.last_activity.desc(), ROWID.desc()).limit(1)


def _enter_present(database: Database, grouped: bool) -> Node:
    return C.update(_raised(database)).where(C.id == _present(database, grouped)).returning(C.id)


def _raised(database: Database) -> dict[Field, Node]:
    """A clock that is put back never lowers them."""
    later = fn.GREATEST if database.is_postgres else fn.MAX
    return {field: later(field, Given("now")) for field in (C.last_activity, C.updated_at)}


def _begin(_: Database) -> Node:
    columns = {name: Given(name) for name in ("id", "channel", "sender_id", "project")}
    columns |= dict.fromkeys(("started_at", "updated_at", "last_activity"), Given("now"))
    return C.insert(**columns, group_target=Given("group"), status=ACTIVE)


def get_or_create_conversation(
    store: Store,
    channel: str,
    sender_id: str | int,
    project: str | None = "",
    *,
    group: str | int | None = None,
) -> str:
    """The id of the active conversation younger than the timeout, touched; of a new one where there is none.

    `group` is the reply_target of a group, None the private chat. Raises `InvalidId`.
    """
    here = place(channel, sender_id, project, group)
    with store.database.writing():
        alone(store, here.channel, here.sender_id)
        return enter(store, here, store.clock())


def alone(store: Store, channel: str, sender_id: str) -> None:
    """Until the transaction ends no other one begins anything for this sender. SQLite has one writer anyway."""
    if store.database.is_postgres:
        name = f"{channel}\n{sender_id}"
        store.database.sql_rows("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def enter(store: Store, here: Place, now: datetime) -> str:
    """The present conversation, touched, or a new one; inside the caller's transaction."""
    given = {**here._asdict(), "now": times.to_text(now), "cutoff": cutoff(store, now)}
    found: str | None = store.database.value(_enter_present, here.group is not None, **given)
    if found is None:
        found = str(uuid.uuid4())
        store.database.run(_begin, id=found, **given)
    return found


def cutoff(store: Store, now: datetime) -> str:
    """A conversation whose last activity is not after this is idle."""
    try:
        return times.to_text(now - store.conversation_timeout)
    except OverflowError:
        return times.to_text(datetime.min.replace(tzinfo=UTC))


def _touch(database: Database) -> Node:
    return C.update(_raised(database)).where(C.id == Given("id"))


def touch(store: Store, conversation_id: str, moment: datetime) -> bool:
    """Raises the last activity to that moment; False where there is no such conversation."""
    return store.database.run(_touch, id=conversation_id, now=times.to_text(moment)) > 0


def get_active_conversation_id(
    store: Store,
    channel: str,
    sender_id: str | int,
    project: str | None = "",
    *,
    group: str | int | None = None,
) -> str | None:
    """The id of the active conversation younger than the timeout, left as it is."""
    here = place(channel, sender_id, project, group)
    given = {**here._asdict(), "cutoff": cutoff(store, store.clock())}
    found: str | None = store.database.value(_present, here.group is not None, **given)
    return found


def _any_active(_: Database) -> Node:
    return C.select(SQL("1")).where(C.status == ACTIVE).limit(1)


def any_active(store: Store) -> bool:
    """Whether any conversation, of anybody, is active."""
    return store.database.value(_any_active) is not None


# Closing


def _active(_: Database, idle: bool) -> Node:
    found = C.select(C.id, C.channel, C.sender_id, C.project).where(C.status == ACTIVE)
    if idle:
        found = found.where(C.last_activity <= Given("cutoff"))
    return found.order_by(C.last_activity, ROWID)


def find_idle_conversations(store: Store) -> list[ConversationRef]:
    """The active conversations without activity for as long as the timeout, the longest idle first."""
    rows = store.database.rows(_active, True, cutoff=cutoff(store, store.clock()))
    return [ConversationRef(*row) for row in rows]


def find_all_active_conversations(store: Store) -> list[ConversationRef]:
    """All active conversations, the longest idle first."""
    return [ConversationRef(*row) for row in store.database.rows(_active, False)]


def _close(_: Database, idle: bool) -> Node:
    columns = {C.status: CLOSED, C.summary: Given("summary"), C.updated_at: Given("now")}
    found = C.update(columns).where(C.id == Given("id"))
    if not idle:
        return found
    added = M.select(SQL("1")).where((M.conversation == Given("id")) & (M.timestamp > Given("since")))
    return found.where((C.status == ACTIVE) & (C.last_activity <= Given("since")) & ~fn.EXISTS(added))


def close_conversation(
    store: Store, conversation_id: str, summary: str | None, *, if_idle_since: datetime | str | None = None
) -> bool:
    """Closes it with the summary, or gives a closed one another; whether it did.

    With `if_idle_since` only while it is active, its last activity was not after that time, and nothing
    was added since. A blank summary is none.
    """
    given = {
        "id": checks.identifier(conversation_id, "conversation_id"),
        "summary": checks.text(summary or "", "summary", store.max_text).strip() or None,
        "now": times.to_text(store.clock()),
        "since": _whole_second_before(if_idle_since) if if_idle_since is not None else None,
    }
    return store.database.run(_close, if_idle_since is not None, **given) > 0


def _whole_second_before(given: datetime | str) -> str:
    """Down, not up: what came later in that second was not seen by who read until then."""
    moment = times.parse(given)
    return times.to_text(times.instant(moment.replace(microsecond=0)))


def _close_present(_: Database, grouped: bool) -> Node:
    here = _held_here(grouped) & (C.project == Given("project")) & (C.status == ACTIVE)
    return C.update({C.status: CLOSED, C.updated_at: Given("now")}).where(here)


def close_current_conversation(
    store: Store,
    channel: str,
    sender_id: str | int,
    project: str | None = "",
    *,
    group: str | int | None = None,
) -> bool:
    """Closes what is active, without a summary; whether anything was. The older program may leave several."""
    here = place(channel, sender_id, project, group)
    given = {**here._asdict(), "now": times.to_text(store.clock())}
    return store.database.run(_close_present, here.group is not None, **given) > 0


# Past ones


def _past(_: Database, grouped: bool, summarised: bool) -> Node:
    found = C.select(C.summary, C.updated_at).where(_held_here(grouped) & (C.status == CLOSED))
    if summarised:
        found = found.where(C.summary.is_null(False))
    return found.order_by(C.updated_at.desc(), ROWID.desc()).limit(Given("limit"))


def _past_of_all(_: Database) -> Node:
    found = C.select(C.summary, C.updated_at).where((C.status == CLOSED) & C.summary.is_null(False))
    return found.order_by(C.updated_at.desc(), ROWID.desc()).limit(Given("limit"))


def get_recent_summaries(
    store: Store, channel: str, sender_id: str | int, limit: int, *, group: str | int | None = None
) -> list[Summary]:
    """The summaries of the sender's closed conversations in the private chat, or in that group; newest first."""
    return _remembered(store, place(channel, sender_id, "", group), limit, summarised=True)


def get_history(
    store: Store, channel: str, sender_id: str | int, limit: int, *, group: str | int | None = None
) -> list[Summary]:
    """The same with those that have no summary, as `(no summary)`."""
    return _remembered(store, place(channel, sender_id, "", group), limit, summarised=False)


def get_all_recent_summaries(store: Store, limit: int) -> list[Summary]:
    """The summaries of everybody's closed conversations, newest first."""
    return _summaries(store.database.rows(_past_of_all, limit=checks.limit(limit)))


def _remembered(store: Store, here: Place, limit: int, *, summarised: bool) -> list[Summary]:
    given = {**here._asdict(), "limit": checks.limit(limit)}
    return _summaries(store.database.rows(_past, here.group is not None, summarised, **given))


def _summaries(rows: list[tuple[str | None, str | datetime]]) -> list[Summary]:
    return [Summary(summary or NO_SUMMARY, times.from_text(updated)) for summary, updated in rows]
