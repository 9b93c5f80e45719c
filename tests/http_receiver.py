"""Something to send, and a webhook receiver on loopback that records and misbehaves as told.

    with Receiver() as receiver:
        receiver.script(answer(503), hang(), answer(200, body=b'{"id": "m1"}'))

Each request takes the next behaviour of the script; the last one stays. Leaving the block releases
whatever hangs and closes every socket.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

import pytest

from omega_jobs.delivery import Delivery, DeliveryError, verdict_of
from omega_worker.channels import Channel

_ON_TIME = Delivery(
    id="0b0f3a52-5f2e-4d9e-9a3c-2f6f2f1b7a10",
    task_id="1f2e3d4c-0000-4000-8000-000000000000",
    channel="home",
    sender_id="42",
    reply_target="chat-7",
    text="Reminder: Call John",
    description="Call John",
    scheduled_for=datetime(2026, 11, 20, 9, tzinfo=UTC),
    scheduled_local=datetime(2026, 11, 20, 9, tzinfo=UTC),
    attempt=1,
    late_by=timedelta(0),
    project="",
    is_action=False,
)


def a_delivery(**changes: Any) -> Delivery:
    """A punctual first attempt, with these changes."""
    return replace(_ON_TIME, **changes)


def refusal(channel: Channel, **changes: Any) -> DeliveryError:
    """What a channel raises when given `a_delivery(**changes)`."""
    with pytest.raises(DeliveryError) as caught:
        channel.send(a_delivery(**changes))
    return caught.value


def meaning(error: DeliveryError) -> str:
    """`ambiguous`, `retry` or `failed`."""
    return verdict_of(error).outcome


class Arrived(NamedTuple):
    """One request as it was received; header names are lower-cased."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A recording HTTP server on a free port of 127.0.0.1; `tls` serves https with that context."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Arrived] = []
        self.connections = 0
        self.released = threading.Event()
        self.seen = threading.Condition()
        self._script: list[Behaviour] = [answer(204)]
        self._open: set[socket.socket] = set()
        self._server = _Server(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="receiver", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def script(self, *behaviours: "Behaviour") -> None:
        """What the coming requests meet, in this order; the last stays."""
        with self.seen:
            self._script = list(behaviours)

    def wait_for(self, count: int, timeout: float = 10) -> list[Arrived]:
        """The requests, once there are so many; AssertionError if they do not come."""
        with self.seen:
            assert self.seen.wait_for(lambda: len(self.requests) >= count, timeout), self.requests
            return list(self.requests)

    def wait_until_closed(self, timeout: float = 10) -> None:
        """Return once no connection is open; AssertionError if one stays."""
        with self.seen:
            assert self.seen.wait_for(lambda: not self._open, timeout), self._open

    def accept(self, arrived: Arrived) -> "Behaviour":
        with self.seen:
            self.requests.append(arrived)
            self.seen.notify_all()
            return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def opened(self, connection: socket.socket) -> None:
        with self.seen:
            self.connections += 1
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self.seen:
            self._open.discard(connection)
            self.seen.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        with self.seen:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """What a behaviour is given: `wfile` and `connection` to answer with, `receiver` to wait on."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    @property
    def receiver(self) -> Receiver:
        return self.server.receiver

    def setup(self) -> None:
        super().setup()
        self.receiver.opened(self.connection)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.accept(Arrived(self.command, self.path, headers, body))(self)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        pass

    def drop(self) -> None:
        self.close_connection = True


Behaviour = Callable[[Handler], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server joins them

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", 0), Handler)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.receiver.closed(request)

    def handle_error(self, *_: Any) -> None:
        pass  # a client that hung up is part of the tests


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Behaviour:
    """A complete answer."""

    def behave(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def redirect(location: str, status: int = 302) -> Behaviour:
    """A redirect to that address."""
    return answer(status, {"Location": location})


def hang() -> Behaviour:
    """No answer until the receiver is closed."""

    def behave(handler: Handler) -> None:
        handler.receiver.released.wait()
        handler.drop()

    return behave


def late(event: threading.Event, status: int = 200) -> Behaviour:
    """An answer once the event is set, or the receiver is closed."""

    def behave(handler: Handler) -> None:
        while not event.wait(0.01) and not handler.receiver.released.is_set():
            pass
        answer(status)(handler)

    return behave


def reset(sent: bytes = b"") -> Behaviour:
    """A few bytes, or none, and then a TCP reset."""

    def behave(handler: Handler) -> None:
        handler.connection.sendall(sent)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.rfile.close()
        handler.wfile.close()
        handler.connection.close()
        handler.drop()

    return behave


def hang_up(sent: bytes = b"") -> Behaviour:
    """A few bytes, or none, and then an orderly end of the connection."""
    return raw(sent)


def garbage() -> Behaviour:
    """Bytes that are not HTTP."""
    return raw(b"\x00\xff\x16 not a status line \r\n\r\n")


def raw(sent: bytes) -> Behaviour:
    """Exactly these bytes, and then the end of the connection."""

    def behave(handler: Handler) -> None:
        handler.connection.sendall(sent)
        handler.drop()

    return behave


def trickle(first: bytes, then: bytes = b"a", every: float = 0.02) -> Behaviour:
    """Some bytes at once, then a little more now and then, until the other side gives up."""

    def behave(handler: Handler) -> None:
        handler.drop()
        with contextlib.suppress(OSError):
            handler.connection.sendall(first)
            while not handler.receiver.released.wait(every):
                handler.connection.sendall(then)

    return behave


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """The address of a port that refuses connections: taken, but nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
