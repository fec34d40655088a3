"""A place where nodes send batches over HTTP: the hub's own server, with this gateway behind it.

Promises the exchange of docs/protocol.md, section 4, in a thread of its own.  A port or a file that
cannot be had is a `problem` that the status tells, and is tried again: the gateway runs all the
same (P5).  This module brings the web framework along; it is loaded only where there is a place.
"""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.config.settings import ListenerSettings, NodesSettings
from tidegate.limits import BATCH_BYTES_MAX
from tidegate_hub.answers import RETRY_AFTER_S, Answer, refusal
from tidegate_hub.app import Hub, Limits, build_app
from tidegate_hub.body import Budget
from tidegate_hub.http_server import run_server, server_of
from tidegate_hub.metrics import Metrics
from tidegate_linux.endpoint.transport import addresses
from tidegate_linux.endpoint.transport.addresses import BindError
from tidegate_linux.endpoint.transport.tls import OFF, Tls, TlsError
from tidegate_linux.nodes.receiver import BYTES_MAX
from tidegate_linux.nodes.tokens import TokensError, load_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

    from tidegate_linux.nodes.asking import Asked

REQUESTS_PER_S = 200  # Of one node, as at a hub by default.
RETRY_S = 5.0  # How soon a port that is taken is tried again.
ANSWER_S = 60.0  # A commit takes milliseconds; longer than this a disk is stuck.
GRACE_S = 2  # When the gateway stops everybody has an answer at once.
CLOSE_S = 5.0


class HttpPlace:
    """One listener and its thread."""

    def __init__(self, settings: NodesSettings) -> None:
        self.url = str(settings.url)
        self.port = 0  # The real one, while it is open.
        self.problem = "it was not opened yet"  # Or "" while it is open.
        self._settings = settings
        self._nodes: Asked | None = None
        self._server: uvicorn.Server | None = None
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nodes-http", daemon=True)

    def start(self, nodes: "Asked") -> None:
        """Listen, and have `nodes` answer."""
        self._nodes = nodes
        self._thread.start()

    def reload(self) -> str:
        """Read the files again; return why that was of no use, or "".

        Connections end; what is of no use leaves everything as it was.
        """
        try:
            load_tokens(Path(self._settings.tokens_file))
            self._tls().load()
        except (TokensError, TlsError) as error:
            return str(error)
        self._end_server()
        return ""

    def stop(self) -> None:
        """Take nothing more; whoever has asked still gets his answer."""
        self._is_closing.set()
        self._end_server()

    def join(self) -> None:
        """Wait for the thread, after `stop`."""
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._is_closing.is_set():
            try:
                self._serve()
            except (BindError, TlsError, TokensError) as error:
                self.problem = str(error)
            except Exception as error:
                # A bug, ours or the server's: told by the status, and the next try is a new server.
                self.problem = f"a bug: {error!r}"
            self.port = 0
            if self.problem:
                self._is_closing.wait(RETRY_S)

    def _serve(self) -> None:
        """Serve until the server is told to end."""
        assert self._nodes is not None
        settings = self._settings
        tokens = load_tokens(Path(settings.tokens_file))
        tls = self._tls()
        tls.load()
        sockets = addresses.listen(settings.url)
        limits = Limits(BATCH_BYTES_MAX, REQUESTS_PER_S)
        hub = Hub(Waiting(self._nodes), tokens, limits, Metrics(), budget=Budget(BYTES_MAX))
        server = server_of(build_app(hub, has_metrics=False), tls.context, GRACE_S)
        try:
            with contextlib.closing(hub):
                self._server = server
                self.port = sockets[0].getsockname()[1]
                self.problem = ""
                if not self._is_closing.is_set():
                    asyncio.run(run_server(server, sockets))
        finally:
            self._server = None
            addresses.close(sockets)

    def _tls(self) -> Tls:
        given = self._settings
        return Tls(
            ListenerSettings(given.url, (), False, OFF, "", given.cert_file, given.key_file, "")
        )

    def _end_server(self) -> None:
        server = self._server
        if server is not None:
            server.should_exit = True


class Waiting:
    """Has a thread of the server wait for its answer."""

    def __init__(self, nodes: "Asked") -> None:
        self._nodes = nodes

    def receive(self, name: str, owner: str, body: bytes) -> Answer:
        """Take a batch."""
        return _awaited(lambda reply: self._nodes.receive(name, owner, body, reply))

    def standing(self, name: str, owner: str, at_text: str) -> Answer:
        """Tell how a stream stands."""
        return _awaited(lambda reply: self._nodes.standing(name, owner, at_text, reply))

    def check(self) -> Answer:
        """Tell that it is there; how it stands is told by the gateway's status."""
        return Answer(200, {"status": "ok"})


def _awaited(ask: "Callable[[Callable[[Answer], None]], None]") -> Answer:
    answers: list[Answer] = []
    is_there = threading.Event()

    def reply(answer: Answer) -> None:
        answers.append(answer)
        is_there.set()

    ask(reply)
    if is_there.wait(ANSWER_S):
        return answers[0]
    detail = f"the journal did not answer within {ANSWER_S:.0f} s"
    return refusal(503, "unavailable", detail, RETRY_AFTER_S)
