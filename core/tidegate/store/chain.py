"""One lane's chain of segments: writes groups of entries, and reads spans again.

Theory of operation.  A *group* is what lies between two syncs.  It is gathered in a buffer, goes to
the newest segment, and ends with a `SYNCED` frame: what a reader finds behind the last of those was
never confirmed, counts for nothing, and is never gone on behind; a new segment is begun instead.
A group never spans segments.

A segment begins with its header and a `SUMMARY` of the lane, so that to recover, the head of each
segment and the newest one are read, however much is held.  A segment goes when no record in it is
wanted any more.  Two accounts are kept: `seen` as of the last sync, which is what readers get, and
`ahead` with what was appended since.
"""

from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX
from tidegate.records.clock import forgotten_boot
from tidegate.records.record import size_bytes
from tidegate.records.rewind import hash_before
from tidegate.records.span import assemble
from tidegate.store.entry import entry_frames
from tidegate.store.finder import Finder
from tidegate.store.journal import Admitted, Dropped, Forgotten, Released, Renewed
from tidegate.store.segment import Segment, segment_header
from tidegate.store.segments import Part
from tidegate.store.summary import summary_frame, synced_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.records.clock import Boot
    from tidegate.records.record import Record
    from tidegate.records.span import Span
    from tidegate.store.account import Account
    from tidegate.store.journal import Entry
    from tidegate.store.segments import Segments


