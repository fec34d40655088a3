"""A broker that is as harsh as MQTT allows, for the one session that a gateway has with it.

- A message of QoS 1 that was not acknowledged is sent again at the next connection, in order, and
  never on a connection that stands [MQTT-4.4.0-1].
- Packet identifiers are used again at once: always the lowest that is free.
- At most `receive_maximum` messages wait for their acknowledgement.
- Retained messages come again with a new subscription, for a harsh broker at every connection.
- It can be killed, with its memory or without; without, it begins again at packet identifier 1.

What it loses itself is not our promise: the oracle counts what it was told is safe.
"""

from collections import OrderedDict, deque
from typing import NamedTuple

from simulation.oracle import Oracle
from simulation.plan import Plan
from simulation.world import World

NOTICE_MS_MAX = 500  # How long a client may take for alive what is not.


class Publication(NamedTuple):
    """A message as a device published it; `uid` is how the oracle knows it again."""

    uid: str
    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    properties: bytes


class Packet(NamedTuple):
    """A PUBLISH on its way; `packet_id` is None at QoS 0."""

    packet_id: int | None
    publication: Publication
    is_replay: bool


class Connection:
    """One network connection between a broker and a client; `client` has `received` and `lost`."""

    def __init__(self, world: World, broker: "Broker", client, latency_ms: int) -> None:
        self.is_open = True
        self._world = world
        self._broker = broker
        self._client = client
        self._latency_ms = latency_ms
        self._down: deque[Packet] = deque()
        self._up: deque[int] = deque()

    def push(self, packet: Packet) -> None:
        """Send to the client."""
        self._down.append(packet)
        if len(self._down) == 1:
            self._world.after(self._world.between(1, self._latency_ms), self._arrive)

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Send PUBACKs to the broker, in this order."""
        if packet_ids and not self._up:
            self._world.after(self._world.between(1, self._latency_ms), self._acknowledged)
        self._up.extend(packet_ids)

    def close(self) -> None:
        """End it for both sides; what is on its way is lost, and the client finds out later."""
        if self.is_open:
            self.is_open = False
            self._world.after(self._world.between(1, NOTICE_MS_MAX), self._client.lost, self)

    def finish(self) -> None:
        """End it in good order: the PUBACKs that were sent still arrive."""
        self._acknowledged()
        self.close()

    def _arrive(self) -> None:
        if self.is_open:
            packets = list(self._down)
            self._down.clear()
            self._client.received(self, packets)

    def _acknowledged(self) -> None:
        if self.is_open:
            packet_ids = list(self._up)
            self._up.clear()
            self._broker.acknowledged(self, packet_ids)


class Broker:
    """One broker with one durable session."""

    def __init__(self, world: World, oracle: Oracle, name: str, plan: Plan) -> None:
        self.name = name
        self.is_up = True
        self._world = world
        self._oracle = oracle
        self._plan = plan
        self._connection: Connection | None = None
        self._client = None
        self._retained: OrderedDict[bytes, Publication] = OrderedDict()
        self._has_session = False
        self._queue: deque[Packet] = deque()
        self._inflight: OrderedDict[int, Packet] = OrderedDict()

    @property
    def is_drained(self) -> bool:
        """Tell whether nothing waits for the client."""
        return not self._queue and not self._inflight

    def publish(self, publication: Publication) -> None:
        """Take a message from a device, if the broker is there to take it."""
        if not self.is_up:
            return
        if publication.retain:
            self._retained[publication.topic] = publication
        # On a subscription that stands, RETAIN is not set [MQTT-3.3.1-12].
        packet = Packet(None, publication, False)
        if publication.qos == 0:
            if self._is_connected():
                self._connection.push(packet)
        elif self._has_session:
            if len(self._queue) >= self._plan.queue_max:
                self._world.meet("broker drops from its queue")
                return
            self._queue.append(packet)
            self._pump()

    def connect(self, client, latency_ms: int) -> Connection:
        """Let the client in; an older connection of its is closed [MQTT-3.1.4-3]."""
        if self._connection is not None:
            self._connection.close()
        connection = self._connection = Connection(self._world, self, client, latency_ms)
        if self._inflight:
            self._world.meet("broker redelivers")
        for packet in self._inflight.values():
            connection.push(packet)
        if not self._has_session or self._plan.retained_replay:
            waiting = {packet.publication for packet in self._queue if packet.is_replay}
            for publication in self._retained.values():
                if publication not in waiting:
                    self._world.meet("broker replays a retained message")
                    self._queue.append(Packet(None, publication, True))
        self._has_session = True
        self._pump()
        return connection

    def acknowledged(self, connection: Connection, packet_ids: list[int]) -> None:
        """Take PUBACKs."""
        if connection is not self._connection:
            return
        for packet_id in packet_ids:
            packet = self._inflight.pop(packet_id, None)
            if packet is not None:
                self._oracle.acknowledged(packet.publication.uid)
        self._pump()

    def kill(self, keeps_memory: bool) -> None:
        """Stop; without its memory it forgets the session."""
        self._world.meet("broker killed" if keeps_memory else "broker loses its session")
        self.is_up = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if not keeps_memory:
            self._queue.clear()
            self._inflight.clear()
            self._has_session = False

    def start(self) -> None:
        self.is_up = True

    def _is_connected(self) -> bool:
        return self._connection is not None and self._connection.is_open

    def _pump(self) -> None:
        while self._is_connected() and self._queue:
            packet = self._queue[0]
            if packet.publication.qos and len(self._inflight) >= self._plan.receive_maximum:
                return
            self._queue.popleft()
            packet_id = None
            if packet.publication.qos:
                packet_id = 1
                while packet_id in self._inflight:
                    packet_id += 1
            packet = Packet(packet_id, packet.publication, packet.is_replay)
            if packet_id is not None:
                self._inflight[packet_id] = packet
            self._connection.push(packet)
