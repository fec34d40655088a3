"""A batch says one thing in one form; anything else is refused with its one reason."""

import struct

from samples import BATCH, BOOTS, STREAM, batch_of, record, span_of
from tidegate.errors import ProtocolError
from tidegate.limits import (
    BATCH_BOOTS_MAX,
    BATCH_GAPS_MAX,
    BATCH_RECORDS_MAX,
    PAYLOAD_BYTES_MAX,
    SEQ_MAX,
    TICKS_MS_MAX,
)
from tidegate.records.clock import Boot
from tidegate.records.record import Record, fold_all
from tidegate.records.span import Gap, Span
from tidegate.wire.batch import encode
from tidegate.wire.decoder import decode
from tidegate.wire.envelope import ENVELOPE_BYTES, wrap

DATA = encode(BATCH)

BODY = DATA[ENVELOPE_BYTES:]


def refusal(data):
    """Return the reason for which `data` is refused, None when it is not."""
    try:
        decode(data)
    except ProtocolError as error:
        return error.reason
    return None


def little(number, count_bytes):
    return number.to_bytes(count_bytes, "little")


def plain_body():
    """Return the fields of a batch of two records and a gap, to be changed and joined.

    Written down a second time, row by row, from docs/protocol.md.
    """
    records = [Record(7, 10, b"t", b"ab", 1, b""), Record(7, 12, b"u", b"c", 4, b"")]
    hashes = fold_all(0, records)
    return {
        "name": b"00c0ffee00c0ffee.5f3759df5f3759df.main",
        "first": 1,
        "last": 3,
        "hash_before": 0,
        "hash_after": 0xABCD,
        "sent_boot": 7,
        "sent_ticks_ms": 20,
        "records": 2,
        "gaps": [[3, 3, hashes[1], 0xABCD, b"overflow"]],
        "boots": [[7, 0x0123456789ABCDEF, 1000, 1]],
        "topics": [b"t", b"u"],
        "boot_column": b"\0\0",
        "ticks_column": [10, 12],
        "topic_column": [0, 1],
        "flags_column": b"\1\4",
        "payload_lengths": [2, 1],
        "properties_lengths": [0, 0],
        "bytes": b"abc",
        "counts": None,
    }


def joined(fields):
    """Return the batch of these fields, whatever they are, in a good envelope."""
    counts = fields["counts"]
    if counts is None:
        counts = [len(fields["gaps"]), len(fields["boots"]), len(fields["topics"])]
    body = little(len(fields["name"]), 2) + little(fields["first"], 8) + little(fields["last"], 8)
    body += little(fields["hash_before"], 4) + little(fields["hash_after"], 4)
    body += little(fields["sent_boot"], 4) + little(fields["sent_ticks_ms"], 8)
    body += little(fields["records"], 4) + b"".join([little(count, 2) for count in counts])
    body += fields["name"]
    for number, identity, offset_ms, quality in fields["boots"]:
        body += struct.pack("<IQqB", number, identity, offset_ms, quality)
    for first, last, before, at, reason in fields["gaps"]:
        body += little(first, 8) + little(last, 8) + little(before, 4) + little(at, 4)
        body += little(len(reason), 2) + reason
    body += b"".join([little(len(topic), 2) for topic in fields["topics"]])
    body += b"".join(fields["topics"]) + fields["boot_column"]
    body += b"".join([little(ticks, 8) for ticks in fields["ticks_column"]])
    body += b"".join([little(index, 2) for index in fields["topic_column"]])
    body += fields["flags_column"]
    body += b"".join([little(length, 4) for length in fields["payload_lengths"]])
    body += b"".join([little(length, 2) for length in fields["properties_lengths"]])
    return wrap(body + fields["bytes"])


