"""The identity of a stream: `node.epoch.lane`.

`node` is made once, at a node's first start.  `epoch` is new whenever a journal starts afresh or a
copy of it was found out, so that a sequence number is never used twice for different records.
`lane` is a priority class.  Example: `00c0ffee00c0ffee.5f3759df5f3759df.main`.
"""

from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.limits import LANE_BYTES_MAX

IDENTITY_DIGITS = 16  # 64 random bits: two of a million nodes collide with odds of 1 to 37 million.

_HEX = "0123456789abcdef"
_LANE = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Stream(namedtuple("Stream", ("node", "epoch", "lane"))):
    """A stream's identity; `str()` gives its name as it stands in URLs, batches and tables."""

    __slots__ = ()
    node: str
    epoch: str
    lane: str

    def __str__(self) -> str:
        return f"{self.node}.{self.epoch}.{self.lane}"


def parse_stream(name: str) -> Stream:
    """Return the stream called `name`; raise `ProtocolError` when no stream can be called so."""
    parts = name.split(".")
    if len(parts) != 3:
        raise ProtocolError("bad-stream", "a stream is named node.epoch.lane")
    node, epoch, lane = parts
    if not (is_identity(node) and is_identity(epoch)):
        raise ProtocolError("bad-stream", f"node and epoch are {IDENTITY_DIGITS} hex digits each")
    if not is_lane(lane):
        raise ProtocolError(
            "bad-stream", f"a lane is 1 to {LANE_BYTES_MAX} of a-z, 0-9 and the hyphen"
        )
    return Stream(node, epoch, lane)


def is_identity(text: str) -> bool:
    """Tell whether `text` can be a node, an epoch or a generation."""
    # `strip` leaves nothing where every letter is one of them, at a tenth of what a loop costs.
    return len(text) == IDENTITY_DIGITS and not text.strip(_HEX)


def is_lane(text: str) -> bool:
    """Tell whether `text` can name a lane."""
    return 0 < len(text) <= LANE_BYTES_MAX and not text.strip(_LANE)


def identity_text(bits64: int) -> str:
    """Return 64 random bits as an identity; raise `ValueError` when they are more than 64."""
    if not 0 <= bits64 < 1 << 64:
        raise ValueError("an identity has 64 bits")
    return f"{bits64:016x}"
