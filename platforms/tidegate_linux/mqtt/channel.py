"""The socket of one MQTT connection, read and written in bulk, and paho's view of it.

paho reads byte by byte and writes packet by packet; `Channel` stands between it and the real
socket.  Reads are taken as large as they come, and paho is given the packets that are meant for it
(see `mqtt_intake`); what paho writes waits, together with our acknowledgements, for one `flush`.

The way in is `Client.tls_set_context`: paho lets its context wrap the connected socket, and
`Wrapper` is such a context, for TLS and for plain TCP.  It is paho's public interface, needs no
inheritance from it, and worked the same in every paho since 1.0.

Only the thread that runs the connection may call anything here.  A socket that is used by one
thread while another closes it may write into the next connection, which gets the same file
descriptor: the very accident that generations are there to exclude.
"""

import socket
import ssl
import time

READ_BYTES = 256 * 1024  # One read; a full receive window of telemetry is smaller.
FINISH_S = 2.0  # What a last flush may take before the connection is closed all the same.
LINGER_S = 0.5  # What the broker may then take to close its side.


class Wrapper:
    """Takes the place of paho's TLS context; `channel` is there once paho is connected."""

    # With this true paho leaves the host check to the context, which is where we have it done.
    check_hostname = True

    def __init__(self, context: "ssl.SSLContext | None") -> None:
        """Without a `context` the connection stays as it is."""
        self._context = context
        self.channel: Channel | None = None

    def wrap_socket(
        self, sock: socket.socket, server_hostname: str, do_handshake_on_connect: bool
    ) -> "Channel":
        """Return what paho is to use as its socket; called by paho."""
        if self._context is not None:
            sock = self._context.wrap_socket(
                sock,
                server_hostname=server_hostname,
                do_handshake_on_connect=do_handshake_on_connect,
            )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.channel = Channel(sock)
        return self.channel


class Channel:
    """One connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.is_open = True
        self.inbox = bytearray()  # What paho may read.
        self._sock = sock
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._outbox: list[bytes] = []

    # What paho calls.

    def settimeout(self, timeout: "float | None") -> None:
        """Set the time for the handshake."""
        self._sock.settimeout(timeout)

    def do_handshake(self) -> None:
        """Shake hands where there is TLS."""
        if self._tls is not None:
            self._tls.do_handshake()

    def setblocking(self, flag: bool) -> None:
        """Choose whether calls wait."""
        self._sock.setblocking(flag)

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """Return bytes of packets that are paho's."""
        if not self.inbox:
            raise BlockingIOError
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        return data

    def send(self, data: "bytes | bytearray") -> int:
        """Take bytes for the next flush; all of them, always."""
        if not self.is_open:
            raise BrokenPipeError
        self._outbox.append(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close the socket; more than once does no harm."""
        self.is_open = False
        self._outbox = []
        self._sock.close()

    # What the connection calls.

    def read(self) -> "bytes | None":
        """Return what has come, b"" at the end of the connection, None when there is nothing.

        Raises `OSError` where the connection broke.
        """
        try:
            return self._sock.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def holds_unread(self) -> bool:
        """Tell whether TLS has decrypted bytes that no poll will announce."""
        return self._tls is not None and self._tls.pending() > 0

    def flush(self) -> bool:
        """Send what waits; return whether a rest has to wait for the socket."""
        if not self._outbox:
            return False
        data = self._outbox[0] if len(self._outbox) == 1 else b"".join(self._outbox)
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        self._outbox = [data[sent:]] if sent < len(data) else []
        return bool(self._outbox)

    def finish(self, data: bytes) -> None:
        """Send what waits and `data`, for a short time at most, and close."""
        try:
            if self.is_open:
                self._sock.settimeout(FINISH_S)
                self._sock.sendall(b"".join([*self._outbox, data]))
                self._sock.shutdown(socket.SHUT_WR)
                # To close while bytes lie unread is to reset the connection, which can overtake
                # what was just sent.
                deadline_s = time.monotonic() + LINGER_S
                self._sock.settimeout(LINGER_S)
                while time.monotonic() < deadline_s and self._sock.recv(READ_BYTES):
                    continue
        except OSError:
            # The connection is given up either way; what was not acknowledged comes again.
            self._outbox = []
        self.close()
