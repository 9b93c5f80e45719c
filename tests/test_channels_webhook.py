"""The webhook channel against a real receiver: what it sends, and what it makes of every answer."""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from http_receiver import (
    Receiver,
    a_delivery,
    answer,
    hang_up,
    meaning,
    raw,
    redirect,
    refusal,
    reset,
)
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from omega_worker.channels import Channel
from omega_worker.channels.webhook import webhook_channel

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
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


def test_what_is_sent(receiver: Receiver, webhook: Channel) -> None:
    berlin = NOON.astimezone(ZoneInfo("Europe/Berlin"))
    webhook.send(
        a_delivery(scheduled_for=berlin, late_by=timedelta(seconds=61.9), attempt=2, project="p", text="ü☕")
    )
    (arrived,) = receiver.requests
    assert (arrived.method, arrived.path) == ("POST", "/hook")
    assert json.loads(arrived.body) == {
        "id": "0b0f3a52-5f2e-4d9e-9a3c-2f6f2f1b7a10",
        "task_id": "1f2e3d4c-0000-4000-8000-000000000000",
        "type": "reminder",
        "channel": "home",
        "sender_id": "42",
        "reply_target": "chat-7",
        "text": "ü☕",
        "description": "Call John",
        "scheduled_for": "2026-11-20T12:00:00Z",
        "attempt": 2,
        "late_seconds": 61,
        "project": "p",
    }
    headers = arrived.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("omega-worker/0")
    assert headers["idempotency-key"] == headers["webhook-id"] == "0b0f3a52-5f2e-4d9e-9a3c-2f6f2f1b7a10"
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert "webhook-signature" not in headers
    assert not {"cookie", "authorization"} & headers.keys()


def test_an_action_says_so(receiver: Receiver, webhook: Channel) -> None:
    webhook.send(a_delivery(is_action=True))
    assert json.loads(receiver.requests[0].body)["type"] == "action"


@pytest.mark.parametrize(
    ("secret", "oracle"),
    [
        (SECRET, SECRET),
        (SECRET.rstrip("=") + "\n", SECRET),
        ("a plain text of some length, ü", "a plain text of some length, ü".encode()),
    ],
)
def test_an_independent_library_verifies_the_signature(
    receiver: Receiver, opened: list[Channel], secret: str, oracle: str | bytes
) -> None:
    channel = webhook_channel(receiver.url, secret=secret, timeout=PATIENT)
    opened.append(channel)
    channel.send(a_delivery(text="ü\u2028"))
    (arrived,) = receiver.requests
    assert Webhook(oracle).verify(arrived.body, arrived.headers)["text"] == "ü\u2028"
    with pytest.raises(WebhookVerificationError):
        Webhook(oracle).verify(arrived.body + b" ", arrived.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(oracle).verify(arrived.body, arrived.headers | {"webhook-id": "another"})


@pytest.mark.parametrize(
    "secret", ["", "hunter2", "whsec_", "whsec_hunter2", "whsec_hunter2 hunter2 hunter2 hu"]
)
def test_a_useless_secret_is_refused_unread(secret: str) -> None:
    with pytest.raises(ValueError, match="the webhook secret") as caught:
        webhook_channel("http://example.org/", secret=secret)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        (b'{"id": "m1", "message_id": "m2"}', "m1"),
        (b'{"message_id": 17}', "17"),
        (b'{"id": null, "message_id": "m2"}', "m2"),
        (b'{"id": true}', None),
        (b'{"id": ["m1"]}', None),
        (b'{"id": "' + b"m" * 900 + b'"}', "m" * 200),
        (b'{"id": "a\\u0000b\\ud800"}', "a b"),
        (b'["m1"]', None),
        (b"ok", None),
        (b"", None),
        (b"\xff\xfe{", None),
        (b"[" * 60_000, None),
        (b'{"id": "' + b"m" * 100_000 + b'"}', None),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("status", [200, 202])
def test_the_receipt(
    receiver: Receiver, webhook: Channel, status: int, body: bytes, receipt: str | None
) -> None:
    receiver.script(answer(status, body=body))
    assert webhook.send(a_delivery()) == receipt


def test_an_empty_success_has_no_receipt(webhook: Channel) -> None:
    assert webhook.send(a_delivery()) is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(receiver: Receiver, webhook: Channel, status: int) -> None:
    receiver.script(answer(status, body=b"Call John"))
    error = refusal(webhook)
    assert (error.reason, meaning(error), error.retry_after) == (f"HTTP {status}", "retry", None)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 409, 410, 413, 422, 451, 600])
