"""The port of `tidegate.store.journal` on SQLite.

What it promises is the port's contract.  How:

- `append` only gathers; `sync` carries everything out in one transaction with `synchronous=FULL`.
  So what was not synced is never seen by `read`, and a failure leaves nothing half done.
- One connection for everything, used by one thread at a time.  Others may read the database at any
  time (`sqlite3`, `tidegate status`), but a second gateway is kept out by a lock.
- After any failure the object is of no more use.  Opening the journal again rewrites and syncs the
  log and checkpoints it into the database before anything new is taken (see `journal_folder`).
- Checkpoints run at the start of a sync, never inside a commit: a failing one is then an error of
  its own, and nobody takes a durable commit for a failed one.

How it is opened, and what happens to a damaged one, is said in `journal`.
"""

import contextlib
import time

import apsw

from tidegate.errors import STORAGE_CORRUPT, STORAGE_IO, StorageError
from tidegate.store.journal import (
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    JournalState,
    Noted,
    Released,
    Renewed,
    Spent,
    Usage,
)
from tidegate_linux.journal.connection import empty_log
from tidegate_linux.journal.errors import WORLD_ERRORS, storage_error
from tidegate_linux.journal.folder import JournalFolder
from tidegate_linux.journal.fresh import Fresh
from tidegate_linux.journal.identity_rows import count_fork
from tidegate_linux.journal.lane_rows import StoredLane, load_lanes
from tidegate_linux.journal.note_rows import Notes, store_notes
from tidegate_linux.journal.quarantine_rows import make_room
from tidegate_linux.journal.reading import (
    LaneAudit,
    audit_lane,
    read_boots,
    read_journal_state,
    read_span,
    stored_hash,
)
from tidegate_linux.journal.sql import seal_of
from tidegate_linux.journal.wal import PAGE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.records.span import Span
    from tidegate.store.journal import Entry
    from tidegate_linux.journal.aside import Salvage

    Work = Callable[[apsw.Connection, dict[str, StoredLane]], list[Admitted]]

