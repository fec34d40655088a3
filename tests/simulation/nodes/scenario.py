"""One seed from beginning to end: sketches put records while things fail, then nothing fails."""

from contextlib import contextmanager

from simulation.link import Line
from simulation.nodes.board import Board
from simulation.nodes.flash import ROOMY_BYTES, Flash
from simulation.nodes.gateway import GatewayMachine
from simulation.nodes.hub import Hub
from simulation.nodes.intruder import intrude
from simulation.nodes.node_link import NodesLine
from simulation.nodes.oracle import Oracle, Told
from simulation.nodes.plan import LANES, Plan, make_plan
from simulation.nodes.rot import flip
from simulation.world import WALL_START_MS, BrokenPromiseError, World
from tidegate.delivery.line import UP
from tidegate.delivery.sender import READY
from tidegate.records.record import pack_properties
from tidegate_linux.nodes import machine
from tidegate_linux.nodes.machine import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Until all is at rest again: time-outs and pauses of two hops, one behind the other.
REST_MS = 400_000
LAST_MS = 5_000  # After the faults end one more message of each lane is put.


class Scenario:
    """The world of one seed, and what happens in it."""

    def __init__(self, seed: int, is_traced: bool = False) -> None:
        self.plan: Plan = make_plan(seed)
        self.world = World(seed, is_traced)
        self.oracle = Oracle(self.world, self.plan)
        self.hub = Hub(self.world, self.oracle, self.plan)
        self.line = Line()
        self.gateway = GatewayMachine(self.world, self.plan, self.oracle, self.hub, self.line)
        self.nodes_line = NodesLine(self.world, self.plan.nodes)
        self.nodes_line.gateway = self.gateway
        self.boards: list[Board] = []
        self._images: list[Flash] = []
        self._gateway_images: list = []
        self._puts = 0
        self._is_last_out = False
        for number in range(self.plan.nodes.count):
            self._add_board(f"n{number}", f"user-{number}", Flash())

    def run(self) -> None:
        """Let it all happen; raises `BrokenPromiseError`."""
        world = self.world
        with bounded(self.plan):
            self.gateway.start()
            for board in self.boards:
                world.after(world.between(0, 2000), board.start)
            self._plan_messages()
            self._plan_faults()
            world.run(self.plan.chaos_ms)
            self._heal()
            if not world.run(world.now_ms + REST_MS, self._is_at_rest):
                raise BrokenPromiseError(f"liveness: {self._unrest()}")
            self.oracle.judge(self.hub, self.boards)

    def _add_board(self, name: str, owner: str, flash: Flash) -> Board:
        board = Board(self.world, self.oracle, self.plan.nodes, name, owner, flash, self.nodes_line)
        self.boards.append(board)
        return board

    # Messages.

    def _plan_messages(self) -> None:
        world, plan = self.world, self.plan
        left = plan.nodes.messages
        while left > 0:
            burst = min(left, world.chance.choice((1, 1, 2, 5, 12)))
            left -= burst
            world.after(world.between(0, plan.chaos_ms - 1), self._put_burst, burst)

    def _put_burst(self, count: int) -> None:
        board = self.world.chance.choice(self.boards)
        for _ in range(count):
            self._put(board, self.world.chance.choice(LANES))

    def _put(self, board: Board, lane: str) -> None:
        world, plan = self.world, self.plan.nodes
        if board.life is None:
            return
        self._puts += 1
        uid = f"{board.name}-{self._puts}"
        topic = f"{board.name}/{'alarm' if lane == 'alarm' else 'value'}"
        payload = f"{uid} {'.' * world.between(0, plan.payload_bytes_max)}".encode()
        retain = world.happens(plan.retain_rate)
        pairs = [("unit", "C")] if world.happens(plan.property_rate) else []
        packed = pack_properties([(key.encode(), value.encode()) for key, value in pairs])
        self.oracle.told[uid] = Told(
            board.name, lane, self._puts, topic.encode(), payload, retain, packed,
            WALL_START_MS + world.now_ms,
        )  # fmt: skip
        if world.happens(plan.nowait_rate):
            self.oracle.queued.add(uid)
            board.life.put_nowait(uid, topic, payload, retain, pairs)
        else:
            board.life.put(uid, topic, payload, retain, pairs)

    # Faults.

    def _plan_faults(self) -> None:
        plan, nodes = self.plan, self.plan.nodes
        for count, fault in (
            (nodes.crash_faults, self._crash_node),
            (nodes.rot_faults, self._rot),
            (nodes.full_flash_faults, self._fill_flash),
            (nodes.wifi_faults, self._lose_wifi),
            (nodes.cut_faults, self._cut_node),
            (nodes.intruders, self._intrude),
            (int(nodes.clone), self._clone),
            (int(nodes.restore_image) * 2, self._take_image),
            (int(nodes.restore_image), self._restore_image),
            (plan.crash_faults, self._crash_gateway),
            (plan.full_disk_faults, self._fill_disk),
            (plan.cut_faults, self._cut_gateway),
            (plan.receiver_faults, self._stop_hub),
            (plan.backup_faults * 2, self.hub.back_up),
            (plan.backup_faults, self.hub.restore),
            (int(plan.restore_gateway) * 2, self._take_gateway_image),
            (int(plan.restore_gateway), self._restore_gateway),
            (1, self._learn_time),
        ):
            for _ in range(count):
                self.world.after(self.world.between(0, plan.chaos_ms - 1), fault)

    def _board(self) -> Board:
        return self.world.chance.choice(self.boards)

    def _crash_node(self) -> None:
        self.world.meet("node loses power")
        self._board().crash()

    def _rot(self) -> None:
        flip(self.world, self.oracle, self._board().flash)

    def _fill_flash(self) -> None:
        """Other files take the room, for a while."""
        flash = self._board().flash
        flash.capacity_bytes = flash.stored_bytes + self.world.between(0, 2000)
        self.world.after(self.world.between(100, 10_000), self._empty_flash, flash)

    def _empty_flash(self, flash: Flash) -> None:
        flash.capacity_bytes = ROOMY_BYTES

    def _lose_wifi(self) -> None:
        self.world.meet("node without network")
        board = self._board()
        board.is_online = False
        self.world.after(self.world.between(10, 8000), self._find_wifi, board)

    def _find_wifi(self, board: Board) -> None:
        board.is_online = True

    def _cut_node(self) -> None:
        self.world.meet("node cut off")
        name = self._board().name
        self.nodes_line.cut.add(name)
        self.world.after(self.world.between(10, 10_000), self.nodes_line.cut.discard, name)

    def _intrude(self) -> None:
        intrude(self.world, self.gateway, self._board())

    def _clone(self) -> None:
        """A second board is given a copy of the flash."""
        self.world.meet("node cloned")
        self.world.note("node cloned")
        original = self.boards[0]
        self._add_board("clone", original.owner, original.flash.image()).start()

    def _take_image(self) -> None:
        self._images.append(self.boards[0].flash.image())

    def _restore_image(self) -> None:
        """An older image of the flash is written back."""
        if self._images:
            self.world.meet("node restored from an image")
            self.world.note("node restored from an image")
            board = self.boards[0]
            board.crash_for(lambda: self._replace_flash(board))

    def _replace_flash(self, board: Board) -> None:
        # What only the old content had is lost, and no software can help that.
        old = board.flash
        board.flash = self.world.chance.choice(self._images).image()
        self.oracle.excused |= set(old.names.values()) - board.flash.uids()

    def _crash_gateway(self) -> None:
        self.world.meet("gateway killed")
        self.gateway.crash()

    def _fill_disk(self) -> None:
        disk = self.gateway.disk
        disk.capacity_bytes = disk.stored_bytes + self.world.between(0, 2000)
        self.world.after(self.world.between(100, 10_000), self._empty_disk)

    def _empty_disk(self) -> None:
        self.gateway.disk.capacity_bytes = ROOMY_BYTES

    def _cut_gateway(self) -> None:
        self.world.meet("gateway cut off")
        self.line.cut.add(self.gateway.name)
        self.world.after(self.world.between(10, 10_000), self.line.cut.clear)

    def _stop_hub(self) -> None:
        self.world.meet("hub stopped")
        self.hub.is_up = False
        self.world.after(self.world.between(10, 5000), self.hub.restart)

    def _take_gateway_image(self) -> None:
        self._gateway_images.append(self.gateway.disk.image())

    def _restore_gateway(self) -> None:
        """An older image of the gateway's card goes on."""
        if self._gateway_images:
            self.world.meet("gateway restored from an image")
            self.world.note("gateway restored from an image")
            self.gateway.crash_for(self._replace_disk)

    def _replace_disk(self) -> None:
        old = self.gateway.disk
        image = self.world.chance.choice(self._gateway_images).image()
        self.gateway.disk = image
        self.oracle.lost_by_gateway(old.uids() - image.uids())

    def _learn_time(self) -> None:
        self.gateway.knows_time = True
        if self.gateway.process is not None:
            self.gateway.process.read_clock()

    # Rest.

    def _heal(self) -> None:
        world = self.world
        world.is_healed = True
        world.note("heal")
        self.line.cut.clear()
        self.nodes_line.cut.clear()
        self.hub.heal()
        self._empty_disk()
        self.gateway.start()
        for board in self.boards:
            board.flash.capacity_bytes = ROOMY_BYTES
            board.is_online = True
            board.start()
        world.after(LAST_MS, self._put_last)

    def _put_last(self) -> None:
        for board in self.boards:
            for lane in LANES:
                self._put(board, lane)
        self._is_last_out = True

    def _is_at_rest(self) -> bool:
        return self._is_last_out and not self._unrest()

    def _unrest(self) -> str:
        """Return what is not at rest yet."""
        process = self.gateway.process
        if process is None or not process.gateway.node or process.source.machine is None:
            return "the gateway does not run"
        if process.source.machine.state != RUNNING or not process.source.is_idle:
            return f"the machine of nodes is {process.source.machine.state}"
        for board in self.boards:
            if board.life is None or not board.life.gateway.node:
                return f"{board.name} does not run"
            waits = self._unrest_of(board.name, board.life.gateway)
            if waits:
                return waits
        return self._unrest_of("gateway", process.gateway)

    def _unrest_of(self, name: str, gateway) -> str:
        for sender in gateway.uplink.senders:
            lane = sender.lane
            if sender.state != READY or sender.next <= lane.last or lane.held_records:
                return f"{name} {lane.name} is {sender.state}, holds {lane.held_records}"
        return "" if gateway.line.state == UP else f"{name}: the link is {gateway.line.state}"


@contextmanager
def bounded(plan: Plan) -> "Iterator[None]":
    """Make pages of notes as small as the plan says: their edges are met at once then."""
    before = machine.PAGE_NOTES
    machine.PAGE_NOTES = plan.page_notes
    try:
        yield
    finally:
        machine.PAGE_NOTES = before
