"""A new database is written from the models; an existing file is brought up to them by the migrations."""

from peewee import SchemaManager

from omega_models.database import Database
from omega_models.tables import MODELS, POSTGRES_EXTRAS, SQLITE_EXTRAS


def create(database: Database) -> None:
    """Writes every table, index and trigger into an empty database, inside the caller's transaction."""
    for model in MODELS:
        SchemaManager(model, database.engine).create_all(safe=False)
    for statement in POSTGRES_EXTRAS if database.is_postgres else SQLITE_EXTRAS:
        database.sql(statement)
