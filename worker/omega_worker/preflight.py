"""Whether a worker could start here and do its work: everything that is wrong, at once."""

import difflib
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omega_models import StoreError, backup, oddities, server_findings, surroundings, upgrade
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding, counted
from omega_models.opening import POSTGRES, connect, sqlite_path
from omega_models.sqlite_file import MEMORY, reading
from omega_models.upgrade import UpgradePlan
from omega_worker.channels.registry import build_channels
from omega_worker.settings import Missed, Settings, SettingsError, load_settings

PREFIX = "omega_"
NESTED = {"missed": tuple(Missed.model_fields)}
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=", re.MULTILINE)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def examine(overrides: dict[str, Any], now: datetime) -> list[Finding]:
    """Every finding, about settings first. Reads only; connects to nothing but the database."""
    settings, found = _settings(overrides)
    return [
        *found,
        *_names(),
        *channels(settings),
        *database(settings, now),
        *backups(settings),
        surroundings.zone_data(now),
        surroundings.sqlite_build(),
    ]


# Settings


def _settings(overrides: dict[str, Any]) -> tuple[Settings, list[Finding]]:
    """The settings, with the default for each that cannot be used, so that the others are looked at too."""
    try:
        settings = load_settings(**overrides)
    except SettingsError as error:
        found = [Finding("settings", PROBLEM, line) for line in error.lines]
        return _usable(overrides, error), found
    duties = ", ".join(settings.duties)
    return settings, [Finding("settings", OK, f"all can be used; this worker's duties: {duties}")]


def _usable(overrides: dict[str, Any], error: SettingsError) -> Settings:
    wrong = {line.partition(":")[0].partition("=")[0].lower().removeprefix(PREFIX) for line in error.lines}
    defaults = Settings.defaults()
    names = {name.partition("__")[0] for name in wrong} & Settings.model_fields.keys()
    kept = {name: value for name, value in overrides.items() if name not in names}
    try:
        return load_settings(**{name: getattr(defaults, name) for name in names} | kept)
    except SettingsError:
        return Settings.defaults(**kept)


def _names() -> Iterator[Finding]:
    """Names that nobody reads, most likely because of a slip."""
    given = [*os.environ, *_names_in(Path(".env"))]
    names = [name.lower() for name in dict.fromkeys(given) if name.lower().startswith(PREFIX)]
    for name in dict.fromkeys(names):
        if not _is_known(name.removeprefix(PREFIX)):
            meant = difflib.get_close_matches(
                name, [f"{PREFIX}{field}" for field in Settings.model_fields], 1
            )
            hint = f" (did you mean {meant[0].upper()}?)" if meant else ""
            yield Finding("settings", WARNING, f"{name.upper()} is no setting, and is ignored{hint}")


