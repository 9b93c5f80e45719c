"""`omega-worker install`: the worker as a systemd service, and back again."""

import os
import pwd
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

from omega_worker.channels.console import visible
from omega_worker.commands.faults import Misused, Refused
from omega_worker.commands.settings_page import settings_page
from omega_worker.units import is_in_a_home, is_runnable, unit

NAME = "omega-worker.service"
OWNER = "omega"
OURS = "# Omega's worker"
SYSTEM_DATABASE = "sqlite:////var/lib/omega/memory.db"
USERADD = (
    f"useradd --system --user-group --home-dir /var/lib/omega --no-create-home "
    f"--shell /usr/sbin/nologin {OWNER}"
)


class Places(NamedTuple):
    """Where things lie; `prefix` is put in front of paths that are written, never of those in a file."""

    scope: str
    unit: Path
    folder: Path
    link: Path
    prefix: Path | None

    def at(self, path: Path) -> Path:
        return path if self.prefix is None else self.prefix / path.relative_to("/")

    @property
    def settings(self) -> Path:
        return self.folder / ".env"


class Step(NamedTuple):
    """One file: written where there is content, else removed. `backup`: where what is there is kept."""

    path: Path
    content: str | None
    mode: int
    says: str
    backup: Path | None = None
    owner: str | None = None


class Plan(NamedTuple):
    steps: list[Step]
    remarks: list[str]
    commands: list[str]


def install(arguments: Namespace) -> None:
    places = _places(arguments)
    if arguments.purge_settings and not arguments.uninstall:
        raise Misused("--purge-settings goes with --uninstall")
    plan = _removal(places, arguments) if arguments.uninstall else _installation(places, arguments.database)
    if not arguments.dry_run:
        _check(places, arguments)
    _say(plan, arguments.dry_run)
    if not arguments.dry_run:
        for step in plan.steps:
            _take(step)
    if arguments.now and not arguments.dry_run:
        _run(plan.commands)
    else:
        print("\n  ".join(("then run:", *plan.commands)))


def _places(arguments: Namespace) -> Places:
    prefix = Path(arguments.prefix).absolute() if arguments.prefix else None
    scope = arguments.scope or ("system" if os.geteuid() == 0 else "user")
    if scope == "system":
        base, folder, target = Path("/etc/systemd/system"), Path("/etc/omega"), "multi-user"
    else:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config").absolute()
        base, folder, target = config / "systemd/user", config / "omega", "default"
    return Places(scope, base / NAME, folder, base / f"{target}.target.wants" / NAME, prefix)


def _check(places: Places, arguments: Namespace) -> None:
    """Before anything is written."""
    if places.prefix is not None:
        if arguments.now:
            raise Misused("--now does not go with --prefix: systemd does not look there")
        return
    if places.scope == "system" and os.geteuid() != 0:
        raise Refused("a service for the whole machine is installed by root: use sudo, or --user")
    if places.scope == "system" and not arguments.uninstall and not _owner_exists():
        raise Refused(f"there is no user {OWNER} yet, as whom the worker runs: `{USERADD}` makes it")
    if arguments.now and shutil.which("systemctl") is None:
        raise Refused("there is no systemctl here: leave --now out, and nothing is run")


def _owner_exists() -> bool:
    try:
        return bool(pwd.getpwnam(OWNER))
    except KeyError:
        return False


# Installing


def _installation(places: Places, database: str | None) -> Plan:
    program, remarks = _program(), []
    needs_homes = any(map(is_in_a_home, (program, str(Path(program).resolve()), _python())))
    if needs_homes and places.scope == "system":
        remarks.append(
            f"{program} or its Python ({_python()}) lies in a home folder: ProtectHome=read-only lets the worker "
            f"see it, and user {OWNER} must be allowed to read it. A venv in /opt on the system's Python needs neither"
        )
    wanted = unit(places.scope, program, str(places.folder), needs_homes=needs_homes)
    steps = [*_write_unit(places, wanted), *_write_settings(places, database, remarks)]
    create = [USERADD] if places.scope == "system" and not places.prefix and not _owner_exists() else []
    return Plan(
        steps, remarks, create + _systemctl(places, "daemon-reload", f"enable {NAME}", f"restart {NAME}")
    )


