"""The uplink: all streams of a node over one line to one target.

Lanes are served in the order of their priority, each with at most one batch in flight.  The uplink
hands answers to the sender that waits for them; an answer nobody waits for is from before a restart
or a doubt, and counts for nothing but its `Retry-After`.
"""

from tidegate.delivery.sender import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import UplinkSettings
    from tidegate.delivery.chance import Chance
    from tidegate.delivery.line import Line
    from tidegate.delivery.moment import Moment
    from tidegate.effects import Effect
    from tidegate.events import Answered, Fetched, Located, Unanswered
    from tidegate.store.lane import Lane


class Uplink:
    """Drives the senders of a node's lanes, given in the order of their priority."""

    def __init__(
        self,
        node: str,
        lanes: "list[Lane]",
        urgent: "list[str]",
        line: "Line",
        settings: "UplinkSettings",
        chance: "Chance",
    ) -> None:
        self.line = line
        self.senders = [
            Sender(node, lane, line, settings, lane.name in urgent, chance) for lane in lanes
        ]

    def pump(self, moment: "Moment") -> "list[Effect]":
        """Use the line for every sender that is due and may."""
        effects: list[Effect] = []
        for sender in self.senders:
            sender.notice(moment.now_ms)
            due_ms = sender.due_ms()
            if due_ms is None or due_ms > moment.now_ms:
                continue
            room_bytes = self.line.room_bytes(
                moment.now_ms, moment.wall_ms, sender.urgent, sender.bytes_wanted
            )
            if room_bytes > 0:
                effects.extend(sender.use_line(room_bytes))
        return effects

    def deadline_ms(self, moment: "Moment") -> "int | None":
        """Return when `pump` may have something to do, if nothing happens before."""
        times = []
        for sender in self.senders:
            due_ms = sender.due_ms()
            if due_ms is not None:
                open_at_ms = self.line.open_at_ms(moment.now_ms, moment.wall_ms, sender.urgent)
                times.append(max(due_ms, open_at_ms))
        return min(times) if times else None

    def answered(self, answer: "Answered", moment: "Moment") -> "list[Effect]":
        """Hand an answer to the sender that waits for it."""
        self.line.spent(moment.now_ms, moment.wall_ms, answer.sent_bytes)
        sender = self._waiting_for(answer.token)
        if sender is None:
            self.line.overheard(answer, moment.now_ms, moment.wall_ms)
            return []
        return sender.answered(answer, moment)

    def unanswered(self, answer: "Unanswered", moment: "Moment") -> "list[Effect]":
        """Hand a lost answer to the sender that waited for it."""
        self.line.spent(moment.now_ms, moment.wall_ms, answer.sent_bytes)
        sender = self._waiting_for(answer.token)
        return [] if sender is None else sender.unanswered(answer, moment)

    def fetched(self, event: "Fetched", moment: "Moment") -> "list[Effect]":
        """Hand a span to the sender that asked for it."""
        return self._of(event.lane).fetched(event.span, moment)

    def located(self, event: "Located") -> "list[Effect]":
        """Hand a running hash to the sender that asked for it."""
        return self._of(event.lane).located(event.seq, event.hash_at)

    def _waiting_for(self, token: int) -> "Sender | None":
        for sender in self.senders:
            if sender.expects(token):
                return sender
        return None

    def _of(self, lane: str) -> Sender:
        return next(sender for sender in self.senders if sender.lane.name == lane)
