"""`omega-worker demo`: the real worker on a real file that is thrown away afterwards."""

import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NamedTuple

from omega_jobs.delivery import Delivery, DeliveryError
from omega_models import Store, times
from omega_worker.commands.demo_screen import Screen, Shown
from omega_worker.commands.moments import machine_zone
from omega_worker.settings import Settings
from omega_worker.worker import Worker

WHOLE = 20  # the seconds that the times below are meant for
PATIENCE = 15.0  # beyond them, on a machine that is busy
GLANCE = 0.1
INTERRUPTED = 130
STEADY, SHAKY = "screen", "shaky"


class Act(NamedTuple):
    """A reminder of the demo: `after` holds the seconds from the start at which it falls due."""

    text: str
    channel: str
    after: tuple[int, ...]
    word: str
    about: str


ACTS = (
    Act("Call John", STEADY, (3,), "once", "once"),
    Act("Drink some water", STEADY, (5, 11, 17), "rule", "several times a day, by an RRULE"),
    Act("Send the invoice", SHAKY, (7,), "once", "once; the first attempt will be refused"),
    Act("Stand up", STEADY, (13,), "daily", "daily"),
)


def demo(arguments: Namespace) -> int | None:
    zone_name = machine_zone()
    with _ended_by_sigterm(), TemporaryDirectory(prefix="omega-demo-") as folder:
        file = Path(folder) / "memory.db"
        with Store(file, default_timezone=zone_name) as store:
            finished = _played(store, Screen(store, zone_name), arguments.seconds / WHOLE)
    if not finished:
        print(f"\nStopped. {file} was removed.", file=sys.stderr)
        return INTERRUPTED
    print(f"{file} was removed; nothing else was touched.")
    print('\nYours:  omega-worker remind "Call John" --in 10s     then:  omega-worker run')
    return None


def _played(store: Store, screen: Screen, scale: float) -> bool:
    """False where Ctrl-C cut it short."""
    acts = _scaled(scale)
    start = times.ceil(store.clock())
    screen.opening([_stored(store, act, start, screen.zone_name) for act in acts])
    wanted = sum(len(act.after) for act in acts)
    deadline = time.monotonic() + max(act.after[-1] for act in acts) + PATIENCE
    try:
        with Worker(store, _channels(screen), _settings(scale, screen.zone_name)), screen.waiting() as tick:
            while screen.delivered < wanted and time.monotonic() < deadline:
                tick()
                time.sleep(GLANCE)
    except KeyboardInterrupt:
        return False
    screen.closing()
    return True


def _scaled(scale: float) -> list[Act]:
    """Whole seconds, each act's at least one apart."""
    scaled = []
    for act in ACTS:
        first, step = max(1, round(act.after[0] * scale)), max(1, round(6 * scale))
        scaled.append(act._replace(after=tuple(first + step * place for place in range(len(act.after)))))
    return scaled


def _stored(store: Store, act: Act, start: datetime, zone_name: str) -> Shown:
    due = [start + timedelta(seconds=after) for after in act.after]
    repeat = {"once": None, "daily": "daily"}.get(act.word, _rule(due, zone_name))
    made = store.add_task(
        act.channel, "owner", "owner", act.text, due[0], repeat, timezone=zone_name, dedupe="off"
    )
    return Shown(made.id, act.text, f"in {act.after[0]} s", act.about)


def _rule(due: list[datetime], zone_name: str) -> str:
    """Every day at these times; where they cross a minute, at a few more."""
    local = [times.in_zone(each, zone_name) for each in due]
    parts = {
        "BYHOUR": {each.hour for each in local},
        "BYMINUTE": {each.minute for each in local},
        "BYSECOND": {each.second for each in local},
    }
    said = (f"{name}={','.join(map(str, sorted(values)))}" for name, values in parts.items())
    return ";".join(("RRULE:FREQ=DAILY", *said))


def _channels(screen: Screen) -> dict[str, object]:
    def shaky(delivery: Delivery) -> str:
        if delivery.attempt == 1:
            screen.refused(delivery)
            raise DeliveryError("HTTP 503")
        return screen.show(delivery)

    return {STEADY: screen.show, SHAKY: shaky}


def _settings(scale: float, zone_name: str) -> Settings:
    """Its own: neither the environment nor a .env has a say."""
    return Settings.defaults(retry_base_seconds=max(1, round(2 * scale)), default_timezone=zone_name)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """So that `timeout 10 omega-worker demo` leaves nothing behind either."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
