"""What a node's batch becomes here: messages that bear their origin, and one for each gap.

A record keeps topic, payload, QoS and properties, and gets the property that says where it comes
from (`tidegate.records.origin`).  Its own ticks are those of its arrival; when it was captured
stands in the origin.  A gap becomes a record on `$tidegate/gap`, in its place among the others, so
that the hub learns of it (P4).
"""

import json
from typing import TYPE_CHECKING

from tidegate.events import Message
from tidegate.limits import TICKS_MS_MAX
from tidegate.records.clock import UNKNOWN, Boot, is_plausible, wall_of
from tidegate.records.origin import (
    ESTIMATED,
    GAP_TOPIC,
    ORIGIN,
    Origin,
    find_origin,
    origin_value,
    time_text,
    with_origin,
    without_origin,
)
from tidegate.records.span import Gap, sequence_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.records.record import Record
    from tidegate.wire.batch import Batch
    from tidegate.wire.ledger import Verdict

GAP_FLAGS = 1  # QoS 1, as what must not be lost.

Times = tuple[int | None, int, int | None]  # As in an `Origin`.


def messages_of(
    batch: "Batch", verdict: "Verdict", now_ms: int, keeps_origins: bool = True
) -> list[Message]:
    """Return what to admit of `batch`: what the verdict says is new, in its order.

    Origins that stand already are kept, as of a gateway behind this one, or not, as of a node.
    """
    name = str(batch.stream)
    boots = {boot.number: boot for boot in batch.span.boots}
    gaps = list(verdict.gaps)
    messages = []
    for seq, record in _numbered(verdict):
        while gaps and gaps[0].first < seq:
            messages.append(_gap_message(name, gaps.pop(0), now_ms))
        times = _times(batch, boots[record.boot], record.ticks_ms)
        properties = _properties(name, seq, record, times, keeps_origins)
        flags = record.flags
        messages.append(Message(record.topic, record.payload, flags, properties, b"", now_ms, None))
    messages.extend([_gap_message(name, gap, now_ms) for gap in gaps])
    return messages


def hashes_of(verdict: "Verdict") -> list[tuple[int, int]]:
    """Return (seq, running hash) of the records, and of the gaps at their ends, in order."""
    pairs = [
        (seq, running) for (seq, _), running in zip(_numbered(verdict), verdict.hashes, strict=True)
    ]
    pairs.extend([(gap.last, gap.hash_at) for gap in verdict.gaps])
    return sorted(pairs)


def gap_payload(stream: str, first: int, last: int, reason: str) -> bytes:
    """Return what a record on `$tidegate/gap` says."""
    fields = {"stream": stream, "first": first, "last": last, "reason": reason}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _numbered(verdict: "Verdict") -> "Iterator[tuple[int, Record]]":
    seqs = sequence_numbers(verdict.first, verdict.cursor.through, verdict.gaps)
    return zip(seqs, verdict.records, strict=True)


def _gap_message(name: str, gap: Gap, now_ms: int) -> Message:
    payload = gap_payload(name, gap.first, gap.last, gap.reason)
    return Message(GAP_TOPIC, payload, GAP_FLAGS, b"", b"", now_ms, None)


def _times(batch: "Batch", boot: Boot, ticks_ms: int) -> Times:
    """Return when a record was captured, as well as its sender knew."""
    wall_ms, quality = wall_of(boot, ticks_ms)
    if quality != UNKNOWN:
        return wall_ms, quality, None
    if boot.number == batch.sent_boot and ticks_ms <= batch.sent_ticks_ms:
        return None, UNKNOWN, batch.sent_ticks_ms - ticks_ms
    return None, UNKNOWN, None


def _properties(name: str, seq: int, record: "Record", times: Times, keeps_origins: bool) -> bytes:
    properties = record.properties
    if ORIGIN in properties:
        known = find_origin(properties) if keeps_origins else None
        properties = without_origin(properties)
        if known is not None:
            return with_origin(properties, origin_value(_forwarded(known, times)))
    value = f"{name} {seq} {time_text(*times)}".encode()
    return with_origin(properties, value)


def _forwarded(known: Origin, times: Times) -> Origin:
    """Return an origin that a gateway behind this one wrote, as it reads here.

    An age counts back from the record's own ticks, and these are new ones now.
    """
    if known.age_ms is None:
        return known
    wall_ms, _, age_ms = times
    if wall_ms is not None and is_plausible(wall_ms - known.age_ms):
        return Origin(known.stream, known.seq, wall_ms - known.age_ms, ESTIMATED, None)
    if age_ms is not None and known.age_ms + age_ms <= TICKS_MS_MAX:
        return Origin(known.stream, known.seq, None, UNKNOWN, known.age_ms + age_ms)
    return Origin(known.stream, known.seq, None, UNKNOWN, None)
