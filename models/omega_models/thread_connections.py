"""Peewee's engine for a SQLite file, with a connection a thread and turns to write."""

import os
import sqlite3
from typing import Any

from peewee import SqliteDatabase

from omega_models.connections import Connections
from omega_models.turns import Turns


class ThreadConnections(SqliteDatabase):
    """One connection a thread, closed when the thread is gone or the Store is."""

    field_types = {**SqliteDatabase.field_types, "UTC": "TEXT"}  # noqa: RUF012  Peewee reads it as declared

    def __init__(self, *args: Any, shared: bool = False, **kwargs: Any) -> None:
        self.connections = Connections(shared=shared)
        self._in_memory = shared
        super().__init__(*args, **kwargs)
        self._turns = Turns(str(self.database))

    def _connect(self) -> sqlite3.Connection:
        writable = self._in_memory or os.access(self.database, os.W_OK)
        connection: sqlite3.Connection = super()._connect()  # type: ignore[misc]  # not in Peewee's stub
        self.connections.opened(connection, for_ever=writable)
        return connection

    def _close(self, conn: sqlite3.Connection) -> None:
        self.connections.closed(conn)
        super()._close(conn)  # type: ignore[misc]  # not in Peewee's stub

    def begin(self, lock_type: str | None = None) -> None:
        if lock_type == "DEFERRED" or self._in_memory:
            self._at_once(f"BEGIN {lock_type or 'IMMEDIATE'}")
        else:
            self._turns.begin(self.connection())  # type: ignore[no-untyped-call]  # in Peewee

    def commit(self) -> None:
        self._at_once("COMMIT")
        self._turns.end()

    def _at_once(self, statement: str) -> None:
        """Without what Peewee does around a statement, which costs as much as a small transaction."""
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]  # in Peewee
        connection.execute(statement)

    def rollback(self) -> None:
        """After some errors, such as a full disk, SQLite has rolled back already and would refuse to again."""
        try:
            connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]  # in Peewee
            if connection.in_transaction:
                super().rollback()
        finally:
            self._turns.end()
