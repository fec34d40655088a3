"""The segments of a log on their medium: who numbers them, and how their frames are read.

A *medium* is where segments lie: files on a flash, or fixed parts of it.  It is the one thing that
a platform brings along for a segment log; see `Medium` below for what it promises.
"""

from collections import namedtuple

from tidegate.store.frame import BODY_BYTES_MAX, HEAD_BYTES, MARKER, Damage, scan
from tidegate.store.segment import segment_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from tidegate.store.frame import Frame

    class Medium(Protocol):
        """Where segments lie, each under its number.  Every method may raise `StorageError`."""

        def segments(self) -> "list[tuple[int, int]]":
            """Return number and size in bytes of all there are, in any order."""

        def append(self, number: int, data: "bytes | memoryview") -> None:
            """Add bytes to the end of a segment, which is made if need be; durable after `sync`.

            The caller uses the memory behind `data` again at once.
            """

        def sync(self, number: int) -> None:
            """Return when all of a segment, and that it exists, would survive a power cut."""

        def read(self, number: int, at: int, size_bytes: int) -> bytes:
            """Return synced bytes from `at` on, fewer than asked only where the segment ends."""

        def remove(self, number: int) -> None:
            """Take a segment away; after a power cut it may be there again."""

        def set_aside(self, number: int) -> None:
            """Keep a segment where a person finds it and `segments` does not."""

        def free_bytes(self) -> int:
            """Return how much is free for segments."""

        def close(self) -> None:
            """Release everything; never raises."""


class Sizes(
    namedtuple("Sizes", ("segment_bytes", "buffer_bytes", "chunk_bytes", "frame_bytes_max"))
):
    """How a log uses memory and medium.

    `segment_bytes`: from this size on a new segment is begun.  `buffer_bytes`: what is gathered
    before it goes to the medium.  `chunk_bytes`: what is read at once.  `frame_bytes_max`: no frame
    is longer, so a length that says so is damage.
    """

    __slots__ = ()
    segment_bytes: int
    buffer_bytes: int
    chunk_bytes: int
    frame_bytes_max: int


# For a machine with memory; a small node has sizes of its own.
ROOMY = Sizes(1 << 20, 1 << 16, 1 << 16, BODY_BYTES_MAX + HEAD_BYTES)


class Part:
    """A segment of one lane: the records in it have places from `first` on.

    `base` is the lane's where its frames begin, `size_bytes` how much of it counts.
    """

    __slots__ = ("base", "first", "number", "size_bytes")

    def __init__(self, number: int, base: int, first: int, size_bytes: int) -> None:
        self.number = number
        self.base = base
        self.first = first
        self.size_bytes = size_bytes


class Segments:
    """All segments of one node."""

    def __init__(self, medium: "Medium", node: str, last_number: int, sizes: Sizes) -> None:
        self.medium = medium
        self.node = node
        self.sizes = sizes
        self._last_number = last_number

    def next_number(self) -> int:
        """Return a number that no segment has had."""
        self._last_number += 1
        return self._last_number

    def seed(self, number: int) -> int:
        """Return the seed of a segment's frames."""
        return segment_seed(self.node, number)

    def frames(self, number: int, at: int, end: int) -> "Iterator[Frame | Damage]":
        """Yield what lies in a segment from `at` up to `end`, reading a chunk at a time.

        A damaged length makes it read up to `frame_bytes_max` at once and no more.
        """
        seed = self.seed(number)
        size_bytes = self.sizes.chunk_bytes
        while at < end:
            data = self.medium.read(number, at, min(size_bytes, end - at))
            more = bool(data) and at + len(data) < end
            taken = 0
            for found in scan(data, seed, at, more):
                taken = found.end - at
                yield found
            if not more:
                return
            if taken:
                size_bytes = self.sizes.chunk_bytes
            elif size_bytes < self.sizes.frame_bytes_max:
                size_bytes = min(size_bytes * 2, self.sizes.frame_bytes_max)
            else:
                # Longer than any frame: it is none, and the next one begins at a marker behind it.
                found_at = data.find(MARKER, 1)
                taken = len(data) - 1 if found_at < 0 else found_at
                yield Damage(at, at + taken)
            at += taken
