"""A connected stream socket that never makes anybody wait; plain or TLS.

Promises that what is written goes out whole and in order, as far as the connection lives.  Leaves
it to its owner to watch for reading, and to close it when `OSError` says that it is over.
"""

import contextlib
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING

from tidegate_linux.endpoint.transport.limits import SEND_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class StreamSocket:
    """One socket in an event loop."""

    __slots__ = (
        "_is_reading",
        "_is_writing",
        "_loop",
        "_on_readable",
        "_on_writable",
        "_sock",
        "_waiting",
        "fd",
        "unsent_bytes",
    )

    def __init__(
        self,
        loop: "asyncio.AbstractEventLoop",
        sock: socket.socket,
        on_readable: "Callable[[], None]",
        on_writable: "Callable[[], None]",
    ) -> None:
        """`on_writable` is called when the socket takes more of what waits, or of a handshake."""
        self._loop = loop
        self._sock = sock
        self.fd = sock.fileno()
        self._on_readable = on_readable
        self._on_writable = on_writable
        self._waiting: deque[memoryview] = deque()
        self.unsent_bytes = 0
        self._is_reading = False
        self._is_writing = False

    def watch(self, is_reading: bool) -> None:
        """Call `on_readable` while there is something to read, or leave it."""
        if is_reading != self._is_reading and self.fd >= 0:
            self._is_reading = is_reading
            if is_reading:
                self._loop.add_reader(self.fd, self._on_readable)
            else:
                self._loop.remove_reader(self.fd)

    def read_into(self, buffer: memoryview) -> int:
        """Read up to `len(buffer)` bytes; return how many, 0 at the end, -1 if there are none now.

        Raises `OSError` when the connection is broken.
        """
        try:
            return self._sock.recv_into(buffer)
        except _LATER:
            return -1

    def has_decrypted(self) -> bool:
        """Tell whether TLS holds bytes for us of which the event loop knows nothing."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def write(self, data: bytes) -> None:
        """Send `data`, now or when the socket takes it; raise `OSError` when it is broken."""
        if self._waiting or len(data) > SEND_BYTES:
            is_first = not self._waiting
            self._waiting.append(memoryview(data))
            self.unsent_bytes += len(data)
            if is_first:
                self.write_on()
            return
        try:
            sent = self._sock.send(data)
        except _LATER:
            sent = 0
        if sent < len(data):
            self._waiting.append(memoryview(data)[sent:])
            self.unsent_bytes += len(data) - sent
            self._watch_writing(True)

    def write_on(self) -> None:
        """Send what waits, as much as the socket takes; raise `OSError` when it is broken."""
        waiting = self._waiting
        while waiting:
            data = waiting[0]
            try:
                # At each try the same bytes: SSL_write wants its call repeated as it was.
                sent = self._sock.send(data[:SEND_BYTES])
            except _LATER:
                sent = 0
            self.unsent_bytes -= sent
            if sent == len(data):
                waiting.popleft()
                continue
            if sent:
                waiting[0] = data[sent:]
            if sent < min(len(data), SEND_BYTES):
                break
        self._watch_writing(bool(waiting))

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Make it TLS, as the server; `shake` next."""
        self._sock = context.wrap_socket(
            self._sock, server_side=True, do_handshake_on_connect=False
        )

    def shake(self) -> bool:
        """Go on with the TLS handshake; tell whether it is done.  Raises `OSError`."""
        assert isinstance(self._sock, ssl.SSLSocket)
        try:
            self._sock.do_handshake()
        except ssl.SSLWantWriteError:
            self._watch_writing(True)
            return False
        except ssl.SSLWantReadError:
            self._watch_writing(False)
            return False
        self._watch_writing(False)
        return True

    def certificate_name(self) -> str:
        """Return the common name of the client certificate that was verified, or ""."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return ""
        certificate = self._sock.getpeercert() or {}
        names: list[str] = []
        for relative in certificate.get("subject", ()):
            names += [str(pair[1]) for pair in relative if pair[0] == "commonName"]
        # Of several names nobody says which one was meant.
        return names[0] if len(names) == 1 else ""

    def shut(self) -> None:
        """Tell the other end that nothing more comes; what it still sends can be read."""
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._sock.unwrap()  # Sends close_notify; its answer is not awaited.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Release the socket, whatever still waits."""
        if self.fd < 0:
            return
        self.watch(False)
        self._watch_writing(False)
        self.fd = -1
        self._waiting.clear()
        self.unsent_bytes = 0
        # Our owner holds us: without the circle it goes now, with the half packet it may have, and
        # not when objects are collected.
        self._on_readable = self._on_writable = _nothing
        with contextlib.suppress(OSError):
            self._sock.close()

    def _watch_writing(self, is_writing: bool) -> None:
        if is_writing != self._is_writing and self.fd >= 0:
            self._is_writing = is_writing
            if is_writing:
                self._loop.add_writer(self.fd, self._on_writable)
            else:
                self._loop.remove_writer(self.fd)


def _nothing() -> None:
    """Stand for callbacks that nobody has any more."""
