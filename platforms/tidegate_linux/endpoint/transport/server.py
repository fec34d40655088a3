"""All channels of all listeners around one broker; once per pass of the loop, what follows from it.

Theory of operation.  Everything that happens to a channel goes to the broker at once, and `stir`
asks for one look at the end of this pass of the loop: the turn that came together is sealed and
goes to the journal as one arrival, then every connection that has output gets one write.  So the
price of a turn is shared by all that came in, and nothing is paid for connections that are silent.

Memory: reads go through one buffer, whose used part shrinks with the number of channels; beginnings
of packets and what readers leave unread are bounded for all channels together, the largest goes.
"""

import time
from collections import deque
from typing import TYPE_CHECKING

from tidegate_linux.endpoint.transport import limits
from tidegate_linux.endpoint.transport.channel import OPEN, Channel
from tidegate_linux.endpoint.transport.login_checks import LoginChecks

if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl
    from collections.abc import Callable
    from typing import Protocol

    from tidegate.config.settings import EndpointSettings, ListenerSettings
    from tidegate_linux.endpoint.access.logins import Logins
    from tidegate_linux.endpoint.access.users import Users
    from tidegate_linux.endpoint.broker.broker import Broker
    from tidegate_linux.endpoint.broker.connection import Connection, Login
    from tidegate_linux.endpoint.broker.requests import Request
    from tidegate_linux.endpoint.broker.state.turns import Turn
    from tidegate_linux.endpoint.transport.connection_log import ConnectionLog

    class Post(Protocol):
        """Where turns and wishes for notes go."""

        def send(self, turn: "Turn") -> None: ...

        def seek(self, first: bytes, stop: bytes, count_max: int) -> None: ...


