"""A run: clients that talk while things fail, then a time in which nothing fails any more.

When all is quiet the gateway is killed once more: what was owed is delivered already, and nothing
may come again.
"""

from contextlib import contextmanager

from endpoint import client_codec as codec
from simulation.endpoint.client import Client, Message
from simulation.endpoint.oracle import Oracle
from simulation.endpoint.plan import Plan, make_plan
from simulation.endpoint.process import Node
from simulation.world import BrokenPromiseError, World
from tidegate_linux.endpoint import turn_queue
from tidegate_linux.endpoint.broker import outbox
from tidegate_linux.endpoint.broker.handling import restoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

QUIET_MS_MAX = 400_000  # After the faults end; a keep alive, a back-off and a long queue are in it.
LOOK_MS = 500
AFTER_MS = 3_000
DRAIN_MS = 700


class Scenario:
    """One seed."""

    def __init__(self, seed: int, is_traced: bool = False) -> None:
        self.plan = make_plan(seed)
        self.world = World(seed, is_traced)
        self.oracle = Oracle(self.world, self.plan)
        self.node = Node(self.world, self.plan, self.oracle)
        self.clients = [
            Client(self.world, one, self.oracle, self.node, self.plan.flaky_rate)
            for one in self.plan.clients
        ]
        self._unpublished: list[list[Message]] = []

    def run(self) -> None:
        """Run it; raises where a promise is broken."""
        with bounded(self.plan):
            self._plan_faults()
            self._plan_messages()
            self.node.start()
            for client in self.clients:
                self.world.after(self.world.between(1, 50), client.connect)
            self.world.run(self.plan.chaos_ms)
            self._heal()
            self._await_quiet()
            self.node.crash()
            self.world.run(self.world.now_ms + AFTER_MS)
            self._await_quiet()
            self.oracle.judge(self.clients)
            self._check_retained()

    def _plan_messages(self) -> None:
        world = self.world
        for client in self.clients:
            at_ms = world.between(0, 500)
            messages = [self._message(client.plan, one) for one in range(client.plan.messages)]
            self._unpublished.append(messages)
            for _ in range(client.plan.messages):
                world.after(at_ms, self._publish_next, client, messages)
                if client.plan.pause_ms_max > 300 or world.happens(0.3):
                    at_ms += world.between(0, client.plan.pause_ms_max)

    def _publish_next(self, client: Client, messages: list[Message]) -> None:
        """Have the next message published: of two at one time, either may be due first."""
        client.publish(messages.pop(0))

    def _message(self, plan, number: int) -> Message:
        world = self.world
        qos, topic = world.chance.choice(plan.qos), world.chance.choice(plan.topics)
        payload = b"%s:%d|" % (plan.name.encode(), number) + b"x" * plan.payload_bytes
        retain = world.happens(plan.retain_rate)
        if retain:
            qos, topic = max(1, qos), f"r/{plan.name}"
            payload = b"" if world.happens(plan.clear_rate) else payload
        return Message(number, topic, payload, qos, retain)

    def _plan_faults(self) -> None:
        world, plan = self.world, self.plan
        self._at_times(plan.kills, self.node.crash)
        self._at_times(plan.connection_faults, self._lose_one)
        self._at_times(plan.slow_faults, self._slow_one)
        self._at_times(plan.full_disk_faults, self._fill_disk)
        self._at_times(plan.wall_faults, self._step_wall)
        if plan.is_cramped:
            world.after(DRAIN_MS, self._drain)

    def _at_times(self, count: int, fault) -> None:
        for _ in range(count):
            self.world.after(self.world.between(0, self.plan.chaos_ms), fault)

    def _lose_one(self) -> None:
        client = self.world.chance.choice(self.clients)
        away_ms = self.world.between(1, client.plan.away_ms_max)
        if self.world.happens(client.plan.goodbye_rate):
            client.leave(away_ms)
        else:
            is_told = not self.world.happens(self.plan.untold_rate)
            client.lose(is_told, away_ms)

    def _slow_one(self) -> None:
        client = self.world.chance.choice(self.clients)
        if client.wire is not None:
            client.wire.pause(self.world.between(1, self.plan.slow_ms_max))

    def _fill_disk(self) -> None:
        self.world.meet("the disk is full")
        self.node.disk.capacity_bytes = self.node.disk.stored_bytes
        self.world.after(self.world.between(100, 3000), self._free_disk)

    def _free_disk(self) -> None:
        self.node.disk.capacity_bytes = 1 << 60

    def _step_wall(self) -> None:
        self.world.wall_offset_ms += self.world.between(-3_600_000, 3_600_000)

    def _drain(self) -> None:
        """Do what a hub would: take some records off."""
        disk = self.node.disk
        disk.drained_bytes += self.world.between(0, disk.stored_bytes)
        disk.drained_bytes = min(disk.drained_bytes, disk.stored_bytes)
        self.world.after(DRAIN_MS, self._drain)

    def _heal(self) -> None:
        self.world.is_healed = True
        self.world.note("healed")
        self._free_disk()

    def _await_quiet(self) -> None:
        """Wait until all is acknowledged and delivered, and a little longer."""
        until_ms = self.world.now_ms + QUIET_MS_MAX
        while True:
            self.world.run(self.world.now_ms + LOOK_MS)
            lack = self._lack()
            if not lack:
                break
            if self.world.now_ms > until_ms:
                raise BrokenPromiseError(f"liveness: {lack}")
        self.world.run(self.world.now_ms + AFTER_MS)

    def _lack(self) -> str:
        """Return what is still to be done, or ""."""
        if any(self._unpublished):
            return "messages to publish"
        busy = [client.plan.name for client in self.clients if not client.is_idle]
        if busy:
            return f"{busy} are not done"
        return self.oracle.missing(self.clients) or self.oracle.leftover()

    def _check_retained(self) -> None:
        checker = Checker()
        wire = self.node.connect(checker)
        wire.send(codec.connect("checker", 4) + codec.subscribe(1, [("r/#", 0)], 4))
        self.world.run(self.world.now_ms + AFTER_MS)
        expected = self.oracle.expected_retained()
        for topic, right in expected.items():
            found = checker.retained.get(topic, b"")
            if found != right:
                text = f"{topic!r} has {found[:9]!r} retained, not {right[:9]!r}"
                raise BrokenPromiseError(text)