def _program() -> str:
    """The omega-worker beside the Python that runs this."""
    found = Path(sys.executable).absolute().with_name("omega-worker")
    if not os.access(found, os.X_OK):
        raise Refused(f"there is no {found}: install the package into this Python, then use its omega-worker")
    if not is_runnable(str(found)):
        raise Refused(f"systemd runs no program whose path holds quotes or backslashes, such as {found}")
    return str(found)


def _python() -> str:
    return str(Path(sys.executable).resolve())


def _write_unit(places: Places, wanted: str) -> Iterator[Step]:
    path = places.at(places.unit)
    there = path.read_text(encoding="utf-8") if path.exists() else None
    if there is None:
        yield Step(path, wanted, 0o644, f"write {path}")
    elif there != wanted:
        backup = path.with_name(f"{NAME}.{datetime.now():%Y%m%d-%H%M%S}.bak")  # noqa: DTZ005  the machine's own time
        diff = unified_diff(there.splitlines(), wanted.splitlines(), "there", "new", lineterm="", n=1)
        changes = "".join(f"\n    {visible(line)}" for line in diff)
        yield Step(
            path, wanted, 0o644, f"change {path}; the old one is kept as {backup.name}{changes}", backup
        )


def _write_settings(places: Places, database: str | None, remarks: list[str]) -> Iterator[Step]:
    path = places.at(places.settings)
    if path.exists():
        remarks.append(f"{path} is there already and stays as it is")
        return
    system = places.scope == "system"
    owner = OWNER if system and places.prefix is None else None
    chosen = _absolute(database) if database else SYSTEM_DATABASE if system else None
    but = " but OMEGA_DATABASE_URL" if chosen else ""
    says = (
        f"write {path}, which only {OWNER if system else 'you'} may read: all settings at their defaults{but}"
    )
    yield Step(path, settings_page(chosen), 0o600, says, owner=owner)


def _absolute(database: str) -> str:
    return database if "://" in database else str(Path(database).expanduser().absolute())


def _systemctl(places: Places, *commands: str) -> list[str]:
    return [f"systemctl {'--user ' if places.scope == 'user' else ''}{each}" for each in commands]


# Uninstalling


def _removal(places: Places, arguments: Namespace) -> Plan:
    path, settings = places.at(places.unit), places.at(places.settings)
    steps, remarks = [], []
    if path.exists():
        if not path.read_text(encoding="utf-8").startswith(OURS):
            raise Refused(f"{path} was not written by `omega-worker install`; it is left alone")
        steps.append(Step(path, None, 0, f"remove {path}"))
    if places.at(places.link).is_symlink():
        steps.append(Step(places.at(places.link), None, 0, f"remove {places.at(places.link)}"))
    if settings.exists() and arguments.purge_settings:
        steps.append(Step(settings, None, 0, f"remove {settings}"))
    elif settings.exists():
        remarks.append(f"{settings} stays (--purge-settings removes it)")
    remarks.append("the memory stays: nothing is taken out of any database, and none is removed")
    return Plan(steps, remarks, _systemctl(places, f"stop {NAME}", "daemon-reload"))


# Saying and doing


def _say(plan: Plan, dry_run: bool) -> None:
    would = "would " if dry_run else ""
    for step in plan.steps:
        print(f"{would}{step.says}")
    if not plan.steps:
        print("nothing to write: everything is as it should be")
    for remark in plan.remarks:
        print(f"note: {remark}")


def _take(step: Step) -> None:
    if step.content is None:
        step.path.unlink()
        return
    step.path.parent.mkdir(parents=True, exist_ok=True)
    if step.backup is not None:
        shutil.copy2(step.path, step.backup)
    part = step.path.with_name(f".{step.path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step.mode), "w", encoding="utf-8"
    ) as out:
        out.write(step.content)
    part.chmod(step.mode)
    if step.owner is not None:
        shutil.chown(part, step.owner, step.owner)
    part.replace(step.path)


def _run(commands: list[str]) -> None:
    for command in commands:
        print(f"running {command}", flush=True)
        if subprocess.run(command.split(), check=False).returncode:
            raise Refused(f"`{command}` failed; what it said stands above, and the rest was not run")
