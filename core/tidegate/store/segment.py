"""The header of a segment of a log on flash, and the seed of the frames in it.

Layout, little-endian: magic "TGS", version u8, body length u16, CRC-32 u32 of the body; the body:
node u64, number u32, lane count u8 and for each lane its name and its epoch u64.  The frames
follow.  The version stands before everything that another version may lay out otherwise.
"""

import struct
from binascii import crc32
from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.limits import LANE_BYTES_MAX, LANES_MAX
from tidegate.records.stream import is_identity
from tidegate.wire.parts import Reader, pack_lane, read_lane

MAGIC = b"TGS"
VERSION = 1
NUMBER_MAX = (1 << 32) - 1

_HEADER = "<3sBHI"
_HEADER_BYTES = 10
_BODY = "<QIB"
_LANE_BYTES_MAX = 1 + LANE_BYTES_MAX + 8


class Segment(namedtuple("Segment", ("node", "number", "lanes"))):
    """What a segment is; `lanes` are (lane, epoch) pairs as they stood when it was begun."""

    __slots__ = ()
    node: str
    number: int
    lanes: "list[tuple[str, str]]"


def segment_seed(node: str, number: int) -> int:
    """Return the seed of a node's segment; different for each number.

    The node is in it so that whoever knows the format but not the node cannot send a payload that
    would pass for a frame where damage has hidden what surrounds it.
    """
    return crc32(node.encode()) ^ number


def segment_header(segment: Segment) -> bytes:
    """Return the bytes with which a segment begins."""
    assert is_identity(segment.node) and 0 <= segment.number <= NUMBER_MAX
    assert len(segment.lanes) <= LANES_MAX
    parts = [struct.pack(_BODY, int(segment.node, 16), segment.number, len(segment.lanes))]
    for lane, epoch in segment.lanes:
        assert is_identity(epoch)
        parts.append(pack_lane(lane) + struct.pack("<Q", int(epoch, 16)))
    body = b"".join(parts)
    return struct.pack(_HEADER, MAGIC, VERSION, len(body), crc32(body)) + body


def read_segment(data: bytes) -> "tuple[Segment, int]":
    """Return the header at the start of a segment's `data`, and where the frames begin.

    Raises `ProtocolError`; where only the header is damaged, the frames can still be read with the
    seed of the number that the journal gave the segment.
    """
    if len(data) < _HEADER_BYTES:
        raise ProtocolError("bad-length", "the bytes end inside a segment's header")
    magic, version, body_bytes, checksum = struct.unpack_from(_HEADER, data, 0)
    if magic != MAGIC:
        raise ProtocolError("bad-magic", "this is not a segment")
    if version != VERSION:
        raise ProtocolError(
            "unknown-version", f"segment version {version} is not known here, only {VERSION}"
        )
    end = _HEADER_BYTES + body_bytes
    if end > len(data):
        raise ProtocolError("bad-length", "the bytes end inside a segment's header")
    body = data[_HEADER_BYTES:end]
    if crc32(body) != checksum:
        raise ProtocolError("bad-checksum", "a segment's header is damaged")
    reader = Reader(body)
    node, number, lane_count = reader.unpack(_BODY)
    if lane_count > LANES_MAX:
        raise ProtocolError("too-large", f"a segment of {lane_count} lanes")
    lanes = []
    for _ in range(lane_count):
        lane = read_lane(reader)
        lanes.append((lane, f"{reader.unpack('<Q')[0]:016x}"))
    if reader.left_bytes:
        raise ProtocolError("bad-length", f"{reader.left_bytes} bytes follow a segment's header")
    return Segment(f"{node:016x}", number, lanes), end


def mended_segment(data: bytes) -> "Segment | None":
    """Return the header at the start of `data` with one flipped bit put right, None where it is not
    one bit that is wrong.

    Where a log has but one segment, its header alone says which node this is: without it nothing
    in the log could be verified.
    """
    head = bytearray(data[: _HEADER_BYTES + struct.calcsize(_BODY) + LANES_MAX * _LANE_BYTES_MAX])
    for at in range(len(head) * 8):
        head[at // 8] ^= 1 << at % 8
        try:
            return read_segment(bytes(head))[0]
        except ProtocolError:
            head[at // 8] ^= 1 << at % 8
    return None
