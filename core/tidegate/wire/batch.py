"""The batch: a span of one stream in bytes, as it travels and as it lies in a bundle file.

The layout is columnar, because one `struct` call for a thousand lengths costs little more than one
for a single length, also in pure Python.  `docs/protocol.md` gives it byte by byte.

The body travels in an `envelope`.  Its checksum covers the bytes on their way; the running hash
covers every record, so that each is proved from the sender's admission to the receiver's table.
What decodes has one form only: encoded again it gives the same body.
"""

import struct
from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.limits import (
    BATCH_BOOTS_MAX,
    BATCH_BYTES_MAX,
    BATCH_GAPS_MAX,
    BATCH_RECORDS_MAX,
    BOOT_MAX,
    PAYLOAD_BYTES_MAX,
    PROPERTIES_BYTES_MAX,
    REASON_BYTES_MAX,
    SEQ_MAX,
    TICKS_MS_MAX,
    TOPIC_BYTES_MAX,
)
from tidegate.records.record import (
    FLAGS_ALL,
    QOS_MASK,
    Record,
    fold_all,
    make_record,
    unpack_properties,
)
from tidegate.records.span import Gap, Span, reason_text
from tidegate.records.stream import Stream, parse_stream
from tidegate.records.topics import check_topic
from tidegate.wire import envelope
from tidegate.wire.parts import Reader, pack_boot, read_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.clock import Boot
    from tidegate.wire.envelope import Deflate, Inflate

_HEAD = "<HQQIIIQIHHH"
_GAP = "<QQIIH"
_ROW_BYTES = 1 + 8 + 2 + 1 + 4 + 2  # boot, ticks, topic, flags, payload length, properties length


class Batch(namedtuple("Batch", ("stream", "span", "sent_boot", "sent_ticks_ms"))):
    """A decoded batch.

    `sent_boot` and `sent_ticks_ms` are the sender's clock when it was encoded: a receiver can tell
    the age of a record even where the sender never learned the wall time.
    """

    __slots__ = ()
    stream: Stream
    span: Span
    sent_boot: int
    sent_ticks_ms: int


def encode(batch: Batch) -> bytes:
    """Return the batch in its envelope, not deflated; see `deflated`.

    What it holds must be within `limits`: those who admit, drop and read see to that.
    """
    span = batch.span
    boots = sorted(span.boots, key=lambda boot: boot.number)
    topics, topic_column = _topic_columns(span.records)
    _assert_encodable(batch, topics)
    name = str(batch.stream).encode()
    counts = (len(span.records), len(span.gaps), len(boots), len(topics))
    head = struct.pack(
        _HEAD, len(name), span.first, span.last, span.hash_before, span.hash_after,
        batch.sent_boot, batch.sent_ticks_ms, *counts,
    )  # fmt: skip
    parts = [head, name]
    parts.extend([pack_boot(boot) for boot in boots])
    parts.extend(_gap_parts(span))
    parts.append(struct.pack(f"<{len(topics)}H", *[len(topic) for topic in topics]))
    parts.extend(topics)
    parts.extend(_record_parts(span.records, boots, topic_column))
    return envelope.wrap(b"".join(parts))


def _assert_encodable(batch: Batch, topics: "list[bytes]") -> None:
    # MicroPython's struct cuts off what does not fit its field, without a word.
    span = batch.span
    assert 0 < span.first <= span.last <= SEQ_MAX, "an empty span cannot be sent"
    assert len(span.records) <= BATCH_RECORDS_MAX
    assert len(span.gaps) <= BATCH_GAPS_MAX
    assert len(span.boots) <= BATCH_BOOTS_MAX
    assert 0 <= batch.sent_boot <= BOOT_MAX
    assert 0 <= batch.sent_ticks_ms <= TICKS_MS_MAX
    for topic in topics:
        assert len(topic) <= TOPIC_BYTES_MAX


def _topic_columns(records: "list[Record]") -> "tuple[list[bytes], list[int]]":
    """Return the topics in the order of their first use, and each record's index into them."""
    topics: list[bytes] = []
    index_of: dict[bytes, int] = {}
    column = []
    for record in records:
        topic = record.topic
        index = index_of.get(topic)
        if index is None:
            index = index_of[topic] = len(topics)
            topics.append(topic)
        column.append(index)
    return topics, column


