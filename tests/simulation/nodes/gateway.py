"""The gateway: the real engine, gateway and machine of nodes on the model journal.

`NodesSource` stands for `nodes/receiver.py`, its thread: what the engine leaves and what nodes ask
are words in one queue, and anything may come between two of them.  The process may die after any
effect, in a flush, and between two words.
"""

from simulation.disk import SimJournal
from simulation.link import Line, SimLink
from simulation.node import ProcessDeath
from simulation.nodes.gateway_disk import GatewayDisk
from simulation.world import WALL_START_MS
from tidegate.composition import compose
from tidegate.delivery.chance import Chance
from tidegate.engine import Engine
from tidegate.errors import STORAGE_IO, StorageError
from tidegate.events import Arrived, ClockRead
from tidegate.gateway import NODES
from tidegate.records.clock import SYNCHRONISED, UNKNOWN
from tidegate_linux.endpoint.access.topics import BatchTopics
from tidegate_linux.nodes.asking import ask
from tidegate_linux.nodes.machine import NodeMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.events import Event
    from tidegate_linux.endpoint.broker.requests import Place

DOWN_MS_MAX = 2000


class GatewayMachine:
    """The machine: a medium, a clock, and a process that comes and goes."""

    name = "gateway"

    def __init__(self, world, plan, oracle, hub, line: Line) -> None:
        self.world, self.plan, self.oracle, self.hub, self.line = world, plan, oracle, hub, line
        identity = f"{world.chance.getrandbits(64):016x}"
        self.disk = GatewayDisk(world, oracle, ["alarm", "main"], identity)
        self.process: Process | None = None
        self.knows_time = not plan.clock_is_late
        self._work = None
        self._reboot()

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self.process is None:
            self.process = Process(self)
            self.process.run()

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

    def ask(self, place: "Place", payload: bytes, owner: str, reply) -> None:
        """Take a request of a node; without a process nobody answers."""
        if self.process is not None:
            self.process.source.ask(place, payload, owner, reply)

    def died(self) -> None:
        """Come up again after a while, sometimes with the whole machine."""
        self.process = None
        self._do_work()
        if self.world.happens(0.3):
            self._reboot()
        down_ms = 1 if self.world.is_healed else self.world.between(1, DOWN_MS_MAX)
        self.world.after(down_ms, self.start)

    def _do_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()
            self._reboot()

    def _reboot(self) -> None:
        self.boot_identity = f"{self.world.chance.getrandbits(64):016x}"
        self.boot_started_ms = self.world.now_ms


