"""The entries of a journal as the bodies of frames; `docs/protocol.md` gives them byte by byte.

A lane is named in each of them, so that a segment whose header is damaged can still be read.  What
is read passed its CRC: an error here says that another version wrote the bytes, or another program.
"""

import struct

from tidegate.errors import ProtocolError
from tidegate.limits import (
    BOOT_MAX,
    PAYLOAD_BYTES_MAX,
    PROPERTIES_BYTES_MAX,
    REASON_BYTES_MAX,
    SEQ_MAX,
    TICKS_MS_MAX,
    TOPIC_BYTES_MAX,
)
from tidegate.records.record import FLAGS_ALL, HEAD, QOS_MASK, Record
from tidegate.records.span import reason_text
from tidegate.records.stream import is_identity
from tidegate.store.frame import frame
from tidegate.store.journal import Admitted, Booted, Dropped, Forgotten, Released, Renewed, Spent
from tidegate.wire.parts import Reader, pack_boot, pack_lane, read_boot, read_lane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.store.frame import Frame
    from tidegate.store.journal import Entry

# Stored on flash for years: a number is never given to another kind.
ADMITTED, RELEASED, DROPPED, FORGOTTEN, BOOTED, RENEWED, SPENT = 1, 2, 3, 4, 5, 6, 7

_KEPT = 0b01
_HASH_KNOWN = 0b10


def entry_frames(entry: "Entry", seed: int) -> "Iterator[bytes]":
    """Yield the frames of an entry, one for each admitted record, for a segment of that seed."""
    if isinstance(entry, Admitted):
        lane = pack_lane(entry.lane)
        seq = entry.first
        for hash_after, record in zip(entry.hashes, entry.records):
            assert 0 < seq <= SEQ_MAX
            body = lane + struct.pack("<QI", seq, hash_after) + _pack_record(record)
            yield frame(ADMITTED, body, seed)
            seq += 1
    else:
        kind, body = _pack(entry)
        yield frame(kind, body, seed)


def _pack(entry: "Entry") -> "tuple[int, bytes]":
    if isinstance(entry, Released):
        assert 0 <= entry.through <= SEQ_MAX and 0 <= entry.delivered <= SEQ_MAX
        numbers = struct.pack("<QQ", entry.through, entry.delivered)
        return RELEASED, pack_lane(entry.lane) + numbers
    if isinstance(entry, Dropped):
        return DROPPED, _pack_dropped(entry)
    if isinstance(entry, Forgotten):
        assert 0 <= entry.through <= SEQ_MAX
        return FORGOTTEN, pack_lane(entry.lane) + struct.pack("<Q", entry.through)
    if isinstance(entry, Booted):
        return BOOTED, pack_boot(entry.boot)
    if isinstance(entry, Renewed):
        assert is_identity(entry.epoch)
        return RENEWED, pack_lane(entry.lane) + struct.pack("<Q", int(entry.epoch, 16))
    if isinstance(entry, Spent):
        assert 0 <= entry.day < 1 << 32 and 0 <= entry.sent_bytes < 1 << 64
        return SPENT, struct.pack("<IQ", entry.day, entry.sent_bytes)
    raise ValueError("no such entry")


def _pack_record(record: Record) -> bytes:
    # The canonical bytes: what the running hash runs over is what lies on the flash.
    boot, ticks_ms, topic, payload, flags, properties = record
    assert 0 <= boot <= BOOT_MAX and 0 <= ticks_ms <= TICKS_MS_MAX
    assert len(topic) <= TOPIC_BYTES_MAX and len(payload) <= PAYLOAD_BYTES_MAX
    assert len(properties) <= PROPERTIES_BYTES_MAX
    head = struct.pack(HEAD, boot, ticks_ms, flags, len(topic), len(payload), len(properties))
    return b"".join((head, topic, payload, properties))


