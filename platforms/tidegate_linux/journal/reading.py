"""Read what the journal's tables hold: spans, hashes, gaps, and all that a gateway starts from.

Nothing here writes.  Records are verified while they are read: SQLite does not notice bit rot.
"""

import struct
from collections import namedtuple

import apsw

from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX
from tidegate.records.clock import Boot, forgotten_boot
from tidegate.records.record import Record, fold, fold_all, make_record
from tidegate.records.span import Gap, Span, assemble
from tidegate.store.journal import EXPIRED, JournalState, Spent
from tidegate_linux.journal.schema import LANE_SHIFT
from tidegate_linux.journal.sql import all_rows, one_row, unsealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tidegate_linux.journal.lane_rows import StoredLane

    Row = tuple[int, int, Record]

LANE_COLUMNS = (
    "number", "lane", "epoch", "base", "last", "last_hash", "through", "forgotten",
    "forgotten_hash", "delivered", "quarantined", "held_records", "held_bytes",
)  # fmt: skip

# CAST: a flipped bit may make a BLOB a TEXT that is no UTF-8; as bytes it only fails its hash.
# `bytes` only says where to stop: a wrong one cuts the span elsewhere, and that is all.
_ROWS = """
SELECT record.id, record.hash, record.boot, record.ticks_ms, CAST(topic.topic AS BLOB),
       CAST(record.payload AS BLOB), record.flags, CAST(record.properties AS BLOB),
       coalesce(CAST(record.bytes AS INTEGER), 0)
FROM record LEFT JOIN topic ON topic.id = record.topic
WHERE record.id BETWEEN ? AND ? ORDER BY record.id LIMIT ?
"""
_RECENT = """
SELECT CAST(boot AS INTEGER), CAST(ticks_ms AS INTEGER), CAST(topic.topic AS BLOB),
    CAST(properties AS BLOB)
FROM record LEFT JOIN topic ON topic.id = record.topic
WHERE record.id BETWEEN ? AND ? ORDER BY record.id DESC LIMIT ?
"""
_GAPS = """
SELECT id, first, hash, reason, kept, seal FROM gap WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?
"""
_BOOTS = "SELECT number, identity, offset_ms, quality, seal FROM boot ORDER BY number"
_BOOT = "SELECT number, identity, offset_ms, quality, seal FROM boot WHERE number = ?"
_AUDIT = "SELECT count(*), CAST(total(bytes) AS INTEGER) FROM record WHERE id BETWEEN ? AND ?"


def read_span(
    connection: apsw.Connection, lane: "StoredLane", first: int, count_max: int, bytes_max: int
) -> Span:
    """Return the span of `lane` from `first` on; see `Journal.read`."""
    if not 1 <= first <= lane.last + 1:
        raise ValueError(f"{lane.lane}: read from {first}, but the last is {lane.last}")
    gaps = _gaps_with_expired(connection, lane, first)
    opens_with_gap = bool(gaps) and gaps[0].first <= first
    hash_before = 0 if opens_with_gap else stored_hash(connection, lane, first - 1) or 0
    rows, cut = _rows(connection, lane, max(first, lane.forgotten + 1), count_max, bytes_max)
    boots = read_boots(connection, {row[2] for row in rows})
    span = None
    if not gaps and len(boots) <= BATCH_BOOTS_MAX:
        span = _unbroken(lane.key(first), first, hash_before, rows, boots)
    if span is None:
        numbered = [(row[0] - lane.key(0), row[1], Record(*row[2:8])) for row in rows]
        try:
            span = assemble(first, hash_before, numbered, gaps, boots)
        except (TypeError, struct.error):
            # Not even the types of some column are what was stored.
            numbered, cut = _whole(numbered), False
            span = assemble(first, hash_before, numbered, gaps, boots)
        rows = rows[: len(numbered)]
    seq = rows[-1][0] - lane.key(0) if rows else 0
    all_taken = not cut and len(gaps) <= BATCH_GAPS_MAX and seq <= span.last
    if all_taken and not span.damaged and span.last < lane.last:
        # More should be there: the next row is gone, or is no record any more.
        span = Span(*span[:-1], span.last + 1)
    return span


def stored_hash(connection: apsw.Connection, lane: "StoredLane", seq: int) -> "int | None":
    """Return the running hash at `seq`, or None where it is not known."""
    gap = first_gap(connection, lane, seq)
    if gap is not None and gap.first <= seq:
        return gap.hash_at if gap.last == seq else None
    if seq == lane.forgotten:
        return lane.forgotten_hash
    if not lane.forgotten < seq <= lane.last:
        return None
    found = one_row(connection, "SELECT hash FROM record WHERE id = ?", (lane.key(seq),))
    return found[0] if found is not None and isinstance(found[0], int) else None


def first_gap(connection: apsw.Connection, lane: "StoredLane", first: int) -> "Gap | None":
    """Return the first gap that ends at `first` or later, whole; None where there is none."""
    found = one_row(connection, _GAPS, (lane.key(first), _highest(lane), 1))
    return None if found is None else _gap(lane, found)


def lane_gaps(
    connection: apsw.Connection, lane: "StoredLane", first: int, count_max: int = -1
) -> "list[Gap]":
    """Return the gaps that end at `first` or later; none begins before `first`."""
    rows = all_rows(connection, _GAPS, (lane.key(first), _highest(lane), count_max))
    gaps = [_gap(lane, row) for row in rows]
    return [Gap(max(gap.first, first), gap.last, gap.hash_at, gap.reason) for gap in gaps]


