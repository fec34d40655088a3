"""However a journal's rows are cut, spans join up again, and damage never passes as data."""

from hypothesis import given
from hypothesis import strategies as st

from properties.strategies import spans
from tidegate.limits import REASON_BYTES_MAX
from tidegate.records.span import assemble, reason_text, sequence_numbers
from tidegate.wire.ledger import hash_within


def rows_of(span):
    numbers = sequence_numbers(span.first, span.last, span.gaps)
    return list(zip(numbers, span.hashes, span.records, strict=True))


def read(span, rows, first, count_max):
    """Read as a journal does: rows from `first` on, the gaps that do not end before it."""
    hash_before = hash_within(span, first - 1) or 0
    gaps = [gap for gap in span.gaps if gap.last >= first]
    boots = {boot.number: boot for boot in span.boots}
    wanted = [row for row in rows if row[0] >= first][:count_max]
    return assemble(first, hash_before, wanted, gaps, boots)


@given(spans(), st.data())
def test_reads_of_any_size_join_up(span, data):
    at, records, hashes, gaps = span.first, [], [], []
    while at <= span.last:
        part = read(span, rows_of(span), at, data.draw(st.integers(1, 9)))
        assert (part.first, part.damaged) == (at, 0)
        assert part.last >= at
        assert part.hash_after == hash_within(span, part.last)
        records += part.records
        hashes += part.hashes
        gaps += part.gaps
        at = part.last + 1
    assert (records, hashes, gaps) == (span.records, span.hashes, span.gaps)


@given(spans(), st.data())
def test_a_read_from_any_number_tells_the_same_hashes(span, data):
    first = data.draw(st.integers(span.first, span.last))
    part = read(span, rows_of(span), first, 1000)
    for seq in range(first, min(span.last, first + 60) + 1):
        assert hash_within(part, seq) == hash_within(span, seq)


@given(spans(), st.data())
def test_a_reader_always_gets_on_and_never_takes_damage_for_data(span, data):
    rows = rows_of(span)
    good = {seq: record for seq, _, record in rows}
    for _ in range(data.draw(st.integers(0, 3))):
        if not rows:
            break
        index = data.draw(st.integers(0, len(rows) - 1))
        seq, stored, record = rows[index]
        damage = data.draw(st.sampled_from(["lost", "hash", "payload", "key"]))
        if damage == "lost":
            del rows[index]
        elif damage == "hash":
            rows[index] = (seq, stored ^ data.draw(st.integers(1, 0xFFFFFFFF)), record)
        elif damage == "key":
            del rows[index]
            taken = {row[0] for row in rows}
            key = data.draw(st.integers(span.first, span.last))
            if key not in taken:
                rows.append((key, stored, record))
                rows.sort(key=lambda row: row[0])
        else:
            payload = bytes([len(record.payload) & 1]) + record.payload
            rows[index] = (seq, stored, type(record)(*record[:3], payload, *record[4:]))
    # A gateway drops what is damaged, one number at a time, and reads on behind it.
    at, steps = span.first, 0
    while at <= span.last:
        part = read(span, rows, at, 5)
        for seq, record in zip(
            sequence_numbers(part.first, part.last, part.gaps), part.records, strict=True
        ):
            assert good[seq] == record
        steps += 1
        assert steps < 10_000
        if part.last < at and not part.damaged:
            # Nothing left, neither rows nor gaps: only the journal's own last number tells.
            assert not [row for row in rows if row[0] >= at]
            break
        at = part.last + 1
        if part.damaged:
            assert part.damaged == at
            at += 1


@given(st.text())
def test_a_reason_is_always_one_printable_line(text):
    reason = reason_text(text)
    assert len(reason.encode()) <= REASON_BYTES_MAX
    assert reason_text(reason) == reason
    assert len(reason.splitlines()) <= 1
    assert "\x1b" not in reason
