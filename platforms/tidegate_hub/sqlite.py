"""SQLite under the hub: one connection, in WAL mode, that syncs every commit.

One connection for everything, held by a lock: SQLite before 3.51.3 can damage a database when two
connections write or checkpoint at the same time, and Debian 12 has 3.40.  A second hub on the same
file is kept out by a lock on a file beside it, which the kernel drops when its holder dies.  Owners
may read with the sqlite3 shell at any time; who writes there does so at his own risk.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from tidegate_hub.errors import HubError
from tidegate_hub.rows import RECORD_COLUMNS, RecordRow

BUSY_TIMEOUT_MS = 10_000  # An owner's shell may hold the file for a moment, even for writing.
WAL_PAGES = 4000  # 16 MB: a checkpoint every few dozen batches, not in every one.
_WAL_KEPT_BYTES = 64 * 1024 * 1024  # What a WAL that a long reader made grow is cut back to.
_SYNCHRONOUS_FULL = 2

# Rows that one step of a statement inserts: a step costs half of what a row does.  600 parameters;
# every SQLite takes 999.
_ROWS_A_STEP = 50
_ROW = f"({', '.join('?' * len(RECORD_COLUMNS))})"
_INSERT = (
    f"INSERT INTO stored_records ({', '.join(RECORD_COLUMNS)})"  # noqa: S608 - constants only.
    f" VALUES {_ROW}"
)
_INSERT_MANY = _INSERT + f", {_ROW}" * (_ROWS_A_STEP - 1)


def connect(
    url: URL,
) -> tuple[
    Engine,
    AbstractContextManager[object],
    Callable[[Connection, list[RecordRow]], None],
    Callable[[], None],
]:
    """Return the parts of a `Database`; raise `HubError`."""
    if not url.database or url.database == ":memory:" or url.query:
        raise HubError(
            "hub.database names no plain file, so nothing in it would be durable",
            "for example sqlite:///hub.db, or sqlite:////var/lib/tidegate/hub.db",
        )
    path = Path(url.database)
    if not path.parent.is_dir():
        raise HubError(f"the folder {path.parent} of hub.database does not exist", "create it")
    lock_file = _lock(path)
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"isolation_level": None, "check_same_thread": False},
        pool_size=1,
        max_overflow=0,
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)

    def close() -> None:
        engine.dispose()
        os.close(lock_file)

    try:
        with engine.connect():
            pass
    except SQLAlchemyError as error:
        close()
        raise HubError(
            f"{path} cannot be opened as an SQLite database: {getattr(error, 'orig', error)}",
            "look at the rights of this user there; a file of something else is left untouched",
        ) from error
    except HubError:
        close()
        raise
    return engine, threading.Lock(), insert_records, close


def insert_records(connection: Connection, rows: list[RecordRow]) -> None:
    """Add rows, many with each step of a prepared statement.

    SQLite copies what a step binds: at most a batch, and that is held already.
    """
    whole = len(rows) - len(rows) % _ROWS_A_STEP
    steps = [
        tuple(chain.from_iterable(rows[at : at + _ROWS_A_STEP]))
        for at in range(0, whole, _ROWS_A_STEP)
    ]
    if steps:
        connection.exec_driver_sql(_INSERT_MANY, steps)
    if whole < len(rows):
        connection.exec_driver_sql(_INSERT, rows[whole:])


def _lock(path: Path) -> int:
    """Return the open file whose lock says that a hub runs on this database."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock_file = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise HubError(
            f"{lock_path} cannot be opened: {error.strerror}",
            "look at the rights of this user there",
        ) from error
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_file)
        raise HubError(
            f"another hub runs on {path}", "stop it first; two writers could damage the database"
        ) from error
    return lock_file


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    """Set what durability needs, and read it back: a pragma that is not obeyed says nothing."""
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or synchronous != _SYNCHRONOUS_FULL:
        raise HubError(
            f"SQLite is in journal mode {mode} with synchronous {synchronous}, not WAL and FULL",
            "put the database on a local file system",
        )
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")


def _on_begin(connection: Connection) -> None:
    # IMMEDIATE: a transaction that begins as a reader cannot always become a writer.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
