"""The source "nodes": the thread around the machine that takes batches of nodes in.

Promises what the port `Source` does, and to those who ask (`receive`, `standing`; the endpoint, the
HTTP listener) that they never wait and get exactly one answer each, from whatever thread.  One
thread does all the work, batches are decoded there as well; everybody else only leaves word for it.
"""

import os
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tidegate.gateway import NODES
from tidegate.records.stream import IDENTITY_DIGITS
from tidegate_hub.answers import RETRY_AFTER_S, Answer, refusal
from tidegate_linux.nodes.machine import PAUSED, RUNNING, NodeMachine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from tidegate.ports import Deliver, Observer
    from tidegate_linux.endpoint.access.topics import Judge

    class Place(Protocol):
        """Where nodes come in over HTTP: `HttpPlace`."""

        url: str
        problem: str

        def start(self, nodes: "NodeReceiver") -> None: ...

        def reload(self) -> str: ...

        def stop(self) -> None: ...

        def join(self) -> None: ...

    Word = Callable[[NodeMachine], None]
    Reply = Callable[[Answer], None]

CLOSE_S = 5.0  # What the thread may take to end.
# Requests that have no answer yet: a node has one a lane.  Bodies of MQTT are at most as large as
# the endpoint's packets; HTTP bounds its own at four at a time.
REQUESTS_MAX = 512
BYTES_MAX = 64 * 1024 * 1024

_STATES = {RUNNING: "connected", PAUSED: "paused"}


class _Request:
    """What was asked and has no answer yet."""

    __slots__ = ("is_answered", "reply", "size_bytes")

    def __init__(self, reply: "Reply", size_bytes: int) -> None:
        self.reply = reply
        self.size_bytes = size_bytes
        self.is_answered = False


