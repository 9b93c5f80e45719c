"""`omega-worker run` as a service: in time, ended by a signal, and plain about what is wrong."""

import re
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import Program, apart, run
from http_receiver import Receiver, late

from omega_models import Store, StoreUnavailable
from omega_models.presence import live_workers
from omega_worker.app import main

STARTED = r"INFO +started: worker="
PAST = "2020-01-01"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def states(database: Path) -> list[tuple[str, str, int]]:
    """Of every task: its text, its status, the attempts made."""
    with Store(database) as store:
        return sorted(
            (task.description, task.status, sum(each.attempts for each in store.task_history(task.id)))
            for task in store.list_tasks(status=None)
        )


def test_what_another_process_adds_is_delivered_on_time(tmp_path: Path, database: Path) -> None:
    with Program(tmp_path, "--database", str(database), "run", OMEGA_POLL_INTERVAL_SECONDS="60") as worker:
        worker.wait_for(STARTED)
        added = run(tmp_path, "--database", str(database), "remind", "Call John", "--in", "1s")
        assert (added.returncode, added.stderr) == (0, "")
        line = worker.wait_for(r"\d\d:\d\d:\d\d  Reminder: Call John  \[task (\w{8}), attempt 1\]")
        assert line[1] == added.stdout[:8]
        worker.wait_for(r"delivered: task=")
        worker.send(signal.SIGTERM)
        assert worker.end() == 0
    with Store(database) as store:
        (task,) = store.list_tasks(status="delivered")
        (entry,) = store.task_history(task.id)
        assert entry.lateness is not None
        assert entry.lateness.total_seconds() < 3
        assert live_workers(store) == []
    assert "everything in hand was settled" in worker.said


def test_the_log_is_as_set_and_shows_no_address(tmp_path: Path) -> None:
    token = "bot-of-mine-12345678"
    settings = {
        "OMEGA_CHANNELS__HOME": f"https://example.org/{token}/{{reply_target}}",
        "OMEGA_LOG_FORMAT": "json",
    }
    database = tmp_path / "example.org" / token / "memory.db"
    with Program(tmp_path, "--database", str(database), "run", **settings) as worker:
        worker.wait_for(r'"level": "INFO", "logger": "omega_worker.narrate", "message": "started: worker=')
        assert token not in worker.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_being_sent_end(tmp_path: Path, database: Path, number: signal.Signals) -> None:
    arrives = threading.Event()
    with Receiver() as receiver, Store(database) as store:
        receiver.script(late(arrives))
        store.create_task("home", "owner", "owner", "Call John", PAST)
        settings = {"OMEGA_CHANNELS__HOME": receiver.url, "OMEGA_DATABASE_URL": str(database)}
        with Program(tmp_path, "run", **settings) as worker:
            receiver.wait_for(1)
            worker.send(number)
            worker.wait_for(r"stopping: no new claims; 1 being sent")
            store.create_task("console", "owner", "owner", "Too late for this one", PAST)
            arrives.set()
            assert worker.end() == 0
    assert states(database) == [("Call John", "delivered", 1), ("Too late for this one", "pending", 0)]


def test_a_second_signal_ends_it_at_once_and_loses_nothing(tmp_path: Path, database: Path) -> None:
    arrives = threading.Event()
    settings = {"OMEGA_DATABASE_URL": str(database), "OMEGA_LEASE_SECONDS": "5"}
    with Receiver() as receiver, Store(database) as store:
        receiver.script(late(arrives))
        settings["OMEGA_CHANNELS__HOME"] = receiver.url
        store.create_task("home", "owner", "owner", "Call John", PAST)
        with Program(tmp_path, "run", **settings) as worker:
            receiver.wait_for(1)
            worker.send(signal.SIGTERM)
            worker.wait_for(r"stopping: no new claims; 1 being sent")
            worker.send(signal.SIGTERM)  # right behind the first: the same wish
            for _ in range(50):
                if worker.ended(0.2):
                    break
                worker.send(signal.SIGTERM)
            assert worker.end() == 128 + signal.SIGTERM
        arrives.set()
        (sent,) = receiver.wait_for(1)
    with Store(database, clock=lambda: datetime.now(UTC) + timedelta(seconds=10)) as store:
        (again,) = store.claim_due_tasks("another", 10)
    assert (again.description, again.attempt) == ("Call John", 2)
    assert again.occurrence_id == sent.headers["webhook-id"]


def test_wrong_settings_are_named_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart(tmp_path, monkeypatch)
    (tmp_path / ".env").write_text("OMEGA_LOG_LEVEL=loud\nOMEGA_MAX_ATTEMPTS=0\n")
    assert main(["run"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "omega-worker: OMEGA_MAX_ATTEMPTS='0': must be a whole number between 1 and 1000",
        "omega-worker: OMEGA_LOG_LEVEL='LOUD': must be one of TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR, CRITICAL",
    ]


def test_a_channel_that_cannot_be_built_is_named_without_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_CHANNELS__HOME", "https://secret-token@example.org:harbour/")
    assert main(["run"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("omega-worker: OMEGA_CHANNELS__HOME: ")
    assert "secret" not in shown.err
    assert not (tmp_path / ".omega").exists()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, database: Path) -> None:
    database.write_text("The dog ate my reminders, all of them.\n" * 50)
    before = database.read_bytes()
    done = run(tmp_path, "--database", str(database), "run")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"omega-worker: {database} is not an SQLite database\..*\n", done.stderr)
    assert database.read_bytes() == before
    with pytest.raises(StoreUnavailable):
        Store(database)
