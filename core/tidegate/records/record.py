"""A record: one message as it was admitted, and the running hash that protects it.

The *running hash* of a stream is a CRC-32 that runs on over the canonical bytes of every record
of the stream.  One number does two jobs.  It is each record's checksum: record n is whole if and
only if `fold(hash[n-1], record) == hash[n]`.  And it is the stream's fingerprint: two copies of a
node that went on separately differ in it from their first different record on.  Because a CRC can
be continued from its value, a sender and a receiver can cut batches as they like and still agree.

Canonical bytes (little-endian): boot u32, ticks_ms u64, flags u8, topic length u16, payload length
u32, properties length u16, topic, payload, properties.  The wall-clock time is left out on purpose:
it may be corrected after the record was admitted (see `clock`).
"""

import struct
from binascii import crc32
from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.limits import PROPERTIES_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

QOS_MASK = 0b011
RETAIN = 0b100
FLAGS_ALL = QOS_MASK | RETAIN

OVERHEAD_BYTES = 40  # What one record costs a journal or a batch besides its own bytes, about.

HEAD = "<IQBHIH"  # What stands before the bytes themselves in the canonical form.
HEAD_BYTES = 21

_PAIR = "<HH"


class Record(namedtuple("Record", ("boot", "ticks_ms", "topic", "payload", "flags", "properties"))):
    """One admitted message.

    `boot` and `ticks_ms` say when it was captured: milliseconds on the monotonic clock of that
    boot.  `properties` are the packed user properties, see `pack_properties`.
    """

    __slots__ = ()
    boot: int
    ticks_ms: int
    topic: bytes
    payload: bytes
    flags: int
    properties: bytes


def _called(kind: "type[Record]", fields: "tuple[object, ...]") -> Record:
    return kind(*fields)


# `make_record(Record, fields)`: a quarter of what a call of `Record` costs, for loops over all that
# comes in.  MicroPython's tuples are made by their call alone.
make_record: "Callable[[type[Record], tuple[object, ...]], Record]"
make_record = getattr(tuple, "__new__", _called)


def fold(hash_before: int, record: Record) -> int:
    """Return the running hash after `record`, given the one before it."""
    boot, ticks_ms, topic, payload, flags, properties = record
    head = struct.pack(HEAD, boot, ticks_ms, flags, len(topic), len(payload), len(properties))
    return crc32(b"".join((head, topic, payload, properties)), hash_before)


def fold_all(hash_before: int, records: "Iterable[Record]") -> "list[int]":
    """Return the running hash after each of `records`."""
    # Written out once more because this loop runs for every record at both ends of every hop.
    pack = struct.pack
    join = b"".join
    hashes = []
    running = hash_before
    for boot, ticks_ms, topic, payload, flags, properties in records:
        head = pack(HEAD, boot, ticks_ms, flags, len(topic), len(payload), len(properties))
        running = crc32(join((head, topic, payload, properties)), running)
        hashes.append(running)
    return hashes


def size_bytes(record: Record) -> int:
    """Return what a record counts against limits, budgets and batch sizes."""
    return OVERHEAD_BYTES + len(record.topic) + len(record.payload) + len(record.properties)


def sizes_bytes(records: "Sequence[Record]") -> int:
    """Return what `records` count together, by `size_bytes`."""
    sizes = [
        len(topic) + len(payload) + len(properties)
        for _, _, topic, payload, _, properties in records
    ]
    return OVERHEAD_BYTES * len(sizes) + sum(sizes)


def pack_properties(pairs: "Sequence[tuple[bytes, bytes]]") -> bytes:
    """Pack name-value pairs, in their order: for each, two u16 lengths, the name, the value.

    Raises `ValueError` when they do not fit `PROPERTIES_BYTES_MAX`.
    """
    parts = []
    total_bytes = 0
    for name, value in pairs:
        total_bytes += 4 + len(name) + len(value)
        if total_bytes > PROPERTIES_BYTES_MAX:
            raise ValueError(f"user properties are over {PROPERTIES_BYTES_MAX} bytes")
        parts.append(struct.pack(_PAIR, len(name), len(value)))
        parts.append(name)
        parts.append(value)
    return b"".join(parts)


def unpack_properties(data: bytes) -> "list[tuple[bytes, bytes]]":
    """Return the name-value pairs in `data`; raise `ProtocolError` when it was not packed here."""
    pairs = []
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise ProtocolError("bad-properties", f"a pair at byte {at} is cut off")
        name_bytes, value_bytes = struct.unpack_from(_PAIR, data, at)
        middle = at + 4 + name_bytes
        end = middle + value_bytes
        if end > len(data):
            raise ProtocolError("bad-properties", f"a pair at byte {at} is longer than its data")
        pairs.append((data[at + 4 : middle], data[middle:end]))
        at = end
    return pairs
