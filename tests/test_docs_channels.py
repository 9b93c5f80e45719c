"""The page about channels: its code runs, its addresses can be used, its payload is what is sent."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from http_receiver import Receiver, a_delivery, meaning, refusal

from omega_worker.channels.registry import build_channels
from omega_worker.channels.webhook import webhook_channel
from omega_worker.settings import Settings

# Apprise's mail service tries whether this module of the standard library is still there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

PAGE = (Path(__file__).parent.parent / "docs" / "channels.md").read_text(encoding="utf-8")
SECRETS = ["whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode(), "sixteen bytes or more"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(block: str, names: dict[str, Any]) -> None:
    exec(block, names)  # noqa: S102  the page's own code


class Gateway:
    """What the page's `send_sms` sends to."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.status: int | None = 200

    def post(self, **fields: str) -> tuple[int | None, dict[str, str]]:
        self.sent.append(fields)
        return self.status, {"id": "m1"}


@pytest.mark.parametrize("secret", SECRETS)
def test_the_signature_is_checked_as_shown(secret: str) -> None:
    shown: dict[str, Any] = {}
    run(blocks("python")[0], shown)
    with Receiver() as receiver:
        channel = webhook_channel(receiver.url, secret=secret)
        channel.send(a_delivery())
        assert channel.close is not None
        channel.close()
    (arrived,) = receiver.requests
    sent = int(arrived.headers["webhook-timestamp"])
    assert shown["is_genuine"](secret, arrived.headers, arrived.body, now=sent + 1)
    assert not shown["is_genuine"](secret, arrived.headers, arrived.body, now=sent + 301)
    assert not shown["is_genuine"](secret, arrived.headers, arrived.body + b" ", now=sent)
    assert json.loads(arrived.body) == json.loads(blocks("json")[0])


def test_a_function_of_your_own_works_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gateway = Gateway()
    shown: dict[str, Any] = {"gateway": gateway}
    _, channel, embedded = blocks("python")
    run(channel, shown)
    run(embedded, shown)
    (sent,) = gateway.sent
    assert sent["to"] == "+15550100"
    assert "Call John" in sent["text"]
    for status, outcome in [(429, "retry"), (404, "failed"), (None, "ambiguous")]:
        gateway.status = status
        assert meaning(refusal(shown["sms"])) == outcome


def test_every_address_shown_can_be_used() -> None:
    lines = [line for block in blocks("ini") for line in block.splitlines()]
    shown = dict(line.removeprefix("OMEGA_CHANNELS__").lower().split("=", 1) for line in lines)
    built = build_channels(Settings.defaults(channels=shown))
    assert built.keys() == {"console", *shown}
    for channel in built.values():
        if channel.close is not None:
            channel.close()


def test_what_is_installed_is_an_extra() -> None:
    pyproject = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert "omega-worker[apprise]" in PAGE
    assert re.search(r"^apprise = \[", pyproject, re.MULTILINE)
