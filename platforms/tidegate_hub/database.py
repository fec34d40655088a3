"""A database by URL: picks the adapter and brings the schema up.

Promises an engine whose commits are durable, whose schema is the one in `tables`, and errors at
start that say what to do.  An older schema is brought up in one transaction: all of it, or nothing.
A newer one is refused: this program could not keep what it does not know.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tidegate_hub import postgresql, sqlite
from tidegate_hub.errors import HubError
from tidegate_hub.rows import RecordRow
from tidegate_hub.tables import META, METADATA, SCHEMA_VERSION, view_statements

_SET_GENERATION = text(
    "INSERT INTO meta (name, value) VALUES ('generation', :generation)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


class Database(NamedTuple):
    """An open database.

    `guard` is held during a transaction where only one connection may write.  `insert_records`
    adds rows in the adapter's fastest way; `close` gives back what `engine.dispose` does not.
    """

    engine: Engine
    guard: AbstractContextManager[object]
    insert_records: Callable[[Connection, list[RecordRow]], None]
    close: Callable[[], None]


def open_database(url_text: str, generation: str) -> Database:
    """Return the database at `url_text` with an up-to-date schema; raise `HubError`.

    From then on `generation` is its current one, and a hub that had opened it before is told so.
    """
    try:
        url = make_url(url_text)
    except (ArgumentError, ValueError):
        # The error would quote the text, and with it a password.
        raise HubError(
            "hub.database is not a database URL",
            "for example sqlite:///hub.db or postgresql://user:password@host/database",
        ) from None
    if url.get_backend_name() == "sqlite":
        parts = sqlite.connect(url)
    else:
        parts = postgresql.connect(url)
    database = Database(*parts)
    try:
        _prepare(database, generation)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: Database, generation: str) -> None:
    try:
        with database.guard, database.engine.begin() as connection:
            if inspect(connection).has_table(META.name):
                _bring_up(connection)
            else:
                _create(connection)
            connection.execute(_SET_GENERATION, {"generation": generation})
    except (SQLAlchemyError, psycopg.Error) as error:
        raise HubError(f"the database cannot be used: {reason_of(error)}", _HINT) from error


_HINT = "look at hub.database, at the rights of this user there, and at the free space"


def _bring_up(connection: Connection) -> None:
    """Bring an older schema up to this one; raise `HubError` for one that is not known."""
    # Locked, so that of two hubs that start at once the second finds it done.
    is_version = META.c.name == "schema_version"
    query = select(META.c.value).where(is_version).with_for_update()
    version = connection.execute(query).scalar()
    if version == "1":
        # What has come since version 1 are tables, and columns of views: no row is touched.
        METADATA.create_all(connection)
        _create_views(connection)
        connection.execute(META.update().where(is_version).values(value=str(SCHEMA_VERSION)))
    elif version != str(SCHEMA_VERSION):
        raise HubError(
            f"the database has schema {version}, this program knows {SCHEMA_VERSION}",
            "run the version of tidegate that made it or a newer one, or name another database",
        )


def _create(connection: Connection) -> None:
    METADATA.create_all(connection, checkfirst=False)
    _create_views(connection)
    connection.execute(META.insert().values(name="schema_version", value=str(SCHEMA_VERSION)))


def _create_views(connection: Connection) -> None:
    for statement in view_statements(connection.dialect.name):
        connection.execute(text(statement.replace(":", "\\:")))


def reason_of(error: Exception) -> str:
    """Return the driver's first line: the rest quotes statements and values."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__