def _record_parts(
    records: "list[Record]", boots: "list[Boot]", topic_column: "list[int]"
) -> "list[bytes]":
    if not records:
        return []
    count = len(records)
    boot_index = {boot.number: index for index, boot in enumerate(boots)}
    ticks_column = [record.ticks_ms for record in records]
    payloads = [record.payload for record in records]
    properties = [record.properties for record in records]
    payload_lengths = [len(payload) for payload in payloads]
    properties_lengths = [len(pairs) for pairs in properties]
    assert min(ticks_column) >= 0 and max(ticks_column) <= TICKS_MS_MAX
    assert max(payload_lengths) <= PAYLOAD_BYTES_MAX
    assert max(properties_lengths) <= PROPERTIES_BYTES_MAX
    columns = [
        bytes([boot_index[record.boot] for record in records]),
        struct.pack(f"<{count}Q", *ticks_column),
        struct.pack(f"<{count}H", *topic_column),
        bytes([record.flags for record in records]),
        struct.pack(f"<{count}I", *payload_lengths),
        struct.pack(f"<{count}H", *properties_lengths),
    ]
    return columns + properties + payloads


def _gap_parts(span: Span) -> "list[bytes]":
    parts = []
    at, done, running = span.first, 0, span.hash_before
    for gap in span.gaps:
        if gap.first > at:
            done += gap.first - at
            running = span.hashes[done - 1]
        reason = reason_text(gap.reason).encode()
        parts.append(struct.pack(_GAP, gap.first, gap.last, running, gap.hash_at, len(reason)))
        parts.append(reason)
        at, running = gap.last + 1, gap.hash_at
    return parts


def deflated(data: bytes, deflate: "Deflate") -> bytes:
    """Return the encoded batch `data` with its body deflated, or as it is where that is no gain.

    `deflate` makes a raw RFC 1951 stream.
    """
    return envelope.deflated(data, deflate)


def decode(
    data: bytes, inflate: "Inflate | None" = None, bytes_max: int = BATCH_BYTES_MAX
) -> Batch:
    """Return the batch in `data`; raise `ProtocolError` for what `encode` cannot have made.

    `inflate` as in `envelope.unwrap`; without it a deflated batch is refused.
    """
    body, start = envelope.unwrap(data, inflate, bytes_max)
    return _decode_body(Reader(body, start))


def _decode_body(reader: Reader) -> Batch:
    head = reader.unpack(_HEAD)
    name_bytes, first, last, hash_before, hash_after, sent_boot, sent_ticks_ms = head[:7]
    count, gap_count, boot_count, topic_count = head[7:]
    if not 0 < first <= last <= SEQ_MAX:
        raise ProtocolError("bad-range", f"a batch cannot hold {first} to {last}")
    if count > BATCH_RECORDS_MAX or gap_count > BATCH_GAPS_MAX or boot_count > BATCH_BOOTS_MAX:
        raise ProtocolError("too-large", f"a batch of {count} records, {gap_count} gaps")
    if count * _ROW_BYTES > reader.left_bytes:
        raise ProtocolError("bad-length", f"a batch body is too short for {count} records")
    if sent_ticks_ms > TICKS_MS_MAX:
        raise ProtocolError("bad-time", "the sender's ticks are out of range")
    stream = parse_stream(reader.text(name_bytes))
    boots = _read_boots(reader, boot_count)
    gaps, anchors = _read_gaps(reader, gap_count, first, last)
    if last - first + 1 - sum([gap.last - gap.first + 1 for gap in gaps]) != count:
        raise ProtocolError(
            "bad-range", f"{count} records and the gaps do not fill {first} to {last}"
        )
    records = _read_records(reader, count, topic_count, boots)
    if reader.left_bytes:
        raise ProtocolError("bad-length", f"{reader.left_bytes} bytes follow the batch body")
    hashes = _hashes(first, hash_before, records, gaps, anchors)
    span = Span(first, last, hash_before, records, hashes, gaps, boots, 0)
    if span.hash_after != hash_after:
        raise _bad_hash(last)
    return Batch(stream, span, sent_boot, sent_ticks_ms)


def _bad_hash(seq: int) -> ProtocolError:
    return ProtocolError("bad-hash", f"the records do not give the running hash at {seq}")


