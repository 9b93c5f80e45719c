"""A bot with a memory in threads: a chat server, one connection a person, one thread a connection.

    python examples/threaded_bot.py 4000 [memory.db]        # then, in other terminals: nc 127.0.0.1 4000

The first line is your name. Then type anything, or `/remind 2030-03-01T09:00 Call John`. A reminder waits
until its person is there.
"""

import sys
from contextlib import suppress
from datetime import timedelta
from socketserver import StreamRequestHandler, ThreadingTCPServer

from omega_models import IncomingMessage, Store
from omega_worker import Delivery, DeliveryError, Settings, Worker

PROMPT = "You are a kind assistant."
PATIENT = Settings.defaults(max_attempts=1000)


class Chat(ThreadingTCPServer):
    """Threads share the Store: each has a connection to the database of its own."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, store: Store) -> None:
        super().__init__(("127.0.0.1", port), Person)
        self.store = store
        self.present: dict[str, Person] = {}

    def send(self, delivery: Delivery) -> None:
        """The channel of the worker, called in threads of its own."""
        person = self.present.get(delivery.reply_target)
        if person is None:
            raise DeliveryError("not connected", retry_after=timedelta(minutes=1))
        person.say(delivery.text)


class Person(StreamRequestHandler):
    server: Chat

    def handle(self) -> None:
        name = self.rfile.readline().decode().strip() or "somebody"
        self.server.present[name] = self
        try:
            for task in self.server.store.list_tasks(name, channel="chat"):
                self.server.store.retry_task(task.id, name)  # what waited for this person is sent now
            while line := self.rfile.readline().decode().strip():
                self.say(self.remind(name, line) if line.startswith("/remind ") else self.answer(name, line))
        finally:
            self.server.present.pop(name, None)

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\n".encode())

    def answer(self, name: str, line: str) -> str:
        with self.server.store.exchange(IncomingMessage("chat", name, line), PROMPT) as turn:
            turn.reply(f"You said: {turn.context.current_message}")  # ask your model here
        return turn.text or ""

    def remind(self, name: str, line: str) -> str:
        _, due, text = (*line.split(maxsplit=2), "")[:3]
        try:
            task = self.server.store.add_task("chat", name, name, text, due)
        except ValueError as error:  # every one says what to do
            return str(error)
        return f"I will remind you: {task.scheduled_for:%d %B %Y %H:%M} UTC"


def main(port: int, path: str) -> None:
    with Store(path) as store, Chat(port, store) as chat, Worker(store, {"chat": chat.send}, PATIENT):
        print("Listening on port", chat.server_address[1], flush=True)
        chat.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "memory.db")
