"""A lane's account: which numbers were given out, what became of each, and the balance (P4).

Every number from 1 to `last` is delivered, held, quarantined or dropped, and nothing else.  Each of
the four is counted where it happens, never computed from the others, so that
`admitted = delivered + held + quarantined + dropped` is a check and not a definition.

A lane changes its figures when it *makes* an entry.  Where the journal then fails, the figures are
ahead of the medium: the gateway drops the object and builds it again from what was recovered.
"""

from collections import namedtuple

from tidegate.limits import SEQ_MAX
from tidegate.records.record import fold_all, sizes_bytes
from tidegate.records.span import Gap
from tidegate.records.stream import Stream
from tidegate.store.journal import Admitted, Dropped, Forgotten, LaneState, Released, Renewed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.record import Record

DEFAULT_LANE = "main"  # Takes every topic that no lane of the configuration names.
QUARANTINED = "quarantined: "  # How the reason of a gap begins whose records are in the quarantine.


class Balance(namedtuple("Balance", ("admitted", "delivered", "held", "quarantined", "dropped"))):
    """What became of a stream's records; `dropped` counts by reason."""

    __slots__ = ()
    admitted: int
    delivered: int
    held: int
    quarantined: int
    dropped: "dict[str, int]"

    @property
    def holds(self) -> bool:
        """Tell whether nothing disappeared silently."""
        accounted = self.delivered + self.held + self.quarantined + sum(self.dropped.values())
        return self.admitted == accounted