def _read_boots(reader: Reader, boot_count: int) -> "list[Boot]":
    boots: list[Boot] = []
    for _ in range(boot_count):
        boot = read_boot(reader)
        if boots and boot.number <= boots[-1].number:
            raise ProtocolError("bad-boot", f"boot {boot.number} is out of its place")
        boots.append(boot)
    return boots


def _read_gaps(
    reader: Reader, gap_count: int, first: int, last: int
) -> "tuple[list[Gap], list[int]]":
    """Return the gaps, and the running hash right before each."""
    gaps = []
    anchors = []
    free_from = first
    for _ in range(gap_count):
        gap_first, gap_last, anchor, hash_at, reason_bytes = reader.unpack(_GAP)
        if not free_from <= gap_first <= gap_last <= last:
            raise ProtocolError("bad-gap", f"gap {gap_first} to {gap_last} is out of its place")
        if reason_bytes > REASON_BYTES_MAX:
            raise ProtocolError("bad-gap", f"a gap's reason is over {REASON_BYTES_MAX} bytes")
        reason = reader.text(reason_bytes)
        if reason_text(reason) != reason:
            raise ProtocolError("bad-gap", "a gap's reason is not one printable line")
        gaps.append(Gap(gap_first, gap_last, hash_at, reason))
        anchors.append(anchor)
        free_from = gap_last + 1
    return gaps, anchors


def _read_records(
    reader: Reader, count: int, topic_count: int, boots: "list[Boot]"
) -> "list[Record]":
    topics = reader.slices(reader.unpack(f"<{topic_count}H"))
    for topic in topics:
        try:
            check_topic(topic)
        except ValueError as error:
            raise ProtocolError("bad-topic", str(error))
    boot_column = reader.take(count)
    ticks_column = reader.unpack(f"<{count}Q")
    topic_column = reader.unpack(f"<{count}H")
    flags_column = reader.take(count)
    payload_lengths = reader.unpack(f"<{count}I")
    properties_lengths = reader.unpack(f"<{count}H")
    _check_topic_order(topics, topic_column)
    if count:
        if max(boot_column) >= len(boots):
            raise ProtocolError("bad-index", "a record names a boot that is not there")
        if max(ticks_column) > TICKS_MS_MAX:
            raise ProtocolError("bad-time", "a record's ticks are out of range")
        if max(payload_lengths) > PAYLOAD_BYTES_MAX:
            raise ProtocolError("too-large", f"a payload is over {PAYLOAD_BYTES_MAX} bytes")
        for flags in set(flags_column):
            if flags & ~FLAGS_ALL or flags & QOS_MASK == QOS_MASK:
                raise ProtocolError("bad-flags", f"record flags {flags:#x} are not known here")
    properties = reader.slices(properties_lengths)
    for pairs in set(properties):
        unpack_properties(pairs)
    payloads = reader.slices(payload_lengths)
    numbers = [boot.number for boot in boots]
    return [
        make_record(Record, (numbers[boot], ticks_ms, topics[topic], payload, flags, pairs))
        for boot, ticks_ms, topic, payload, flags, pairs in zip(
            boot_column, ticks_column, topic_column, payloads, flags_column, properties
        )
    ]


def _check_topic_order(topics: "list[bytes]", topic_column: "tuple[int, ...]") -> None:
    """Refuse topics that are listed twice, not in the order of their first use, or never used.

    A batch then has one form only, and no topic is looked at that no record pays for.
    """
    fresh = 0
    for index in topic_column:
        if index >= fresh:
            if index > fresh:
                raise ProtocolError("bad-index", "the topics are not in the order of first use")
            fresh += 1
    if fresh != len(topics):
        raise ProtocolError("bad-index", "a record names no topic, or a topic has no record")
    if len(set(topics)) != len(topics):
        raise ProtocolError("bad-index", "a topic is listed twice")


def _hashes(
    first: int,
    hash_before: int,
    records: "list[Record]",
    gaps: "list[Gap]",
    anchors: "list[int]",
) -> "list[int]":
    hashes: list[int] = []
    running = hash_before
    at, done = first, 0
    for gap, anchor in zip(gaps, anchors):
        count = gap.first - at
        if count:
            hashes.extend(fold_all(running, records[done : done + count]))
            running = hashes[-1]
        if running != anchor:
            raise _bad_hash(gap.first - 1)
        at, done, running = gap.last + 1, done + count, gap.hash_at
    hashes.extend(fold_all(running, records[done:]))
    return hashes
