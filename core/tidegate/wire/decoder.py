"""Reads batches: what a receiver does with the bytes that `batch` made, or that claim to be such.

Nothing in them is believed before it was checked, and nothing is made that the bytes do not pay
for.  What decodes has one form only: encoded again it gives the same body.
"""

from tidegate.errors import ProtocolError
from tidegate.limits import (
    BATCH_BOOTS_MAX,
    BATCH_BYTES_MAX,
    BATCH_GAPS_MAX,
    BATCH_RECORDS_MAX,
    PAYLOAD_BYTES_MAX,
    REASON_BYTES_MAX,
    SEQ_MAX,
    TICKS_MS_MAX,
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
from tidegate.records.stream import parse_stream
from tidegate.records.topics import check_topic
from tidegate.wire.batch import GAP, HEAD, Batch
from tidegate.wire.opener import unwrap
from tidegate.wire.parts import Reader, read_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.clock import Boot
    from tidegate.wire.opener import Inflate

_ROW_BYTES = 1 + 8 + 2 + 1 + 4 + 2  # boot, ticks, topic, flags, payload length, properties length


def decode(
    data: bytes, inflate: "Inflate | None" = None, bytes_max: int = BATCH_BYTES_MAX
) -> Batch:
    """Return the batch in `data`; raise `ProtocolError` for what `batch.encode` cannot have made.

    `inflate` as in `opener.unwrap`; without it a deflated batch is refused.
    """
    body, start = unwrap(data, inflate, bytes_max)
    return _decode_body(Reader(body, start))


def _decode_body(reader: Reader) -> Batch:
    head = reader.unpack(HEAD)
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
        gap_first, gap_last, anchor, hash_at, reason_bytes = reader.unpack(GAP)
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
