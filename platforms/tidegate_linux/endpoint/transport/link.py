"""One client's connection: its wire, perhaps TLS and WebSocket, and what the broker knows of it.

    SHAKING (TLS) -> UPGRADING (WebSocket) -> OPEN -> LINGERING -> CLOSED

From OPEN on there is a broker's connection.  LINGERING has sent its last byte and waits for the
other end to close: closing first, with something unread, would reset the connection, and a reset
may overtake the DISCONNECT that says why.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import SLOW_BYTES, Peer
from tidegate_linux.endpoint.transport import limits
from tidegate_linux.endpoint.transport.websocket import WebSocket
from tidegate_linux.endpoint.transport.wire import Wire

if TYPE_CHECKING:
    import socket
    import ssl

    from tidegate.config.settings import ListenerSettings
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.transport.hall import Hall

WEBSOCKET_SCHEMES = ("ws", "wss")
WEBSOCKET_PATH = "/mqtt"  # Where the URL names none.

SHAKING = 0
UPGRADING = 1
OPEN = 2
LINGERING = 3
CLOSED = 4


class Link:
    """One client's connection; for the thread of the event loop alone."""

    __slots__ = (
        "_hall",
        "_has_login",
        "_is_parked",
        "_linger_bytes",
        "_listener",
        "_websocket",
        "_wire",
        "address",
        "connection",
        "deadline_ms",
        "partial_bytes",
        "phase",
        "unsent_bytes",
    )

    def __init__(
        self,
        hall: "Hall",
        sock: "socket.socket",
        listener: "ListenerSettings",
        address: str,
    ) -> None:
        self._hall = hall
        self._listener = listener
        self.address = address
        self._wire = Wire(hall.loop, sock, self._readable, self._writable)
        self._websocket: WebSocket | None = None
        self.connection: Connection | None = None
        self.phase = SHAKING
        self.deadline_ms = 0  # Of SHAKING, UPGRADING and LINGERING.
        self.partial_bytes = 0  # As the hall has counted them.
        self.unsent_bytes = 0
        self._is_parked = False  # Not read for now, because the broker wants nothing.
        self._has_login = False  # Its login is with the judge.
        self._linger_bytes = 0

    @property
    def is_timed(self) -> bool:
        """Tell whether a deadline hangs over it."""
        return self.phase in (SHAKING, UPGRADING, LINGERING)

    def start(self, context: "ssl.SSLContext | None") -> None:
        """Begin, with TLS if there is a context."""
        self.deadline_ms = self._hall.now_ms() + self._hall.settings.connect_timeout_s * 1000
        if context is None:
            self._upgrade()
        else:
            self._wire.start_tls(context)
        if self.phase != CLOSED:
            self._wire.watch(True)

    def flush(self) -> None:
        """Do what the broker wants of this connection now."""
        connection = self.connection
        if connection is None or self.phase != OPEN:
            return
        data = connection.take_output()
        if data:
            self._hall.counters.bytes_sent += len(data)
            self._put(data if self._websocket is None else self._websocket.wrap(data))
            if self.phase != OPEN:
                return
            if len(data) > SLOW_BYTES and not self.unsent_bytes:
                # It counted as slow for a moment, and what was left out for that comes now.
                self._hall.broker.drained(connection, self._hall.now_ms())
                self._hall.stir()
        if connection.is_ending:
            self._end()
            return
        if connection.login is None:
            self._has_login = False
        elif not self._has_login:
            self._has_login = True
            self._hall.judge.ask(self, connection.login)
        if self._is_parked:
            self.unpark()

    def unpark(self) -> None:
        """Read on, if the broker wants it."""
        if self._is_parked and self.connection is not None and not self.connection.is_held:
            self._is_parked = False
            self._hall.parked.pop(self, None)
            self._wire.watch(self.phase == OPEN)
            if self._wire.has_decrypted():
                self._hall.loop.call_soon(self._readable)

    def expire(self, now_ms: int) -> bool:
        """Tell whether its deadline has passed; then it is closed."""
        if not self.is_timed or now_ms < self.deadline_ms:
            return False
        if self.phase != LINGERING:
            what = "TLS" if self.phase == SHAKING else "WebSocket"
            self._hall.chronicle.refused(self.address, f"no {what} handshake in time")
        self.close()
        return True

    def close(self) -> None:
        """Let go of it at once."""
        if self.phase == CLOSED:
            return
        self.phase = CLOSED
        self._wire.close()
        if self._websocket is not None:
            self._websocket.release()
        self._hall.forget(self)
        if self.connection is not None:
            self._hall.broker.lost(self.connection, self._hall.now_ms())
            self._hall.stir()

    def _upgrade(self) -> None:
        """The wire stands: begin with WebSocket, or with MQTT."""
        url = self._listener.url
        if url.scheme in WEBSOCKET_SCHEMES:
            self.phase = UPGRADING
            path = url.path or WEBSOCKET_PATH
            self._websocket = WebSocket(path, self._hall.settings.packet_bytes_max)
        else:
            self._open()

    def _open(self) -> None:
        self.phase = OPEN
        hall = self._hall
        peer = Peer(self._listener, self.address, self._wire.certificate_name())
        self.connection = hall.broker.opened(peer, hall.now_ms())
        hall.opened(self)

    def _readable(self) -> None:
        try:
            self._take()
        except Exception:
            # A bug of ours: this connection cannot be trusted any more, the others can.
            self.close()
            raise

    def _take(self) -> None:
        if self.phase == OPEN:
            self._receive()
        elif self.phase == LINGERING:
            self._discard()
        elif self.phase == SHAKING:
            self._shake()
        elif self.phase == UPGRADING:
            data = self._read()
            if data:
                self._receive_framed(data)

    def _receive(self) -> None:
        connection = self.connection
        assert connection is not None
        if connection.is_held:
            self._is_parked = True
            self._hall.parked[self] = None
            self._wire.watch(False)
            return
        data = self._read()
        if not data:
            return
        if self._websocket is not None:
            self._receive_framed(data)
            return
        hall = self._hall
        hall.broker.received(connection, data, hall.now_ms())
        partial_bytes = connection.reader.partial_bytes
        if partial_bytes != self.partial_bytes:
            hall.count_partial(self, partial_bytes)
        hall.stir()

    def _receive_framed(self, data: bytes) -> None:
        """Take what came over WebSocket: MQTT, or the protocol's own."""
        websocket, hall = self._websocket, self._hall
        assert websocket is not None
        content = websocket.receive(data)
        answer = websocket.take_output()
        if answer:
            self._put(answer)
        if websocket.is_open and self.phase == UPGRADING:
            self._open()
        connection = self.connection
        if connection is not None and self.phase == OPEN:
            if content:
                hall.broker.received(connection, content, hall.now_ms())
            hall.count_partial(self, connection.reader.partial_bytes + websocket.partial_bytes)
            hall.stir()
        if websocket.is_ended and self.phase in (UPGRADING, OPEN):
            if websocket.fault:
                hall.chronicle.refused(self.address, f"WebSocket: {websocket.fault}")
            self._end()

    def _read(self) -> bytes:
        """Return what there is to read now; b"" if there is nothing, or the connection is over."""
        buffer = self._hall.buffer
        try:
            count = self._wire.read_into(buffer)
            if count > 0:
                data = bytes(buffer[:count])
                while self._wire.has_decrypted():  # At most the rest of one TLS record, 16 KiB.
                    count = self._wire.read_into(buffer)
                    if count <= 0:
                        break
                    data += buffer[:count]
                return data
        except OSError:
            count = 0
        if count == 0:
            self.close()
        return b""

    def _shake(self) -> None:
        try:
            is_done = self._wire.shake()
        except OSError as error:
            self._hall.chronicle.tls_failed(self.address, error)
            self.close()
            return
        if is_done:
            self._upgrade()
            if self._wire.has_decrypted():
                self._hall.loop.call_soon(self._readable)

    def _put(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._wire.write(data)
        except OSError:
            self.close()
            return
        if self._wire.unsent_bytes != self.unsent_bytes:
            self._count_unsent()

    def _count_unsent(self) -> None:
        unsent_bytes = self._wire.unsent_bytes
        if self.connection is not None:
            self.connection.unsent_bytes = unsent_bytes
        self._hall.count_unsent(self, unsent_bytes)

    def _writable(self) -> None:
        if self.phase == SHAKING:
            self._shake()
            return
        try:
            self._wire.write_on()
        except OSError:
            self.close()
            return
        self._count_unsent()
        if self._wire.unsent_bytes or self.phase == CLOSED:
            return
        if self.phase == LINGERING:
            self._wire.shut()
        elif self.connection is not None:
            self._hall.broker.drained(self.connection, self._hall.now_ms())
            self._hall.stir()

    def _end(self) -> None:
        """Nothing more is to be said: send what waits, and wait for the other end to close."""
        if self._websocket is not None:
            data = self._websocket.close()
            if data:
                self._put(data)
        if self.phase == CLOSED:
            return
        hall = self._hall
        self.phase = LINGERING
        self.deadline_ms = hall.now_ms() + limits.LINGER_MS
        hall.lingers(self)
        if self.connection is not None:
            hall.broker.lost(self.connection, hall.now_ms())
            hall.stir()
        self._is_parked = False
        self._wire.watch(True)
        if not self._wire.unsent_bytes:
            self._wire.shut()

    def _discard(self) -> None:
        try:
            count = self._wire.read_into(self._hall.buffer)
        except (OSError, ValueError):
            count = 0
        self._linger_bytes += max(0, count)
        if count == 0 or self._linger_bytes > limits.LINGER_BYTES_MAX:
            self.close()
