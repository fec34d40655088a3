"""One lane in the database: what each kind of entry does to its rows and its figures.

The figures live in memory and are written back once a sync, in the transaction of the rows that
they count.  After a failure both are thrown away together, so nothing here is ever undone.

Its caller has opened a transaction.  An entry that contradicts what is stored is our own bug and
raises `ValueError`.
"""

import apsw

from tidegate.records.record import OVERHEAD_BYTES
from tidegate.store.journal import Admitted, Dropped, LaneState, Released
from tidegate_linux.journal.reading import LANE_COLUMNS, first_gap, lane_gaps, stored_hash
from tidegate_linux.journal.schema import LANE_SHIFT
from tidegate_linux.journal.sql import all_rows, one_row, seal_of, unsealed
from tidegate_linux.journal.topic_ids import Topics

_NAMES = ", ".join(LANE_COLUMNS)
_LOAD = f"SELECT {_NAMES}, seal FROM lane ORDER BY number"  # noqa: S608 - our own names.
_FIGURES = ", ".join([f"{name} = ?" for name in LANE_COLUMNS])
_STORE = f"UPDATE lane SET {_FIGURES}, seal = ? WHERE number = ?"  # noqa: S608 - our own names.
_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
# total(), not sum(): where rot made a text of a number, sum() of it may raise.
_BYTES = "SELECT CAST(total(bytes) AS INTEGER) FROM record WHERE id BETWEEN ? AND ?"
_GAP_NUMBERS = """
SELECT CAST(total(id - max(first, ?) + 1) AS INTEGER) FROM gap WHERE id BETWEEN ? AND ?
"""
_SET_ASIDE = """
INSERT INTO quarantine
    (lane, epoch, seq, reason, hash, boot, ticks_ms, topic, flags, payload, properties)
SELECT ?, ?, record.id - ?, ?, hash, boot, ticks_ms, topic.topic, flags, payload, properties
FROM record LEFT JOIN topic ON topic.id = record.topic WHERE record.id BETWEEN ? AND ?
"""
_DROPPED = "SELECT reason, records FROM dropped WHERE lane = ?"
_GAP_SUMS = """
SELECT kept, reason, sum(id - max(first, ?) + 1) FROM gap WHERE id BETWEEN ? AND ?
GROUP BY kept, reason
"""


