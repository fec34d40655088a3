"""The batch: a span of one stream in bytes, as it travels and as it lies in a bundle file.

The layout is columnar, because one `struct` call for a thousand lengths costs little more than one
for a single length, also in pure Python.  `docs/protocol.md` gives it byte by byte.

The body travels in an `envelope`.  Its checksum covers the bytes on their way; the running hash
covers every record, so that each is proved from the sender's admission to the receiver's table.
What decodes (see `decoder`) has one form only: encoded again it gives the same body.
"""

import struct
from collections import namedtuple

from tidegate.limits import (
    BATCH_BOOTS_MAX,
    BATCH_GAPS_MAX,
    BATCH_RECORDS_MAX,
    BOOT_MAX,
    PAYLOAD_BYTES_MAX,
    PROPERTIES_BYTES_MAX,
    SEQ_MAX,
    TICKS_MS_MAX,
    TOPIC_BYTES_MAX,
)
from tidegate.records.span import reason_text
from tidegate.wire.envelope import wrap
from tidegate.wire.parts import pack_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.clock import Boot
    from tidegate.records.record import Record
    from tidegate.records.span import Span
    from tidegate.records.stream import Stream

HEAD = "<HQQIIIQIHHH"
GAP = "<QQIIH"


class Batch(namedtuple("Batch", ("stream", "span", "sent_boot", "sent_ticks_ms"))):
    """What a batch says.

    `sent_boot` and `sent_ticks_ms` are the sender's clock when it was encoded: a receiver can tell
    the age of a record even where the sender never learned the wall time.
    """

    __slots__ = ()
    stream: "Stream"
    span: "Span"
    sent_boot: int
    sent_ticks_ms: int


def encode(batch: Batch) -> bytes:
    """Return the batch in its envelope, not deflated; see `envelope.deflated`.

    What it holds must be within `limits`: those who admit, drop and read see to that.
    """
    span = batch.span
    boots = sorted(span.boots, key=lambda boot: boot.number)
    topics, topic_column = _topic_columns(span.records)
    _assert_encodable(batch, topics)
    name = str(batch.stream).encode()
    counts = (len(span.records), len(span.gaps), len(boots), len(topics))
    head = struct.pack(
        HEAD, len(name), span.first, span.last, span.hash_before, span.hash_after,
        batch.sent_boot, batch.sent_ticks_ms, *counts,
    )  # fmt: skip
    parts = [head, name]
    parts.extend([pack_boot(boot) for boot in boots])
    parts.extend(_gap_parts(span))
    parts.append(struct.pack(f"<{len(topics)}H", *[len(topic) for topic in topics]))
    parts.extend(topics)
    parts.extend(_record_parts(span.records, boots, topic_column))
    return wrap(b"".join(parts))


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


def _gap_parts(span: "Span") -> "list[bytes]":
    parts = []
    at, done, running = span.first, 0, span.hash_before
    for gap in span.gaps:
        if gap.first > at:
            done += gap.first - at
            running = span.hashes[done - 1]
        reason = reason_text(gap.reason).encode()
        parts.append(struct.pack(GAP, gap.first, gap.last, running, gap.hash_at, len(reason)))
        parts.append(reason)
        at, running = gap.last + 1, gap.hash_at
    return parts
