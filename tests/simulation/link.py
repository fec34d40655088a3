"""The line between a node and the receiver: slow, lossy, late, cut, and with strangers on it.

A request may be lost, its reply may be lost, and it may reach the receiver once more, after newer
ones.  A stranger on the way (a proxy, a portal) may answer in the receiver's place, change a byte,
or hand over the answer to another request.  The port's promise is kept all the same: each request
gets exactly one answer, if only that there was none.
"""

import zlib

from simulation.plan import Plan
from simulation.receiver import Receiver, Reply
from simulation.world import BrokenPromiseError, World
from tidegate.events import Answered, Unanswered
from tidegate.records.stream import Stream
from tidegate.wire.batch import Batch, encode
from tidegate.wire.envelope import deflated

TIMEOUT_MS = 5000
LATE_MS_MAX = 20_000
REQUEST_BYTES = 200

About = tuple[str, int, int]  # What a request is about: stream, first, last.

# What a proxy, a portal or a hub in trouble answers.
MOODS = (
    Reply(401, {"error": "unauthorized", "detail": "the token is not known here"}),
    Reply(403, None),
    Reply(404, None),
    Reply(408, None),
    Reply(429, {"error": "too-many-requests", "detail": "x"}, "7"),
    Reply(429, None, "Sun, 06 Nov 1994 08:49:37 GMT"),
    Reply(503, {"error": "unavailable", "detail": "x"}, "20"),
    Reply(503, None, "soon"),
    Reply(500, None),
    Reply(302, None),
    Reply(422, None),
    Reply(200, None),
    Reply(200, {"ok": True}),
)


def _raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


class Line:
    """What several nodes share on the way to the receiver: cuts, moods, mixed-up answers."""

    def __init__(self) -> None:
        self.cut: set[str] = set()  # The names of nodes that nothing reaches.
        self.mood: Reply | None = None
        self.replies: dict[About, list[Reply]] = {}


class SimLink:
    """A link port; one for each life of the process."""

    def __init__(self, world: World, process, receiver: Receiver, line: Line, plan: Plan) -> None:
        self._world = world
        self._process = process
        self._receiver = receiver
        self._line = line
        self._plan = plan
        self._deliver = None
        self._is_closed = False
        self._quiet_until_ms = self._heard_until_ms = 0
        self._disk = process.node.disk
        self._asked_of: dict[int, object] = {}

    def start(self, deliver) -> None:
        self._deliver = deliver

    def query(self, token: int, stream: Stream, at: int) -> None:
        self._world.note(f"asks {token} {stream} {at}")
        about = (str(stream), 0, 0)
        self._request(token, lambda: self._receiver.query(stream, at), about, REQUEST_BYTES)
        self._process.crash_point("query")

    def send(self, token: int, batch: Batch) -> None:
        stream, span = batch.stream, batch.span
        self._world.note(f"sends {token} {stream} {span.first}-{span.last} {len(span.gaps)} gaps")
        self._disk.check_sent(batch)
        if len(span.boots) > 1:
            self._world.meet("a batch of several boots")
        self._disk.in_flight[token] = (stream.epoch, stream.lane, span.first, span.last)
        body, sent_bytes = self._body(batch)
        about = (str(stream), span.first, span.last)
        self._request(token, lambda: self._receiver.send(stream, body), about, sent_bytes)
        self._process.crash_point("send")

    def close(self) -> None:
        self._is_closed = True
        self.forget()

    def settle(self) -> None:
        """Take note that every answer was dealt with."""
        self._quiet_until_ms = self._heard_until_ms

    def forget(self) -> None:
        """Take note that nobody waits for what is under way."""
        self._disk.in_flight.clear()

    def _body(self, batch: Batch) -> tuple[Batch | bytes, int]:
        """Return the batch as it arrives, and what it takes on the line."""
        if not self._plan.real_bytes and not self._plan.flip_rate:
            return batch, REQUEST_BYTES + sum(len(record.payload) for record in batch.span.records)
        body = encode(batch)
        if self._world.happens(0.3):
            body = deflated(body, _raw_deflate)
        if self._world.happens(self._plan.flip_rate):
            self._world.meet("a byte is changed on the way")
            body = bytearray(body)
            body[self._world.between(0, len(body) - 1)] ^= 1 << self._world.between(0, 7)
        return bytes(body), len(body)

    def _request(self, token: int, reach, about: About, sent_bytes: int) -> None:
        world, plan, line = self._world, self._plan, self._line
        if world.now_ms < self._quiet_until_ms:
            raise BrokenPromiseError("R16: a request within the time that Retry-After asked for")
        self._asked_of[token] = self._process.journal
        delay_ms = world.between(1, plan.latency_ms)
        if world.happens(plan.duplicate_rate):
            world.meet("a request arrives once more")
            world.after(world.between(delay_ms, LATE_MS_MAX), reach)
        if self._process.node.name in line.cut or world.happens(plan.request_loss_rate):
            quick = world.happens(0.3)
            world.meet("a request is refused" if quick else "a request is lost")
            wait_ms = delay_ms if quick else TIMEOUT_MS
            world.after(wait_ms, self._answer, Unanswered(token, "lost", sent_bytes))
            return
        world.after(delay_ms, self._arrive, token, reach, about, sent_bytes)

    def _arrive(self, token: int, reach, about: About, sent_bytes: int) -> None:
        """Reach the receiver, or what is in its place, and send the answer back."""
        world, plan, line = self._world, self._plan, self._line
        reply = line.mood
        is_cut = self._process.node.name in line.cut
        if reply is None:
            reply = reach()
            if reply is not None and reply.status in (200, 409) and world.happens(plan.mixed_rate):
                reply = self._another(about, reply)
        else:
            world.meet(f"stranger answers {reply.name}")
        if reply is None or is_cut or world.happens(plan.reply_loss_rate):
            world.meet("a reply is lost")
            wait_ms = world.chance.choice((1, TIMEOUT_MS))
            world.after(wait_ms, self._answer, Unanswered(token, "no answer", sent_bytes))
            return
        if plan.mixed_rate and reply.status in (200, 409):
            line.replies.setdefault(about, []).append(reply)
        answer = Answered(token, reply.status, reply.fields, reply.retry_after, sent_bytes)
        world.after(world.between(1, plan.latency_ms), self._answer, answer)

    def _another(self, about: About, reply: Reply) -> Reply:
        """Return an earlier answer to the same question, or about the same stream at least."""
        self._world.meet("an answer is mixed up with another")
        replies = self._line.replies
        earlier = replies.get(about) or replies.get((about[0], 0, 0)) or [reply]
        return self._world.chance.choice(earlier)

    def _answer(self, event: Answered | Unanswered) -> None:
        if self._is_closed:
            return
        self._disk.in_flight.pop(event.token, None)
        # An answer to what was asked before the journal failed reaches nobody.
        process = self._process
        is_awaited = self._asked_of.pop(event.token) is process.journal and process.gateway.node
        if not is_awaited:
            self._world.meet("an answer reaches nobody")
        if isinstance(event, Answered):
            self._world.note(f"answer {event.token} {event.status}")
            seconds = event.retry_after
            if seconds is not None and seconds.isdigit():  # Obeyed whoever waits for the rest.
                until_ms = self._world.now_ms + int(seconds) * 1000
                self._heard_until_ms = max(self._quiet_until_ms, until_ms)
        else:
            self._world.note(f"no answer {event.token}")
        self._deliver(event)
