"""A socket that never waits of its own accord: what is written gathers, what comes gathers.

Promises that one `move` takes no longer than it was given, whatever the peer does: connecting, the
TLS handshake, sending and receiving are all parts of it.  Small writes leave in one segment: three
a packet would cost 40 ms each by Nagle's rule and the peer's delayed acknowledgement.  Names are
looked up by the platform, which nothing can bound; what was found is kept between connections.
"""

import errno
import select
import socket
from binascii import a2b_base64

GATHER_BYTES = 512  # Larger writes are sent from where they lie: a batch is not copied once more.
RECEIVE_BYTES = 256

_IPPROTO_TCP, _TCP_NODELAY = 6, 1  # The same on Linux and lwIP; few ports have names for them.


class Peer:
    """Where a line leads, as an uplink's settings say; over TLS its certificate is verified."""

    def __init__(self, uplink):
        self.host = uplink.host
        self._uplink = uplink
        self._context = None
        self._addresses = []

    def dial(self, moved, received_bytes_max):
        """Return a `LineSocket` that is connecting; raise `OSError` when that fails at once."""
        if self._uplink.tls and self._context is None:
            self._context = _context(self._uplink.ca_file)
        if not self._addresses:
            self._addresses = socket.getaddrinfo(
                self.host, self._uplink.port, 0, socket.SOCK_STREAM
            )
        return LineSocket(self._addresses[0], self._context, self.host, moved, received_bytes_max)

    def failed(self):
        """Try the next address next time; after the last one, look the name up again."""
        self._addresses = self._addresses[1:]


def _context(ca_file):
    try:
        import ssl  # Several KB of memory on some boards.
    except ImportError:
        raise OSError("this board has no ssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        with open(ca_file, "rb") as file:
            parts = file.read().split(b"-----")
        # Most ports know DER alone: PEM is the same in base64, and each of several after BEGIN.
        certificates = parts if len(parts) < 3 else [a2b_base64(one) for one in parts[2::4]]
        for certificate in certificates:
            context.load_verify_locations(cadata=certificate)
    except (OSError, ValueError) as error:
        raise OSError(f"ca_file: {error!r}")
    return context


class LineSocket:
    """One connection; `moved()` is called whenever bytes went or came."""

    def __init__(self, address, context, host, moved, received_bytes_max):
        self.came = bytearray()
        self.ended = False  # The peer closed its side; what came before is in `came`.
        self._moved = moved
        self._room = received_bytes_max
        self._out = []
        self._sent = 0  # Of the first of `_out`.
        self._tried = False
        self._broken = None
        self._is_dialing = True
        self._raw = self._socket = socket.socket(address[0], socket.SOCK_STREAM)
        try:
            self._connect(address[-1], context, host)
        except OSError:
            self.close()
            raise
        self._poller = select.poll()
        self._poller.register(self._socket, select.POLLIN)

    def _connect(self, address, context, host):
        self._raw.setblocking(False)
        try:
            self._raw.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except OSError:
            pass  # A port without it: what is gathered makes up for most of it.
        try:
            self._raw.connect(address)
        except OSError as error:
            if error.errno not in (errno.EINPROGRESS, errno.EAGAIN, errno.EALREADY):
                raise
        if context is not None:
            self._socket = context.wrap_socket(
                self._raw, server_hostname=host, do_handshake_on_connect=False
            )

    def interest(self):
        """Return the socket and what to wait for, as `select.poll.register` takes them."""
        if self._is_dialing:
            return self._socket, select.POLLOUT
        return self._socket, select.POLLIN | (select.POLLOUT if self._out else 0)

    def is_connected(self):
        """Tell whether TCP is there, without waiting; raise `OSError` when it will not be."""
        self._poller.modify(self._socket, select.POLLOUT)
        for _, state in self._poller.ipoll(0):
            if state & (select.POLLERR | select.POLLHUP):
                raise OSError(errno.ECONNREFUSED)
            self._is_dialing = False
        return not self._is_dialing

    def write(self, data):
        """Have `data` sent by the next moves; it must stay as it is if it is long."""
        if len(data) > GATHER_BYTES:
            self._out.append(data)
            return
        last = self._out[-1] if self._out else b""
        # What TLS has seen once must come again as it was.
        is_open = isinstance(last, bytearray) and not (self._tried and len(self._out) == 1)
        if is_open and len(last) + len(data) <= GATHER_BYTES:
            last.extend(data)
        else:
            self._out.append(bytearray(data))

    def is_drained(self):
        """Tell whether all that was written is on its way."""
        return not self._out

    def is_quiet(self):
        """Tell whether the line is whole and nothing came that nobody asked for."""
        try:
            self.move()
        except OSError:
            return False
        return not self.ended and not self.came

    def move(self, wait_ms=0):
        """Send and take in what goes, waiting no longer; return whether anything did.

        Raises `OSError` when the line is broken, after all that came over it was taken in.
        """
        moved = False
        self._poller.modify(*self.interest())
        try:
            for _, state in self._poller.ipoll(wait_ms):
                if state & ~select.POLLOUT:
                    moved = self._receive()
                if not moved and self._broken is not None:
                    raise self._broken
                if state & select.POLLOUT and not moved:
                    moved = self._send()
        except ValueError as error:  # What TLS says of a certificate.
            raise OSError(str(error).strip())
        if moved:
            self._moved()
        return moved

    def _receive(self):
        size = min(RECEIVE_BYTES, self._room - len(self.came))
        if size <= 0:
            return False
        try:
            # `read` goes on until it has all: an error behind the last bytes would cost them.
            data = self._raw.recv(size) if self._socket is self._raw else self._socket.read(size)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return False
        if data is None:
            return False
        self.ended = not data
        self.came.extend(data)
        return bool(data)

    def _send(self):
        head = self._out[0]
        self._tried = True
        try:
            size = self._socket.write(memoryview(head)[self._sent :])
        except OSError as error:
            self._broken = error  # The peer may have said why: that is read first.
            self._out = []
            return True
        if size is None:
            return False
        self._sent += size
        if self._sent == len(head):
            self._out.pop(0)
            self._sent = 0
            self._tried = False
        return True

    def take(self, size):
        """Return the first `size` bytes of what came."""
        data = bytes(memoryview(self.came)[:size])
        self.came[:size] = b""
        return data

    def close(self):
        """Let go of the connection."""
        self._out = []
        self._socket.close()
        self._raw.close()
