"""Records, spans and batches that tests of codecs share. Runs on CPython and MicroPython."""

from tidegate.records.clock import Boot
from tidegate.records.record import RETAIN, Record, fold_all, pack_properties
from tidegate.records.span import Gap, Span
from tidegate.records.stream import Stream
from tidegate.wire.batch import Batch

STREAM = Stream("00c0ffee00c0ffee", "5f3759df5f3759df", "main")
BOOTS = [Boot(7, "0123456789abcdef", 1_750_000_000_000, 2), Boot(9, "fedcba9876543210", -5, 0)]


def record(number, boot=7):
    """Return a record that differs from every other number's in each field that may differ."""
    pairs = pack_properties([(b"unit", b"bar"), (b"n", str(number).encode())])
    return Record(
        boot,
        1000 * (number & 0xFFFF),
        f"site/{number % 3}/π".encode(),
        bytes([number & 0xFF]) * (number % 5),
        (number % 3) | (RETAIN if number % 2 else 0),
        pairs if number % 4 == 0 else b"",
    )


def span_of(first, last, gaps=(), hash_before=0, boots=None):
    """Return a span of `record`s with `gaps`, given as (first, last) pairs, each with its own hash.

    The hash at a gap's end depends on nothing but that end, and the records behind it go on from
    there, so that two spans cut from one stream at different places agree.
    """
    records, hashes, spans_gaps = [], [], []
    running = hash_before
    taken = set()
    for gap_first, gap_last in gaps:
        spans_gaps.append(Gap(gap_first, gap_last, gap_hash(gap_last), "overflow"))
        taken.update(range(gap_first, gap_last + 1))
    for seq in range(first, last + 1):
        if seq in taken:
            running = gap_hash(seq)
            continue
        records.append(record(seq, 9 if seq > 6 else 7))
        running = fold_all(running, records[-1:])[0]
        hashes.append(running)
    if boots is None:
        named = {one.boot for one in records}
        boots = [boot for boot in BOOTS if boot.number in named]
    return Span(first, last, hash_before, records, hashes, spans_gaps, boots, 0)


def gap_hash(seq):
    """Return the running hash that the samples give the end of a gap."""
    return (0xA0000000 + seq) & 0xFFFFFFFF


def batch_of(span):
    """Return a batch of the sample stream."""
    return Batch(STREAM, span, 9, 123_456)


BATCH = batch_of(span_of(3, 12, [(5, 6), (10, 10)], hash_before=0x12345678))
