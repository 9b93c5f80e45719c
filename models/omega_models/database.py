"""The one handle every query goes through: connections, transactions, compiled statements, errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from peewee import SQL, Field, Model, Node, NodeList, PeeweeException, PostgresqlDatabase
from peewee import Database as Engine

from omega_models.connections import Connections
from omega_models.errors import StoreError, StoreUnavailable
from omega_models.statements import Compiled, Given, compile_query

if TYPE_CHECKING:
    from omega_models.place import Place

CHECKPOINT_MS = 100
SMALL_TABLE = 10_000  # rows
FORGET_SMALL = """DELETE FROM sqlite_stat1
    WHERE tbl IN (SELECT tbl FROM sqlite_stat1 WHERE CAST(stat AS INTEGER) < ?)"""

Row = tuple[Any, ...]
Build = Callable[..., Node]

WRITERS = 0x6F6D65676177  # "omegaw", the advisory lock of a server's writers
ALONE = "SELECT pg_advisory_xact_lock(%s)"
TOGETHER = "SELECT pg_advisory_xact_lock_shared(%s)"


class ChangeWatch(Protocol):
    """Tells whether any other connection has committed since the last look."""

    def changed(self) -> bool: ...
    def close(self) -> None: ...


class Database:
    """One file or server. `where` names it in messages and never holds a password."""

    def __init__(
        self,
        engine: Engine,
        where: str,
        *,
        translate: Callable[[BaseException, str], StoreError],
        driver_errors: tuple[type[Exception], ...],
        connections: Connections,
        watch: Callable[[], ChangeWatch] | None = None,
    ) -> None:
        self.engine = engine
        self.where = where
        self.is_postgres = isinstance(engine, PostgresqlDatabase)
        self.closed = False
        self.place: Place | None = None
        self.lost: str | None = None  # why it was closed by other hands than its owner's
        self.again: Callable[[], Database] = lambda: self
        self._translate = translate
        self._driver_errors: tuple[type[Exception], ...] = (*driver_errors, PeeweeException)
        self._connections = connections
        self._watch = watch
        self._compiled: dict[tuple[Any, ...], Compiled] = {}
        self._lock = connections.in_use

    def compiled(self, build: Build, *shape: Any) -> Compiled:
        """The statement `build(database, *shape)` makes, compiled at its first use."""
        key = (build, *shape)
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = compile_query(self.engine, build(self, *shape))
        return found

    def rows(self, build: Build, *shape: Any, **values: Any) -> list[Row]:
        """All rows of a query, or of a statement's RETURNING."""
        statement = self.compiled(build, *shape)
        return self.sql_rows(statement.sql, statement.values(values))

    def row(self, build: Build, *shape: Any, **values: Any) -> Row | None:
        found = self.rows(build, *shape, **values)
        return found[0] if found else None

    def value(self, build: Build, *shape: Any, **values: Any) -> Any:
        """The first column of the first row, or None."""
        found = self.rows(build, *shape, **values)
        return found[0][0] if found else None

    def run(self, build: Build, *shape: Any, **values: Any) -> int:
        """Executes a statement; the number of rows it changed."""
        statement = self.compiled(build, *shape)
        return self.sql(statement.sql, statement.values(values))

    def many(self, build: Build, *shape: Any, sets: Iterable[dict[str, Any]]) -> int:
        """The statement once for each set of values; the number of rows changed by all."""
        statement = self.compiled(build, *shape)
        given = [statement.values(values) for values in sets]
        if not given:
            return 0
        with self._lock, self.translated():
            cursor = self._connection().cursor()
            cursor.executemany(statement.sql, given)
            return int(cursor.rowcount)

    def skipping_locked(self, query: Any) -> Node:
        """The query with its rows locked and others' locked rows left out, where several write at once."""
        return query.for_update("FOR UPDATE SKIP LOCKED") if self.is_postgres else query  # type: ignore[no-any-return]

    def locking(self, query: Any, model: type[Model]) -> Node:
        """The query with that model's rows locked, where several write at once."""
        return query.for_update("FOR UPDATE", of=model) if self.is_postgres else query  # type: ignore[no-any-return]

    def among(self, field: Field, name: str) -> Node:
        """A condition: the field is one of a list that is given, through `listed`, at each call."""
        if self.is_postgres:
            return NodeList((field, SQL("= ANY("), Given(name), SQL(")")))
        return NodeList((field, SQL("IN (SELECT value FROM json_each("), Given(name), SQL("))")))

    def listed(self, values: Sequence[str]) -> Any:
        """A list as `among` wants it."""
        return list(values) if self.is_postgres else json.dumps(values)

    def sql_rows(self, sql: str, values: Iterable[Any] = ()) -> list[Row]:
        with self._lock:
            try:
                return list(self._connection().execute(sql, list(values)).fetchall())
            except self._driver_errors as error:
                raise self._translate(error, self.where) from error

    def sql(self, sql: str, values: Iterable[Any] = ()) -> int:
        with self._lock:
            try:
                return int(self._connection().execute(sql, list(values)).rowcount)
            except self._driver_errors as error:
                raise self._translate(error, self.where) from error

    def _connection(self) -> Any:
        if self.closed:
            raise StoreUnavailable(self.lost or f"this Store on {self.where} was closed; open a new one")
        engine: Any = self.engine
        if self._connections.is_passing() and not engine.in_transaction():
            engine.close()
        if self.place is not None and engine.is_closed() and not self.place.is_kept():
            raise StoreUnavailable(f"{self.where} was replaced by another file while in use, or is gone")
        return engine.connection()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns the driver's errors into `StoreError`s; the driver's own stays in `__cause__`."""
        try:
            yield
        except self._driver_errors as error:
            raise self._translate(error, self.where) from error

    @contextmanager
    def writing(self, *, together: bool = False) -> Iterator[None]:
        """One write transaction; inside another it joins that one.

        What was read in it holds until it commits, for only one writes at a time: a SQLite file has one
        writer, and a server keeps to the same. There, those that are `together` may run beside each other;
        they lock the rows they read.
        """
        with self._lock:
            self._connection_guarded()
            if self.engine.in_transaction():
                yield
                return
            with self.translated(), self.engine.atomic():
                if self.is_postgres:
                    self.sql_rows(TOGETHER if together else ALONE, [WRITERS])
                yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Every query inside sees one moment; takes no write lock."""
        with self._lock:
            self._connection_guarded()
            if self.engine.in_transaction():
                yield
                return
            with self.translated(), self.engine.atomic(*self._snapshot_mode()):
                yield

    def _connection_guarded(self) -> None:
        with self.translated():
            self._connection()

    def _snapshot_mode(self) -> tuple[str, ...]:
        return ("REPEATABLE READ",) if self.is_postgres else ("DEFERRED",)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Calls once the outermost transaction of this thread has committed; at once outside one."""
        self.engine.after_commit(call)

    def watch(self) -> ChangeWatch | None:
        """A look-out for other connections' commits; None where the database keeps no counter of them."""
        return self._watch() if self._watch else None

    def tidy(self) -> bool:
        """Refreshes the planner's statistics and empties the write-ahead log; False: readers still need it."""
        if self.is_postgres:
            return True  # its autovacuum does both
        self.sql_rows("PRAGMA analysis_limit = 1000")
        with self.writing():
            self.sql_rows("PRAGMA optimize")
            self._forget_small_tables()
        return self.empty_log()

    def _forget_small_tables(self) -> None:
        """A planner that has seen a table when it was small goes on reading all of it once it has grown."""
        if self.sql_rows("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"):
            self.sql(FORGET_SMALL, (SMALL_TABLE,))
            self.sql_rows("ANALYZE sqlite_master")  # lets this connection forget too

    def empty_log(self) -> bool:
        """Hardly waits for readers, since writers would have to wait with it."""
        patience = self.sql_rows("PRAGMA busy_timeout")[0][0]
        self.sql_rows(f"PRAGMA busy_timeout = {CHECKPOINT_MS}")
        try:
            return bool(self.sql_rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0)
        finally:
            self.sql_rows(f"PRAGMA busy_timeout = {patience}")

    def close(self) -> None:
        """Closes every thread's connection, once what it does has ended. Idempotent."""
        if not self.closed:
            self.closed = True
            self._connections.close_all()
