"""Notes in the database: what a source keeps for itself, in the transaction of its messages.

A row is sealed, because SQLite does not notice bit rot.  One that is not what was stored is left
out and counted: what it said is lost, but a start never fails for it (P5).
"""

from binascii import crc32

import apsw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.store.journal import Noted

DAMAGED_MAX = 1000  # Keys of damaged notes that are remembered, so that each is counted once.

_PUT = "REPLACE INTO note VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM note WHERE source = ? AND key = ?"
# CAST: a flipped bit may make a BLOB a TEXT that is no UTF-8; as bytes it only fails its seal.
_FIND = """
SELECT CAST(key AS BLOB), CAST(value AS BLOB), seal FROM note
WHERE source = ? AND key >= ? AND key < ? ORDER BY key
"""


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
