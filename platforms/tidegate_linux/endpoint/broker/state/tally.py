"""What waits for clients, all of it together: copies in queues, wills, packet ids to be released.

A kept session's part lies in the journal, where it is not dropped to make room for messages to the
hub; the rest is memory.  Bounds of single sessions do not bound ten thousand of them.
"""

from tidegate_linux.endpoint.broker.limits import SHED_BYTES, SHED_PART


class Tally:
    """Bytes that are counted towards one bound."""

    __slots__ = ("bytes_max", "total_bytes")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.total_bytes = 0

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether so much more may come."""
        return self.total_bytes + size_bytes <= self.bytes_max

    def to_shed(self, size_bytes: int) -> int:
        """Return how much has to go where there is no room: more than is needed for one message,
        so that the largest queue is not looked for at each of them."""
        return size_bytes + min(SHED_BYTES, self.bytes_max // SHED_PART)