def _names_in(file: Path) -> list[str]:
    try:
        return _ASSIGNED.findall(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return []


def _is_known(name: str) -> bool:
    field, nested, rest = name.partition("__")
    if not nested:
        return field in Settings.model_fields
    return field == "channels" or rest in NESTED.get(field, ())


# Channels


def channels(settings: Settings) -> list[Finding]:
    """What each is, without its address; what cannot be built; what would be sent in the clear."""
    try:
        built = build_channels(settings)
    except SettingsError as error:
        found = [Finding("channels", PROBLEM, line) for line in error.lines]
    else:
        found = [Finding("channels", OK, ", ".join(sorted(built)))]
        for channel in built.values():
            if channel.close is not None:
                channel.close()
    return [*found, *_doubled(), *_exposed(settings)]


def _doubled() -> Iterator[Finding]:
    """The same name twice, in other letters: only one of them is used."""
    folded = Counter(name.lower() for name in os.environ if name.lower().startswith(f"{PREFIX}channels__"))
    for name, count in folded.items():
        if count > 1:
            yield Finding(
                "channels",
                PROBLEM,
                f"{name.upper()} is set {count} times, in other letters: which one counts?",
            )


def _exposed(settings: Settings) -> Iterator[Finding]:
    webhooks = {name: urlsplit(target) for name, target in settings.channels.items() if _is_webhook(target)}
    plain = [
        name for name, parts in webhooks.items() if parts.scheme.lower() == "http" and _is_far(parts.netloc)
    ]
    if plain:
        said = f"{', '.join(sorted(plain))}: http:// sends texts in the clear; use https://"
        yield Finding("channels", WARNING, said)
    if webhooks and settings.webhook_secret is None:
        said = "webhooks are not signed, so that a receiver cannot tell who calls: set OMEGA_WEBHOOK_SECRET"
        yield Finding("channels", NOTE, said)
    if settings.channels and "deliver" not in settings.duties:
        yield Finding("channels", WARNING, "this worker sends nothing: OMEGA_DUTIES lacks deliver")


def _is_webhook(target: str) -> bool:
    return target.strip().lower().startswith(("http://", "https://"))


def _is_far(netloc: str) -> bool:
    host = netloc.rpartition("@")[2]
    return not host.startswith(LOOPBACK) and not host.startswith("[::1]")


# The database


def database(settings: Settings, now: datetime) -> list[Finding]:
    """What opening it would do, and whether what it needs is there."""
    url = settings.database_url
    try:
        if url.startswith(POSTGRES):
            return list(_server(settings))
        path = sqlite_path(url)
        if path == MEMORY:
            said = "nothing is kept, for it is in memory only"
            return [Finding("database", WARNING, said), surroundings.clock(now, [])]
        return list(_file(Path(path).expanduser().absolute(), now))
    except StoreError as error:
        return [Finding("database", PROBLEM, str(error)), surroundings.clock(now, [])]


def _server(settings: Settings) -> Iterator[Finding]:
    with closing(connect(settings.database_url, settings.durability, max_connections=1)) as opened:
        yield _planned(upgrade.plan(opened))
        yield from server_findings.examine(opened, timedelta(seconds=settings.lease_seconds))


def _file(file: Path, now: datetime) -> Iterator[Finding]:
    resolved = file.resolve()
    try:
        plan = upgrade.plan(file)
    except StoreError as error:
        yield Finding("database", PROBLEM, str(error))
        plan = UpgradePlan(str(file))
    else:
        yield _planned(plan)
    traces = []
    if resolved.is_file():
        yield from surroundings.permissions(resolved)
        traces = _traces(resolved)
    else:
        yield from surroundings.place(resolved)
    yield surroundings.room(resolved, plan.size)
    yield surroundings.clock(now, traces)


def _planned(plan: UpgradePlan) -> Finding:
    if plan.is_new:
        return Finding("database", OK, plan.lines()[0])
    if not plan.steps:
        return Finding("database", OK, f"{plan.where}: up to date")
    said = f"{plan.where}: {counted(len(plan.steps), 'step')} would bring it up to date at the start"
    if not plan.fits and not plan.on_server:
        return Finding("database", PROBLEM, f"{said}, but the disk has no room for the copy made before")
    return Finding("database", NOTE, f"{said}; `omega-worker migrate --dry-run` shows them")


def _traces(file: Path) -> list[tuple[str, datetime]]:
    try:
        with reading(file) as connection:
            return [*surroundings.traces(connection), *surroundings.file_traces(file)]
    except (sqlite3.Error, OSError):
        return surroundings.file_traces(file)


# Backups


def backups(settings: Settings) -> list[Finding]:
    """Whether they are made, and could be."""
    if not settings.backup_folder:
        return [Finding("backups", NOTE, "none are made: set OMEGA_BACKUP_FOLDER")]
    if settings.database_url.startswith(POSTGRES):
        said = "OMEGA_BACKUP_FOLDER is for SQLite files: back up the server with its own tools"
        return [Finding("backups", PROBLEM, said)]
    folder = Path(settings.backup_folder).expanduser().absolute()
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return [Finding("backups", PROBLEM, f"this user may not write to {nearest}")]
    if "maintain" not in settings.duties:
        return [Finding("backups", WARNING, "this worker makes none: OMEGA_DUTIES lacks maintain")]
    every = f"every {settings.backup_interval_hours} h, {settings.backup_keep} are kept"
    return [Finding("backups", OK, f"in {folder}, {every}")]


def backup_ages(settings: Settings, now: datetime) -> list[Finding]:
    """Of the backups there are, where any are to be made."""
    if not settings.backup_folder or settings.database_url.startswith(POSTGRES):
        return backups(settings)
    folder = Path(settings.backup_folder).expanduser().absolute()
    there = backup.find(folder, Path(sqlite_path(settings.database_url)).expanduser().absolute())
    newest = next((each.made_at for each in there if each.verified), None)
    faulty = [each for each in there if not each.verified]
    every = timedelta(hours=settings.backup_interval_hours)
    found = [oddities.backup_age(newest, every, now, str(folder))]
    if faulty:
        said = f"{faulty[0].file.name}: {faulty[0].fault}"
        found.append(
            Finding("backups", WARNING, f"{counted(len(faulty), 'backup')} cannot be relied on: {said}")
        )
    return found
