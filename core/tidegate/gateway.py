"""The gateway: source, journal and uplink as one state machine.

`handle(event, now_ms)` returns effects that the shell carries out in order, all of them, before the
next event; `deadline_ms(now_ms)` says when to come back with `Ticked` if nothing happens before.
"Acknowledge after durable" is the order of three items in one list: Append, Sync, Acknowledge.

The gateway's figures run ahead of the medium while a list is carried out.  Where the journal
refuses, they are thrown away with all that rests on them, and rebuilt from what a new journal
recovers; sources stay away until then, so that whatever was not acknowledged comes again.
"""

from tidegate.delivery.moment import Moment
from tidegate.delivery.uplink import Uplink
from tidegate.effects import Append, Pause, Report, Resume, Seek, Sync
from tidegate.events import (
    Answered,
    Arrived,
    ClockRead,
    Failed,
    Fetched,
    Gathered,
    Located,
    Recovered,
    Sought,
    Stored,
    Unanswered,
)
from tidegate.records.clock import BOOTS_MAX, Clock
from tidegate.store.journal import OVERFLOW, TOO_LARGE, Booted, Noted, Spent
from tidegate.store.lane import DEFAULT_LANE, Lane
from tidegate.store.room import BLOCK, DROP_NEWEST, DROP_OLDEST, KEEP_RECORDS, Room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import GatewaySettings
    from tidegate.delivery.chance import Chance
    from tidegate.delivery.line import Line
    from tidegate.effects import Effect
    from tidegate.events import Event
    from tidegate.store.admission import Admission
    from tidegate.store.journal import Entry, JournalState
    from tidegate.store.samples import Samples

LISTEN = "listen"  # The name of the one source behind all listeners of our own endpoint.
NODES = "nodes"  # The name of the one source that takes batches of nodes.
REMEASURE_MS = 1000  # While sources are shut out no commit measures the room: the clock does.


