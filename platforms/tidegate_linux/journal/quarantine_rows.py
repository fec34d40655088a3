"""The rows of the quarantine: read them beside anybody, and settle them in one transaction.

To *settle* a record is to end its stay: `RETRIED`, it is admitted anew behind the last one of its
lane; `DISCARDED` by a person, or `CROWDED_OUT` by newer ones, it goes.  Each way its old number
becomes a dropped one with that reason, so that the balance holds at every commit (P4).

How many of a lane's rows its figure `quarantined` counts is not written in the rows: one that was
withdrawn after its delivery counts as delivered, and a lane that was renewed counts only what it
had not told yet.  So rows that are not counted are taken to go first: the figure falls only where
it would say more than is left.  Why so: docs/decisions/0090-quarantine.md.
"""

import struct
from collections import namedtuple
from pathlib import Path

import apsw

from tidegate.errors import ProtocolError
from tidegate.limits import BOOT_MAX, PAYLOAD_BYTES_MAX, TICKS_MS_MAX, TOPIC_BYTES_MAX
from tidegate.records.clock import wall_of
from tidegate.records.record import FLAGS_ALL, Record, fold, fold_all, unpack_properties
from tidegate.records.stream import Stream
from tidegate.store.journal import Admitted
from tidegate_linux.journal.connection import connect_readonly
from tidegate_linux.journal.errors import WORLD_ERRORS, JournalError, storage_error
from tidegate_linux.journal.folder import JournalFolder
from tidegate_linux.journal.reading import read_boots
from tidegate_linux.journal.sql import all_rows, one_row, seal_of, unsealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tidegate_linux.journal.lane_rows import StoredLane

RETRIED, DISCARDED = "retried", "discarded"
CROWDED_OUT = "quarantine-full"
ROWS_MAX = 10_000  # Far more than a person looks at.
BYTES_SHARE = 16  # Of the journal's limit: poison must not take the room of what can be delivered.
CROWDED_OUT_ROWS_MAX = 500  # In one commit; what an older version has let grow goes by and by.
PAGE_ROWS = 200  # Read at once; between two pages nobody is kept from emptying the log.

# CAST: rot may make a text that is no UTF-8 of a text, or a text of a number.
_COLUMNS = """
id, CAST(lane AS BLOB), CAST(epoch AS BLOB), CAST(seq AS INTEGER), CAST(reason AS BLOB),
boot, ticks_ms, CAST(topic AS BLOB), coalesce(length(payload), 0), flags
"""
_WHERE = """
FROM quarantine WHERE id > ? AND (? IS NULL OR lane = ? AND epoch = ?) AND (? IS NULL OR seq = ?)
ORDER BY id LIMIT ?
"""
_HEADS = f"SELECT {_COLUMNS} {_WHERE}"
_BODY = "SELECT CAST(payload AS BLOB), CAST(properties AS BLOB) FROM quarantine WHERE id = ?"
_RECORD = """
SELECT boot, ticks_ms, CAST(topic AS BLOB), CAST(payload AS BLOB), flags, CAST(properties AS BLOB)
FROM quarantine WHERE id = ?
"""
_COUNTS = "SELECT lane, count(*) FROM quarantine GROUP BY lane"
_BYTES = """
coalesce(length(payload), 0) + coalesce(length(properties), 0) + coalesce(length(topic), 0)
"""
_SUMS = f"count(*), CAST(total({_BYTES}) AS INTEGER)"
_TOTALS = f"SELECT {_SUMS} FROM quarantine"  # noqa: S608 - our own names.
_OLDEST = f"SELECT id, {_BYTES} FROM quarantine ORDER BY id LIMIT ?"  # noqa: S608 - our own names.
_GAP = "SELECT id, first, hash, reason, kept, seal FROM gap WHERE id BETWEEN ? AND ? ORDER BY id"
_LEFT = "SELECT 1 FROM quarantine WHERE lane = ? AND epoch = ? AND seq BETWEEN ? AND ? LIMIT 1"
_MARK_GAP = "UPDATE gap SET reason = ?, kept = 0, seal = ? WHERE id = ?"


class Wanted(namedtuple("Wanted", ("stream", "seq"))):
    """Which records are meant: of one stream or, with None, of all; one number or all."""

    __slots__ = ()
    stream: "Stream | None"
    seq: "int | None"


