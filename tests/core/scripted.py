"""A journal, a source, a link and an observer that write down the order of everything.

All of one test write into one `log`, a list of tuples whose first word is the method's name.
Nothing here decides anything: what the journal holds follows from its entries alone, and it fails
where the test says so. Runs on CPython and MicroPython.
"""

from builders import EPOCH, NODE
from tidegate.errors import STORAGE_IO, StorageError
from tidegate.records.record import size_bytes
from tidegate.records.span import Gap, assemble
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


class Medium:
    """What outlives a journal. `failing` says at which call of a method the next journal fails."""

    def __init__(self, lanes=("main",), log=None):
        self.log = [] if log is None else log
        self.lanes = {name: MediumLane() for name in lanes}
        self.lane_names = list(lanes)
        self.boots = {}
        self.spent = Spent(0, 0)
        self.notes = {}  # By (source, key).
        self.recent = []
        self.quarantine = []  # (lane, seq, payload)
        self.synced = 0  # How many entries are durable.
        self.free_bytes = 1 << 40
        self.foreign_bytes = 0  # What the journal takes besides its records.
        self.failing = {}
        self.kind = STORAGE_IO

    def open(self):
        """Return a journal on this medium, or fail as one that cannot be opened."""
        self.log.append(("open",))
        self.meet("open")
        return ScriptedJournal(self)

    def meet(self, method):
        """Fail when it is this call's turn."""
        if method in self.failing:
            self.failing[method] -= 1
            if self.failing[method] <= 0:
                del self.failing[method]
                raise StorageError(self.kind, "planted at " + method)

    def state(self):
        """Return what a journal would recover."""
        lanes = [self.lanes[name].state(name) for name in self.lane_names]
        boots = [self.boots[number] for number in sorted(self.boots)]
        return JournalState(NODE, lanes, boots, self.spent, list(self.recent))

    def apply(self, entry):
        """Take over one entry."""
        self.synced += 1
        if isinstance(entry, Booted):
            self.boots[entry.boot.number] = entry.boot
        elif isinstance(entry, Spent):
            self.spent = entry
        elif isinstance(entry, Noted):
            for key, value in entry.notes:
                self.notes[entry.source, key] = value
        else:
            if isinstance(entry, Admitted):
                for record in entry.records:
                    self.recent.append((record.topic, record.properties))
            taken = self.lanes[entry.lane].apply(entry)
            self.quarantine.extend([(entry.lane, seq, record.payload) for seq, record in taken])

    @property
    def stored_bytes(self):
        """Return what all records take."""
        total = self.foreign_bytes
        for lane in self.lanes.values():
            total += sum([size_bytes(row[1]) for row in lane.rows.values()])
        return total


class MediumLane:
    """One lane: rows by sequence number, gaps as (Gap, kept)."""

    def __init__(self):
        self.epoch = EPOCH
        self.last = self.last_hash = self.through = self.delivered = 0
        self.forgotten = self.forgotten_hash = 0
        self.rows = {}
        self.gaps = []
        self.quarantined = 0
        self.dropped = {}

    def state(self, name):
        held = [row for seq, row in self.rows.items() if seq > self.through]
        held_bytes = sum([size_bytes(row[1]) for row in held])
        gaps = [gap for gap, _ in self.gaps if gap.last > self.through]
        return LaneState(
            name, self.epoch, self.last, self.last_hash, self.through, self.forgotten,
            self.delivered, self.quarantined, dict(self.dropped), gaps, len(held), held_bytes,
        )  # fmt: skip

    def apply(self, entry):
        """Take over an entry of this lane; return what goes to the quarantine."""
        if isinstance(entry, Admitted):
            self._admit(entry)
        elif isinstance(entry, Released):
            assert self.through < entry.through <= self.last, entry
            self.through = entry.through
            self.delivered += entry.delivered
        elif isinstance(entry, Forgotten):
            self._forget(entry.through)
        elif isinstance(entry, Renewed):
            self._renew(entry.epoch)
        else:
            assert isinstance(entry, Dropped)
            return self._drop(entry)
        return []

    def _admit(self, entry):
        assert entry.first == self.last + 1 and len(entry.records) == len(entry.hashes) > 0
        for offset in range(len(entry.records)):
            self.rows[entry.first + offset] = (entry.hashes[offset], entry.records[offset])
        self.last += len(entry.records)
        self.last_hash = entry.hashes[-1]

    def _drop(self, entry):
        first, last = entry.first, entry.last
        assert first <= last and (last <= self.last or first == self.last + 1), entry
        for gap, _ in self.gaps:
            assert last < gap.first or gap.last < first, "a drop overlaps a gap"
        hash_at = self.rows[last][0] if entry.hash_at is None else entry.hash_at
        taken = [(seq, self.rows.pop(seq)[1]) for seq in range(first, last + 1) if seq in self.rows]
        if last > self.last:
            self.last, self.last_hash = last, hash_at
        self.gaps.append((Gap(first, last, hash_at, entry.reason), entry.kept))
        self.gaps.sort(key=lambda pair: pair[0].first)
        self._count(last - first + 1, entry.reason, entry.kept)
        return taken if entry.kept else []

    def _count(self, count, reason, kept):
        if kept:
            self.quarantined += count
        else:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def _forget(self, through):
        assert through <= self.through
        if through > self.forgotten:
            self.forgotten_hash = self.hash_at(through) or 0
            self.forgotten = through
            self.rows = {seq: row for seq, row in self.rows.items() if seq > through}
            self.gaps = [pair for pair in self.gaps if pair[0].last > through]

    def _renew(self, epoch):
        base = self.through
        self._forget(base)
        self.epoch = epoch
        self.rows = {seq - base: row for seq, row in self.rows.items()}
        gaps, self.gaps = self.gaps, []
        self.last -= base
        self.through = self.forgotten = self.delivered = self.quarantined = 0
        self.dropped = {}
        for gap, kept in gaps:
            first = max(1, gap.first - base)
            self.gaps.append((Gap(first, gap.last - base, gap.hash_at, gap.reason), kept))
            self._count(gap.last - base - first + 1, gap.reason, kept)

    def hash_at(self, seq):
        for gap, _ in self.gaps:
            if gap.first <= seq <= gap.last:
                return gap.hash_at if seq == gap.last else None
        if seq == self.forgotten:
            return self.forgotten_hash
        return self.rows[seq][0] if seq in self.rows else None

    def read(self, first, count_max, bytes_max, boots):
        assert 1 <= first <= self.last + 1
        gaps = [gap for gap, _ in self.gaps if gap.last >= first]
        if first <= self.forgotten:
            gaps.insert(0, Gap(first, self.forgotten, self.forgotten_hash, EXPIRED))
        rows = []
        total_bytes = 0
        for seq in sorted([seq for seq in self.rows if seq >= first]):
            hash_at, record = self.rows[seq]
            total_bytes += size_bytes(record)
            if rows and (len(rows) >= count_max or total_bytes > bytes_max):
                break
            rows.append((seq, hash_at, record))
        hash_before = 0 if gaps and gaps[0].first <= first else self.hash_at(first - 1) or 0
        return assemble(first, hash_before, rows, gaps, boots)