class Gateway:
    """Composes admission, lanes, room, clock and uplink of one node.

    `sources` are the names of its sources, `boot_identity` that of the running boot, `chance` is
    seeded by the platform; `line` is None where nothing is uplinked; `boots_max` bounds the boots
    whose wall time is remembered.  It is of use from the first `Recovered` on.

    `composition` makes one for a site, with all parts that a configuration may ask for.
    """

    def __init__(
        self,
        settings: "GatewaySettings",
        sources: "list[str]",
        boot_identity: str,
        chance: "Chance",
        admission: "Admission | Samples",
        line: "Line | None",
        boots_max: int = BOOTS_MAX,
    ) -> None:
        self.node = ""
        self.lanes: list[Lane] = []
        self.uplink: Uplink | None = None
        self.clock = Clock([], boot_identity, boots_max)
        self.room = Room(settings.journal)
        self.shut_reason = ""  # Why sources are kept away, or "".
        self._full = False
        self._has_account = False
        self._sources = sources
        self._boot_identity = boot_identity
        self._boots_max = boots_max
        self._chance = chance
        self._lane_names = lane_names(settings)
        self._urgent = [lane.name for lane in settings.lanes if lane.urgent]
        self._uplink_settings = settings.uplink
        self._line = line
        self._admission = admission
        self._remeasure_at_ms: int | None = None
        # By source: the latest connection that brought something, and the latest of which something
        # was not stored.
        self._seen: dict[str, int] = {}
        self._barred: dict[str, int] = {}

    def handle(self, event: "Event", now_ms: int) -> "list[Effect]":
        """Take in what happened; return what to do about it, in order."""
        effects = self._handle(event, now_ms)
        if self._line is not None:
            effects.extend(self._line.take_reports())
        return effects

    def _handle(self, event: "Event", now_ms: int) -> "list[Effect]":
        if isinstance(event, Recovered):
            return self._recovered(event.state)
        if isinstance(event, Failed):
            return self._failed(event)
        if isinstance(event, Gathered):
            return self._gathered(event.arrivals)
        if not self.node:
            self._overheard(event, now_ms)
            return []
        if isinstance(event, Stored):
            return self._stored(event, now_ms)
        if isinstance(event, Sought):
            return [Seek(event.source, event.generation, event.first, event.stop, event.count_max)]
        if isinstance(event, ClockRead):
            return self._clock_read(event, now_ms)
        return self._uplinked(event, now_ms) + self._remeasured(now_ms) + self._pump(now_ms)

    def _overheard(self, event: "Event", now_ms: int) -> None:
        """Without a journal nothing can be done about anything, but bytes sent are paid for, and
        who asks us to wait will be obeyed."""
        if self._line is None or not isinstance(event, (Answered, Unanswered)):
            return
        wall_ms = self.clock.wall_ms(now_ms)
        self._line.spent(now_ms, wall_ms, event.sent_bytes)
        if isinstance(event, Answered):
            self._line.overheard(event, now_ms, wall_ms)

    def deadline_ms(self, now_ms: int) -> "int | None":
        """Return when `Ticked` is due if nothing happens before; None where only events matter."""
        times = [] if self._remeasure_at_ms is None else [self._remeasure_at_ms]
        if self.uplink is not None:
            at_ms = self.uplink.deadline_ms(self._moment(now_ms))
            if at_ms is not None:
                times.append(at_ms)
        return min(times) if times else None

    @property
    def line(self) -> "Line | None":
        """Return what is known of the line; None where nothing is uplinked."""
        return self._line

    def _moment(self, now_ms: int) -> Moment:
        return Moment(now_ms, self.clock.wall_ms(now_ms), self.clock.boot.number)

    def _recovered(self, state: "JournalState") -> "list[Effect]":
        self.node = state.node
        order = {name: index for index, name in enumerate(self._lane_names)}
        # A lane that is configured no longer still has to get rid of what it holds, last of all.
        states = sorted(state.lanes, key=lambda lane: (order.get(lane.lane, len(order)), lane.lane))
        self.lanes = [Lane(lane_state) for lane_state in states]
        self.clock = Clock(state.boots, self._boot_identity, self._boots_max)
        self._admission.restore(state.recent)
        if self._line is not None and self._uplink_settings is not None:
            if not self._has_account:
                # After a failure of the journal our own account is the newer one.
                self._line.schedule.restore(state.spent.day, state.spent.sent_bytes)
                self._has_account = True
            self._line.restart()
            self.uplink = Uplink(
                self.node, self.lanes, self._urgent, self._line, self._uplink_settings, self._chance
            )
        self.shut_reason = ""
        self._full = False
        self._remeasure_at_ms = None
        effects: list[Effect] = [Append([Booted(self.clock.boot)]), Sync()]
        effects.extend([Resume(source) for source in self._sources])
        return effects

    def _failed(self, event: Failed) -> "list[Effect]":
        self.node = ""
        self.uplink = None
        self._barred = dict(self._seen)
        fields: list[tuple[str, object]] = [("kind", event.kind), ("detail", event.detail)]
        effects: list[Effect] = [Report("error", "journal_failed", fields)]
        return effects + self._shut(f"the journal failed: {event.kind}")

    def _shut(self, reason: str) -> "list[Effect]":
        self.shut_reason = reason
        return [Pause(source, reason) for source in self._sources]

    def _gathered(self, arrivals: "list[Arrived]") -> "list[Effect]":
        for arrival in arrivals:
            seen = self._seen.get(arrival.source, 0)
            self._seen[arrival.source] = max(seen, arrival.generation)
        if self.shut_reason:
            # From connections that were dropped meanwhile: what was promised nothing comes again.
            self._barred = dict(self._seen)
            return []
        in_turn = self._in_turn(arrivals)
        refuses = self._full and self.room.overflow == DROP_NEWEST
        arrived = self._admission.sort(in_turn, self.clock.boot.number, OVERFLOW if refuses else "")
        entries: list[Entry] = []
        for name, records in arrived.records:
            lane = self._lane(name)
            entries.append(lane.refuse(len(records), OVERFLOW) if refuses else lane.admit(records))
        for name, count in arrived.too_large:
            entries.append(self._lane(name).refuse(count, TOO_LARGE))
        # Kept though the messages are refused: a device that was promised its session has it.
        entries.extend([Noted(one.source, one.notes) for one in in_turn if one.notes])
        effects: list[Effect] = [Append(entries), Sync()] if entries else []
        effects.extend(arrived.answers)
        for name, count in arrived.too_large:
            fields: list[tuple[str, object]] = [("lane", name), ("count", count)]
            effects.append(Report("warning", "messages_too_large", fields))
        return effects

    def _in_turn(self, arrivals: "list[Arrived]") -> "list[Arrived]":
        """Leave out what would overtake: earlier messages of its connection were not stored, and
        come again together with it [MQTT-4.6.0-1]."""
        in_turn = []
        for arrival in arrivals:
            if arrival.generation > self._barred.get(arrival.source, 0):
                in_turn.append(arrival)
            elif arrival.receipt is None:
                unpromised = [message for message in arrival.messages if message.token is None]
                in_turn.append(Arrived(arrival.source, arrival.generation, unpromised, [], None))
        return in_turn

    def _lane(self, name: str) -> Lane:
        return next(lane for lane in self.lanes if lane.name == name)

    def _stored(self, event: Stored, now_ms: int) -> "list[Effect]":
        """Keep the journal within its bounds, then send what is new."""
        self.room.measured(event.usage)
        held_bytes = sum([lane.held_bytes for lane in self.lanes])
        entries = self.room.forget(self._forgettable(), held_bytes)
        effects: list[Effect] = []
        if not entries and self.room.short_bytes > 0:
            effects = self._become_full(now_ms)
            if self.room.overflow == DROP_OLDEST:
                entries = self.room.drop_oldest(self._droppable())
        if entries and not self._is_patient:
            return effects + [Append(entries), Sync()]
        if entries:
            effects.append(Append(entries))
        if self.room.reopens:
            effects.extend(self._become_roomy())
        return effects + self._pump(now_ms)

    @property
    def _is_patient(self) -> bool:
        """Tell whether what only frees room may wait for the next commit."""
        line = self._line
        return line is not None and line.releases_ride and self.room.tight_bytes <= 0

    def _become_full(self, now_ms: int) -> "list[Effect]":
        if self._full:
            return []
        self._full = True
        effects: list[Effect] = [
            Report("warning", "journal_full", [("overflow", self.room.overflow)])
        ]
        if self.room.overflow == BLOCK:
            self._remeasure_at_ms = now_ms + REMEASURE_MS
            # The pause ends these connections; what they still bring comes again on the next ones.
            self._barred = dict(self._seen)
            effects.extend(self._shut("the journal is full"))
        return effects

    def _become_roomy(self) -> "list[Effect]":
        if not self._full:
            return []
        self._full = False
        effects: list[Effect] = [Report("info", "journal_has_room", [])]
        if self.room.overflow == BLOCK:
            self.shut_reason = ""
            self._remeasure_at_ms = None
            effects.extend([Resume(source) for source in self._sources])
        return effects

    def _forgettable(self) -> "list[tuple[Lane, int]]":
        """Return each lane with the last number that may be forgotten."""
        if self.room.tight_bytes > 0:
            return [(lane, lane.through) for lane in self.lanes]
        return [
            (lane, min(lane.through, lane.last - KEEP_RECORDS, self._next(lane) - 1))
            for lane in self.lanes
        ]

    def _droppable(self) -> "list[tuple[Lane, int]]":
        """Return each lane with the last number in flight, which it is too late to drop."""
        if self.uplink is None:
            return [(lane, 0) for lane in self.lanes]
        return [(sender.lane, sender.flying_last) for sender in self.uplink.senders]

    def _next(self, lane: Lane) -> int:
        """Return the number that is sent next, which after a receiver's loss may be an old one."""
        if self.uplink is not None:
            for sender in self.uplink.senders:
                if sender.lane is lane:
                    return sender.next
        return lane.through + 1

    def _clock_read(self, event: ClockRead, now_ms: int) -> "list[Effect]":
        boot = self.clock.observe(now_ms, event.wall_ms, event.quality)
        effects: list[Effect] = [] if boot is None else [Append([Booted(boot)]), Sync()]
        return effects + self._pump(now_ms)

    def _uplinked(self, event: "Event", now_ms: int) -> "list[Effect]":
        uplink, moment = self.uplink, self._moment(now_ms)
        if uplink is None:
            return []
        if isinstance(event, Fetched):
            return uplink.fetched(event, moment)
        if isinstance(event, Located):
            return self._in_time(uplink.located(event))
        if isinstance(event, Answered):
            return self._in_time(uplink.answered(event, moment)) or self._spent()
        if isinstance(event, Unanswered):
            return uplink.unanswered(event, moment) or self._spent()
        return []

    def _in_time(self, effects: "list[Effect]") -> "list[Effect]":
        """Return the effects of an answer; where room is short, what was delivered gives it now."""
        if effects and isinstance(effects[-1], Append) and not self._is_patient:
            effects.append(Sync())
        return effects

    def _spent(self) -> "list[Effect]":
        """Keep what was sent in vain as well: it is paid for, and a restart must not forget it."""
        account = None if self._line is None else self._line.schedule.state()
        if self._line is None or account is None or not self._line.schedule.has_budget:
            return []
        return [Append([Spent(*account)]), Sync()]

    def _remeasured(self, now_ms: int) -> "list[Effect]":
        if self._remeasure_at_ms is None or now_ms < self._remeasure_at_ms:
            return []
        self._remeasure_at_ms = now_ms + REMEASURE_MS
        return [Sync()]

    def _pump(self, now_ms: int) -> "list[Effect]":
        return [] if self.uplink is None else self.uplink.pump(self._moment(now_ms))


def lane_names(settings: "GatewaySettings") -> "list[str]":
    """Return the lanes of a configuration in the order of their priority; the default one is last,
    unless the configuration places it."""
    names = [lane.name for lane in settings.lanes]
    if DEFAULT_LANE not in names:
        names.append(DEFAULT_LANE)
    return names
