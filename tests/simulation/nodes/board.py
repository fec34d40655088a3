"""A board: flash, clocks, radio, and the program of a node on it, which may die at any effect.

The program is what a board runs (`Node`, `Shell`, `NodeSource`, `GuardedLink`, the segment log),
with what the platform brings along replaced: the medium, the socket, clock and radio.
"""

from simulation.node import ProcessDeath
from simulation.nodes.flash import Flash, FlashMedium
from simulation.nodes.node_link import NodeLink
from simulation.nodes.reopening import TURNS, check_reopened
from simulation.nodes.watched_log import WatchedLog
from simulation.world import WALL_START_MS
from tidegate.delivery.chance import Chance
from tidegate.delivery.line import AlwaysOpen, Line
from tidegate.errors import StorageError
from tidegate.events import ClockRead
from tidegate.gateway import Gateway
from tidegate.records.clock import SET, SYNCHRONISED
from tidegate.records.filters import FilterMap
from tidegate.store.samples import Samples
from tidegate_micropython.link import GuardedLink
from tidegate_micropython.node import Node
from tidegate_micropython.shell import BOOTS_MAX, Shell
from tidegate_micropython.source import NAME, NodeSource

DOWN_MS_MAX = 3000
YEAR_2000_MS = 946_684_800_000  # What a clock shows that was never set.
HOUR_MS = 3_600_000


class Board:
    """The machine; its program comes and goes."""

    def __init__(self, world, oracle, plan, name: str, owner: str, flash: Flash, line) -> None:
        self.world, self.oracle, self.plan, self.line = world, oracle, plan, line
        self.name, self.owner, self.flash = name, owner, flash
        self.is_online = True
        self.life: Life | None = None
        self._work = None
        self.boot_identity = ""
        self._reboot()

    def start(self) -> None:
        """Start the program, unless it runs."""
        if self.life is None:
            self.life = Life(self)
            self.life.start()

    def crash(self) -> None:
        """Have the power fail."""
        if self.life is not None:
            self.life.die()

    def crash_for(self, work) -> None:
        """Have the power fail, and do `work` before it comes back."""
        self._work = work
        if self.life is None:
            self._do_work()
        else:
            self.crash()

    def died(self) -> None:
        """Come up again after a while, mostly with a new boot."""
        self.life = None
        self._do_work()
        if self.world.chance.random() < self.plan.reboot_rate:
            self._reboot()
        down_ms = 1 if self.world.is_healed else self.world.between(1, DOWN_MS_MAX)
        self.world.after(down_ms, self.start)

    def now_ms(self) -> int:
        """Return the monotonic clock."""
        return self.world.now_ms - self.boot_started_ms

    def wall_ms(self) -> tuple[int, int]:
        """Return what the wall clock shows, and its quality."""
        true_ms = WALL_START_MS + self.world.now_ms
        if self.is_synchronised:
            return true_ms, SYNCHRONISED
        return true_ms + self._error_ms, SET

    def synchronise(self) -> bool:
        """Ask the time server, if there is one and it is due; tell whether it has answered."""
        if self.is_synchronised or self.world.now_ms < self._synchronises_at_ms:
            return False
        self.is_synchronised = True
        return True

    def _do_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()

    def _reboot(self) -> None:
        world = self.world
        if self.boot_identity:
            world.meet("board rebooted")
        self.boot_identity = f"{world.chance.getrandbits(64):016x}"
        self.boot_started_ms = world.now_ms
        self.is_synchronised = False
        never_set_ms = YEAR_2000_MS - WALL_START_MS - world.now_ms
        self._error_ms = world.chance.choice((never_set_ms, 0, world.between(-HOUR_MS, HOUR_MS)))
        self._synchronises_at_ms = 1 << 60
        if world.chance.random() < self.plan.clock_rate:
            self._synchronises_at_ms = world.now_ms + world.between(0, 20_000)


