"""Find damage in a write-ahead log that SQLite would pass over in silence, and mend it.

SQLite takes a log up to the first frame whose checksum is wrong and forgets the rest: after a power
cut that is the torn end of the last transaction.  A flipped bit further in front looks the same and
drops every commit behind it.  But the two can be told apart.  Each commit was synced before the
next one was written, so a torn end holds one commit frame at most; where two or more stand behind
the place at which SQLite stops, that place was whole once.

A frame's checksum goes on from that of the frame before it.  `mended` computes all of them anew:
SQLite then plays every frame, the damaged one included, and the records' own hashes tell what of it
is wrong.  So only a salvage may use a mended log.

The format is described at sqlite.org/fileformat2.html#walformat.  What stays unseen is damage to
the last transaction itself.
"""

import struct
import sys
from array import array
from pathlib import Path

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
PAGE_BYTES = 4096
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
_MAGIC = 0x377F0682 if sys.byteorder == "little" else 0x377F0683
_VERSION = 3_007_000
_MASK = 0xFFFFFFFF


def is_damaged(log: Path, frames_taken: int) -> bool:
    """Tell whether SQLite, which took `frames_taken` frames of the log, should have taken more."""
    if not log.exists():
        return False
    size_bytes = log.stat().st_size
    with log.open("rb") as file:
        header = file.read(HEADER_BYTES)
        salts = _salts(header, file.read(FRAME_HEADER_BYTES))
        commits = 0
        at = HEADER_BYTES + frames_taken * FRAME_BYTES
        while at + FRAME_BYTES <= size_bytes:
            file.seek(at)
            frame = file.read(FRAME_HEADER_BYTES)
            commits += frame[8:16] == salts and _is_commit(frame)
            at += FRAME_BYTES
    return commits > 1


def mended(log: Path) -> "bytes | None":
    """Return the log with all checksums right, or None where no commit behind a bad frame says that
    it was whole once."""
    content = bytearray(log.read_bytes())
    if len(content) < HEADER_BYTES + FRAME_BYTES:
        return None
    salts = _salts(content[:HEADER_BYTES], content[HEADER_BYTES : HEADER_BYTES + 16])
    whole = bytes(content[:HEADER_BYTES])
    content[:24] = struct.pack(">III", _MAGIC, _VERSION, PAGE_BYTES) + content[12:16] + salts
    stored = running = _checksum(content[:24], (0, 0))
    content[24:32] = struct.pack(">II", *running)
    bad = whole != content[:HEADER_BYTES]
    commits_behind = 0
    end = at = HEADER_BYTES
    while at + FRAME_BYTES <= len(content):
        frame = content[at : at + FRAME_BYTES]
        bad = bad or _frame_checksum(frame, stored) != struct.unpack(">II", frame[16:24])
        stored = struct.unpack(">II", frame[16:24])
        if frame[8:16] == salts and _is_commit(frame):
            end = at + FRAME_BYTES
            commits_behind += bad
        # A frame in the midst of others of this round has damaged salts; one behind them all is a
        # remnant of an older round, and is cut off below.
        frame[8:16] = salts
        running = _frame_checksum(frame, running)
        frame[16:24] = struct.pack(">II", *running)
        content[at : at + FRAME_BYTES] = frame
        at += FRAME_BYTES
    return bytes(content[:end]) if commits_behind > 1 else None


def _salts(header: "bytes | bytearray", frame: "bytes | bytearray") -> bytes:
    """Return the salts of the log's present round.

    The header has them, and so have its frames.  Where the two differ by one bit, the header is
    damaged; where by more, a new round has begun and has no frame yet.
    """
    ours, theirs = int.from_bytes(header[16:24], "big"), int.from_bytes(frame[8:16], "big")
    return bytes(frame[8:16] if (ours ^ theirs).bit_count() == 1 else header[16:24])


def _is_commit(frame: "bytes | bytearray") -> bool:
    """Tell whether the frame ends a transaction: bytes 4 to 7 then are the database's size."""
    return frame[4:8] != b"\0\0\0\0"


def _frame_checksum(frame: bytearray, before: "tuple[int, int]") -> "tuple[int, int]":
    return _checksum(frame[FRAME_HEADER_BYTES:], _checksum(frame[:8], before))


def _checksum(data: bytearray, before: "tuple[int, int]") -> "tuple[int, int]":
    """Continue SQLite's checksum over `data`, whose length is a multiple of 8."""
    first, second = before
    words = array("I", bytes(data))
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & _MASK
        second = (second + words[at + 1] + first) & _MASK
    return first, second
