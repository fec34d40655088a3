"""The status server: /healthz, /metrics and /status.json of a running gateway, to be read only.

Promises that nothing it is asked costs the gateway more than a handful of threads, and that a web
page which somebody visits cannot read it through a name of its own (the Host header is checked).
A port that is taken does not keep the gateway from its work (P5): it is tried again.

http.server leaves no way but to inherit from its handler.  Its server is not used: that would start
a thread for whoever connects; here as many threads as there are take connections themselves.
"""

import io
import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from tidegate.config.url import Url
from tidegate.version import VERSION
from tidegate_linux.status.metrics import CONTENT_TYPE, metrics_text
from tidegate_linux.status.survey import Snapshot

THREADS = 4
BACKLOG = 16
READ_S = 5.0  # In all, or a byte now and then would hold a thread for days.
HEAD_BYTES_MAX = 1 << 16
RETRY_S = 30.0
# The engine makes a snapshot each second; a card that is dying may hold a commit for some.
STUCK_S = 15.0

_LOG = logging.getLogger("tidegate.status")
_JSON = "application/json"


class StatusServer:
    """Serves what `snapshot()` returns: the last snapshot, or None before the first."""

    def __init__(
        self, url: Url, snapshot: Callable[[], Snapshot | None], now_ms: Callable[[], int]
    ) -> None:
        self.url = ""  # Where it is reached, once it is.
        self._asked_url = url
        self._snapshot = snapshot
        self._now_ms = now_ms
        self._hosts = {"localhost", url.host, socket.gethostname().lower()}
        self._closed = threading.Event()
        self._listener: socket.socket | None = None
        self._opened = threading.Lock()

    def start(self) -> None:
        """Listen, or keep trying to in the background."""
        threading.Thread(target=self._open, name="status", daemon=True).start()

    def close(self) -> None:
        """Serve nobody any more."""
        self._closed.set()
        with self._opened:
            if self._listener is not None:
                # Wakes the threads that wait in accept, which a mere close would not.
                _shut(self._listener)

    def _open(self) -> None:
        told = ""
        while not self._closed.is_set():
            try:
                listener = listen(self._asked_url)
            except OSError as error:
                reason = error.strerror or str(error)
                if reason != told:
                    _LOG.error("the status cannot be served at %s: %s", self._asked_url, reason)
                told = reason
                self._closed.wait(RETRY_S)
                continue
            self._serve(listener)
            return

    def _serve(self, listener: socket.socket) -> None:
        with self._opened:
            self._listener = listener
            host, port = listener.getsockname()[:2]
            self.url = str(Url("http", host, port, "", "", self._asked_url.password))
        _LOG.info("the status is served at %s", self.url)
        if self._closed.is_set():
            _shut(listener)
        for number in range(THREADS):
            name = f"status {number}"
            threading.Thread(target=self._take, args=(listener,), name=name, daemon=True).start()

    def _take(self, listener: socket.socket) -> None:
        while not self._closed.is_set():
            try:
                connection, address = listener.accept()
            except OSError:
                # Too many open files, or the end.
                self._closed.wait(0.1)
                continue
            with connection:
                try:
                    _Handler(connection, address, self)  # type: ignore[arg-type]
                except (OSError, ValueError):
                    # The peer hung up, was too slow, or does not speak HTTP.
                    continue

    def answer(self, path: str, host: str) -> tuple[int, str, str]:
        """Return status, content type and text for a GET of `path` with this Host header."""
        if not self._is_ours(host):
            return 421, _JSON, _json({"error": "wrong-host", "detail": "this name is not mine"})
        snapshot = self._snapshot()
        path = path.partition("?")[0]
        if path == "/healthz":
            problems = self._problems(snapshot)
            warnings = () if snapshot is None else snapshot.warnings
            is_degraded = snapshot is not None and snapshot.is_degraded
            status = "failing" if problems else "degraded" if is_degraded else "ok"
            fields = {"status": status, "problems": problems, "warnings": warnings}
            return 503 if problems else 200, _JSON, _json(fields)
        if path not in ("/metrics", "/status.json"):
            places = "/healthz, /metrics and /status.json are here"
            return 404, _JSON, _json({"error": "not-found", "detail": places})
        if snapshot is None:
            return 503, _JSON, _json({"error": "starting", "detail": "the gateway starts"})
        if path == "/status.json":
            return 200, _JSON, _json({**snapshot.fields, "age_s": self._age_s(snapshot)})
        is_healthy = not self._problems(snapshot)
        return 200, CONTENT_TYPE, metrics_text(snapshot, self._age_s(snapshot), is_healthy)

    def _problems(self, snapshot: Snapshot | None) -> list[str]:
        if snapshot is None:
            return ["the gateway starts"]
        problems = list(snapshot.problems)
        age_s = self._age_s(snapshot)
        if age_s > STUCK_S:
            problems.append(f"the engine has not moved for {age_s:.0f} s")
        return problems

    def _age_s(self, snapshot: Snapshot) -> float:
        return round((self._now_ms() - snapshot.taken_ms) / 1000, 3)

    def _is_ours(self, host: str) -> bool:
        """Tell whether a Host header names this host.

        A page in a browser can have its own name lead to this address, but not a bare address.
        """
        name = host.lower().strip()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True


class _Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    timeout = READ_S
    server_version = f"tidegate/{VERSION}"
    sys_version = ""
    error_message_format = '{"error": "refused", "detail": "%(code)d"}\n'
    error_content_type = _JSON

    def setup(self) -> None:
        BaseHTTPRequestHandler.setup(self)
        self.rfile = io.BytesIO(read_head(self.connection))

    def do_GET(self) -> None:
        server: Any = self.server
        status, kind, text = server.answer(self.path, self.headers.get("Host", ""))
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        _LOG.debug(format, *arguments)


def read_head(connection: socket.socket) -> bytes:
    """Return a request up to the end of its headers, or what fits; raises `OSError`."""
    until_s = time.monotonic() + READ_S
    head = b""
    while b"\r\n\r\n" not in head and len(head) <= HEAD_BYTES_MAX:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        data = connection.recv(4096)
        if not data:
            break
        head += data
    connection.settimeout(READ_S)
    return head


def listen(url: Url) -> socket.socket:
    """Return a socket that listens at `url`; raises `OSError`."""
    found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A gateway that was killed may start again at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _shut(listener: socket.socket) -> None:
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _LOG.debug("the status server's socket was closed already: %s", error)
    listener.close()


def _json(fields: object) -> str:
    return json.dumps(fields, indent=1) + "\n"
