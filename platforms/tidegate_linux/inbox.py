"""The inbox: events on their way from the threads of sources and links to the engine's.

Promises a bound on what waits: a source whose messages find it full waits in `put`, its socket is
not read meanwhile, and so the pressure goes back to the broker.  Answers of a link are never held
up; there are at most as many as requests in flight.  Nor is an arrival with a receipt: its source
bounds what it has not seen settled, and its thread serves all devices, so it must never wait here.
"""

import threading

from tidegate.events import Arrived

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.events import Event

# One commit takes all that waits, so these bound a commit and the memory between two.
MESSAGES_MAX = 10_000
BYTES_MAX = 16 * 1024 * 1024
MESSAGE_OVERHEAD_BYTES = 500  # What the objects of one message take in Python, about.


class Inbox:
    """A bounded queue of events that is emptied as a whole.

    `messages` and `message_bytes` count what arrivals brought since the start.
    """

    def __init__(self, messages_max: int = MESSAGES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.messages = 0
        self.message_bytes = 0
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Tell whether nothing is taken in any more."""
        return self._stopped

    def put(self, event: "Event") -> None:
        """Add an event; wait while there is no room for the messages that it brings, unless it has
        a receipt.

        After `stop` it is thrown away: what was not acknowledged comes again.
        """
        with self._changed:
            if isinstance(event, Arrived):
                count = len(event.messages)
                size = sum(
                    len(message.topic) + len(message.payload) + len(message.properties)
                    for message in event.messages
                )
                if event.receipt is None:
                    self._changed.wait_for(self._room_for(count, size))
                    self._waiting_messages += count
                    self._waiting_bytes += size + count * MESSAGE_OVERHEAD_BYTES
                self.messages += count
                self.message_bytes += size
            if self._stopped:
                return
            self._events.append(event)
            self._changed.notify_all()

    def take_all(self, wait_s: float) -> "list[Event]":
        """Return all events, oldest first; wait up to `wait_s` for the first one."""
        with self._changed:
            if not self._events and not self._stopped and wait_s > 0:
                self._changed.wait_for(lambda: self._events or self._stopped, wait_s)
            events, self._events = self._events, []
            self._waiting_messages = self._waiting_bytes = 0
            self._changed.notify_all()
            return events

    def stop(self) -> None:
        """Take in nothing more, and let everybody go who waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _room_for(self, count: int, size: int) -> "Callable[[], bool]":
        """Return a test whether an arrival may come in; an empty inbox takes one of any size."""
        added = size + count * MESSAGE_OVERHEAD_BYTES
        return lambda: (
            self._stopped
            or self._waiting_messages == 0
            or (
                self._waiting_messages + count <= self._messages_max
                and self._waiting_bytes + added <= self._bytes_max
            )
        )
