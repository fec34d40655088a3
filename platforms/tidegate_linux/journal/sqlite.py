"""The journal of the Linux platform: open it, make it, look at it.

`open_journal` gives the port of `tidegate.store.journal` (`journal_store` has it) or says why not:

- a `StorageError` may pass by itself; the engine tries again;
- a `JournalError` needs a person: the folder is in use, the database is not ours, or is too new.

A node always starts (P5).  On a full disk the ballast is given back.  A database that SQLite calls
damaged is set aside, and what can be read is carried over into a new one (`journal_salvage`); the
journal's `salvage` then says what was saved, for the operator.
"""

import os
from pathlib import Path

import apsw

from tidegate.errors import STORAGE_CORRUPT, STORAGE_FULL, StorageError
from tidegate.store.journal import JournalState
from tidegate_linux.journal.aside import Salvage, write_account
from tidegate_linux.journal.connection import (
    connect,
    connect_readonly,
    create_database,
    open_readonly,
)
from tidegate_linux.journal.errors import WORLD_ERRORS, JournalError, storage_error
from tidegate_linux.journal.folder import JournalFolder
from tidegate_linux.journal.fresh import BYTES_MAX as FRESH_BYTES_MAX
from tidegate_linux.journal.lane_rows import add_lane, load_lanes
from tidegate_linux.journal.reading import read_journal_state
from tidegate_linux.journal.salvage import Wreck
from tidegate_linux.journal.store import SqliteJournal
from tidegate_linux.journal.wal import mended

RECENT_MAX = 4096
BOOTS_MAX = 4096  # As many as the clock remembers; a record of an older boot keeps its distances.


def open_journal(
    folder: Path,
    lanes: "list[str]",
    *,
    limit_bytes: int,
    recent_max: int = RECENT_MAX,
    fresh_bytes_max: int = FRESH_BYTES_MAX,
    vfs: "str | None" = None,
) -> SqliteJournal:
    """Open the journal in `folder`, or make one, with at least `lanes`.

    `limit_bytes` bounds the database; the gateway keeps well below it.  `fresh_bytes_max` bounds
    the records that are kept in memory, see `fresh`; `vfs` is for crash tests.
    Raises `StorageError` and `JournalError`.
    """
    opening = _Opening(JournalFolder(folder), lanes, limit_bytes, recent_max, fresh_bytes_max, vfs)
    try:
        opening.home.lock()
        return opening.open()
    except BaseException as error:
        opening.home.unlock()
        if isinstance(error, WORLD_ERRORS):
            raise storage_error(error) from error
        raise


def read_state(folder: Path, recent_max: int = 0) -> JournalState:
    """Return what the journal in `folder` holds, whether a gateway runs on it or not.

    Disturbs nobody.  Raises `JournalError` where there is no journal, and `StorageError`.
    """
    home = JournalFolder(folder)
    try:
        if not home.database.exists():
            raise JournalError(f"there is no journal in {folder}", "start the gateway once")
        connection = connect_readonly(home.database)
        try:
            connection.execute("BEGIN")
            return read_journal_state(connection, load_lanes(connection).values(), recent_max)
        finally:
            connection.close()
    except WORLD_ERRORS as error:
        raise storage_error(error) from error


def journal_format(folder: Path) -> int | None:
    """Return which format the journal in `folder` has, known here or not; None without a journal.

    Disturbs nobody.  Raises `StorageError`.
    """
    home = JournalFolder(folder)
    try:
        if not home.database.exists():
            return None
        connection = open_readonly(home.database)
        try:
            return int(connection.pragma("user_version"))
        finally:
            connection.close()
    except WORLD_ERRORS as error:
        raise storage_error(error) from error


class _Opening:
    """One attempt after the other to open a journal, each with less to lose."""

    def __init__(
        self,
        home: JournalFolder,
        lanes: "list[str]",
        limit_bytes: int,
        recent_max: int,
        fresh_bytes_max: int,
        vfs: "str | None",
    ) -> None:
        self.home = home
        self._lanes = lanes
        self._limit_bytes = limit_bytes
        self._recent_max = recent_max
        self._fresh_bytes_max = fresh_bytes_max
        self._vfs = vfs

    def open(self) -> SqliteJournal:
        """Open it, at worst without ballast, or with what a salvage leaves."""
        while True:
            try:
                salvage = self._salvage() if self.home.needs_salvage else None
                journal = self._open_whole(self._lanes)
                journal.salvage = salvage
                return journal
            except WORLD_ERRORS as error:
                if not self._cure(storage_error(error)):
                    raise

    def _cure(self, error: StorageError) -> bool:
        """Do something about a refusal; return whether another attempt makes sense."""
        if error.kind == STORAGE_FULL:
            return self.home.give_ballast_back()
        if error.kind == STORAGE_CORRUPT and not self.home.needs_salvage:
            self.home.suspect()
            return self.home.needs_salvage
        return False

    def _open_whole(self, lanes: "list[str]", node: str = "") -> SqliteJournal:
        home = self.home
        home.check_room_for_index()
        home.set_stray_log_aside()
        home.rewrite_log()
        if not home.database.exists():
            create_database(home, node or os.urandom(8).hex(), self._vfs)
        connection = connect(home.database, self._limit_bytes, self._vfs)
        try:
            home.allocate_index()
            _complete(connection, lanes)
            return SqliteJournal(
                connection, home, self._limit_bytes, self._recent_max, self._fresh_bytes_max
            )
        except BaseException:
            connection.close()
            home.release_index()
            raise

    def _salvage(self) -> Salvage:
        """Set the damaged database aside and fill a new one from it; a power cut starts it over."""
        home = self.home
        aside = home.set_aside()
        _mend_log(aside / home.log.name)
        wreck = Wreck(aside / home.database.name, self._lanes)
        try:
            lanes = [lane for lane in wreck.lane_names if lane not in self._lanes]
            journal = self._open_whole(self._lanes + lanes, wreck.node)
            try:
                for entries in wreck.entries():
                    journal.append(entries)
                    journal.sync()
                journal.take_quarantine(wreck.quarantine())
            except BaseException:
                journal.abandon()
                raise
            journal.abandon()
        finally:
            wreck.close()
        salvage = Salvage(aside, wreck.records, wreck.lost, wreck.notes_lost)
        write_account(salvage)
        home.salvaged()
        return salvage


def _mend_log(log: Path) -> None:
    """Mend a damaged log that was set aside, and keep the damaged one beside it."""
    unfinished, damaged = log.with_name("mended"), log.with_name(f"{log.name}.damaged")
    if damaged.exists():
        # A power cut has come between the two renames below, or behind them.
        if unfinished.exists():
            unfinished.rename(log)
        return
    content = mended(log) if log.exists() else None
    if content is not None:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        log.rename(damaged)
        unfinished.rename(log)


def _complete(connection: apsw.Connection, lanes: "list[str]") -> None:
    """Add lanes that are new, and forget the oldest boots."""
    connection.execute("BEGIN IMMEDIATE")
    known = load_lanes(connection)
    for lane in lanes:
        if lane not in known:
            add_lane(connection, lane, os.urandom(8).hex())
    connection.execute(
        "DELETE FROM boot WHERE number NOT IN"
        " (SELECT number FROM boot ORDER BY number DESC LIMIT ?)",
        (BOOTS_MAX,),
    )
    connection.execute("COMMIT")