class Chain:
    """Writes and reads one lane.

    `is_open` says that the newest of `parts` may be gone on with, `preface` gives the entries that
    a new segment begins with.
    """

    def __init__(
        self,
        segments: "Segments",
        account: "Account",
        parts: "list[Part]",
        is_open: bool,
        preface: "Callable[[], list[Entry]]",
    ) -> None:
        self.seen = account
        self.ahead = account.copy()
        self.parts = parts
        self._segments = segments
        self._finder = Finder(segments, parts)
        self._is_open = is_open
        self._preface = preface
        self._buffer = bytearray(segments.sizes.buffer_bytes)
        self._used = 0
        self._written = 0  # Bytes of the open group that the medium has already.
        self._seed: int | None = None  # Of the segment that the open group goes to.
        self._told = account.last  # A receiver may stand at any number up to here.
        self._fresh: list[tuple[int, int, int]] = []  # Not synced: place, hash, size.
        self._read = (0, 0, 0, 0)  # The last span that was read: places, count, size.
        self._has_shrunk = False

    def begin(self) -> None:
        """Make what the account says durable in a new segment."""
        self._begin_group()
        self.sync()

    def append(self, entry: "Entry") -> None:
        """Add an entry of this lane, or one of none; raises `ValueError` where it contradicts."""
        if isinstance(entry, Admitted) and not entry.records:
            return
        if self._seed is None:
            self._begin_group()
        entry = self._book(entry)
        assert self._seed is not None
        for frame in entry_frames(entry, self._seed):
            self._put(frame)
        if isinstance(entry, Renewed):
            # Says how the numbers behind it are to be taken.
            self._put(summary_frame(self.ahead, self._seed))

    def sync(self) -> None:
        """Return when all that was appended is on the medium."""
        if self._seed is None:
            return
        self._put(synced_frame(self.ahead, self._seed))
        self._spill()
        part = self.parts[-1]
        self._segments.medium.sync(part.number)
        part.size_bytes += self._written
        self._written = 0
        self._seed = None
        self.seen = self.ahead.copy()
        self._fresh = []
        if self._has_shrunk:
            self._has_shrunk = False
            self._reclaim()

    def read(self, first: int, count_max: int, bytes_max: int, boots: "dict[int, Boot]") -> "Span":
        """Return what is synced from `first` on, as the journal's port says."""
        seen = self.seen
        if not 1 <= first <= seen.last + 1:
            raise ValueError(f"read from {first}, but the lane ends at {seen.last}")
        gaps = seen.readable_gaps(first)
        last = seen.last
        if len(gaps) > BATCH_GAPS_MAX:
            last = gaps[BATCH_GAPS_MAX].first - 1
            gaps = gaps[:BATCH_GAPS_MAX]
        begins = max(first, seen.forgotten + 1)
        rows = list(self._taken(begins, last, count_max, bytes_max))
        known = {}
        for _, _, record in rows:
            number = record.boot
            known[number] = boots.get(number) or forgotten_boot(number)
        before = 0
        if not gaps or gaps[0].first > first:
            found = self.hash_at(first - 1)
            if found is None and rows and rows[0][0] == first:
                found = hash_before(rows[0][1], rows[0][2])
            before = found or 0
        span = assemble(first, before, rows, gaps, known)
        self._told = max(self._told, span.last)
        sizes = [size_bytes(record) for record in span.records]
        self._read = (seen.base + first, seen.base + span.last, len(sizes), sum(sizes))
        return span

    def _taken(
        self, first: int, last: int, count_max: int, bytes_max: int
    ) -> "Iterator[tuple[int, int, Record]]":
        """Yield the records that one span holds; one at least where there is any."""
        base, holes = self.seen.base, self.seen.holes
        boots: set[int] = set()
        count, total_bytes = 0, 0
        at = 0
        for place, stored, record in self._finder.rows(base + first):
            seq = place - base
            if seq > last:
                break
            while at < len(holes) and holes[at].last < seq:
                at += 1
            if at < len(holes) and holes[at].first <= seq:
                continue
            total_bytes += size_bytes(record)
            boots.add(record.boot)
            if count and (
                count == count_max or total_bytes > bytes_max or len(boots) > BATCH_BOOTS_MAX
            ):
                break
            count += 1
            yield seq, stored, record

    def rows_between(self, first: int, last: int) -> "Iterator[tuple[int, int, Record]]":
        """Yield (number, hash, record) of what is synced of `first..last`."""
        return self._taken(first, last, last - first + 1, 1 << 62)

    def hash_at(self, seq: int) -> "int | None":
        """Return the running hash at `seq`, None inside a gap and where it was forgotten."""
        return self._hash_in(self.seen, seq)

    def live_bytes(self) -> int:
        """Return what the segments take, less what in them is wanted no more, about."""
        total_bytes = self._used + self._written
        account = self.seen
        ends = [part.first for part in self.parts[1:]] + [account.base + account.last + 1]
        for part, end in zip(self.parts, ends):
            first, last = part.first - account.base, end - 1 - account.base
            # Of what was refused on arrival nothing is stored but that it was: who holds one record
            # among a thousand of those is as large as its segment.
            stored = account.stored_between(first, last)
            live = account.live_between(first, last)
            total_bytes += part.size_bytes * live // stored if stored else part.size_bytes
        return total_bytes

    def _hash_in(self, account: "Account", seq: int) -> "int | None":
        hole = account.hole_at(seq)
        if hole is not None:
            return hole.hash_at if seq == hole.last else None
        if seq == account.forgotten:
            return account.forgotten_hash
        if not account.forgotten < seq <= account.last:
            return None
        if seq == account.last:
            return account.last_hash
        for place, stored, _ in self._fresh:
            if place == account.base + seq:
                return stored
        return self._finder.hash_at(account.base + seq)

    def _book(self, entry: "Entry") -> "Entry":
        """Change the account ahead; return the entry as it is written."""
        ahead = self.ahead
        if isinstance(entry, Admitted):
            sizes = [size_bytes(record) for record in entry.records]
            place = ahead.base + entry.first
            ahead.admit(entry, sum(sizes))
            for stored, size in zip(entry.hashes, sizes):
                self._fresh.append((place, stored, size))
                place += 1
        elif isinstance(entry, Released):
            ahead.release(entry, self._held_bytes(ahead.through + 1, entry.through))
        elif isinstance(entry, Dropped):
            ahead.check_drop(entry)
            hash_at = entry.hash_at
            if hash_at is None:
                hash_at = self._hash_in(ahead, entry.last) or 0
            first = max(entry.first, ahead.through + 1)
            size = 0 if ahead.is_behind(entry) else self._held_bytes(first, entry.last)
            ahead.drop(entry, hash_at, size, self._told)
            self._has_shrunk = True
            hole = ahead.hole_at(entry.last)
            assert hole is not None
            # Where it goes on from the gap before it, the whole of it is written: a reader joins
            # what was joined here and nothing else.
            begins = max(hole.first, 1)
            return Dropped(entry.lane, begins, hole.last, hash_at, entry.reason, entry.kept)
        elif isinstance(entry, Forgotten):
            ahead.forget(entry.through, self._hash_in(ahead, entry.through) or 0)
            self._has_shrunk = True
        elif isinstance(entry, Renewed):
            ahead.renew(entry.epoch, self._hash_in(ahead, ahead.through) or 0)
            self._told = ahead.last
            self._has_shrunk = True
        return entry

    def _held_bytes(self, first: int, last: int) -> int:
        """Return what the records of `first..last` that are in no gap take."""
        ahead = self.ahead
        count = ahead.live_between(first, last)
        if count == 0:
            return 0
        if count == ahead.held_records:
            return ahead.held_bytes
        first_place, last_place = ahead.base + first, ahead.base + last
        if self._read[:3] == (first_place, last_place, count):
            return self._read[3]  # What was just delivered is what was just read.
        total = 0
        sizes = [(place, size) for place, _, size in self._fresh]
        if first <= self.seen.base + self.seen.last - ahead.base:
            sizes.extend(self._finder.measure(first_place, last_place))
        for place, size in sizes:
            if first_place <= place <= last_place and ahead.hole_at(place - ahead.base) is None:
                total += size
        return total

    def _begin_group(self) -> None:
        """Choose the segment that takes what comes; begin a new one where there is none to use."""
        parts, sizes = self.parts, self._segments.sizes
        if self._is_open and parts[-1].size_bytes < sizes.segment_bytes:
            self._seed = self._segments.seed(parts[-1].number)
            return
        ahead = self.ahead
        number = self._segments.next_number()
        self._seed = self._segments.seed(number)
        parts.append(Part(number, ahead.base, ahead.base + ahead.last + 1, 0))
        self._is_open = True
        # Older ones may hold no record any more, or never did: a node that starts often and stores
        # nothing fills segments with its boots.
        self._has_shrunk = True
        self._put(segment_header(Segment(self._segments.node, number, [(ahead.lane, ahead.epoch)])))
        self._put(summary_frame(ahead, self._seed))
        for entry in self._preface():
            for frame in entry_frames(entry, self._seed):
                self._put(frame)

    def _put(self, data: bytes) -> None:
        buffer = self._buffer
        if self._used + len(data) > len(buffer):
            self._spill()
        if len(data) > len(buffer):
            self._segments.medium.append(self.parts[-1].number, data)
            self._written += len(data)
        else:
            buffer[self._used : self._used + len(data)] = data
            self._used += len(data)

    def _spill(self) -> None:
        if self._used:
            gathered = memoryview(self._buffer)[: self._used]
            self._segments.medium.append(self.parts[-1].number, gathered)
            self._written += self._used
            self._used = 0

    def _reclaim(self) -> None:
        """Remove the segments in which no record is wanted any more; never the newest."""
        account, parts = self.seen, self.parts
        kept = []
        for index in range(len(parts) - 1):
            part, end = parts[index], parts[index + 1].first - 1
            if account.live_between(part.first - account.base, end - account.base):
                kept.append(part)
            else:
                self._segments.medium.remove(part.number)
        kept.append(parts[-1])
        parts[:] = kept
