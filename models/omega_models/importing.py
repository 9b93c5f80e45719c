"""Bringing in the records of an export: all are checked before anything is written, and what is there stays."""

from __future__ import annotations

import json
import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import Node

from omega_models import checks, recall_index, records
from omega_models.database import Database
from omega_models.errors import InvalidRecord
from omega_models.records import Table
from omega_models.statements import Given
from omega_models.tables import Fact as F
from omega_models.tables import Message as M
from omega_models.tables import SessionItem as I

if TYPE_CHECKING:
    from omega_models.store import Store

log = logging.getLogger("omega_models")

BATCH = 500  # records that one transaction writes
REST_SECONDS = 0.01
WRITTEN = "import: written"

Rest = Callable[[float], object]
Tell = Callable[[int], object]
Values = dict[str, Any]
Row = tuple[str, Values]


class Imported(NamedTuple):
    """Rows by table: written, there already, and there already with other content."""

    written: dict[str, int]
    known: dict[str, int]
    different: dict[str, int]


def import_records(store: Store, records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Writes what `export_sender` gave, here or elsewhere; how many rows, by table.

    Ids and the order within a second are kept. What is there already stays as it is, so that a second import
    writes nothing, and one that was interrupted is finished by the next. Raises `InvalidRecord` before anything is
    written, for what this program cannot read and for an id that belongs to somebody else here. Exports of several
    people may follow each other.
    """
    return bring_in(store, checks.iterable(records, "records")).written


def bring_in(
    store: Store,
    given: Iterable[Mapping[str, Any]],
    *,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
    rest: Rest = time.sleep,
) -> Imported:
    """The same, and what was there already. `dry_run` only looks; `tell` hears how many records were dealt with."""
    kept = _checked(checks.iterable(given, "records"))
    found = _compared(store, kept)
    if found.different:
        log.warning("%d rows are there already with other content, and stay", sum(found.different.values()))
    if dry_run:
        return found
    written = _written(store, kept, tell, rest)
    return found._replace(written=_by_table(written))


def _by_table(counted: Counter[str]) -> dict[str, int]:
    return {name: counted[name] for name in records.tables()}


# Checking, and keeping until all are checked


class _Kept:
    """Rows by the batch, compressed: they may be many."""

    def __init__(self) -> None:
        self._batches: list[bytes] = []
        self._open: list[Row] = []

    def add(self, table: str, values: Values) -> None:
        self._open.append((table, values))
        if len(self._open) >= BATCH:
            self.close()

    def close(self) -> None:
        if self._open:
            self._batches.append(zlib.compress(json.dumps(self._open).encode(), 1))
            self._open = []

    def __iter__(self) -> Iterator[list[Row]]:
        for batch in self._batches:
            yield [(table, values) for table, values in json.loads(zlib.decompress(batch))]


def _checked(given: Iterable[Mapping[str, Any]]) -> _Kept:
    kept, begun = _Kept(), False
    conversations = {None}  # of a row that belongs to none
    for number, record in enumerate(given, 1):
        if isinstance(record, Mapping) and record.get("table") == records.HEAD:
            records.check_head(record, number)
            begun = True
            continue
        if not begun:
            raise InvalidRecord(
                number, "an export begins with a record that says its version, and this does not"
            )
        table, values = records.decode(record, number)
        if table.name == "conversations":
            conversations.add(values["id"])
        elif values.get("conversation_id") not in conversations:
            raise InvalidRecord(number, f"{table.name}: its conversation does not come before it")
        kept.add(table.name, values | {"number": number})
    kept.close()
    return kept


def _by_tables(batch: list[Row]) -> Iterator[tuple[Table, list[Values]]]:
    for name, group in groupby(batch, lambda each: each[0]):
        yield records.tables()[name], [values for _, values in group]


# Comparing with what is there


def _there(db: Database, name: str, by: str) -> Node:
    table = records.tables()[name]
    (field,) = (column.field for column in table.columns if column.name == by)
    return table.model.select(*(column.field for column in table.columns)).where(db.among(field, "values"))  # type: ignore[no-any-return]


def _compared(store: Store, kept: _Kept) -> Imported:
    new: Counter[str] = Counter()
    known: Counter[str] = Counter()
    different: Counter[str] = Counter()
    items = _Items(store)
    for batch in kept:
        for table, rows in _by_tables(batch):
            if table.model is I:
                left = len(items.missing(rows))
                new[table.name] += left
                known[table.name] += len(rows) - left
                continue
            same, other = _look(store, table, rows)
            known[table.name] += same + other
            different[table.name] += other
            new[table.name] += len(rows) - same - other
    return Imported(_by_table(new), _by_table(known), +different)


def _look(store: Store, table: Table, rows: list[Values]) -> tuple[int, int]:
    """How many are there as they are, and how many otherwise. Raises `InvalidRecord` for somebody else's."""
    by_key = _stored(store, table, table.key, (table.key,), rows)
    by_twin = _stored(store, table, table.twin[0], table.twin, rows) if table.twin else {}
    same = other = 0
    for row in rows:
        stored = by_key.get((row[table.key],))
        if stored is not None:
            _require_owner(table, row, stored)
        stored = stored or by_twin.get(tuple(row[name] for name in table.twin))
        if stored is not None:
            is_same = all(stored[column.name] == row[column.name] for column in table.columns)
            same, other = same + is_same, other + (not is_same)
    return same, other


def _stored(
    store: Store, table: Table, by: str, names: tuple[str, ...], rows: list[Values]
) -> dict[tuple[Any, ...], Values]:
    wanted = list(dict.fromkeys(row[by] for row in rows if row[by] is not None))
    found = store.database.rows(_there, table.name, by, values=store.database.listed(wanted))
    every = (records.stored(table, row) for row in found)
    return {tuple(row[name] for name in names): row for row in every}


def _require_owner(table: Table, row: Values, stored: Values) -> None:
    if any(row[name] != stored[name] for name in table.owner):
        raise InvalidRecord(
            row["number"], f"{table.name} has its id here already, for somebody or something else"
        )


# Items have no id that means anything elsewhere: one is known by its conversation and by all it says


def _items_there(_: Database) -> Node:
    columns = (I.message_id, I.item, I.created_ms)
    return I.select(*columns).where(I.conversation == Given("conversation_id"))


class _Items:
    """Which items a conversation lacks; those of one conversation come together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._conversation: str | None = None
        self._left: Counter[tuple[Any, ...]] = Counter()

    def missing(self, rows: list[Values]) -> list[Values]:
        return [row for row in rows if not self._takes(row)]

    def _takes(self, row: Values) -> bool:
        if row["conversation_id"] != self._conversation:
            self._conversation = row["conversation_id"]
            self._left = Counter(
                self._store.database.rows(_items_there, conversation_id=row["conversation_id"])
            )
        mark = (row["message_id"], row["item"], row["created_ms"])
        self._left[mark] -= 1
        return self._left[mark] >= 0


# Writing


def _insert(_: Database, name: str) -> Node:
    table = records.tables()[name]
    values: dict[Any, Any] = {column.field: Given(column.name) for column in table.columns}
    if table.model is F:  # the message it was learned from may be gone
        values[F.source_message] = M.select(M.id).where(M.id == Given("source_message_id"))
    query = table.model.insert(values)
    return query if table.model is I else query.on_conflict_ignore()  # type: ignore[no-any-return]


def _written(store: Store, kept: _Kept, tell: Tell, rest: Rest) -> Counter[str]:
    written: Counter[str] = Counter()
    items = _Items(store)
    for batch in kept:
        with store.database.writing():
            for table, rows in _by_tables(batch):
                wanted = items.missing(rows) if table.model is I else rows
                written[table.name] += store.database.many(_insert, table.name, sets=wanted)
            recall_index.catch_up(store.database, BATCH)
            store.announce_tasks()
        store.reached(WRITTEN)
        tell(batch[-1][1]["number"])
        rest(REST_SECONDS)
    return written
