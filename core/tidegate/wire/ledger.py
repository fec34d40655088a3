"""The ledger: what a receiver remembers so that nothing is applied twice (P2) or disordered (P3).

A stream has no holes, so one number is enough: `through`, the last sequence number up to which all
is applied.  With it stand the running hash at `through`, which unmasks a copied or restored sender,
and the receiver's generation, which unmasks a restored receiver.

The caller's duty: read the cursor, call `examine`, and write records, gaps and the new cursor in
ONE transaction; answer only after it has committed.  Whatever is re-sent, however often, is then
applied once.
"""

from collections import namedtuple

from tidegate.wire.receipt import Cursor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.record import Record
    from tidegate.records.span import Gap, Span

APPLY = "apply"  # Write what the verdict names, then move the cursor.
KNOWN = "known"  # All of it was applied before: answer with the cursor.
AHEAD = "ahead"  # It does not join on: the sender must go on at `cursor.through + 1`.
FORK = "fork"  # Another history under the same name: the sender must open a new epoch.

NEW_STREAM = Cursor(0, None)  # Before the first batch.


class Verdict(namedtuple("Verdict", ("kind", "cursor", "first", "records", "hashes", "gaps"))):
    """What to do with a span: `kind`, and the cursor that holds afterwards.

    For `APPLY`: `records` with their `hashes`, and `gaps`, all from sequence number `first` on.
    """

    __slots__ = ()
    kind: str
    cursor: Cursor
    first: int
    records: "list[Record]"
    hashes: "list[int]"
    gaps: "list[Gap]"


def examine(cursor: Cursor, span: "Span") -> Verdict:
    """Decide what a receiver at `cursor` does with `span`."""
    expected = cursor.through + 1
    if span.first > expected:
        return _nothing(AHEAD, cursor)
    own_hash = hash_within(span, cursor.through)
    if own_hash is not None and cursor.hash_at is not None and own_hash != cursor.hash_at:
        return _nothing(FORK, cursor)
    if span.last <= cursor.through:
        return _nothing(KNOWN, cursor)
    if own_hash is None and span.first <= cursor.through:
        # The cursor lies inside a gap of the span: nothing proves that what was applied up to there
        # is the same history.  The sender compares in front of its gap and goes on behind us.
        return _nothing(AHEAD, cursor)
    gaps = []
    skipped = expected - span.first
    for gap in span.gaps:
        if gap.last >= expected:
            gaps.append(gap)
        else:
            skipped -= gap.last - gap.first + 1
    return Verdict(
        APPLY,
        Cursor(span.last, span.hash_after),
        expected,
        span.records[skipped:],
        span.hashes[skipped:],
        gaps,
    )


def _nothing(kind: str, cursor: Cursor) -> Verdict:
    return Verdict(kind, cursor, cursor.through + 1, [], [], [])


def hash_within(span: "Span", seq: int) -> "int | None":
    """Return the running hash at `seq`, or None where the span cannot tell it.

    It cannot inside a gap, before a gap that opens the span, and outside `first-1..last`.
    """
    if seq == span.first - 1:
        opens_with_gap = bool(span.gaps) and span.gaps[0].first == span.first
        return None if opens_with_gap else span.hash_before
    if not span.first <= seq <= span.last:
        return None
    before = 0
    for gap in span.gaps:
        if gap.first <= seq <= gap.last:
            return gap.hash_at if seq == gap.last else None
        if gap.last < seq:
            before += gap.last - gap.first + 1
    return span.hashes[seq - span.first - before]
