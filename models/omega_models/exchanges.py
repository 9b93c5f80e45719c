"""One exchange: the message is received, the context built, what is said meanwhile kept and stored."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from omega_models import checks, receiving, redelivery
from omega_models.errors import StoreError, TextTooLong
from omega_models.incoming import MAX_TEXT, ContextNeeds, IncomingMessage
from omega_models.metadata import Metadata, of_reply
from omega_models.receiving import Received
from omega_models.redelivery import Seen

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")


class Turn:
    """A message that is being answered.

    `duplicate`: its platform delivered it before. `answered`: it has its reply already, so that another one
    would not be stored. `context` is what `build_context` made, None for one that is answered.
    """

    def __init__(self, received: Received, answered: bool, context: Any, max_text: int) -> None:
        self.conversation_id = received.conversation_id
        self.message_id = received.message_id
        self.duplicate = not received.is_new
        self.answered = answered
        self.context = context
        self.metadata: Metadata | None = None
        self._max_text = max_text
        self._written: list[str] = []
        self._length = 0
        self._reply: str | None = None

    @property
    def text(self) -> str | None:
        """What was said so far; None: nothing."""
        return self._reply if self._reply is not None else "".join(self._written) or None

    def write(self, delta: str) -> None:
        """Records the next piece of the answer. Raises `InvalidText` or `TextTooLong`."""
        checks.text(delta, "delta", self._max_text)
        if self._length + len(delta) > self._max_text:
            raise TextTooLong(
                f"the answer is longer than {self._max_text:,} characters, the Store's max_text"
            )
        self._length += len(delta)
        self._written.append(delta)

    def reply(self, text: str, metadata: Metadata | None = None) -> None:
        """Records the whole answer, in place of what was written. Raises `InvalidText` or `TextTooLong`."""
        checks.text(text, "text", self._max_text)
        of_reply(metadata)
        self._reply, self.metadata = text, metadata


@contextmanager
def exchange(
    store: Store,
    incoming: IncomingMessage,
    base_system_prompt: str = "",
    *,
    project: str | None = "",
    needs: ContextNeeds = ContextNeeds(),  # noqa: B008  frozen
    token_budget: int | None = None,
) -> Iterator[Turn]:
    """Receives the message, builds its context, and stores what was said when the block ends.

    Where an exception ends it, what was said so far is kept, marked `"partial": true`, and the message still
    waits for its reply. No transaction is held meanwhile.
    """
    turn = begin(store, incoming, base_system_prompt, project, needs, token_budget)
    try:
        yield turn
    except BaseException as error:
        keep(store, turn, error)
        raise
    finish(store, turn)


def begin(
    store: Store,
    incoming: IncomingMessage,
    base_system_prompt: str,
    project: str | None,
    needs: ContextNeeds,
    token_budget: int | None,
) -> Turn:
    checks.instance(incoming, "incoming", IncomingMessage)
    checks.instance(needs, "needs", ContextNeeds)
    checks.text(base_system_prompt, "base_system_prompt", MAX_TEXT)
    if token_budget is not None:
        checks.limit(token_budget, "token_budget")
    received = receiving.receive(store, incoming, project)
    known = None if received.is_new else redelivery.seen(store, incoming)
    answered = known is not None and known.reply_id is not None
    context = None
    if not answered:
        builder: Any = store
        stored = replace_id(incoming, received.message_id)
        context = builder.build_context(
            stored, base_system_prompt, needs, project or None, token_budget=token_budget
        )
    return Turn(received, answered, context, store.max_text)


def replace_id(incoming: IncomingMessage, message_id: str) -> IncomingMessage:
    """The message as its row is known, so that a context can leave it out of the history."""
    return replace(incoming, id=message_id)


def finish(store: Store, turn: Turn) -> None:
    """Stores the answer; the message stays unanswered where there is none."""
    if turn.text is not None:
        _store(store, turn, of_reply(turn.metadata), final=True)


def keep(store: Store, turn: Turn, error: BaseException) -> None:
    """Stores what was said before the error, which is never hidden by another one."""
    if turn.text is None:
        return
    try:
        marks = {"partial": True, "error": type(error).__name__}
        _store(store, turn, of_reply(turn.metadata, **marks), final=False)
    except (StoreError, ValueError) as failed:
        log.error("what was said before an error could not be kept: %s", failed)
        error.add_note(f"What was said before could not be kept: {failed}")


def _store(store: Store, turn: Turn, metadata_json: str | None, *, final: bool) -> None:
    known = Seen(turn.conversation_id, turn.message_id, None)
    with store.database.writing():
        receiving.add_reply(store, known, turn.text or "", metadata_json, store.clock(), final=final)
