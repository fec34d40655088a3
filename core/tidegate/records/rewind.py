"""The running hash before a record, from the one behind it: a CRC-32 run backwards.

Where rot has taken a record out of a log, the one behind it still says what the hash between the
two must have been.  With that the stream goes on as if nothing had happened, and receivers that
know the hash still agree.  It costs a table of 256 numbers for the moment and is for damage only.
"""

import struct

from tidegate.records.record import HEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.record import Record

_POLYNOMIAL = 0xEDB88320
_ALL = 0xFFFFFFFF


def hash_before(hash_after: int, record: "Record") -> int:
    """Return the running hash that `record.fold` made `hash_after` of."""
    boot, ticks_ms, topic, payload, flags, properties = record
    head = struct.pack(HEAD, boot, ticks_ms, flags, len(topic), len(payload), len(properties))
    state = hash_after ^ _ALL
    table = [_table_entry(index) for index in range(256)]
    # The highest byte of an entry is unlike that of any other, so it names the step that was taken.
    index_of = bytearray(256)
    for index in range(256):
        index_of[table[index] >> 24] = index
    for part in (properties, payload, topic, head):
        for at in range(len(part) - 1, -1, -1):
            index = index_of[state >> 24]
            state = ((state ^ table[index]) << 8 & _ALL) | (index ^ part[at])
    return state ^ _ALL


def _table_entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (_POLYNOMIAL if index & 1 else 0)
    return index
