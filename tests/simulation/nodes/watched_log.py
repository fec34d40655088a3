"""A node's journal, seen by the oracle: the real segment log, and what its entries say.

It keeps book of which message has which number in which stream, over new epochs too, and is where
the node's process may die between two effects.
"""

from simulation.nodes.names import uid_of
from tidegate.records.span import sequence_numbers
from tidegate.records.stream import Stream
from tidegate.store.journal import Admitted, Dropped, Forgotten, Released, Renewed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.span import Span
    from tidegate.store.journal import Entry, JournalState, Usage
    from tidegate.store.log import LogJournal


class _Lane:
    """How a lane stands, with what was appended and not synced."""

    def __init__(self, stream: Stream, through: int, last: int) -> None:
        self.stream, self.through, self.last = stream, through, last


class WatchedLog:
    """The port around a `LogJournal`."""

    def __init__(self, log: "LogJournal", life) -> None:
        self._log = log
        self._life = life
        self._oracle = life.board.oracle
        self._flash = life.board.flash
        self._lanes: dict[str, _Lane] = {}
        self._node = ""
        self._fresh: list[tuple[str, int]] = []

    def recover(self) -> "JournalState":
        state = self._log.recover()
        self._node = state.node
        for lane in state.lanes:
            stream = Stream(state.node, lane.epoch, lane.lane)
            self._lanes[lane.lane] = _Lane(stream, lane.through, lane.last)
            if lane.last and str(stream) not in self._oracle.streams:
                self._meet_new_epoch(str(stream), lane)
            self._oracle.streams.add(str(stream))
        self._life.crash_point("recover")
        return state

    def state(self) -> "JournalState":
        """Return what is confirmed, for who compares."""
        return self._log.recover()

    def append(self, entries: "list[Entry]") -> None:
        for entry in entries:
            self._book(entry)
        self._log.append(entries)
        self._life.crash_point("append")

    def sync(self) -> None:
        self._log.sync()
        self._flash.confirmed.update(self._fresh)
        self._fresh = []
        self._life.crash_point("sync")

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> "Span":
        span = self._log.read(lane, first, count_max, bytes_max)
        self._life.crash_point("read")
        return span

    def hash_at(self, lane: str, seq: int) -> "int | None":
        found = self._log.hash_at(lane, seq)
        self._life.crash_point("locate")
        return found

    def usage(self) -> "Usage":
        usage = self._log.usage()
        self._life.crash_point("usage")
        return usage

    def close(self) -> None:
        self._log.close()

    def _meet_new_epoch(self, stream: str, lane) -> None:
        """Name what a damaged log goes on with, under an epoch that it made itself."""
        self._oracle.salvaged(self._life.board, stream)
        seq = 1
        while seq <= lane.last:
            span = self._log.read(lane.lane, seq, 100, 1 << 20)
            numbers = sequence_numbers(span.first, span.last, span.gaps)
            for number, record in zip(numbers, span.records, strict=True):
                self._name(stream, number, uid_of(record.payload))
            seq = max(seq, span.last) + 1

    def _book(self, entry: "Entry") -> None:
        lane = self._lanes.get(getattr(entry, "lane", ""))
        if lane is None:
            return
        stream = str(lane.stream)
        if isinstance(entry, Admitted):
            for seq, record in enumerate(entry.records, entry.first):
                self._name(stream, seq, uid_of(record.payload))
            lane.last = entry.first + len(entry.records) - 1
        elif isinstance(entry, Released):
            self._oracle.released(stream, entry.through)
            lane.through = entry.through
        elif isinstance(entry, Dropped):
            lane.last = max(lane.last, entry.last)
            names = [(stream, seq) for seq in range(entry.first, entry.last + 1)]
            self._oracle.node_dropped(self._life.board, names, entry)
        elif isinstance(entry, Forgotten):
            names = [(stream, seq) for seq in range(1, entry.through + 1)]
            self._oracle.node_forgot(self._flash, names)
        elif isinstance(entry, Renewed):
            self._renew(lane, entry.epoch)

    def _renew(self, lane: _Lane, epoch: str) -> None:
        before, through = str(lane.stream), lane.through
        lane.stream = Stream(self._node, epoch, lane.stream.lane)
        self._oracle.streams.add(str(lane.stream))
        # What was delivered does not go on under the new name.
        delivered = [(before, seq) for seq in range(1, through + 1)]
        self._oracle.node_forgot(self._flash, delivered)
        for seq in range(through + 1, lane.last + 1):
            uid = self._flash.names.get((before, seq))
            if uid is not None:
                self._name(str(lane.stream), seq - through, uid)
        lane.last -= through
        lane.through = 0
        self._life.world.meet("a node opens a new epoch")

    def _name(self, stream: str, seq: int, uid: str) -> None:
        self._flash.names[stream, seq] = uid
        self._fresh.append((stream, seq))
        self._oracle.named(stream, seq, uid)
