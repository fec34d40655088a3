"""A session: what outlives a connection of a client, and for a kept one a crash as well.

*Kept* is a session whose expiry is longer than its connection; all that it consists of stands in
notes [MQTT-4.1.0-1].  What belongs to any other is gone with its connection.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.outbox import Outbox
from tidegate_linux.endpoint.broker.state.repeats import Repeats, Total

if TYPE_CHECKING:
    from tidegate.config.settings import EndpointSettings
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.notes import WillNote
    from tidegate_linux.endpoint.broker.state.tally import Tally
    from tidegate_linux.endpoint.broker.state.timers import Timer
    from tidegate_linux.endpoint.broker.subscriptions import Subscription

NEVER_MS = 1 << 60


class Session:
    """State of one client id."""

    __slots__ = (
        "client_id",
        "connection",
        "ends_at_ms",
        "expiry_s",
        "filters",
        "is_stored",
        "noted_turn",
        "number",
        "outbox",
        "received",
        "repeats",
        "taken_ms",
        "timer",
        "user",
        "will",
        "will_at_ms",
    )

    def __init__(
        self,
        client_id: str,
        number: int,
        expiry_s: int,
        is_stored: bool,
        settings: "EndpointSettings",
        queued: "Tally | None" = None,
        remembered: "Total | None" = None,
    ) -> None:
        self.client_id = client_id
        self.number = number  # Never that of another session: its notes are found by it.
        self.expiry_s = expiry_s
        # Whether all of it is in notes.  So decided when it is made: one that was kept and resumed
        # for this connection only goes on being written, until it is deleted as a whole.
        self.is_stored = is_stored
        self.user = ""
        self.connection: Connection | None = None
        self.ends_at_ms: int | None = None  # While no connection stands.
        self.timer: Timer | None = None
        self.filters: dict[bytes, Subscription] = {}
        self.will: WillNote | None = None
        self.will_at_ms: int | None = None  # When it is due; None while the connection stands.
        self.received: set[int] = set()  # Packet ids of QoS 2 that were not released yet.
        self.repeats = Repeats(remembered or Total())
        self.outbox = Outbox(
            is_stored, settings.queue_messages_max, settings.queue_bytes_max, tally=queued
        )
        self.taken_ms = -NEVER_MS  # When its client came, or acknowledged a message last.
        self.noted_turn = 0  # The last in which a message was queued: not readable before.

    @property
    def is_kept(self) -> bool:
        """Tell whether it outlives its connection."""
        return self.expiry_s > 0
