"""The command line: its help, its exit codes, and how soon it is there."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from command_line import PROGRAM, apart, environment, run, told

import omega_worker
from omega_models import Store, Task
from omega_worker.app import _command
from omega_worker.commands import arguments

NO_DEFAULT = {"--help", "--version", "--in", "--at", "--all"}
Tell = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(tmp_path / "memory.db"))
    monkeypatch.setenv("OMEGA_DURABILITY", "normal")
    return tmp_path / "memory.db"


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    return partial(told, capsys)


def stored(database: Path) -> list[Task]:
    with Store(database) as store:
        return store.list_tasks(status=None)


def parsers(
    parser: argparse.ArgumentParser | None = None, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    parser = parser or arguments.build_parser()
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from parsers(child, (*path, name))


PARSERS = dict(parsers())
LEAVES = {path: parser for path, parser in PARSERS.items() if parser.get_default("command")}


@pytest.mark.parametrize("path", PARSERS, ids=" ".join)
def test_help_explains_every_option(path: tuple[str, ...], tell: Tell) -> None:
    code, shown, errors = tell(*path, "--help")
    assert (code, errors) == (0, "")
    plain = " ".join(shown.split())
    for action in PARSERS[path]._actions:
        if action.help is argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        assert action.help
        assert " ".join(action.help.split()) in plain
        for option in action.option_strings:
            assert option in shown
            assert option in NO_DEFAULT | {"-h"} or "(default: " in action.help


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_a_summary_examples_and_code(path: tuple[str, ...]) -> None:
    parser = LEAVES[path]
    assert parser.description
    assert "\n" not in parser.description
    assert "example" in str(parser.epilog)
    assert callable(_command(parser.get_default("command")))


def examples() -> list[str]:
    lines = [line.strip() for parser in PARSERS.values() for line in str(parser.epilog).splitlines()]
    return [line for line in lines if line.partition("omega-worker ")[1] and "`" not in line]


@pytest.mark.parametrize("line", sorted(set(examples())))
def test_every_example_can_be_parsed(line: str) -> None:
    words = shlex.split(line.partition("omega-worker ")[2])
    assert arguments.build_parser().parse_args(words).command


def test_the_commands() -> None:
    assert [" ".join(path) for path in LEAVES] == [
        "run",
        "remind",
        *(f"tasks {name}" for name in ("list", "show", "why", "cancel", "snooze", "skip", "pause")),
        *(f"tasks {name}" for name in ("resume", "retry", "preview")),
        *("status", "migrate"),
        *("check", "doctor", "backup", "backups", "restore", "transfer"),
        *("export", "import", "forget"),
        *("install", "demo"),
    ]


def test_the_version(tell: Tell) -> None:
    assert re.fullmatch(r"omega-worker \d+\.\d+\.\d+\n", tell("--version")[1])


@pytest.mark.parametrize("given", [[], ["tasks"]])
def test_without_a_command_the_help_is_shown_as_an_error(given: list[str], tell: Tell) -> None:
    code, shown, errors = tell(*given)
    assert (code, shown) == (2, "")
    assert errors.startswith("usage: omega-worker")


@pytest.mark.parametrize(
    "given",
    [
        ["dance"],
        ["remind"],
        ["remind", "Call John"],
        ["remind", "Call John", "--in", "10s", "--at", "18:30"],
        ["remind", "Call John", "--in", "soon"],
        ["remind", "Call John", "--in", "10"],
        ["remind", "Call John", "--in", "9" * 40 + "w"],
        ["tasks", "list", "--limit", "0"],
        ["tasks", "list", "--all", "--status", "failed"],
    ],
)
def test_wrong_usage_is_2(given: list[str], tell: Tell, database: Path) -> None:
    code, shown, errors = tell(*given)
    assert (code, shown) == (2, "")
    assert "omega-worker" in errors
    assert not stored(database)


def test_help_and_the_package_are_there_at_once() -> None:
    """Neither waits for the database, the scheduler, the settings or the tables."""
    heavy = "apscheduler, httpx, omega_models, peewee, pydantic, rich"
    code = f"""
import sys, omega_worker
from omega_worker.app import main
try:
    main(["remind", "--help"])
except SystemExit:
    pass
print([name for name in "{heavy}".split(", ") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_package_exports_its_names() -> None:
    assert {name for name in omega_worker.__all__ if getattr(omega_worker, name).__name__ == name} == set(
        omega_worker.__all__
    )
    assert set(omega_worker.__all__) <= set(dir(omega_worker))
    with pytest.raises(AttributeError, match="no attribute 'Wrecker'"):
        _ = omega_worker.Wrecker


def test_the_database_can_be_named_before_and_after_the_command(tell: Tell, tmp_path: Path) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    tell("--database", str(one), "remind", "One", "--in", "1h")
    tell("remind", "Other", "--in", "1h", "--database", f"sqlite:///{other}")
    assert [task.description for task in stored(one)] == ["One"]
    assert [task.description for task in stored(other)] == ["Other"]


def test_output_that_cannot_be_written_is_no_traceback(tmp_path: Path) -> None:
    command = [*PROGRAM, "tasks", "preview", "daily", "--count", "2000"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(tmp_path), check=False
        )
    assert (done.returncode, done.stderr) == (1, "omega-worker: standard output: No space left on device\n")


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*PROGRAM, "tasks", "preview", "daily", "--count", "2000"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment(tmp_path), check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_program_itself(tmp_path: Path) -> None:
    failed = run(tmp_path, "tasks", "list", "--database", "ftp://example.org/x")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("omega-worker: cannot open a 'ftp' database: ")