class Server:
    """The channels; for the thread of the event loop alone."""

    def __init__(
        self,
        loop: "asyncio.AbstractEventLoop",
        settings: "EndpointSettings",
        broker: "Broker",
        post: "Post",
        users: "Users",
        logins: "Logins",
        connection_log: "ConnectionLog",
        now_ms: "Callable[[], int]",
        ask: "Callable[[Request], None] | None",
    ) -> None:
        """`ask` takes a node's request, if anybody does; the answer goes to `Broker.answered`."""
        self._ask = ask
        self.loop = loop
        self.settings = settings
        self.broker = broker
        self.connection_log = connection_log
        self.now_ms = now_ms
        self.login_checks = LoginChecks(loop, users, logins, connection_log, now_ms, self._judged)
        self.parked: dict[Channel, None] = {}
        self.buffer = memoryview(bytearray(limits.READ_BYTES_MAX))
        self._whole_buffer = self.buffer
        self.counters = broker.counters  # The broker's own, for what only the transport knows.
        self._post = post
        self._channels: dict[Channel, None] = {}
        self._link_of: dict[Connection, Channel] = {}
        self._timed: deque[Channel] = deque()  # In handshakes or lingering.
        self._partial_bytes = 0
        self._partial_bytes_max = max(limits.PARTIAL_BYTES_MAX, 2 * settings.packet_bytes_max)
        self._unsent_bytes = 0
        self._is_stirred = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0

    @property
    def count(self) -> int:
        """Return how many channels there are, with those that only end."""
        return len(self._channels)

    def accept(
        self,
        sock: "socket.socket",
        listener: "ListenerSettings",
        address: str,
        context: "ssl.SSLContext | None",
    ) -> None:
        """Take a new connection.  Those over the number are told so by the broker, some of them."""
        if len(self._channels) >= self.settings.connections_max + limits.TURNED_AWAY_MAX:
            sock.close()
            self.connection_log.refused(address, "too many connections")
            return
        sock.setblocking(False)
        channel = Channel(self, sock, listener, address)
        self._channels[channel] = None
        self._share_buffer()
        try:
            channel.start(context)
        except OSError as error:
            self.connection_log.tls_failed(address, error)
            channel.close()
            return
        if channel.phase != OPEN:
            self._timed.append(channel)

    def opened(self, channel: Channel) -> None:
        """A channel has a connection of the broker."""
        assert channel.connection is not None
        self._link_of[channel.connection] = channel

    def lingers(self, channel: Channel) -> None:
        """A channel waits for the other end to close."""
        self._timed.append(channel)
        self.parked.pop(channel, None)

    def forget(self, channel: Channel) -> None:
        """A channel is closed."""
        self._channels.pop(channel, None)
        self.parked.pop(channel, None)
        self.count_partial(channel, 0)
        self.count_unsent(channel, 0)
        if channel.connection is not None:
            self._link_of.pop(channel.connection, None)
        self._share_buffer()

    def stir(self) -> None:
        """Look at what has changed, once all that this pass of the loop brought was taken in."""
        if not self._is_stirred:
            self._is_stirred = True
            self.loop.call_soon(self.look)

    def look(self) -> None:
        """Seal the turn and send what may be sent."""
        self._is_stirred = False
        broker = self.broker
        turn = broker.take_turn()
        if turn is not None:
            self._post.send(turn)
        for first, stop, count_max in broker.take_sought():
            self._post.seek(first, stop, count_max)
        for request in broker.take_requests():
            assert self._ask is not None
            self._ask(request)
        link_of = self._link_of
        for connection in broker.take_changed():
            channel = link_of.get(connection)
            if channel is not None:
                channel.flush()
        for level, event, fields in broker.take_reports():
            self.connection_log.tell(level, event, fields)
        self._arm()

    def hold(self, is_held: bool) -> None:
        """Take nothing in, or go on with it."""
        self.broker.hold(is_held)
        if not is_held:
            for channel in list(self.parked):
                channel.unpark()
        self.stir()

    def keep_house(self) -> None:
        """See to deadlines; to be called every HOUSEKEEPING_S."""
        now_ms = self.now_ms()
        for _ in range(len(self._timed)):
            channel = self._timed.popleft()
            if channel.is_timed and not channel.expire(now_ms):
                self._timed.append(channel)
        self.connection_log.look()

    def count_partial(self, channel: Channel, partial_bytes: int) -> None:
        """Count what a channel has of unfinished packets; over the bound the largest goes."""
        self._partial_bytes += partial_bytes - channel.partial_bytes
        channel.partial_bytes = partial_bytes
        while self._partial_bytes > self._partial_bytes_max:
            largest = max(self._channels, key=lambda one: one.partial_bytes)
            self.connection_log.refused(largest.address, "unfinished packets take too much memory")
            largest.close()

    def count_unsent(self, channel: Channel, unsent_bytes: int) -> None:
        """Count what a client has not read; over a bound the largest goes."""
        self._unsent_bytes += unsent_bytes - channel.unsent_bytes
        channel.unsent_bytes = unsent_bytes
        if unsent_bytes > limits.UNSENT_BYTES_MAX:
            self.connection_log.refused(channel.address, "it does not read what is sent to it")
            channel.close()
        while self._unsent_bytes > limits.UNSENT_BYTES_ALL:
            largest = max(self._channels, key=lambda one: one.unsent_bytes)
            self.connection_log.refused(largest.address, "it does not read what is sent to it")
            largest.close()

    def say_goodbye(self) -> None:
        """Tell all clients that the gateway stops."""
        self.broker.close(self.now_ms())
        self.look()

    def close(self) -> None:
        """Let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
        for channel in list(self._channels):
            channel.close()
        self.login_checks.close()

    def _judged(self, channel: Channel, login: "Login", is_right: bool) -> None:
        connection = channel.connection
        # It may be over, or have begun anew, since it asked.
        if connection is None or channel.phase != OPEN or connection.login is not login:
            return
        self.broker.judged(connection, is_right, self.now_ms())
        self.stir()

    def _share_buffer(self) -> None:
        share = limits.READ_BYTES_ALL // max(1, len(self._channels))
        size = max(limits.READ_BYTES_MIN, min(limits.READ_BYTES_MAX, share))
        if size != len(self.buffer):
            self.buffer = self._whole_buffer[:size]

    def _arm(self) -> None:
        """Have `_tick` called when the broker wants it."""
        at_ms = self.broker.deadline_ms()
        if at_ms is None or (self._timer is not None and self._timer_ms <= at_ms):
            return  # A timer that comes early does no harm, and is cheaper than one for each turn.
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = at_ms
        delay_s = max(0, at_ms - self.now_ms()) / 1000
        self._timer = self.loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.broker.tick(self.now_ms(), time.time_ns() // 1_000_000)
        self.look()
