"""Whatever is sent again, in any pieces, is applied once and in order; other histories never."""

from samples import gap_hash, record, span_of
from tidegate.records.record import fold_all
from tidegate.records.span import Gap, Span, sequence_numbers
from tidegate.wire.ledger import AHEAD, APPLY, FORK, KNOWN, NEW_STREAM, examine
from tidegate.wire.receipt import Cursor

LAST = 9
GAP_CASES = (
    [],
    [(1, 1)],
    [(1, 4)],
    [(9, 9)],
    [(6, 9)],
    [(1, 9)],
    [(3, 5)],
    [(3, 4), (5, 7)],
    [(1, 2), (4, 4), (8, 9)],
)


def part(whole, first, last):
    """Return `first..last` of a span, as a journal would read it."""
    rows = list(zip(sequence_numbers(1, LAST, whole.gaps), whole.hashes, whole.records))
    inside = [row for row in rows if first <= row[0] <= last]
    gaps = [
        Gap(max(gap.first, first), gap.last, gap.hash_at, gap.reason)
        for gap in whole.gaps
        if gap.last >= first and gap.last <= last
    ]
    known = [(0, whole.hash_before)] + [(seq, at) for seq, at, _ in rows]
    known += [(gap.last, gap.hash_at) for gap in whole.gaps]
    before = dict(known).get(first - 1, 0)
    return Span(
        first, last, before, [row[2] for row in inside], [row[1] for row in inside], gaps,
        whole.boots, 0,
    )  # fmt: skip


def cuts(whole):
    """Return every (first, last) that a journal would read: none ends inside a gap."""
    inside = [seq for gap in whole.gaps for seq in range(gap.first, gap.last)]
    ends = [last for last in range(1, LAST + 1) if last not in inside]
    return [(first, last) for last in ends for first in range(1, last + 1)]


def numbered(verdict):
    """Return (seq, record) of what a verdict applies."""
    numbers = sequence_numbers(verdict.first, verdict.cursor.through, verdict.gaps)
    assert len(numbers) == len(verdict.records) == len(verdict.hashes)
    return list(zip(numbers, verdict.records))


def cursor_after(whole, through):
    """Return the cursor of a receiver that applied `whole` through there."""
    return examine(NEW_STREAM, part(whole, 1, through)).cursor if through else NEW_STREAM


def test_every_overlap_applies_what_is_missing_and_nothing_else():
    for gaps in GAP_CASES:
        whole = span_of(1, LAST, gaps, hash_before=77)
        every = dict(zip(sequence_numbers(1, LAST, whole.gaps), whole.records))
        # Cursors where one sender's batches ended, whatever it has dropped since.
        for through in [0] + [last for first, last in cuts(whole) if first == 1]:
            cursor = cursor_after(whole, through)
            for first, last in cuts(whole):
                verdict = examine(cursor, part(whole, first, last))
                case = (gaps, through, first, last)
                if first > through + 1:
                    assert verdict.kind == AHEAD, case
                elif last <= through:
                    assert verdict.kind == KNOWN, case
                else:
                    assert verdict.kind == APPLY, case
                    wanted = [(n, every[n]) for n in range(through + 1, last + 1) if n in every]
                    assert numbered(verdict) == wanted, case
                    assert verdict.first == through + 1
                    assert verdict.cursor == cursor_after(whole, last), case
                    continue
                nothing = (verdict.records, verdict.hashes, verdict.gaps, verdict.cursor)
                assert nothing == ([], [], [], cursor), case


def test_a_gap_across_the_cursor_proves_nothing():
    # The receiver applied what the sender dropped before it learned of it, or what a copy sent.
    whole = span_of(1, LAST, [(3, 7)])
    for through in range(2, 8):
        before = cursor_after(span_of(1, LAST), through)
        for first in range(1, through + 2):
            verdict = examine(before, part(whole, first, LAST))
            if through == 7 and first <= 7:
                # The hash at the gap's end is known, and the samples' gaps have their own.
                assert verdict.kind == FORK
                continue
            if 2 < through < 7 and first <= through:
                assert (verdict.kind, verdict.cursor, verdict.records) == (AHEAD, before, [])
                continue
            if through == 7:
                continue
            assert verdict.gaps == [Gap(through + 1, 7, gap_hash(7), "overflow")]
            assert verdict.kind == APPLY
            assert [seq for seq, _ in numbered(verdict)] == [8, 9]
            assert verdict.cursor == Cursor(LAST, whole.hash_after)


def test_a_new_stream_takes_the_first_hash_from_the_sender():
    for hash_before in (0, 1, 0xFFFFFFFF):
        verdict = examine(NEW_STREAM, span_of(1, 3, hash_before=hash_before))
        assert verdict.kind == APPLY
        assert verdict.cursor == Cursor(3, span_of(1, 3, hash_before=hash_before).hash_after)
    assert examine(NEW_STREAM, span_of(2, 3)).kind == AHEAD


def test_another_history_at_the_cursor_is_a_fork():
    ours = span_of(1, LAST)
    for through in range(1, LAST + 1):
        theirs_records = list(ours.records)
        for changed_at in range(1, through + 1):
            records = list(theirs_records)
            records[changed_at - 1] = record(100 + changed_at)
            hashes = fold_all(0, records)
            theirs = Span(1, LAST, 0, records, hashes, [], ours.boots, 0)
            cursor = cursor_after(ours, through)
            for first in range(1, through + 2):
                for last in range(max(first, through), LAST + 1):
                    verdict = examine(cursor, part(theirs, first, last))
                    assert verdict.kind == FORK, (through, changed_at, first, last)
                    assert (verdict.records, verdict.cursor) == ([], cursor)


def test_another_history_that_ends_before_the_cursor_is_never_applied():
    # It looks like an old batch sent again; the cursor in the receipt tells the sender.
    cursor = cursor_after(span_of(1, LAST), 6)
    for first in range(1, 6):
        for last in range(first, 6):
            theirs = span_of(first, last, hash_before=99)
            verdict = examine(cursor, theirs)
            assert (verdict.kind, verdict.cursor) == (KNOWN, cursor)


def test_a_gap_at_the_cursors_end_proves_the_history():
    cursor = cursor_after(span_of(1, LAST, [(4, 6)]), 6)
    assert cursor == Cursor(6, gap_hash(6))
    assert examine(cursor, span_of(4, LAST, [(4, 6)])).kind == APPLY
    other = [Gap(4, 6, 1, "overflow")]
    theirs = Span(4, 6, 0, [], [], other, [], 0)
    assert examine(cursor, theirs).kind == FORK


def test_an_applied_verdict_is_known_ever_after():
    for gaps in GAP_CASES:
        span = span_of(1, LAST, gaps)
        verdict = examine(NEW_STREAM, span)
        for _ in range(3):
            verdict = examine(verdict.cursor, span)
            assert (verdict.kind, verdict.records) == (KNOWN, [])
