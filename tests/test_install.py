"""`omega-worker install`: what it writes, what it never overwrites, and the way back."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import apart, told

from omega_worker.commands import install as installing
from omega_worker.settings import Settings, load_settings

UNIT = "etc/systemd/system/omega-worker.service"
DOTENV = "etc/omega/.env"
EXAMPLE = Path(__file__).parent.parent / ".env.example"
PROGRAM = Path(sys.executable).with_name("omega-worker")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What paths are put under; the Python seems to lie outside of every home."""
    apart(tmp_path, monkeypatch)
    monkeypatch.setattr(installing, "_python", lambda: "/usr/bin/python3")
    monkeypatch.setattr(installing, "is_in_a_home", lambda path: path.startswith("/home/"))
    return tmp_path / "root"


def install(capsys: Capture, root: Path, *given: str) -> str:
    code, out, err = told(capsys, "install", "--system", "--prefix", str(root), *given)
    assert (code, err) == (0, "")
    return out


def refused(capsys: Capture, *given: str, code: int = 1) -> str:
    ended, out, err = told(capsys, "install", *given)
    assert (ended, out) == (code, "")
    return err


def test_it_writes_the_unit_and_the_settings_and_says_what_is_next(root: Path, capsys: Capture) -> None:
    said = install(capsys, root)
    assert said == (
        f"write {root}/{UNIT}\n"
        f"write {root}/{DOTENV}, which only omega may read: all settings at their defaults but OMEGA_DATABASE_URL\n"
        "then run:\n"
        "  systemctl daemon-reload\n"
        "  systemctl enable omega-worker.service\n"
        "  systemctl restart omega-worker.service\n"
    )
    unit, dotenv = root / UNIT, root / DOTENV
    assert f"\nExecStart={PROGRAM} run\n" in unit.read_text()
    assert "\nWorkingDirectory=/etc/omega\n" in unit.read_text()
    assert "\nProtectHome=yes\n" in unit.read_text()
    assert (unit.stat().st_mode & 0o777, dotenv.stat().st_mode & 0o777) == (0o644, 0o600)


