"""One seed from beginning to end: set up, chaos, heal, rest, judgement."""

from simulation.broker import Broker, Publication
from simulation.disk import ROOMY_BYTES, SimDisk
from simulation.link import MOODS, Line
from simulation.node import Node
from simulation.oracle import Oracle, Told, is_unwanted, payload_of
from simulation.plan import BIG_BYTES, IDENTITY_NAME, POISON, Plan, make_plan
from simulation.receiver import Receiver
from simulation.world import WALL_START_MS, BrokenPromiseError, World
from tidegate.delivery.line import UP, WAITING
from tidegate.delivery.sender import IDLE_ASK_MS, READY
from tidegate.limits import PAYLOAD_BYTES_MAX
from tidegate.records.record import pack_properties

LANES = ["alarm", "main"]
DAY_MS = 24 * 3600 * 1000
# Until all is at rest again: the longest `Retry-After` and the pauses of a refused node.  What
# takes longer is stuck, or waits for a timer that nobody would wait for.
REST_MS = 200_000
PAUSE_MS_MAX = 100_000  # No `Retry-After` here asks for more, and no refused node waits longer.


class Scenario:
    """The world of one seed, and what happens in it."""

    def __init__(self, seed: int, is_traced: bool = False) -> None:
        self.plan: Plan = make_plan(seed)
        self.world = World(seed, is_traced)
        self.oracle = Oracle(self.world, self.plan)
        self.receiver = Receiver(self.world, self.oracle, self.plan)
        self.line = Line()
        self.brokers: list[Broker] = []
        self.nodes: list[Node] = []
        self._images: list[SimDisk] = []
        self._published = 0
        node_id = f"{self.world.chance.getrandbits(64):016x}"
        self._add_node("node", SimDisk(self.world, self.oracle, LANES, node_id))

    def run(self) -> None:
        """Let it all happen; raises `BrokenPromiseError`."""
        world = self.world
        for node in self.nodes:
            node.start()
        self._plan_messages()
        self._plan_faults()
        world.run(self.plan.chaos_ms)
        self._heal()
        if not world.run(world.now_ms + self._rest_ms(), self._is_at_rest):
            raise BrokenPromiseError(f"liveness: {self._unrest()}")
        self.oracle.judge(self.receiver)

    # Set-up.

    def _add_node(self, name: str, disk: SimDisk) -> Node:
        world, oracle, plan = self.world, self.oracle, self.plan
        brokers = [Broker(world, oracle, f"{name}-{kind}", plan) for kind in ("named", "plain")]
        self.brokers.extend(brokers)
        node = Node(world, oracle, plan, name, disk, brokers, self.receiver, self.line)
        self.nodes.append(node)
        return node

    def _plan_messages(self) -> None:
        world, plan = self.world, self.plan
        left = plan.messages
        while left > 0:
            burst = min(left, world.chance.choice((1, 1, 2, 5, 12)))
            left -= burst
            at_ms = world.between(0, plan.chaos_ms - 1)
            world.after(at_ms, self._publish_burst, burst)
        if plan.too_large:
            world.after(world.between(0, plan.chaos_ms - 1), self._publish_too_large)

    def _publish_burst(self, count: int) -> None:
        broker = self.world.chance.choice(self.brokers)
        for _ in range(count):
            self._publish(broker, self._kind())

    def _kind(self) -> bytes:
        world, plan = self.world, self.plan
        if world.happens(plan.poison_rate):
            return POISON
        return b"big" if world.happens(plan.big_rate) else b"plain"

    def _publish(self, broker: Broker, kind: bytes, lane: str = "") -> None:
        world, plan = self.world, self.plan
        self._published += 1
        uid = f"{broker.name}-{self._published}"
        lane = lane or world.chance.choice(LANES)
        device = world.between(1, plan.topics)
        topic = f"{device}/alarm" if lane == "alarm" else f"{device}/value"
        qos = 0 if world.happens(plan.qos_0_rate) else 1
        is_retained = world.happens(plan.retain_rate)
        has_identity = broker.name.endswith("named")
        name = IDENTITY_NAME.encode()
        properties = pack_properties([(name, uid.encode())]) if has_identity else b""
        size = BIG_BYTES if kind == b"big" else world.between(0, 60)
        self.oracle.told[uid] = Told(
            broker.name, lane, self._published, qos, is_retained, has_identity,
            is_unwanted(kind, plan),
        )  # fmt: skip
        payload = payload_of(kind, uid, size)
        broker.publish(Publication(uid, topic.encode(), payload, qos, is_retained, properties))

    def _publish_too_large(self) -> None:
        self.world.meet("a message over every limit")
        broker = self.brokers[1]
        self._published += 1
        uid = f"{broker.name}-{self._published}"
        self.oracle.told[uid] = Told(broker.name, "main", self._published, 1, False, False, False)
        payload = bytes(PAYLOAD_BYTES_MAX + 1)
        broker.publish(Publication(uid, b"1/value", payload, 1, False, b""))

    def _plan_faults(self) -> None:
        plan = self.plan
        for count, fault in (
            (plan.crash_faults, self._crash_node),
            (plan.rot_faults, self._rot),
            (plan.full_disk_faults, self._fill_disk),
            (plan.connection_faults, self._drop_connection),
            (plan.broker_faults, self._kill_broker),
            (plan.cut_faults, self._cut_line),
            (plan.mood_faults, self._spoil_mood),
            (plan.receiver_faults, self._stop_receiver),
            (int(plan.lowers_limit), self._lower_limit),
            (plan.backup_faults * 2, self._back_up),
            (plan.backup_faults, self._restore_receiver),
            (plan.wall_faults, self._step_wall),
            (2, self._read_clocks),
            (int(plan.clone), self._clone),
            (int(plan.restore_image) * 2, self._take_image),
            (int(plan.restore_image), self._restore_image),
        ):
            for _ in range(count):
                self.world.after(self.world.between(0, plan.chaos_ms - 1), fault)

    # Faults.

    def _node(self) -> Node:
        return self.world.chance.choice(self.nodes)

    def _crash_node(self) -> None:
        self.world.meet("node killed")
        self._node().crash()

    def _rot(self) -> None:
        self._node().disk.rot()

    def _fill_disk(self) -> None:
        """Others take the room: what is on the medium stays, nothing more fits, for a while."""
        self.world.meet("disk full")
        disk = self._node().disk
        disk.capacity_bytes = disk.stored_bytes + self.world.between(0, 2000)
        self.world.after(self.world.between(100, 10_000), self._empty_disk, disk)

    def _empty_disk(self, disk: SimDisk) -> None:
        disk.capacity_bytes = ROOMY_BYTES

    def _drop_connection(self) -> None:
        self.world.meet("connection lost")
        process = self._node().process
        if process is not None:
            self.world.chance.choice(process.sources).drop()

    def _kill_broker(self) -> None:
        broker = self.world.chance.choice(self.brokers)
        broker.kill(not self.world.happens(self.plan.forget_session_rate))
        self.world.after(self.world.between(1, self.world.chance.choice((20, 3000))), broker.start)

    def _cut_line(self) -> None:
        self.world.meet("line cut")
        node = self._node()
        self.line.cut.add(node.name)
        self.world.after(self.world.between(10, 10_000), self._mend_line, node)

    def _mend_line(self, node: Node) -> None:
        self.line.cut.discard(node.name)

    def _spoil_mood(self) -> None:
        self.line.mood = self.world.chance.choice(MOODS)
        self.world.after(self.world.between(10, 10_000), self._mend_mood)

    def _mend_mood(self) -> None:
        self.line.mood = None

    def _stop_receiver(self) -> None:
        self.world.meet("receiver stopped")
        self.receiver.is_up = False
        self.world.after(self.world.between(10, 5000), self.receiver.restart)

    def _lower_limit(self) -> None:
        self.receiver.bytes_max = self.plan.receiver_bytes_max

    def _back_up(self) -> None:
        self.receiver.back_up()

    def _restore_receiver(self) -> None:
        self.receiver.restore()
        if self.world.happens(0.5):
            self._lower_limit()  # It comes back with another configuration.

    def _step_wall(self) -> None:
        self.world.meet("wall clock steps")
        years = self.world.chance.choice((-30, -1, 0, 0, 1, 10))
        jitter_ms = self.world.between(-DAY_MS, DAY_MS)
        self.world.wall_offset_ms = WALL_START_MS + years * 365 * DAY_MS + jitter_ms
        self._read_clocks()

    def _read_clocks(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.read_clock()

    def _clone(self) -> None:
        """A second machine is set up with a copy of the card, and its own devices."""
        self.world.meet("node cloned")
        self.world.note("node cloned")
        self._add_node("clone", self.nodes[0].disk.image()).start()

    def _take_image(self) -> None:
        self._images.append(self.nodes[0].disk.image())

    def _restore_image(self) -> None:
        """The card fails, and an older image of it goes on in its place."""
        if not self._images:
            return
        self.world.meet("image restored")
        self.world.note("image restored")
        node = self.nodes[0]
        # Whatever only the failed card had is lost, and no software can help that.
        old = node.disk
        node.crash_for(lambda: self._replace_card(node, old))

    def _replace_card(self, node: Node, old: SimDisk) -> None:
        node.disk = self.world.chance.choice(self._images).image()
        self.oracle.excused |= old.uids() - node.disk.uids()

    # Rest.

    def _heal(self) -> None:
        world = self.world
        world.is_healed = True
        world.note("heal")
        self.line.cut.clear()
        self.line.mood = None
        self.receiver.heal()
        for broker in self.brokers:
            broker.start()
        for node in self.nodes:
            node.disk.capacity_bytes = ROOMY_BYTES
        uplink = self.plan.settings.uplink
        is_paced = bool(uplink.windows or uplink.bytes_per_day)
        if not is_paced and world.chance.random() < 0.3:
            # A receiver restored now is found out by the questions of idle senders.
            world.meet("no message after the last fault")
            self._asks_only = True
            if self.plan.backup_faults:
                world.after(5000, self._restore_receiver)
            world.after(IDLE_ASK_MS + PAUSE_MS_MAX, self._end_of_messages)
        else:
            # One more message a stream: it is found out at the next batch.
            world.after(5000, self._publish_last)

    def _publish_last(self) -> None:
        for broker in self.brokers:
            for lane in LANES:
                self._publish(broker, b"plain", lane)
        self._end_of_messages()

    def _end_of_messages(self) -> None:
        self._is_last_out = True

    def _rest_ms(self) -> int:
        uplink = self.plan.settings.uplink
        if uplink.windows or uplink.bytes_per_day:
            return 30 * DAY_MS
        return REST_MS + (IDLE_ASK_MS if self._asks_only else 0)

    _is_last_out = False
    _asks_only = False  # Nothing is sent after the last fault: an idle sender asks now and then.

    def _is_at_rest(self) -> bool:
        return self._is_last_out and not self._unrest()

    def _unrest(self) -> str:
        """Return what is not at rest yet."""
        for broker in self.brokers:
            if not broker.is_drained:
                return f"{broker.name} still has messages"
        for node in self.nodes:
            if node.process is None or not node.process.gateway.node:
                return f"{node.name} does not run"
            gateway = node.process.gateway
            for sender in gateway.uplink.senders:
                lane = sender.lane
                if sender.state != READY or sender.next <= lane.last or lane.held_records:
                    return f"{node.name} {lane.name} is {sender.state}, holds {lane.held_records}"
            # Outside its windows a line with nothing to send rests as well.
            rests = (UP, WAITING) if self.plan.settings.uplink.windows else (UP,)
            if gateway.line.state not in rests:
                return f"{node.name}: the link is {gateway.line.state}"
        return ""
