"""From a path or URL to a handle on an up-to-date database."""

from omega_models import upgrade
from omega_models.database import Database
from omega_models.errors import StoreUnavailable
from omega_models.place import place_of

POSTGRES = ("postgresql://", "postgres://")
MOST_CONNECTIONS = 10  # that a Store asks a server for
SQLITE = "sqlite:///"
MEMORY = (":memory:", "sqlite://", "sqlite:///:memory:", "sqlite://:memory:")


def open_database(
    url: str, durability: str, file_mode: int | None, max_connections: int = MOST_CONNECTIONS
) -> Database:
    """Opens, creates or upgrades what `url` names; raises the `StoreError` that says what to do."""
    database = connect(url, durability, file_mode, max_connections)
    try:
        upgrade.prepare(database)
        database.place = None if database.is_postgres else place_of(database.where)
    except BaseException:
        database.close()
        raise
    database.again = lambda: open_database(url, durability, file_mode, max_connections)
    return database


def sqlite_path(url: str) -> str:
    """The file's path of a `sqlite:///` URL or a bare path; `:memory:` for the private database."""
    if url in MEMORY:
        return ":memory:"
    path = url.removeprefix(SQLITE)
    if "://" in path:
        raise StoreUnavailable(
            f"cannot open a {path.split('://')[0]!r} database: give a path, sqlite:////path/to/memory.db "
            "or postgresql://…"
        )
    if not path.strip():
        raise StoreUnavailable(
            "no database named: give a path, sqlite:////path/to/memory.db or postgresql://…"
        )
    return path


def connect(
    url: str,
    durability: str = "full",
    file_mode: int | None = None,
    max_connections: int = MOST_CONNECTIONS,
) -> Database:
    """A handle on what `url` names, its schema left as it is. `max_connections` is for servers."""
    if url.startswith(POSTGRES):
        from omega_models.postgres_server import open_server

        return open_server(url, durability=durability, max_connections=max_connections)
    from omega_models.sqlite_file import open_file

    return open_file(sqlite_path(url), durability=durability, file_mode=file_mode)