class StoredLane:
    """A lane's figures, and the statements that keep rows and figures in step."""

    def __init__(
        self,
        number: int,
        lane: str,
        epoch: str,
        base: int,
        last: int,
        last_hash: int,
        through: int,
        forgotten: int,
        forgotten_hash: int,
        delivered: int,
        quarantined: int,
        held_records: int,
        held_bytes: int,
    ) -> None:
        self.number = number
        self.lane = lane
        self.epoch = epoch
        self.base = base
        self.last = last
        self.last_hash = last_hash
        self.through = through
        self.forgotten = forgotten
        self.forgotten_hash = forgotten_hash
        self.delivered = delivered
        self.quarantined = quarantined
        self.held_records = held_records
        self.held_bytes = held_bytes
        self.dropped: dict[str, int] = {}
        # A receiver can stand at the last number that a read ended with; before a start, anywhere.
        self.told = last
        self._topics = Topics(number)

    def key(self, seq: int) -> int:
        """Return the `id` of the row that the stream calls `seq`."""
        return (self.number << LANE_SHIFT) + self.base + seq

    def state(self, connection: apsw.Connection) -> LaneState:
        """Return the figures as the port has them."""
        return LaneState(
            self.lane, self.epoch, self.last, self.last_hash, self.through, self.forgotten,
            self.delivered, self.quarantined, dict(self.dropped),
            lane_gaps(connection, self, self.through + 1), self.held_records, self.held_bytes,
        )  # fmt: skip

    def store(self, connection: apsw.Connection) -> None:
        """Write the figures back."""
        figures = [getattr(self, name) for name in LANE_COLUMNS]
        seal = seal_of(figures, sorted(self.dropped.items(), key=repr))
        connection.execute(_STORE, (*figures, seal, self.number))
        connection.execute("DELETE FROM dropped WHERE lane = ?", (self.number,))
        counts = [(self.number, reason, count) for reason, count in self.dropped.items()]
        connection.executemany("INSERT INTO dropped VALUES (?, ?, ?)", counts)

    def admit(self, connection: apsw.Connection, entry: Admitted) -> None:
        """Insert records behind the last one."""
        count = len(entry.records)
        if entry.first != self.last + 1 or len(entry.hashes) != count:
            raise ValueError(f"{self.lane}: records at {entry.first} behind {self.last}")
        if not count:
            return
        known = self._topics.known_in(self.base + self.last + count)
        key = self.key(entry.first)
        rows = []
        total_bytes = 0
        for record, hash_after in zip(entry.records, entry.hashes, strict=True):
            boot, ticks_ms, topic, payload, flags, properties = record
            topic_id = known.get(topic)
            if topic_id is None:
                topic_id = self._topics.id_of(connection, topic)
            size = OVERHEAD_BYTES + len(topic) + len(payload) + len(properties)
            total_bytes += size
            rows.append(
                (key, hash_after, boot, ticks_ms, topic_id, flags, size, payload, properties)
            )
            key += 1
        connection.executemany(_INSERT, rows)
        self.last += count
        self.last_hash = entry.hashes[-1]
        self.held_records += count
        self.held_bytes += total_bytes

    def release(self, connection: apsw.Connection, entry: Released) -> None:
        """Count what the receiver has applied; the rows stay."""
        if not self.through <= entry.through <= self.last:
            raise ValueError(f"{self.lane}: released {entry.through} behind {self.through}")
        first, last = self.through + 1, entry.through
        # By number, not by row: a row that rot has eaten, or moved, was held once and no more.
        self.held_records -= last - first + 1 - self._gaps_within(connection, first, last)
        self.held_bytes -= self._bytes_within(connection, first, last)
        self.through = entry.through
        self.delivered += entry.delivered

    def drop(self, connection: apsw.Connection, entry: Dropped) -> None:
        """Make a gap of a range, and keep its records in the quarantine where that is wanted."""
        first, last = entry.first, entry.last
        within = self.forgotten < first <= last <= self.last
        behind = first == self.last + 1 and first <= last and entry.hash_at is not None
        overlapped = first_gap(connection, self, first)
        if not (within or behind) or (overlapped is not None and overlapped.first <= last):
            raise ValueError(f"{self.lane}: dropped {first}..{last} of ..{self.last}")
        hash_at = entry.hash_at
        if hash_at is None:
            # Where rot has eaten the row nobody knows; the row behind the gap then cannot be
            # verified, and is found damaged as well.
            hash_at = stored_hash(connection, self, last) or 0
        counted = max(0, last - max(first, self.through + 1) + 1)
        if within:
            self.held_records -= counted
            self.held_bytes -= self._bytes_within(connection, max(first, self.through + 1), last)
            self._delete(connection, first, last, entry.reason if entry.kept else None)
        else:
            self.last, self.last_hash = last, hash_at
        self._add_gap(connection, first, last, hash_at, entry.reason, entry.kept)
        if entry.kept:
            self.quarantined += counted
        elif counted:
            self.dropped[entry.reason] = self.dropped.get(entry.reason, 0) + counted

    def forget(self, connection: apsw.Connection, through: int) -> None:
        """Delete what was delivered up to `through`."""
        if through > self.through:
            raise ValueError(f"{self.lane}: forgotten {through} is behind {self.through}")
        if through <= self.forgotten:
            return
        self.forgotten_hash = stored_hash(connection, self, through) or 0
        keys = (self.number << LANE_SHIFT, self.key(through))
        connection.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", keys)
        connection.execute("DELETE FROM gap WHERE id BETWEEN ? AND ?", keys)
        self.forgotten = through
        self._topics.prune(connection, self.base + through + 1)

    def renew(self, connection: apsw.Connection, epoch: str) -> None:
        """Go on as a new stream: only the base of the numbers moves."""
        self.forget(connection, self.through)
        self.epoch = epoch
        self.base += self.through
        self.last -= self.through
        self.told = self.last
        self.through = self.forgotten = self.delivered = self.quarantined = 0
        self.dropped = {}
        keys = (self.key(1), self.key(1), self.key(self.last))
        for kept, reason, count in all_rows(connection, _GAP_SUMS, keys):
            if kept:
                self.quarantined += count
            else:
                self.dropped[reason] = count

    def _bytes_within(self, connection: apsw.Connection, first: int, last: int) -> int:
        """Return the bytes of the rows in `first..last`."""
        size: int = one_row(connection, _BYTES, (self.key(first), self.key(last)))[0]
        return size

    def _gaps_within(self, connection: apsw.Connection, first: int, last: int) -> int:
        """Return how many numbers of `first..last` lie in gaps."""
        keys = (self.key(first), self.key(first), self.key(last))
        inside: int = one_row(connection, _GAP_NUMBERS, keys)[0]
        # One more may begin inside and end behind.
        behind = first_gap(connection, self, last + 1)
        if behind is not None and behind.first <= last:
            inside += last - max(behind.first, first) + 1
        return inside

    def _delete(
        self, connection: apsw.Connection, first: int, last: int, reason: "str | None"
    ) -> None:
        keys = (self.key(first), self.key(last))
        if reason is not None:
            connection.execute(_SET_ASIDE, (self.lane, self.epoch, self.key(0), reason, *keys))
        connection.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", keys)

    def _add_gap(
        self,
        connection: apsw.Connection,
        first: int,
        last: int,
        hash_at: int,
        reason: str,
        kept: bool,
    ) -> None:
        """Add a gap; one with the gap before it, if that has the same reason: gaps stay few.

        Not where a receiver may stand at that one's end: the hash there must stay known.
        """
        first_key = self.key(first)
        if first - 1 > self.told:
            before = one_row(
                connection,
                "SELECT first FROM gap WHERE id = ? AND reason = ? AND kept = ?",
                (first_key - 1, reason, kept),
            )
            if before is not None:
                first_key = before[0]
                connection.execute("DELETE FROM gap WHERE id = ?", (self.key(first) - 1,))
        gap = (self.key(last), first_key, hash_at, reason, int(kept))
        connection.execute("INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?)", (*gap, seal_of(*gap)))


def load_lanes(connection: apsw.Connection) -> "dict[str, StoredLane]":
    """Return the lanes by name, in the order in which they were made."""
    lanes = {}
    for row in all_rows(connection, _LOAD):
        *figures, seal = row
        lane = StoredLane(*figures)
        for counted in all_rows(connection, _DROPPED, (lane.number,)):
            lane.dropped[counted[0]] = counted[1]
        unsealed("lane", (figures, sorted(lane.dropped.items(), key=repr), seal))
        lanes[lane.lane] = lane
    return lanes


def add_lane(connection: apsw.Connection, lane: str, epoch: str) -> None:
    """Make a lane that has not been there before."""
    connection.execute("INSERT INTO lane (lane, epoch) VALUES (?, ?)", (lane, epoch))
    number = connection.last_insert_rowid()
    StoredLane(number, lane, epoch, *[0] * (len(LANE_COLUMNS) - 3)).store(connection)
