"""`omega-worker run`: the service, until SIGTERM or Ctrl-C. SIGHUP: the settings are read again."""

import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from omega_worker import narrate
from omega_worker.channels.registry import build_channels
from omega_worker.commands.lines import silence
from omega_worker.commands.opening import open_store, settings_of
from omega_worker.logs import configure_logs
from omega_worker.reloading import reloaded
from omega_worker.settings import Settings, SettingsError
from omega_worker.systemd import Notifier, watchdog_interval
from omega_worker.worker import Worker

STOPPING = (signal.SIGTERM, signal.SIGINT)
RELOADING = (signal.SIGHUP,)
SAME_WISH = 0.5  # seconds
SHORTEST_PIECE = 12  # of an address that is kept out of the log: shorter ones would blank out ordinary words


def run(arguments: Namespace) -> None:
    had_terminal = sys.stderr.isatty()
    settings = settings_of(arguments)
    channels = build_channels(settings)
    configure_logs(settings.log_level, settings.log_format, secrets=secrets_of(settings))
    with _held_back(RELOADING), open_store(settings) as store, _held_back(STOPPING):
        worker = Worker(store, channels, settings)
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"), watchdog_interval(), now=store.clock)
        notifier.listen(worker.vitals)
        worker.pulse = notifier.every
        worker.start()
        notifier.ready(worker.vitals)
        worker.ring()
        while signal.sigwait(STOPPING + RELOADING) in RELOADING:
            if had_terminal and not sys.stderr.isatty():
                silence(sys.stderr)
                break  # the terminal was closed, and with it whoever would have read what is delivered
            notifier.reloading()
            _reload(worker, arguments)
            notifier.ready(worker.vitals)
        _end_at_once_on_the_next()
        notifier.stopping(worker.in_hand())
        worker.stop()


def _reload(worker: Worker, arguments: Namespace) -> None:
    try:
        found = reloaded(worker.settings, settings_of(arguments))
    except SettingsError as error:
        narrate.not_reloaded(error.lines)
        return
    settings = found.settings
    if {"OMEGA_LOG_LEVEL", "OMEGA_LOG_FORMAT"} & set(found.changed):
        configure_logs(settings.log_level, settings.log_format, secrets=secrets_of(settings))
    worker.go_on_with(settings)
    narrate.reloaded(found.changed, found.waiting)


@contextmanager
def _held_back(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """The signals wait for `sigwait`: no handler runs in between, and every thread inherits this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_at_once_on_the_next() -> None:
    """A second signal means impatience; one right behind the first is the same wish, told to the group as well."""
    first = time.monotonic()

    def end(number: int, _: FrameType | None) -> None:
        if time.monotonic() - first >= SAME_WISH:
            _end_at_once(number)

    for each in STOPPING:
        signal.signal(each, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _end_at_once(number: int) -> None:
    """Nothing is lost: what was being sent is sent again, with the same key, once its lease has ended."""
    os._exit(128 + number)


def secrets_of(settings: Settings) -> list[str]:
    """What the log must never show: the webhook secret, and addresses, which hold tokens."""
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
    addresses = [address for address in settings.channels.values() if "://" in address]
    pieces = [
        piece
        for address in addresses
        for piece in address.partition("://")[2].replace("}", "{").split("{")
        if len(piece) >= SHORTEST_PIECE
    ]
    return [secret, *addresses, *pieces]
