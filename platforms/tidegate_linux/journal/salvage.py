"""Read what can be read out of a damaged database, as entries for a new one (P5).

What is carried over:

- the node's identity, the boots, the day's budget, the quarantine and the notes of sources, as far
  as they can be read;
- every held record that the running hash proves, in order;
- a record that cannot be proved, because its bytes or those before it are damaged: it goes to the
  quarantine of the new journal, where a person finds it;
- in the place of one that is gone, its number, as a gap "damaged"; gaps stay what they were.

The lanes begin new epochs: what the old numbers meant to the receiver can no longer be vouched for.
Where a lane's figures cannot be read, all its records count as held: twice is better than never.
"""

import contextlib
import struct
from collections import namedtuple

import apsw

from tidegate.records.clock import Boot
from tidegate.records.record import Record, fold, fold_all
from tidegate.store.journal import DAMAGED, Admitted, Booted, Dropped, Spent
from tidegate_linux.journal.errors import WORLD_ERRORS
from tidegate_linux.journal.note_rows import NoteWreck
from tidegate_linux.journal.reading import LANE_COLUMNS
from tidegate_linux.journal.schema import LANE_SHIFT, ROW_MASK
from tidegate_linux.journal.sql import all_rows, one_row, seal_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tidegate.store.journal import Entry

ENTRIES_MAX = 200  # In one commit of the new journal,
RECORDS_MAX = 1000  # and records in one entry, so that memory stays flat.
QUARANTINED = "quarantined: damaged"
_NOT_KNOWN = -1

_ROWS = """
SELECT record.id, record.hash, record.boot, record.ticks_ms, CAST(topic.topic AS BLOB),
       CAST(record.payload AS BLOB), record.flags, CAST(record.properties AS BLOB)
FROM record LEFT JOIN topic ON topic.id = record.topic
WHERE record.id BETWEEN ? AND ? ORDER BY record.id
"""
_GAPS = """
SELECT id, first, hash, reason, kept, seal FROM gap WHERE id BETWEEN ? AND ? ORDER BY id
"""
_LANES = f"SELECT {', '.join(LANE_COLUMNS)}, seal FROM lane"  # noqa: S608 - our own names.
_QUARANTINE = """
SELECT lane, epoch, seq, reason, hash, boot, ticks_ms, topic, flags, payload, properties
FROM quarantine
"""


class _Lane(namedtuple("_Lane", ("number", "lane", "base", "last", "through", "hash_at_through"))):
    __slots__ = ()
    number: int
    lane: str
    base: int
    last: int
    through: int
    hash_at_through: "int | None"


