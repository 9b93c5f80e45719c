"""The console channel, the seam it is plugged into, and the channels the settings name."""

import io
import os
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from http_receiver import Receiver, a_delivery

from omega_jobs.delivery import Delivery, DeliveryError
from omega_worker.channels import Channel, as_channel
from omega_worker.channels.console import console_channel, visible
from omega_worker.channels.registry import build_channels
from omega_worker.settings import Settings, SettingsError


def printed(**changes: object) -> str:
    stream = io.StringIO()
    assert console_channel(stream).send(a_delivery(**changes)) is None
    return stream.getvalue()


def test_one_line_per_delivery() -> None:
    assert printed() == "09:00:00  Reminder: Call John  [task 1f2e3d4c, attempt 1]\n"


def test_the_time_is_that_of_sending_in_the_tasks_zone() -> None:
    due = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    berlin = due.astimezone(ZoneInfo("Europe/Berlin"))
    line = printed(scheduled_for=due, scheduled_local=berlin, late_by=timedelta(hours=1), attempt=3)
    assert line == "02:30:00  Reminder: Call John  [task 1f2e3d4c, attempt 3]\n"


def test_standard_output_is_looked_up_when_sending(capsys: pytest.CaptureFixture[str]) -> None:
    channel = console_channel()
    channel.send(a_delivery())
    assert capsys.readouterr().out.startswith("09:00:00  Reminder: Call John")


def test_further_lines_are_indented() -> None:
    assert printed(text="one\r\ntwo\nthree") == (
        "09:00:00  one\n          two\n          three  [task 1f2e3d4c, attempt 1]\n"
    )


@pytest.mark.parametrize("character", [*map(chr, range(32)), *map(chr, range(127, 160)), "\u2028"])
def test_no_control_character_reaches_the_terminal(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown == "a\nb" if character == "\n" else character not in shown
    assert "\x1b" not in printed(text=f"\x1b]0;owned\x07{character}", task_id=f"\x1b[2J{character}")


def test_what_the_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    console_channel(stream).send(a_delivery(text="Čaj ☕"))
    assert b"\\u010caj \\u2615  [task" in raw.getvalue()
    stream.close()


def test_a_broken_pipe_is_tried_again() -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w")
    with pytest.raises(DeliveryError, match="BrokenPipeError") as caught:
        console_channel(stream).send(a_delivery())
    assert (caught.value.retry, caught.value.ambiguous) == (True, False)
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_closed_or_missing_stream_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(DeliveryError, match="broken"):
        console_channel(stream).send(a_delivery())
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(DeliveryError, match="no standard output"):
        console_channel().send(a_delivery())


class Torn(io.StringIO):
    """A stream whose writes are only whole if nobody else writes meanwhile."""

    def write(self, text: str) -> int:
        for character in text:
            super().write(character)
        return len(text)


def test_lines_of_several_threads_and_channels_do_not_mix() -> None:
    stream = Torn()
    channels = [console_channel(stream), console_channel(stream)]

    def send(number: int) -> None:
        for _ in range(50):
            channels[number % 2].send(a_delivery(text=str(number) * 40))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 300
    assert {len(set(line[10:50])) for line in lines} == {1}


def plain(_: Delivery) -> str | None:
    return "m1"


async def coroutine(_: Delivery) -> str | None:
    return "m1"


class Messenger:
    async def __call__(self, _: Delivery) -> str | None:
        return "m1"


def generator(_: Delivery) -> Iterator[str]:
    yield "never"


async def async_generator(_: Delivery) -> AsyncIterator[str]:
    yield "never"


@pytest.mark.parametrize(
    ("send", "is_async"),
    [
        (plain, False),
        (print, False),
        (coroutine, True),
        (Messenger(), True),
        (partial(plain), False),
        (partial(coroutine), True),
        (partial(Messenger()), True),
    ],
)
def test_a_channel_knows_whether_it_is_awaited(send: object, is_async: bool) -> None:
    assert as_channel(send).is_async is is_async


def test_a_channel_stays_itself_and_a_callable_is_careful_by_default() -> None:
    channel = Channel(plain, name="plain")
    assert as_channel(channel) is channel
    assert as_channel(plain) == Channel(plain, deduplicates=False, on_ambiguous="hold")


def test_a_receiver_that_deduplicates_is_simply_asked_again() -> None:
    assert Channel(plain, deduplicates=True, on_ambiguous="hold").on_ambiguous == "retry"


@pytest.mark.parametrize("value", [None, "console", 7, generator, async_generator, partial(generator)])
def test_what_is_no_channel_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="a channel"):
        as_channel(value)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="'hold' or 'retry'"):
        Channel(plain, on_ambiguous="drop")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="close must be callable"):
        Channel(plain, close="soon")  # type: ignore[arg-type]


def test_the_repr_shows_no_function_and_so_no_secret_it_holds() -> None:
    token = a_delivery(text="token")
    assert repr(Channel(partial(plain, token), name="a")) == (
        "Channel(deduplicates=False, on_ambiguous='hold', name='a', rate=None)"
    )


def test_the_settings_name_the_channels() -> None:
    with Receiver() as receiver:
        targets = {"Home": f" {receiver.url}/{{reply_target}} ", "screen": "Console"}
        channels = build_channels(Settings.defaults(channels=targets, webhook_secret="a" * 16))
        home = channels["home"]
        assert list(channels) == ["console", "home", "screen"]
        assert (home.name, home.deduplicates) == ("home", True)
        home.send(a_delivery())
        assert home.close is not None
        home.close()
    assert receiver.requests[0].path == "/chat-7"
    assert "webhook-signature" in receiver.requests[0].headers


def test_a_console_always_exists_and_may_be_replaced() -> None:
    assert list(build_channels(Settings.defaults())) == ["console"]
    replaced = build_channels(Settings.defaults(channels={"console": "http://example.org/"}))
    assert replaced["console"].deduplicates


def test_each_channel_that_cannot_be_built_gets_one_line() -> None:
    wrong = Settings.defaults(
        channels={
            "a": "nosuch://hunter2/{reply_target}",
            "b": "hunter2",
            "c": "http://{sender_id}/hunter2",
            "d": "console",
        },
        webhook_secret="hunter2",
    )
    with pytest.raises(SettingsError) as caught:
        build_channels(wrong)
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "OMEGA_WEBHOOK_SECRET",
        "OMEGA_CHANNELS__A",
        "OMEGA_CHANNELS__B",
        "OMEGA_CHANNELS__C",
    ]
    assert "no such kind of channel" in caught.value.lines[1]
    assert "hunter2" not in str(caught.value)
