"""A source of messages: the client of a broker, behind the port that the engine knows.

Each connection is a new generation.  An acknowledgement for another one is ignored, all of it, as
the port demands; tokens are packet identifiers, which a broker uses again at once.
"""

from simulation.broker import Broker, Connection, Packet
from simulation.plan import IDENTITY_NAME, Plan
from simulation.world import World
from tidegate.events import Arrived, Message
from tidegate.records.record import RETAIN, unpack_properties

RETRIES_MS_MAX = (20, 2000)  # At once, or after a pause.


class SimSource:
    """A source port on a simulated broker; one for each life of the process."""

    def __init__(self, world: World, process, broker: Broker, plan: Plan, has_identity: bool):
        self.name = broker.name
        self.generation = 0
        self._world = world
        self._process = process
        self.broker = broker
        self._plan = plan
        self._has_identity = has_identity
        self._deliver = None
        self._connections = 0
        self._connection: Connection | None = None
        self._is_paused = False
        self._is_closed = False
        self._uids: dict[int, str] = {}

    # The port.

    def start(self, deliver) -> None:
        self._deliver = deliver
        self._connect_soon()

    def acknowledge(self, generation: int, tokens: list[object]) -> None:
        process = self._process
        if generation != self.generation or not self.is_connected:
            self._world.meet("a stale acknowledgement is ignored")
            return
        if len(tokens) > 1 and process.is_hit("acknowledge"):
            # Some of them are out, the others are not.
            self._send_acknowledgements(tokens[: self._world.between(1, len(tokens))])
            process.crash("acknowledge")
        self._send_acknowledgements(tokens)
        process.crash_point("acknowledge")

    def refuse(self, generation: int, tokens: list[object], reason: str) -> None:
        self.acknowledge(generation, tokens)

    def found(self, generation: int, pairs: list[tuple[bytes, bytes]]) -> None:
        raise AssertionError("a broker's subscriber keeps no notes")

    def pause(self, reason: str) -> None:
        self._world.note(f"{self.name} paused: {reason}")
        self._is_paused = True
        if self._connection is not None:
            self._connection.finish()
        self.drop()
        self._process.crash_point("pause")

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._connect_soon()
        self._process.crash_point("resume")

    def status(self) -> dict[str, object]:
        return {"state": "connected" if self.is_connected else "connecting"}

    def close(self) -> None:
        self._is_closed = True
        self.drop()

    # What the world does with it.

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and self._connection.is_open

    def drop(self) -> None:
        """Lose the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.generation = 0
        if self._deliver is not None and not self._is_paused and not self._is_closed:
            self._connect_soon()

    def lost(self, connection: Connection) -> None:
        """Find out that a connection is gone."""
        if connection is self._connection:
            self.drop()

    def received(self, connection: Connection, packets: list[Packet]) -> None:
        """Take what came in on a connection."""
        if connection is not self._connection or self._is_closed:
            return
        messages = []
        for packet in packets:
            publication = packet.publication
            if packet.packet_id is not None:
                self._uids[packet.packet_id] = publication.uid
            messages.append(self._message(packet))
        self._world.note(f"{self.name} #{self.generation} got {packets[0].publication.uid}…")
        self._deliver(Arrived(self.name, self.generation, messages, [], None))

    def _message(self, packet: Packet) -> Message:
        publication = packet.publication
        identity = b""
        if self._has_identity:
            for name, value in unpack_properties(publication.properties):
                if name == IDENTITY_NAME.encode():
                    identity = value
        flags = publication.qos | (RETAIN if packet.is_replay else 0)
        return Message(
            publication.topic, publication.payload, flags, publication.properties,
            identity, self._process.clock_ms(), packet.packet_id,
        )  # fmt: skip

    def _connect_soon(self) -> None:
        world = self._world
        world.after(world.between(1, world.chance.choice(RETRIES_MS_MAX)), self._connect)

    def _connect(self) -> None:
        if self._is_paused or self._is_closed or self.generation:
            return
        if not self.broker.is_up:
            self._connect_soon()
            return
        self._connections += 1
        self.generation = self._connections
        self._uids = {}
        self._connection = self.broker.connect(self, self._plan.latency_ms)
        self._world.note(f"{self.name} connected #{self.generation}")

    def _send_acknowledgements(self, tokens: list[int]) -> None:
        self._world.note(f"{self.name} #{self.generation} acknowledges {tokens}")
        for token in tokens:
            if token in self._uids:
                self._process.acknowledged(self._uids[token])
        self._connection.acknowledge(tokens)