class ScriptedJournal:
    """The journal port on a `Medium`."""

    def __init__(self, medium):
        self.medium = medium
        self._pending = []
        self._dead = False

    def _meet(self, what):
        assert not self._dead, "a journal that failed is used again"
        self.medium.log.append(what)
        try:
            self.medium.meet(what[0])
        except StorageError:
            self._dead = True
            raise

    def recover(self):
        self._meet(("recover",))
        return self.medium.state()

    def append(self, entries):
        self._meet(("append",) + tuple([kind_of(entry) for entry in entries]))
        self._pending.extend(entries)

    def sync(self):
        self._meet(("sync",))
        for entry in self._pending:
            self.medium.apply(entry)
        self._pending = []

    def read(self, lane, first, count_max, bytes_max):
        self._meet(("read", lane, first))
        return self.medium.lanes[lane].read(first, count_max, bytes_max, self.medium.boots)

    def hash_at(self, lane, seq):
        self._meet(("hash_at", lane, seq))
        return self.medium.lanes[lane].hash_at(seq)

    def notes(self, source, first, stop, count_max):
        self._meet(("notes", source, first))
        kept = [(key, value) for (of, key), value in self.medium.notes.items() if of == source]
        found = [pair for pair in kept if first <= pair[0] < stop and pair[1] is not None]
        return sorted(found)[:count_max]

    def usage(self):
        return Usage(self.medium.stored_bytes, self.medium.free_bytes)

    def close(self):
        self.medium.log.append(("close",))
        self._dead = True


def kind_of(entry):
    """Return the name of an entry's or effect's type."""
    return type(entry).__name__


class ScriptedSource:
    """A source whose connection the test moves: `generation` 0 is none."""

    def __init__(self, log, name="source"):
        self.name = name
        self.generation = 0
        self.log = log
        self.deliver = None

    def start(self, deliver):
        self.deliver = deliver
        self.log.append(("start", self.name))

    def acknowledge(self, generation, tokens):
        self.log.append(("acknowledge", self.name, generation, tokens))

    def refuse(self, generation, tokens, reason):
        self.log.append(("refuse", self.name, generation, tokens, reason))

    def found(self, generation, pairs):
        self.log.append(("found", self.name, generation, pairs))

    def pause(self, reason):
        self.generation = 0
        self.log.append(("pause", self.name, reason))

    def resume(self):
        self.log.append(("resume", self.name))

    def status(self):
        return {}

    def close(self):
        self.log.append(("source_closed", self.name))


class ScriptedLink:
    """A link that keeps what it is to ask or send until the test answers."""

    def __init__(self, log):
        self.log = log
        self.requests = []  # (token, stream, at) or (token, batch)

    def start(self, deliver):
        self.log.append(("link_started",))

    def query(self, token, stream, at):
        self.log.append(("query", stream.lane, at))
        self.requests.append((token, stream, at))

    def send(self, token, batch):
        span = batch.span
        self.log.append(("send", batch.stream.lane, span.first, span.last))
        self.requests.append((token, batch))

    def close(self):
        self.log.append(("link_closed",))


class ScriptedObserver:
    """Keeps reports, and logs that there was one."""

    def __init__(self, log):
        self.log = log

    def report(self, level, event, fields):
        self.log.append(("report", level, event, list(fields)))
