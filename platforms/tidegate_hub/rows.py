"""Records and gaps as rows: pure functions, from a batch and its verdict to tuples."""

import json
from collections.abc import Iterable, Mapping

from tidegate.records.clock import UNKNOWN, Boot, is_plausible, wall_of
from tidegate.records.origin import ORIGIN, Origin, find_origin
from tidegate.records.record import unpack_properties
from tidegate.records.span import sequence_numbers
from tidegate.wire.batch import Batch
from tidegate.wire.ledger import Verdict
from tidegate_hub.tables import QUALITY_ESTIMATED

RecordRow = tuple[int, int, int | None, int, int, int, int, int, int, int, str | None, bytes]

RECORD_COLUMNS = (
    "stream_id",
    "seq",
    "time_ms",
    "time_quality",
    "received_ms",
    "boot",
    "ticks_ms",
    "topic_id",
    "flags",
    "hash",
    "properties",
    "payload",
)


def record_rows(
    stream_id: int,
    batch: Batch,
    verdict: Verdict,
    topic_ids: Mapping[bytes, int],
    properties: Mapping[bytes, str | None],
    received_ms: int,
) -> list[RecordRow]:
    """Return the rows of the verdict's records, in the order of `RECORD_COLUMNS`."""
    boots = {boot.number: boot for boot in batch.span.boots}
    seqs = sequence_numbers(verdict.first, verdict.cursor.through, verdict.gaps)
    rows = []
    for seq, record, running in zip(seqs, verdict.records, verdict.hashes, strict=True):
        number, ticks_ms, topic, payload, flags, pairs = record
        time_ms, quality = _time(boots[number], ticks_ms, batch, received_ms)
        rows.append(
            (
                stream_id, seq, time_ms, quality, received_ms, number, ticks_ms,
                topic_ids[topic], flags, running, properties[pairs], payload,
            )
        )  # fmt: skip
    return rows


def _time(boot: Boot, ticks_ms: int, batch: Batch, received_ms: int) -> tuple[int | None, int]:
    """Return when a record was captured, as well as that is known, and how sure it is.

    Where the sender did not know the wall time but the record is of the boot in which it sent, the
    record's age is known; the hub's clock and the age give an estimate that is late by the time the
    batch travelled.  Of an unknown earlier boot nothing can be said.
    """
    time_ms, quality = wall_of(boot, ticks_ms)
    if quality == UNKNOWN and boot.number == batch.sent_boot and ticks_ms <= batch.sent_ticks_ms:
        estimate_ms = received_ms - (batch.sent_ticks_ms - ticks_ms)
        if is_plausible(estimate_ms):
            return estimate_ms, QUALITY_ESTIMATED
    return time_ms, quality


def gap_rows(
    stream_id: int, verdict: Verdict, received_ms: int
) -> list[tuple[int, int, int, int, str, int]]:
    """Return the rows of the verdict's gaps, in the order of the table's columns."""
    return [
        (stream_id, gap.first, gap.last, gap.hash_at, gap.reason, received_ms)
        for gap in verdict.gaps
    ]


def properties_texts(batch: Batch) -> dict[bytes, str | None]:
    """Return the JSON text of every distinct packed properties in the batch.

    Raises `ProtocolError`: before anything is written, because it is the peer's fault.
    """
    distinct = {record.properties for record in batch.span.records}
    return {packed: properties_text(packed) for packed in distinct}


def origins_in(properties: Iterable[bytes]) -> dict[bytes, Origin]:
    """Return the origin in each packed properties that have one."""
    found = {packed: find_origin(packed) for packed in properties if ORIGIN in packed}
    return {packed: origin for packed, origin in found.items() if origin is not None}


def properties_text(packed: bytes) -> str | None:
    """Return user properties as a JSON list of [name, value], None where there are none.

    A list and not an object: MQTT allows a name several times and keeps the order [MQTT-3.3.2-17].
    Bytes that are no UTF-8 become lone surrogates, as Python's `surrogateescape` has it, so that no
    record is refused for what a device wrote there and nothing of it is lost.
    """
    if not packed:
        return None
    pairs = unpack_properties(packed)
    try:
        return json.dumps(
            [[name.decode(), value.decode()] for name, value in pairs], ensure_ascii=False
        )
    except UnicodeDecodeError:
        return json.dumps(
            [
                [name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")]
                for name, value in pairs
            ]
        )
