"""Sockets for httpcore on which everything a thread does ends by one moment.

httpcore's own timeouts begin anew with every read and write, so a peer that sends a byte now and
then holds a caller for ever. Looking up a host name is the one step that cannot be cut short.
"""

import socket
import ssl
import threading
from collections.abc import Iterable
from time import monotonic
from typing import Any

import httpcore


class Deadline(threading.local):
    """The moment by which the calling thread must be done."""

    _until = 0.0

    def start(self, seconds: float) -> None:
        """Give the calling thread so many seconds from now."""
        self._until = monotonic() + seconds

    def left(self, too_late: type[Exception]) -> float:
        """Seconds left, more than 0; raises `too_late` when there are none."""
        seconds = self._until - monotonic()
        if seconds <= 0:
            raise too_late("deadline")
        return seconds


class Backend(httpcore.NetworkBackend):
    """Opens TCP connections that keep to a `Deadline`."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # the deadline is used instead
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, each given its share of the time left."""
        addresses = _addresses(host, port)
        for others, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            share = self._deadline.left(httpcore.ConnectTimeout) / (others + 1)
            try:
                plain = self._plain.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not others:
                    raise
            else:
                return _Stream(plain, self._deadline)
        raise httpcore.ConnectError("no address")


class _Stream(httpcore.NetworkStream):
    def __init__(self, plain: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._plain.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        sock: socket.socket = self._plain.get_extra_info("socket")
        rest = memoryview(buffer)
        while rest:
            sock.settimeout(self._deadline.left(httpcore.WriteTimeout))
            try:
                rest = rest[sock.send(rest) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout from error
            except OSError as error:
                raise httpcore.WriteError from error

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(httpcore.ConnectTimeout)
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
