"""The link to a hub over HTTP.

Promises what the port `Link` does: each request gets exactly one `Answered` or `Unanswered`, also
when the link is closed meanwhile, and within `deadline_s`, whatever the peer does.  A batch is
encoded and deflated in the thread that sends it, so that the engine's does neither.

Theory of operation.  A request is *open* from the call until its answer is delivered; whoever takes
it out of the table of open ones delivers the answer, so there is only ever one.  Workers take
requests from one queue, each with a session of its own.  A watch ends what takes too long: time
limits of sockets are for a single read, and a peer that sends a byte now and then meets every one.
"""

import json
import logging
import queue
import threading
import time
import zlib

import requests
import urllib3

from tidegate.config.settings import UplinkSettings
from tidegate.config.url import Url
from tidegate.events import Answered, Unanswered
from tidegate.records.stream import Stream
from tidegate.wire.batch import Batch, encode
from tidegate.wire.envelope import deflated
from tidegate_linux.http.faults import explain_error, never_sent
from tidegate_linux.http.session import CONNECT_S, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.ports import Deliver

ANSWER_BYTES_MAX = 64 * 1024  # A receipt has 200 bytes; a portal may send for ever.
RETRY_AFTER_CHARACTERS_MAX = 100
IDLE_S_MAX = 50.0  # Hubs close after 75 s, and boxes between us forget a silent connection.
WATCH_S = 1.0
CLOSE_S = 2.0

_LOG = logging.getLogger("tidegate.link")


class _Call:
    """An open request; `session` is the one that sends it, once one does."""

    def __init__(self, token: int, method: str, path: str, encode: "Callable[[], bytes | None]"):
        self.token = token
        self.method = method
        self.path = path
        self.encode = encode
        self.session: Session | None = None
        self.due_s = 0.0
        self.sent_bytes = 0


