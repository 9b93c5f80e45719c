"""The one handle every query goes through: connections, transactions, compiled statements, errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from peewee import SQL, Field, Model, Node, NodeList, PeeweeException, PostgresqlDatabase
from peewee import Database as Engine

from omega_models.connections import Lines
from omega_models.errors import StoreError, StoreUnavailable
from omega_models.statements import Compiled, Given, compile_query
from omega_models.transactions import Transaction

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
UNHURRIED = "SELECT set_config('lock_timeout', '60s', true), set_config('statement_timeout', '0', true)"

# By whether it is for a server. That, its builder and its shape say all of a statement, so all handles share it.
STATEMENTS: dict[bool, dict[tuple[Any, ...], Compiled]] = {False: {}, True: {}}


class ChangeWatch(Protocol):
    """Tells whether anything may have changed since the last look, if not more than that.

    `every`: how many seconds to wait between two looks, None where they cost microseconds; `trouble`: why it
    cannot look as well as it should.
    """

    @property
    def every(self) -> float | None: ...
    @property
    def trouble(self) -> str | None: ...
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
        connections: Lines,
        watch: Callable[[Iterable[str]], ChangeWatch] | None = None,
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
        self._compiled = STATEMENTS[self.is_postgres]
        self.in_use = connections.in_use

    def compiled(self, build: Build, *shape: Any) -> Compiled:
        """The statement `build(database, *shape)` makes, compiled at its first use in this process."""
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
        if self.is_postgres or self.engine.in_transaction():
            return self.sql(statement.sql, statement.values(values))
        with self.writing():  # which waits for its turn
            return self.sql(statement.sql, statement.values(values))

    def many(self, build: Build, *shape: Any, sets: Iterable[dict[str, Any]]) -> int:
        """The statement once for each set of values; the number of rows changed by all."""
        statement = self.compiled(build, *shape)
        given = [statement.values(values) for values in sets]
        if not given:
            return 0
        with self.in_use:
            try:
                cursor = self._connection().cursor()
                cursor.executemany(statement.sql, given)
                return int(cursor.rowcount)
            except self._driver_errors as error:
                raise self._translate(error, self.where) from error

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

    def by_letter(self, field: Field) -> Node:
        """A text to sort by, in the order a file has, whatever the language of the server's database."""
        return field.collate('"C"') if self.is_postgres else field

    def listed(self, values: Sequence[str]) -> Any:
        """A list as `among` wants it."""
        return list(values) if self.is_postgres else json.dumps(values)

    def sql_rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self.in_use:
            try:
                found: list[Row] = self._connection().execute(sql, values).fetchall()
                return found
            except self._driver_errors as error:
                raise self._translate(error, self.where) from error

    def sql(self, sql: str, values: Sequence[Any] = ()) -> int:
        with self.in_use:
            try:
                return int(self._connection().execute(sql, values).rowcount)
            except self._driver_errors as error:
                raise self._translate(error, self.where) from error

    def _connection(self) -> Any:
        """This thread's. A file's that is open and no passing one is there at once."""
        state: Any = self.engine._state  # type: ignore[attr-defined]  # the stubs leave it out
        if state.closed or self.closed or self.is_postgres or self._connections.is_passing():
            return self._looked_at()
        return state.conn

    def _looked_at(self) -> Any:
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

    def writing(self, *, together: bool = False) -> Transaction:
        """One write transaction; inside another it joins that one.

        What was read in it holds until it commits, for only one writes at a time: a SQLite file has one
        writer, and a server keeps to the same. There, those that are `together` may run beside each other;
        they lock the rows they read.
        """
        alone = TOGETHER if together else ALONE
        return Transaction(self, first=(alone, [WRITERS]) if self.is_postgres else None)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """A server's transaction that may take long, and waits a minute for those who write; meanwhile nobody does."""
        with self.in_use, self.translated(), self.engine.atomic():
            self.sql_rows(UNHURRIED)
            connection = self._connection()
            patience, connection.patience = connection.patience, None
            try:
                self.sql_rows(ALONE, [WRITERS])
                yield
            finally:
                connection.patience = patience

    def snapshot(self) -> Transaction:
        """Every query inside sees one moment; takes no write lock."""
        return Transaction(self, ("REPEATABLE READ",) if self.is_postgres else ("DEFERRED",))

    def is_in_transaction(self) -> bool:
        """Whether this thread has begun one. It has a connection then, or `StoreUnavailable` is raised."""
        self._connection()
        return bool(self.engine.in_transaction())

    def raise_translated(self, error: BaseException) -> None:
        """Raises what `translated` would raise for it; returns where that is the error itself."""
        if isinstance(error, self._driver_errors):
            raise self._translate(error, self.where) from error

    def after_commit(self, call: Callable[[], None]) -> None:
        """Calls once the outermost transaction of this thread has committed; at once outside one."""
        self.engine.after_commit(call)

    def watch(self, channels: Iterable[str] = ()) -> ChangeWatch | None:
        """A look-out for tasks of these channels that others write; None where nobody else can write."""
        return self._watch(channels) if self._watch else None

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
