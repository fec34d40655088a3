"""Batches say what they were given, in one form."""

from samples import BOOTS, STREAM, batch_of, span_of
from support import raises
from tidegate.limits import BATCH_BOOTS_MAX, SEQ_MAX, TICKS_MS_MAX
from tidegate.records.clock import Boot
from tidegate.records.record import Record, fold_all
from tidegate.records.span import Gap, Span
from tidegate.wire.batch import Batch, encode
from tidegate.wire.decoder import decode


def test_batches_come_back():
    for span in (
        span_of(1, 1),
        span_of(1, 12),
        span_of(5, 20, hash_before=0xFFFFFFFF),
        span_of(1, 12, [(1, 12)]),
        span_of(1, 12, [(1, 3)]),
        span_of(1, 12, [(10, 12)]),
        span_of(1, 12, [(2, 3), (4, 4), (9, 12)]),
        span_of(SEQ_MAX - 3, SEQ_MAX, [(SEQ_MAX - 1, SEQ_MAX - 1)]),
        span_of(1, 3, boots=BOOTS),
    ):
        batch = batch_of(span)
        assert decode(encode(batch)) == batch, span
        assert encode(decode(encode(batch))) == encode(batch)


def test_extreme_values_come_back():
    one = Record(0xFFFFFFFF, TICKS_MS_MAX, b"t" * 65535, b"", 2, b"\0\0\xfb\xff" + b"v" * 65531)
    boot = Boot(0xFFFFFFFF, "f" * 16, -TICKS_MS_MAX, 2)
    span = Span(1, 1, 0, [one], fold_all(0, [one]), [], [boot], 0)
    batch = Batch(STREAM, span, 0xFFFFFFFF, TICKS_MS_MAX)
    assert decode(encode(batch)) == batch


def test_every_number_of_boots_fits():
    records = [Record(n, 0, b"t", b"", 0, b"") for n in range(BATCH_BOOTS_MAX, 0, -1)]
    boots = [Boot(n, "0" * 16, n, 1) for n in range(1, BATCH_BOOTS_MAX + 1)]
    span = Span(1, len(records), 0, records, fold_all(0, records), [], boots, 0)
    assert decode(encode(batch_of(span))) == batch_of(span)
    shuffled = Span(1, len(records), 0, records, fold_all(0, records), [], boots[::-1], 0)
    assert encode(batch_of(shuffled)) == encode(batch_of(span))


def test_a_reason_that_does_not_fit_is_cut_and_not_refused():
    gap = Gap(1, 2, 5, "poison: " + "ä\n" * 200)
    span = Span(1, 2, 0, [], [], [gap], [], 0)
    reason = decode(encode(batch_of(span))).span.gaps[0].reason
    assert reason == "poison: " + "ä?" * 64


def test_what_cannot_be_encoded_is_our_own_fault():
    good = span_of(1, 2)
    one = good.records[0]
    late = Record(7, TICKS_MS_MAX + 1, b"t", b"", 0, b"")
    long_topic = Record(7, 1, b"t" * 65536, b"", 0, b"")
    long_pairs = Record(7, 1, b"t", b"", 0, b"x" * 65536)
    for span in (
        span_of(1, 0),
        span_of(0, 1),
        Span(1, 1, 0, [late], [0], [], good.boots, 0),
        Span(1, 1, 0, [long_topic], [0], [], good.boots, 0),
        Span(1, 1, 0, [long_pairs], [0], [], good.boots, 0),
        Span(1, 1, 0, [one], [0], [], [Boot(7, "0" * 16, TICKS_MS_MAX + 1, 0)], 0),
    ):
        with raises(AssertionError):
            encode(batch_of(span))


def test_a_thousand_records_come_back():
    # At their usual size: at their largest they would be more than a board's memory.
    records = [Record(7, n, b"site/7/pump", b"x" * 64, 1, b"") for n in range(1000)]
    span = Span(1, 1000, 0, records, fold_all(0, records), [], BOOTS[:1], 0)
    data = encode(batch_of(span))
    span = None
    found = decode(data).span
    assert found.records == records
    assert len(data) < 1000 * 90
