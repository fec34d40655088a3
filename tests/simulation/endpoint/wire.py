"""One network connection: bytes in both directions, cut at any place, lost at any byte.

What the gateway has written may arrive at the client from that moment on, also when the gateway
dies; the oracle is told then.  What was under way when a connection is lost arrives up to any byte.
"""

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulation.endpoint.plan import Plan
    from simulation.world import World
    from tidegate_linux.endpoint.broker.broker import Connection

PIECE_BYTES = 2000  # At most, of what the client reads at once.


class Wire:
    """The connection of one client; `endpoint` is the gateway's end."""

    def __init__(self, world: "World", plan: "Plan", client, endpoint) -> None:
        self._world = world
        self._plan = plan
        self.client = client
        self.endpoint = endpoint
        self.connection: Connection | None = None
        self.sent: dict[int, bytes] = {}  # By the client, here: packet id -> message.
        self.arrived = bytearray()  # At the gateway, not read yet.
        self.is_read_due = False
        self.is_up = True  # As far as the client knows.
        self.is_closed = False  # By the gateway: nothing more is read.
        self._has_end = False
        self._under_way: deque[bytes] = deque()
        self._to_client = bytearray()
        self._is_reading = False
        self._is_paused = False

    # The client's end.

    def send(self, data: bytes) -> None:
        """Send bytes to the gateway, in pieces."""
        world = self._world
        while data:
            size = len(data)
            if world.happens(self._plan.cut_rate):
                size = world.between(1, size)
            self._under_way.append(data[:size])
            data = data[size:]
            world.after(self._plan.latency_ms, self._arrive)

    def cut(self, is_told: bool) -> None:
        """Lose the connection; what is under way arrives as far as it comes."""
        world = self._world
        self.is_up = False
        self._to_client.clear()
        kept = world.between(0, len(self._under_way))
        while len(self._under_way) > kept:
            last = self._under_way.pop()
            if len(self._under_way) == kept and world.happens(0.5):
                self._under_way.append(last[: world.between(0, len(last))])
                break
        if is_told:
            world.after(world.between(0, 2 * self._plan.latency_ms + 5), self._end)

    def finish(self) -> None:
        """Close in good order: all that was sent arrives."""
        self.is_up = False
        self._to_client.clear()
        self._world.after(self._plan.latency_ms + 1, self._end)

    def pause(self, span_ms: int) -> None:
        """Have the client read nothing for a while."""
        self._is_paused = True
        self._world.after(span_ms, self._read_on)

    # The gateway's end.

    def take(self) -> bytes:
        """Return some of what has arrived."""
        size = len(self.arrived)
        if self._world.happens(self._plan.cut_rate):
            size = self._world.between(1, size)
        data = bytes(self.arrived[:size])
        del self.arrived[:size]
        return data

    @property
    def unsent_bytes(self) -> int:
        """What the gateway has written and the machine has no room for."""
        return max(0, len(self._to_client) - self._plan.kernel_bytes)

    @property
    def has_ended(self) -> bool:
        """Tell whether the gateway reads its end now."""
        return self._has_end and not self.arrived

    def write(self, data: bytes) -> None:
        """Take what the gateway sends."""
        if self.is_up:
            self._to_client += data
            self._read_soon()

    def close(self) -> None:
        """The gateway closes; what it wrote still arrives."""
        self.is_closed = True
        self.arrived.clear()
        self._read_soon()

    def die(self) -> None:
        """The gateway's process is gone; what it wrote arrives as far as it comes."""
        if not self.is_closed:
            del self._to_client[self._world.between(0, len(self._to_client)) :]
            self.close()

    def _arrive(self) -> None:
        if not self._under_way:
            return
        piece = self._under_way.popleft()
        if not self.is_closed:
            self.arrived += piece
            self.endpoint.readable(self)

    def _end(self) -> None:
        if not self.is_closed:
            # What was sent before has arrived, or never will.
            self.arrived += b"".join(self._under_way)
            self._under_way.clear()
            self._has_end = True
            self.endpoint.readable(self)

    def _read_on(self) -> None:
        self._is_paused = False
        self._read_soon()

    def _read_soon(self) -> None:
        if not self._is_reading and self.is_up and not self._is_paused:
            self._is_reading = True
            self._world.after(self._plan.latency_ms, self._read)

    def _read(self) -> None:
        self._is_reading = False
        if not self.is_up or self._is_paused:
            return
        size = min(len(self._to_client), PIECE_BYTES)
        if size and self._world.happens(self._plan.cut_rate):
            size = self._world.between(1, size)
        data = bytes(self._to_client[:size])
        was_full = self.unsent_bytes > 0
        del self._to_client[:size]
        if was_full:
            self.endpoint.writable(self)
        if data:
            self.client.received(self, data)
        if not self.is_up:
            return
        if self._to_client:
            self._read_soon()
        elif self.is_closed:
            self.is_up = False
            self.client.lost(self)