class Wreck:
    """A damaged database; every method gives what it can."""

    def __init__(self, database: "Path", lane_names: "list[str]") -> None:
        self._connection: apsw.Connection | None = None
        with contextlib.suppress(*WORLD_ERRORS):
            self._connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
            # Lets SQLite open a file that is shorter than its header says; nothing is written.
            self._connection.pragma("writable_schema", True)
        meta = dict(self._rows("SELECT name, value FROM meta"))
        self.node = meta["node"] if meta.get("node_seal") == seal_of(meta.get("node")) else ""
        self._spent = (meta.get("spent_day", 0), meta.get("spent_bytes", 0))
        self._lanes = self._find_lanes(lane_names)
        self.lane_names = [lane.lane for lane in self._lanes]
        self._notes = NoteWreck(self._connection)
        self.records = 0
        self.lost = 0

    @property
    def notes_lost(self) -> int:
        """Return how many notes were found damaged."""
        return self._notes.lost

    def close(self) -> None:
        """Release the files."""
        with contextlib.suppress(*WORLD_ERRORS):
            if self._connection is not None:
                self._connection.close()

    def entries(self) -> "Iterator[list[Entry]]":
        """Give all that is carried over, in pieces that fit one commit."""
        first: list[Entry] = []
        for *boot, seal in self._rows("SELECT * FROM boot"):
            if seal == seal_of(*boot):
                first.append(Booted(Boot(*boot)))
        if _all_of(int, *self._spent):
            first.append(Spent(*self._spent))
        yield first
        for lane in self._lanes:
            rebuilt = _Rebuilt(lane.lane)
            yield from self._lane_entries(lane, rebuilt)
            self.records += rebuilt.records
            self.lost += rebuilt.lost
        for noted in self._notes.entries():
            yield [noted]

    def quarantine(self) -> "list[Any]":
        """Return the rows of the quarantine."""
        return self._rows(_QUARANTINE)

    def _rows(self, sql: str, bindings: "tuple[int, ...]" = ()) -> "list[Any]":
        """Return the rows of a small table up to the first that cannot be read."""
        rows: list[Any] = []
        with contextlib.suppress(*WORLD_ERRORS):
            if self._connection is not None:
                for row in self._connection.execute(sql, bindings):
                    rows.append(row)
        return rows

    def _find_lanes(self, names: "list[str]") -> "list[_Lane]":
        lanes = []
        counts = self._rows("SELECT lane, reason, records FROM dropped")
        for *figures, seal in self._rows(_LANES):
            dropped = [(reason, count) for lane, reason, count in counts if lane == figures[0]]
            if seal == seal_of(figures, sorted(dropped, key=repr)):
                number, lane, _, base, last, _, through, forgotten, forgotten_hash = figures[:9]
                known = forgotten_hash if forgotten == through else None
                lanes.append(_Lane(number, lane, base, last, through, known))
        found = {lane.number for lane in lanes} | {lane.lane for lane in lanes}
        for number, lane in enumerate(names, 1):
            if number not in found and lane not in found:
                # Its figures are gone: its rows tell where it begins and ends.
                lanes.append(_Lane(number, lane, 0, 0, _NOT_KNOWN, None))
        return lanes

    def _lane_entries(self, lane: _Lane, rebuilt: "_Rebuilt") -> "Iterator[list[Entry]]":
        low = lane.number << LANE_SHIFT
        found = self._rows(_GAPS, (low, low | ROW_MASK))
        gaps = [gap for *gap, seal in found if seal == seal_of(*gap)]
        expected = low + lane.base + lane.through + 1
        running = lane.hash_at_through
        if lane.through == _NOT_KNOWN:
            expected = self._next(low, low | ROW_MASK) or low + 1
        elif running is None:
            running = self._hash_at(expected - 1, gaps)
        for key, stored, *fields in self._record_rows(expected, low | ROW_MASK):
            if key > expected:
                running = _fill(rebuilt, expected, key - 1, gaps)
            record = Record(*fields)
            if not _hashable(record):
                rebuilt.gap(1, DAMAGED, False)
            elif running is not None and fold(running, record) == stored:
                rebuilt.admit(record)
            else:
                rebuilt.admit_and_set_aside(record)
            running = stored if isinstance(stored, int) else None
            expected = key + 1
            if rebuilt.is_large:
                yield rebuilt.take()
        last = low + lane.base + lane.last
        if lane.through != _NOT_KNOWN and expected <= last:
            _fill(rebuilt, expected, last, gaps)
        yield rebuilt.take()

    def _hash_at(self, key: int, gaps: "list[Any]") -> "int | None":
        for gap_key, _, gap_hash, _, _ in gaps:
            if gap_key == key:
                known: int = gap_hash
                return known
        with contextlib.suppress(*WORLD_ERRORS):
            assert self._connection is not None
            found = one_row(self._connection, "SELECT hash FROM record WHERE id = ?", (key,))
            return found[0] if found is not None and isinstance(found[0], int) else None
        return None

    def _record_rows(self, first: int, last: int) -> "Iterator[Any]":
        """Give the rows from `first` to `last` in order, leaping over what cannot be read.

        Leaps double until a row can be read again, so that this ends however damaged the tree is.
        """
        connection = self._connection
        if connection is None:
            return
        at, leap = first, 1
        while at <= last:
            with contextlib.suppress(*WORLD_ERRORS):
                for row in connection.execute(_ROWS, (at, last)):
                    # A damaged tree may lead anywhere, even back to where it came from.
                    if not isinstance(row[0], int) or not at <= row[0] <= last:
                        break
                    at, leap = row[0] + 1, 1
                    yield row
                else:
                    return
            at, leap = self._nearest(at, at + leap, last), leap * 2

    def _nearest(self, bad: int, good: int, last: int) -> int:
        """Return the lowest key in `bad+1..good` from which a row can be read; `good` if none."""
        if self._next(good, last) is None:
            return good
        while bad + 1 < good:
            middle = (bad + good) // 2
            if self._next(middle, last) is None:
                bad = middle
            else:
                good = middle
        return good

    def _next(self, first: int, last: int) -> "int | None":
        """Return the key of the first row from `first` on that can be read as a whole."""
        with contextlib.suppress(*WORLD_ERRORS):
            if self._connection is not None:
                rows = all_rows(self._connection, _ROWS + " LIMIT 1", (first, last))
                return rows[0][0] if rows and rows[0][0] >= first else None
        return None


class _Rebuilt:
    """A lane of the new journal while it is being filled: numbers from 1, hashes from 0."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._last = 0
        self._hash = 0
        self._waiting: list[Record] = []
        self._entries: list[Entry] = []
        self.records = 0
        self.lost = 0

    @property
    def is_large(self) -> bool:
        return len(self._entries) >= ENTRIES_MAX or len(self._waiting) >= RECORDS_MAX

    def admit(self, record: Record) -> None:
        self._waiting.append(record)
        self.records += 1

    def admit_and_set_aside(self, record: Record) -> None:
        self._waiting.append(record)
        self._flush()
        self._entries.append(Dropped(self._lane, self._last, self._last, None, QUARANTINED, True))
        self.lost += 1

    def gap(self, count: int, reason: str, kept: bool) -> None:
        self._flush()
        first = self._last + 1
        self._last += count
        self._entries.append(Dropped(self._lane, first, self._last, self._hash, reason, kept))
        self.lost += count if reason == DAMAGED else 0

    def take(self) -> "list[Entry]":
        self._flush()
        entries, self._entries = self._entries, []
        return entries

    def _flush(self) -> None:
        if self._waiting:
            hashes = fold_all(self._hash, self._waiting)
            self._entries.append(Admitted(self._lane, self._last + 1, hashes, self._waiting))
            self._last += len(self._waiting)
            self._hash = hashes[-1]
            self._waiting = []


def _fill(rebuilt: _Rebuilt, first: int, last: int, gaps: "list[Any]") -> "int | None":
    """Fill keys without rows: with the gaps that are known there, or as damaged.

    Returns the running hash at `last` where a gap tells it.
    """
    at = first
    running = None
    for key, gap_first, gap_hash, reason, kept in gaps:
        if key < at:
            continue
        if gap_first > last or key > last:
            break
        if gap_first > at:
            rebuilt.gap(gap_first - at, DAMAGED, False)
        rebuilt.gap(key - max(at, gap_first) + 1, reason, bool(kept))
        running = gap_hash if key == last else None
        at = key + 1
    if at <= last:
        rebuilt.gap(last - at + 1, DAMAGED, False)
        running = None
    return running


def _hashable(record: Record) -> bool:
    """Tell whether the columns at least have the types and ranges of a record's."""
    try:
        fold(0, record)
    except (TypeError, struct.error):
        return False
    return record.ticks_ms < 1 << 63


def _all_of(kind: type, *values: object) -> bool:
    return all(isinstance(value, kind) for value in values)
