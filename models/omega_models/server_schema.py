"""Bringing a server's database to the present schema: a new one is written, an older one is given what it lacks.

What an own step adds follows from the models: tables, columns, indexes, functions and triggers that are not
there are made. What models cannot say, such as a change to rows, stands in `CHANGES`.
"""

from collections.abc import Iterable
from typing import Any

from peewee import Field, ForeignKeyField, Model, SchemaManager

from omega_migrations import STEPS, Step
from omega_models import inspection
from omega_models.database import ALONE, Database
from omega_models.errors import MigrationFailed, StoreBusy, StoreError, StoreUnavailable
from omega_models.tables import MODELS, POSTGRES_EXTRAS

SERVER_LOCK = 0x6F6D656761  # "omega"
CHANGES: dict[str, tuple[str, ...]] = {  # by a step's name: what runs before its tables are made
    "py018_lanes": ("DROP INDEX IF EXISTS idx_recall_terms",),  # made anew, otherwise
}

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
)


def pending(database: Database) -> list[Step]:
    """The steps a server's database does not record; all where it is new. Refuses a newer one."""
    recorded = inspection.recorded_on_server(database)
    return [step for step in STEPS if step.name not in recorded and (step.is_own or not recorded)]


def bring_up(database: Database, when: str) -> tuple[bool, list[Step]]:
    """Whether the database was new, and the steps that are recorded now.

    All or nothing, in one transaction, and by one program at a time: others wait for it. Raises
    `StoreUnavailable` for a newer or foreign database, `MigrationFailed`, `StoreBusy`.
    """
    if not pending(database):
        return False, []
    with database.unhurried():
        database.sql_rows(ALONE, [SERVER_LOCK])
        steps = pending(database)  # another program may have been first
        is_new = len(steps) == len(STEPS)
        if is_new:
            _refuse_foreign(database)
        if steps:
            _apply(database, steps)
            _record(database, steps, when)
    return is_new, steps


def _apply(database: Database, steps: list[Step]) -> None:
    try:
        with database.translated():
            _write(database, steps)
    except (StoreBusy, StoreUnavailable):
        raise
    except StoreError as error:
        raise MigrationFailed(
            f"{database.where} was not brought up to date: {steps[0].name} or later failed ({error}). It is as it "
            "was. Go on with the version used before, report this and start again"
        ) from error


def _refuse_foreign(database: Database) -> None:
    there = {name for (name,) in database.sql_rows(TABLES)}
    ours = sorted(there & {_name(model) for model in MODELS})
    if ours:
        raise StoreUnavailable(
            f"{database.where} holds tables that are not Omega's, such as {ours[0]}. It was left untouched; give it "
            "a database of its own: createdb omega"
        )


def _write(database: Database, steps: Iterable[Step]) -> None:
    for step in steps:
        for statement in CHANGES.get(step.name, ()):
            database.sql(statement)
    managers = [SchemaManager(model, database.engine) for model in MODELS]
    for manager in managers:
        manager.create_table(safe=True)
    _add_columns(database)
    for manager in managers:
        manager.create_indexes(safe=True)
    for statement in POSTGRES_EXTRAS:
        database.sql(statement)


def _add_columns(database: Database) -> None:
    there = set(database.sql_rows(COLUMNS))
    for model in MODELS:
        for field in _fields(model):
            if (_name(model), field.column_name) not in there:
                database.sql(f"ALTER TABLE {_name(model)} ADD COLUMN {_declared(database, field)}")


def _declared(database: Database, field: Field) -> str:
    context: Any = database.engine.get_sql_context()
    with context.scope_values():
        context.sql(field.ddl(context))
        if isinstance(field, ForeignKeyField):
            context.literal(", ADD ").sql(field.foreign_key_constraint())
    return str(context.query()[0])


def _name(model: type[Model]) -> str:
    return str(model._meta.table_name)


def _fields(model: type[Model]) -> list[Field]:
    return list(model._meta.sorted_fields)


def _record(database: Database, steps: Iterable[Step], when: str) -> None:
    for step in steps:
        database.sql("INSERT INTO _migrations (name, applied_at) VALUES (%s, %s)", [step.name, when])
