"""The listening sockets of all listeners: binding them, however long it takes, and accepting.

A port that is taken, or an address that is not there yet (DHCP, a VPN), is tried again and again;
meanwhile the rest of the gateway runs.  What is wrong is reported once for each change of it.
"""

import errno
import resource
from typing import TYPE_CHECKING

from tidegate.delivery.backoff import RETRY_RUNNING, Backoff
from tidegate_linux.endpoint.transport import addresses, limits
from tidegate_linux.endpoint.transport.tls import Tls, TlsError

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from tidegate.config.settings import ListenerSettings
    from tidegate.delivery.chance import Chance
    from tidegate_linux.endpoint.transport.server import Server

_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """One listener."""

    def __init__(
        self,
        loop: "asyncio.AbstractEventLoop",
        listener: "ListenerSettings",
        server: "Server",
        chance: "Chance",
    ) -> None:
        self._loop = loop
        self._settings = listener
        self._server = server
        self._tls = Tls(listener)
        self._backoff = Backoff(RETRY_RUNNING, chance)
        self._sockets: list[socket.socket] = []
        self._retry: asyncio.TimerHandle | None = None
        self.problem = ""  # Why it does not listen, or not as it should.

    @property
    def url(self) -> str:
        """Return the URL as it is configured."""
        return str(self._settings.url)

    @property
    def is_open(self) -> bool:
        """Tell whether clients can connect."""
        return bool(self._sockets)

    def open(self) -> None:
        """Listen; try again until it works."""
        self._retry = None
        try:
            if self._tls.context is None:
                self._tls.load()
            self._sockets = addresses.listen(self._settings.url)
        except (addresses.BindError, TlsError) as error:
            self._trouble("listen_failed", str(error))
            now_ms = self._server.now_ms()
            at_ms = self._backoff.failed(now_ms)
            assert at_ms is not None, "a listener never gives up"
            self._retry = self._loop.call_later((at_ms - now_ms) / 1000, self.open)
            return
        self.problem = ""
        for sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)
        self._report("info", "listening", "")

    def reload(self) -> None:
        """Read the TLS files again; keep the old ones where the new are of no use."""
        try:
            self._tls.load()
        except TlsError as error:
            self.problem = ""  # Told again: somebody has just asked for it.
            self._trouble("tls_files_kept", str(error))
            return
        if self.is_open:
            self.problem = ""

    def close(self) -> None:
        """Listen no more."""
        if self._retry is not None:
            self._retry.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
        addresses.close(self._sockets)
        self._sockets = []

    def _accept(self, sock: "socket.socket") -> None:
        for _ in range(limits.ACCEPTS_MAX):
            try:
                client, address = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _SHORT_OF:
                    self._rest(sock, error)
                    return
                continue  # Of that one connection: it is gone already (accept(2)).
            host, port = address[0], address[1]
            text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self._server.accept(client, self._settings, text, self._tls.context)

    def _rest(self, sock: "socket.socket", error: OSError) -> None:
        """No file or no memory is left for a connection: those who knock wait in the backlog."""
        reason = (error.strerror or str(error)).lower()
        fields: list[tuple[str, object]] = [("url", self.url), ("reason", reason)]
        self._server.connection_log.tell("warning", "accept_failed", fields)
        self._loop.remove_reader(sock.fileno())
        self._loop.call_later(limits.ACCEPT_PAUSE_S, self._wake, sock)

    def _wake(self, sock: "socket.socket") -> None:
        if sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def _trouble(self, event: str, reason: str) -> None:
        if reason != self.problem:
            self.problem = reason
            self._report("error", event, reason)

    def _report(self, level: str, event: str, reason: str) -> None:
        fields: list[tuple[str, object]] = [("url", self.url)]
        if reason:
            fields.append(("reason", reason))
        self._server.connection_log.tell(level, event, fields)


def raise_file_limit(
    connections_max: int, report: "Callable[[str, str, list[tuple[str, object]]], None]"
) -> None:
    """Allow this process as many open files as it may need; say so where that is forbidden."""
    wanted = connections_max + limits.TURNED_AWAY_MAX + limits.FILES_SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        allowed = soft
    if allowed < wanted:
        report("warning", "files_limited", [("allowed", allowed), ("wanted", wanted)])
