"""A node: a medium, a machine with a clock, and a process on it that may die after every effect.

The process is the real engine around the real gateway.  While it flushes, the world goes on:
connections come and go, messages wait in its inbox.  Two lives of a process share nothing but the
medium; a reboot starts the monotonic clock and the boot's identity anew.
"""

from simulation.broker import Broker
from simulation.disk import SimDisk, SimJournal
from simulation.link import Line, SimLink
from simulation.oracle import Oracle
from simulation.plan import Plan
from simulation.receiver import Receiver
from simulation.source import SimSource
from simulation.world import World
from tidegate.composition import compose
from tidegate.delivery.chance import Chance
from tidegate.engine import Engine
from tidegate.errors import STORAGE_IO, StorageError
from tidegate.events import ClockRead
from tidegate.records.clock import SET, SYNCHRONISED, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.events import Event

DOWN_MS_MAX = 3000


class ProcessDeath(Exception):  # noqa: N818 - it ends a life, it is no error.
    """Carry the death of a process out of whatever it was doing."""


class Node:
    """One machine with its medium, its brokers and its line."""

    def __init__(
        self, world: World, oracle: Oracle, plan: Plan, name: str, disk: SimDisk,
        brokers: list[Broker], receiver: Receiver, line: Line,
    ) -> None:  # fmt: skip
        self.name = name
        self.disk = disk
        self.brokers = brokers
        self.process: Process | None = None
        self.oracle = oracle
        self.plan = plan
        self.world = world
        self.receiver = receiver
        self.line = line
        self.boot_started_ms = world.now_ms
        self.boot_identity = ""
        self.is_retired = False
        self._work = None
        self._reboot()

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self.process is None and not self.is_retired:
            self.process = Process(self)
            self.process.run(lambda: None)

    def crash(self) -> None:
        """Kill the process from outside."""
        if self.process is not None:
            self.process.kill()

    def crash_for(self, work) -> None:
        """Kill the process, and do `work` before it starts again."""
        self._work = work
        if self.process is None:
            self._do_work()
        else:
            self.crash()

    def _do_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()
            self._reboot()

    def died(self) -> None:
        """Come up again after a while, sometimes with the whole machine."""
        self.process = None
        self._do_work()
        if self.world.happens(0.3):
            self._reboot()
        self.world.after(self.world.between(1, DOWN_MS_MAX), self.start)

    def retire(self) -> None:
        """End it for good."""
        self.is_retired = True
        self.crash()

    def _reboot(self) -> None:
        if self.boot_identity:
            self.world.meet("machine rebooted")
        self.boot_identity = f"{self.world.chance.getrandbits(64):016x}"
        self.boot_started_ms = self.world.now_ms


