"""The webhook channel when things go wrong: no answer, no connection, no end, no trust."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from http_receiver import (
    Behaviour,
    Receiver,
    a_delivery,
    answer,
    garbage,
    hang,
    hang_up,
    late,
    meaning,
    raw,
    refusal,
    refusing,
    reset,
    trickle,
)

from omega_worker.channels import Channel
from omega_worker.channels.webhook import webhook_channel

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BRIEF = timedelta(seconds=0.2)
PATIENT = timedelta(seconds=20)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def opened() -> Iterator[list[Channel]]:
    channels: list[Channel] = []
    yield channels
    for channel in channels:
        assert channel.close is not None
        channel.close()


@pytest.fixture
def webhook(receiver: Receiver, opened: list[Channel]) -> Channel:
    return opening(opened, receiver.url + "/hook")


def opening(opened: list[Channel], url: str, timeout: timedelta = PATIENT, **options: object) -> Channel:
    channel = webhook_channel(url, timeout=timeout, clock=lambda: NOON, **options)  # type: ignore[arg-type]
    opened.append(channel)
    return channel


@pytest.mark.parametrize(
    "behaviour",
    [
        reset(),
        reset(b"HTTP/1.1 200"),
        hang_up(),
        hang_up(b"HTTP/1.1 200 OK\r\nContent-"),
        garbage(),
        raw(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000),
        raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ],
    ids=["reset", "reset in the status line", "hung up", "hung up in the head", "garbage", "endless", "101"],
)
def test_sent_without_an_answer_is_ambiguous(
    receiver: Receiver, webhook: Channel, behaviour: Behaviour
) -> None:
    receiver.script(behaviour)
    error = refusal(webhook)
    assert meaning(error) == "ambiguous"
    assert error.reason.startswith("sent, but no answer came (")


@pytest.mark.parametrize(
    "behaviour",
    [hang(), trickle(b"HTTP/1.1 200 OK\r\nx: "), trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["silence", "a head without end", "interim answers without end"],
)
def test_the_deadline_is_kept_whatever_trickles_in(
    receiver: Receiver, opened: list[Channel], behaviour: Behaviour
) -> None:
    receiver.script(behaviour)
    channel = opening(opened, receiver.url, BRIEF)
    began = time.monotonic()
    assert meaning(refusal(channel)) == "ambiguous"
    assert 0.19 < time.monotonic() - began < 5


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "behaviour",
    [
        trickle(HEAD + b"Content-Length: 9000\r\n\r\n", b" "),
        trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        trickle(HEAD + b"\r\n", b" "),
        raw(HEAD + b'Content-Length: 9000\r\n\r\n{"id": '),
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a length"),
    ],
    ids=["length", "chunks", "until the end", "cut off", "bad chunks"],
)
def test_an_accepting_status_counts_even_if_its_body_never_ends(
    receiver: Receiver, opened: list[Channel], behaviour: Behaviour
) -> None:
    receiver.script(behaviour)
    began = time.monotonic()
    assert opening(opened, receiver.url, 2 * BRIEF).send(a_delivery()) is None
    assert time.monotonic() - began < 5


def test_an_endless_flood_is_cut_short(receiver: Receiver, webhook: Channel) -> None:
    receiver.script(trickle(HEAD + b"\r\n", b" " * 65_536, every=0))
    assert webhook.send(a_delivery()) is None


def test_a_receiver_that_does_not_read_cannot_hold_the_worker(opened: list[Channel]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        channel = opening(opened, f"http://127.0.0.1:{deaf.getsockname()[1]}", BRIEF)
        error = refusal(channel, text="x" * 20_000_000)
    assert meaning(error) == "ambiguous"


def test_a_late_answer_within_the_deadline_counts(receiver: Receiver, webhook: Channel) -> None:
    go = threading.Event()
    receiver.script(late(go))
    sending = threading.Thread(target=webhook.send, args=(a_delivery(),))
    sending.start()
    receiver.wait_for(1)
    assert sending.is_alive()
    go.set()
    sending.join(10)
    assert not sending.is_alive()


def test_a_refused_connection_is_tried_again(opened: list[Channel]) -> None:
    with refusing() as url:
        error = refusal(opening(opened, url))
    assert (error.reason, meaning(error)) == ("not connected: Connection refused", "retry")


def test_a_connection_that_times_out_is_tried_again(opened: list[Channel]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        crowd = [socket.socket() for _ in range(3)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error = refusal(opening(opened, f"http://127.0.0.1:{full.getsockname()[1]}", BRIEF))
        for one in crowd:
            one.close()
    assert (error.reason, meaning(error)) == ("not connected: timed out", "retry")


def test_an_unknown_host_is_tried_again(opened: list[Channel], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = refusal(opening(opened, "http://host.invalid/"))
    assert (error.reason, meaning(error)) == ("not connected: Name or service not known", "retry")


def test_the_next_address_of_a_host_is_tried(
    receiver: Receiver, opened: list[Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 1)) for last in (2, 1)]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: addresses if host == "two.example" else real(host, *rest, **named),
    )
    opening(opened, f"http://two.example:{receiver.port}/").send(a_delivery())
    assert receiver.requests[0].headers["host"] == f"two.example:{receiver.port}"


def test_an_address_that_cannot_be_used_is_given_up(opened: list[Channel]) -> None:
    for url in ("http://xn--\u00e4.example/", "http://h/{reply_target}"):
        assert meaning(refusal(opening(opened, url), reply_target="x" * 100_000)) == "failed"


def test_plain_http_behind_https_is_tried_again(receiver: Receiver, opened: list[Channel]) -> None:
    error = refusal(opening(opened, receiver.url.replace("http:", "https:")))
    assert (error.reason, meaning(error)) == ("TLS handshake failed", "retry")
    assert receiver.requests == []


_SELF_SIGNED = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
    "-addext subjectAltName=IP:127.0.0.1"
)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command makes the certificate")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [openssl, *_SELF_SIGNED.split(), "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_a_certificate_nobody_vouches_for_is_tried_again(
    opened: list[Channel], certificate: tuple[Path, ssl.SSLContext]
) -> None:
    with Receiver(tls=certificate[1]) as receiver:
        error = refusal(opening(opened, receiver.url))
        assert meaning(error) == "retry"
        assert error.reason.startswith("TLS certificate not accepted: self")
        assert receiver.requests == []


def test_a_certificate_of_the_systems_store_is_accepted(
    opened: list[Channel], certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Receiver(tls=certificate[1]) as receiver:
        receiver.script(answer(200, body=b'{"id": 1}'), hang())
        channel = opening(opened, receiver.url, timedelta(seconds=0.5))
        assert channel.send(a_delivery()) == "1"
        assert meaning(refusal(channel)) == "ambiguous"


def test_connections_are_reused_and_closed(receiver: Receiver, opened: list[Channel]) -> None:
    channel = opening(opened, receiver.url)
    receiver.script(answer(200, body=b"{}"))
    for _ in range(3):
        channel.send(a_delivery())
    assert receiver.connections == 1
    assert channel.close is not None
    channel.close()
    channel.close()
    channel.send(a_delivery())
    assert receiver.connections == 2


@pytest.mark.parametrize("said", [b"", b"Connection: close\r\n"], ids=["silently", "and says so"])
def test_a_connection_the_receiver_closes_is_not_used_again(
    receiver: Receiver, webhook: Channel, said: bytes
) -> None:
    receiver.script(raw(b"HTTP/1.1 200 OK\r\n" + said + b"Content-Length: 2\r\n\r\n{}"))
    for _ in range(3):
        webhook.send(a_delivery())
        receiver.wait_until_closed()
    assert receiver.connections == 3


def test_threads_share_one_channel(receiver: Receiver, webhook: Channel) -> None:
    def send(number: int) -> None:
        webhook.send(a_delivery(id=f"occurrence-{number}"))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({arrived.headers["webhook-id"] for arrived in receiver.requests}) == 12


def test_no_proxy_and_no_cookies(
    receiver: Receiver, webhook: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        receiver.script(answer(200, {"Set-Cookie": "a=b; Path=/"}))
        webhook.send(a_delivery())
        webhook.send(a_delivery())
    assert [arrived.headers.get("cookie") for arrived in receiver.requests] == [None, None]
