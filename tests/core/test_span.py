"""A span tells what stands at every number, and damage never passes as data."""

from samples import BOOTS, gap_hash, record, span_of
from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX, REASON_BYTES_MAX
from tidegate.records.clock import Boot, forgotten_boot
from tidegate.records.record import Record, fold
from tidegate.records.span import Gap, assemble, reason_text, sequence_numbers
from tidegate.wire.ledger import hash_within

BOOTS_BY_NUMBER = {boot.number: boot for boot in BOOTS}
GAP_CASES = (
    [],
    [(3, 3)],
    [(3, 5)],
    [(12, 12)],
    [(10, 12)],
    [(3, 12)],
    [(3, 4), (5, 6)],
    [(5, 6), (10, 10)],
    [(3, 4), (6, 6), (11, 12)],
)


def rows_of(span):
    numbers = sequence_numbers(span.first, span.last, span.gaps)
    return list(zip(numbers, span.hashes, span.records))


def assembled(span, rows=None, gaps=None, boots=BOOTS_BY_NUMBER):
    rows = rows_of(span) if rows is None else rows
    gaps = span.gaps if gaps is None else gaps
    return assemble(span.first, span.hash_before, rows, gaps, boots)


def test_numbers_skip_the_gaps():
    for gaps in GAP_CASES:
        span = span_of(3, 12, gaps)
        taken = [seq for first, last in gaps for seq in range(first, last + 1)]
        wanted = [seq for seq in range(3, 13) if seq not in taken]
        assert sequence_numbers(3, 12, span.gaps) == wanted, gaps
        assert len(span.records) == len(wanted)


def test_the_hash_at_every_number_is_known_or_refused():
    for gaps in GAP_CASES:
        span = span_of(3, 12, gaps, hash_before=55)
        known = dict(zip(sequence_numbers(3, 12, span.gaps), span.hashes))
        known.update([(last, gap_hash(last)) for first, last in gaps])
        if not gaps or gaps[0][0] != 3:
            known[2] = 55
        for seq in range(15):
            assert hash_within(span, seq) == known.get(seq), (gaps, seq)
        assert span.hash_after == known[12], gaps


def test_an_empty_span_ends_where_it_began():
    span = span_of(4, 3, hash_before=99)
    assert span.hash_after == 99
    assert hash_within(span, 3) == 99
    assert hash_within(span, 4) is None


def test_what_a_journal_stores_assembles():
    for gaps in GAP_CASES:
        span = span_of(3, 12, gaps, hash_before=55)
        assert assembled(span) == span, gaps
        for count in range(1, len(span.records) + 1):
            # `rows` may stop early: the span then ends behind the gap that follows, if one does.
            part = assembled(span, rows_of(span)[:count])
            assert part.damaged == 0, (gaps, count)
            assert part.records == span.records[:count]
            assert part.hash_after == hash_within(span, part.last)


def test_a_gap_that_began_earlier_is_cut():
    whole = span_of(1, 9, [(2, 6)])
    for first in range(2, 7):
        part = assemble(first, 0, rows_of(whole)[1:], whole.gaps, BOOTS_BY_NUMBER)
        assert part.gaps == [Gap(first, 6, gap_hash(6), "overflow")]
        assert (part.first, part.last, part.damaged) == (first, 9, 0)


def test_a_damaged_row_ends_the_span_before_it():
    span = span_of(3, 12, [(5, 6), (10, 10)], hash_before=55)
    good = rows_of(span)
    for index, (seq, stored, one) in enumerate(good):
        payload = Record(one.boot, one.ticks_ms, one.topic, one.payload + b"x", one.flags, b"")
        for damaged in ((seq, stored ^ 1, one), (seq, stored, payload), None):
            rows = list(good)
            rows[index : index + 1] = [damaged] if damaged else []
            part = assembled(span, rows)
            assert part.records == span.records[:index], (seq, damaged)
            is_last_and_gone = damaged is None and seq == 12  # Nobody knows that it was there.
            assert part.damaged == (0 if is_last_and_gone else seq), (seq, damaged)
            assert part.last < seq


def test_a_row_that_lost_its_key_is_found_at_its_place():
    span = span_of(3, 12, [(5, 6)])
    rows = rows_of(span)
    moved = rows[4]
    rows[4:5] = []
    rows.insert(2, (5, moved[1], moved[2]))  # Row 9 now says 5, inside the gap.
    part = assembled(span, rows)
    assert (part.last, part.damaged) == (8, 9)


def test_rows_that_are_all_gone_before_a_gap_do_not_stop_the_stream():
    span = span_of(3, 12, [(5, 6)])
    part = assembled(span, rows=[])
    assert (part.records, part.gaps, part.last, part.damaged) == ([], [], 2, 3)
    # With nothing behind, there is nothing to say: the journal knows its own last number.
    assert assembled(span, rows=[], gaps=[]).damaged == 0


def test_of_a_boot_that_nobody_knows_only_the_time_is_lost():
    span = span_of(3, 12)
    part = assembled(span, boots={7: BOOTS[0]})
    assert (part.records, part.last, part.damaged) == (span.records, 12, 0)
    assert part.boots == [BOOTS[0], forgotten_boot(9)]


def test_a_span_never_holds_more_boots_than_a_batch():
    rows, boots, running = [], {}, 0
    for number in range(1, BATCH_BOOTS_MAX + 11):
        one = Record(number, 5, b"t", b"", 0, b"")
        running = fold(running, one)
        rows.append((number, running, one))
        boots[number] = Boot(number, "0" * 16, 0, 0)
    span = assemble(1, 0, rows, [], boots)
    assert (span.last, span.damaged) == (BATCH_BOOTS_MAX, 0)
    rest = assemble(span.last + 1, span.hash_after, rows[span.last :], [], boots)
    assert (rest.last, rest.damaged) == (BATCH_BOOTS_MAX + 10, 0)


def test_a_span_never_holds_more_gaps_than_a_batch():
    gaps = [Gap(seq, seq, seq, "overflow") for seq in range(1, BATCH_GAPS_MAX + 4)]
    one = record(7)
    row = (BATCH_GAPS_MAX + 4, fold(BATCH_GAPS_MAX + 3, one), one)
    span = assemble(1, 0, [row], gaps, BOOTS_BY_NUMBER)
    assert (span.last, span.damaged, len(span.gaps)) == (BATCH_GAPS_MAX, 0, BATCH_GAPS_MAX)
    rest = assemble(span.last + 1, 0, [row], gaps[span.last :], BOOTS_BY_NUMBER)
    assert (rest.last, rest.damaged, len(rest.records)) == (BATCH_GAPS_MAX + 4, 0, 1)


def test_a_reason_is_one_printable_line_that_fits():
    for text, wanted in (
        ("overflow", "overflow"),
        ("", ""),
        ("poison: too\nlong\0\x1b[31m\x7f\x9b", "poison: too?long??[31m??"),
        ("grün – ¡ok! 日本 \U0001f600", "grün – ¡ok! 日本 \U0001f600"),
        ("a\u2028b", "a?b"),
        ("x" + chr(0xD800), "x?"),
        ("ä" * 200, "ä" * (REASON_BYTES_MAX // 2)),
        ("日" * 200, "日" * (REASON_BYTES_MAX // 3)),
        ("y" * 500, "y" * REASON_BYTES_MAX),
    ):
        assert reason_text(text) == wanted, wanted
        assert reason_text(wanted) == wanted
        assert len(wanted.encode()) <= REASON_BYTES_MAX