def _pack_dropped(entry: Dropped) -> bytes:
    assert 0 < entry.first <= entry.last <= SEQ_MAX
    flags = (_KEPT if entry.kept else 0) | (0 if entry.hash_at is None else _HASH_KNOWN)
    numbers = struct.pack("<QQIB", entry.first, entry.last, entry.hash_at or 0, flags)
    return pack_lane(entry.lane) + numbers + reason_text(entry.reason).encode()


def read_entry(found: "Frame") -> "Entry":
    """Return the entry in a frame; an admitted record comes as an `Admitted` of its own.

    Raises `ProtocolError`: "unknown-kind" for a frame of a later version, else what is wrong.
    """
    reader = Reader(found.body)
    read = _READERS.get(found.kind)
    if read is None:
        raise ProtocolError("unknown-kind", f"a frame of kind {found.kind} is not known here")
    entry = read(reader)
    if reader.left_bytes:
        raise ProtocolError("bad-length", f"{reader.left_bytes} bytes follow the entry")
    return entry


def _checked(seq: int) -> int:
    if seq > SEQ_MAX:
        raise ProtocolError("bad-range", f"{seq} is no sequence number")
    return seq


def _read_admitted(reader: Reader) -> Admitted:
    lane = read_lane(reader)
    seq, hash_after = reader.unpack("<QI")
    boot, ticks_ms, flags, topic_bytes, payload_bytes, properties_bytes = reader.unpack(HEAD)
    if _checked(seq) == 0:
        raise ProtocolError("bad-range", "the first sequence number is 1")
    if ticks_ms > TICKS_MS_MAX:
        raise ProtocolError("bad-time", "a record's ticks are out of range")
    if flags & ~FLAGS_ALL or flags & QOS_MASK == QOS_MASK:
        raise ProtocolError("bad-flags", f"record flags {flags:#x} are not known here")
    topic, payload = reader.take(topic_bytes), reader.take(payload_bytes)
    record = Record(boot, ticks_ms, topic, payload, flags, reader.take(properties_bytes))
    return Admitted(lane, seq, [hash_after], [record])


def _read_released(reader: Reader) -> Released:
    lane = read_lane(reader)
    through, delivered = reader.unpack("<QQ")
    return Released(lane, _checked(through), _checked(delivered))


def _read_dropped(reader: Reader) -> Dropped:
    lane = read_lane(reader)
    first, last, hash_at, flags = reader.unpack("<QQIB")
    if not 0 < first <= _checked(last):
        raise ProtocolError("bad-range", f"{first} to {last} is no range")
    if flags & ~(_KEPT | _HASH_KNOWN) or (hash_at and not flags & _HASH_KNOWN):
        raise ProtocolError("bad-flags", f"drop flags {flags:#x} are not known here")
    reason = reader.text(reader.left_bytes)
    if len(reason.encode()) > REASON_BYTES_MAX or reason_text(reason) != reason:
        raise ProtocolError("bad-gap", "a reason is not one printable line")
    known = hash_at if flags & _HASH_KNOWN else None
    return Dropped(lane, first, last, known, reason, bool(flags & _KEPT))


def _read_forgotten(reader: Reader) -> Forgotten:
    lane = read_lane(reader)
    return Forgotten(lane, _checked(reader.unpack("<Q")[0]))


def _read_booted(reader: Reader) -> Booted:
    return Booted(read_boot(reader))


def _read_renewed(reader: Reader) -> Renewed:
    lane = read_lane(reader)
    return Renewed(lane, f"{reader.unpack('<Q')[0]:016x}")


def _read_spent(reader: Reader) -> Spent:
    day, sent_bytes = reader.unpack("<IQ")
    return Spent(day, sent_bytes)


_READERS: "dict[int, Callable[[Reader], Entry]]" = {
    ADMITTED: _read_admitted,
    RELEASED: _read_released,
    DROPPED: _read_dropped,
    FORGOTTEN: _read_forgotten,
    BOOTED: _read_booted,
    RENEWED: _read_renewed,
    SPENT: _read_spent,
}
