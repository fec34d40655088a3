"""The quarantine of a segment log: copies of records that a receiver or rot made unfit to send.

Its segments belong to no lane.  Each record stands there as an `Admitted` with its number, followed
by the `Dropped` that says why; a person or a tool reads them with `frame.scan`.  The oldest segment
goes where the bound is met: what is counted as quarantined stays counted.
"""

from tidegate.store.entry import entry_frames
from tidegate.store.journal import Admitted, Dropped
from tidegate.store.segment import Segment, segment_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.records.record import Record
    from tidegate.store.segments import Segments

SEGMENTS_MAX = 4  # Of the size that all segments have: enough to see what happens, and bounded.


class Quarantine:
    """Adds to the quarantine; `listed` are its segments so far, as (number, size)."""

    def __init__(self, segments: "Segments", listed: "list[tuple[int, int]]") -> None:
        self._segments = segments
        self._listed = listed
        self._number = 0  # Of the segment that was begun since the log was opened.
        self._is_dirty = False

    @property
    def stored_bytes(self) -> int:
        """Return what it takes."""
        return sum([size for _, size in self._listed])

    def add(self, entry: Dropped, rows: "Iterator[tuple[int, int, Record]]") -> None:
        """Keep a copy of the records that `entry` takes out."""
        for seq, stored, record in rows:
            self._write(Admitted(entry.lane, seq, [stored], [record]))
            self._write(Dropped(entry.lane, seq, seq, stored, entry.reason, True))

    def sync(self) -> None:
        """Return when all of it is on the medium."""
        if self._is_dirty:
            self._segments.medium.sync(self._number)
            self._is_dirty = False
            while len(self._listed) > SEGMENTS_MAX:
                self._segments.medium.remove(self._listed[0][0])
                self._listed.pop(0)

    def _write(self, entry: "Admitted | Dropped") -> None:
        segments = self._segments
        if not self._number or self._listed[-1][1] >= segments.sizes.segment_bytes:
            # Never behind what an earlier run left, whose end may be torn.
            if self._is_dirty:
                segments.medium.sync(self._number)
            self._number = segments.next_number()
            self._listed.append((self._number, 0))
            self._put(segment_header(Segment(segments.node, self._number, [])))
        for frame in entry_frames(entry, segments.seed(self._number)):
            self._put(frame)

    def _put(self, data: bytes) -> None:
        self._segments.medium.append(self._number, data)
        number, size = self._listed[-1]
        self._listed[-1] = (number, size + len(data))
        self._is_dirty = True
