"""A journal in memory that forgets at a crash what was not synced.

`ModelDisk` is the medium: it outlives its journals.  `ModelJournal` is what a program opens on it.
Nothing reaches the disk before `sync`, so a crash is nearly nothing: throw the journal away.  It
says in the plainest way what the port of `tidegate.store.journal` means; the SQLite journal is
compared with it state for state, and the simulation runs on it, so it is also fast.

Chance comes in from outside as a function that returns a number in [0, 1).
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.errors import STORAGE_FULL, STORAGE_IO, StorageError
from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX
from tidegate.records.clock import Boot, forgotten_boot
from tidegate.records.record import Record, size_bytes
from tidegate.records.span import Gap, Span, assemble
from tidegate.store.journal import (
    EXPIRED,
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    JournalState,
    LaneState,
    Noted,
    Released,
    Renewed,
    Spent,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.store.journal import Entry

SURVIVES_UNSYNCED = 0.25  # How often a crash finds a sync done that nobody was told of.


class ModelDisk:
    """What is on the medium: the state after the last sync."""

    def __init__(
        self,
        lanes: list[str],
        node: str = "00c0ffee00c0ffee",
        capacity_bytes: int = 1 << 60,
        recent_max: int = 4096,
    ) -> None:
        self.node = node
        self.capacity_bytes = capacity_bytes
        self.recent_max = recent_max
        self.lanes: dict[str, _Lane] = {}
        for number, lane in enumerate(lanes):
            self.lanes[lane] = _Lane(f"{number + 1:016x}")
        self.boots: dict[int, Boot] = {}
        self.spent = Spent(0, 0)
        self.notes: dict[tuple[str, bytes], bytes] = {}
        self.quarantine: list[tuple[str, str, int, Record, str]] = []
        self.stored_bytes = 0

    def open(self) -> ModelJournal:
        """Return a journal on this disk; the one before it must no longer be used."""
        for lane in self.lanes.values():
            lane.told = lane.last
        return ModelJournal(self)

    def apply(self, entry: Entry) -> None:
        """Carry out one entry; raises `ValueError` where it contradicts what is there."""
        if isinstance(entry, Booted):
            self.boots[entry.boot.number] = entry.boot
        elif isinstance(entry, Spent):
            self.spent = entry
        elif isinstance(entry, Noted):
            self._note(entry)
        elif isinstance(entry, Admitted):
            self.stored_bytes += self.lanes[entry.lane].admit(entry)
        elif isinstance(entry, Released):
            self.lanes[entry.lane].release(entry)
        elif isinstance(entry, Forgotten):
            self.stored_bytes -= self.lanes[entry.lane].forget(entry.through)
        elif isinstance(entry, Renewed):
            self.stored_bytes -= self.lanes[entry.lane].renew(entry.epoch)
        elif isinstance(entry, Dropped):
            self._drop(entry)
        else:
            raise ValueError(f"{entry!r} is no entry")

    def recent(self) -> list[tuple[bytes, bytes]]:
        """Return topic and properties of the last records that are still kept, oldest first."""
        kept = []
        for lane in self.lanes.values():
            newest = list(islice(reversed(lane.rows.values()), self.recent_max))
            kept.extend([record for _, record in reversed(newest)])
        kept.sort(key=lambda record: (record.boot, record.ticks_ms))
        return [(record.topic, record.properties) for record in kept[-self.recent_max :]]

    def _note(self, entry: Noted) -> None:
        for key, value in entry.notes:
            before = self.notes.pop((entry.source, key), None)
            if before is not None:
                self.stored_bytes -= len(key) + len(before)
            if value is not None:
                self.notes[entry.source, key] = value
                self.stored_bytes += len(key) + len(value)

    def _drop(self, entry: Dropped) -> None:
        lane = self.lanes[entry.lane]
        for seq, record in lane.drop(entry):
            if entry.kept:
                self.quarantine.append((entry.lane, lane.epoch, seq, record, entry.reason))
            else:
                self.stored_bytes -= size_bytes(record)


class ModelJournal:
    """The port on a `ModelDisk`."""

    def __init__(self, disk: ModelDisk) -> None:
        self.disk = disk
        self._pending: list[Entry] = []
        self._failed = ""

    def recover(self) -> JournalState:
        disk = self.disk
        lanes = [lane.state(name) for name, lane in disk.lanes.items()]
        boots = [disk.boots[number] for number in sorted(disk.boots)]
        return JournalState(disk.node, lanes, boots, disk.spent, disk.recent())

    def append(self, entries: list[Entry]) -> None:
        self._check_alive()
        self._pending.extend(entries)

    def sync(self) -> None:
        self._check_alive()
        if self.disk.stored_bytes + _grows_by(self._pending) > self.disk.capacity_bytes:
            self._failed = STORAGE_FULL
            self._check_alive()
        self._settle()

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> Span:
        self._check_alive()
        return self.disk.lanes[lane].read(first, count_max, bytes_max, self.disk.boots)

    def hash_at(self, lane: str, seq: int) -> int | None:
        self._check_alive()
        return self.disk.lanes[lane].hash_at(seq)

    def notes(
        self, source: str, first: bytes, stop: bytes, count_max: int
    ) -> list[tuple[bytes, bytes]]:
        self._check_alive()
        kept = self.disk.notes.items()
        found = [(key, value) for (of, key), value in kept if of == source and first <= key < stop]
        return sorted(found)[:count_max]

    def usage(self) -> Usage:
        self._check_alive()
        disk = self.disk
        return Usage(disk.stored_bytes, max(0, disk.capacity_bytes - disk.stored_bytes))

    def close(self) -> None:
        self._pending = []
        self._failed = self._failed or STORAGE_IO

    def crash(self, chance: Callable[[], float]) -> None:
        """Lose power: what was appended and not synced is lost, or sometimes is there after all.

        The second is what a power cut looks like between the flush and its report.
        """
        if self._pending and not self._failed and chance() < SURVIVES_UNSYNCED:
            self._settle()
        self.close()

    def _settle(self) -> None:
        pending, self._pending = self._pending, []
        for entry in pending:
            self.disk.apply(entry)

    def _check_alive(self) -> None:
        if self._failed:
            raise StorageError(self._failed, "the journal is closed or has failed before")


class _Lane:
    """One lane on the medium.  Rows are numbered for ever; `base` is the row before seq 1."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.base = 0
        self.last = 0
        self.last_hash = 0
        self.through = 0
        self.forgotten = 0
        self.forgotten_hash = 0
        self.delivered = 0
        self.rows: dict[int, tuple[int, Record]] = {}
        self.gaps: list[tuple[int, int, int, str, bool]] = []  # By row, sorted, never overlapping.
        self.quarantined = 0
        self.dropped: dict[str, int] = {}
        self.held_records = 0
        self.held_bytes = 0
        self.told = 0  # A receiver can stand here: the last number that a read ended with.

    def state(self, name: str) -> LaneState:
        gaps = [gap for gap in self._gaps_from(self.through + 1) if gap.last > self.through]
        return LaneState(
            name, self.epoch, self.last, self.last_hash, self.through, self.forgotten,
            self.delivered, self.quarantined, dict(self.dropped), gaps,
            self.held_records, self.held_bytes,
        )  # fmt: skip

    def admit(self, entry: Admitted) -> int:
        if entry.first != self.last + 1 or len(entry.hashes) != len(entry.records):
            raise ValueError(f"records admitted at {entry.first}, not at {self.last + 1}")
        if not entry.records:
            return 0
        row = self.base + entry.first
        total_bytes = 0
        for number, pair in enumerate(zip(entry.hashes, entry.records, strict=True), row):
            self.rows[number] = pair
            total_bytes += size_bytes(pair[1])
        self.last += len(entry.records)
        self.last_hash = entry.hashes[-1]
        self.held_records += len(entry.records)
        self.held_bytes += total_bytes
        return total_bytes

    def release(self, entry: Released) -> None:
        if not self.through <= entry.through <= self.last:
            raise ValueError(f"released {entry.through} of {self.through}..{self.last}")
        for _, _, record in self.rows_within(self.through + 1, entry.through):
            self.held_records -= 1
            self.held_bytes -= size_bytes(record)
        self.through = entry.through
        self.delivered += entry.delivered

    def drop(self, entry: Dropped) -> list[tuple[int, Record]]:
        first, last = entry.first, entry.last
        within = self.forgotten < first <= last <= self.last
        behind = first == self.last + 1 and first <= last and entry.hash_at is not None
        if not (within or behind):
            raise ValueError(f"dropped {first}..{last} of {self.forgotten}..{self.last}")
        at = self._gap_at_or_behind(self.base + first)
        if at < len(self.gaps) and self.gaps[at][0] <= self.base + last:
            raise ValueError(f"dropped {first}..{last} overlaps a gap")
        hash_at = self.hash_at(last) if entry.hash_at is None else entry.hash_at
        taken = [(seq, record) for seq, _, record in self.rows_within(first, last)]
        for seq, record in taken:
            del self.rows[self.base + seq]
            if seq > self.through:
                self.held_records -= 1
                self.held_bytes -= size_bytes(record)
        if behind:
            self.last, self.last_hash = last, hash_at or 0
        self._add_gap(first, last, hash_at or 0, entry.reason, entry.kept)
        counted = last - max(first, self.through + 1) + 1
        if counted > 0 and entry.kept:
            self.quarantined += counted
        elif counted > 0:
            self.dropped[entry.reason] = self.dropped.get(entry.reason, 0) + counted
        return taken

    def forget(self, through: int) -> int:
        if through > self.through:
            raise ValueError(f"forgotten {through} was not released yet: {self.through}")
        if through <= self.forgotten:
            return 0
        self.forgotten_hash = self.hash_at(through) or 0
        freed_bytes = 0
        for seq, _, record in list(self.rows_within(self.forgotten + 1, through)):
            freed_bytes += size_bytes(record)
            del self.rows[self.base + seq]
        self.gaps = [gap for gap in self.gaps if gap[1] > self.base + through]
        self.forgotten = through
        return freed_bytes

    def renew(self, epoch: str) -> int:
        freed_bytes = self.forget(self.through)
        self.epoch = epoch
        self.base += self.through
        self.last -= self.through
        self.told = self.last
        self.through = self.forgotten = self.delivered = self.quarantined = 0
        self.dropped = {}
        for first, last, _, reason, kept in self.gaps:
            count = last - max(first, self.base + 1) + 1
            if kept:
                self.quarantined += count
            else:
                self.dropped[reason] = self.dropped.get(reason, 0) + count
        return freed_bytes

    def hash_at(self, seq: int) -> int | None:
        row = self.base + seq
        at = self._gap_at_or_behind(row)
        if at < len(self.gaps) and self.gaps[at][0] <= row:
            return self.gaps[at][2] if self.gaps[at][1] == row else None
        if seq == self.forgotten:
            return self.forgotten_hash
        found = self.rows.get(row)
        return None if found is None or not self.forgotten < seq <= self.last else found[0]

    def read(self, first: int, count_max: int, bytes_max: int, boots: dict[int, Boot]) -> Span:
        if not 1 <= first <= self.last + 1:
            raise ValueError(f"read from {first}, but the lane ends at {self.last}")
        gaps = self._gaps_from(first)
        if first <= self.forgotten:
            expired = Gap(first, self.forgotten, self.forgotten_hash, EXPIRED)
            if gaps and gaps[0].first <= self.forgotten:
                # What was forgotten ends inside a gap, where no hash is known: both are one.
                expired = Gap(first, gaps[0].last, gaps[0].hash_at, EXPIRED)
                gaps = gaps[1:]
            gaps = [expired, *gaps]
        last = self.last
        if len(gaps) > BATCH_GAPS_MAX:
            last = gaps[BATCH_GAPS_MAX].first - 1
            gaps = gaps[:BATCH_GAPS_MAX]
        opens_with_gap = bool(gaps) and gaps[0].first <= first
        hash_before = 0 if opens_with_gap else self.hash_at(first - 1) or 0
        known: dict[int, Boot] = {}
        taken: list[tuple[int, int, Record]] = []
        total_bytes = 0
        for seq, stored, record in self.rows_within(max(first, self.forgotten + 1), last):
            total_bytes += size_bytes(record)
            full = len(taken) >= count_max or total_bytes > bytes_max
            if taken and (full or (record.boot not in known and len(known) >= BATCH_BOOTS_MAX)):
                break
            known[record.boot] = boots.get(record.boot) or forgotten_boot(record.boot)
            taken.append((seq, stored, record))
        span = assemble(first, hash_before, taken, gaps, known)
        self.told = max(self.told, span.last)
        return span

    def rows_within(self, first: int, last: int) -> Iterator[tuple[int, int, Record]]:
        """Yield (seq, hash, record) of the rows in `first..last`."""
        base, rows = self.base, self.rows
        for row in range(base + first, base + last + 1):
            found = rows.get(row)
            if found is not None:
                yield row - base, found[0], found[1]

    def _gaps_from(self, first: int) -> list[Gap]:
        """Return the gaps that end at `first` or later; none begins before it."""
        base = self.base
        at = self._gap_at_or_behind(base + first)
        return [
            Gap(max(gap[0] - base, first), gap[1] - base, gap[2], gap[3]) for gap in self.gaps[at:]
        ]

    def _gap_at_or_behind(self, row: int) -> int:
        """Return the index of the first gap that ends at `row` or behind it."""
        return bisect_left(self.gaps, row, key=lambda gap: gap[1])

    def _add_gap(self, first: int, last: int, hash_at: int, reason: str, kept: bool) -> None:
        """Add a gap; one with the gap before it, if that has the same reason.

        Not where a receiver may stand at that one's end: the hash there must stay known.
        """
        gap = (self.base + first, self.base + last, hash_at, reason, kept)
        at = bisect_left(self.gaps, gap)
        if at > 0 and first - 1 > self.told and _joins(self.gaps[at - 1], gap):
            at -= 1
            gap = (self.gaps.pop(at)[0], *gap[1:])
        self.gaps.insert(at, gap)


def _joins(before: tuple[int, int, int, str, bool], after: tuple[int, int, int, str, bool]) -> bool:
    return before[1] + 1 == after[0] and before[3:] == after[3:]


def _grows_by(entries: list[Entry]) -> int:
    return sum(
        size_bytes(record)
        for entry in entries
        if isinstance(entry, Admitted)
        for record in entry.records
    )
