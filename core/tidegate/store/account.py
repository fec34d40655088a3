"""The account of a lane as a log of entries adds it up: figures and gaps, but no record.

It is what a segment's summary says, and what `recover` tells a gateway.  Numbers are the stream's;
`base` is how many records earlier epochs of the lane had, so that `base + seq` is a place in the
log for ever.  An entry that contradicts the account is our own bug: `ValueError`.

Lists and dictionaries are replaced, never changed: a copy is cheap, and what was copied stays.
"""

from collections import namedtuple

from tidegate.records.span import Gap
from tidegate.store.journal import EXPIRED, LaneState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.store.journal import Admitted, Dropped, Released


class Hole(namedtuple("Hole", ("first", "last", "hash_at", "reason", "kept", "stored"))):
    """A gap of the stream; `kept`: its records are in the quarantine.

    `stored`: there were records of it in the log, which may still take room there.
    """

    __slots__ = ()
    first: int
    last: int
    hash_at: int
    reason: str
    kept: bool
    stored: bool


class Account:
    """What became of a lane's records, by number."""

    def __init__(self, lane: str, epoch: str) -> None:
        self.lane = lane
        self.epoch = epoch
        self.base = 0
        self.last = 0
        self.last_hash = 0
        self.through = 0
        self.forgotten = 0
        self.forgotten_hash = 0  # At `forgotten`, unless that lies inside a gap.
        self.delivered = 0
        self.quarantined = 0
        self.held_records = 0
        self.held_bytes = 0
        self.dropped: dict[str, int] = {}
        self.holes: list[Hole] = []  # Those that end behind `forgotten`, sorted.

    def copy(self) -> "Account":
        """Return an account that goes its own way from here on."""
        other = Account(self.lane, self.epoch)
        other.take_figures(self.figures())
        other.base = self.base
        other.dropped, other.holes = self.dropped, self.holes
        return other

    def figures(self) -> "tuple[int, ...]":
        """Return all numbers but `base`; `take_figures` takes them again, in this order."""
        return (
            self.last, self.last_hash, self.through, self.forgotten, self.forgotten_hash,
            self.delivered, self.quarantined, self.held_records, self.held_bytes,
        )  # fmt: skip

    def take_figures(self, figures: "tuple[int, ...]") -> None:
        """Become what `figures` says."""
        self.last, self.last_hash, self.through, self.forgotten = figures[:4]
        self.forgotten_hash, self.delivered, self.quarantined = figures[4:7]
        self.held_records, self.held_bytes = figures[7:]

    def state(self) -> LaneState:
        """Return the account as a journal tells it."""
        gaps = [gap for gap in self.gaps_from(self.through + 1) if gap.last > self.through]
        return LaneState(
            self.lane, self.epoch, self.last, self.last_hash, self.through, self.forgotten,
            self.delivered, self.quarantined, dict(self.dropped), gaps,
            self.held_records, self.held_bytes,
        )  # fmt: skip

    def gaps_from(self, first: int) -> "list[Gap]":
        """Return the gaps that end at `first` or later, cut off before it."""
        return [
            Gap(max(hole.first, first), hole.last, hole.hash_at, hole.reason)
            for hole in self.holes[self._index(first) :]
        ]

    def readable_gaps(self, first: int) -> "list[Gap]":
        """Return what a reader from `first` on finds: what was forgotten is a gap as well."""
        gaps = self.gaps_from(first)
        if first > self.forgotten:
            return gaps
        if gaps and gaps[0].first <= self.forgotten:
            # What was forgotten ends inside a gap, where no hash is known: both are one.
            return [Gap(first, gaps[0].last, gaps[0].hash_at, EXPIRED)] + gaps[1:]
        return [Gap(first, self.forgotten, self.forgotten_hash, EXPIRED)] + gaps

    def hole_at(self, seq: int) -> "Hole | None":
        """Return the gap that `seq` lies in."""
        at = self._index(seq)
        if at < len(self.holes) and self.holes[at].first <= seq:
            return self.holes[at]
        return None

    def _index(self, seq: int) -> int:
        """Return the index of the first gap that ends at `seq` or behind it."""
        low, high = 0, len(self.holes)
        while low < high:
            middle = (low + high) // 2
            if self.holes[middle].last < seq:
                low = middle + 1
            else:
                high = middle
        return low

    def live_between(self, first: int, last: int) -> int:
        """Return how many records of `first..last` a reader still finds."""
        first, last = max(first, self.forgotten + 1), min(last, self.last)
        live = max(0, last - first + 1)
        for at in range(self._index(first), len(self.holes)):
            hole = self.holes[at]
            if hole.first > last:
                break
            live -= min(hole.last, last) - max(hole.first, first) + 1
        return live

    def stored_between(self, first: int, last: int) -> int:
        """Return how many of the numbers `first..last` ever had a record in the log."""
        stored = max(0, last - first + 1)
        for at in range(self._index(first), len(self.holes)):
            hole = self.holes[at]
            if hole.first > last:
                break
            if not hole.stored:
                stored -= min(hole.last, last) - max(hole.first, first) + 1
        return stored

    def admit(self, entry: "Admitted", size_bytes: int) -> None:
        """Book new records that take `size_bytes`."""
        if entry.first != self.last + 1 or len(entry.hashes) != len(entry.records):
            raise ValueError(f"records admitted at {entry.first}, not at {self.last + 1}")
        self.last += len(entry.records)
        self.last_hash = entry.hashes[-1]
        self.held_records += len(entry.records)
        self.held_bytes += size_bytes

    def release(self, entry: "Released", size_bytes: int) -> None:
        """Book all through a number as delivered; what is held of it takes `size_bytes`."""
        if not self.through <= entry.through <= self.last:
            raise ValueError(f"released {entry.through} of {self.through}..{self.last}")
        self.held_records -= self.live_between(self.through + 1, entry.through)
        self._free(size_bytes)
        self.through = entry.through
        self.delivered += entry.delivered

    def check_drop(self, entry: "Dropped") -> None:
        """Raise `ValueError` where nothing can be dropped as the entry says."""
        first, last = entry.first, entry.last
        within = self.forgotten < first <= last <= self.last
        if not (within or (self.is_behind(entry) and entry.hash_at is not None)):
            raise ValueError(f"dropped {first}..{last} of {self.forgotten}..{self.last}")
        at = self._index(first)
        if at < len(self.holes) and self.holes[at].first <= last:
            raise ValueError(f"dropped {first}..{last} overlaps a gap")

    def is_behind(self, entry: "Dropped") -> bool:
        """Tell whether nothing of what the entry drops was ever admitted."""
        return self.last + 1 == entry.first <= entry.last

    def drop(self, entry: "Dropped", hash_at: int, size_bytes: int, told: int) -> None:
        """Turn a range into a gap; what is held of it takes `size_bytes`.

        A receiver may stand at any number up to `told`: the hash there must stay known, so that a
        gap that ends there is not joined.
        """
        first, last = entry.first, entry.last
        stored = not self.is_behind(entry)
        if not stored:
            self.last, self.last_hash = last, hash_at
        else:
            self.held_records -= self.live_between(max(first, self.through + 1), last)
            self._free(size_bytes)
        self._add_hole(Hole(first, last, hash_at, entry.reason, entry.kept, stored), told)
        self._count(entry.reason, entry.kept, last - max(first, self.through + 1) + 1)

    def forget(self, through: int, hash_at: int) -> None:
        """Keep what was delivered up to `through` no longer."""
        if through > self.through:
            raise ValueError(f"forgotten {through} was not released yet: {self.through}")
        if through > self.forgotten:
            self.forgotten, self.forgotten_hash = through, hash_at
            self.holes = [hole for hole in self.holes if hole.last > through]

    def renew(self, epoch: str, hash_at: int) -> None:
        """Go on as a new stream; `hash_at` is the running hash at `through`."""
        self.forget(self.through, hash_at)
        base = self.through
        self.epoch = epoch
        self.base += base
        self.last -= base
        self.forgotten_hash = hash_at
        self.through = self.forgotten = self.delivered = self.quarantined = 0
        self.dropped = {}
        # A gap that reaches back over the first number begins at 0, where no hash is known then.
        self.holes = [
            Hole(max(first - base, 0), last - base, hash_there, reason, kept, stored)
            for first, last, hash_there, reason, kept, stored in self.holes
        ]
        for hole in self.holes:
            self._count(hole.reason, hole.kept, hole.last - max(hole.first, 1) + 1)

    def _free(self, size_bytes: int) -> None:
        """Count bytes as held no longer; after damage the figure may say less than there is."""
        self.held_bytes = max(0, self.held_bytes - size_bytes)

    def _count(self, reason: str, kept: bool, count: int) -> None:
        if count > 0 and kept:
            self.quarantined += count
        elif count > 0:
            self.dropped = dict(self.dropped)
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def _add_hole(self, new: Hole, told: int) -> None:
        at = self._index(new.first)
        before = self.holes[:at]
        if before and before[-1].last > told:
            left = before[-1]
            if left.last + 1 == new.first and left[3:5] == new[3:5]:
                stored = left.stored and new.stored
                new = Hole(left.first, new.last, new.hash_at, new.reason, new.kept, stored)
                before.pop()
        self.holes = before + [new] + self.holes[at:]