class Lane:
    """The account of one stream.  Properties read, verbs make the entry that says what changed."""

    def __init__(self, state: LaneState) -> None:
        self.name = state.lane
        self.epoch = state.epoch
        self.last = state.last
        self.last_hash = state.last_hash
        self.through = state.through
        self.forgotten = state.forgotten
        self.gaps = list(state.gaps)
        self.held_records = state.held_records
        self.held_bytes = state.held_bytes
        self._delivered = state.delivered
        self._quarantined = state.quarantined
        self._dropped = dict(state.dropped)

    @property
    def balance(self) -> Balance:
        """Return what became of the records of this stream."""
        return Balance(
            self.last, self._delivered, self.held_records, self._quarantined, dict(self._dropped)
        )

    def stream(self, node: str) -> Stream:
        """Return the stream that the lane is now."""
        return Stream(node, self.epoch, self.name)

    def oldest_held(self, after: int, count_max: int) -> "tuple[int, int]":
        """Return how many records are held behind `after`, up to `count_max`, and where they end.

        What lies in gaps is not held: `after+1` to that end may be many more numbers.
        """
        count, last = 0, after
        for part_first, part_last in self._between_gaps(after + 1, self.last):
            taken = min(count_max - count, part_last - part_first + 1)
            count += taken
            last = part_first + taken - 1
            if count == count_max:
                break
        return count, last

    def admit(self, records: "list[Record]") -> Admitted:
        """Give `records` the next numbers."""
        first = self.last + 1
        assert self.last + len(records) <= SEQ_MAX
        hashes = fold_all(self.last_hash, records)
        self.last += len(records)
        self.last_hash = hashes[-1]
        self.held_records += len(records)
        self.held_bytes += sizes_bytes(records)
        return Admitted(self.name, first, hashes, records)

    def refuse(self, count: int, reason: str) -> Dropped:
        """Give the next `count` numbers to records that are not stored: a gap from the start."""
        first = self.last + 1
        assert self.last + count <= SEQ_MAX
        self.last += count
        self._dropped[reason] = self._dropped.get(reason, 0) + count
        self._add_gap(Gap(first, self.last, self.last_hash, reason))
        return Dropped(self.name, first, self.last, self.last_hash, reason, False)

    def estimate_bytes(self, through: int) -> int:
        """Return about how much of what is held lies at or before `through`."""
        count = through - self.through
        return self.held_bytes * count // max(self.held_records, count) if count > 0 else 0

    def release(self, through: int, bytes_released: int) -> Released:
        """Book all through `through` as delivered; `bytes_released` is what its records take."""
        assert self.through < through <= self.last
        in_gaps = sum([_overlap(gap, self.through + 1, through) for gap in self.gaps])
        delivered = through - self.through - in_gaps
        self.through = through
        self._delivered += delivered
        self._forget_held(delivered, bytes_released)
        self.gaps = [gap for gap in self.gaps if gap.last > through]
        return Released(self.name, through, delivered)

    def set_aside(
        self, first: int, last: int, bytes_freed: int, reason: str, kept: bool
    ) -> "list[Dropped]":
        """Take the held records of `first..last` out: `kept` in the quarantine, or dropped.

        Numbers that lie in gaps already keep the reason they have.
        """
        assert self.through < first <= last <= self.last
        entries = []
        for part_first, part_last in self._between_gaps(first, last):
            count = part_last - part_first + 1
            entries.append(Dropped(self.name, part_first, part_last, None, reason, kept))
            # The hash is the journal's to fill in; nothing here reads it before it is recovered.
            self._add_gap(Gap(part_first, part_last, 0, reason))
            if kept:
                self._quarantined += count
            else:
                self._dropped[reason] = self._dropped.get(reason, 0) + count
            self._forget_held(count, 0)
        self._forget_held(0, bytes_freed)
        return entries

    def withdraw(self, seq: int, reason: str) -> "list[Dropped]":
        """Move a delivered record to the quarantine; it stays counted as delivered.

        Nothing where it had to make room meanwhile: a reader finds a gap there.
        """
        assert seq <= self.through
        return [] if seq <= self.forgotten else [Dropped(self.name, seq, seq, None, reason, True)]

    def forget(self, through: int) -> Forgotten:
        """Keep delivered records up to `through` no longer."""
        assert self.forgotten < through <= self.through
        self.forgotten = through
        return Forgotten(self.name, through)

    def renew(self, epoch: str) -> Renewed:
        """Go on as a new stream: what is held is numbered from 1."""
        base = self.through
        self.epoch = epoch
        self.gaps = [
            Gap(max(gap.first, base + 1) - base, gap.last - base, gap.hash_at, gap.reason)
            for gap in self.gaps
        ]
        self.last -= base
        self.through = self.forgotten = 0
        self._delivered = self._quarantined = 0
        self._dropped = {}
        for gap in self.gaps:
            count = gap.last - gap.first + 1
            if gap.reason.startswith(QUARANTINED):
                self._quarantined += count
            else:
                self._dropped[gap.reason] = self._dropped.get(gap.reason, 0) + count
        return Renewed(self.name, epoch)

    def _forget_held(self, count: int, size: int) -> None:
        self.held_records -= count
        # The caller's size may be an estimate: the journal's own count comes with each recovery.
        self.held_bytes = max(0, self.held_bytes - size) if self.held_records else 0

    def _add_gap(self, gap: Gap) -> None:
        """Insert in order; join with a left neighbour of the same reason, so that gaps stay few."""
        at = len(self.gaps)
        while at and self.gaps[at - 1].first > gap.first:
            at -= 1
        left = self.gaps[at - 1] if at else None
        if left is not None and left.last + 1 == gap.first and left.reason == gap.reason:
            self.gaps[at - 1] = Gap(left.first, gap.last, gap.hash_at, gap.reason)
        else:
            self.gaps.insert(at, gap)

    def _between_gaps(self, first: int, last: int) -> "list[tuple[int, int]]":
        parts = []
        at = first
        for gap in self.gaps:
            if gap.last < at:
                continue
            if gap.first > last:
                break
            if at < gap.first:
                parts.append((at, gap.first - 1))
            at = gap.last + 1
        if at <= last:
            parts.append((at, last))
        return parts


def _overlap(gap: Gap, first: int, last: int) -> int:
    return max(0, min(gap.last, last) - max(gap.first, first) + 1)
