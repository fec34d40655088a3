"""The frame: one entry of a segment log in bytes, as a node without a database keeps it on flash.

Layout, little-endian; `docs/protocol.md` has every body byte by byte:

    marker F9 D6 | kind u8 | body length u32 | CRC-32 u32 | body

The CRC covers kind, length and body, and starts from the segment's seed instead of from 0.  A CRC
maps different seeds to different sums of the same bytes, so a whole frame that an earlier use of
the same flash left behind never passes for a new one.  `segment` says where the seed comes from.

Theory of operation: a power cut leaves a torn frame at the end, damage leaves one anywhere.  No
length is trusted before its CRC was right, so `scan` goes from marker to marker until a whole frame
stands there, and reports every byte that it passed over.  A log is never continued behind a torn
frame: a new segment is begun instead, because some file systems cannot cut a file off.

What is left to the journal: which segments there are, and what damage between frames means; the
sequence numbers in the frames tell what is missing.
"""

import struct
from binascii import crc32
from collections import namedtuple

from tidegate.limits import PAYLOAD_BYTES_MAX, PROPERTIES_BYTES_MAX, TOPIC_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Neither byte occurs in well-formed UTF-8, in erased flash (FF) or in zeroes, so that text between
# two frames holds no false start.
MARKER = b"\xf9\xd6"
HEAD_BYTES = 11
# The largest record and what stands around it; a longer length is damage, whatever its CRC.
BODY_BYTES_MAX = PAYLOAD_BYTES_MAX + TOPIC_BYTES_MAX + PROPERTIES_BYTES_MAX + 64

_SUMMED = "<BI"
_HEAD = "<2sBII"

_NO_FRAME = 0
_CUT_OFF = -1


class Frame(namedtuple("Frame", ("start", "end", "kind", "body"))):
    """A whole frame and where it lies; `entry.read_entry` tells what it says."""

    __slots__ = ()
    start: int
    end: int
    kind: int
    body: bytes


class Damage(namedtuple("Damage", ("start", "end"))):
    """Bytes that are no frame.  Up to the very end of a log it is what a power cut leaves."""

    __slots__ = ()
    start: int
    end: int


def frame(kind: int, body: bytes, seed: int) -> bytes:
    """Return a frame for a segment of that seed."""
    assert 0 <= kind <= 255 and len(body) <= BODY_BYTES_MAX
    checksum = crc32(body, crc32(struct.pack(_SUMMED, kind, len(body)), seed))
    return struct.pack(_HEAD, MARKER, kind, len(body), checksum) + body


def scan(buffer: bytes, seed: int, base: int = 0, more: bool = False) -> "Iterator[Frame | Damage]":
    """Yield the frames in `buffer`, in order, and a `Damage` for all that lies between them.

    `base` is added to every position.  With `more` the buffer is only the part of a log that was
    read so far: the scan then ends before a frame that the buffer cuts off, and goes on when called
    again with the bytes from the end of the last item on; two damages that meet are one.
    """
    view = memoryview(buffer)
    at, good = 0, 0  # Up to `good` everything was yielded.
    while at < len(buffer):
        end = _frame_end(view, at, seed)
        if end == _CUT_OFF and more:
            break
        if end > 0:
            if good < at:
                yield Damage(base + good, base + at)
            yield Frame(base + at, base + end, buffer[at + 2], buffer[at + HEAD_BYTES : end])
            at = good = end
            continue
        at = _next_start(buffer, at + 1)
    if good < at:
        yield Damage(base + good, base + at)


def _frame_end(view: memoryview, at: int, seed: int) -> int:
    """Return where the frame at `at` ends, `_NO_FRAME`, or `_CUT_OFF` when it may go on."""
    room_bytes = len(view) - at
    if room_bytes < HEAD_BYTES:
        beginning = bytes(view[at : at + 2])
        return _CUT_OFF if MARKER[: len(beginning)] == beginning else _NO_FRAME
    marker, kind, body_bytes, checksum = struct.unpack_from(_HEAD, view, at)
    if marker != MARKER or body_bytes > BODY_BYTES_MAX:
        return _NO_FRAME
    if body_bytes > room_bytes - HEAD_BYTES:
        return _CUT_OFF
    end: int = at + HEAD_BYTES + body_bytes
    # Summed in the buffer, without a copy.
    running = crc32(struct.pack(_SUMMED, kind, body_bytes), seed)
    return end if crc32(view[at + HEAD_BYTES : end], running) == checksum else _NO_FRAME


def _next_start(buffer: bytes, at: int) -> int:
    """Return where the next frame may begin: at a marker, or at half a marker at the end."""
    found = buffer.find(MARKER, at)
    if found >= 0:
        return found
    last = len(buffer) - 1
    return last if last >= at and buffer[last] == MARKER[0] else len(buffer)