WRONG_FIELDS = (
    ("bad-stream", {"name": b"00c0ffee00c0ffee.5f3759df5f3759df.Main"}),
    ("bad-stream", {"name": b""}),
    ("bad-text", {"name": b"\xff" * 38}),
    ("bad-range", {"first": 0, "last": 2}),
    ("bad-range", {"first": 4}),
    ("bad-range", {"last": SEQ_MAX + 1}),
    ("bad-range", {"last": 4}),
    ("bad-range", {"records": 1}),
    ("bad-range", {"gaps": []}),
    ("bad-hash", {"hash_before": 1}),
    ("bad-hash", {"hash_after": 0xABCE}),
    ("bad-hash", {"bytes": b"abd"}),
    ("bad-hash", {"ticks_column": [10, 13]}),
    ("bad-hash", {"flags_column": b"\0\4"}),
    ("bad-hash", {"payload_lengths": [1, 2]}),
    ("bad-hash", {"topics": [b"t", b"v"]}),
    ("bad-hash", {"boots": [[8, 1, 1000, 1]]}),
    ("bad-time", {"sent_ticks_ms": TICKS_MS_MAX + 1}),
    ("bad-time", {"ticks_column": [10, TICKS_MS_MAX + 1]}),
    ("bad-gap", {"gaps": [[3, 2, 0, 0xABCD, b"overflow"]]}),
    ("bad-gap", {"gaps": [[3, 4, 0, 0xABCD, b"overflow"]]}),
    ("bad-gap", {"gaps": [[0, 0, 0, 0xABCD, b"overflow"]]}),
    ("bad-gap", {"gaps": [[3, 3, 0, 1, b"a"], [3, 3, 1, 0xABCD, b"b"]]}),
    ("bad-gap", {"gaps": [[3, 3, 0, 0xABCD, b"x" * 201]]}),
    ("bad-gap", {"gaps": [[3, 3, 0, 0xABCD, b"two\nlines"]]}),
    ("bad-gap", {"gaps": [[3, 3, 0, 0xABCD, b"\x1b[2J"]]}),
    ("bad-text", {"gaps": [[3, 3, 0, 0xABCD, b"\xc3"]]}),
    ("bad-text", {"gaps": [[3, 3, 0, 0xABCD, b"\0"]]}),
    ("bad-hash", {"gaps": [[3, 3, 1, 0xABCD, b"overflow"]]}),
    ("bad-hash", {"gaps": [[2, 2, 1, 0xABCD, b"overflow"]]}),
    ("bad-boot", {"boots": [[7, 1, 1000, 3]]}),
    ("bad-boot", {"boots": [[7, 1, TICKS_MS_MAX + 1, 1]]}),
    ("bad-boot", {"boots": [[7, 1, -TICKS_MS_MAX - 1, 1]]}),
    ("bad-boot", {"boots": [[7, 1, 0, 0], [7, 1, 0, 0]]}),
    ("bad-boot", {"boots": [[8, 1, 0, 0], [7, 1, 0, 0]]}),
    ("bad-topic", {"topics": [b"", b"u"]}),
    ("bad-topic", {"topics": [b"+", b"u"]}),
    ("bad-topic", {"topics": [b"t/#", b"u"]}),
    ("bad-topic", {"topics": [b"\0", b"u"]}),
    ("bad-topic", {"topics": [b"\xff", b"u"]}),
    ("bad-index", {"topics": [b"t", b"t"]}),
    ("bad-index", {"topics": [b"t"]}),
    ("bad-index", {"topics": [b"t", b"u", b"v"]}),
    ("bad-index", {"topic_column": [1, 0]}),
    ("bad-index", {"topic_column": [0, 2]}),
    ("bad-index", {"topic_column": [0, 0]}),
    ("bad-index", {"boot_column": b"\0\1"}),
    ("bad-index", {"boots": []}),
    ("bad-flags", {"flags_column": b"\3\4"}),
    ("bad-flags", {"flags_column": b"\1\x08"}),
    ("bad-flags", {"flags_column": b"\1\x80"}),
    ("bad-properties", {"properties_lengths": [3, 0], "bytes": b"xyzabc"}),
    ("bad-properties", {"properties_lengths": [5, 0], "bytes": b"\1\0\1\0xabc"}),
    ("bad-length", {"bytes": b"abcd"}),
    ("bad-length", {"bytes": b"ab"}),
    ("bad-length", {"payload_lengths": [2, 0xFFFFFF]}),
    ("too-large", {"payload_lengths": [2, PAYLOAD_BYTES_MAX + 1]}),
    ("too-large", {"records": BATCH_RECORDS_MAX + 1}),
    ("bad-length", {"records": BATCH_RECORDS_MAX}),
    ("too-large", {"counts": [BATCH_GAPS_MAX + 1, 1, 2]}),
    ("too-large", {"counts": [1, BATCH_BOOTS_MAX + 1, 2]}),
    ("bad-length", {"counts": [1, 1, 65535]}),
)