class Checker:
    """A client that only looks."""

    class plan:  # noqa: N801 - what the oracle asks of every client.
        name, version, is_kept, filters = "checker", 4, False, ()

    def __init__(self) -> None:
        self.retained: dict[bytes, bytes] = {}
        self._rest = b""

    def received(self, wire, data: bytes) -> None:
        """Take what is retained."""
        packets, self._rest = codec.decode(self._rest + data, 4)
        for packet in packets:
            if packet.kind == codec.PUBLISH and packet.retain:
                self.retained[bytes(packet.topic)] = bytes(packet.payload)

    def lost(self, wire) -> None:
        """Nobody should send it away."""
        raise BrokenPromiseError("the checker is sent away")


@contextmanager
def bounded(plan: Plan) -> "Iterator[None]":
    """Make the broker's own bounds as small as the plan says: their edges are met in minutes then,
    which takes a day of messages otherwise."""
    wanted = (
        (outbox, "WINDOW_ENTRIES", plan.window_entries),
        (restoring, "WINDOW_ENTRIES", plan.window_entries),
        (turn_queue, "MESSAGES_MAX", plan.turn_messages_max),
        (turn_queue, "PAGE_NOTES", plan.page_notes),
    )
    before = [getattr(owner, name) for owner, name, _ in wanted]
    for owner, name, value in wanted:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(wanted, before, strict=True):
            setattr(owner, name, value)
