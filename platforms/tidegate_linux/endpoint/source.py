"""The source behind all listeners: a broker of our own in this process, named "listen".

Promises what the port `Source` does.  A client's acknowledgement leaves when the turn of its
message is settled, that is durable (P1); a failure of the journal, or a full one that blocks, holds
the clients up and drops none of them.

One thread runs the event loop with the broker around it (`endpoint`); everything else only leaves
word for it, several words at once for one wake-up, so nothing here blocks the engine.
"""

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING

from tidegate.gateway import LISTEN
from tidegate_linux.endpoint.access.topics import BatchTopics
from tidegate_linux.endpoint.endpoint import CONNECTING, Endpoint
from tidegate_linux.nodes.asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.settings import GatewaySettings
    from tidegate.ports import Deliver, Observer
    from tidegate_linux.endpoint.broker.requests import Request
    from tidegate_linux.nodes.asking import Asked

    Word = Callable[[Endpoint], None]

CLOSE_S = 5.0  # What the thread may take to end.


class EndpointSource:
    """The port `Source` around broker and transport."""

    def __init__(
        self,
        settings: "GatewaySettings",
        clock_ms: "Callable[[], int]",
        observer: "Observer | None" = None,
        nodes: "Asked | None" = None,
    ) -> None:
        """`clock_ms` is the monotonic clock of this boot; reports go to `observer`, if any.

        `nodes` answers what nodes ask; without it nobody may ask.
        """
        self._nodes = nodes
        # Of the thread that `nodes` answers in.
        self._topics = BatchTopics(settings.endpoint, settings.access)
        self.name = LISTEN
        self._settings = settings
        self._clock_ms = clock_ms
        self._observer = observer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._endpoint: Endpoint | None = None  # Of the thread; others read its `fields`.
        self._fields: dict[str, object] = {
            "state": CONNECTING,
            "since": clock_ms(),
            "last_error": "",
            "broker": " ".join(str(listener.url) for listener in settings.listeners),
        }
        # Guards what follows; held for a few instructions only.
        self._lock = threading.Lock()
        self._words: deque[Word] = deque()
        self._is_called = False  # The loop knows that there are words.
        self._is_closed = False

    def start(self, deliver: "Deliver") -> None:
        """Read what earlier runs left, then listen; deliver what comes."""
        assert self._thread is None, "a source is started once"
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop, deliver), name="endpoint", daemon=True
        )
        self._thread.start()

    def acknowledge(self, generation: int, tokens: "list[object]") -> None:
        """Let go what hangs on these turns; they are durable."""
        numbers = [token for token in tokens if isinstance(token, int)]
        self._leave_word(
            lambda endpoint: endpoint.turn_queue.acknowledged(generation, numbers, False)
        )

    def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
        """Answer as `acknowledge` does; clients that can be told learn that there was no room."""
        numbers = [token for token in tokens if isinstance(token, int)]
        self._leave_word(
            lambda endpoint: endpoint.turn_queue.acknowledged(generation, numbers, True)
        )

    def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
        """Take the notes that were asked for."""
        self._leave_word(lambda endpoint: endpoint.turn_queue.found(generation, pairs))

    def pause(self, reason: str) -> None:
        """Hold the clients up until `resume`; their connections stand."""
        self._leave_word(lambda endpoint: endpoint.pause(reason))

    def resume(self) -> None:
        """Go on after `pause`."""
        self._leave_word(lambda endpoint: endpoint.turn_queue.resume())

    def reload(self) -> None:
        """Read the TLS files and the users again; what is of no use leaves the old ones."""
        self._leave_word(Endpoint.reload)

    def status(self) -> "dict[str, object]":
        """Return `state`, `since` (by `clock_ms`), `last_error` and what was counted."""
        endpoint = self._endpoint
        return dict(self._fields if endpoint is None else endpoint.fields)

    def close(self) -> None:
        """Send the clients away and release everything."""
        if self._thread is not None:
            self._leave_word(Endpoint.start_to_close)
            self._thread.join(CLOSE_S)
        self._fields = {**self.status(), "state": "closed"}
        self._endpoint = None

    def _ask(self, request: "Request") -> None:
        """Pass on what a node asks; called by the thread, which must not wait."""
        assert self._nodes is not None

        def reply(payload: bytes) -> None:
            self._leave_word(lambda endpoint: endpoint.answered(request, payload))

        judge = self._topics.judge_of(request.user, request.connection.client_id)
        ask(self._nodes, request.place, request.payload, request.user, judge, reply)

    def _leave_word(self, word: "Word") -> None:
        """Have `word` called by the thread, after those before it."""
        with self._lock:
            if self._is_closed or self._loop is None:
                return
            self._words.append(word)
            if not self._is_called:
                self._is_called = True
                self._loop.call_soon_threadsafe(self._take_words)

    def _take_words(self) -> None:
        with self._lock:
            self._is_called = False
            words, self._words = self._words, deque()
        endpoint = self._endpoint
        assert endpoint is not None
        for word in words:
            try:
                word(endpoint)
            except Exception as error:
                # A bug of ours; without the words behind it everybody would wait for ever.
                endpoint.blame(error)
        endpoint.look()

    def _run(self, loop: asyncio.AbstractEventLoop, deliver: "Deliver") -> None:
        """The thread."""
        asyncio.set_event_loop(loop)
        endpoint = Endpoint(
            loop, self._settings, deliver, self._clock_ms, self._observer,
            None if self._nodes is None else self._ask,
        )  # fmt: skip
        self._endpoint = endpoint
        loop.set_exception_handler(endpoint.failed)
        try:
            endpoint.turn_queue.load()
            loop.run_forever()
        finally:
            with self._lock:
                self._is_closed = True
            endpoint.close()
            asyncio.set_event_loop(None)
            loop.close()
