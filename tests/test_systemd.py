"""What systemd is told by a running worker, what it may ask of it, and the unit it runs it by."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from command_line import PATIENCE, Program, environment

from omega_models import Store, StoreBusy
from omega_models.overview import Backlog
from omega_models.testing import FakeClock
from omega_worker import Settings, Worker
from omega_worker.reloading import LIVE, reloaded
from omega_worker.systemd import Notifier, status, watchdog_interval
from omega_worker.timetable import DELIVER
from omega_worker.units import unit
from omega_worker.vitals import Vitals

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
STARTED = "started: worker="


class Manager:
    """A service manager that listens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.heard: list[str] = []

    def wait_for(self, beginning: str) -> str:
        """The next line that begins like this; what came before it is only kept."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            lines = self._socket.recv(4096).decode().split("\n")
            self.heard += lines
            found = [line for line in lines if line.startswith(beginning)]
            if found:
                return found[0]

    def pending(self) -> list[str]:
        """What has been sent and not yet read."""
        self._socket.settimeout(0)
        found: list[str] = []
        try:
            while True:
                found += self._socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@omega-{uuid.uuid4().hex}"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(str(tmp_path / "notify")) as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "memory.db") as opened:
        yield opened


# A running service


def test_a_service_says_ready_how_it_stands_that_it_lives_and_that_it_stops(
    address: str, tmp_path: Path
) -> None:
    database = tmp_path / "memory.db"
    with Store(database) as store:
        store.create_task("console", "owner", "owner", "secret plan", "2126-03-01 09:00")
    given = {"OMEGA_DATABASE_URL": str(database), "WATCHDOG_USEC": "400000", "NOTIFY_SOCKET": address}
    with Manager(address) as manager, Program(tmp_path, "run", **given) as worker:
        manager.wait_for("READY=1")
        assert manager.heard[0] == "READY=1"
        worker.wait_for(STARTED)
        said = next((line for line in manager.heard if line.startswith("STATUS=")), None)
        said = said or manager.wait_for("STATUS=")
        assert re.fullmatch(
            r"STATUS=next due 2126-03-01 09:00:00 UTC \(in \d+ days( \d+ h)?\); 0 being sent; 0 overdue", said
        )
        for _ in range(3):
            manager.wait_for("WATCHDOG=1")
        worker.send(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert worker.end() == 0
    assert manager.heard[-1] == "STATUS=stopping; 0 being sent"
    assert "secret" not in "".join(manager.heard)


def test_a_service_that_cannot_start_is_never_ready(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "memory.db").write_text("this is no database " * 50)
    with Program(tmp_path, "--database", "memory.db", "run", NOTIFY_SOCKET=manager.address) as worker:
        assert worker.end() == 1
    assert manager.pending() == []


def test_settings_are_read_again_without_a_restart(manager: Manager, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("OMEGA_DATABASE_URL=memory.db\n")
    with Program(tmp_path, "run", NOTIFY_SOCKET=manager.address) as worker:
        manager.wait_for("READY=1")
        dotenv.write_text("OMEGA_DATABASE_URL=other.db\nOMEGA_LOG_FORMAT=json\nOMEGA_MAX_ATTEMPTS=9\n")
        worker.send(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1")
        worker.wait_for(
            r'"message": "settings read again: now in force: OMEGA_MAX_ATTEMPTS, OMEGA_LOG_FORMAT"'
        )
        worker.wait_for(r"a restart is needed for OMEGA_DATABASE_URL; until then the old ones hold")
        dotenv.write_text("OMEGA_MAX_ATTEMPTS=many\n")
        worker.send(signal.SIGHUP)
        worker.wait_for(r"settings not read again, the old ones hold: OMEGA_MAX_ATTEMPTS='many': must be")
        manager.wait_for("READY=1")
        worker.send(signal.SIGTERM)
        assert worker.end() == 0
    assert not (tmp_path / "other.db").exists()


def test_a_worker_whose_terminal_is_closed_stops(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    code = (
        "import os, sys; terminal = os.open(sys.argv.pop(1), os.O_RDWR); os.dup2(terminal, 2)\n"
        "from omega_worker.app import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, os.ttyname(theirs), "--database", "memory.db", "run"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), start_new_session=True, **quiet
    ) as process:
        try:
            said = b""
            while STARTED.encode() not in said:
                assert select.select([ours], [], [], PATIENCE)[0], said
                said += os.read(ours, 1024)
        finally:
            os.close(theirs)
            os.close(ours)
        assert process.wait(PATIENCE) == 0


# Rounds and the watchdog


@contextmanager
def watched(store: Store, manager: Manager) -> Iterator[Worker]:
    """A running worker whose every round is a sign of life."""
    worker = Worker(store, {"console": lambda _: None})
    notifier = Notifier(manager.address, timedelta(milliseconds=1), now=store.clock)
    notifier.listen(worker.vitals)
    with worker:
        notifier.ready(worker.vitals)
        manager.wait_for("READY=1")
        yield worker
        notifier.stopping(worker.in_hand())


def test_no_sign_of_life_while_rounds_fail(
    store: Store, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Semaphore(0)

    def failing(_: object) -> None:
        failed.release()
        raise StoreBusy("still locked")

    with watched(store, manager) as worker:
        with monkeypatch.context() as patch:
            patch.setattr("omega_worker.worker.deliver_once", failing)
            worker.ring()
            assert failed.acquire(timeout=PATIENCE)
            manager.pending()
            for _ in range(3):
                worker.ring()
                assert failed.acquire(timeout=PATIENCE)
            assert "WATCHDOG=1" not in manager.pending()
            assert worker.vitals.trouble == "still locked"
        worker.ring()
        manager.wait_for("WATCHDOG=1")
        assert worker.vitals.trouble is None


def test_no_sign_of_life_while_a_round_hangs(
    store: Store, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omega_jobs.deliver import deliver_once

    hangs, goes_on = threading.Event(), threading.Event()

    def hanging(desk: object) -> object:
        hangs.set()
        assert goes_on.wait(PATIENCE)
        return deliver_once(desk)  # type: ignore[arg-type]

    with watched(store, manager) as worker:
        with monkeypatch.context() as patch:
            patch.setattr("omega_worker.worker.deliver_once", hanging)
            worker.ring()
            assert hangs.wait(PATIENCE)
            manager.pending()
            beats = worker.vitals.surveyed
            worker.ring()
            worker.vitals.survey(Backlog(0, None, None, (), 1, 0), 0)  # the rest of the worker goes on
            manager.wait_for("STATUS=")
            assert worker.vitals.surveyed != beats
            assert "WATCHDOG=1" not in manager.heard[1:] + manager.pending()
            goes_on.set()
        manager.wait_for("WATCHDOG=1")


def test_the_poll_is_as_frequent_as_the_watchdog_wants(store: Store) -> None:
    worker = Worker(store, {}, Settings.defaults(poll_interval_seconds=3600))
    worker.pulse = Notifier(None, timedelta(seconds=120), now=store.clock).every
    with worker:
        assert worker._timetable is not None
        assert worker._timetable.duties[DELIVER].every == timedelta(seconds=30)


def test_a_worker_that_delivers_nothing_is_judged_by_its_heartbeat(store: Store) -> None:
    worker = Worker(store, {}, Settings.defaults(duties=("maintain",)))
    done = threading.Event()
    worker.vitals.round_listeners.append(lambda _: done.set())
    with worker:
        assert done.wait(PATIENCE)


def test_signs_of_life_are_few_and_none_comes_before_ready(manager: Manager) -> None:
    seconds, vitals = [0.0], Vitals()
    notifier = Notifier(manager.address, timedelta(seconds=80), clock=lambda: seconds[0], now=FakeClock(NOW))
    notifier.completed(vitals)
    notifier.surveyed(vitals)
    notifier.ready(vitals)
    for seconds[0] in range(41):
        notifier.completed(vitals)
    notifier.stopping(2)
    vitals.survey(Backlog(0, None, None, (), 1, 0), 0)
    notifier.surveyed(vitals)
    expected = ["READY=1", *["WATCHDOG=1"] * 5, "STOPPING=1", "STATUS=stopping; 2 being sent"]
    assert manager.pending() == expected


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "nobody"), timedelta(seconds=1), now=FakeClock(NOW))
    notifier.ready(Vitals())
    notifier.completed(Vitals())


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}, 120),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_kept_by_the_process_it_is_meant_for(
    given: dict[str, str], seconds: int | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert watchdog_interval(given) == expected


def test_the_status_line() -> None:
    waits = Backlog(3, NOW, NOW + timedelta(minutes=3), (), 1, 0)
    assert status(waits, 2, NOW) == "next due 09:03:00 UTC (in 3 min); 2 being sent; 3 overdue"
    waits = Backlog(10_000, NOW, None, (), 1, 0)
    assert status(waits, 0, NOW) == "nothing due ahead; 0 being sent; 10000+ overdue"


# Settings that change while it runs


def test_what_holds_at_once_and_what_after_a_restart() -> None:
    old = Settings.defaults()
    changes = {"max_attempts": 2, "missed": {"reminder": "all"}, "channels": {"home": "console"}}
    found = reloaded(old, Settings.defaults(**changes, database_url="other.db"))
    assert found.changed == ["OMEGA_MAX_ATTEMPTS", "OMEGA_MISSED"]
    assert found.waiting == ["OMEGA_DATABASE_URL", "OMEGA_CHANNELS"]
    assert (found.settings.max_attempts, found.settings.missed.reminder) == (2, "all")
    assert (found.settings.database_url, found.settings.channels) == (old.database_url, {})


def test_every_setting_either_holds_at_once_or_after_a_restart() -> None:
    opened_with = {
        *("database_url", "database_connections", "durability", "default_timezone"),
        "conversation_timeout_minutes",
        *("channels", "rates", "webhook_secret", "send_timeout_seconds", "delivery_concurrency"),
        *("duties", "backup_folder", "alert_channel", "health_host", "health_port"),
        "remember_reminders",
    }
    assert set(Settings.model_fields) - LIVE == opened_with
    assert set(Settings.model_fields) >= LIVE


def test_a_running_worker_goes_on_with_other_settings(store: Store) -> None:
    with Worker(store, {"console": lambda _: None}, Settings.defaults()) as worker:
        done = threading.Event()
        worker.vitals.round_listeners.append(lambda _: done.set())
        worker.go_on_with(Settings.defaults(max_attempts=2, poll_interval_seconds=7))
        assert worker._desk is not None
        for _ in range(100):  # rounds from before the change may still come in
            assert done.wait(PATIENCE)
            done.clear()
            if worker._desk.rules.max_attempts == 2:
                break
            worker.ring()
        assert worker._desk.rules.max_attempts == 2
        assert worker._timetable is not None
        assert worker._timetable.duties[DELIVER].every == timedelta(seconds=7)


# The unit


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None and os.environ.get("OMEGA_REQUIRE_SYSTEMD"):
        pytest.fail("systemd-analyze is missing: on Debian and Ubuntu, apt-get install systemd")
    return found or pytest.skip("systemd-analyze is missing: on Debian and Ubuntu, apt-get install systemd")


def test_the_unit_in_deploy_is_the_one_that_is_installed() -> None:
    shipped = (ROOT / "deploy/omega-worker.service").read_text(encoding="utf-8")
    assert shipped == unit("system", "/opt/omega/.venv/bin/omega-worker", "/etc/omega")


@pytest.mark.parametrize("scope", ["system", "user"])
def test_systemd_finds_no_fault_in_the_unit(scope: str, analyze: str, tmp_path: Path) -> None:
    file = tmp_path / "omega-worker.service"
    file.write_text(unit(scope, sys.executable, str(tmp_path)), encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", f"--{scope}", "--man=no", file],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_little_is_left_open(analyze: str) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", ROOT / "deploy/omega-worker.service"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for omega-worker\.service: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= 2.0


@pytest.mark.parametrize(
    "path", ["/srv/my bots/omega-worker", "/srv/100%/omega-worker", "/srv/$HOME/omega-worker"]
)
def test_any_path_can_be_run(path: str, analyze: str, tmp_path: Path) -> None:
    real = tmp_path / path.removeprefix("/")
    real.parent.mkdir(parents=True)
    real.symlink_to(sys.executable)
    file = tmp_path / "omega-worker.service"
    file.write_text(unit("system", str(real), "/etc/100%"), encoding="utf-8")
    done = subprocess.run([analyze, "verify", "--man=no", file], capture_output=True, text=True, check=False)
    assert done.stderr == ""
