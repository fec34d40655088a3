"""How large the next batch is: grows while the line is quick, shrinks when it is slow or fails.

A batch that takes a second loses a second when it fails, and a slow line under a timeout must get
through at all.  So the size doubles while full batches return within half the aim, and halves when
they take more than twice the aim or fail.  What a target called too large is remembered.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.span import Span

RECORDS_MIN = 1
BYTES_MIN = 1024  # Below this the envelope and the headers cost more than they save.
ROUND_TRIP_AIM_MS = 1000  # What a failure costs at worst, and how soon an urgent lane gets a turn.
START_SHARE = 8  # Begin with an eighth of the limits: an unknown line is taken for a slow one.


class Flight(namedtuple("Flight", ("span", "sent_ms", "total_bytes", "held_bytes"))):
    """A batch that was sent; `held_bytes` is what its records not yet released take."""

    __slots__ = ()
    span: "Span"
    sent_ms: int
    total_bytes: int
    held_bytes: int


class Pace:
    """The limits for one stream's next batch, within those of the configuration."""

    def __init__(self, records_max: int, bytes_max: int) -> None:
        self._records_max = records_max
        self._bytes_max = bytes_max
        self.records = max(RECORDS_MIN, records_max // START_SHARE)
        self.bytes = max(BYTES_MIN, bytes_max // START_SHARE)

    def returned(self, round_trip_ms: int, records: int, size: int) -> None:
        """Take note of a batch that was applied."""
        full = records >= self.records or size >= self.bytes
        if full and round_trip_ms < ROUND_TRIP_AIM_MS // 2:
            self.records = min(self._records_max, self.records * 2)
            self.bytes = min(self._bytes_max, self.bytes * 2)
        elif round_trip_ms > ROUND_TRIP_AIM_MS * 2:
            self.failed()

    def failed(self) -> None:
        """Take note of a batch that did not come through."""
        self.records = max(RECORDS_MIN, self.records // 2)
        self.bytes = max(BYTES_MIN, self.bytes // 2)

    def too_large(self, records: int, size: int) -> None:
        """Take note of a batch of `records` and `size` bytes that the target called too large."""
        self._bytes_max = max(BYTES_MIN, min(self._bytes_max, size // 2))
        self.bytes = min(self.bytes, self._bytes_max)
        # Many tiny records can be too large as well, in a target that counts them.
        self.records = max(RECORDS_MIN, min(self.records, records // 2))