def test_the_settings_it_writes_are_the_documented_ones(
    root: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(capsys, root)
    monkeypatch.chdir((root / DOTENV).parent)
    assert load_settings() == Settings.defaults(database_url="sqlite:////var/lib/omega/memory.db")
    names = r"^(?:# )?(OMEGA_\w+=.*)$"
    written = re.findall(names, (root / DOTENV).read_text(), re.MULTILINE)
    documented = re.findall(names, EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(written[1:]) == sorted(documented[1:])


def test_a_dry_run_says_the_same_and_writes_nothing(root: Path, capsys: Capture) -> None:
    said = install(capsys, root, "--dry-run")
    assert not root.exists()
    assert said.replace("would ", "") == install(capsys, root)


def test_a_second_time_there_is_nothing_to_do(root: Path, capsys: Capture) -> None:
    install(capsys, root)
    said = install(capsys, root)
    assert said.startswith("nothing to write: everything is as it should be\n")
    assert "stays as it is" in said


def test_settings_are_never_overwritten(root: Path, capsys: Capture) -> None:
    dotenv = root / DOTENV
    dotenv.parent.mkdir(parents=True)
    dotenv.write_text("OMEGA_MAX_ATTEMPTS=3\n")
    said = install(capsys, root, "--database", "other.db")
    assert dotenv.read_text() == "OMEGA_MAX_ATTEMPTS=3\n"
    assert f"note: {dotenv} is there already and stays as it is\n" in said


def test_a_changed_unit_is_shown_and_kept(root: Path, capsys: Capture) -> None:
    install(capsys, root)
    unit = root / UNIT
    edited = unit.read_text().replace("WatchdogSec=120", "WatchdogSec=60")
    unit.write_text(edited)
    said = install(capsys, root)
    assert "\n    -WatchdogSec=60\n    +WatchdogSec=120\n" in said
    (backup,) = unit.parent.glob("omega-worker.service.*.bak")
    assert backup.name in said
    assert backup.read_text() == edited
    assert "WatchdogSec=120" in unit.read_text()


def test_a_database_of_ones_own(root: Path, capsys: Capture) -> None:
    install(capsys, root, "--database", "mine.db")
    assert f"\nOMEGA_DATABASE_URL={Path.cwd()}/mine.db\n" in (root / DOTENV).read_text()


def test_a_python_in_a_home_stays_visible_to_the_worker(
    root: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "_python", lambda: "/home/somebody/python3")
    said = install(capsys, root)
    assert "lies in a home folder: ProtectHome=read-only" in said
    assert "\nProtectHome=read-only\n" in (root / UNIT).read_text()


def test_for_one_user(root: Path, capsys: Capture) -> None:
    code, out, _ = told(capsys, "install", "--user", "--prefix", str(root))
    home = root / str(Path.home()).removeprefix("/")
    unit = (home / ".config/systemd/user/omega-worker.service").read_text()
    assert code == 0
    assert "  systemctl --user enable omega-worker.service\n" in out
    assert f"\nWorkingDirectory={Path.home()}/.config/omega\n" in unit
    assert "\nUser=" not in unit
    assert (home / ".config/omega/.env").stat().st_mode & 0o777 == 0o600


def test_the_way_back_leaves_settings_and_memory(root: Path, capsys: Capture) -> None:
    install(capsys, root)
    link = root / "etc/systemd/system/multi-user.target.wants/omega-worker.service"
    link.parent.mkdir()
    link.symlink_to("/" + UNIT)
    said = install(capsys, root, "--uninstall")
    assert said == (
        f"remove {root}/{UNIT}\nremove {link}\n"
        f"note: {root}/{DOTENV} stays (--purge-settings removes it)\n"
        "note: the memory stays: nothing is taken out of any database, and none is removed\n"
        "then run:\n  systemctl stop omega-worker.service\n  systemctl daemon-reload\n"
    )
    assert [str(each.relative_to(root)) for each in root.rglob("*") if not each.is_dir()] == [DOTENV]
    install(capsys, root, "--uninstall", "--purge-settings")
    assert not (root / DOTENV).exists()


def test_a_unit_somebody_else_wrote_is_not_removed(root: Path, capsys: Capture) -> None:
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("[Service]\nExecStart=/bin/true\n")
    err = refused(capsys, "--system", "--uninstall", "--prefix", str(root))
    assert "was not written by `omega-worker install`; it is left alone" in err
    assert (root / UNIT).exists()


@pytest.mark.usefixtures("root")
def test_systemd_is_called_only_when_asked(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called: list[list[str]] = []

    def call(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        assert not check
        called.append(command)
        return subprocess.CompletedProcess(command, 1 if "restart" in command else 0)

    monkeypatch.setattr(installing.subprocess, "run", call)
    monkeypatch.setattr(installing.shutil, "which", lambda _: "/bin/systemctl")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert told(capsys, "install", "--user")[0] == 0
    assert called == []
    code, out, err = told(capsys, "install", "--user", "--now")
    assert [each[2] for each in called] == ["daemon-reload", "enable", "restart"]
    assert "running systemctl --user daemon-reload\n" in out
    assert code == 1
    assert "`systemctl --user restart omega-worker.service` failed" in err


@pytest.mark.parametrize(
    ("given", "euid", "code", "why"),
    [
        (["--system"], 1000, 1, "installed by root: use sudo, or --user"),
        (["--system"], 0, 1, "there is no user omega yet, as whom the worker runs: `useradd --system"),
        (["--user", "--now"], 1000, 1, "there is no systemctl here"),
        (["--user", "--purge-settings"], 1000, 2, "--purge-settings goes with --uninstall"),
        (["--user", "--now", "--prefix", "x"], 1000, 2, "--now does not go with --prefix"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    root: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    euid: int,
    code: int,
    why: str,
) -> None:
    monkeypatch.setattr(installing.os, "geteuid", lambda: euid)
    monkeypatch.setattr(installing, "_owner_exists", lambda: False)
    monkeypatch.setattr(installing.shutil, "which", lambda _: None)
    before = sorted(root.parent.iterdir())
    assert why in refused(capsys, *given, code=code)
    assert sorted(root.parent.iterdir()) == before


def test_the_user_it_runs_as_is_the_first_thing_to_make(
    root: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "_owner_exists", lambda: False)
    code, out, _ = told(capsys, "install", "--system", "--dry-run")
    assert code == 0
    assert "then run:\n  useradd --system --user-group " in out
    assert not root.exists()