def test_what_will_not_pass_is_given_up(receiver: Receiver, webhook: Channel, status: int) -> None:
    receiver.script(raw(b"HTTP/1.1 %d Call John\r\nContent-Length: 0\r\nRetry-After: 9\r\n\r\n" % status))
    error = refusal(webhook)
    assert (error.reason, meaning(error)) == (f"HTTP {status}", "failed")


def test_interim_answers_are_passed_over(receiver: Receiver, webhook: Channel) -> None:
    receiver.script(raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert webhook.send(a_delivery()) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, webhook: Channel, status: int) -> None:
    with Receiver() as elsewhere:
        receiver.script(redirect(elsewhere.url + "/hook", status))
        assert meaning(refusal(webhook)) == "failed"
        assert elsewhere.requests == []
        assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 1.5 ", timedelta(seconds=1.5)),
        ("0", timedelta(0)),
        ("-5", timedelta(0)),
        ("9" * 5000, timedelta(hours=24)),
        (format_datetime(NOON + timedelta(minutes=3), usegmt=True), timedelta(minutes=3)),
        ("Friday, 20-Nov-26 12:03:00 GMT", timedelta(minutes=3)),
        ("Fri Nov 20 12:03:00 2026", timedelta(minutes=3)),
        (format_datetime(NOON - timedelta(days=3), usegmt=True), timedelta(0)),
        (format_datetime(NOON + timedelta(days=3), usegmt=True), timedelta(hours=24)),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("Fri, 99 Nov 2026 12:03:00 +9999", None),
        ("1, 2", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(
    receiver: Receiver, webhook: Channel, status: int, header: str, wait: timedelta | None
) -> None:
    receiver.script(answer(status, {"Retry-After": header}))
    assert refusal(webhook).retry_after == wait


def test_the_recipient_is_quoted_into_the_address(receiver: Receiver, opened: list[Channel]) -> None:
    channel = opening(opened, receiver.url + "/to/{reply_target}/x?from={sender_id}&y=1")
    channel.send(a_delivery(reply_target="a/b?c=#d", sender_id="ü&y=2"))
    assert receiver.requests[0].path == "/to/a%2Fb%3Fc%3D%23d/x?from=%C3%BC%26y%3D2&y=1"
    assert meaning(refusal(channel, reply_target="..")) == "failed"
    assert len(receiver.requests) == 1


def test_credentials_of_the_address_are_sent_and_never_told(
    receiver: Receiver, opened: list[Channel], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = receiver.url.replace("//", "//user:p%40ss@") + "/hunter2?token=hunter2"
    channel = opening(opened, url, secret="hunter2hunter2hunter2")
    channel.send(a_delivery(text="hunter2"))
    expected = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert receiver.requests[0].headers["authorization"] == expected
    receiver.script(answer(503), answer(404), reset(), hang_up())
    told = [refusal(channel, text="hunter2") for _ in range(4)]
    assert all(error.__suppress_context__ or error.__context__ is None for error in told)
    everything = caplog.text + "".join(map(repr, told)) + repr(channel)
    assert "hunter2" not in everything
    assert "p%40ss" not in everything
    assert "p@ss" not in everything


def test_httpx_waits_for_the_first_delivery() -> None:
    program = (
        "import sys; from omega_worker.channels.webhook import webhook_channel; "
        "webhook_channel('http://example.org/'); sys.exit('httpx' in sys.modules or 'httpcore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
