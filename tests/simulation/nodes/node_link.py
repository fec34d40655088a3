"""The link of a node, and the line between the nodes and the gateway.

`NodeLink` does what `tidegate_micropython.mqtt_link` does, with the real `Calls` and without a
socket: numbers of its own for requests, one answer each, time-outs.  The line loses, delays,
repeats and reorders whatever is on it; an answer may come when nobody asks any more, also to the
node's next life.
"""

import json

from simulation.link import LATE_MS_MAX
from simulation.world import BrokenPromiseError
from tidegate.wire.batch import encode
from tidegate_linux.endpoint.broker.requests import BATCH, QUERY, Place
from tidegate_micropython.calls import Calls

NUMBER_BITS = 29
STALE_ANSWERS_MAX = 5


class NodeLink:
    """The port `Link`, polled."""

    def __init__(self, life, node: str, chance) -> None:
        self.is_dead = False
        self._life = life
        self._node = node
        self._calls = Calls(life.plan.settings.uplink.timeout_s)
        self._number = 1 + chance.below(1 << NUMBER_BITS)
        self._answers: list[bytes] = []
        self._quiet_until_ms = self._heard_until_ms = 0

    def start(self, deliver) -> None:
        self._calls.start(deliver)

    def query(self, token: int, stream, at: int) -> None:
        self._check_quiet()
        text = f"{stream} {at}" if at else str(stream)
        self._calls.add(token, QUERY, text.encode())
        self._life.crash_point("query")

    def send(self, token: int, batch) -> None:
        self._check_quiet()
        self._life.board.oracle.sends(self._life, batch)
        self._calls.add(token, BATCH, encode(batch))
        self._life.crash_point("send")

    def poll(self, now_ms: int) -> None:
        self._quiet_until_ms = self._heard_until_ms  # What was heard has been dealt with.
        call = self._calls.unsent()
        while call is not None:
            call.number = self._number
            self._number += 1
            call.sent_bytes = len(call.body)
            place = Place(self._node, call.target, call.number)
            self._life.world.note(f"{self._life.name} {call.target} {call.number}")
            self._life.board.line.publish(self._life.board, place, call.body)
            call = self._calls.unsent()
        answers, self._answers = self._answers, []
        for payload in answers:
            self._take(payload)
        for call in self._calls.expire(now_ms):
            self._life.world.meet("a node's request times out")
            self._life.world.note(f"{self._life.name} gives {call.number} up")

    def deadline_ms(self, now_ms: int) -> "int | None":
        return now_ms if self._calls.unsent() else self._calls.deadline_ms(now_ms)

    def interests(self) -> list[tuple[object, int]]:
        return []

    def close(self) -> None:
        self._calls.closed = "closed"
        self._calls.fail_all("closed")

    def arrived(self, payload: bytes) -> None:
        """Take an answer off the line."""
        if not self.is_dead:
            self._answers.append(payload)
            self._life.stir()

    def _take(self, payload: bytes) -> None:
        fields = json.loads(payload)
        call = self._calls.numbered(fields["token"])
        if call is None:
            self._life.world.meet("an answer that no node waits for")
            return
        self._life.world.note(f"{self._life.name} is answered {call.number} {fields['status']}")
        self._life.world.meet(f"gateway answers {fields['status']} {fields.get('error', '')}")
        retry_after = fields.get("retry_after")
        if retry_after is not None:
            until_ms = self._life.now_ms() + int(retry_after) * 1000
            self._heard_until_ms = max(self._heard_until_ms, until_ms)
        self._calls.answer(call, fields["status"], fields, retry_after)

    def _check_quiet(self) -> None:
        if self._life.now_ms() < self._quiet_until_ms:
            raise BrokenPromiseError("R16: a request within the time that Retry-After asked for")


class NodesLine:
    """What lies between all nodes and the gateway."""

    def __init__(self, world, plan) -> None:
        self.cut: set[str] = set()  # Names of nodes that reach nothing.
        self.gateway = None  # Who is at the other end.
        self._world = world
        self._plan = plan
        self._answers: dict[str, list[bytes]] = {}

    def publish(self, board, place: Place, payload: bytes) -> None:
        """Carry a request of a node to the gateway, perhaps."""
        world, plan = self._world, self._plan
        delay_ms = world.between(1, plan.latency_ms)
        if place.kind == BATCH and world.happens(plan.flip_rate):
            world.meet("a node's batch is changed on the way")
            changed = bytearray(payload)
            changed[world.between(0, len(payload) - 1)] ^= 1 << world.between(0, 7)
            payload = bytes(changed)
        if world.happens(plan.duplicate_rate):
            world.meet("a node's request arrives once more")
            late_ms = world.between(delay_ms, world.chance.choice((delay_ms + 5, LATE_MS_MAX)))
            world.after(late_ms, self._arrive, board, place, payload)
        if board.name in self.cut or world.happens(plan.request_loss_rate):
            world.meet("a node's request is lost")
            return
        world.after(delay_ms, self._arrive, board, place, payload)

    def _arrive(self, board, place: Place, payload: bytes) -> None:
        if board.name not in self.cut:
            self.gateway.ask(place, payload, board.owner, lambda answer: self._back(board, answer))

    def _back(self, board, answer: bytes) -> None:
        world, plan = self._world, self._plan
        old = self._answers.setdefault(board.name, [])
        if old and world.happens(plan.stale_rate):
            world.meet("an old answer comes late")
            world.after(world.between(1, 5000), self._hand, board, world.chance.choice(old))
        old.append(answer)
        del old[:-STALE_ANSWERS_MAX]
        if board.name in self.cut or world.happens(plan.answer_loss_rate):
            world.meet("an answer to a node is lost")
            return
        world.after(world.between(1, plan.latency_ms), self._hand, board, answer)

    def _hand(self, board, answer: bytes) -> None:
        life = board.life
        if life is not None and life.node_link is not None and board.name not in self.cut:
            life.node_link.arrived(answer)
