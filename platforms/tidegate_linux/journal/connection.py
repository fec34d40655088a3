"""How a connection to the journal's database is set up, and how a new database comes into being.

Every setting that durability rests on is read back: a pragma that SQLite does not follow says
nothing.
"""

import contextlib
import os
import stat
from pathlib import Path

import apsw

from tidegate.errors import STORAGE_CORRUPT, STORAGE_IO, StorageError
from tidegate_linux.journal.folder import FILE_MODE, JournalFolder
from tidegate_linux.journal.schema import check_version, create_tables, upgrade
from tidegate_linux.journal.wal import PAGE_BYTES, is_damaged

CACHE_KIB = 4096  # Of pages in memory; the backlog's size changes nothing in it (P6).
BUSY_MS = 5000  # For somebody who writes with the sqlite3 shell while we run.
READER_MS = 200  # For somebody who reads when we start or end.
LOG_BYTES_MAX = 8 * 1024 * 1024  # A log that one large transaction has blown up is cut down again.
# Beyond the owner's limit, which the gateway keeps after each commit: one commit of all that an
# inbox holds, or of one message as large as any.  With less a full journal would refuse the same
# large commit for ever, and make no room, because room is made when a commit has gone through.
HEADROOM_BYTES = 32 * 1024 * 1024
HEADROOM_SHARE = 16
_FULL = 2  # What `PRAGMA synchronous` answers for FULL.


def connect(database: Path, limit_bytes: int, vfs: "str | None" = None) -> apsw.Connection:
    """Open the database for the gateway, with its log checkpointed into it.

    `vfs` names a VFS without shared memory, for crash tests; the database is then locked for the
    connection's whole life.
    """
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        connection.set_busy_timeout(BUSY_MS)
        if vfs is not None:
            connection.pragma("locking_mode", "EXCLUSIVE")
        check_version(connection)
        _make_durable(connection)
        connection.pragma("cache_size", -CACHE_KIB)
        connection.pragma("cell_size_check", True)
        connection.pragma("temp_store", "MEMORY")  # A full /tmp is no reason to fail.
        connection.pragma("journal_size_limit", LOG_BYTES_MAX)
        frames_taken, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        if is_damaged(database.with_name(f"{database.name}-wal"), max(0, frames_taken)):
            raise StorageError(STORAGE_CORRUPT, "the log is damaged in front of its end")
        # After a failed sync this is what proves that the medium takes writes again.  A reader in
        # the way is no error: the log itself was synced.
        empty_log(connection)
        # Before there is a limit: a journal that is above it must open as well (P5).
        upgrade(connection)
        headroom_bytes = max(HEADROOM_BYTES, limit_bytes // HEADROOM_SHARE)
        # Not stored in the database: set at every open.
        connection.pragma("max_page_count", (limit_bytes + headroom_bytes) // PAGE_BYTES)
    except BaseException:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()
        raise
    return connection


def empty_log(connection: apsw.Connection) -> None:
    """Move the log into the database and cut it to nothing, or as far as readers allow."""
    connection.set_busy_timeout(READER_MS)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    finally:
        connection.set_busy_timeout(BUSY_MS)


def connect_readonly(database: Path) -> apsw.Connection:
    """Open the database for somebody who only looks at it, beside a running gateway or without."""
    connection = open_readonly(database)
    connection.set_busy_timeout(BUSY_MS)
    check_version(connection)
    return connection


def open_readonly(database: Path) -> apsw.Connection:
    """Open the database, whatever its format.

    Root looks at what the gateway's user has put there: a pipe would be waited for without end.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        path = database.with_name(f"{database.name}{suffix}")
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise StorageError(STORAGE_IO, f"{path} is no regular file: look who put it there")
    return apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)


def create_database(home: JournalFolder, node: str, vfs: "str | None" = None) -> None:
    """Make a new database, whole or not at all: it gets its name when it is finished and synced."""
    unfinished = home.path / "journal.new"
    for name in ("journal.new", "journal.new-wal", "journal.new-shm", "journal.new-journal"):
        (home.path / name).unlink(missing_ok=True)
    unfinished.touch(FILE_MODE)  # SQLite gives the log and its index the mode of the database.
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(unfinished), flags=flags, vfs=vfs)
    try:
        connection.pragma("page_size", PAGE_BYTES)
        if vfs is not None:
            connection.pragma("locking_mode", "EXCLUSIVE")
        _make_durable(connection)
        create_tables(connection, node)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    fd = os.open(unfinished, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    unfinished.rename(home.database)
    home.sync()


def _make_durable(connection: apsw.Connection) -> None:
    """Set what the promise P1 rests on, and read it back."""
    mode = connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL")
    synchronous = connection.pragma("synchronous")
    if mode != "wal" or synchronous != _FULL:
        raise StorageError(
            STORAGE_IO, f"SQLite answers journal_mode {mode} and synchronous {synchronous}"
        )
    # Checkpoints are the journal's own business: an automatic one hides its failure in a commit.
    connection.wal_autocheckpoint(0)
