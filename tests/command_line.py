"""The command line as a test runs it: in a process of its own, away from this machine's settings and files."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from omega_worker.app import main

PATIENCE = 30.0
APPEARANCE = ("CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "COLUMNS", "FORCE_COLOR", "NO_COLOR")
PROGRAM = (sys.executable, "-c", "import sys; from omega_worker.app import main; sys.exit(main())")


def is_ours(name: str) -> bool:
    """Whether a variable would change what the commands do or how they look."""
    return name.upper().startswith("OMEGA_") or name in APPEARANCE


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's, without settings, with a home of its own and these settings besides."""
    kept = {name: value for name, value in os.environ.items() if not is_ours(name)}
    return kept | {"HOME": str(home), "TZ": "UTC", "PYTHONWARNINGS": "error"} | settings


def apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for this process, for commands run within it."""
    for name in filter(is_ours, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(home)


def run(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command to its end, in `home`."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=home,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def told(capsys: pytest.CaptureFixture[str], *given: str) -> tuple[int, str, str]:
    """Of a command run within this process: its exit code, what it said, what it complained about."""
    try:
        code = main(given)
    except SystemExit as ended:
        code = int(ended.code or 0)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


class Program:
    """A command under way; what it prints can be waited for."""

    def __init__(self, home: Path, *arguments: str, **settings: str) -> None:
        self._process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=home,
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._lines.append("")
            self._news.notify_all()

    @property
    def said(self) -> str:
        return "".join(self._lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in what was printed, standard error included, as soon as there is one."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while (found := re.search(pattern, self.said)) is None:
                ended = bool(self._lines) and self._lines[-1] == ""
                if ended or not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {pattern!r} in:\n{self.said}")
        return found

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self, seconds: float) -> bool:
        """Whether it ends within that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> int:
        """The exit code, once it has ended and all it said was read."""
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.end()
        assert self._process.stdout is not None
        self._process.stdout.close()
