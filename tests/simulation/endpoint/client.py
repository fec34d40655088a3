"""A client that follows the specification, 3.1.1 or 5, with a session that it keeps or not.

It never crashes; its connections do.  What it publishes bears its name and a number, so that the
oracle knows each message wherever it turns up.  It resends with DUP, in order, only where the
session is still there; it takes packet ids again as soon as it may.
"""

from typing import NamedTuple

from endpoint import client_codec as codec
from endpoint.raw_client import RECEIVE_MAXIMUM, SESSION_EXPIRY, TOPIC_ALIAS, TOPIC_ALIAS_MAX
from simulation.world import BrokenPromiseError

SESSION_S = 86_400
KEEPALIVE_MS = 10_000
RETRY_MS_MAX = 300


class Message(NamedTuple):
    """What it wants to publish."""

    number: int
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Flight:
    """A message of QoS 1 or 2 that is not done; `is_released` from PUBREC on."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.is_released = False


class Client:
    """One client."""

    def __init__(self, world, plan, oracle, node, flaky_rate: float) -> None:
        self._flaky_rate = flaky_rate
        self.world, self.plan, self.oracle, self._node = world, plan, oracle, node
        self.wire = None
        self.is_ready = False  # CONNACK came.
        self.is_wanted = True  # It wants to be connected.
        self.is_session_known = False
        self.waiting: list[Message] = []
        self.flights: dict[int, Flight] = {}
        self.open_ids: dict[int, bytes] = {}  # Packet ids of QoS 2 that came and are not released.
        self.unanswered: dict[int, bytes] = {}  # Packet ids that came, without our answer.
        self.subscribed_ms: int | None = None
        self._cleans = False  # It wants its session to begin anew.
        self._connections = 0
        self._rest = b""
        self._answers: list[tuple[int, int]] = []
        self._aliases: dict[int, bytes] = {}
        self._is_answering = False

    # What it does.

    def connect(self) -> None:
        """Connect, and keep trying."""
        world, plan = self.world, self.plan
        if self.wire is not None or not self.is_wanted:
            return
        wire = self._node.connect(self)
        if wire is None:
            world.after(world.between(10, RETRY_MS_MAX), self.connect)
            return
        self.wire, self.is_ready, self._rest = wire, False, b""
        self._answers, self._aliases, self.unanswered = [], {}, {}
        self._connections += 1
        if plan.is_kept and plan.version == 5 and world.happens(plan.clean_start_rate):
            self._cleans = True
            self._abandon()
        clean = self._cleans or not plan.is_kept
        properties = [(RECEIVE_MAXIMUM, plan.receive_maximum), (TOPIC_ALIAS_MAX, 3)]
        if plan.is_kept:
            properties.append((SESSION_EXPIRY, SESSION_S))
        will = None
        if plan.will_qos is not None:
            name = b"%s:will%d|" % (plan.name.encode(), self._connections)
            will = (b"w/" + plan.name.encode(), name, plan.will_qos, False)
            self.oracle.willed(self, name)
        delay = [(0x18, plan.will_delay_s)] if plan.version == 5 and plan.will_delay_s else None
        # In 3.1.1 what is not clean is kept: there is nothing in between.
        version_properties = properties if plan.version == 5 else None
        wire.send(
            codec.connect(
                plan.name, plan.version, clean, KEEPALIVE_MS // 1000, version_properties,
                will=will, will_properties=delay,
            )
        )  # fmt: skip
        world.after(KEEPALIVE_MS // 2, self._ping, wire)
        if world.happens(self._flaky_rate):
            world.after(world.between(0, 500), self._lose_again, wire)

    def _lose_again(self, wire) -> None:
        if wire is self.wire:
            self.lose(True, self.world.between(1, self.plan.away_ms_max))

    def lose(self, is_told: bool, away_ms: int) -> None:
        """Lose the connection."""
        if self.wire is not None:
            self.world.note(f"{self.plan.name} loses its connection")
            self.oracle.left(self, is_goodbye=False)
            self.wire.cut(is_told)
            self._disconnected(away_ms)

    def leave(self, away_ms: int) -> None:
        """Say goodbye."""
        if self.wire is not None and self.is_ready:
            self.world.note(f"{self.plan.name} leaves")
            self.oracle.left(self, is_goodbye=True)
            self.wire.send(codec.disconnect(version=self.plan.version))
            self.wire.finish()
            self._disconnected(away_ms)

    def stop(self) -> None:
        """Go, for good."""
        self.is_wanted = False
        self.leave(0)

    def publish(self, message: Message) -> None:
        """Publish, now or when there is room in the window."""
        self.waiting.append(message)
        self._pump()

    @property
    def is_idle(self) -> bool:
        """Tell whether it is connected and all that it sent is acknowledged."""
        subscribed = not self.plan.filters or self.subscribed_ms is not None
        is_busy = self.waiting or self.flights or self.open_ids or self.unanswered
        return self.is_ready and subscribed and not is_busy

    def lost(self, wire) -> None:
        """Find the connection closed by the gateway."""
        if wire is self.wire:
            self.world.note(f"{self.plan.name} finds its connection closed")
            self.oracle.left(self, is_goodbye=False)
            self._disconnected(self.world.between(1, RETRY_MS_MAX))

    def received(self, wire, data: bytes) -> None:
        """Take what came."""
        if wire is not self.wire:
            return
        packets, self._rest = codec.decode(self._rest + data, self.plan.version)
        for packet in packets:
            if self.wire is wire:
                _TAKE[packet.kind](self, packet)

    def break_off(self, text: str) -> None:
        """Tell of a broken promise."""
        raise BrokenPromiseError(f"{self.plan.name}: {text}")

    # Packets.

    def _take_connack(self, packet) -> None:
        plan = self.plan
        if packet.reason:
            self.break_off(f"CONNACK with {packet.reason:#x}")
        is_present, may_be = packet.session_present, plan.is_kept and not self._cleans
        if is_present and not may_be:
            self.break_off("a session is present that was to be clean")
        if self.is_session_known and may_be and not is_present:
            self.break_off("its session is lost")
        self.world.note(f"{plan.name} is connected, session present {is_present}")
        self.is_ready, self.is_session_known, self._cleans = True, plan.is_kept, False
        self.oracle.joined(self)
        if not is_present:
            self.open_ids.clear()
            self.subscribed_ms = None
            self._republish()
        for packet_id, flight in self.flights.items():
            self._send(packet_id, flight, is_again=True)
        if plan.filters and self.subscribed_ms is None:
            filters = [(name, qos) for name, qos in plan.filters]
            self.wire.send(codec.subscribe(65_000, filters, plan.version))
        self._pump()

    def _take_suback(self, packet) -> None:
        if packet.reasons != tuple(qos for _, qos in self.plan.filters):
            self.break_off(f"SUBACK {packet.reasons}")
        if self.subscribed_ms is None:
            self.subscribed_ms = self.oracle.clock
            self.oracle.subscribed(self)

    def _take_puback(self, packet) -> None:
        flight = self.flights.pop(packet.packet_id, None)
        if flight is None or flight.message.qos != 1:
            self.break_off(f"a PUBACK for {packet.packet_id}")
        self.oracle.acknowledged(self, flight.message, packet.reason)
        self._pump()

    def _take_pubrec(self, packet) -> None:
        flight = self.flights.get(packet.packet_id)
        if flight is None or flight.message.qos != 2:
            self.break_off(f"a PUBREC for {packet.packet_id}")
        if not flight.is_released:
            self.oracle.acknowledged(self, flight.message, packet.reason)
        if packet.reason >= 0x80:
            del self.flights[packet.packet_id]
            self._pump()
            return
        flight.is_released = True
        self.wire.send(codec.acknowledge(codec.PUBREL, packet.packet_id))

    def _take_pubcomp(self, packet) -> None:
        flight = self.flights.pop(packet.packet_id, None)
        if flight is None or not flight.is_released:
            self.break_off(f"a PUBCOMP for {packet.packet_id}")
        self._pump()

    def _take_publish(self, packet) -> None:
        topic, packet_id = packet.topic, packet.packet_id
        alias = packet.property(TOPIC_ALIAS)
        if alias and topic:
            self._aliases[alias] = topic
        elif alias:
            topic = self._aliases[alias]
        payload = bytes(packet.payload)
        if packet.qos:
            if packet_id in self.unanswered:
                self.break_off(f"packet id {packet_id} is used twice at a time")
            if self.open_ids.get(packet_id, payload) != payload:
                self.break_off(f"packet id {packet_id} of QoS 2 is used for another message")
            if packet_id in self.open_ids and packet.qos != 2:
                self.break_off(f"packet id {packet_id} is that of a QoS 2 message")
            self.unanswered[packet_id] = payload
            if len(self.unanswered) > self.plan.receive_maximum and self.plan.version == 5:
                self.break_off("more than its receive maximum")
        is_new = packet.qos < 2 or packet_id not in self.open_ids
        if packet.qos == 2:
            self.open_ids[packet_id] = payload
        self.world.note(f"{self.plan.name} got {payload[:12]} qos {packet.qos} dup {packet.dup}")
        if is_new:
            self.oracle.delivered(self, topic, payload, packet)
        if packet.qos:
            self._answer(codec.PUBACK if packet.qos == 1 else codec.PUBREC, packet_id)

    def _take_pubrel(self, packet) -> None:
        self.open_ids.pop(packet.packet_id, None)
        self._answer(codec.PUBCOMP, packet.packet_id)

    def _take_pingresp(self, packet) -> None:
        pass

    def _take_disconnect(self, packet) -> None:
        self.world.note(f"{self.plan.name} is sent away: {packet.reason:#x}")
        self.world.meet(f"sent away with {packet.reason:#x}")
        if packet.reason not in (0x8E, 0x8D):
            self.break_off(f"DISCONNECT with {packet.reason:#x}")

    # How.

    def _answer(self, kind: int, packet_id: int) -> None:
        self._answers.append((kind, packet_id))
        if not self._is_answering:
            self._is_answering = True
            self.world.after(self.world.between(0, self.plan.ack_ms_max), self._send_answers)

    def _send_answers(self) -> None:
        self._is_answering = False
        answers, self._answers = self._answers, []
        if self.wire is None:
            return
        for kind, packet_id in answers:
            if kind != codec.PUBREC:
                self.unanswered.pop(packet_id, None)
            self.wire.send(codec.acknowledge(kind, packet_id))

    def _pump(self) -> None:
        """Send what the window has room for."""
        while self.is_ready and self.waiting:
            message = self.waiting[0]
            if message.qos == 0:
                self.waiting.pop(0)
                self.wire.send(self._encode(message, 0, False))
                continue
            if len(self.flights) >= self.plan.window:
                return
            self.waiting.pop(0)
            packet_id = next(one for one in range(1, 100) if one not in self.flights)
            flight = self.flights[packet_id] = Flight(message)
            self.oracle.published(self, message)
            self._send(packet_id, flight, is_again=False)

    def _send(self, packet_id: int, flight: Flight, is_again: bool) -> None:
        if flight.is_released:
            self.wire.send(codec.acknowledge(codec.PUBREL, packet_id))
            return
        self.wire.sent[packet_id] = flight.message.payload
        self.wire.send(self._encode(flight.message, packet_id, is_again))

    def _encode(self, message: Message, packet_id: int, is_again: bool) -> bytes:
        return codec.publish(
            message.topic, message.payload, message.qos, packet_id, message.retain, is_again,
            self.plan.version,
        )  # fmt: skip

    def _republish(self) -> None:
        """The session is gone: what was not acknowledged is published anew, as it was."""
        again = [flight.message for flight in self.flights.values() if not flight.is_released]
        self.flights.clear()
        if again:
            self.oracle.republished(again)
        self.waiting = again + self.waiting

    def _abandon(self) -> None:
        """It begins a new session on purpose."""
        self.world.meet("clean start")
        self.oracle.abandoned(self)
        self.subscribed_ms, self.is_session_known = None, False

    def _disconnected(self, away_ms: int) -> None:
        self.wire, self.is_ready = None, False
        self._answers = []
        if not self.plan.is_kept:
            self.oracle.abandoned(self)
            self.subscribed_ms = None
        self.world.after(max(1, away_ms), self.connect)

    def _ping(self, wire) -> None:
        if wire is self.wire:
            wire.send(codec.PINGREQ)
            self.world.after(KEEPALIVE_MS // 2, self._ping, wire)


_TAKE = {
    codec.CONNACK: Client._take_connack,
    codec.SUBACK: Client._take_suback,
    codec.PUBACK: Client._take_puback,
    codec.PUBREC: Client._take_pubrec,
    codec.PUBCOMP: Client._take_pubcomp,
    codec.PUBLISH: Client._take_publish,
    codec.PUBREL: Client._take_pubrel,
    codec.PINGRESP: Client._take_pingresp,
    codec.DISCONNECT: Client._take_disconnect,
}
