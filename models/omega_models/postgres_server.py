"""Opening a PostgreSQL database. The driver (psycopg) is an optional extra, imported here and lazily."""

import re
from typing import Any
from urllib.parse import urlsplit

from peewee import PostgresqlDatabase

from omega_models.connections import Connections
from omega_models.database import Database
from omega_models.errors import StoreBusy, StoreError, StoreUnavailable

CONNECT_SECONDS = 10
LOCK_MS = 5_000
STATEMENT_MS = 60_000


class ServerConnections(PostgresqlDatabase):
    """One connection a thread, closed when the thread is gone or the Store is."""

    field_types = {**PostgresqlDatabase.field_types, "UTC": "TIMESTAMPTZ"}  # noqa: RUF012  Peewee reads it as declared

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connections = Connections()
        super().__init__(*args, **kwargs)

    def _connect(self) -> Any:
        connection = super()._connect()  # type: ignore[misc]  # the stubs leave it out
        self.connections.opened(connection)
        return connection

    def _close(self, conn: Any) -> None:
        self.connections.closed(conn)
        super()._close(conn)  # type: ignore[misc]  # the stubs leave it out

    def connection(self) -> Any:
        """This thread's; a new one where the server has ended it, but not in the middle of a transaction."""
        if self._ended() and not self.in_transaction():
            self.close()
        return super().connection()  # type: ignore[no-untyped-call]  # in Peewee

    def rollback(self) -> None:
        """The server has rolled back what it was doing on a connection that it ended."""
        if not self._ended():
            super().rollback()

    def _ended(self) -> bool:
        state: Any = self._state  # type: ignore[attr-defined]  # the stubs leave it out
        return not state.closed and bool(state.conn.closed)


def open_server(url: str, *, durability: str) -> Database:
    """A handle on the server's database that the URL names. The schema is someone else's work."""
    try:
        import psycopg
    except ImportError as error:
        raise StoreUnavailable("PostgreSQL needs the driver: install omega-worker[postgres]") from error
    engine = ServerConnections(
        url,
        prefer_psycopg3=True,
        connect_timeout=CONNECT_SECONDS,
        options=(
            f"-c timezone=UTC -c lock_timeout={LOCK_MS} -c statement_timeout={STATEMENT_MS} "
            f"-c synchronous_commit={'on' if durability == 'full' else 'off'}"
        ),
    )
    database = Database(
        engine,
        describe(url),
        translate=translate,
        driver_errors=(psycopg.Error,),
        connections=engine.connections,
    )
    database.sql_rows("SELECT 1")
    return database


def describe(url: str) -> str:
    """The server and database without user, password or options."""
    parts = urlsplit(url)
    host = parts.hostname or "local socket"
    port = f":{parts.port}" if parts.port else ""
    return f"postgresql://{host}{port}{parts.path}"


def translate(error: BaseException, where: str) -> StoreError:
    """The `StoreError` that says what a driver's error means for this server, and the remedy."""
    state = _sqlstate(error)
    if state in ("55P03", "40001", "40P01", "57014"):
        return StoreBusy(f"{where} is busy (a lock or statement timed out); nothing was written. Try again")
    if state.startswith(("08", "57P")) or not state:
        return StoreUnavailable(
            f"{where} cannot be reached: {_first_line(error)}. Check that the server runs"
        )
    if state.startswith(("28", "3D")):
        return StoreUnavailable(
            f"{where} refused us: {_first_line(error)}. Check user, password and database name"
        )
    return StoreError(f"{where}: {_first_line(error)}")


def _sqlstate(error: BaseException | None) -> str:
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if state:
            return str(state)
        error = error.__cause__ or error.__context__
    return ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"://[^@\s]*@", "://", lines[0])
