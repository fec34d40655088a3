"""The node's medium and the journal on it, with everything that can go wrong there.

`SimDisk` is the model of `fakes.model_journal` that also tells the oracle what became of each
record.  `SimJournal` is what the engine opens on it: it fails in every way the port names, loses
power, and takes its time to flush while the world goes on.
"""

import copy

from fakes.model_journal import ModelDisk, ModelJournal
from simulation.oracle import Oracle, uid_of
from simulation.world import BrokenPromiseError, World
from tidegate.errors import (
    STORAGE_CORRUPT,
    STORAGE_FULL,
    STORAGE_IO,
    STORAGE_READONLY,
    StorageError,
)
from tidegate.records.span import Span, sequence_numbers
from tidegate.store.journal import Admitted, Dropped, Forgotten, JournalState, Renewed, Usage
from tidegate.wire.batch import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.record import Record
    from tidegate.store.journal import Entry

KINDS = (STORAGE_FULL, STORAGE_IO, STORAGE_READONLY, STORAGE_CORRUPT)
ROOMY_BYTES = 1 << 40


class SimDisk(ModelDisk):
    """A medium whose changes the oracle sees, and that can be copied."""

    def __init__(self, world: World, oracle: Oracle, lanes: list[str], node: str) -> None:
        super().__init__(lanes, node, ROOMY_BYTES)
        self._world = world
        self._oracle = oracle
        self._unsent: set[tuple[str, str, int]] = set()
        self.in_flight: dict[int, tuple[str, str, int, int]] = {}

    def apply(self, entry: "Entry") -> None:
        if isinstance(entry, Admitted):
            self._oracle.admitted([self.uid(record) for record in entry.records])
        elif isinstance(entry, Dropped):
            lane = self.lanes[entry.lane]
            rows = [lane.rows.get(lane.base + seq) for seq in range(entry.first, entry.last + 1)]
            uids = [self.uid(row[1]) for row in rows if row is not None]
            missing = entry.last - entry.first + 1 - len(uids)
            numbers = range(entry.first, entry.last + 1)
            dropped = [(lane.epoch, entry.lane, seq) for seq in numbers]
            self._unsent.update(dropped)
            if entry.kept and entry.first <= lane.through:
                self._world.meet("a delivered record is withdrawn")
            if not entry.kept:
                self._check_not_in_flight(dropped)
            self._oracle.dropped(uids, missing, entry.reason, entry.kept)
        elif isinstance(entry, (Forgotten, Renewed)):
            lane = self.lanes[entry.lane]
            through = lane.through if isinstance(entry, Renewed) else entry.through
            self._oracle.forgotten(
                [self.uid(record) for _, _, record in lane.rows_within(1, through)]
            )
        super().apply(entry)

    def uid(self, record: "Record") -> str:
        """Return what the oracle calls a record."""
        return uid_of(record.payload)

    def image(self) -> "SimDisk":
        """Return a copy, as of the card."""
        other = copy.copy(self)
        other.lanes = {}
        other.capacity_bytes = ROOMY_BYTES
        for name, lane in self.lanes.items():
            twin = other.lanes[name] = copy.copy(lane)
            twin.rows = dict(lane.rows)
            twin.gaps = list(lane.gaps)
            twin.dropped = dict(lane.dropped)
        other.in_flight = {}
        other._unsent = set(self._unsent)
        other.boots = dict(self.boots)
        other.notes = dict(self.notes)
        other.quarantine = list(self.quarantine)
        return other

    def uids(self) -> set[str]:
        """Return what the medium holds at all."""
        rows = [row for lane in self.lanes.values() for row in lane.rows.values()]
        return {self.uid(record) for _, record in rows}

    def held_uids(self) -> set[str]:
        """Return what was not delivered yet, as far as the medium knows."""
        held = set()
        for lane in self.lanes.values():
            for _, _, record in lane.rows_within(lane.through + 1, lane.last):
                held.add(self.uid(record))
        return held

    def _check_not_in_flight(self, dropped: list[tuple[str, str, int]]) -> None:
        """What is on its way may arrive, and then was not dropped (P4)."""
        for epoch, lane, first, last in self.in_flight.values():
            for number in dropped:
                if number[:2] == (epoch, lane) and first <= number[2] <= last:
                    raise BrokenPromiseError(f"P4: {lane} {number[2]} is in flight and is dropped")

    def check_sent(self, batch: Batch) -> None:
        """Check a batch on its way: what is counted as dropped is not in it (P4)."""
        if not self._unsent:
            return
        span = batch.span
        _, epoch, lane = batch.stream
        for seq in sequence_numbers(span.first, span.last, span.gaps):
            if (epoch, lane, seq) in self._unsent:
                raise BrokenPromiseError(f"P4: {lane} {seq} was dropped and is sent")

    def rot(self) -> None:
        """Change one byte of one record."""
        world = self._world
        lane = self.lanes[world.chance.choice(sorted(self.lanes))]
        if not lane.rows:
            return
        row = world.chance.choice(list(lane.rows))
        running, record = lane.rows[row]
        world.meet("a stored record rots")
        self._oracle.damaged(self.uid(record))
        lane.rows[row] = (running, record._replace(payload=record.payload + b"!"))


class SimJournal:
    """The port on a `SimDisk`; `process` is the one that dies at crash points."""

    def __init__(self, world: World, process, disk: SimDisk, storage_rate: float) -> None:
        self._world = world
        self._process = process
        self._journal: ModelJournal = disk.open()
        self._storage_rate = storage_rate
        self._failed = ""

    def recover(self) -> JournalState:
        self._meet("recover")
        state = self._journal.recover()
        self._process.crash_point("recover")
        return state

    def append(self, entries: "list[Entry]") -> None:
        self._meet("append")
        self._journal.append(entries)
        self._process.crash_point("append")

    def sync(self) -> None:
        self._process.flush_slowly()
        try:
            self._meet("sync")
        except StorageError:
            if self._world.happens(0.5):
                # It did its work, and only the success was not reported.
                self._world.meet("a failed sync reaches the medium")
                self._journal.sync()
            raise
        self._journal.sync()
        self._process.crash_point("sync")

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> Span:
        self._meet("read")
        span = self._journal.read(lane, first, count_max, bytes_max)
        self._process.crash_point("read")
        return span

    def hash_at(self, lane: str, seq: int) -> int | None:
        self._meet("locate")
        found = self._journal.hash_at(lane, seq)
        self._process.crash_point("locate")
        return found

    def notes(
        self, source: str, first: bytes, stop: bytes, count_max: int
    ) -> "list[tuple[bytes, bytes]]":
        self._meet("notes")
        return self._journal.notes(source, first, stop, count_max)

    def usage(self) -> Usage:
        self._meet("usage")
        usage = self._journal.usage()
        self._process.crash_point("usage")
        return usage

    def close(self) -> None:
        self._journal.close()

    def lose_power(self) -> None:
        self._journal.crash(self._world.chance.random)

    def _meet(self, method: str) -> None:
        if not self._failed and self._world.happens(self._storage_rate):
            self._failed = self._world.chance.choice(KINDS)
            self._world.meet(f"storage fails: {self._failed}")
            self._world.meet(f"storage fails at {method}")
        if self._failed:
            raise StorageError(self._failed, f"planted at {method}")
