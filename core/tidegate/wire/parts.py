"""The parts that batches and frames are made of, and the reader that takes them off again."""

import struct

from tidegate.errors import ProtocolError
from tidegate.limits import BOOT_MAX, TICKS_MS_MAX
from tidegate.records.clock import Boot
from tidegate.records.stream import is_lane
from tidegate.records.text import check_utf8

_BOOT = "<IQqB"
_QUALITY_MAX = 2


class Reader:
    """Takes one part after the other off bytes; a part that is not all there is an error."""

    def __init__(self, data: bytes, start: int = 0) -> None:
        self.data = data
        self.at = start

    @property
    def left_bytes(self) -> int:
        """Return how many bytes were not taken yet."""
        return len(self.data) - self.at

    def skip(self, count_bytes: int) -> None:
        """Leave a part out."""
        end = self.at + count_bytes
        if end > len(self.data):
            raise ProtocolError("bad-length", f"the bytes end inside the part at {self.at}")
        self.at = end

    def take(self, count_bytes: int) -> bytes:
        """Take a part of that size."""
        start = self.at
        self.skip(count_bytes)
        return self.data[start : self.at]

    def unpack(self, layout: str) -> "tuple[int, ...]":
        """Take what a `struct` layout says."""
        start = self.at
        self.skip(struct.calcsize(layout))
        return struct.unpack_from(layout, self.data, start)

    def slices(self, lengths: "tuple[int, ...]") -> "list[bytes]":
        """Take one part for each length."""
        data = self.data
        start = self.at
        self.skip(sum(lengths))
        parts = []
        for length in lengths:
            end = start + length
            parts.append(data[start:end])
            start = end
        return parts

    def text(self, count_bytes: int) -> str:
        """Take text of that many bytes."""
        start = self.at
        data = self.take(count_bytes)
        try:
            check_utf8(data)
        except ValueError as error:
            raise ProtocolError("bad-text", f"the text at {start} is not UTF-8: {error}")
        return data.decode()


def pack_boot(boot: Boot) -> bytes:
    """Return a boot in bytes: number u32, identity u64, offset_ms i64, quality u8."""
    assert 0 <= boot.number <= BOOT_MAX and 0 <= boot.quality <= _QUALITY_MAX, boot
    assert abs(boot.offset_ms) <= TICKS_MS_MAX, boot
    return struct.pack(_BOOT, boot.number, int(boot.identity, 16), boot.offset_ms, boot.quality)


def read_boot(reader: Reader) -> Boot:
    """Take a boot that `pack_boot` made; raise `ProtocolError` when it cannot be one."""
    number, identity, offset_ms, quality = reader.unpack(_BOOT)
    if quality > _QUALITY_MAX:
        raise ProtocolError("bad-boot", f"time quality {quality} is not known here")
    if not -TICKS_MS_MAX <= offset_ms <= TICKS_MS_MAX:
        raise ProtocolError("bad-boot", f"the time of boot {number} is out of range")
    return Boot(number, f"{identity:016x}", offset_ms, quality)


def pack_lane(lane: str) -> bytes:
    """Return a lane's name in bytes: length u8, name."""
    assert is_lane(lane), lane
    return bytes([len(lane)]) + lane.encode()


def read_lane(reader: Reader) -> str:
    """Take a lane's name; raise `ProtocolError` when it is none."""
    lane = reader.text(reader.take(1)[0])
    if not is_lane(lane):
        raise ProtocolError("bad-stream", "a lane has no such name")
    return lane
