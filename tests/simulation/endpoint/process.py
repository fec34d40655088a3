"""One life of the gateway: the real engine and gateway around a medium that may fail.

It may die after any effect, in the middle of a flush, and at any moment between; while a commit
runs, the loop of the endpoint goes on.
"""

from simulation.endpoint.endpoint import Endpoint
from simulation.endpoint.journal import Disk, Journal
from tidegate.composition import compose
from tidegate.delivery.chance import Chance
from tidegate.engine import Engine
from tidegate.errors import STORAGE_IO, StorageError
from tidegate.events import Arrived
from tidegate.gateway import LISTEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulation.endpoint.wire import Wire
    from tidegate.events import Event

DOWN_MS_MAX = 2000


class ProcessDeath(Exception):  # noqa: N818 - it ends a life, it is no error.
    """Carry the death of a process out of whatever it was doing."""


class Node:
    """The machine: a medium, and a process on it that may die at any moment."""

    def __init__(self, world, plan, oracle) -> None:
        self.world, self.plan, self.oracle = world, plan, oracle
        self.disk = Disk(oracle)
        oracle.disk = self.disk
        self.process: Process | None = None

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self.process is None:
            self.process = Process(self)
            self.process.run()

    def crash(self) -> None:
        """Kill the process from outside."""
        if self.process is not None:
            self.process.kill()

    def connect(self, client) -> "Wire | None":
        """Return a connection to the gateway, None where nobody listens."""
        if self.process is None:
            return None
        return self.process.endpoint.accept(client)

    def died(self) -> None:
        """Come up again after a while."""
        self.process = None
        down_ms = 1 if self.world.is_healed else self.world.between(1, DOWN_MS_MAX)
        self.world.after(down_ms, self.start)


class Process:
    """One life."""

    def __init__(self, node: Node) -> None:
        self.node, self.world, self.plan = node, node.world, node.plan
        self.journal: Journal | None = None
        self.is_dead = False
        self._is_busy = False
        self._is_started = False
        self._is_step_due = False
        self._wake_ms: int | None = None
        self._inbox: list[Event] = []
        self._arrivals: list[Arrived] = []  # Of this step.
        self.endpoint = Endpoint(self)
        identity = f"{self.world.chance.getrandbits(64):016x}"
        chance = Chance(self.world.chance.getrandbits(64))
        gateway = compose(self.plan.gateway, [LISTEN], identity, chance)
        self._engine = Engine(gateway, self._open_journal, [self.endpoint], None, observer=self)

    def run(self) -> None:
        """Do one step as the engine's thread; the process may die of it."""
        self._is_step_due = False
        if self.is_dead or self._is_busy:
            return
        self._is_busy = True
        events, self._inbox = self._inbox, []
        self._arrivals = [event for event in events if isinstance(event, Arrived)]
        try:
            if self._is_started:
                self._engine.step(events, self.world.now_ms)
            else:
                self._is_started = True
                self._engine.start(self.deliver, self.world.now_ms)
        except ProcessDeath:
            self._die()
            return
        self._is_busy = False
        if self._inbox:
            self._step_soon()
        self._set_alarm()

    def deliver(self, event: "Event") -> None:
        """Put an event into the inbox."""
        if not self.is_dead:
            self._inbox.append(event)
            self._step_soon()

    def kill(self) -> None:
        """Die now; in a flush, at its end."""
        if self._is_busy:
            self.endpoint.die()
            self.is_dead = True
        else:
            self._die()

    def loop_dies(self, site: str) -> bool:
        """Tell whether the process dies here, in the loop's thread, and let it."""
        if not self.world.happens(self.plan.crash_rates[site]):
            return False
        self.world.meet(f"dies at {site}")
        self.world.note(f"dies at {site}")
        self.kill()
        return True

    # What the ports say.

    def crash_point(self, site: str) -> None:
        """Die here, in the engine's thread, perhaps."""
        if self.world.happens(self.plan.crash_rates[site]):
            self.world.meet(f"dies at {site}")
            self.world.note(f"dies at {site}")
            raise ProcessDeath(site)

    def flush_slowly(self) -> None:
        """Let the world go on while the medium works."""
        if self.plan.sync_ms and not self.world.is_healed:
            flush_ms = self.world.between(0, self.plan.sync_ms)
            self.world.run(self.world.now_ms + flush_ms)
        if self.is_dead:
            self.world.meet("dies in a flush")
            raise ProcessDeath("flush")

    def refuse_arrivals(self) -> None:
        """There is no room for what came in: the policy drops it."""
        for arrival in self._arrivals:
            self.node.oracle.dropped([message.payload for message in arrival.messages])

    def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Take a report, as the observer."""
        self.world.note(f"{level} {event} {fields}")
        self.world.meet(f"report {event}")

    def _open_journal(self) -> Journal:
        if self.world.happens(self.plan.open_rate):
            raise StorageError(STORAGE_IO, "planted at open")
        self.journal = Journal(self.world, self, self.node.disk, self.plan.storage_rate)
        self.crash_point("open")
        return self.journal

    def _die(self) -> None:
        self.is_dead = True
        self.world.note("the process is dead")
        self.endpoint.die()
        if self.journal is not None:
            self.journal.lose_power()
        self.node.died()

    def _step_soon(self) -> None:
        if not self._is_step_due and not self._is_busy:
            self._is_step_due = True
            self.world.after(self.world.between(0, 1), self.run)

    def _set_alarm(self) -> None:
        at_ms = self._engine.deadline_ms(self.world.now_ms)
        if at_ms is None or (self._wake_ms is not None and self._wake_ms <= at_ms):
            return
        self._wake_ms = at_ms
        self.world.after(max(0, at_ms - self.world.now_ms), self._wake)

    def _wake(self) -> None:
        self._wake_ms = None
        if not self.is_dead and not self._is_busy:
            self.run()
