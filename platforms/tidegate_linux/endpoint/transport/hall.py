"""All links of all listeners around one broker; once per pass of the loop, what follows from it.

Theory of operation.  Everything that happens to a link goes to the broker at once, and `stir` asks
for one look at the end of this pass of the loop: the turn that came together is sealed and goes to
the journal as one arrival, then every connection that has output gets one write.  So the price of
a turn is shared by all that came in, and nothing is paid for connections that are silent.

Memory: reads go through one buffer, whose used part shrinks with the number of links; beginnings of
packets and what readers leave unread are bounded for all links together, the largest goes.
"""

import time
from collections import deque
from typing import TYPE_CHECKING

from tidegate_linux.endpoint.transport import limits
from tidegate_linux.endpoint.transport.judge import Judge
from tidegate_linux.endpoint.transport.link import OPEN, Link

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
    from tidegate_linux.endpoint.broker.state.turns import Turn
    from tidegate_linux.endpoint.transport.chronicle import Chronicle

    class Post(Protocol):
        """Where turns and wishes for notes go."""

        def send(self, turn: "Turn") -> None: ...

        def seek(self, first: bytes, stop: bytes, count_max: int) -> None: ...


class Hall:
    """The links; for the thread of the event loop alone."""

    def __init__(
        self,
        loop: "asyncio.AbstractEventLoop",
        settings: "EndpointSettings",
        broker: "Broker",
        post: "Post",
        users: "Users",
        logins: "Logins",
        chronicle: "Chronicle",
        now_ms: "Callable[[], int]",
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.broker = broker
        self.chronicle = chronicle
        self.now_ms = now_ms
        self.judge = Judge(loop, users, logins, chronicle, now_ms, self._judged)
        self.parked: dict[Link, None] = {}
        self.buffer = memoryview(bytearray(limits.READ_BYTES_MAX))
        self._whole_buffer = self.buffer
        self.counters = broker.counters  # The broker's own, for what only the transport knows.
        self._post = post
        self._links: dict[Link, None] = {}
        self._link_of: dict[Connection, Link] = {}
        self._timed: deque[Link] = deque()  # In handshakes or lingering.
        self._partial_bytes = 0
        self._partial_bytes_max = max(limits.PARTIAL_BYTES_MAX, 2 * settings.packet_bytes_max)
        self._unsent_bytes = 0
        self._is_stirred = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0

    @property
    def count(self) -> int:
        """Return how many links there are, with those that only end."""
        return len(self._links)

    def accept(
        self,
        sock: "socket.socket",
        listener: "ListenerSettings",
        address: str,
        context: "ssl.SSLContext | None",
    ) -> None:
        """Take a new connection.  Those over the number are told so by the broker, some of them."""
        if len(self._links) >= self.settings.connections_max + limits.TURNED_AWAY_MAX:
            sock.close()
            self.chronicle.refused(address, "too many connections")
            return
        sock.setblocking(False)
        link = Link(self, sock, listener, address)
        self._links[link] = None
        self._share_buffer()
        try:
            link.start(context)
        except OSError as error:
            self.chronicle.tls_failed(address, error)
            link.close()
            return
        if link.phase != OPEN:
            self._timed.append(link)

    def opened(self, link: Link) -> None:
        """A link has a connection of the broker."""
        assert link.connection is not None
        self._link_of[link.connection] = link

    def lingers(self, link: Link) -> None:
        """A link waits for the other end to close."""
        self._timed.append(link)
        self.parked.pop(link, None)

    def forget(self, link: Link) -> None:
        """A link is closed."""
        self._links.pop(link, None)
        self.parked.pop(link, None)
        self.count_partial(link, 0)
        self.count_unsent(link, 0)
        if link.connection is not None:
            self._link_of.pop(link.connection, None)
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
        link_of = self._link_of
        for connection in broker.take_changed():
            link = link_of.get(connection)
            if link is not None:
                link.flush()
        for level, event, fields in broker.take_reports():
            self.chronicle.tell(level, event, fields)
        self._arm()

    def hold(self, is_held: bool) -> None:
        """Take nothing in, or go on with it."""
        self.broker.hold(is_held)
        if not is_held:
            for link in list(self.parked):
                link.unpark()
        self.stir()

    def keep_house(self) -> None:
        """See to deadlines; to be called every HOUSEKEEPING_S."""
        now_ms = self.now_ms()
        for _ in range(len(self._timed)):
            link = self._timed.popleft()
            if link.is_timed and not link.expire(now_ms):
                self._timed.append(link)
        self.chronicle.look()

    def count_partial(self, link: Link, partial_bytes: int) -> None:
        """Count what a link has of packets that are not whole; over the bound the largest goes."""
        self._partial_bytes += partial_bytes - link.partial_bytes
        link.partial_bytes = partial_bytes
        while self._partial_bytes > self._partial_bytes_max:
            largest = max(self._links, key=lambda one: one.partial_bytes)
            self.chronicle.refused(largest.address, "unfinished packets take too much memory")
            largest.close()

    def count_unsent(self, link: Link, unsent_bytes: int) -> None:
        """Count what a client has not read; over a bound the largest goes."""
        self._unsent_bytes += unsent_bytes - link.unsent_bytes
        link.unsent_bytes = unsent_bytes
        if unsent_bytes > limits.UNSENT_BYTES_MAX:
            self.chronicle.refused(link.address, "it does not read what is sent to it")
            link.close()
        while self._unsent_bytes > limits.UNSENT_BYTES_ALL:
            largest = max(self._links, key=lambda one: one.unsent_bytes)
            self.chronicle.refused(largest.address, "it does not read what is sent to it")
            largest.close()

    def say_goodbye(self) -> None:
        """Tell all clients that the gateway stops."""
        self.broker.close(self.now_ms())
        self.look()

    def close(self) -> None:
        """Let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self._links):
            link.close()
        self.judge.close()

    def _judged(self, link: Link, login: "Login", is_right: bool) -> None:
        connection = link.connection
        # It may be over, or have begun anew, since it asked.
        if connection is None or link.phase != OPEN or connection.login is not login:
            return
        self.broker.judged(connection, is_right, self.now_ms())
        self.stir()

    def _share_buffer(self) -> None:
        share = limits.READ_BYTES_ALL // max(1, len(self._links))
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
