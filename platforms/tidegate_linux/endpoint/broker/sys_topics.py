"""What the broker counts, and what of it anybody may read below `$SYS/broker/`.

The names and units are those of Mosquitto, so that dashboards made for it work; `dropped/` with a
reason is ours.
"""

from tidegate.version import VERSION

PREFIX = b"$SYS/broker/"


class Counters:
    """What the broker counts.  Totals since the start, but for those said to be at present."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "connections",
        "connections_max",
        "connections_total",
        "dropped",
        "messages_received",
        "messages_sent",
        "payload_bytes_received",
        "payload_bytes_sent",
        "retained",
        "retained_bytes",
        "sessions",
        "sessions_expired",
        "subscriptions",
    )

    def __init__(self) -> None:
        self.connections = 0  # At present, let in.
        self.connections_max = 0  # The most at once.
        self.connections_total = 0
        self.sessions = 0  # At present, connected or kept.
        self.sessions_expired = 0
        self.subscriptions = 0  # At present.
        self.retained = 0  # At present.
        self.retained_bytes = 0  # At present.
        self.messages_received = 0  # PUBLISH that were taken.
        self.messages_sent = 0  # PUBLISH, those that were sent again too.
        self.payload_bytes_received = 0
        self.payload_bytes_sent = 0
        self.bytes_received = 0  # Of all packets.
        self.bytes_sent = 0
        self.dropped: dict[str, int] = {}  # By reason: one of a fixed few, never from outside.

    @property
    def dropped_total(self) -> int:
        """Return how many were dropped for whatever reason."""
        return sum(self.dropped.values())

    def joined(self) -> None:
        """Count a client that was let in."""
        self.connections += 1
        self.connections_total += 1
        self.connections_max = max(self.connections_max, self.connections)

    def left(self) -> None:
        """Count a client as gone that was let in."""
        self.connections -= 1

    def drop(self, reason: str, count: int = 1) -> None:
        """Count copies or messages that were dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count


def sys_messages(counters: Counters, uptime_s: int) -> list[tuple[bytes, bytes]]:
    """Return (topic, payload) of all there is to tell; the same topics first at each call."""
    values = [
        ("version", f"tidegate version {VERSION}"),
        ("uptime", f"{uptime_s} seconds"),
        ("clients/connected", counters.connections),
        ("clients/disconnected", max(0, counters.sessions - counters.connections)),
        ("clients/expired", counters.sessions_expired),
        ("clients/maximum", counters.connections_max),
        ("clients/total", counters.sessions),
        ("bytes/received", counters.bytes_received),
        ("bytes/sent", counters.bytes_sent),
        ("publish/bytes/received", counters.payload_bytes_received),
        ("publish/bytes/sent", counters.payload_bytes_sent),
        ("publish/messages/received", counters.messages_received),
        ("publish/messages/sent", counters.messages_sent),
        ("publish/messages/dropped", counters.dropped_total),
        ("retained messages/count", counters.retained),
        ("retained messages/bytes", counters.retained_bytes),
        ("subscriptions/count", counters.subscriptions),
    ]
    for reason in sorted(counters.dropped):
        values.append((f"publish/messages/dropped/{reason}", counters.dropped[reason]))
    return [(PREFIX + name.encode(), str(value).encode()) for name, value in values]