def read_journal_state(
    connection: apsw.Connection, lanes: "Iterable[StoredLane]", recent_max: int
) -> JournalState:
    """Return all that a gateway starts from."""
    meta = dict(all_rows(connection, "SELECT name, value FROM meta"))
    node = unsealed("meta", (meta.get("node"), meta.get("node_seal")))[0]
    day, sent_bytes = meta.get("spent_day"), meta.get("spent_bytes")
    known = isinstance(day, int) and isinstance(sent_bytes, int)
    return JournalState(
        node,
        [lane.state(connection) for lane in lanes],
        [Boot(*unsealed("boot", row)) for row in all_rows(connection, _BOOTS)],
        Spent(day, sent_bytes) if known else Spent(0, 0),
        _recent(connection, lanes, recent_max),
    )


class LaneAudit(namedtuple("LaneAudit", ("lane", "held_records", "held_bytes", "missing"))):
    """A lane counted row by row.

    `missing` are numbers above `through` that have neither a row nor a gap; 0 unless rows were
    eaten.  The two others equal the figures that the lane keeps.
    """

    __slots__ = ()
    lane: str
    held_records: int
    held_bytes: int
    missing: int


def audit_lane(connection: apsw.Connection, lane: "StoredLane") -> LaneAudit:
    """Count a lane's held records row by row; takes about a second a million."""
    bounds = (lane.key(lane.through + 1), _highest(lane))
    records, size = one_row(connection, _AUDIT, bounds)
    in_gaps = sum(gap.last - gap.first + 1 for gap in lane_gaps(connection, lane, lane.through + 1))
    return LaneAudit(lane.lane, records, size, lane.last - lane.through - records - in_gaps)


def _gaps_with_expired(connection: apsw.Connection, lane: "StoredLane", first: int) -> "list[Gap]":
    # One more than a batch can hold: `assemble` sees by it that what follows is not a hole.
    gaps = lane_gaps(connection, lane, first, BATCH_GAPS_MAX + 1)
    if first > lane.forgotten:
        return gaps
    expired = Gap(first, lane.forgotten, lane.forgotten_hash, EXPIRED)
    if gaps and gaps[0].first <= lane.forgotten:
        # What was forgotten ends inside a gap, where no hash is known: both are one.
        expired = Gap(first, gaps[0].last, gaps[0].hash_at, EXPIRED)
        gaps = gaps[1:]
    return [expired, *gaps]


def _rows(
    connection: apsw.Connection, lane: "StoredLane", first: int, count_max: int, bytes_max: int
) -> "tuple[list[Any], bool]":
    """Return rows from `first` on, at least one, and whether a limit cut them off."""
    keys = (lane.key(first), lane.key(lane.last))
    rows: list[Any] = []
    total_bytes = 0
    for row in connection.execute(_ROWS, (*keys, max(1, count_max))):
        total_bytes += row[8]
        if rows and total_bytes > bytes_max:
            return rows, True
        rows.append(row)
    return rows, len(rows) == max(1, count_max)


def _unbroken(
    key: int, first: int, hash_before: int, rows: "list[Any]", boots: "dict[int, Boot]"
) -> "Span | None":
    """Return the span where every row from `key` on is there and is what was stored, else None.

    It is what `assemble` would return, at two thirds of its price.
    """
    records = [make_record(Record, row[2:8]) for row in rows]
    hashes = [row[1] for row in rows]
    try:
        if fold_all(hash_before, records) != hashes:
            return None
    except (TypeError, struct.error):
        return None
    if [row[0] for row in rows] != list(range(key, key + len(rows))):
        return None
    known = [boots[number] for number in sorted(boots)]
    return Span(first, first + len(rows) - 1, hash_before, records, hashes, [], known, 0)


def _whole(rows: "list[Row]") -> "list[Row]":
    """Return the rows before the first that cannot even be hashed."""
    for at, row in enumerate(rows):
        try:
            fold(0, row[2])
        except (TypeError, struct.error):
            return rows[:at]
    return rows


def read_boots(connection: apsw.Connection, numbers: "set[int]") -> "dict[int, Boot]":
    """Return the boots of these numbers; of one that is not there only the number."""
    boots = {}
    for number in numbers:
        found = one_row(connection, _BOOT, (number,))
        if found is None:
            boots[number] = forgotten_boot(number)
        else:
            boots[number] = Boot(*unsealed("boot", found))
    return boots


def _recent(
    connection: apsw.Connection, lanes: "Iterable[StoredLane]", recent_max: int
) -> "list[tuple[bytes, bytes]]":
    """Return topic and properties of the last records that are still kept, oldest first."""
    kept = []
    for lane in lanes:
        bounds = (lane.key(0), _highest(lane), recent_max)
        kept.extend(reversed(all_rows(connection, _RECENT, bounds)))
    kept.sort(key=lambda row: (row[0] or 0, row[1] or 0))
    # Where rot has made a NULL, there is no identity to find again.
    return [(row[2] or b"", row[3] or b"") for row in kept[-recent_max:]]


def _gap(lane: "StoredLane", row: "tuple[object, ...]") -> Gap:
    last, first, hash_at, reason, _ = unsealed("gap", row)
    return Gap(first - lane.key(0), last - lane.key(0), hash_at, reason)


def _highest(lane: "StoredLane") -> int:
    return ((lane.number + 1) << LANE_SHIFT) - 1
