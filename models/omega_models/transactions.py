"""One transaction of a thread; inside another it is that one."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omega_models.database import Database

Statement = tuple[str, list[Any]]


class Transaction:
    """`mode` is how it begins, as Peewee's engine takes it; `first` a statement to begin with.

    A class and not a generator, since every call of a Store comes through here.
    """

    __slots__ = ("_database", "_first", "_mode", "_own")

    def __init__(
        self, database: Database, mode: tuple[str, ...] = (), first: Statement | None = None
    ) -> None:
        self._database = database
        self._mode = mode
        self._first = first
        self._own: Any = None

    def __enter__(self) -> None:
        database = self._database
        database.in_use.__enter__()
        try:
            if not database.is_in_transaction():
                self._own = self._begun(database)
        except BaseException as error:
            database.in_use.__exit__(None, None, None)
            database.raise_translated(error)
            raise

    def _begun(self, database: Database) -> Any:
        begun: Any = database.engine.transaction(*self._mode)
        begun.__enter__()
        if self._first is not None:
            try:
                database.sql_rows(*self._first)
            except BaseException as error:
                begun.__exit__(type(error), error, error.__traceback__)
                raise
        return begun

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        own, self._own = self._own, None
        try:
            if own is not None:
                own.__exit__(kind, error, trace)
        except BaseException as later:
            self._database.raise_translated(later)
            raise
        finally:
            self._database.in_use.__exit__(None, None, None)
        if own is not None and error is not None:
            self._database.raise_translated(error)
