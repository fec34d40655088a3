"""The link of a node to a hub or a gateway over HTTP/1.1.

Promises what the port `Link` does, with `poll` in place of threads: each request gets exactly one
`Answered` or `Unanswered` within the time-out, whatever the peer does, and no call waits for it.
One request is under way at a time, on a connection that is kept.  Why not `requests` is in
`docs/decisions/0073-links-of-a-node.md`.
"""

import json

from tidegate.wire.batch import encode
from tidegate_micropython.calls import Calls
from tidegate_micropython.line_socket import Peer

ANSWER_BYTES_MAX = 2048  # Of a body, and of each header.
MOVES_MAX = 64  # At most 16 KB are taken in one poll: a flood must not hold up the node.
IDLE_MS_MAX = 50_000  # Hubs close after 75 s, and boxes between us forget a silent connection.


def make(settings, _node, _chance, moved):
    """Return the link of a node's settings."""
    return HttpLink(settings.uplink, moved)


class HttpLink:
    """Requests to one receiver; call `poll` by `deadline_ms`, and when a socket is ready.

    `moved` is called whenever bytes have moved, to feed a watchdog.
    """

    def __init__(self, uplink, moved):
        self._calls = Calls(uplink.timeout_s)
        self._peer = Peer(uplink)
        self._path = f"{uplink.path}/v1/streams/"
        host = f"[{uplink.host}]" if ":" in uplink.host else uplink.host
        bearer = uplink.token.reveal()
        self._headers = f"Host: {host}:{uplink.port}\r\nAuthorization: Bearer {bearer}\r\n"
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
            self._peer.failed()
            self._hang_up()
            from tidegate_micropython.reasons import words_of

            self._calls.fail_all(f"{self._peer.host}: {words_of(error)}")

    def _step(self, now_ms):
        if self._line is None:
            if self._calls.open:
                self._line = self._peer.dial(self._moved, ANSWER_BYTES_MAX)
            return
        if not self._is_connected:
            self._is_connected = self._line.is_connected()
            self._used_ms = now_ms
            return
        if self._call is None and not self._begin(now_ms):
            return
        for _ in range(MOVES_MAX):
            answer = next(self._reader)
            if answer is not None:
                self._used_ms = now_ms
                self._finish(*answer)
                return
            if not self._line.move():
                return

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
        head = f"{method} {self._path}{call.target} HTTP/1.1\r\n{self._headers}{more}\r\n".encode()
        self._line.write(head)
        self._line.write(call.body)
        call.sent_bytes = len(head) + len(call.body)
        call.body = None
        self._reader = read_answer(self._line)
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


def read_answer(line):
    """Yield None until the answer is whole, then (status, body, `Retry-After`, kept alive).

    The body is None where it is too long or encoded; none of it is kept then.  Raises `ValueError`
    for what is no answer.
    """
    status = 100
    while status < 200:  # Interim answers go before the real one (RFC 9110 section 15.2).
        first = (yield from _text(line)).split(None, 2)
        if len(first) < 2 or first[0] not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError("this is not HTTP/1")
        status = int(first[1])
        headers = yield from _headers(line)
    size = headers.get("content-length")
    if status in (204, 304):
        body = b""
    elif "transfer-encoding" in headers:
        body = yield from _chunks(line)
    elif size is not None:
        body = yield from _bytes(line, int(size))
    else:
        while not line.ended and len(line.came) < ANSWER_BYTES_MAX:
            yield None
        body = line.take(len(line.came)) if line.ended else None
    is_kept = body is not None and not line.ended and first[0] == "HTTP/1.1"
    is_kept = is_kept and headers.get("connection") != "close"
    if "content-encoding" in headers:
        body = None
    yield status, body, headers.get("retry-after"), is_kept


def _headers(line):
    """Read headers; return those that count, by their names in lower case."""
    kept = {}
    while True:
        name, colon, value = (yield from _text(line)).partition(":")
        if not colon:
            return kept
        name = name.lower()
        if name in _COUNTING:
            kept[name] = value.strip()


_COUNTING = (
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "connection",
    "retry-after",
)


def _text(line):
    """Read a line."""
    while True:
        at = line.came.find(b"\n")
        if at >= 0:
            return line.take(at + 1).strip().decode()
        if line.ended or len(line.came) >= ANSWER_BYTES_MAX:
            raise ValueError("the answer was cut off")
        yield None


def _bytes(line, size):
    """Read so many bytes; return None when that is too much."""
    if not 0 <= size <= ANSWER_BYTES_MAX:
        return None
    while len(line.came) < size:
        if line.ended:
            raise ValueError("the answer was cut off")
        yield None
    return line.take(size)


def _chunks(line):
    body = b""
    while True:
        size = int((yield from _text(line)).split(";")[0], 16)
        part = yield from _bytes(line, size)
        if size == 0:
            yield from _headers(line)
            return body
        if part is None or len(body) + size > ANSWER_BYTES_MAX:
            return None
        body += part
        yield from _text(line)
