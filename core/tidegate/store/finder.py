"""Finds the records of one lane again: which segment, and where in it.

Records have *places*, numbered through all epochs of the lane.  A reader mostly goes on where it
stopped, so the finder remembers where that was; anything else is a scan of one segment.
"""

from tidegate.errors import ProtocolError
from tidegate.records.record import size_bytes
from tidegate.records.rewind import hash_before
from tidegate.store.entry import ADMITTED, read_entry
from tidegate.store.frame import Damage
from tidegate.store.journal import Admitted
from tidegate.store.summary import SUMMARY, read_summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.records.record import Record
    from tidegate.store.segments import Part, Segments

    Row = tuple[int, int, Record]  # Its place, the running hash behind it, itself.


class Finder:
    """Reads what is synced of one lane; `parts` are its segments in order."""

    def __init__(self, segments: "Segments", parts: "list[Part]") -> None:
        self.parts = parts
        self._segments = segments
        # Behind a row that was read: its part's number, the offset, the base, the next place, and
        # the running hash there.
        self._bookmark = (0, 0, 0, 0, 0)

    def rows(self, place: int) -> "Iterator[Row]":
        """Yield the records from `place` on, in order; what is damaged or gone is left out."""
        index = self._index(place)
        offset = 0
        base: int | None = None
        number, offset_there, base_there, next_place, _ = self._bookmark
        is_near = index < len(self.parts) and self.parts[index].number == number
        if is_near and next_place <= place:
            offset, base = offset_there, base_there
        for part in self.parts[index:]:
            index += 1
            stop = self.parts[index].first if index < len(self.parts) else None
            base = part.base if base is None else base
            for row, row_end, row_base in self._rows_of(part, offset, base):
                if stop is not None and row[0] >= stop:
                    break  # Written again in the next segment: here it was never confirmed.
                if row[0] >= place:
                    yield row
                # Only now: who looked at a row and left begins with it the next time.
                self._bookmark = (part.number, row_end, row_base, row[0] + 1, row[1])
            offset, base = 0, None

    def _index(self, place: int) -> int:
        """Return which part has `place`, if any has: the last that begins at it or before."""
        index = len(self.parts)
        while index > 1 and self.parts[index - 1].first > place:
            index -= 1
        return max(0, index - 1)

    def _rows_of(self, part: "Part", offset: int, base: int) -> "Iterator[tuple[Row, int, int]]":
        """Yield each record with the offset of its end and its base."""
        for found in self._segments.frames(part.number, offset, part.size_bytes):
            if isinstance(found, Damage):
                continue
            try:
                if found.kind == SUMMARY:
                    base = read_summary(found.body).base
                elif found.kind == ADMITTED:
                    entry = read_entry(found)
                    assert isinstance(entry, Admitted)
                    row = (base + entry.first, entry.hashes[0], entry.records[0])
                    yield row, found.end, base
            except ProtocolError:
                pass  # Whole, and of another version: for this one it is as good as gone.

    def hash_at(self, place: int) -> "int | None":
        """Return the running hash behind the record at `place`.

        Where that is damaged the one behind it tells; None where that is not there either.
        """
        if self._bookmark[0] and self._bookmark[3] == place + 1:
            return self._bookmark[4]
        for row in self.rows(place):
            if row[0] == place:
                return row[1]
            return hash_before(row[1], row[2]) if row[0] == place + 1 else None
        return None

    def measure(self, first: int, last: int) -> "Iterator[tuple[int, int]]":
        """Yield place and size of the records at `first..last`."""
        for place, _, record in self.rows(first):
            if place > last:
                break
            yield place, size_bytes(record)
