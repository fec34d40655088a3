"""PostgreSQL under the hub: several connections, a row lock a stream, records by COPY.

COPY in binary form took 2.8 times as many records a second as `executemany` (300,000 to 98,000,
and a ninth of the processor time on our side), measured with 128-byte payloads and 5,000 a batch.
A commit counts only when the server has flushed it: `synchronous_commit` is turned on where the
server or the user has it off.  A server that runs with `fsync = off` is warned about, because
nothing here can make it durable.
"""

import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from tidegate_hub.errors import HubError
from tidegate_hub.rows import RECORD_COLUMNS, RecordRow

CONNECTIONS_MAX = 8  # More than the hub has threads.
LOCK_TIMEOUT_MS = 10_000  # A stream's row is held for one batch; longer is a stuck connection.
IDLE_TIMEOUT_MS = 60_000  # The server ends the transaction of a hub that vanished in the middle.
CONNECT_TIMEOUT_S = 5

_LOG = logging.getLogger("tidegate.hub")

_COPY = f"COPY stored_records ({', '.join(RECORD_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_TYPES = (
    "int8", "int8", "int8", "int2", "int8", "int8", "int8", "int8", "int2", "int8", "text", "bytea",
)  # fmt: skip


def connect(
    url: URL,
) -> tuple[
    Engine,
    AbstractContextManager[object],
    Callable[[Connection, list[RecordRow]], None],
    Callable[[], None],
]:
    """Return the parts of a `Database`; raise `HubError`."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=LOCK_TIMEOUT_MS / 1000,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "tidegate-hub",
            # A server that is gone without a word is noticed within about a minute.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "tcp_user_timeout": 30_000,
        },
    )
    event.listen(engine, "connect", _on_connect)
    try:
        with engine.connect() as connection:
            _check_server(connection)
    except (SQLAlchemyError, psycopg.Error) as error:
        engine.dispose()
        raise HubError(
            f"PostgreSQL at {url.host or 'the local socket'} does not let us in: "
            + _first_line(getattr(error, "orig", error)),
            "look at hub.database, and whether the server runs",
        ) from error
    except HubError:
        engine.dispose()
        raise
    return engine, contextlib.nullcontext(), insert_records, engine.dispose


def insert_records(connection: Connection, rows: list[RecordRow]) -> None:
    """Add rows by COPY, inside the transaction of `connection`."""
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection)
    with driver_connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)


def _check_server(connection: Connection) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise HubError(
            f"the database is encoded as {encoding}, which cannot hold every topic",
            "create a database with ENCODING 'UTF8'",
        )
    if connection.exec_driver_sql("SHOW fsync").scalar() != "on":
        _LOG.warning("PostgreSQL runs with fsync = off: a power cut will lose what was confirmed")


def _on_connect(connection: psycopg.Connection[object], _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}")
        row = cursor.execute("SELECT current_setting('synchronous_commit')").fetchone()
        if row == ("off",):
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
