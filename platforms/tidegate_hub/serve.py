"""The hub's process: opens the database and the socket, serves, and ends in order.

Promises: SIGTERM and SIGINT let what is in flight finish and then return; a port or a database that
cannot be had is a `HubError` before anything is served.  Leaves to its caller the configuration
file, the secrets that keys name (a node's `token` is read from its file by then), the logging's
form, and the exit code.
"""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable

import uvicorn

from tidegate.config.settings import HubNodeSettings, HubSettings
from tidegate.config.url import Url
from tidegate.records.stream import IDENTITY_DIGITS
from tidegate_hub.app import Hub, Limits
from tidegate_hub.errors import HubError
from tidegate_hub.http_server import BACKLOG, run_server, server_for
from tidegate_hub.metrics import Metrics
from tidegate_hub.receiver import Receiver
from tidegate_hub.store import Store, open_store
from tidegate_hub.tokens import TokenBook, parse_token_hash, token_digest

_LOG = logging.getLogger("tidegate.hub")


def run_hub(settings: HubSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; raise `HubError` when it cannot start.

    `on_ready` is told the URL once connections are taken; it has the real port where the settings
    say 0.  The same URL is logged.
    """
    tokens = token_book(settings.nodes)
    metrics = Metrics()
    with (
        contextlib.closing(listen(settings.url)) as listener,
        contextlib.closing(_open(settings)) as store,
    ):
        receiver = Receiver(store, metrics, wall_ms)
        limits = Limits(settings.batch_bytes_max, settings.requests_per_s)
        serve(Hub(receiver, tokens, limits, metrics), listener, on_ready)
    _LOG.info("the hub has stopped")


def token_book(nodes: tuple[HubNodeSettings, ...]) -> TokenBook:
    """Return the tokens of the nodes as hashes; raise `HubError` for one that cannot be used."""
    entries = []
    for node in nodes:
        if node.token:
            digest = token_digest(node.token.reveal())
        elif node.token_hash:
            digest = parse_token_hash(node.token_hash)
        else:
            raise HubError(
                f"the token of node {node.name} was not given", "set token or token_file"
            )
        entries.append((node.name, digest))
    try:
        return TokenBook(entries)
    except ValueError as error:
        raise HubError(str(error), "give each node a name and a token of its own") from error


def wall_ms() -> int:
    """Return the hub's wall clock in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def listen(url: Url) -> socket.socket:
    """Return a socket that listens at `url`; raise `HubError` when it cannot be had."""
    hint = "name another address or port in hub.url, or stop what uses this one"
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HubError(f"the host of {url} is not known: {error.strerror}", hint) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A hub that was killed may start again at once, though its last connections still fade.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise HubError(f"{url} cannot be listened on: {error.strerror}", hint) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL at which `listener` is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(hub: Hub, listener: socket.socket, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve `hub` on `listener` until a signal says to stop; `hub` is closed then."""
    server = server_for(hub)
    with contextlib.closing(hub), _Signals(server):
        url = url_of(listener)
        _LOG.info("listening on %s", url)
        if on_ready is not None:
            # The socket listens already: who connects now waits only for the loop to start.
            on_ready(url)
        asyncio.run(run_server(server, [listener]))


def _open(settings: HubSettings) -> Store:
    # New at each start, never read back: see docs/decisions/0020-hub-storage.md.
    generation = secrets.token_hex(IDENTITY_DIGITS // 2)
    store = open_store(settings.database.reveal(), generation)
    _LOG.info("database opened, generation %s", generation)
    return store


class _Signals:
    """Ends a server by SIGTERM and SIGINT, before and after the time in which it does so itself.

    uvicorn takes them only while it runs, and raises them once more when it has ended because of
    them: the default would then kill the process with the exit code of a failure.
    """

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._stop)

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _stop(self, _number: int, _frame: object) -> None:
        self._server.should_exit = True
