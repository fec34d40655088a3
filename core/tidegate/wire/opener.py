"""Opens envelopes: takes off what `envelope` put around the body of a batch.

A damaged one is refused before anything in it is believed or inflated, so that `bad-checksum`
always means "send it again" and every later refusal is about what the sender made.  Nothing here
inflates more than the envelope announced, nor more than the caller's limit.
"""

import struct
from binascii import crc32

from tidegate.errors import ProtocolError
from tidegate.wire.envelope import DEFLATED, ENVELOPE_BYTES, MAGIC, SUMMED, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Inflate = Callable[[bytes, int], bytes]

_SUMMED_BYTES = 12


def unwrap(data: bytes, inflate: "Inflate | None", bytes_max: int) -> "tuple[bytes, int]":
    """Return what holds the plain body of `data`, and where in it the body begins.

    A body that was not deflated is not copied: it may be most of a small node's memory.  Raises
    `ProtocolError` when it is not whole.

    `inflate(stored, bytes_max)` undoes a raw deflate and returns at most `bytes_max + 1` bytes
    without ever making more; it raises `ValueError` on a stream that is broken or goes on.
    """
    if len(data) < ENVELOPE_BYTES:
        raise ProtocolError(
            "bad-length", f"a batch has {len(data)} bytes, too few for its envelope"
        )
    magic, version, flags, plain_bytes, checksum = struct.unpack_from(SUMMED + "I", data, 0)
    if magic != MAGIC:
        raise ProtocolError("bad-magic", "this is not a batch")
    if version != VERSION:
        raise ProtocolError(
            "unknown-version", f"batch version {version} is not known here, only {VERSION}"
        )
    view = memoryview(data)
    if crc32(view[ENVELOPE_BYTES:], crc32(view[:_SUMMED_BYTES])) != checksum:
        raise ProtocolError("bad-checksum", "the batch was damaged on its way")
    if flags & ~DEFLATED or data[5:8] != b"\0\0\0":
        raise ProtocolError("bad-flags", f"batch flags {flags:#x} are not known here")
    if plain_bytes > bytes_max:
        raise ProtocolError("too-large", f"a batch of {plain_bytes} bytes is over {bytes_max}")
    start = ENVELOPE_BYTES
    if flags & DEFLATED:
        data, start = _inflated(data[ENVELOPE_BYTES:], plain_bytes, inflate), 0
    if len(data) - start != plain_bytes:
        raise ProtocolError(
            "bad-length", f"a batch body has {len(data) - start} bytes, not {plain_bytes}"
        )
    return data, start


def _inflated(stored: bytes, plain_bytes: int, inflate: "Inflate | None") -> bytes:
    if inflate is None:
        raise ProtocolError("no-deflate", "a deflated batch cannot be read on this platform")
    try:
        return inflate(stored, plain_bytes)
    except ValueError as error:
        raise ProtocolError("bad-deflate", f"the batch body does not inflate: {error}")
