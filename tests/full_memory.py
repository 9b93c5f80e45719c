"""A person in every table and in both indexes of search, each column with a word of its own to look for."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from omega_models import (
    Attachment,
    AuditEntry,
    AuditLogger,
    AuditStatus,
    IncomingMessage,
    MessageMetadata,
    OutgoingMessage,
    Store,
)

START = datetime(2030, 1, 1, 9, tzinfo=UTC)


class Person(NamedTuple):
    """Ids under which something is stored, and the words that stand nowhere but in this person's rows."""

    sender: str
    aliases: tuple[str, str]
    conversation: str
    words: list[str]


class Words:
    """Words nobody else uses. Their first four letters are what the index of recall holds."""

    def __init__(self) -> None:
        self.used: list[str] = []

    def __call__(self, about: str = "") -> str:
        self.used.append(f"{token_hex(6)}{about}")
        return self.used[-1]

    def long(self) -> str:
        """A text that takes many pages, with words of its own at both ends and in the middle."""
        filling = " ".join(f"filling{n}" for n in range(1500))
        return f"{self()} {filling} {self()} {filling} {self()}"


def fill(store: Store, name: str = "person") -> Person:
    """Stores something everywhere; of what was edited, replaced or deleted the former words are known too."""
    word = Words()
    sender, first, second = (f"{name}-{word()}" for _ in range(3))
    store.create_alias(first, sender)
    store.create_alias(second, first)
    conversation = _talk(store, word, sender)
    _talk(store, word, second)
    _know(store, word, first)
    _know(store, word, sender)
    _plan(store, word, sender)
    return Person(sender, (first, second), conversation, word.used)


def _talk(store: Store, word: Words, sender: str) -> str:
    said = IncomingMessage(
        word("channel"),
        sender,
        f"{word()} {word()}",
        sender_name=word(),
        reply_target=word(),
        platform_message_id=word(),
        reply_to=word(),
        attachments=[Attachment(word(), word(), word(), 5, word())],
        source=word(),
    )
    answer = OutgoingMessage(word(), MessageMetadata(word(), 5, 5, word(), word()))
    old = store.store_exchange(said, answer, word("project"))
    store.edit_message(
        said.channel, said.platform_message_id or "", word(), reply_target=said.reply_target or ""
    )
    store.close_conversation(old, word())
    store.close_conversation(old, word())
    gone = IncomingMessage(said.channel, sender, word.long(), platform_message_id=word())
    conversation = store.store_exchange(gone, word.long(), word("project"))
    store.delete_message(gone.channel, gone.platform_message_id or "")
    store.append_message(conversation, "user", word(), sender_name=word(), metadata={word(): word()})
    call = {"type": "function_call", "name": word(), "arguments": word()}
    store.add_items(conversation, [call, {"role": "user", "content": word(), "id": word()}, call])
    grouped = IncomingMessage(said.channel, sender, word(), reply_target=word(), is_group=True)
    store.store_exchange(grouped, word())
    store.receive(IncomingMessage(said.channel, sender, word(), platform_message_id=word()))
    return old


def _know(store: Store, word: Words, sender: str) -> None:
    overwritten = word("key")
    for _ in range(3):
        store.store_fact(sender, overwritten, word())
    store.store_fact(sender, word(), word.long())
    taken_back = word()
    store.store_fact(sender, taken_back, word())
    store.delete_fact(sender, taken_back)
    store.store_outcome(sender, word(), 1, word(), word(), word())
    store.store_lesson(sender, word(), word(), word())
    channel, project = word(), word()
    store.store_session(channel, sender, project, word())
    store.store_session(channel, sender, project, word())
    entry = AuditEntry(
        word(), sender, word(), AuditStatus.DENIED, word(), word.long(), word(), word(), 5, word()
    )
    AuditLogger(store).log_all([entry, AuditEntry(channel, sender, word())])


def _plan(store: Store, word: Words, sender: str) -> None:
    channel = word()
    at = store.clock()
    for repeat in (None, "daily", "RRULE:FREQ=WEEKLY;BYDAY=MO"):
        task = store.create_task(channel, sender, word(), word(), at, repeat, "action", word())
        store.update_task(task, sender, description=word.long() if repeat else word())
        store.complete_task(task)
    failed = store.create_task(channel, sender, word(), word(), at)
    store.fail_task(failed, word(), 5)
    claimed = store.create_task(word("channel"), sender, word(), word(), at)
    for each in store.claim_due_tasks("worker", 1000):
        if each.id != claimed and each.sender_id == sender:
            store.settle(each.token, "ambiguous", receipt=word(), error=word())


def remains(store: Store, words: list[str]) -> dict[str, list[str]]:
    """Which of the words are still in the file, its log, or the log's index."""
    where = Path(store.database.where)
    found = {}
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            content = where.with_name(where.name + suffix).read_bytes()
            found[suffix] = [word for word in words if word.encode() in content]
    return {suffix: left for suffix, left in found.items() if left}
