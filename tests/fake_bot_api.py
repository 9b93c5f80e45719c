"""A Telegram Bot API on loopback: people write to the bot in it, and what the bot answers is recorded.

with BotApi() as api:
    api.write("Hello")               # the bot gets it by getUpdates, as it would from the real one
    api.wait_for(1)                  # the parameters of its sendMessage calls
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

TOKEN = "42:loopback"
SOMEBODY = {"id": 7, "is_bot": False, "first_name": "John"}
CHAT = {"id": 7, "type": "private", "first_name": "John"}
BOT = {"id": 42, "is_bot": True, "first_name": "Omega", "username": "omega_bot"}
LONGEST_POLL = 5.0


class BotApi:
    """One bot, one chat."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.methods: list[str] = []
        self._updates: list[dict[str, Any]] = []
        self._refusals: dict[str, dict[str, Any]] = {}
        self._numbers = 100
        self._news = threading.Condition()
        self._ends = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="bot api")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._ends = True
            self._news.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def write(self, text: str, *, number: int | None = None, kind: str = "message") -> int:
        """A message to the bot; its number. With a number: the same once more, or `edited_message`."""
        with self._news:
            number = number or self._next()
            message = {"message_id": number, "date": int(time.time()), "chat": CHAT, "from": SOMEBODY}
            if text.startswith("/"):
                command = {"type": "bot_command", "offset": 0, "length": len(text.split()[0])}
                message["entities"] = [command]
            edited = {"edit_date": message["date"]} if kind == "edited_message" else {}
            self._updates.append({"update_id": self._next(), kind: {**message, "text": text, **edited}})
            self._news.notify_all()
            return number

    def refuse(self, text: str, code: int, description: str) -> None:
        """That text is not taken from the bot."""
        with self._news:
            self._refusals[text] = {"ok": False, "error_code": code, "description": description}

    def wait_for(self, count: int, seconds: float = 60) -> list[str]:
        """The texts that were sent, once there are so many."""
        return self._until(lambda: len(self.sent) >= count, seconds)

    def wait_until_read(self, seconds: float = 60) -> None:
        """Until the bot has asked for what comes after everything that was written."""
        self._until(lambda: not self._updates, seconds)

    def _until(self, done: Callable[[], bool], seconds: float) -> list[str]:
        with self._news:
            assert self._news.wait_for(done, seconds), (self.sent, self.methods)
            return [each["text"] for each in self.sent]

    def answer(self, method: str, given: dict[str, str]) -> dict[str, Any]:
        with self._news:
            self.methods.append(method)
            try:
                return self._answer(method, given)
            finally:
                self._news.notify_all()

    def _answer(self, method: str, given: dict[str, str]) -> dict[str, Any]:
        if method == "getUpdates":
            return _ok(self._fetch(int(given.get("offset", 0)), float(given.get("timeout", 0))))
        if method == "sendMessage":
            refused = self._refusals.get(given["text"])
            return refused or _ok(self._send(given))
        return _ok(BOT if method == "getMe" else True)

    def _fetch(self, offset: int, timeout: float) -> list[dict[str, Any]]:
        self._updates = [each for each in self._updates if each["update_id"] >= offset]
        self._news.notify_all()
        self._news.wait_for(lambda: self._updates or self._ends, min(timeout, LONGEST_POLL))
        return list(self._updates)

    def _send(self, given: dict[str, str]) -> dict[str, Any]:
        self.sent.append(given)
        return {"message_id": self._next(), "date": int(time.time()), "chat": CHAT, "text": given["text"]}

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def _ok(result: Any) -> dict[str, Any]:
    return {"ok": True, "result": result}


def _handler(api: BotApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            reply = api.answer(path.rpartition("/")[2], _parameters(body, self.headers["Content-Type"] or ""))
            content = json.dumps(reply).encode()
            self.send_response(reply.get("error_code", 200))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")  # so that no thread waits for another request
            self.end_headers()
            with suppress(OSError):  # a bot that has ended does not wait for its updates
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _parameters(body: str, kind: str) -> dict[str, str]:
    if "json" in kind:
        return {name: str(value) for name, value in json.loads(body or "{}").items()}
    assert "multipart" not in kind, "no files are sent here"
    return dict(parse_qsl(body))