class Process:
    """One life of the gateway's process."""

    def __init__(self, machine: GatewayMachine) -> None:
        self.node = machine  # As the line to the hub calls it.
        self.world, self.plan, self.oracle = machine.world, machine.plan, machine.oracle
        self.journal: SimJournal | None = None
        self.is_dead = False
        self._is_busy = self._is_started = self._is_step_due = False
        self._is_clock_due = True
        self._wake_ms: int | None = None
        self._inbox: list[Event] = []
        self.source = NodesSource(self)
        self._link = SimLink(self.world, self, machine.hub, machine.line, self.plan)
        chance = Chance(self.world.chance.getrandbits(64))
        self.gateway = compose(self.plan.settings, [NODES], machine.boot_identity, chance)
        self._engine = Engine(
            self.gateway, self._open_journal, [self.source], self._link, observer=self
        )

    def clock_ms(self) -> int:
        """Return the machine's monotonic clock."""
        return self.world.now_ms - self.node.boot_started_ms

    def run(self) -> None:
        """Do one step as the engine's thread; the process may die of it."""
        self._is_step_due = False
        if self.is_dead or self._is_busy:
            return
        self._is_busy = True
        events, self._inbox = self._inbox, []
        if self._is_clock_due and self._is_started:
            self._is_clock_due = False
            quality = SYNCHRONISED if self.node.knows_time else UNKNOWN
            events.append(ClockRead(WALL_START_MS + self.world.now_ms, quality))
        self.node.disk.arrivals = [event for event in events if isinstance(event, Arrived)]
        try:
            if self._is_started:
                self._engine.step(events, self.clock_ms())
            else:
                self._is_started = True
                self._engine.start(self.deliver, self.clock_ms())
        except ProcessDeath:
            self._die()
            return
        self._is_busy = False
        if self._inbox or self._is_clock_due:
            self._step_soon()
        if not self._inbox:
            self._link.settle()
        self.oracle.check_gateway(self)
        self._set_alarm()

    def deliver(self, event: "Event") -> None:
        """Put an event into the inbox."""
        if not self.is_dead:
            self._inbox.append(event)
            self._step_soon()

    def read_clock(self) -> None:
        """Hand the wall clock over, as it stands, with the next step."""
        self._is_clock_due = True
        self._step_soon()

    def kill(self) -> None:
        """Die now; in a flush, at its end."""
        if self._is_busy:
            self.is_dead = True
        else:
            self._die()

    # What the ports say.

    def crash_point(self, site: str) -> None:
        """Die here, perhaps."""
        if self.world.happens(self.plan.crash_rates[site]):
            self.world.meet(f"gateway dies at {site}")
            self.world.note(f"gateway dies at {site}")
            raise ProcessDeath(site)

    def flush_slowly(self) -> None:
        """Let the world go on while the medium works."""
        if self.plan.sync_ms and not self.world.is_healed:
            flush_ms = self.world.between(0, self.plan.sync_ms)
            self.world.run(self.world.now_ms + flush_ms)
        if self.is_dead:
            self.world.meet("gateway dies in a flush")
            raise ProcessDeath("flush")

    def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Take a report, as the observer."""
        self.world.note(f"gateway {level} {event} {fields}")
        self.world.meet(f"gateway reports {event}")
        self.oracle.gateway_reported(event)
        self.crash_point("report")

    def _open_journal(self) -> SimJournal:
        if self.world.happens(self.plan.open_rate):
            raise StorageError(STORAGE_IO, "planted at open")
        self._link.forget()
        self.journal = SimJournal(self.world, self, self.node.disk, self.plan.storage_rate)
        self.crash_point("open")
        return self.journal

    def _die(self) -> None:
        self.is_dead = True
        self.world.note("the gateway is dead")
        if self.journal is not None:
            self.journal.lose_power()
        self._link.close()
        self.node.died()

    def _step_soon(self) -> None:
        if not self._is_step_due and not self._is_busy:
            self._is_step_due = True
            self.world.after(self.world.between(0, 1), self.run)

    def _set_alarm(self) -> None:
        at_ms = self._engine.deadline_ms(self.clock_ms())
        if at_ms is None or (self._wake_ms is not None and self._wake_ms <= at_ms):
            return
        self._wake_ms = at_ms
        self.world.after(max(0, at_ms - self.clock_ms()), self._wake)

    def _wake(self) -> None:
        self._wake_ms = None
        self._step_soon()


class NodesSource:
    """The port `Source` around the machine, its words taken by and by."""

    name = NODES

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        self._oracle = process.oracle
        settings = process.plan.settings
        self._topics = BatchTopics(settings.endpoint, settings.access)
        self.machine: NodeMachine | None = None
        self._words: list = []
        self._is_called = False
        self._unanswered = 0

    # The port, in the engine's thread.

    def start(self, deliver) -> None:
        self.machine = NodeMachine(deliver, self._new_identity, self)
        self._leave_word(self.machine.load)

    def acknowledge(self, generation: int, tokens: "list[object]") -> None:
        self._leave_word(self._acknowledged, generation, tokens)
        self._process.crash_point("acknowledge")

    def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
        self._world.meet("a batch is refused for want of room")
        self._leave_word(self._acknowledged, generation, tokens)
        self._process.crash_point("refuse")

    def found(self, generation: int, pairs) -> None:
        if len(pairs) == self._process.plan.page_notes:
            self._world.meet("a full page of notes")
        self._leave_word(self.machine.found, generation, pairs)
        self._process.crash_point("found")

    def pause(self, reason: str) -> None:
        self._world.meet(f"paused: {reason}")
        self._leave_word(self.machine.pause)
        self._process.crash_point("pause")

    def resume(self) -> None:
        self._leave_word(self.machine.resume)
        self._process.crash_point("resume")

    def status(self) -> "dict[str, object]":
        return {"state": "connected"}

    def close(self) -> None:
        """Nothing to close."""

    # For whoever asks.

    def ask(self, place: "Place", payload: bytes, owner: str, reply) -> None:
        """Answer a request of a node."""
        if self.machine is None:
            return
        self._unanswered += 1
        answers: list[bytes] = []

        def answered(answer: bytes) -> None:
            self._unanswered -= 1
            answers.append(answer)
            self._oracle.check_answer(self._process, answers)
            reply(answer)

        judge = self._topics.judge_of(owner, "")
        self._leave_word(ask, self, place, payload, owner, judge, answered)

    def receive(
        self, name: str, owner: str, body: bytes, reply, deflated: bool = True, judge=None
    ) -> None:
        self.machine.receive(name, owner, body, self._process.clock_ms(), reply, deflated, judge)

    def standing(self, name: str, owner: str, at_text: str, reply) -> None:
        self.machine.standing(name, owner, at_text, self._process.clock_ms(), reply)

    def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Take a report of the machine."""
        self._world.note(f"gateway {level} {event} {fields}")
        self._world.meet(f"gateway reports {event}")
        self._oracle.gateway_reported(event)

    @property
    def is_idle(self) -> bool:
        """Tell whether everybody has an answer."""
        return not self._unanswered

    def _acknowledged(self, generation: int, tokens: "list[object]") -> None:
        if generation != self.machine.generation:
            self._world.meet("an acknowledgement of an old generation")
        self.machine.acknowledged(generation, tokens, self._process.clock_ms())

    def _leave_word(self, word, *arguments) -> None:
        self._words.append((word, arguments))
        if not self._is_called:
            self._is_called = True
            self._world.after(self._world.between(0, self._process.plan.loop_ms), self._take)

    def _take(self) -> None:
        self._is_called = False
        words, self._words = self._words, []
        for word, arguments in words:
            if self._process.is_dead:
                return
            word(*arguments)

    def _new_identity(self) -> str:
        return f"{self._world.chance.getrandbits(64):016x}"
