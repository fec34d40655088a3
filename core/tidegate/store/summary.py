"""What a segment log says of a lane as a whole, as the bodies of two kinds of frames.

`SYNCED` ends each group of entries that became durable together, with the figures that hold then.
`SUMMARY` stands at the head of each segment, and behind each new epoch, and says all there is: so
the newest segment is enough to go on from, and no older one is needed for what it says but for the
records in it.  `docs/protocol.md` has both byte by byte.
"""

import struct

from tidegate.errors import ProtocolError
from tidegate.records.span import reason_text
from tidegate.store.account import Account, Hole
from tidegate.store.frame import frame
from tidegate.wire.parts import Reader, pack_lane, read_lane

# Stored on flash for years, like those in `entry`: a number is never given to another kind.
SYNCED, SUMMARY = 8, 9

_FIGURES = "<QIQQIQQQQ"
_HEAD = "<QQHH"
_HOLE = "<QQIBH"
_DROPPED = "<QH"
_KEPT, _NEVER_STORED = 0b01, 0b10


def synced_frame(account: Account, seed: int) -> bytes:
    """Return the frame that ends a group of entries."""
    body = pack_lane(account.lane) + struct.pack(_FIGURES, *account.figures())
    return frame(SYNCED, body, seed)


def read_synced(body: bytes) -> "tuple[int, ...]":
    """Return the figures that `Account.take_figures` takes; raise `ProtocolError`."""
    reader = Reader(body)
    read_lane(reader)
    return _checked(reader.unpack(_FIGURES), reader)


def _checked(figures: "tuple[int, ...]", reader: Reader) -> "tuple[int, ...]":
    if reader.left_bytes:
        raise ProtocolError("bad-length", f"{reader.left_bytes} bytes follow the figures")
    if not figures[3] <= figures[2] <= figures[0]:
        raise ProtocolError("bad-range", "a lane's figures contradict each other")
    return figures


def summary_frame(account: Account, seed: int) -> bytes:
    """Return the frame that says all of a lane."""
    holes, dropped = account.holes, sorted(account.dropped.items())
    numbers = (int(account.epoch, 16), account.base, len(holes), len(dropped))
    parts = [pack_lane(account.lane), struct.pack(_HEAD, *numbers)]
    for hole in holes:
        reason = reason_text(hole.reason).encode()
        flags = (_KEPT if hole.kept else 0) | (0 if hole.stored else _NEVER_STORED)
        fields = (hole.first, hole.last, hole.hash_at, flags, len(reason))
        parts.append(struct.pack(_HOLE, *fields) + reason)
    for text, count in dropped:
        reason = reason_text(text).encode()
        parts.append(struct.pack(_DROPPED, count, len(reason)) + reason)
    parts.append(struct.pack(_FIGURES, *account.figures()))
    return frame(SUMMARY, b"".join(parts), seed)


def read_summary(body: bytes) -> Account:
    """Return the account in the body of a `SUMMARY`; raise `ProtocolError`."""
    reader = Reader(body)
    lane = read_lane(reader)
    epoch, base, hole_count, dropped_count = reader.unpack(_HEAD)
    account = Account(lane, f"{epoch:016x}")
    account.base = base
    holes = []
    for _ in range(hole_count):
        first, last, hash_at, flags, reason_bytes = reader.unpack(_HOLE)
        kept, stored = bool(flags & _KEPT), not flags & _NEVER_STORED
        holes.append(Hole(first, last, hash_at, reader.text(reason_bytes), kept, stored))
    for _ in range(dropped_count):
        count, reason_bytes = reader.unpack(_DROPPED)
        account.dropped[reader.text(reason_bytes)] = count
    account.holes = holes
    account.take_figures(_checked(reader.unpack(_FIGURES), reader))
    return account
