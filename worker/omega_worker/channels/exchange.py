"""One HTTP exchange: a POST, and how far it came.

Built on httpx's addresses and httpcore's pool rather than on `httpx.Client`, which logs every
address with its credentials, keeps cookies, and cannot end a whole exchange by one deadline.
"""

import base64
import ssl
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import certifi
import httpcore
import httpx

from omega_worker.channels.deadline import Backend, Deadline

_MOST_READ = 64 * 1024
# Less than the idle limit of any usual server: one that hangs up just then looks like no answer.
_IDLE_SECONDS = 1.0
_BEFORE_SENDING = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
_AFTER_SENDING = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class BadAddressError(Exception):
    """No request can be made of this address."""


class NotConnectedError(Exception):
    """Nothing was sent; the message says why, without naming the address."""


class NoAnswerError(Exception):
    """The request was sent, wholly or in part, and no status line came back."""


class Answer(NamedTuple):
    """A status, the Retry-After header, and for a 2xx the first 64 KiB of its body."""

    status: int
    retry_after: str | None
    body: bytes


class Exchanges:
    """A pool of connections, safe for any number of threads.

    Follows no redirects, keeps no cookies, uses no proxy and logs nothing. Certificates are checked
    against the system's store and certifi's.
    """

    def __init__(self, timeout: float, *, tls: bool) -> None:
        self._timeout = timeout
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust() if tls else None,
            max_connections=None,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=Backend(self._deadline),
        )

    def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Send one request and wait for its answer, `timeout` seconds in all.

        Raises `BadAddressError`, `NotConnectedError` or `NoAnswerError`.
        """
        request = _request(url, headers, body)
        self._deadline.start(self._timeout)
        try:
            response = self._pool.handle_request(request)
        except _BEFORE_SENDING as error:
            raise NotConnectedError(_why_not(error)) from None
        except _AFTER_SENDING as error:
            raise NoAnswerError(type(error).__name__) from None
        with closing(response):
            return Answer(response.status, _retry_after(response), _body(response))

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _request(url: str, headers: Sequence[tuple[str, str]], body: bytes) -> httpcore.Request:
    try:
        target = httpx.URL(url)
        request = httpx.Request("POST", target, headers=[*headers, *_credentials(target)], content=body)
    except httpx.InvalidURL:
        raise BadAddressError("the address cannot be used") from None
    address = httpcore.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path
    )
    return httpcore.Request("POST", address, headers=request.headers.raw, content=body)


def _credentials(target: httpx.URL) -> list[tuple[str, str]]:
    if not target.userinfo:
        return []
    pair = f"{target.username}:{target.password}".encode()
    return [("Authorization", f"Basic {base64.b64encode(pair).decode('ascii')}")]


def _retry_after(response: httpcore.Response) -> str | None:
    values = [value for name, value in response.headers if name.lower() == b"retry-after"]
    return values[0].decode("latin-1") if values else None


def _body(response: httpcore.Response) -> bytes:
    if not 200 <= response.status < 300:
        return b""
    read = bytearray()
    try:
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= _MOST_READ:
                break
    except _AFTER_SENDING:
        pass  # the status line has said it: accepted
    return bytes(read[:_MOST_READ])


def _why_not(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS certificate not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS handshake failed"
        if isinstance(cause, OSError) and cause.strerror:
            return f"not connected: {cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return "not connected: timed out" if isinstance(error, httpcore.TimeoutException) else "not connected"
