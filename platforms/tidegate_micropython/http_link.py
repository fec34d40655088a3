"""The link of a node to a hub or a gateway over HTTP/1.1.

Promises what the port `Link` does, with `poll` in place of threads: each request gets exactly one
`Answered` or `Unanswered` within `timeout_ms`, whatever the peer does, and no call waits for it.
One request is under way at a time, on a connection that is kept.  Why not `requests` is in
`docs/decisions/0073-links-of-a-node.md`.
"""

import json

from tidegate.wire.batch import encode
from tidegate_micropython.calls import Calls
from tidegate_micropython.line_socket import peer_of

HEADERS_MAX = 64
IDLE_MS_MAX = 50_000  # Hubs close after 75 s, and boxes between us forget a silent connection.
RETRY_AFTER_CHARACTERS_MAX = 100


def make(settings, _node, _chance, moved):
    """Return the link of a node's settings."""
    uplink = settings.uplink
    return HttpLink(
        peer_of(uplink),
        uplink.path,
        uplink.token.reveal(),
        timeout_ms=uplink.timeout_s * 1000,
        moved=moved,
    )


class HttpLink:
    """Requests to one receiver; call `poll` by `deadline_ms`, and when a socket is ready.

    `path` is that of its URL, `bearer` the token that it knows us by.  `moved` is called whenever
    bytes have moved, to feed a watchdog.
    """

    def __init__(
        self,
        peer,
        path,
        bearer,
        timeout_ms=30_000,
        answer_bytes_max=2048,
        moved=lambda: None,
    ):
        self._calls = Calls(timeout_ms)
        self._peer = peer
        self._path = f"{path}/v1/streams/"
        self._headers = f" HTTP/1.1\r\nHost: {peer.name()}\r\nAuthorization: Bearer {bearer}\r\n"
        self._answer_bytes_max = answer_bytes_max
        self._moved = moved
        self._line = None
        self._is_connected = False
        self._used_ms = 0
        self._call = None  # The one under way,
        self._reader = None  # and what reads its answer.

    def start(self, deliver):
        """Deliver answers from now on."""
        self._calls.start(deliver)

    def query(self, token, stream, at):
        """Ask for the receiver's standing with `stream`, and for its hash at `at` if not 0."""
        self._calls.add(token, f"{stream}?at={at}" if at else str(stream), b"")

    def send(self, token, batch):
        """Encode and send `batch`."""
        self._calls.add(token, f"{batch.stream}/batches", encode(batch))

    def poll(self, now_ms):
        """Go on with the request under way, give up what is overdue."""
        late = self._calls.expire(now_ms)
        if self._call in late or (late and not self._is_connected):
            self._hang_up()
        try:
            self._step(now_ms)
        except (OSError, ValueError, MemoryError) as error:
            if not self._is_connected:
                self._peer.failed()
            self._hang_up()
            self._calls.fail_all(f"{self._peer.host}: {error!r}")

    def _step(self, now_ms):
        if self._line is None:
            if self._calls.open:
                self._line = self._peer.dial(self._moved, self._answer_bytes_max)
            return
        if not self._is_connected:
            self._is_connected = self._line.is_connected()
            self._used_ms = now_ms
            return
        if self._call is None and not self._begin(now_ms):
            return
        answer = next(self._reader)
        while answer is None and self._line.move():
            answer = next(self._reader)
        if answer is not None:
            self._used_ms = now_ms
            self._finish(*answer)

    def _begin(self, now_ms):
        """Write the next request; return whether there is one on a line that is fit for it."""
        if now_ms - self._used_ms >= IDLE_MS_MAX or not self._line.is_quiet():
            self._hang_up()
            return False
        call = self._call = self._calls.unsent()
        if call is None:
            return False
        call.number = 1
        method, more = "GET", ""
        if call.body:
            method, more = "POST", "Content-Type: application/vnd.tidegate.batch\r\n"
            more += f"Content-Length: {len(call.body)}\r\n"
        head = f"{method} {self._path}{call.target}{self._headers}{more}\r\n".encode()
        self._line.write(head)
        self._line.write(call.body)
        call.sent_bytes = len(head) + len(call.body)
        call.body = None
        self._reader = read_answer(self._line, self._answer_bytes_max)
        return True

    def _finish(self, status, body, retry_after, is_kept):
        call, self._call = self._call, None
        if not is_kept or not self._line.is_drained():
            self._hang_up()
        fields = None
        if body is not None:
            try:
                fields = json.loads(body)
            except (ValueError, MemoryError):
                pass  # No receiver speaks.
        self._calls.answer(call, status, fields, retry_after)

    def _hang_up(self):
        if self._line is not None:
            self._line.close()
        self._line = self._call = self._reader = None
        self._is_connected = False

    def deadline_ms(self, now_ms):
        """Return when `poll` has something to do if no socket is ready, None for never."""
        is_waiting = self._call is not None or (self._line is not None and not self._is_connected)
        if self._calls.open and not is_waiting:
            return now_ms
        return self._calls.deadline_ms(now_ms)

    def interests(self):
        """Return (socket, flags) pairs for `select.poll.register`."""
        return [] if self._line is None else [self._line.interest()]

    def close(self):
        """Give up what is in flight and release everything."""
        self._calls.closed = "the link was closed"
        self._calls.fail_all(self._calls.closed)
        self._hang_up()


