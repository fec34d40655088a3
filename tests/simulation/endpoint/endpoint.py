"""What stands for the source and its thread (`source`, `endpoint`, `transport`): no sockets.

The real broker, codec and turn queue; the words that the engine leaves, one look a pass of the
loop, reads that stop while a connection is held.  Everything is an event of the world, so that
anything may come between any two of them.
"""

from simulation.endpoint.wire import Wire
from tidegate.gateway import LISTEN
from tidegate_linux.endpoint import turn_queue
from tidegate_linux.endpoint.access.rules import Rules
from tidegate_linux.endpoint.broker.broker import Broker, Connection, Peer


class Endpoint:
    """The port Source around the broker, as `endpoint/source.py` is."""

    name = LISTEN

    def __init__(self, process) -> None:
        self._process, self._world, self._plan = process, process.world, process.plan
        self._oracle = process.node.oracle
        self._listener = self._plan.gateway.listeners[0]
        self.broker = Broker(self._plan.endpoint, Rules(()), self._new_id)
        self.broker.know_users(False)
        self.broker.hold(True)
        self.turn_queue: turn_queue.TurnQueue | None = None
        self._words: list = []
        self._is_called = self._is_stirred = self._is_serving = self._is_dead = False
        self._wires: dict[Connection, Wire] = {}
        self._tick_ms: int | None = None

    # The port, in the engine's thread.

    def start(self, deliver) -> None:
        self.turn_queue = turn_queue.TurnQueue(LISTEN, deliver, Ear(self))
        self._leave_word(self.turn_queue.load)

    def acknowledge(self, generation: int, tokens: "list[object]") -> None:
        self._leave_word(self.turn_queue.acknowledged, generation, tokens, False)
        self._process.crash_point("acknowledge")

    def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
        self._world.meet("a turn is refused")
        self._leave_word(self.turn_queue.acknowledged, generation, tokens, True)
        self._process.crash_point("refuse")

    def found(self, generation: int, pairs) -> None:
        self._leave_word(self.turn_queue.found, generation, pairs)
        self._process.crash_point("found")

    def pause(self, reason: str) -> None:
        self._world.meet("paused")
        self._leave_word(self.turn_queue.pause)
        self._process.crash_point("pause")

    def resume(self) -> None:
        self._leave_word(self.turn_queue.resume)
        self._process.crash_point("resume")

    def status(self) -> "dict[str, object]":
        return {"state": self.turn_queue.state if self.turn_queue else "connecting"}

    def close(self) -> None:
        self.die()

    # The loop's thread.

    def accept(self, client) -> Wire | None:
        """Take a connection, once the notes are read."""
        if not self._is_serving or self._is_dead:
            return None
        wire = Wire(self._world, self._plan, client, self)
        connection = self.broker.opened(Peer(self._listener, "192.0.2.1", ""), self._world.now_ms)
        wire.connection = connection
        self._wires[connection] = wire
        return wire

    def die(self) -> None:
        """Be gone, with all connections."""
        if self._is_dead:
            return
        self._is_dead = True
        for wire in self._wires.values():
            wire.die()

    def readable(self, wire: Wire) -> None:
        """Something has come in, or the end."""
        if not wire.is_read_due and not self._is_dead:
            wire.is_read_due = True
            self._world.after(self._lateness_ms(), self._read, wire)

    def writable(self, wire: Wire) -> None:
        """A slow reader has read."""
        if wire.connection in self._wires and not self._is_dead:
            wire.connection.unsent_bytes = wire.unsent_bytes
            if not wire.unsent_bytes:
                self.broker.drained(wire.connection, self._world.now_ms)
                self._end_if_sent(wire)
            self._stir()

    def loaded(self, pairs) -> None:
        """Take a page of what earlier lives left."""
        self.broker.restore(pairs, self._world.now_ms, self._wall_ms())

    def settled(self, number: int, refused: bool) -> None:
        """Let go what hangs on a turn."""
        self._world.note(f"turn {number} is settled")
        self.broker.settled(number, refused, self._world.now_ms)

    def found_notes(self, pairs) -> None:
        """Hand the broker the notes that it asked for."""
        self.broker.found(pairs, self._world.now_ms)

    def running(self) -> None:
        """Let clients in."""
        if not self._is_serving:
            self._is_serving = True
            self.broker.restored(self._world.now_ms)
            self.broker.tick(self._world.now_ms, self._wall_ms())

    def hold(self, is_held: bool) -> None:
        """Take nothing in, or go on."""
        self.broker.hold(is_held)
        self._stir()

    def _read(self, wire: Wire) -> None:
        wire.is_read_due = False
        connection = wire.connection
        if self._is_dead or connection not in self._wires or connection.is_held:
            return
        if self._process.loop_dies("read"):
            return
        if wire.has_ended:
            self._forget(wire)
        elif wire.arrived:
            self.broker.received(connection, wire.take(), self._world.now_ms)
            if wire.arrived or wire.has_ended:
                self.readable(wire)
        self._stir()

    def _leave_word(self, word, *arguments) -> None:
        self._words.append((word, arguments))
        if not self._is_called:
            self._is_called = True
            self._world.after(self._lateness_ms(), self._take_words)

    def _take_words(self) -> None:
        self._is_called = False
        if self._is_dead:
            return
        words, self._words = self._words, []
        for word, arguments in words:
            if self._process.loop_dies("words"):
                return
            word(*arguments)
        self._look()

    def _stir(self) -> None:
        if not self._is_stirred:
            self._is_stirred = True
            self._world.after(0, self._look_once)

    def _look_once(self) -> None:
        self._is_stirred = False
        self._look()

    def _look(self) -> None:
        """Seal the turn and send what may be sent, as `Server.look` does."""
        if self._is_dead or self.turn_queue is None or self._process.loop_dies("turn"):
            return
        turn = self.broker.take_turn()
        if turn is not None:
            self._world.note(f"turn {turn.number}: {[one.payload[:9] for one in turn.messages]}")
            self.turn_queue.send(turn)
        for first, stop, count_max in self.broker.take_sought():
            self._world.meet("a queue is read on")
            self.turn_queue.seek(first, stop, count_max)
        for connection in self.broker.take_changed():
            wire = self._wires.get(connection)
            if wire is not None:
                if self._process.loop_dies("flush"):
                    return
                self._flush(wire)
        for level, event, fields in self.broker.take_reports():
            self._world.note(f"{level} {event} {fields}")
        self._oracle.look(self)
        self._arm()

    def _flush(self, wire: Wire) -> None:
        connection = wire.connection
        data = connection.take_output()
        if data:
            self._oracle.told(wire, data)
            wire.write(data)
            connection.unsent_bytes = wire.unsent_bytes
        self._end_if_sent(wire)
        if (wire.arrived or wire.has_ended) and not connection.is_held:
            self.readable(wire)

    def _end_if_sent(self, wire: Wire) -> None:
        connection = wire.connection
        if connection.is_ending and not (wire.unsent_bytes or connection.output):
            wire.close()
            self._forget(wire)

    def _forget(self, wire: Wire) -> None:
        del self._wires[wire.connection]
        wire.close()
        self.broker.lost(wire.connection, self._world.now_ms)
        self._stir()

    def _arm(self) -> None:
        at_ms = self.broker.deadline_ms()
        if at_ms is None or (self._tick_ms is not None and self._tick_ms <= at_ms):
            return
        self._tick_ms = at_ms
        self._world.after(max(0, at_ms - self._world.now_ms), self._tick, at_ms)

    def _tick(self, at_ms: int) -> None:
        if self._tick_ms == at_ms:
            self._tick_ms = None
        if self._is_dead or not self._is_serving:
            return
        self.broker.tick(self._world.now_ms, self._wall_ms())
        self._look()

    def _lateness_ms(self) -> int:
        return self._world.between(0, self._plan.loop_ms)

    def _wall_ms(self) -> int:
        return self._world.now_ms + self._world.wall_offset_ms

    def _new_id(self) -> str:
        return f"made-{self._world.chance.getrandbits(64):x}"


class Ear:
    """What a turn_queue tells, to an endpoint: `found` is a word of the port as well."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.loaded, self.settled = endpoint.loaded, endpoint.settled
        self.found, self.running, self.hold = (
            endpoint.found_notes, endpoint.running, endpoint.hold,
        )  # fmt: skip
