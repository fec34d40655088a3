"""The oracle: what must be true of every message that a sketch has put, from flash to hub.

It knows messages by the uid in the payload.  A record on its way has a *name*, which is the stream
and number that its node gave it; `named` says which uid that is, so that an origin which names
another record is found.  What it checks while the world runs breaks the run at once.
"""

import json
from collections import Counter
from typing import NamedTuple

from simulation.nodes.names import Name, parse_name, uid_of
from simulation.nodes.plan import Plan
from simulation.world import BrokenPromiseError, World
from tidegate.records.clock import SYNCHRONISED, UNKNOWN, wall_of
from tidegate.records.origin import ESTIMATED, Origin, time_text
from tidegate.records.record import RETAIN
from tidegate.records.span import sequence_numbers
from tidegate.store.journal import OVERFLOW
from tidegate_hub.origins import origin_time

CLOCKS_MS = 500  # What two readings of right clocks may be apart.


class Told(NamedTuple):
    """What a sketch has put, and when that really was."""

    board: str
    lane: str
    number: int
    topic: bytes
    payload: bytes
    is_retained: bool
    properties: bytes
    true_ms: int


class Oracle:
    """Judges one run."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.too_large_answers = 0  # The hub counts them here.
        self.told: dict[str, Told] = {}
        self.streams: set[str] = set()  # That nodes have opened.
        self.excused: set[str] = set()
        self.queued: set[str] = set()  # Nobody waits for them: they are tried again, blindly.
        self._world, self._plan = world, plan
        self._stored: set[str] = set()
        self._uids: dict[tuple[str, int], set[str]] = {}
        self._sent: dict[tuple[str, int], set[str]] = {}
        self._node_dropped: set[str] = set()
        self._gateway_reached: dict[str, int] = {}
        self._gateway_dropped: set[str] = set()
        self._gateway_forgot: set[str] = set()
        self._gateway_lost: set[str] = set()
        self._hub_lost: set[str] = set()
        self._ever_applied: set[str] = set()

    # Of the nodes.

    def stored(self, uid: str) -> None:
        """`put` has returned."""
        self._stored.add(uid)

    def named(self, stream: str, seq: int, uid: str) -> None:
        """A node's journal gives a message a number."""
        self._uids.setdefault((stream, seq), set()).add(uid)

    def salvaged(self, board, stream: str) -> None:
        """A node's log goes on under an epoch that it made itself."""
        self._world.meet("a damaged log goes on under a new epoch")
        if not board.flash.is_rotten:
            self._break("P5", f"{board.name} goes on as {stream} without damage")

    def sends(self, life, batch) -> None:
        """A node sends a batch: what it knows of its clock is in it (P7)."""
        span, stream = batch.span, str(batch.stream)
        boots = {boot.number: boot for boot in span.boots}
        current = life.gateway.clock.boot
        known = boots.get(current.number)
        if known is not None and known != current and not life.board.flash.is_rotten:
            self._break("P7", f"{life.name} sends {known}, but its clock says {current}")
        numbers = sequence_numbers(span.first, span.last, span.gaps)
        for seq, record in zip(numbers, span.records, strict=True):
            wall_ms, quality = wall_of(boots[record.boot], record.ticks_ms)
            age_ms = None
            if wall_ms is None and record.boot == batch.sent_boot:
                age_ms = batch.sent_ticks_ms - record.ticks_ms
            text = time_text(wall_ms, quality, age_ms)
            self._sent.setdefault((stream, seq), set()).add(text)

    def released(self, stream: str, through: int) -> None:
        """A node takes for delivered what the gateway must have had."""
        if through > self._gateway_reached.get(stream, 0):
            self._break("P1", f"{stream} is released through {through}, which nobody has")

    def node_dropped(self, board, names: list[tuple[str, int]], entry) -> None:
        """A node makes a gap."""
        self._world.meet(f"node drops: {entry.reason.partition(':')[0]}")
        if entry.reason == OVERFLOW and not self._plan.nodes.is_cramped:
            self._break("P4", f"{board.name} drops {names} though there is room")
        self._node_dropped.update([board.flash.names.get(name, "") for name in names])

    def node_forgot(self, flash, names: list[tuple[str, int]]) -> None:
        """A node keeps delivered records no longer."""
        flash.forgot.update([(*name, flash.names.get(name, "")) for name in names])

    def node_reported(self, board, event: str) -> None:
        """A node tells its operator something."""
        may_part = self._plan.nodes.has_copies or board.flash.is_rotten
        if event == "stream_forked" and not may_part:
            self._break("P2", f"{board.name} finds a fork where there is one copy only")

    def check_node(self, life) -> None:
        """Compare a node's account with its log (P4)."""
        gateway = life.gateway
        if not gateway.node or life.log is None or life.is_broken:
            return
        states = {state.lane: state for state in life.log.state().lanes}
        for lane in gateway.lanes:
            balance, state = lane.balance, states[lane.name]
            if not balance.holds:
                self._break("P4", f"the balance of {life.name} does not hold: {balance}")
            own = (lane.epoch, lane.last, lane.last_hash, lane.through, lane.forgotten)
            log = (state.epoch, state.last, state.last_hash, state.through, state.forgotten)
            counts = (lane.held_records, balance.delivered, balance.quarantined, balance.dropped)
            logged = (state.held_records, state.delivered, state.quarantined, state.dropped)
            if own != log or counts != logged:
                self._break("P4", f"{life.name} says {own} {counts}, its log says {log} {logged}")

    # Of the gateway: what its medium and its uplink say, by name.

    def admitted(self, names: list[str]) -> None:
        """The gateway's medium has these."""
        for text in names:
            name = parse_name(text)
            reached = self._gateway_reached.get(name.stream, 0)
            self._gateway_reached[name.stream] = max(reached, name.last)

    def refused(self, names: list[str]) -> None:
        """The gateway has no room for these, and its medium says so."""
        self.admitted(names)
        self._gateway_dropped.update(names)

    def dropped(self, names: list[str], missing: int, reason: str, is_kept: bool) -> None:
        """The gateway makes a gap of its own stream."""
        self._world.meet(f"gateway drops: {reason}")
        if reason == OVERFLOW and not self._plan.is_cramped:
            self._break("P4", f"the gateway drops {names} though there is room")
        if is_kept:
            self._break("P4", f"{names} is good, and was parked: {reason}")
        self._gateway_dropped.update(names)

    def forgotten(self, names: list[str]) -> None:
        """The gateway keeps these no longer; they must have arrived."""
        self._gateway_forgot.update(names)
        for name in names:
            if name not in self._ever_applied and name not in self._gateway_dropped:
                self._break("P1", f"{name} was forgotten before it arrived")

    def gateway_reported(self, event: str) -> None:
        """The gateway tells its operator something."""
        plan = self._plan
        has_copies = plan.nodes.has_copies or plan.nodes.rot_faults > 0
        if event == "stream_forked" and not plan.restore_gateway:
            self._break("P2", "the hub finds a fork where there is one gateway only")
        if event == "node_forked" and not (has_copies or plan.restore_gateway):
            self._break("P2", "the gateway finds a fork where there is one copy only")
        if event == "node_notes_damaged":
            self._break("P5", "the gateway finds damage where there is none")

    def check_answer(self, process, answers: list[bytes]) -> None:
        """What a node is told is what a crash at this moment would leave (P1); it is told once."""
        if len(answers) != 1:
            self._break("P1", f"a request has {len(answers)} answers")
        fields = json.loads(answers[0])
        if fields["status"] != 200:
            return
        through = process.node.disk.cursors().get(fields["stream"], 0)
        if fields["through"] > through:
            self._break("P1", f"{fields} is told, but durable is {through}")

    def check_gateway(self, process) -> None:
        """Compare the gateway's account with its medium, and the cursors with the records."""
        gateway, disk = process.gateway, process.node.disk
        cursors = disk.cursors()
        if cursors != disk.reached:
            self._break("P2", f"cursors {cursors}, but records and gaps reach {disk.reached}")
        if not gateway.node or process.journal is None:
            return
        for lane in gateway.lanes:
            stored = disk.lanes[lane.name]
            own = (lane.epoch, lane.last, lane.through, lane.held_records, lane.last_hash)
            medium = (
                stored.epoch, stored.last, stored.through, stored.held_records, stored.last_hash,
            )  # fmt: skip
            if not lane.balance.holds or own != medium:
                self._break("P4", f"the gateway's {lane.name}: {lane.balance}, {own}, {medium}")

    # Of the hub.

    def arrived(self, name: Name, record, time_ms: "int | None", origin: Origin) -> None:
        """A node's record is stored at the hub, whose own time of it would be `time_ms`."""
        uid = uid_of(record.payload)
        told = self.told.get(uid)
        if told is None:
            self._break("P2", f"{uid} at the hub is nobody's")
        if uid not in self._uids.get((name.stream, name.first), ()):
            self._break("origin", f"{uid} arrives as {name}")
        kept = (told.topic, told.payload, told.is_retained)
        if (record.topic, record.payload, bool(record.flags & RETAIN)) != kept:
            self._break("origin", f"{record} is not what was put: {told}")
        if not record.properties.startswith(told.properties):
            self._break("origin", f"{uid} has lost properties: {record.properties!r}")
        self._check_time(uid, name, told, time_ms, origin)

    def _check_time(self, uid, name, told, time_ms, origin) -> None:
        text = time_text(origin.wall_ms, origin.quality, origin.age_ms)
        if text not in self._sent.get((name.stream, name.first), ()):
            self._break("P7", f"{uid} has the time {text}, which its node did not say")
        wall_ms, quality = origin_time(origin, time_ms)
        self._world.meet(f"a time of quality {quality}")
        if quality == SYNCHRONISED and abs(wall_ms - told.true_ms) > CLOCKS_MS:
            self._break("P7", f"{uid} says {wall_ms}, it was {told.true_ms}")
        if quality == ESTIMATED and not told.true_ms - CLOCKS_MS <= wall_ms <= self._now_ms():
            self._break("P7", f"{uid} is estimated at {wall_ms}, it was {told.true_ms}")
        if quality == UNKNOWN and wall_ms is not None:
            self._break("P7", f"{uid} has a time of no quality")

    def _now_ms(self) -> int:
        return self._world.wall_offset_ms + self._world.now_ms

    def applied(self, _stream: str, names: list[str]) -> None:
        """The hub has these."""
        self._ever_applied.update(names)

    def lost_by_receiver(self, names: list[str]) -> None:
        """The hub is an older one again."""
        self._hub_lost.update(names)

    def lost_by_gateway(self, names: set[str]) -> None:
        """The gateway is an older one again."""
        self._gateway_lost.update(names)

    # In the end.

    def judge(self, hub, boards) -> None:
        """Judge a world that has come to rest."""
        found: Counter[str] = Counter()
        told: dict[str, list[Name]] = {}
        for stream, table in hub.tables.items():
            names = [parse_name(text) for _, text in table.rows]
            self._check_order(stream, names)
            for name in names:
                told.setdefault(name.stream, []).append(name)
        for stream, names in told.items():
            found.update(self._check_stream(stream, names))
        self._check_told(told, boards)
        self._check_promises(found, boards)
        self._check_once(found, boards)

    def _check_order(self, stream: str, names: list[Name]) -> None:
        """Numbers rise within what the gateway has sent of a node's stream (P3).

        A restored gateway may send once more under its old name, where it then dropped all that
        could be compared.
        """
        latest: dict[str, Name] = {}
        seen: set[Name] = set()
        for name in names:
            if self._plan.restore_gateway and name in seen:
                continue
            seen.add(name)
            before = latest.get(name.stream)
            if before is not None and name.first <= before.last:
                self._break("P3", f"{stream}: {name} after {before}")
            latest[name.stream] = name

    def _check_stream(self, stream: str, names: list[Name]) -> list[str]:
        """Each number of a node's stream once, a record or in a gap, and no hole (P2, P4)."""
        expected = 1
        for name in sorted(names + self._away(stream, names)):
            if name.first > expected and not self._plan.restore_gateway:
                self._break("P4", f"{name} where {expected} was to come")
            if name.first < expected and not self._plan.restore_gateway:
                self._break("P2", f"{name}, but the numbers to {expected - 1} are there")
            expected = max(expected, name.last + 1)
        self._check_puts(stream, names)
        return [name.uid for name in names if name.uid]

    def _check_puts(self, stream: str, names: list[Name]) -> None:
        """What a board has put into a stream is in the order in which it was put (P3).

        Of what came twice the first one counts, unless that one was dropped.  Two copies of a node
        share a stream where one of them has nothing left, a gap apart, that could be compared with
        what the gateway has of the other; which of two boards put first nobody has promised.
        """
        if self._plan.restore_gateway:
            return
        latest: Counter[str] = Counter()
        seen = set()
        for name in sorted(names):
            if not name.uid or name.uid in seen or name.uid in self._node_dropped:
                continue
            seen.add(name.uid)
            told = self.told[name.uid]
            if told.number < latest[told.board]:
                self._break("P3", f"{stream}: {name} after number {latest[told.board]}")
            latest[told.board] = told.number

    def _away(self, stream: str, names: list[Name]) -> list[Name]:
        """Return what of a node's stream had come as far as the gateway and is gone."""
        gone = [parse_name(text) for text in sorted(self._gateway_dropped | self._hub_lost)]
        there = set(names)
        return [name for name in gone if name.stream == stream and name not in there]

    def _check_told(self, told: dict[str, list[Name]], boards) -> None:
        """All that nodes have numbered is known to the hub by now, gaps too (P4)."""
        for board in boards:
            gateway = board.life.gateway
            for lane in gateway.lanes:
                stream = str(lane.stream(gateway.node))
                names = told.get(stream, [])
                reached = [name.last for name in names + self._away(stream, names)]
                if lane.last > max(reached, default=0) and not self._plan.restore_gateway:
                    self._break("P4", f"{stream} ends at {lane.last}, told is {reached}")

    def _check_promises(self, found: Counter[str], boards) -> None:
        """Stored: it is at the hub, or a gap says why not (P1)."""
        away = self._gateway_dropped | (self._hub_lost & self._gateway_forgot)
        if self._gateway_lost:
            away |= self._hub_lost  # Two faults of an operator at once.
        explained = self.excused | self._node_dropped
        explained.update([parse_name(text).uid for text in away])
        forgot = set().union(*[board.flash.forgot for board in boards])
        for name in map(parse_name, sorted(self._gateway_lost)):
            if (name.stream, name.first, name.uid) in forgot:
                explained.add(name.uid)
        lost = sorted(self._stored - set(found) - explained)
        if lost:
            self._break("P1", f"put and lost: {lost[:10]}")

    def _check_once(self, found: Counter[str], boards) -> None:
        """A record is there once (P2), unless copies of a machine are about.

        What is queued is tried again over a failed commit that did reach the flash, and a damaged
        log may go on with what was delivered already.
        """
        if self._plan.restore_gateway or self._plan.nodes.has_copies:
            return
        rotten = [board.name for board in boards if board.flash.is_rotten]
        for uid in sorted(found):
            is_excused = uid in self.queued or self.told[uid].board in rotten
            if found[uid] > 1 and not is_excused:
                self._break("P2", f"{uid} arrived {found[uid]} times")

    def _break(self, promise: str, what: str) -> None:
        raise BrokenPromiseError(f"{promise}: {what}")
