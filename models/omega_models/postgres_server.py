"""Opening a PostgreSQL database. The driver (psycopg) is an optional extra, imported here and lazily."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from peewee import PeeweeException, PostgresqlDatabase

from omega_models.database import ChangeWatch, Database, Row
from omega_models.errors import StoreBusy, StoreError, StoreUnavailable
from omega_models.pool import Pool

if TYPE_CHECKING:
    from omega_models.server_connection import Connector

POOL_SECONDS = 10.0  # that a thread waits for one of them
LIMITS = ("statement_timeout", "lock_timeout")
KEPT = "SELECT " + ", ".join(f"current_setting('{name}')::interval = %s::interval" for name in LIMITS)
PER_STATEMENT = "the pooler before it lends connections for one statement: use transaction or session mode"
NO_DRIVER = "PostgreSQL needs the driver: install omega-worker[postgres]"


class ServerConnections(PostgresqlDatabase):
    """A pool's connections as Peewee wants them: a thread has one only while it does something."""

    field_types = {**PostgresqlDatabase.field_types, "UTC": "TIMESTAMPTZ"}  # noqa: RUF012  Peewee reads it as declared

    def __init__(self, connector: Connector, most: int) -> None:
        self.connector = connector
        self.connections = Pool(most, POOL_SECONDS, self._give_back)
        super().__init__(connector.to.where, prefer_psycopg3=True)
        self._lock = (
            nullcontext()
        )  # what it guards is each thread's own, and a thread may wait for a connection

    def _connect(self) -> Any:
        return self.connections.take(self.connector.connect)

    def _close(self, conn: Any) -> None:
        self.connections.give(conn)

    def _give_back(self) -> None:
        if not self.is_closed() and not self.in_transaction():
            self.close()

    def begin(self, isolation_level: Any = None) -> None:
        """On another connection where this one turns out to be lost: nothing was done on it yet."""
        try:
            super().begin(isolation_level)
        except PeeweeException:
            if not self._ended():
                raise
            self.close()
            super().begin(isolation_level)
        if self.connector.pooled:
            self.connection().execute(self.connector.to.reset())

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


class ServerDatabase(Database):
    """Asks once more where the connection was lost over a question that changes nothing."""

    engine: ServerConnections

    def sql_rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        lost = self.engine.connections.lost
        try:
            return super().sql_rows(sql, values)
        except StoreUnavailable:
            changes = self.engine.in_transaction() or not sql.startswith("SELECT")
            if changes or self.engine.connections.lost == lost:
                raise
            return super().sql_rows(sql, values)


def open_server(url: str, *, durability: str, max_connections: int) -> Database:
    """A handle on the server's database that the URL names. The schema is someone else's work."""
    try:
        import psycopg
    except ImportError as error:
        raise StoreUnavailable(NO_DRIVER) from error
    from omega_models.server_connection import RECONNECT_SECONDS, Connector, address

    connector = Connector(address(url, durability=durability))
    engine = ServerConnections(connector, max_connections)
    database = ServerDatabase(
        engine,
        connector.to.where,
        translate=translate,
        driver_errors=(psycopg.Error,),
        connections=engine.connections,
        watch=_listening(connector),
    )
    _look(database, connector)
    connector.retry_seconds = RECONNECT_SECONDS
    return database


def _look(database: Database, connector: Connector) -> None:
    """Connects, and finds out what stands between."""
    try:
        with database.in_use:
            kept = database.sql_rows(KEPT, [f"{connector.to.settings[name]} ms" for name in LIMITS])
            if not all(kept[0]):
                connector.pooled = True  # by a pooler that leaves out what it does not know
                database._connection().unfit = True
        if connector.pooled:
            with database.snapshot():
                database.sql_rows("SELECT 1")
    except StoreError as error:
        if "statement pooling" in str(error):
            raise StoreUnavailable(f"{database.where}: {PER_STATEMENT}") from error
        raise


def _listening(connector: Connector) -> Callable[[Iterable[str]], ChangeWatch]:
    def watch(channels: Iterable[str]) -> ChangeWatch:
        from omega_models.listening import Listener

        return Listener(connector, channels)

    return watch


def describe(url: str) -> str:
    """The server and database without user, password or options."""
    try:
        from omega_models.server_connection import address
    except ImportError as error:
        raise StoreUnavailable(NO_DRIVER) from error
    return address(url, durability="full").where


def translate(error: BaseException, where: str) -> StoreError:
    """The `StoreError` that says what a driver's error means for this server, and the remedy."""
    state = _sqlstate(error)
    if state in ("55P03", "40001", "40P01", "57014"):
        return StoreBusy(f"{where} is busy (a lock or statement timed out); nothing was written. Try again")
    if state == "25006":
        return StoreUnavailable(
            f"{where} only reads: it is a standby, or has become one. Name the server that writes, or all of them"
        )
    if state[:2] in ("28", "3D") or _refused(error):
        return StoreUnavailable(
            f"{where} refused us: {_first_line(error)}. Check user, password and database name"
        )
    if state.startswith(("08", "57P", "53", "25P03")) or (not state and _is_of_connection(error)):
        return StoreUnavailable(
            f"{where} cannot be reached: {_first_line(error)}. Check that the server runs"
        )
    return StoreError(f"{where}: {_first_line(error)}")


def _is_of_connection(error: BaseException) -> bool:
    return type(error).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")


def _refused(error: BaseException) -> bool:
    from omega_models.server_connection import refused

    return not _sqlstate(error) and refused(error)


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
