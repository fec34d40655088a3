"""Notes in the database: what a source keeps for itself, in the transaction of its messages.

A row is sealed, because SQLite does not notice bit rot.  One that is not what was stored is left
out and counted: what it said is lost, but a start never fails for it (P5).
"""

import contextlib
from binascii import crc32

import apsw

from tidegate.store.journal import Noted
from tidegate_linux.journal.errors import WORLD_ERRORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DAMAGED_MAX = 1000  # Keys of damaged notes that are remembered, so that each is counted once.
SALVAGED_MAX = 1000  # Notes in one commit of a salvage,
SALVAGED_BYTES_MAX = 4 * 1024 * 1024  # and their bytes, about, so that memory stays flat.

_PUT = "REPLACE INTO note VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM note WHERE source = ? AND key = ?"
# CAST: a flipped bit may make a BLOB a TEXT that is no UTF-8; as bytes it only fails its seal.
_FIND = """
SELECT CAST(key AS BLOB), CAST(value AS BLOB), seal FROM note
WHERE source = ? AND key >= ? AND key < ? ORDER BY key
"""
_ALL = """
SELECT CAST(source AS BLOB), CAST(key AS BLOB), CAST(value AS BLOB), seal FROM note
"""
_UP, _DOWN = " ORDER BY source, key", " ORDER BY source DESC, key DESC"


class Notes:
    """The notes of one journal, and the count of those that were found damaged."""

    def __init__(self) -> None:
        self._damaged: set[tuple[str, bytes | None]] = set()

    @property
    def damaged(self) -> int:
        """Return how many notes were found damaged since the journal was opened."""
        return len(self._damaged)

    def find(
        self, connection: apsw.Connection, source: str, first: bytes, stop: bytes, count_max: int
    ) -> "list[tuple[bytes, bytes]]":
        """Return up to `count_max` notes with `first` <= key < `stop`, by key."""
        pairs: list[tuple[bytes, bytes]] = []
        if count_max < 1:
            return pairs
        source_crc = crc32(source.encode())
        rows: Any = connection.execute(_FIND, (source, first, stop))
        for key, value, seal in rows:
            if not is_whole(source_crc, key, value, seal):
                if len(self._damaged) < DAMAGED_MAX:
                    self._damaged.add((source, key))
                continue
            pairs.append((key, value))
            if len(pairs) == count_max:
                rows.close()
                break
        return pairs


class NoteWreck:
    """The notes of a damaged database, as far as they can be read; `lost` counts unsound rows."""

    def __init__(self, connection: "apsw.Connection | None") -> None:
        self.lost = 0
        self._connection = connection
        self._is_all_read = False

    def entries(self) -> "Iterator[Noted]":
        """Give whole notes: by key up to what cannot be read, then from the other end."""
        waiting: list[tuple[bytes, bytes | None]] = []
        of = ""
        size = 0
        for source, key, value in self._whole_rows():
            if waiting and (
                source != of or len(waiting) >= SALVAGED_MAX or size >= SALVAGED_BYTES_MAX
            ):
                yield Noted(of, waiting)
                waiting, size = [], 0
            of = source
            waiting.append((key, value))
            size += len(key) + len(value)
        if waiting:
            yield Noted(of, waiting)

    def _whole_rows(self) -> "Iterator[tuple[str, bytes, bytes]]":
        highest: tuple[bytes, bytes] | None = None
        for row in self._rows(_ALL + _UP):
            place = (row[0], row[1])
            # A damaged tree may lead anywhere, even back to where it came from.
            if highest is not None and place <= highest:
                break
            highest = place
            yield row[0].decode(), row[1], row[2]
        else:
            if self._is_all_read:
                return
        lowest: tuple[bytes, bytes] | None = None
        for row in self._rows(_ALL + _DOWN):
            place = (row[0], row[1])
            if (lowest is not None and place >= lowest) or (highest and place <= highest):
                break
            lowest = place
            yield row[0].decode(), row[1], row[2]

    def _rows(self, sql: str) -> "Iterator[tuple[bytes, bytes, bytes]]":
        """Give whole rows until one cannot be read; `_is_all_read` tells whether that happened."""
        self._is_all_read = False
        unsound = 0
        with contextlib.suppress(*WORLD_ERRORS):
            if self._connection is None:
                return
            rows: Any = self._connection.execute(sql)
            for source, key, value, seal in rows:
                if isinstance(source, bytes) and is_whole(crc32(source), key, value, seal):
                    yield source, key, value
                    continue
                unsound += 1
                self.lost += 1
                if unsound >= DAMAGED_MAX:
                    return
            self._is_all_read = True


def store_notes(connection: apsw.Connection, entries: "list[Noted]") -> None:
    """Write what `entries` say last of each key; the caller has opened a transaction."""
    by_source: dict[str, dict[bytes, bytes | None]] = {}
    for source, notes in entries:
        by_source.setdefault(source, {}).update(notes)
    for source, latest in by_source.items():
        source_crc = crc32(source.encode())
        puts = []
        deletes = []
        for key, value in latest.items():
            if value is None:
                deletes.append((source, key))
            else:
                puts.append((source, key, value, _seal(source_crc, key, value)))
        connection.executemany(_PUT, puts)
        connection.executemany(_DELETE, deletes)


def is_whole(source_crc: int, key: object, value: object, seal: object) -> bool:
    """Tell whether a row is what was stored, given the CRC-32 of its source's name."""
    if not isinstance(key, bytes) or not isinstance(value, bytes):
        return False
    return seal == _seal(source_crc, key, value)


def _seal(source_crc: int, key: bytes, value: bytes) -> int:
    # The key's length as well: rot could move the boundary between the two.
    return crc32(value, crc32(key, source_crc ^ len(key)))
