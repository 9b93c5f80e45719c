"""Moving a whole memory into an empty database of either kind: every table, the ledger and the leases too.

The source is only read, at one moment. What arrived is counted and compared, sum by sum; broken off, the same
call goes on where it was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import reduce
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from peewee import Node

from omega_models import copying, marks, recall_index, times, upgrade
from omega_models.database import Database
from omega_models.errors import StoreError, TransferRefused
from omega_models.opening import POSTGRES, connect, sqlite_path
from omega_models.presence import ALIVE_FOR
from omega_models.recall_statements import written
from omega_models.sqlite_file import reading, real
from omega_models.tables import RecallChat, RecallQueue, RecallVector, SessionItem
from omega_models.transferred import MARK, ROWID, Stock, Table, keyed, misfit, pages, strays, tables, twins

EXAMPLES = 3

Tell = Callable[[str, str, int], object]  # the stage, the table, how many rows more
UNLEARNING = (
    "DELETE FROM recall",
    "DELETE FROM recall_vectors",
    "DELETE FROM recall_chats",
    "DELETE FROM recall_queue",
    "INSERT INTO recall_queue (id) SELECT rowid FROM messages",
)
COUNTED = ("recall_chats", "recall_vectors", "session_items")  # whose ids a server hands out itself


class Survey(NamedTuple):
    """What a database holds: rows and sum by table, and why some of it would not fit elsewhere."""

    stocks: dict[str, Stock]
    misfits: tuple[str, ...] = ()

    @property
    def rows(self) -> dict[str, int]:
        return {name: stock.rows for name, stock in self.stocks.items()}

    @property
    def mark(self) -> str:
        """Known again by the next call."""
        return blake2b(repr(sorted(self.stocks.items())).encode(), digest_size=16).hexdigest()


class Transferred(NamedTuple):
    """Rows by table, all of them in the target; how many this call wrote; how many messages recall learned."""

    rows: dict[str, int]
    written: int
    indexed: int


def ignore(_: str, __: str, ___: int) -> None:
    """Nobody is told."""


def transfer(source: str, target: str, *, force: bool = False, tell: Tell = ignore) -> Transferred:
    """Copies everything from the database at `source` into the empty one at `target`, both paths or URLs.

    `force` disregards workers that were seen in the source within the last minute. Raises `TransferRefused`
    before anything is written where the target holds anything else or the source would not fit.
    """
    with opened_source(source) as old:
        refuse_live(old, force=force)
        with old.snapshot():
            survey = surveyed(old, "reading", tell)
            refuse_misfits(survey)
            with closing(_target(target, old)) as new:
                _begin(new, old.where, survey)
                copied = sum(_copied(old, new, table, tell) for table in tables())
    with closing(connect(target)) as new:
        return _finished(new, survey, copied, tell)


@contextmanager
def opened_source(source: str) -> Iterator[Database]:
    """The database as it is, or of an older file a copy that was brought up to date."""
    if source.startswith(POSTGRES):
        with closing(connect(source)) as database:
            _require_current(database)
            yield database
        return
    file = _file(source)
    if not file.exists():
        raise TransferRefused(f"there is no database {file}")
    if upgrade.plan(str(file)).steps:
        with _upgraded(file) as database:
            yield database
    else:
        with closing(connect(str(file))) as database:
            yield database


def _file(url: str) -> Path:
    return real(str(Path(sqlite_path(url)).expanduser()))


def _require_current(database: Database) -> None:
    found = upgrade.plan(database)
    if found.is_new:
        raise TransferRefused(f"{database.where} holds no memory")
    if found.steps:
        raise TransferRefused(
            f"{database.where} is of an older version: run `omega-worker migrate` on it first"
        )


@contextmanager
def _upgraded(file: Path) -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="omega-transfer-") as folder:
        copy = Path(folder, file.name)
        with reading(file) as old:
            if lack := copying.lack_of_room(Path(folder), copying.size(old)):
                raise TransferRefused(f"{file} has to be copied and brought up to date first: {lack}")
            copying.fill(old, copy)
        with closing(connect(str(copy))) as database:
            upgrade.prepare(database)
            database.where = str(file)
            yield database


def refuse_live(database: Database, *, force: bool) -> None:
    since = times.to_ms(times.system_clock() - ALIVE_FOR)
    live = database.sql_rows(f"SELECT id FROM workers WHERE seen_ms >= {since} ORDER BY started_ms")  # noqa: S608  a number
    if live and not force:
        raise TransferRefused(
            f"worker {live[0][0]} uses {database.where}: stop it and the bots first, or what they write meanwhile "
            "stays behind. If it was killed within the last minute, wait or give --force"
        )


# Looking


def surveyed(database: Database, stage: str, tell: Tell = ignore) -> Survey:
    """Reads every row; inside the caller's snapshot, if others may write."""
    stocks: dict[str, Stock] = {}
    found: list[str] = []
    for table in tables():
        stock = Stock()
        for rows in pages(database, table):
            for row in rows:
                stock = stock.plus(row)
                if len(found) < EXAMPLES and (why := misfit(table, row)):
                    found.append(f"{table.name}: a row {why}")
            tell(stage, table.name, len(rows))
        if lost := strays(database, table.model):
            found.append(f"{table.name}: {lost:,} row(s) belong to rows that are not there")
        stocks[table.name] = stock
    if twice := twins(database):
        found.append(f"limitations: {twice:,} title(s) differ from another only in case")
    return Survey(stocks, tuple(found))