class Head(
    namedtuple(
        "Head",
        ("id", "stream", "seq", "reason", "boot", "ticks_ms", "wall_ms", "topic", "bytes", "flags"),
    )
):
    """A record in the quarantine but for its payload, which takes `bytes`.

    What rot may have made something else of is an `object`; `wall_ms` is None where the time is not
    known.
    """

    __slots__ = ()
    id: int
    stream: Stream
    seq: int
    reason: str
    boot: object
    ticks_ms: object
    wall_ms: "int | None"
    topic: "bytes | None"
    bytes: int
    flags: object


class StoredQuarantine:
    """The quarantine of the journal in `folder`, for reading, with a gateway on it or without.

    Raises `JournalError` where there is no journal, and `StorageError`.
    """

    def __init__(self, folder: Path) -> None:
        home = JournalFolder(folder)
        try:
            if not home.database.exists():
                raise JournalError(f"there is no journal in {folder}", "start the gateway once")
            self._connection = connect_readonly(home.database)
            meta = dict(all_rows(self._connection, "SELECT name, value FROM meta"))
            self._node = unsealed("meta", (meta.get("node"), meta.get("node_seal")))[0]
            self._lanes = {row[0] for row in all_rows(self._connection, "SELECT lane FROM lane")}
        except WORLD_ERRORS as error:
            raise storage_error(error) from error

    def close(self) -> None:
        """Release the files."""
        self._connection.close()

    def heads(self, wanted: Wanted) -> "Iterator[Head]":
        """Give what is `wanted` in the order in which it came, a page in memory at a time."""
        stream, seq = wanted
        if stream is not None and stream.node != self._node:
            return
        lane, epoch = (None, None) if stream is None else (stream.lane, stream.epoch)
        last = -1
        while True:
            bindings = (last, lane, lane, epoch, seq, seq, PAGE_ROWS)
            try:
                page = all_rows(self._connection, _HEADS, bindings)
                heads = [self._head(row) for row in page]
            except WORLD_ERRORS as error:
                raise storage_error(error) from error
            yield from heads
            if len(page) < PAGE_ROWS:
                return
            last = page[-1][0]

    def crowded_out(self) -> int:
        """Return how many records of the present streams had to make room for newer ones."""
        sql = "SELECT CAST(total(records) AS INTEGER) FROM dropped WHERE reason = ?"
        try:
            count: int = one_row(self._connection, sql, (CROWDED_OUT,))[0]
        except WORLD_ERRORS as error:
            raise storage_error(error) from error
        return count

    def body(self, head: Head) -> "tuple[bytes, bytes] | None":
        """Return payload and packed properties; None where the record has gone meanwhile."""
        try:
            found = one_row(self._connection, _BODY, (head.id,))
        except WORLD_ERRORS as error:
            raise storage_error(error) from error
        return None if found is None else (found[0] or b"", found[1] or b"")

    def is_fit(self, head: Head) -> bool:
        """Tell whether a record is whole enough to be admitted again."""
        try:
            row = one_row(self._connection, _RECORD, (head.id,))
        except WORLD_ERRORS as error:
            raise storage_error(error) from error
        return row is not None and head.stream.lane in self._lanes and _is_record(row)

    def _head(self, row: "tuple[Any, ...]") -> Head:
        key, lane, epoch, seq, reason, boot, ticks_ms, topic, size, flags = row
        wall_ms = None
        if isinstance(boot, int) and isinstance(ticks_ms, int):
            wall_ms = wall_of(read_boots(self._connection, {boot})[boot], ticks_ms)[0]
        stream = Stream(self._node, _text(epoch), _text(lane))
        return Head(key, stream, seq, _text(reason), boot, ticks_ms, wall_ms, topic, size, flags)


