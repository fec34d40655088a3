"""The gateway's medium in this simulation: the model journal, with its faults and an oracle."""

from fakes.model_journal import ModelDisk, ModelJournal
from tidegate.errors import (
    STORAGE_CORRUPT,
    STORAGE_FULL,
    STORAGE_IO,
    STORAGE_READONLY,
    StorageError,
)
from tidegate.gateway import LISTEN
from tidegate.store.journal import Admitted, Dropped, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulation.endpoint.oracle import Oracle
    from simulation.world import World
    from tidegate.records.span import Span
    from tidegate.store.journal import Entry, JournalState

KINDS = (STORAGE_FULL, STORAGE_IO, STORAGE_READONLY, STORAGE_CORRUPT)


class Disk(ModelDisk):
    """A medium whose changes the oracle sees; what is on it outlives every crash.

    There is no hub in this simulation: `drained_bytes` is what one would have taken off by now.
    """

    def __init__(self, oracle: "Oracle") -> None:
        super().__init__(["main"])
        self.drained_bytes = 0
        self._oracle = oracle

    def apply(self, entry: "Entry") -> None:
        if isinstance(entry, Admitted):
            self._oracle.admitted([record.payload for record in entry.records])
        elif isinstance(entry, Dropped):
            lane = self.lanes[entry.lane]
            rows = [lane.rows.get(lane.base + seq) for seq in range(entry.first, entry.last + 1)]
            self._oracle.dropped([row[1].payload for row in rows if row is not None])
        super().apply(entry)

    def note(self, key: bytes) -> bytes | None:
        """Return a note as a crash now would leave it."""
        return self.notes.get((LISTEN, key))

    def noted(self, first: bytes) -> list[tuple[bytes, bytes]]:
        """Return all notes whose key begins with `first`, in their order."""
        return sorted(
            (key, value) for (_, key), value in self.notes.items() if key[: len(first)] == first
        )


class Journal:
    """The port on a `Disk`; `process` is the one that dies at crash points."""

    def __init__(self, world: "World", process, disk: Disk, storage_rate: float) -> None:
        self._world = world
        self._process = process
        self._disk = disk
        self._journal: ModelJournal = disk.open()
        self._storage_rate = storage_rate
        self._failed = ""

    def recover(self) -> "JournalState":
        self._meet("recover")
        state = self._journal.recover()
        self._process.crash_point("recover")
        return state

    def append(self, entries: "list[Entry]") -> None:
        self._meet("append")
        for entry in entries:
            if isinstance(entry, Dropped) and entry.hash_at is not None:
                self._process.refuse_arrivals()
        self._journal.append(entries)
        self._process.crash_point("append")

    def sync(self) -> None:
        self._process.flush_slowly()
        try:
            self._meet("sync")
        except StorageError:
            if self._world.happens(0.5):
                self._world.meet("a failed sync reaches the medium")
                self._journal.sync()
            raise
        self._journal.sync()
        self._process.crash_point("sync")

    def notes(
        self, source: str, first: bytes, stop: bytes, count_max: int
    ) -> "list[tuple[bytes, bytes]]":
        self._meet("notes")
        found = self._journal.notes(source, first, stop, count_max)
        self._process.crash_point("notes")
        return found

    def usage(self) -> Usage:
        self._meet("usage")
        usage = self._journal.usage()
        self._process.crash_point("usage")
        return usage._replace(stored_bytes=max(0, usage.stored_bytes - self._disk.drained_bytes))

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> "Span":
        return self._journal.read(lane, first, count_max, bytes_max)

    def hash_at(self, lane: str, seq: int) -> int | None:
        return self._journal.hash_at(lane, seq)

    def close(self) -> None:
        self._journal.close()

    def lose_power(self) -> None:
        self._journal.crash(self._world.chance.random)

    def _meet(self, method: str) -> None:
        if not self._failed and self._world.happens(self._storage_rate):
            self._failed = self._world.chance.choice(KINDS)
            self._world.meet(f"storage fails at {method}")
            self._world.note(f"storage fails at {method}: {self._failed}")
        if self._failed:
            raise StorageError(self._failed, f"planted at {method}")
