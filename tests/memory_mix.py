"""Threads of several processes that do everything a memory offers on one file, and write down what was acknowledged.

Each thread has names of its own within what all share, so that its notes alone say what must be there at the
end. Every text of a sender holds that sender's mark.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from omega_models import (
    AmbiguousTaskId,
    AuditEntry,
    AuditLogger,
    Context,
    IncomingMessage,
    Store,
)
from omega_models.times import system_clock

CHANNEL = "chat"
MARKS = ("quartzite", "bluebell", "marzipan", "periscope", "waterfall", "hurricane")
WORDS = ("harbour", "teapot", "lantern", "violin", "orchard", "compass", "biscuit", "meadow")
REDELIVERED = 40  # messages that every thread may be handed by the platform
FOREIGN, TROUBLE = "foreign", "trouble"


class Actor:
    """One thread. `notes` are (what, *details) in the order in which they were acknowledged."""

    def __init__(self, store: Store, name: str, seed: int) -> None:
        self.store = store
        self.name = name
        self.notes: list[tuple[Any, ...]] = []
        self.longest = 0.0
        self._chance = random.Random(seed)
        self._numbers = count()
        self._said: list[tuple[int, str]] = []
        self._tasks: list[tuple[str, int]] = []
        self._audit = AuditLogger(store)
        self._calls: tuple[Callable[[int], None], ...] = (
            self.exchange,
            self.exchange,
            self.receive_first,
            self.answer_in_pieces,
            self.deliver_again,
            self.append,
            self.edit,
            self.delete,
            self.remember_fact,
            self.learn,
            self.add_task,
            self.work,
            self.cancel,
            self.search,
            self.build_context,
            self.resume_session,
            self.close,
            self.write_audit,
            self.read_lists,
        )

    def run(self, seconds: float, most: int | None) -> None:
        """Every call once, then any, until the time is over or so many are made. What one raises is noted."""
        until = time.monotonic() + seconds
        ahead = self._chance.sample(self._calls, len(self._calls))
        while time.monotonic() < until and most != 0:
            most = None if most is None else most - 1
            call = ahead.pop() if ahead else self._chance.choice(self._calls)
            sender, start = self._chance.randrange(len(MARKS)), time.monotonic()
            try:
                call(sender)
            except Exception as error:  # noqa: BLE001  no error at all is expected
                self.note(TROUBLE, call.__name__, f"{type(error).__name__}: {error}")
            self.longest = max(self.longest, time.monotonic() - start)

    def note(self, what: str, *details: Any) -> None:
        self.notes.append((what, *details))

    def text(self, sender: int) -> str:
        return f"{MARKS[sender]} {self.word()} {self.name}n{next(self._numbers)}"

    def word(self) -> str:
        return self._chance.choice(WORDS)

    def check(self, sender: int, where: str, *texts: str) -> None:
        """Notes texts that are another sender's."""
        for other, mark in enumerate(MARKS):
            if other != sender and any(mark in text for text in texts):
                self.note(FOREIGN, where, sender, mark)

    # What is said

    def incoming(self, sender: int) -> IncomingMessage:
        text = self.text(sender)
        return IncomingMessage(CHANNEL, sender, text, platform_message_id=text, reply_target=sender)

    def said(self, sender: int, *texts: str) -> None:
        for text in texts:
            self.note("said", sender, text)
        self._said.append((sender, texts[0]))

    def exchange(self, sender: int) -> None:
        message, answer = self.incoming(sender), self.text(sender)
        self.store.store_exchange(message, answer)
        self.said(sender, message.text, answer)

    def receive_first(self, sender: int) -> None:
        message, answer = self.incoming(sender), self.text(sender)
        assert self.store.receive(message).is_new
        self.said(sender, message.text)
        self.store.store_exchange(message, answer)
        self.note("said", sender, answer)

    def answer_in_pieces(self, sender: int) -> None:
        message, answer = self.incoming(sender), self.text(sender)
        with self.store.exchange(message, "Be kind.") as turn:
            self.check_context(sender, turn.context)
            for letter in answer:
                turn.write(letter)
        self.said(sender, message.text, answer)

    def deliver_again(self, sender: int) -> None:
        """The same as every other thread may be doing: it is to be there once, and answered once."""
        number = self._chance.randrange(REDELIVERED)
        text = f"{MARKS[sender]} again {number}"
        message = IncomingMessage(CHANNEL, sender, text, platform_message_id=f"again {number}")
        self.store.receive(message)
        self.store.store_exchange(message, f"{text} answered")
        self.note("said", sender, text)
        self.note("said", sender, f"{text} answered")

    def append(self, sender: int) -> None:
        text = self.text(sender)
        place = self.store.get_or_create_conversation(CHANNEL, sender)
        self.store.append_message(place, "assistant", text)
        self.note("said", sender, text)

    def edit(self, sender: int) -> None:
        if self._said:
            sender, known = self._said.pop()
            text = self.text(sender)
            assert self.store.edit_message(CHANNEL, known, text, reply_target=sender)
            self.note("unsaid", sender, known)
            self.note("said", sender, text)

    def delete(self, sender: int) -> None:
        if self._said:
            sender, known = self._said.pop()
            assert self.store.delete_message(CHANNEL, known, reply_target=sender)
            self.note("unsaid", sender, known)

    def close(self, sender: int) -> None:
        if self._chance.random() < 0.3:
            for each in self.store.find_all_active_conversations():
                if each.sender_id == str(sender):
                    self.store.close_conversation(
                        each.id, f"about {MARKS[sender]}", if_idle_since="2000-01-01"
                    )
            self.store.close_current_conversation(CHANNEL, sender)
        self.check(sender, "summaries", *(s for s, _ in self.store.get_recent_summaries(CHANNEL, sender, 9)))

    # What is known

    def remember_fact(self, sender: int) -> None:
        key, value = f"{self.name} {self._chance.randrange(3)}", self.text(sender)
        self.store.store_fact(sender, key, value)
        self.note("fact", sender, key, value)
        if self._chance.random() < 0.2:
            assert self.store.delete_fact(sender, key)
            self.note("fact", sender, key, None)

    def learn(self, sender: int) -> None:
        """A counter that everybody raises, and a row of one's own."""
        lesson = self.text(sender)
        self.store.store_lesson(sender, "manners", f"{MARKS[sender]} be kind")
        self.note("lesson", sender)
        self.store.store_outcome(sender, "manners", 1, lesson)
        self.note("outcome", sender, lesson)

    def resume_session(self, sender: int) -> None:
        session = self.text(sender)
        self.store.store_session(CHANNEL, sender, self.name, session)
        self.note("session", sender, session)
        assert self.store.get_session(CHANNEL, sender, self.name) == session

    def write_audit(self, sender: int) -> None:
        text = self.text(sender)
        self._audit.log(AuditEntry(CHANNEL, sender, text))
        self.note("audit", text)

    # Tasks

    def add_task(self, sender: int) -> None:
        text, due = self.text(sender), system_clock() + timedelta(seconds=self._chance.choice((-5, 3600)))
        task = self.store.create_task(CHANNEL, sender, sender, text, due, dedupe="off")
        self._tasks.append((task, sender))
        self.note("task", task, text)

    def work(self, _: int) -> None:
        for each in self.store.claim_due_tasks(self.name, 3):
            self.check(int(each.sender_id), "claim", each.description)
            if self.store.settle(each.token, "delivered", receipt=self.name):
                self.note("delivered", each.id, each.occurrence_id)

    def cancel(self, _: int) -> None:
        if self._tasks:
            task, sender = self._tasks.pop(0)
            try:
                if self.store.cancel_task(task, sender):
                    self.note("cancelled", task)
            except AmbiguousTaskId:
                self.note(TROUBLE, "cancel", "a whole id was called ambiguous")

    def read_lists(self, sender: int) -> None:
        tasks = self.store.get_tasks_for_sender(sender)
        self.check(sender, "tasks", *(task.description for task in tasks))
        self.check(sender, "facts", *(fact.value for fact in self.store.get_facts(sender)))
        self.store.get_memory_stats(sender)

    # What is asked

    def search(self, sender: int) -> None:
        mark = self._chance.choice(MARKS)  # another sender's word finds nothing of theirs
        found = self.store.search_messages(f"{mark} {self.word()}", None, sender)
        self.check(sender, "search", *(line.content for line in found))

    def build_context(self, sender: int) -> None:
        message = IncomingMessage(CHANNEL, sender, f"{self.word()} or {self.word()}?")
        self.check_context(sender, self.store.build_context(message, "Be kind."))

    def check_context(self, sender: int, context: Context | None) -> None:
        assert context is not None
        self.check(sender, "context", context.system_prompt, *(line.content for line in context.history))


def act(path: str, notes: str, name: str, threads: int, seconds: float, most: int | None, seed: int) -> None:
    """What a child runs: that many actors on one Store; their notes go to a file."""
    with Store(path, max_pending_tasks=10**6) as store:
        actors = [Actor(store, f"{name}t{number}", seed + number) for number in range(threads)]
        running = [threading.Thread(target=actor.run, args=(seconds, most)) for actor in actors]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    told = {
        "notes": {actor.name: actor.notes for actor in actors},
        "longest": max(actor.longest for actor in actors),
    }
    Path(notes).write_text(json.dumps(told), encoding="utf-8")
