"""Addresses for Apprise: what a recipient cannot change, what cannot be built, and what no log may show."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import apprise
import pytest
from apprise.manager_plugins import NotificationManager
from http_receiver import Handler, Receiver, a_delivery, answer, meaning, refusal
from hypothesis import example, given
from hypothesis import strategies as st

from omega_jobs.delivery import DeliveryError
from omega_worker.channels import Channel
from omega_worker.channels.apprise_service import apprise_channel
from omega_worker.channels.registry import build_channels
from omega_worker.settings import Settings, SettingsError

# Apprise's mail service tries whether this module of the standard library is still there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

BOT = "tgram://123456789:AAE_hunter2-hunter2/{reply_target}"
DISCORD = f"discord://123456789012345678/{'hunter2x' * 9}"
PLACES = {
    BOT: ("tgram", "123456789", None, None),
    "tgram://123456789:AAE_hunter2/-100{sender_id}": ("tgram", "123456789", None, None),
    "tgram://123456789:AAE_hunter2?to={reply_target}": ("tgram", "123456789", None, None),
    "mailto://me:pw@mail.example.org:2525?to={reply_target}": ("mailto", "mail.example.org", 2525, "me"),
    "mailto://me:pw@gmail.com/{reply_target}": ("mailto", "gmail.com", 587, "me@gmail.com"),
    "mailto://me:pw@h.example.org:25?to={sender_id}@corp.example": ("mailto", "h.example.org", 25, "me"),
    "json://me:pw@h.example.org:81/a/{reply_target}": ("json", "h.example.org", 81, "me"),
    "json://h.example.org/a?:to={reply_target}&-who={sender_id}": ("json", "h.example.org", None, None),
    "ntfy://ntfy.sh/{reply_target}": ("ntfy", "ntfy.sh", None, None),
    "ntfys://me:pw@h.example.org:444/{reply_target}": ("ntfys", "h.example.org", 444, "me"),
    "matrixs://hunter2@h.example.org/#{reply_target}": ("matrixs", "h.example.org", None, None),
    "mqtt://me:pw@h.example.org/{reply_target}": ("mqtt", "h.example.org", 1883, "me"),
    f"{DISCORD}?thread={{reply_target}}": ("discord", "123456789012345678", None, None),
    f"{DISCORD}/{{reply_target}}": ("discord", "123456789012345678", None, None),
}
CHANNELS: dict[str, Channel] = {}
LIKELY = st.sampled_from(
    ["-100123:55", "42", "@name", "a+b@example.org", "!a:example.org", "home/anna", "x.y"]
)
NASTY = st.one_of(
    LIKELY,
    st.text(max_size=30),
    st.text(alphabet="/\\%25eE2fF?#&=@:;,{}[]|+. \t\r\n01a", max_size=20),
    st.lists(LIKELY, min_size=2, max_size=3).flatmap(
        lambda parts: st.sampled_from(
            [*",;/|& \t%", "%2C", "%252C", "@", "://", "?to=", "&to=", "\u2003"]
        ).map(lambda glue: glue.join(parts))
    ),
)


@contextmanager
def never_sent() -> Iterator[list[apprise.NotifyBase]]:
    """The plugins that would have sent."""
    seen: list[apprise.NotifyBase] = []

    def keep(self: apprise.Apprise, **_: Any) -> bool:
        seen.extend(self.services)
        return True

    with patch.object(apprise.Apprise, "notify", keep):
        yield seen


@pytest.mark.parametrize("template", PLACES)
@given(target=NASTY, sender=NASTY)
@example(target="../../evil", sender="!,evil")
@example(target="a@example.org,b@example.org", sender="x@evil.example")
@example(target="a@example.org&smtp=evil.example", sender="x@evil.example?")
@example(target="%2e%2e%2fb", sender="1/2")
def test_a_recipient_changes_nothing_but_its_own_place(template: str, target: str, sender: str) -> None:
    if template not in CHANNELS:
        CHANNELS[template] = apprise_channel(template)
    with never_sent() as seen:
        refused = refusal_of(CHANNELS[template], target, sender)
    if refused is not None:
        assert (meaning(refused), seen) == ("failed", [])
        return
    (plugin,) = seen
    assert (plugin.schema, plugin.host, plugin.port, plugin.user) == PLACES[template]
    accepted = [
        *getattr(plugin, "targets", ()),
        *getattr(plugin, "topics", ()),
        *getattr(plugin, "rooms", ()),
    ]
    assert len(accepted) == (0 if template.startswith(("json", "discord")) else 1)
    assert (getattr(plugin, "cc", set()), getattr(plugin, "bcc", set())) == (set(), set())
    if "corp.example" in template:
        assert accepted == [(False, f"{sender}@corp.example")]
    if template.startswith("json://me"):
        assert unquote(plugin.fullpath) == f"/a/{target}"
    if template.startswith("discord"):
        assert plugin.webhook_token == "hunter2x" * 9


def refusal_of(channel: Channel, target: str, sender: str) -> DeliveryError | None:
    try:
        channel.send(a_delivery(reply_target=target, sender_id=sender))
    except DeliveryError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("template", "target"),
    [
        (BOT, "-100123:55"),
        ("mailto://me:pw@gmail.com?to={reply_target}", "a+b@example.org"),
        ("matrixs://token@h.example.org/{reply_target}", "!room:example.org"),
        ("matrixs://token@h.example.org/{reply_target}", "#room:example.org"),
        ("matrixs://token@h.example.org/#{reply_target}", "room:example.org"),
        ("mqtt://h.example.org/{reply_target}", "home/anna/lamp"),
        ("ntfys://ntfy.sh/{reply_target}", "my_topic"),
        ("json://h.example.org/{reply_target}", "a:b@c"),
    ],
)
def test_usual_recipients_are_accepted(template: str, target: str) -> None:
    with never_sent() as seen:
        apprise_channel(template).send(a_delivery(reply_target=target))
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("template", "target", "why"),
    [
        (BOT, "1,2", "take it apart"),
        (BOT, "1/2", "exactly one"),
        (BOT, "", "no reply_target"),
        (BOT, "..", "change the path"),
        ("json://h.example.org/a/{reply_target}", "b/c", "take it apart"),
        ("json://h.example.org/a/{reply_target}", "%2e%2e", "take it apart"),
        ("mailto://u:p@h.example.org?to={reply_target}@corp.example", "a@b", "middle of an address"),
    ],
)
def test_refusals_say_why_and_echo_nothing(template: str, target: str, why: str) -> None:
    error = refusal(apprise_channel(template), reply_target=target)
    assert (meaning(error), why in error.reason) == ("failed", True)
    assert "hunter2" not in error.reason


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nosuch://hunter2/", "there is no such kind of channel as nosuch://"),
        ("hunter2 hunter2://x", "there is no such kind of channel"),
        ("tgram://hunter2/{reply_target}", "Apprise cannot read this tgram:// address"),
        ("tgram://{reply_target}/hunter2", "only behind the host"),
        ("tgram://123456789:hunter2/{who}", "a blank that is not known"),
        ("tgram://123456789:hunter2", "has not one recipient"),
        ("tgram://123456789:hunter2/1/2", "has not one recipient"),
        ("mailto://hunter2:pw@h.org?to=a@b.org,c@d.org", "has not one recipient"),
        ("mailto://hunter2:pw@h.org?to=a@b.org&smtp={sender_id}", "behind the ? a recipient"),
        ("json://h/?+Authorization={sender_id}&hunter2", "behind the ? a recipient"),
        ("json://hunter2 h/", "unprintable"),
        ("windows://hunter2/", "windows:// needs more than is installed"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(address: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_channels(Settings.defaults(channels={"phone": address}))
    (line,) = caught.value.lines
    assert line.startswith("OMEGA_CHANNELS__PHONE: ")
    assert why in line
    assert "hunter2" not in line


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "apprise"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SettingsError) as caught:
        build_channels(Settings.defaults(channels={"telegram": BOT}))
    assert caught.value.lines == (
        "OMEGA_CHANNELS__TELEGRAM: needs the apprise extra: install omega-worker[apprise]",
    )


def test_apprise_is_imported_only_for_a_channel_of_its_own() -> None:
    code = (
        "import sys; from omega_worker.channels.registry import build_channels;"
        "from omega_worker.settings import Settings;"
        "build_channels(Settings.defaults(channels={'a': 'https://example.org/'}));"
        "sys.exit('apprise' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_channel_promises() -> None:
    channel = apprise_channel(BOT, name="telegram")
    assert (channel.deduplicates, channel.on_ambiguous, channel.name) == (False, "hold", "telegram")
    with never_sent() as seen:
        channel.send(a_delivery(reply_target="42"))
    assert (seen[0].socket_read_timeout, seen[0].redirects) == (30, False)
    assert "hunter2" not in repr(channel)


def test_no_log_shows_what_is_sent_where(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    with Receiver() as receiver:
        receiver.script(answer(500, body=b"hunter2"), answer(200))
        address = receiver.url.replace("http://", "json://hunter2:hunter2@") + "/bothunter2/{reply_target}"
        channel = apprise_channel(address)
        error = refusal(channel, text="hunter2")
        channel.send(a_delivery(text="hunter2"))
        refusal(channel, text="hunter2", reply_target="a b")
    assert "hunter2" not in str(error)
    assert [record for record in caplog.records if record.name in ("apprise", "urllib3.connectionpool")] == []
    assert "hunter2" not in caplog.text


def test_sends_at_once_neither_wait_for_nor_hear_each_other() -> None:
    go = threading.Event()

    def status(handler: Handler) -> None:
        go.wait(30)
        answer(int(handler.path.removeprefix("/")))(handler)

    codes = [403, 500, 404, 429, 503, 401, 502, 410] * 5
    with Receiver() as receiver, ThreadPoolExecutor(len(codes)) as pool:
        receiver.script(status)
        channel = apprise_channel(receiver.url.replace("http", "json") + "/{reply_target}")
        sending = []
        for code in codes:
            sending.append(pool.submit(refusal, channel, reply_target=str(code)))
            receiver.wait_for(len(sending))
        go.set()
        assert [each.result().reason for each in sending] == [f"HTTP {code}" for code in codes]


@pytest.mark.parametrize(
    ("early", "reason"),
    [
        (True, "the recipient would change more of the address than its own place"),
        (False, "the recipient would change the place it is sent to"),
    ],
)
def test_a_service_that_moves_with_its_recipient_is_not_used(early: bool, reason: str) -> None:
    class Fickle(apprise.NotifyBase):
        service_name, protocol = "Fickle", "fickle"

        def __init__(self, targets: list[str], **rest: Any) -> None:
            super().__init__(**rest)
            self.targets, self.host = targets, targets[0]

        @staticmethod
        def parse_url(url: str) -> dict[str, Any]:
            found: dict[str, Any] = apprise.NotifyBase.parse_url(url)
            found["targets"] = apprise.NotifyBase.split_path(found["fullpath"])
            return found | ({"host": found["targets"][0]} if early else {})

    NotificationManager()["fickle"] = Fickle
    try:
        error = refusal(apprise_channel("fickle://h.example.org/{reply_target}"), reply_target="evil.example")
    finally:
        del NotificationManager()["fickle"]
    assert (meaning(error), error.reason) == ("failed", reason)


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, ["info"]), (logging.DEBUG, ["debug", "info"])])
def test_the_log_of_other_users_of_apprise_is_as_before(
    caplog: pytest.LogCaptureFixture, level: int, shown: list[str]
) -> None:
    apprise_channel(BOT)
    caplog.set_level(level)
    log = logging.getLogger("apprise")
    log.debug("debug")
    log.info("info")
    assert [record.message for record in caplog.records] == shown
