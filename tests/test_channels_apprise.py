"""Apprise's services as channels, against servers of the real protocols on loopback."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import paho.mqtt.client as mqtt
import pytest
from aiosmtpd.controller import Controller
from amqtt.broker import Broker
from apprise.manager_plugins import NotificationManager
from http_receiver import (
    Behaviour,
    Receiver,
    a_delivery,
    answer,
    garbage,
    hang,
    hang_up,
    meaning,
    redirect,
    refusal,
    refusing,
    reset,
)

from omega_worker.channels import Channel
from omega_worker.channels.apprise_service import apprise_channel

# Apprise's mail service tries whether this module of the standard library is still there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TOKEN = "123456789:AAE_hunter2-hunter2"
BOT = f"tgram://{TOKEN}/{{reply_target}}"
BRIEF = timedelta(seconds=0.5)
PATIENT = timedelta(seconds=20)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def telegram(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    receiver.script(answer(200, body=b'{"ok": true, "result": {"message_id": 7}}'))
    direct_telegram_to(receiver.url, monkeypatch)
    return receiver


def direct_telegram_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotificationManager()["tgram"], "notify_url", f"{url}/bot")


def bot(timeout: timedelta = PATIENT, options: str = "") -> Channel:
    return apprise_channel(BOT + options, timeout=timeout)


@pytest.mark.parametrize(
    ("target", "addressed"),
    [
        ("-100123:55", {"chat_id": -100123, "message_thread_id": 55}),
        ("42", {"chat_id": 42}),
        ("@lights_on", {"chat_id": "@lights_on"}),
    ],
)
def test_telegram_is_sent_what_its_bot_interface_takes(
    telegram: Receiver, target: str, addressed: dict[str, object]
) -> None:
    assert bot().send(a_delivery(reply_target=target, text="Reminder: 1 < 2 & 3\n*four*")) is None
    (arrived,) = telegram.requests
    said = json.loads(arrived.body)
    assert (arrived.method, arrived.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    assert {name: said.get(name) for name in addressed} == addressed
    assert ("message_thread_id" in said) == ("message_thread_id" in addressed)
    assert (said["text"], said["parse_mode"]) == ("Reminder: 1 &lt; 2 &amp; 3\r\n*four*", "HTML")


@pytest.mark.parametrize(
    ("behaviour", "reason", "outcome"),
    [
        (answer(429, {"Retry-After": "7"}, b'{"description": "Too Many Requests"}'), "HTTP 429", "retry"),
        (answer(408), "HTTP 408", "retry"),
        (answer(425), "HTTP 425", "retry"),
        (answer(500, body=b'{"description": "error=403."}'), "HTTP 500", "retry"),
        (answer(502, body=b"<html>"), "HTTP 502", "retry"),
        (answer(403, body=b'{"description": "Forbidden: bot was blocked"}'), "HTTP 403", "failed"),
        (answer(400, body=b'{"description": "Bad Request: Connection refused"}'), "HTTP 400", "failed"),
        (answer(401), "HTTP 401", "failed"),
        (redirect("/elsewhere"), "HTTP 302", "failed"),
        (hang_up(), "sent, but no answer came", "ambiguous"),
        (reset(), "sent, but no answer came", "ambiguous"),
        (garbage(), "sent, but no answer came", "ambiguous"),
    ],
)
def test_what_an_answer_means(telegram: Receiver, behaviour: Behaviour, reason: str, outcome: str) -> None:
    telegram.script(behaviour)
    error = refusal(bot(), reply_target="42", text="error=404. Read timed out")
    assert (error.reason, meaning(error), error.retry_after) == (reason, outcome, None)
    assert len(telegram.requests) == 1


@pytest.mark.parametrize(
    ("options", "timeout", "reason"),
    [
        ("", BRIEF, "no answer within 0.5 s"),
        ("?rto=0.2", PATIENT, "sent, but no answer came"),
    ],
)
def test_silence_is_ambiguous(telegram: Receiver, options: str, timeout: timedelta, reason: str) -> None:
    telegram.script(hang())
    error = refusal(bot(timeout, options), reply_target="42")
    assert (error.reason, meaning(error)) == (reason, "ambiguous")


def test_what_could_not_be_sent_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as url:
        direct_telegram_to(url, monkeypatch)
        error = refusal(bot(), reply_target="42")
    assert (error.reason, meaning(error)) == ("not connected", "retry")


def test_a_connection_that_times_out_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        crowd = [socket.socket() for _ in range(3)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        direct_telegram_to(f"http://127.0.0.1:{full.getsockname()[1]}", monkeypatch)
        error = refusal(bot(options="?cto=0.1"), reply_target="42")
        for one in crowd:
            one.close()
    assert (error.reason, meaning(error)) == ("not connected", "retry")


def test_an_unknown_host_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = refusal(apprise_channel("json://host.invalid/"))
    assert (error.reason, meaning(error)) == ("not connected", "retry")


def test_a_failure_without_a_reason_is_tried_again() -> None:
    with patch.object(NotificationManager()["tgram"], "send", side_effect=RuntimeError("hunter2")):
        error = refusal(bot(), reply_target="42")
    assert (error.reason, meaning(error)) == ("not delivered, and Apprise does not say why", "retry")


def test_apprise_neither_repeats_a_send_nor_calls_a_failure_success(telegram: Receiver) -> None:
    telegram.script(answer(500))
    assert meaning(refusal(bot(options="?retry=3&wait=0&optional=yes"), reply_target="42")) == "retry"
    assert len(telegram.requests) == 1


def test_a_receiver_of_json_gets_the_text(receiver: Receiver) -> None:
    url = receiver.url.replace("http", "json") + "/inbox/{reply_target}?:from={sender_id}&+X-Key=k"
    assert apprise_channel(url).send(a_delivery(text="Reminder: été")) is None
    (arrived,) = receiver.requests
    said = json.loads(arrived.body)
    assert (arrived.path, arrived.headers["x-key"]) == ("/inbox/chat-7", "k")
    assert (said["message"], said["from"]) == ("Reminder: été", "42")


class Mailbox:
    """What a mail server does with a message; `answers` holds its lines by step."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.received: list[Any] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd looks for this name
        self, _server: Any, _session: Any, envelope: Any, address: str, _: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("rcpt", "250 OK")

    async def handle_DATA(  # noqa: N802
        self, server: Any, _session: Any, envelope: Any
    ) -> str:
        self.received.append(envelope)
        if "drop" in self.answers:
            server.transport.abort()
        return self.answers.get("data", "250 OK")