CHECKPOINT_PAGES_MAX = 1000  # 4 MB: on a card that writes 10 MB/s a commit waits half a second.
CHECKPOINT_PAGES_MIN = 16
# A flipped bit in the log silently drops every later commit, in the database it hits one record.
CHECKPOINT_AGE_S = 60.0
_TAKE_QUARANTINE = """
INSERT INTO quarantine
    (lane, epoch, seq, reason, hash, boot, ticks_ms, topic, flags, payload, properties)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ENTRY_LANES = (Admitted, Released, Dropped, Forgotten, Renewed)


class SqliteJournal:
    """A journal in one SQLite database; made by `open_journal`."""

    def __init__(
        self,
        connection: apsw.Connection,
        folder: JournalFolder,
        limit_bytes: int,
        recent_max: int,
        fresh_bytes_max: int,
    ) -> None:
        """Take over a connection that `connect` has set up, and a folder that is locked."""
        self.salvage: Salvage | None = None  # What was saved, where opening found damage.
        self._connection = connection
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._recent_max = recent_max
        self._lanes = load_lanes(connection)
        self._notes = Notes()
        self._fresh = Fresh(fresh_bytes_max)
        self._pending: list[Entry] = []
        self._failed = ""
        self._log_pages = 0
        self._checkpoint_pages = CHECKPOINT_PAGES_MIN
        self._checkpoint_at_pages = CHECKPOINT_PAGES_MIN
        self._checkpoint_at_s = time.monotonic() + CHECKPOINT_AGE_S
        connection.set_wal_hook(self._log_grew)
        self._size_checkpoints()

    def recover(self) -> JournalState:
        """Return what the journal holds."""
        self._check_alive()
        try:
            return read_journal_state(self._connection, self._lanes.values(), self._recent_max)
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    def append(self, entries: "list[Entry]") -> None:
        """Gather `entries`; nothing of them is stored or seen before `sync`."""
        self._check_alive()
        for entry in entries:
            if isinstance(entry, _ENTRY_LANES) and entry.lane not in self._lanes:
                raise ValueError(f"the journal has no lane {entry.lane}")
        self._pending.extend(entries)

    def sync(self) -> None:
        """Carry out what was appended, in one transaction, and return when it is on the medium."""
        self._check_alive()
        # Whatever ends this early leaves a transaction whose fate is unknown.
        self._failed = STORAGE_IO
        try:
            self._checkpoint_when_due()
            if self._pending:
                self._commit()
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error
        self._failed = ""

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> "Span":
        """Return synced records and gaps, verified; see the port."""
        self._check_alive()
        stored = self._lanes[lane]
        try:
            span = self._find_fresh(stored, first, count_max, bytes_max) or read_span(
                self._connection, stored, first, count_max, bytes_max
            )
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error
        stored.told = max(stored.told, span.last)
        return span

    def hash_at(self, lane: str, seq: int) -> "int | None":
        """Return the running hash at `seq`, or None where it is not known."""
        self._check_alive()
        try:
            return stored_hash(self._connection, self._lanes[lane], seq)
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    def notes(
        self, source: str, first: bytes, stop: bytes, count_max: int
    ) -> "list[tuple[bytes, bytes]]":
        """Return synced notes, verified; see the port."""
        self._check_alive()
        try:
            return self._notes.find(self._connection, source, first, stop, count_max)
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    @property
    def notes_damaged(self) -> int:
        """Return how many notes were found damaged since the journal was opened."""
        return self._notes.damaged

    def usage(self) -> Usage:
        """Return what the journal takes and what is free.

        The log counts only where it is larger than planned: then somebody has kept a reading
        transaction open for long, and no checkpoint can empty it.
        """
        self._check_alive()
        try:
            pages = self._connection.pragma("page_count") - self._connection.pragma(
                "freelist_count"
            )
            pages += max(0, self._log_pages - 2 * CHECKPOINT_PAGES_MAX)
            return Usage(pages * PAGE_BYTES, self._folder.free_bytes())
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    def close(self) -> None:
        """Release the files; what was not synced is gone.  Never raises."""
        self._pending = []
        with contextlib.suppress(*WORLD_ERRORS):
            if self._failed:
                # Whatever a checkpoint would find now, the next start judges it with care.
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            else:
                empty_log(self._connection)
        with contextlib.suppress(*WORLD_ERRORS):
            self._connection.close()
        self._folder.unlock()
        self._failed = self._failed or STORAGE_IO

    def abandon(self) -> None:
        """Close the connection and keep the folder: somebody else goes on with it."""
        self._failed = self._failed or STORAGE_IO
        self._connection.close()
        self._folder.release_index()

    def take_quarantine(self, rows: "list[tuple[object, ...]]") -> None:
        """Add rows that another journal had in its quarantine, durably."""
        self._check_alive()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_TAKE_QUARANTINE, rows)
            self._connection.execute("COMMIT")
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    def transact(self, work: "Work") -> None:
        """Let `work(connection, lanes)` change rows, all of it durable on return, or none of it.

        It returns what it has admitted.  For who looks after a journal, not for the engine.
        """
        self._check_alive()
        assert not self._pending
        self._failed = STORAGE_IO  # As in `sync`.
        try:
            self._checkpoint_when_due()
            self._connection.execute("BEGIN IMMEDIATE")
            entries = work(self._connection, self._lanes)
            self._connection.execute("COMMIT")
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error
        self._failed = ""
        for entry in entries:
            self._fresh.take(entry)

    def audit(self) -> "list[LaneAudit]":
        """Count every lane row by row; for `tidegate check` and tests."""
        self._check_alive()
        try:
            return [audit_lane(self._connection, lane) for lane in self._lanes.values()]
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    def checkpoint(self) -> None:
        """Move the log into the database as far as readers allow; raises `StorageError`."""
        self._check_alive()
        try:
            self._checkpoint()
        except WORLD_ERRORS as error:
            raise self._given_up(error) from error

    def _commit(self) -> None:
        connection = self._connection
        touched: dict[str, StoredLane] = {}
        noted: list[Noted] = []
        connection.execute("BEGIN IMMEDIATE")
        for entry in self._pending:
            if isinstance(entry, Booted):
                boot = tuple(entry.boot)
                connection.execute(
                    "REPLACE INTO boot VALUES (?, ?, ?, ?, ?)", (*boot, seal_of(*boot))
                )
            elif isinstance(entry, Spent):
                spent = (("spent_day", entry.day), ("spent_bytes", entry.sent_bytes))
                connection.executemany("REPLACE INTO meta VALUES (?, ?)", spent)
            elif isinstance(entry, Noted):
                noted.append(entry)
            else:
                touched[entry.lane] = lane = self._lanes[entry.lane]
                _carry_out(connection, lane, entry)
        for lane in touched.values():
            lane.store(connection)
        if any(isinstance(entry, Dropped) and entry.kept for entry in self._pending):
            make_room(connection, self._lanes, self._limit_bytes)
        store_notes(connection, noted)
        connection.execute("COMMIT")
        for entry in self._pending:
            if isinstance(entry, _ENTRY_LANES):
                self._fresh.take(entry)
        self._pending = []

    def _find_fresh(
        self, lane: StoredLane, first: int, count_max: int, bytes_max: int
    ) -> "Span | None":
        last = min(lane.last, first + max(1, count_max) - 1)
        return self._fresh.find(
            lane.lane,
            first,
            last,
            bytes_max,
            lambda: stored_hash(self._connection, lane, first - 1) or 0,
            lambda numbers: read_boots(self._connection, numbers),
        )

    def _checkpoint_when_due(self) -> None:
        aged = self._log_pages > 0 and time.monotonic() >= self._checkpoint_at_s
        if aged or self._log_pages >= self._checkpoint_at_pages:
            self._checkpoint()

    def _checkpoint(self) -> None:
        pages, moved = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._checkpoint_at_s = time.monotonic() + CHECKPOINT_AGE_S
        # All moved: the next commit starts the log from its beginning.  Otherwise a reader is in
        # the way, and to try again at every commit would cost each a sync of the database.
        self._log_pages = 0 if pages == moved else pages
        self._size_checkpoints()
        self._checkpoint_at_pages = self._log_pages + self._checkpoint_pages

    def _size_checkpoints(self) -> None:
        """Keep in the log only what the ballast could carry into the database on a full disk."""
        try:
            ballast_bytes = self._folder.keep_ballast(self._limit_bytes)
        except OSError:
            ballast_bytes = 0
        pages = ballast_bytes // 2 // PAGE_BYTES
        self._checkpoint_pages = min(CHECKPOINT_PAGES_MAX, max(CHECKPOINT_PAGES_MIN, pages))
        self._checkpoint_at_pages = self._checkpoint_pages

    def _log_grew(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _check_alive(self) -> None:
        if self._failed:
            raise StorageError(self._failed, "the journal is closed or has failed before")

    def _given_up(self, error: Exception) -> StorageError:
        """Take note that this object is of no more use; return the error to raise."""
        known = storage_error(error)
        self._failed = known.kind
        if known.kind == STORAGE_CORRUPT:
            self._folder.suspect()
        return known


def _carry_out(connection: apsw.Connection, lane: StoredLane, entry: "Entry") -> None:
    if isinstance(entry, Admitted):
        lane.admit(connection, entry)
    elif isinstance(entry, Released):
        lane.release(connection, entry)
    elif isinstance(entry, Dropped):
        lane.drop(connection, entry)
    elif isinstance(entry, Forgotten):
        lane.forget(connection, entry.through)
    elif isinstance(entry, Renewed):
        lane.renew(connection, entry.epoch)
        count_fork(connection, entry.lane)