class HttpLink:
    """Requests to one hub, at most `workers` at a time."""

    def __init__(self, settings: UplinkSettings, workers: int = 1) -> None:
        self._settings = settings
        self._workers = workers
        self._base = str(settings.url)
        self.idle_s_max = IDLE_S_MAX
        # The limits of the parts: looking the name up and connecting, sending, the answer.
        self.deadline_s = 2 * CONNECT_S + 2 * settings.timeout_s
        self._queue: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._deliver: Deliver | None = None
        self._lock = threading.Lock()
        self._open: dict[int, _Call] = {}
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, deliver: "Deliver") -> None:
        """Deliver answers from now on."""
        self._deliver = deliver
        works = [self._work] * self._workers + [self._watch]
        for number, work in enumerate(works):
            # Daemons: a name that is being looked up must not hold up the end of the program.
            thread = threading.Thread(target=work, name=f"http {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def query(self, token: int, stream: Stream, at: int) -> None:
        """Ask for the hub's standing with `stream`, and for its hash at `at` if that is not 0."""
        path = f"/v1/streams/{stream}"
        self._submit(_Call(token, "GET", f"{path}?at={at}" if at else path, lambda: None))

    def send(self, token: int, batch: Batch) -> None:
        """Encode and send `batch`."""
        path = f"/v1/streams/{batch.stream}/batches"
        self._submit(_Call(token, "POST", path, lambda: self._encode(batch)))

    def close(self) -> None:
        """Answer what is open with `Unanswered`, and release everything."""
        self._closed.set()
        with self._lock:
            calls = list(self._open.values())
        for call in calls:
            self._finish(call, Unanswered(call.token, "the link was closed", call.sent_bytes))
            if call.session is not None:
                call.session.abort()
        for _ in range(self._workers):
            self._queue.put(None)
        until_s = time.monotonic() + CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _submit(self, call: _Call) -> None:
        assert self._deliver is not None, "the link was not started"
        with self._lock:
            self._open[call.token] = call
        if self._closed.is_set():
            self._finish(call, Unanswered(call.token, "the link is closed", 0))
        else:
            self._queue.put(call)

    def _finish(self, call: _Call, event: Answered | Unanswered) -> None:
        """Deliver the answer to an open request; of two for one the second is dropped."""
        with self._lock:
            is_open = self._open.pop(call.token, None) is not None
        if is_open and self._deliver is not None:
            self._deliver(event)

    def _encode(self, batch: Batch) -> bytes:
        data = encode(batch)
        return deflated(data, _deflate) if self._settings.compress else data

    def _work(self) -> None:
        session = Session(self._settings)
        used_s = time.monotonic()
        while True:
            call = self._queue.get()
            if call is None or self._closed.is_set():
                session.disconnect()
                return
            if time.monotonic() - used_s > self.idle_s_max:
                session.disconnect()
            self._finish(call, self._event_of(call, session))
            used_s = time.monotonic()

    def _event_of(self, call: _Call, session: Session) -> Answered | Unanswered:
        """Make the request; return what came of it, whatever that is."""
        try:
            return self._exchange(call, session)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            session.disconnect()
            sent_bytes = 0 if never_sent(error) else call.sent_bytes
            reason = explain_error(error, self._settings.url)
            return Unanswered(call.token, reason, sent_bytes)
        except Exception as error:
            # A bug: the stream must not wait for an answer that never comes.
            _LOG.exception("a request ended in a bug")
            session.disconnect()
            return Unanswered(call.token, f"a bug: {type(error).__name__}", call.sent_bytes)

    def _exchange(self, call: _Call, session: Session) -> Answered:
        body = call.encode()
        request = session.prepare(call.method, self._base + call.path, body)
        with self._lock:
            call.sent_bytes = _size_bytes(request, self._settings.url)
            call.due_s = time.monotonic() + self.deadline_s
            call.session = session
        try:
            response = session.send(request)
            answer = _read_answer(call, response)
        finally:
            # From here on the session may be used for another request, which nobody may end.
            with self._lock:
                call.session = None
        if answer.status != 200:
            _LOG.debug("%s %s: status %d", call.method, call.path, answer.status)
        return answer

    def _watch(self) -> None:
        """End what is overdue."""
        while not self._closed.wait(WATCH_S):
            now_s = time.monotonic()
            with self._lock:
                late = [call for call in self._open.values() if call.session and now_s > call.due_s]
                for call in late:
                    # Under the lock, or the session might have gone on to another request; and
                    # the answer is ours from here on, or the worker would call it a broken line.
                    if call.session is not None:
                        call.session.abort()
                    del self._open[call.token]
            for call in late:
                reason = f"no whole answer within {self.deadline_s:.0f} s"
                if self._deliver is not None:
                    self._deliver(Unanswered(call.token, reason, call.sent_bytes))


def _read_answer(call: _Call, response: requests.Response) -> Answered:
    """Read the body, but not more than a hub would send; no other body is understood."""
    body = response.raw.read(ANSWER_BYTES_MAX + 1, decode_content=False)
    fields = None
    if len(body) > ANSWER_BYTES_MAX:
        response.close()
    elif response.raw.length_remaining:
        # urllib3 notices only an end before the first byte.
        raise ConnectionError
    elif "Content-Encoding" not in response.headers:
        fields = parse_fields(body)
    retry_after = response.headers.get("Retry-After")
    if retry_after is not None:
        retry_after = retry_after[:RETRY_AFTER_CHARACTERS_MAX]
    return Answered(call.token, response.status_code, fields, retry_after, call.sent_bytes)


def parse_fields(body: bytes) -> object:
    """Return the JSON value in `body`, None when it is none."""
    try:
        fields: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields


def _deflate(body: bytes) -> bytes:
    # Level 1: twice as fast as the usual 6, and telemetry becomes hardly larger by it.
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    return deflater.compress(body) + deflater.flush()


def _size_bytes(request: requests.PreparedRequest, url: Url) -> int:
    """Return what a request takes on the line, without TLS and TCP."""
    host = len(f"Host: {url.host}:{url.port}\r\n")  # urllib3 adds it.
    head = len(request.method or "") + len(request.path_url) + len("  HTTP/1.1\r\n\r\n") + host
    head += sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    return head + (len(request.body) if isinstance(request.body, bytes) else 0)