@contextmanager
def mail_server(box: Mailbox) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"mailto://127.0.0.1:{port}?from=omega@example.org&to={{reply_target}}"
    finally:
        controller.stop()


def test_mail_arrives_with_a_subject() -> None:
    box = Mailbox()
    with mail_server(box) as url:
        apprise_channel(url).send(
            a_delivery(reply_target="anna+x@example.org", text="Reminder: Tee\nund Zeit")
        )
    (envelope,) = box.received
    assert (envelope.mail_from, envelope.rcpt_tos) == ("omega@example.org", ["anna+x@example.org"])
    assert b"Subject: Reminder: Tee\r\n" in envelope.content
    assert b"und Zeit" in envelope.content


@pytest.mark.parametrize(
    ("answers", "reason", "outcome"),
    [
        ({"rcpt": "550 no such mailbox"}, "SMTP 550", "failed"),
        ({"rcpt": "450 greylisted"}, "SMTP 450", "retry"),
        ({"data": "554 not wanted"}, "SMTP 554", "failed"),
        ({"data": "451 later"}, "SMTP 451", "retry"),
        ({"drop": ""}, "sent, but no answer came", "ambiguous"),
    ],
)
def test_what_a_mail_server_says(answers: dict[str, str], reason: str, outcome: str) -> None:
    with mail_server(Mailbox(**answers)) as url:
        error = refusal(apprise_channel(url), reply_target="anna@example.org")
    assert (error.reason, meaning(error)) == (reason, outcome)


def test_a_mail_server_that_is_away_is_tried_again() -> None:
    with refusing() as url:
        away = url.replace("http", "mailto") + "?from=omega@example.org&to={reply_target}"
        error = refusal(apprise_channel(away), reply_target="anna@example.org")
    assert (error.reason, meaning(error)) == ("not connected", "retry")


@contextmanager
def mqtt_broker() -> Iterator[int]:
    loop, ready = asyncio.new_event_loop(), threading.Event()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    allowed = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}

    async def serve() -> None:
        broker = Broker({"listeners": {"default": listener}, "plugins": allowed})
        await broker.start()
        ready.set()
        await ended.wait()
        await broker.shutdown()

    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="broker", daemon=True)
    thread.start()
    assert ready.wait(10)
    yield port
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    loop.close()


def test_an_mqtt_broker_passes_it_on() -> None:
    came: list[tuple[str, bytes]] = []
    arrived, subscribed = threading.Event(), threading.Event()

    def take(_client: Any, _: Any, message: mqtt.MQTTMessage) -> None:
        came.append((message.topic, message.payload))
        arrived.set()

    with mqtt_broker() as port:
        listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        listener.on_message = take
        listener.on_subscribe = lambda *_: subscribed.set()
        listener.connect("127.0.0.1", port)
        listener.loop_start()
        listener.subscribe("home/#")
        assert subscribed.wait(10)
        channel = apprise_channel(f"mqtt://127.0.0.1:{port}/{{reply_target}}?qos=1")
        channel.send(a_delivery(reply_target="home/anna", text="Reminder: été"))
        assert arrived.wait(10)
        listener.disconnect()
        listener.loop_stop()
    assert came == [("home/anna", "Reminder: été".encode())]
    assert meaning(refusal(channel, reply_target="home/anna")) == "retry"
