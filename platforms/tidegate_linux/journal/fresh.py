"""The records that were synced last, still in memory: who sends them at once need not read them.

Reading a record back and verifying it costs more than storing it did.  While the line keeps up with
what comes in, all that is sent was admitted a moment ago, and is here.

Promises that a span from here is the one that `reading` would make of the same rows, or none.  So
nothing is kept of a lane in which anything was dropped, forgotten or renewed since: its numbers and
gaps are looked up where they stand.

Memory: `bytes_max` for all lanes together.  What finds no room is not kept, and nothing more of its
lane until the kept ones were released: in a backlog the reader is far behind what comes in, and to
keep the newest instead would cost work at every commit and be of use to nobody.
"""

from collections import deque

from tidegate.limits import BATCH_BOOTS_MAX
from tidegate.records.record import fold, size_bytes, sizes_bytes
from tidegate.records.span import Span
from tidegate.store.journal import Admitted, Released

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.records.clock import Boot
    from tidegate.records.record import Record
    from tidegate.store.journal import Dropped, Forgotten, Renewed

BYTES_MAX = 4 * 1024 * 1024  # The batch in flight and the next one, of short messages.
OBJECT_BYTES = 260  # What the objects of one record take in CPython besides its own bytes, about.


class Fresh:
    """The last synced records of every lane, as far as they fit."""

    def __init__(self, bytes_max: int) -> None:
        self._room_bytes = bytes_max
        self._lanes: dict[str, _Lane] = {}

    def take(self, entry: "Admitted | Released | Dropped | Forgotten | Renewed") -> None:
        """Take note of what was synced."""
        lane = self._lanes.get(entry.lane)
        if lane is None:
            lane = self._lanes[entry.lane] = _Lane()
        if isinstance(entry, Admitted):
            self._keep(lane, entry)
        elif isinstance(entry, Released):
            while lane.runs and lane.runs[0].last <= entry.through:
                self._room_bytes += lane.runs.popleft().bytes
        else:
            self._room_bytes += sum(run.bytes for run in lane.runs)
            lane.runs.clear()
        if not lane.runs:
            lane.is_full = False

    def find(
        self,
        lane: str,
        first: int,
        last: int,
        bytes_max: int,
        hash_before: "Callable[[], int]",
        boots: "Callable[[set[int]], dict[int, Boot]]",
    ) -> "Span | None":
        """Return the span `first..last`, cut off by `bytes_max`; None where not all of it is here.

        `hash_before()` is the stored hash in front of it, `boots` gives those of some numbers.
        """
        runs = self._lanes[lane].runs if lane in self._lanes else ()
        if not runs or not runs[0].first <= first <= last <= runs[-1].last:
            return None
        records: list[Record] = []
        hashes: list[int] = []
        numbers: set[int] = set()
        for run in runs:
            if run.first <= last and first <= run.last:
                part = slice(max(0, first - run.first), last - run.first + 1)
                records += run.records[part]
                hashes += run.hashes[part]
                numbers |= run.boots
        before = hash_before()
        if fold(before, records[0]) != hashes[0]:
            return None
        count = _count_within(records, bytes_max)
        del records[count:], hashes[count:]
        if len(numbers) > 1:
            numbers = {record.boot for record in records}
        if len(numbers) > BATCH_BOOTS_MAX:
            return None
        known = boots(numbers)
        named = [known[number] for number in sorted(numbers)]
        return Span(first, first + count - 1, before, records, hashes, [], named, 0)

    def _keep(self, lane: "_Lane", entry: Admitted) -> None:
        if lane.is_full or not entry.records:
            return
        run = _Run(entry)
        if run.bytes > self._room_bytes:
            lane.is_full = True
            return
        self._room_bytes -= run.bytes
        lane.runs.append(run)


class _Lane:
    """What is kept of one lane: runs that join up; `is_full` says that later ones were left out."""

    def __init__(self) -> None:
        self.runs: deque[_Run] = deque()
        self.is_full = False


class _Run:
    """The records of one entry."""

    __slots__ = ("boots", "bytes", "first", "hashes", "last", "records")

    def __init__(self, entry: Admitted) -> None:
        self.first = entry.first
        self.last = entry.first + len(entry.records) - 1
        self.records = entry.records
        self.hashes = entry.hashes
        self.bytes = sizes_bytes(entry.records) + OBJECT_BYTES * len(entry.records)
        self.boots = {record.boot for record in entry.records}


def _count_within(records: "list[Record]", bytes_max: int) -> int:
    """Return how many of `records` fit, at least one."""
    if sizes_bytes(records) <= bytes_max:
        return len(records)
    total_bytes = 0
    for count, record in enumerate(records):
        total_bytes += size_bytes(record)
        if total_bytes > bytes_max:
            return max(1, count)
    return len(records)
