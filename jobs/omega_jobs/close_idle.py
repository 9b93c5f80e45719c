"""Closing conversations that have gone quiet, each with a summary and by one worker only."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from omega_jobs.summary import summarise as in_their_words
from omega_models import Store, StoreError
from omega_models.conversations import ConversationRef
from omega_models.presence import release_lease, take_lease

PATIENCE = timedelta(seconds=60)
LEASE = timedelta(minutes=5)

Summarise = Callable[[list[tuple[str, str]]], str]


@dataclass(frozen=True)
class Closing:
    """What became of one idle conversation. `trouble`: why the summary is the built-in one instead."""

    conversation_id: str
    closed: bool
    trouble: str | None = None


def close_idle_once(
    store: Store,
    worker_id: str,
    summarise: Summarise = in_their_words,
    *,
    tell: Callable[[Closing], None] = lambda _: None,
    everything: bool = False,
    patience: timedelta = PATIENCE,
) -> int:
    """Closes what has been idle for the Store's timeout, or `everything` that is active; how many.

    `summarise` takes (role, content) pairs, oldest first. Where it fails, returns nothing or takes longer
    than `patience`, the built-in summary is used, so that no conversation stays open for that. A message
    that arrives meanwhile wins: the conversation stays open.
    """
    now = store.clock()
    found = store.find_all_active_conversations() if everything else store.find_idle_conversations()
    since = now if everything else now - store.conversation_timeout
    outcomes = [_close(store, worker_id, each, since, summarise, patience) for each in found]
    return _told(outcomes, tell)


def _told(outcomes: Iterable[Closing | None], tell: Callable[[Closing], None]) -> int:
    known = [each for each in outcomes if each is not None]
    for each in known:
        tell(each)
    return sum(each.closed for each in known)


def _close(
    store: Store,
    worker_id: str,
    conversation: ConversationRef,
    since: datetime,
    summarise: Summarise,
    patience: timedelta,
) -> Closing | None:
    """None: another worker is at it."""
    name = f"close {conversation.id}"
    token = take_lease(store, name, worker_id, LEASE + patience)
    if token is None:
        return None
    try:
        return _summarise_and_close(store, conversation, since, summarise, patience)
    finally:
        release_lease(store, name, token)


def _summarise_and_close(
    store: Store, conversation: ConversationRef, since: datetime, summarise: Summarise, patience: timedelta
) -> Closing:
    read = store.get_messages(conversation.id)
    summary, trouble = _summary([(each.role, each.content) for each in read], summarise, patience)
    until = max([since, *(each.timestamp for each in read[-1:])])  # a reminder keeps none open
    with store.database.writing():
        closed = len(store.get_messages(conversation.id)) == len(read) and store.close_conversation(
            conversation.id, summary[: store.max_text], if_idle_since=until
        )
        if closed:
            store.clear_session(conversation.channel, conversation.sender_id, conversation.project)
    return Closing(conversation.id, closed, trouble)


def _summary(
    said: list[tuple[str, str]], summarise: Summarise, patience: timedelta
) -> tuple[str, str | None]:
    if summarise is in_their_words or not any(content.strip() for _, content in said):
        return in_their_words(said), None
    try:
        found = within(patience, lambda: summarise(said))
    except StoreError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a summariser raises, the conversation is closed
        return in_their_words(said), type(error).__name__
    if not isinstance(found, str) or not found.strip():
        return in_their_words(said), "no summary returned"
    return found.replace("\0", " ").encode(errors="replace").decode(), None


def within(patience: timedelta, call: Callable[[], str]) -> str:
    """The call's result; TimeoutError where it takes longer. Its thread is then left to itself."""
    result: list[str] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="omega-summary", daemon=True)
    thread.start()
    thread.join(patience.total_seconds())
    if errors:
        raise errors[0]
    if not result:
        raise TimeoutError
    return result[0]