def refuse_misfits(survey: Survey) -> None:
    if survey.misfits:
        raise TransferRefused(
            f"not all of it fits: {'; '.join(survey.misfits)}. Try `omega-worker doctor --fix`"
        )


def look(source: str, target: str, *, force: bool = False, tell: Tell = ignore) -> dict[str, int]:
    """The rows by table that `transfer` would copy. Raises what it would raise, and writes nothing."""
    with opened_source(source) as old:
        refuse_live(old, force=force)
        with old.snapshot():
            survey = surveyed(old, "reading", tell)
        refuse_misfits(survey)
        _look_at_target(target, old, survey)
    return survey.rows


def _look_at_target(target: str, old: Database, survey: Survey) -> None:
    is_server = target.startswith(POSTGRES)
    if not is_server and not _file(target).exists():
        return
    with closing(connect(target)) as new:
        refuse_itself(old, new)
        found = upgrade.plan(new if is_server else str(_file(target)))
        if not found.is_new and not found.steps:
            _require_empty(new, old.where, survey)


# Filling


def _target(target: str, old: Database) -> Database:
    new = connect(target)
    try:
        refuse_itself(old, new)
        upgrade.prepare(new)
    except BaseException:
        new.close()
        raise
    return new


def refuse_itself(old: Database, new: Database) -> None:
    if new.where == old.where:
        raise TransferRefused(f"{new.where} is the source itself")


def _begin(new: Database, source: str, survey: Survey) -> None:
    """Marks the target as being filled, where it is not marked by an earlier call."""
    with new.writing():
        if _require_empty(new, source, survey):
            _unlearn(new, survey)
        else:
            marks.put(new, MARK, survey.mark, holder=source)


def _unlearn(new: Database, survey: Survey) -> None:
    """Who opened the half-filled target, or came as far as indexing, gave chats numbers that are not the source's."""
    chats = next(table for table in tables() if table.model is RecallChat)
    there = reduce(Stock.plus, chain.from_iterable(pages(new, chats)), Stock())
    if there not in (Stock(), survey.stocks[chats.name]):
        for statement in UNLEARNING:
            new.sql(statement)


def _require_empty(new: Database, source: str, survey: Survey) -> bool:
    """Whether an earlier call has begun to fill the target from the same source; anything else it holds is refused."""
    marked = marks.token(new, MARK)
    if marked == survey.mark:
        return True
    if marked is not None:
        raise TransferRefused(
            f"{new.where} was being filled from another database, or {source} has changed since: give an empty one"
        )
    for table in tables():
        if new.sql_rows(f"SELECT 1 FROM {table.name} LIMIT 1"):  # noqa: S608  names of ours
            raise TransferRefused(
                f"{new.where} holds a memory already ({table.name}): give an empty database"
            )
    return False


def _insert(_: Database, table: Table) -> Node:
    names = [column.name for column in table.columns]
    return written(
        f"INSERT INTO {table.name} ({', '.join(names)})"  # noqa: S608  names of ours
        f" VALUES ({', '.join(f'{{{name}}}' for name in names)}) ON CONFLICT DO NOTHING"
    )


def _copied(old: Database, new: Database, table: Table, tell: Tell) -> int:
    names = [column.name for column in table.columns]
    count = 0
    for rows in pages(old, table, _reached(old, new, table)):
        with new.writing():
            count += new.many(_insert, table, sets=[dict(zip(names, row, strict=True)) for row in rows])
        tell("copying", table.name, len(rows))
    return count


def _reached(old: Database, new: Database, table: Table) -> Any:
    """Up to where an earlier call came, where numbers tell it; else all is offered again, and what is there stays."""
    key = keyed(old, table)
    if key != ROWID and table.model not in (RecallVector, SessionItem):
        return None
    return new.sql_rows(f"SELECT max({key}) FROM {table.name}")[0][0]  # noqa: S608  names of ours


# Comparing, and making ready


def _finished(new: Database, survey: Survey, copied: int, tell: Tell) -> Transferred:
    arrived = surveyed(new, "comparing", tell).stocks
    wrong = [name for name, stock in survey.stocks.items() if stock != arrived[name]]
    if wrong:
        raise StoreError(
            f"{new.where} is not what was read: {', '.join(wrong)}. Somebody else writes to it; give an empty database"
        )
    if new.is_postgres:
        _set_counters(new)
    indexed = recall_index.index_all(new, _indexing(tell))
    with new.writing():
        marks.remove(new, MARK)
    return Transferred(survey.rows, copied, indexed)


def _indexing(tell: Tell) -> Callable[[int], None]:
    before = [0]

    def told(indexed: int) -> None:
        tell("indexing", RecallQueue._meta.table_name, indexed - before[0])
        before[0] = indexed

    return told


def _set_counters(new: Database) -> None:
    """The next row of a server gets a number of its own."""
    numbered = [(table.name, ROWID) for table in tables() if table.has_number]
    with new.writing():
        for name, column in [*numbered, *((name, "id") for name in COUNTED)]:
            new.sql_rows(
                f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'), greatest(max({column}), 1)) FROM {name}"  # noqa: S608
            )