class NodeReceiver:
    """The port `Source` around the machine."""

    def __init__(
        self,
        clock_ms: Callable[[], int],
        observer: "Observer | None" = None,
        listeners: str = "",
        places: "Sequence[Place]" = (),
        new_identity: Callable[[], str] | None = None,
    ) -> None:
        """`clock_ms` is the monotonic clock of this boot.

        `listeners` are the URLs at which nodes come in over MQTT, for the status; `places` are
        where they come in over HTTP, and these are opened and closed here.
        """
        self.name = NODES
        self._clock_ms = clock_ms
        self._observer = observer
        self._new_identity = new_identity or _random_identity
        self._listeners = listeners
        self._places = places
        self._thread: threading.Thread | None = None
        self._machine: NodeMachine | None = None  # Of the thread; others read its figures.
        self._problem = ""
        self._since_ms = clock_ms()
        self._state = "connecting"
        self._changed = threading.Condition()  # Guards what follows.
        self._words: deque[tuple[Word, _Request | None]] = deque()
        self._requests = 0
        self._request_bytes = 0
        self._is_closed = False

    def start(self, deliver: "Deliver") -> None:
        """Read how the streams stand, then take batches in."""
        assert self._thread is None, "a source is started once"
        self._machine = NodeMachine(deliver, self._new_identity, self._observer)
        self._leave_word(NodeMachine.load)
        self._thread = threading.Thread(
            target=self._run, args=(self._machine,), name="nodes", daemon=True
        )
        self._thread.start()
        for place in self._places:
            place.start(self)

    def reload(self) -> None:
        """Read the files of the places again; what is of no use leaves the old ones."""
        for place in self._places:
            reason = place.reload()
            if reason and self._observer is not None:
                fields: list[tuple[str, object]] = [("url", place.url), ("reason", reason)]
                self._observer.report("error", "nodes_kept", fields)

    def receive(
        self,
        name: str,
        owner: str,
        body: bytes,
        reply: "Reply",
        deflated: bool = True,
        judge: "Judge | None" = None,
    ) -> None:
        """Take a batch of the stream called `name` from `owner`; `reply` gets the answer.

        Where it is not `deflated`, one that is will be refused.  `judge` is as for the machine.
        """

        def work(machine: NodeMachine) -> None:
            machine.receive(name, owner, body, self._clock_ms(), answered, deflated, judge)

        request = _Request(reply, len(body))
        answered = self._once(request)
        self._ask(request, work)

    def standing(self, name: str, owner: str, at_text: str, reply: "Reply") -> None:
        """Tell `reply` where the stream called `name` stands, and its hash at `at_text`."""

        def work(machine: NodeMachine) -> None:
            machine.standing(name, owner, at_text, self._clock_ms(), answered)

        request = _Request(reply, 0)
        answered = self._once(request)
        self._ask(request, work)

    def acknowledge(self, generation: int, tokens: "list[object]") -> None:
        """Send the receipts of these batches; they are durable."""
        self._leave_word(lambda machine: machine.acknowledged(generation, tokens, self._clock_ms()))

    def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
        """Answer as `acknowledge` does: what was refused is a gap of our own stream, and told."""
        self.acknowledge(generation, tokens)

    def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
        """Take the notes that were asked for."""
        self._leave_word(lambda machine: machine.found(generation, pairs))

    def pause(self, reason: str) -> None:
        """Put everybody off until `resume`."""
        self._problem = reason
        self._leave_word(NodeMachine.pause)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._problem = ""
        self._leave_word(NodeMachine.resume)

    def status(self) -> "dict[str, object]":
        """Return `state`, `since` (by `clock_ms`), `last_error` and what was counted."""
        machine = self._machine
        problems = [f"{place.url}: {place.problem}" for place in self._places if place.problem]
        state = "connecting" if problems and self._state == "connected" else self._state
        urls = [self._listeners, *[place.url for place in self._places]]
        fields: dict[str, object] = {
            "state": state,
            "since": self._since_ms,
            "last_error": self._problem or "; ".join(problems),
            "broker": " ".join(filter(None, urls)),
            "generation": 1 if machine is None else machine.generation,
            "connections": 0,
        }
        if machine is not None:
            counts = machine.counts
            fields["nodes"] = {
                "nodes": machine.nodes,
                "streams": machine.streams,
                "waiting": self._requests,
                "batches_total": counts.batches,
                "known_batches_total": counts.known,
                "records_total": counts.records,
                "gaps_total": counts.gaps,
                "refused_total": dict(counts.refused),
            }
        return fields

    def close(self) -> None:
        """Answer everybody who waits with "later", and end."""
        for place in self._places:
            place.stop()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        for place in self._places:
            place.join()
        self._note_state("closed")

    def _ask(self, request: _Request, work: "Word") -> None:
        with self._changed:
            is_open = self._thread is not None and not self._is_closed
            has_room = (
                self._requests < REQUESTS_MAX
                and self._request_bytes + request.size_bytes <= BYTES_MAX
            )
            if is_open and has_room:
                self._requests += 1
                self._request_bytes += request.size_bytes
                self._words.append((work, request))
                self._changed.notify_all()
                return
        detail = "too many batches arrive at once" if is_open else "the gateway starts or stops"
        request.reply(refusal(503, "busy", detail, RETRY_AFTER_S))

    def _once(self, request: _Request) -> "Reply":
        """Return the function that answers a request."""

        def answered(answer: Answer) -> None:
            assert not request.is_answered, "a request has one answer"
            request.is_answered = True
            with self._changed:
                self._requests -= 1
                self._request_bytes -= request.size_bytes
            request.reply(answer)

        return answered

    def _leave_word(self, word: "Word") -> None:
        with self._changed:
            self._words.append((word, None))
            self._changed.notify_all()

    def _run(self, machine: NodeMachine) -> None:
        """The thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._words or self._is_closed)
                words, self._words = self._words, deque()
                is_closed = self._is_closed
            for word, request in words:
                self._do(machine, word, request)
            self._note_state(_STATES.get(machine.state, "connecting"))
            if is_closed:
                self._do(machine, NodeMachine.pause, None)
                return

    def _do(self, machine: NodeMachine, word: "Word", request: _Request | None) -> None:
        try:
            word(machine)
        except Exception as error:
            # A bug of ours.  The others are served on from what is durable.
            self._problem = f"a bug: {error!r}"
            if self._observer is not None:
                trace = "".join(traceback.format_exception(error))
                self._observer.report("error", "nodes_bug", [("trace", trace)])
            if request is not None and not request.is_answered:
                answered = self._once(request)
                answered(refusal(500, "internal", "the gateway has a fault; see its log"))
            if machine.state == RUNNING:
                machine.pause()
                machine.resume()

    def _note_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._since_ms = self._clock_ms()


def _random_identity() -> str:
    return os.urandom(IDENTITY_DIGITS // 2).hex()
