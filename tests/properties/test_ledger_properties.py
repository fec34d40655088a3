"""The ledger against a list: whatever is sent, in whatever order, each record is applied once."""

from hypothesis import given
from hypothesis import strategies as st

from properties.strategies import hashes, spans
from tidegate.records.record import Record, fold
from tidegate.records.span import Gap, Span, sequence_numbers
from tidegate.wire.ledger import AHEAD, APPLY, FORK, KNOWN, NEW_STREAM, examine, hash_within


def renumbered(span):
    """Return the span as the beginning of a stream."""
    shift = span.first - 1
    gaps = [Gap(gap.first - shift, gap.last - shift, gap.hash_at, gap.reason) for gap in span.gaps]
    last = span.last - shift
    return Span(1, last, span.hash_before, span.records, span.hashes, gaps, span.boots, 0)


def part(whole, first, last):
    """Return `first..last` of a stream as its sender would read it; gaps are sent to their end."""
    for gap in whole.gaps:
        if gap.first <= last <= gap.last:
            last = gap.last
    numbers = sequence_numbers(1, whole.last, whole.gaps)
    inside = [index for index, seq in enumerate(numbers) if first <= seq <= last]
    gaps = [
        Gap(max(gap.first, first), gap.last, gap.hash_at, gap.reason)
        for gap in whole.gaps
        if gap.last >= first and gap.first <= last
    ]
    before = hash_within(whole, first - 1)
    return Span(
        first,
        last,
        before or 0,
        [whole.records[index] for index in inside],
        [whole.hashes[index] for index in inside],
        gaps,
        whole.boots,
        0,
    )


class Receiver:
    """Applies what the ledger says, and remembers each number it applied, in order."""

    def __init__(self):
        self.cursor = NEW_STREAM
        self.records = []
        self.gone = []

    def take(self, span):
        """Return the kind of the verdict, after acting on it."""
        before = self.cursor
        verdict = examine(before, span)
        if verdict.kind != APPLY:
            assert verdict.cursor == before
            return verdict.kind
        assert verdict.first == before.through + 1
        numbers = sequence_numbers(verdict.first, verdict.cursor.through, verdict.gaps)
        self.records += list(zip(numbers, verdict.records, strict=True))
        for gap in verdict.gaps:
            self.gone += range(gap.first, gap.last + 1)
        self.cursor = verdict.cursor
        return APPLY


starts_and_lengths = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=40)


def check(receiver, whole):
    """Everything through the cursor was applied once, in order, or is in a gap."""
    numbers = sequence_numbers(1, whole.last, whole.gaps)
    every = list(zip(numbers, whole.records, strict=True))
    through = receiver.cursor.through
    assert receiver.records == [row for row in every if row[0] <= through]
    assert receiver.gone == [seq for seq in range(1, through + 1) if seq not in set(numbers)]
    if through:
        assert receiver.cursor.hash_at == hash_within(whole, through)


@given(spans(), starts_and_lengths)
def test_any_pieces_in_any_order_apply_each_record_once(span, pieces):
    whole = renumbered(span)
    receiver = Receiver()
    for start, length in pieces:
        first = start % whole.last + 1
        kind = receiver.take(part(whole, first, min(whole.last, first + length)))
        assert kind in (APPLY, KNOWN, AHEAD)
        check(receiver, whole)
    # And in the end a sender that does as it is told gets everything through.
    while receiver.cursor.through < whole.last:
        first = receiver.cursor.through + 1
        assert receiver.take(part(whole, first, min(whole.last, first + 3))) == APPLY
    check(receiver, whole)


def diverged(whole, at_record, payload):
    """Return a copy of a stream whose owner went on with another record there."""
    numbers = sequence_numbers(1, whole.last, whole.gaps)
    records, record_hashes = [], []
    running = whole.hash_before
    gaps_at = {gap.last + 1: gap.hash_at for gap in whole.gaps}
    for index, (seq, record) in enumerate(zip(numbers, whole.records, strict=True)):
        running = gaps_at.get(seq, running)
        if index == at_record:
            record = Record(*record[:3], payload, *record[4:])
        running = fold(running, record)
        records.append(record)
        record_hashes.append(running)
    return Span(
        1, whole.last, whole.hash_before, records, record_hashes, whole.gaps, whole.boots, 0
    )


@given(spans(), starts_and_lengths, st.data())
def test_another_history_is_a_fork_or_never_applied(span, pieces, data):
    whole = renumbered(span)
    if not whole.records:
        return
    at_record = data.draw(st.integers(0, len(whole.records) - 1))
    other = diverged(whole, at_record, whole.records[at_record].payload + b"!")
    seq_of_change = sequence_numbers(1, whole.last, whole.gaps)[at_record]
    # The gap behind the change re-anchors: from there on the two are one history again.
    anchors = [gap.first for gap in whole.gaps if gap.first > seq_of_change]
    until = anchors[0] - 1 if anchors else whole.last
    through = data.draw(st.integers(seq_of_change, until))
    receiver = Receiver()
    receiver.take(part(whole, 1, through))
    before = list(receiver.records)
    for start, length in pieces:
        first = start % (through + 1) + 1
        theirs = part(other, first, min(whole.last, first + length))
        if theirs.gaps and theirs.gaps[0].first == first == through + 1:
            continue  # What opens with a gap proves nothing about what was before it.
        kind = receiver.take(theirs)
        assert kind == (FORK if theirs.last >= through else KNOWN)
        assert receiver.records == before


@given(spans(), hashes, st.data())
def test_a_stream_that_began_otherwise_is_a_fork(span, other_hash, data):
    whole = renumbered(span)
    if whole.gaps or other_hash == whole.hash_before:
        return
    through = data.draw(st.integers(1, whole.last))
    running, record_hashes = other_hash, []
    for record in whole.records:
        running = fold(running, record)
        record_hashes.append(running)
    other = Span(1, whole.last, other_hash, whole.records, record_hashes, [], whole.boots, 0)
    receiver = Receiver()
    receiver.take(part(whole, 1, through))
    assert receiver.take(part(other, 1, whole.last)) == FORK
