"""One client's connection: its wire, perhaps TLS and WebSocket, and what the broker knows of it.

    SHAKING (TLS) -> UPGRADING (WebSocket) -> OPEN -> LINGERING -> CLOSED

From OPEN on there is a broker's connection.  LINGERING has sent its last byte and waits for the
other end to close: closing first, with something unread, would reset the connection, and a reset
may overtake the DISCONNECT that says why.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import SLOW_BYTES, Peer
from tidegate_linux.endpoint.transport import limits
from tidegate_linux.endpoint.transport.stream_socket import StreamSocket
from tidegate_linux.endpoint.transport.websocket import WebSocket

if TYPE_CHECKING:
    import socket
    import ssl

    from tidegate.config.settings import ListenerSettings
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.transport.server import Server

WEBSOCKET_SCHEMES = ("ws", "wss")
WEBSOCKET_PATH = "/mqtt"  # Where the URL names none.

SHAKING = 0
UPGRADING = 1
OPEN = 2
LINGERING = 3
CLOSED = 4


class Channel:
    """One client's connection; for the thread of the event loop alone."""

    __slots__ = (
        "_has_login",
        "_is_parked",
        "_linger_bytes",
        "_listener",
        "_server",
        "_socket",
        "_websocket",
        "address",
        "connection",
        "deadline_ms",
        "partial_bytes",
        "phase",
        "unsent_bytes",
    )

    def __init__(
        self,
        server: "Server",
        sock: "socket.socket",
        listener: "ListenerSettings",
        address: str,
    ) -> None:
        self._server = server
        self._listener = listener
        self.address = address
        self._socket = StreamSocket(server.loop, sock, self._readable, self._writable)
        self._websocket: WebSocket | None = None
        self.connection: Connection | None = None
        self.phase = SHAKING
        self.deadline_ms = 0  # Of SHAKING, UPGRADING and LINGERING.
        self.partial_bytes = 0  # As the server has counted them.
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
        self.deadline_ms = self._server.now_ms() + self._server.settings.connect_timeout_s * 1000
        if context is None:
            self._upgrade()
        else:
            self._socket.start_tls(context)
        if self.phase != CLOSED:
            self._socket.watch(True)

    def flush(self) -> None:
        """Do what the broker wants of this connection now."""
        connection = self.connection
        if connection is None or self.phase != OPEN:
            return
        data = connection.take_output()
        if data:
            self._server.counters.bytes_sent += len(data)
            self._put(data if self._websocket is None else self._websocket.wrap(data))
            if self.phase != OPEN:
                return
            if len(data) > SLOW_BYTES and not self.unsent_bytes:
                # It counted as slow for a moment, and what was left out for that comes now.
                self._server.broker.drained(connection, self._server.now_ms())
                self._server.stir()
        if connection.is_ending:
            self._end()
            return
        if connection.login is None:
            self._has_login = False
        elif not self._has_login:
            self._has_login = True
            self._server.login_checks.ask(self, connection.login)
        if self._is_parked:
            self.unpark()

    def unpark(self) -> None:
        """Read on, if the broker wants it."""
        if self._is_parked and self.connection is not None and not self.connection.is_held:
            self._is_parked = False
            self._server.parked.pop(self, None)
            self._socket.watch(self.phase == OPEN)
            if self._socket.has_decrypted():
                self._server.loop.call_soon(self._readable)

    def expire(self, now_ms: int) -> bool:
        """Tell whether its deadline has passed; then it is closed."""
        if not self.is_timed or now_ms < self.deadline_ms:
            return False
        if self.phase != LINGERING:
            what = "TLS" if self.phase == SHAKING else "WebSocket"
            self._server.connection_log.refused(self.address, f"no {what} handshake in time")
        self.close()
        return True

    def close(self) -> None:
        """Let go of it at once."""
        if self.phase == CLOSED:
            return
        self.phase = CLOSED
        self._socket.close()
        if self._websocket is not None:
            self._websocket.release()
        self._server.forget(self)
        if self.connection is not None:
            self._server.broker.lost(self.connection, self._server.now_ms())
            self._server.stir()

    def _upgrade(self) -> None:
        """The wire stands: begin with WebSocket, or with MQTT."""
        url = self._listener.url
        if url.scheme in WEBSOCKET_SCHEMES:
            self.phase = UPGRADING
            path = url.path or WEBSOCKET_PATH
            self._websocket = WebSocket(path, self._server.settings.packet_bytes_max)
        else:
            self._open()

    def _open(self) -> None:
        self.phase = OPEN
        server = self._server
        peer = Peer(self._listener, self.address, self._socket.certificate_name())
        self.connection = server.broker.opened(peer, server.now_ms())
        server.opened(self)

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
            self._server.parked[self] = None
            self._socket.watch(False)
            return
        data = self._read()
        if not data:
            return
        if self._websocket is not None:
            self._receive_framed(data)
            return
        server = self._server
        server.broker.received(connection, data, server.now_ms())
        partial_bytes = connection.reader.partial_bytes
        if partial_bytes != self.partial_bytes:
            server.count_partial(self, partial_bytes)
        server.stir()

    def _receive_framed(self, data: bytes) -> None:
        """Take what came over WebSocket: MQTT, or the protocol's own."""
        websocket, server = self._websocket, self._server
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
                server.broker.received(connection, content, server.now_ms())
            server.count_partial(self, connection.reader.partial_bytes + websocket.partial_bytes)
            server.stir()
        if websocket.is_ended and self.phase in (UPGRADING, OPEN):
            if websocket.fault:
                server.connection_log.refused(self.address, f"WebSocket: {websocket.fault}")
            self._end()

    def _read(self) -> bytes:
        """Return what there is to read now; b"" if there is nothing, or the connection is over."""
        buffer = self._server.buffer
        try:
            count = self._socket.read_into(buffer)
            if count > 0:
                data = bytes(buffer[:count])
                while self._socket.has_decrypted():  # At most the rest of one TLS record, 16 KiB.
                    count = self._socket.read_into(buffer)
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
            is_done = self._socket.shake()
        except OSError as error:
            self._server.connection_log.tls_failed(self.address, error)
            self.close()
            return
        if is_done:
            self._upgrade()
            if self._socket.has_decrypted():
                self._server.loop.call_soon(self._readable)

    def _put(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._socket.write(data)
        except OSError:
            self.close()
            return
        if self._socket.unsent_bytes != self.unsent_bytes:
            self._count_unsent()

    def _count_unsent(self) -> None:
        unsent_bytes = self._socket.unsent_bytes
        if self.connection is not None:
            self.connection.unsent_bytes = unsent_bytes
        self._server.count_unsent(self, unsent_bytes)

    def _writable(self) -> None:
        if self.phase == SHAKING:
            self._shake()
            return
        try:
            self._socket.write_on()
        except OSError:
            self.close()
            return
        self._count_unsent()
        if self._socket.unsent_bytes or self.phase == CLOSED:
            return
        if self.phase == LINGERING:
            self._socket.shut()
        elif self.connection is not None:
            self._server.broker.drained(self.connection, self._server.now_ms())
            self._server.stir()

    def _end(self) -> None:
        """Nothing more is to be said: send what waits, and wait for the other end to close."""
        if self._websocket is not None:
            data = self._websocket.close()
            if data:
                self._put(data)
        if self.phase == CLOSED:
            return
        server = self._server
        self.phase = LINGERING
        self.deadline_ms = server.now_ms() + limits.LINGER_MS
        server.lingers(self)
        if self.connection is not None:
            server.broker.lost(self.connection, server.now_ms())
            server.stir()
        self._is_parked = False
        self._socket.watch(True)
        if not self._socket.unsent_bytes:
            self._socket.shut()

    def _discard(self) -> None:
        try:
            count = self._socket.read_into(self._server.buffer)
        except (OSError, ValueError):
            count = 0
        self._linger_bytes += max(0, count)
        if count == 0 or self._linger_bytes > limits.LINGER_BYTES_MAX:
            self.close()