class Process:
    """One life of the gateway's process."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.world = node.world
        self.plan = node.plan
        self.journal: SimJournal | None = None
        self._is_dead = False
        self._is_busy = False
        self._dies_after_flush = False
        self._inbox: list[Event] = []
        self._is_step_due = False
        self._wake_ms: int | None = None
        self.sources = [
            SimSource(self.world, self, broker, self.plan, index == 0)
            for index, broker in enumerate(node.brokers)
        ]
        self._link = SimLink(self.world, self, node.receiver, node.line, self.plan)
        self.gateway = compose(
            self.plan.settings,
            [source.name for source in self.sources],
            node.boot_identity,
            Chance(self.world.chance.getrandbits(64)),
        )
        self._engine = Engine(
            self.gateway, self._open_journal, self.sources, self._link, observer=self
        )
        self._is_started = False

    def clock_ms(self) -> int:
        """Return the machine's monotonic clock."""
        return self.world.now_ms - self.node.boot_started_ms

    def run(self, work) -> None:
        """Do one piece of work as the engine's thread; the process may die of it."""
        self._is_busy = True
        before = self._sender_states()
        try:
            if not self._is_started:
                self._is_started = True
                self._engine.start(self.deliver, self.clock_ms())
            else:
                work()
        except ProcessDeath:
            self._die()
            return
        self._is_busy = False
        if not self._inbox:
            self._link.settle()
        self.node.oracle.check_node(self)
        for old, new in zip(before, self._sender_states(), strict=False):
            if old != new:
                self.world.meet(f"sender goes from {old} to {new}")
        self._set_alarm()
        if self._inbox:
            self._step_soon()

    def deliver(self, event: "Event") -> None:
        """Put an event into the inbox."""
        if not self._is_dead:
            self._inbox.append(event)
            self._step_soon()

    def read_clock(self) -> None:
        """Hand the wall clock over, as it stands."""
        if self._is_dead:
            return
        quality = self.world.chance.choice((UNKNOWN, SET, SET, SYNCHRONISED))
        self.deliver(ClockRead(self.world.now_ms + self.world.wall_offset_ms, quality))

    def kill(self) -> None:
        """Die now, or at the end of the flush that is under way."""
        if self._is_busy:
            self._dies_after_flush = True
        else:
            self._die()

    # What the ports say.

    def is_hit(self, site: str) -> bool:
        """Tell whether the process dies here."""
        return self.world.happens(self.plan.crash_rates[site])

    def crash_point(self, site: str) -> None:
        """Die here, perhaps."""
        if self.is_hit(site):
            self.crash(site)

    def crash(self, site: str) -> None:
        """Die here."""
        self.world.meet(f"dies after {site}")
        self.world.note(f"{self.node.name} dies after {site}")
        raise ProcessDeath(site)

    def flush_slowly(self) -> None:
        """Let the world go on while the medium works."""
        if not self.plan.sync_ms or self.world.is_healed:
            return
        flush_ms = self.world.between(0, self.plan.sync_ms)
        if self.world.happens(self.plan.flush_fault_rate):
            self.world.after(self.world.between(0, flush_ms), self._lose_a_connection)
        self.world.run(self.world.now_ms + flush_ms)
        if self._dies_after_flush:
            self.world.meet("dies in a flush")
            raise ProcessDeath("flush")

    def _lose_a_connection(self) -> None:
        """Have a broker restart, or only its connection end, while the medium works."""
        self.world.meet("a connection is lost in a flush")
        source = self.world.chance.choice(self.sources)
        if self.world.happens(0.5):
            source.drop()
        else:
            source.broker.kill(not self.world.happens(self.plan.forget_session_rate))
            self.world.after(self.world.between(1, 20), source.broker.start)

    def acknowledged(self, uid: str) -> None:
        """Take note that a source sends an acknowledgement."""
        self.node.oracle.acknowledged(uid)

    def report(self, level: str, event: str, fields: list[tuple[str, object]]) -> None:
        """Take a report, as the observer."""
        self.world.note(f"{self.node.name} {level} {event} {fields}")
        self.world.meet(f"report {event}")
        self.node.oracle.reported(event)
        self.crash_point("report")

    def _sender_states(self) -> list[str]:
        """Return the states between two steps; placing, fetching and comparing end within one."""
        uplink = self.gateway.uplink
        return [] if uplink is None else [sender.state for sender in uplink.senders]

    def _open_journal(self) -> SimJournal:
        if self.world.happens(self.plan.open_rate):
            self.world.meet("the journal does not open")
            raise StorageError(STORAGE_IO, "planted at open")
        self._link.forget()
        self.journal = SimJournal(self.world, self, self.node.disk, self.plan.storage_rate)
        self.crash_point("open")
        return self.journal

    def _step_soon(self) -> None:
        if not self._is_step_due and not self._is_busy:
            self._is_step_due = True
            self.world.after(0, self._step)

    def _step(self) -> None:
        self._is_step_due = False
        if self._is_dead or self._is_busy:
            return
        events, self._inbox = self._inbox, []
        self.run(lambda: self._engine.step(events, self.clock_ms()))

    def _set_alarm(self) -> None:
        at_ms = self._engine.deadline_ms(self.clock_ms())
        if at_ms is None:
            self._wake_ms = None
        elif at_ms != self._wake_ms:
            self._wake_ms = at_ms
            self.world.after(max(0, at_ms - self.clock_ms()), self._wake, at_ms)

    def _wake(self, at_ms: int) -> None:
        if at_ms == self._wake_ms and not self._is_dead:
            self._wake_ms = None
            self._step_soon()

    def _die(self) -> None:
        if self._is_dead:
            return
        self._is_dead = True
        self._is_busy = False
        if self.journal is not None:
            self.journal.lose_power()
        for source in self.sources:
            source.close()
        self._link.close()
        self.node.died()