def read_answer(line, bytes_max):
    """Yield None until the answer is whole, then (status, body, `Retry-After`, kept alive).

    The body is None where it is too long or encoded; none of it is kept then.  Raises `ValueError`
    for what is no answer.
    """
    status = 100
    while status < 200:  # Interim answers go before the real one (RFC 9110 section 15.2).
        first = (yield from _line(line, bytes_max)).split(None, 2)
        if len(first) < 2 or not first[0].startswith(b"HTTP/1."):
            raise ValueError("this is not HTTP/1")
        status = int(first[1])
        headers = yield from _headers(line, bytes_max)
    retry_after = headers.get(b"retry-after")
    if retry_after is not None:
        retry_after = _text(retry_after[:RETRY_AFTER_CHARACTERS_MAX])
    is_kept = first[0] == b"HTTP/1.1" and headers.get(b"connection", b"").lower() != b"close"
    is_chunked = b"transfer-encoding" in headers
    if status in (204, 304):
        body = b""
    elif is_chunked:
        body = yield from _chunks(line, bytes_max)
    else:
        size = headers.get(b"content-length")
        body = yield from _body(line, None if size is None else int(size), bytes_max)
        is_kept = is_kept and size is not None
    is_kept = is_kept and body is not None
    if b"content-encoding" in headers:
        body = None
    yield status, body, retry_after, is_kept


def _headers(line, bytes_max):
    """Read headers; return those that count, by their lower-case name."""
    kept = {}
    for _ in range(HEADERS_MAX):
        text = yield from _line(line, bytes_max)
        if not text:
            return kept
        name, _, value = text.partition(b":")
        name = name.lower()
        if name in _COUNTING:
            kept[name] = value.strip()
    raise ValueError("the answer has too many headers")


_COUNTING = (
    b"content-length",
    b"transfer-encoding",
    b"content-encoding",
    b"connection",
    b"retry-after",
)


def _line(line, bytes_max):
    while True:
        at = line.came.find(b"\n")
        if at >= 0:
            return line.take(at + 1).strip()
        if line.ended or len(line.came) >= bytes_max:
            raise ValueError("the answer was cut off")
        yield None


def _body(line, size, bytes_max):
    """Read `size` bytes, None for all there are; return None when they are too many."""
    if size is not None and not 0 <= size <= bytes_max:
        return None
    while not line.ended if size is None else len(line.came) < size:
        if line.ended:
            raise ValueError("the answer was cut off")
        if size is None and len(line.came) >= bytes_max:
            return None
        yield None
    return line.take(len(line.came) if size is None else size)


def _chunks(line, bytes_max):
    body = b""
    while True:
        size = int((yield from _line(line, bytes_max)).split(b";")[0], 16)
        if not 0 <= size <= bytes_max - len(body) - 2:
            return None
        if size == 0:
            yield from _headers(line, bytes_max)
            return body
        body += yield from _body(line, size, bytes_max)
        yield from _line(line, bytes_max)


def _text(data):
    """Return what a header says, as far as it is ASCII."""
    return "".join([chr(byte) if byte < 0x80 else "?" for byte in data])