class Settling:
    """Settles records with `reason` while nobody else has the journal."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._left: dict[str, int] | None = None

    def settle(
        self, connection: apsw.Connection, lanes: "dict[str, StoredLane]", ids: "Sequence[int]"
    ) -> "list[Admitted]":
        """Settle the rows `ids` in the caller's transaction; return what was admitted.

        To be retried a row must be fit, see `StoredQuarantine.is_fit`.
        """
        if self._left is None:
            self._left = dict(all_rows(connection, _COUNTS))
        by_lane: dict[str, list[tuple[int, str, int]]] = {}
        for key in ids:
            sql = "SELECT lane, epoch, seq FROM quarantine WHERE id = ?"
            lane, epoch, seq = one_row(connection, sql, (key,))
            by_lane.setdefault(lane, []).append((key, epoch, seq))
        entries = []
        for name, rows in by_lane.items():
            lane_rows = lanes.get(name)
            if self._reason == RETRIED:
                assert lane_rows is not None, "a row without a lane is not fit"
                entries.append(_admit_again(connection, lane_rows, [row[0] for row in rows]))
            keys = [(row[0],) for row in rows]
            connection.executemany("DELETE FROM quarantine WHERE id = ?", keys)
            self._left[name] -= len(rows)
            if lane_rows is not None:
                self._book(lane_rows, len(rows), self._left[name])
                untold = [seq for _, epoch, seq in rows if epoch == lane_rows.epoch]
                self._mark_gaps(connection, lane_rows, untold)
                lane_rows.store(connection)
        return entries

    def _book(self, lane: "StoredLane", count: int, left: int) -> None:
        moved = min(count, max(0, lane.quarantined - left))
        if moved:
            lane.quarantined -= moved
            lane.dropped[self._reason] = lane.dropped.get(self._reason, 0) + moved

    def _mark_gaps(
        self, connection: apsw.Connection, lane: "StoredLane", seqs: "Sequence[int]"
    ) -> None:
        """Give gaps that the receiver has not confirmed, and that keep nothing now, our reason.

        A renewed lane counts by its gaps what it has not told yet.
        """
        marked: set[int] = set()
        highest = lane.key(lane.last)
        for seq in seqs:
            if seq <= lane.through:
                continue
            row = one_row(connection, _GAP + " LIMIT 1", (lane.key(seq), highest))
            if row is None or row[0] in marked:
                continue
            key, first, hash_at, _, kept = unsealed("gap", row)
            marked.add(key)
            numbers = (first - lane.key(0), key - lane.key(0))
            kept_rows = one_row(connection, _LEFT, (lane.lane, lane.epoch, *numbers))
            if first <= lane.key(seq) and kept and kept_rows is None:
                seal = seal_of(key, first, hash_at, self._reason, 0)
                connection.execute(_MARK_GAP, (self._reason, seal, key))


def make_room(
    connection: apsw.Connection, lanes: "dict[str, StoredLane]", limit_bytes: int
) -> None:
    """Let the oldest rows go where the quarantine of a journal of `limit_bytes` is over its bounds.

    In the caller's transaction; the newest row stays, whatever it takes.
    """
    count, size = one_row(connection, _TOTALS)
    rows_over, bytes_over = count - ROWS_MAX, size - limit_bytes // BYTES_SHARE
    if rows_over <= 0 and bytes_over <= 0:
        return
    ids = []
    for key, row_bytes in all_rows(connection, _OLDEST, (min(count - 1, CROWDED_OUT_ROWS_MAX),)):
        if rows_over <= 0 and bytes_over <= 0:
            break
        ids.append(key)
        rows_over -= 1
        bytes_over -= row_bytes
    Settling(CROWDED_OUT).settle(connection, lanes, ids)


def _is_record(row: "tuple[Any, ...]") -> bool:
    """Tell whether columns have the types and ranges of a record's."""
    boot, ticks_ms, topic, payload, flags, properties = row
    try:
        fold(0, Record(*row))
        unpack_properties(properties)
        topic.decode("utf-8")
    except (TypeError, UnicodeDecodeError, struct.error, ProtocolError):
        return False
    fits = boot <= BOOT_MAX and ticks_ms <= TICKS_MS_MAX and flags <= FLAGS_ALL
    return bool(fits and 0 < len(topic) <= TOPIC_BYTES_MAX and len(payload) <= PAYLOAD_BYTES_MAX)


def _admit_again(connection: apsw.Connection, lane: "StoredLane", ids: "Sequence[int]") -> Admitted:
    records = [Record(*one_row(connection, _RECORD, (key,))) for key in ids]
    entry = Admitted(lane.lane, lane.last + 1, fold_all(lane.last_hash, records), records)
    lane.admit(connection, entry)
    return entry


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