def test_the_layout_is_the_documented_one():
    batch = decode(joined(plain_body()))
    assert encode(batch) == joined(plain_body())
    assert batch.stream == STREAM
    assert (batch.sent_boot, batch.sent_ticks_ms) == (7, 20)
    assert batch.span.gaps == [Gap(3, 3, 0xABCD, "overflow")]
    assert batch.span.boots == [Boot(7, "0123456789abcdef", 1000, 1)]
    assert batch.span.records[0] == Record(7, 10, b"t", b"ab", 1, b"")
    assert batch.span.records[1] == Record(7, 12, b"u", b"c", 4, b"")


def test_each_wrong_field_has_its_own_error():
    for reason, wrong in WRONG_FIELDS:
        fields = plain_body()
        fields.update(wrong)
        assert refusal(joined(fields)) == reason, (reason, wrong)


def test_every_truncation_is_refused():
    for end in range(len(DATA)):
        assert refusal(DATA[:end]) is not None, end
    # The same with an envelope that fits: the body itself knows where it ends.
    for end in range(len(BODY)):
        assert refusal(wrap(BODY[:end])) == "bad-length", end
    assert refusal(wrap(BODY + b"\0")) == "bad-length"


def test_every_flipped_bit_is_refused():
    for place in range(len(DATA) * 8):
        flipped = bytearray(DATA)
        flipped[place >> 3] ^= 1 << (place & 7)
        assert refusal(bytes(flipped)) is not None, place


def test_behind_the_checksum_the_hash_still_guards_every_record():
    # What a sender damages before it makes the envelope: no record, number or hash may pass.
    span = BATCH.span
    for place in range(len(BODY) * 8):
        flipped = bytearray(BODY)
        flipped[place >> 3] ^= 1 << (place & 7)
        try:
            found = decode(wrap(bytes(flipped)))
        except ProtocolError:
            continue
        same = (found.span.first, found.span.last, found.span.records, found.span.hashes)
        assert same == (span.first, span.last, span.records, span.hashes), place
        gaps = [(gap.first, gap.last, gap.hash_at) for gap in found.span.gaps]
        assert gaps == [(gap.first, gap.last, gap.hash_at) for gap in span.gaps], place


def test_a_record_right_before_a_gap_is_guarded_too():
    # The gap re-anchors the hash, so the one before it travels along.
    span = span_of(1, 4, [(3, 4)])
    other = Span(1, 4, 0, [span.records[0], record(9)], span.hashes, span.gaps, BOOTS, 0)
    assert refusal(encode(batch_of(other))) == "bad-hash"


def test_what_the_records_are_is_not_taken_from_the_senders_word():
    span = span_of(1, 3)
    for hashes in ([1, 2, 3], span.hashes[:2] + [span.hashes[2] ^ 1]):
        liar = Span(1, 3, 0, span.records, hashes, [], span.boots, 0)
        assert refusal(encode(batch_of(liar))) == "bad-hash"
