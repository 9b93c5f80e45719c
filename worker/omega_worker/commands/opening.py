"""From the arguments to the settings and the Store."""

from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from omega_models import Store
from omega_models.finding import find
from omega_models.opening import POSTGRES, sqlite_path
from omega_models.rows import TaskRow
from omega_worker.channels.console import visible
from omega_worker.commands.faults import Refused
from omega_worker.settings import Settings, SettingsError, load_settings

EXPOSED = (
    "{}: a password there can be read by everybody on this machine; leave it out and name its file in PGPASSFILE, "
    "or give the URL in OMEGA_DATABASE_URL or as a credential"
)


def settings_of(arguments: Namespace) -> Settings:
    return load_settings(**named(arguments))


def named(arguments: Namespace) -> dict[str, str]:
    """The database of the command line, as a setting."""
    url = arguments.database
    return {"database_url": without_password(url, "--database")} if url else {}


def without_password(url: str, argument: str) -> str:
    """The URL of an argument. One with a password is refused, for everybody could read it."""
    if url.startswith(POSTGRES) and (urlsplit(url).password or "password=" in url):
        raise SettingsError([EXPOSED.format(argument)])
    return url


def open_store(settings: Settings) -> Store:
    """The Store these settings describe; made where there is none, brought up to date where it is older."""
    return Store(
        settings.database_url,
        conversation_timeout=timedelta(minutes=settings.conversation_timeout_minutes),
        default_timezone=settings.default_timezone,
        durability=settings.durability,
        max_connections=settings.database_connections,
    )


def open_existing(settings: Settings) -> Store:
    """The same for commands that only make sense where something has been stored."""
    if not settings.database_url.startswith(POSTGRES):
        path = Path(sqlite_path(settings.database_url)).expanduser().absolute()
        if not path.exists():
            raise Refused(
                f"there is no database {path} yet: `omega-worker remind` or `run` makes it, "
                "--database or OMEGA_DATABASE_URL names another"
            )
    return open_store(settings)


def task_of(store: Store, arguments: Namespace) -> TaskRow:
    """The task whose id begins with what was given, whoever's it is."""
    row = find(store, arguments.id, None)
    if row is None:
        raise Refused(
            f"no task's id begins with '{visible(arguments.id)}': `omega-worker tasks list --all` shows them"
        )
    return row
