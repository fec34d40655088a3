"""The envelope: what stands before the body of a batch, so that it can be refused unread.

16 bytes, little-endian: magic, version, flags, three zero bytes, plain length, CRC-32 of these 12
bytes and of the body as it travels.  The body may be deflated.  `opener` takes it off again.
"""

import struct
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Deflate = Callable[[bytes], bytes]

MAGIC = b"TGB"
VERSION = 1
DEFLATED = 0b1

ENVELOPE_BYTES = 16

SUMMED = "<3sBBxxxI"  # What the checksum covers of the envelope itself.


def wrap(body: bytes) -> bytes:
    """Return `body` in its envelope, not deflated."""
    return seal(body, 0, len(body))


def deflated(data: bytes, deflate: "Deflate") -> bytes:
    """Return what `wrap` made with its body deflated, or as it is where that is no gain.

    `deflate` makes a raw RFC 1951 stream.
    """
    body = data[ENVELOPE_BYTES:]
    smaller = deflate(body)
    if len(smaller) >= len(body):
        return data
    return seal(smaller, DEFLATED, len(body))


def seal(stored: bytes, flags: int, plain_bytes: int) -> bytes:
    """Return bytes as they travel in an envelope that says this of them, be it true or not."""
    summed = struct.pack(SUMMED, MAGIC, VERSION, flags, plain_bytes)
    return b"".join((summed, struct.pack("<I", crc32(stored, crc32(summed))), stored))