class Life:
    """One run of the program, and what it has of a board: clock, radio, LED, log of events."""

    def __init__(self, board: Board) -> None:
        self.board, self.world, self.plan = board, board.world, board.plan
        self.name = board.name
        self.identity = board.boot_identity
        self.is_started = self.is_dead = False
        self.medium: FlashMedium | None = None
        self.log: WatchedLog | None = None
        self.node_link: NodeLink | None = None
        self._wake_ms: int | None = None
        self._turns = 0
        settings = self.plan.settings
        chance = Chance(self.world.chance.getrandbits(64))
        pairs = [(topic.encode(), lane.name) for lane in settings.lanes for topic in lane.topics]
        lane_of = FilterMap(pairs, 32)
        line = Line(settings.uplink.retry_max_s * 1000, AlwaysOpen(), chance)
        self.link = GuardedLink(self._make_link)
        self.gateway = Gateway(
            settings, [NAME], self.identity, chance, Samples(lane_of), line, BOOTS_MAX
        )
        urgent = [lane.name for lane in settings.lanes if lane.urgent]
        source = NodeSource(settings.journal, lane_of, urgent)
        self.shell = WatchedShell(
            settings, source, self.gateway, self, self, self, self._open_medium, self.link, self,
            chance,
        )  # fmt: skip
        self.shell.life = self
        self.node = Node(settings, self.shell, self, self, self)
        self._numbers = chance

    def start(self) -> None:
        """Begin."""
        self.shell.uses_network = True
        self._do(self.shell.start)
        self.is_started = True

    def put(self, uid: str, topic: str, payload: bytes, retain: bool, properties) -> None:
        """Have the sketch put a record, and hear whether it is stored."""
        self._do(lambda: self._put(uid, topic, payload, retain, properties))

    def put_nowait(self, uid: str, topic: str, payload: bytes, retain: bool, properties) -> None:
        """Have the sketch queue a record."""
        self._do(lambda: self.node.put_nowait(topic, payload, retain, properties))

    @property
    def is_broken(self) -> bool:
        """Tell whether a step was broken off by a full heap."""
        return self.shell._is_broken

    def stir(self) -> None:
        """Something has come in: take a turn soon, as a loop that polls its sockets does."""
        self.world.after(0, self._turn)

    def die(self) -> None:
        """Lose power."""
        if self.is_dead:
            return
        self.is_dead = True
        if self.medium is not None:
            self.medium.lose_power()
        if self.node_link is not None:
            self.node_link.is_dead = True
        self.board.died()

    def crash_point(self, site: str) -> None:
        """Die here, perhaps."""
        if self.world.happens(self.plan.crash_rates[site]):
            self.world.meet(f"node dies at {site}")
            self.world.note(f"{self.name} dies at {site}")
            raise ProcessDeath(site)

    def _put(self, uid: str, topic: str, payload: bytes, retain: bool, properties) -> None:
        try:
            self.node.put(topic, payload, retain, properties)
        except StorageError as error:
            self.world.meet(f"put raises {error.kind}")
            return
        self.world.note(f"{uid} is stored")
        self.board.oracle.stored(uid)

    def _turn(self) -> None:
        if not self.is_dead:
            self._do(self.shell.turn)

    def _do(self, work) -> None:
        try:
            work()
        except ProcessDeath:
            self.die()
            return
        self.board.oracle.check_node(self)
        self._turns += 1
        if self._turns % TURNS == 0:
            check_reopened(self)
        self._arm()

    def _arm(self) -> None:
        at_ms = max(self.now_ms() + 1, self.shell.deadline_ms(self.now_ms()))
        if self._wake_ms is None or at_ms < self._wake_ms:
            self._wake_ms = at_ms
            self.world.after(at_ms - self.now_ms(), self._wake, at_ms)

    def _wake(self, at_ms: int) -> None:
        if at_ms == self._wake_ms:
            self._wake_ms = None
            self._turn()

    def _open_medium(self, _ballast_bytes: int) -> FlashMedium:
        self.medium = FlashMedium(self.world, self, self.board.flash, self.plan)
        return self.medium

    def _make_link(self, node: str) -> NodeLink:
        self.node_link = NodeLink(self, node, self._numbers)
        return self.node_link

    # The clock.

    slept = False

    def now_ms(self) -> int:
        return self.board.now_ms()

    def read(self) -> ClockRead:
        return ClockRead(*self.board.wall_ms())

    def synchronise(self) -> bool:
        return self.board.synchronise()

    # The radio.

    @property
    def online(self) -> bool:
        return self.board.is_online

    def poll(self, now_ms: int) -> None:
        """Nothing to do: the world says what there is."""

    def deadline_ms(self) -> None:
        """Never."""

    # The LED, the watchdog and the log.

    def show(self, pattern: int, now_ms: int) -> None:
        """Nobody looks."""

    def feed(self) -> None:
        """No watchdog bites here: what is stuck is found by the liveness check."""

    def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        self.world.note(f"{self.name} {level} {event} {fields}")
        self.world.meet(f"node reports {event}")
        self.board.oracle.node_reported(self.board, event)
        if self.is_started:
            self.crash_point("report")


class WatchedShell(Shell):
    """The shell, whose log tells the oracle what goes into it."""

    life: Life

    def _open_journal(self) -> WatchedLog:
        self.life.crash_point("open")
        self.life.log = WatchedLog(super()._open_journal(), self.life)
        return self.life.log
