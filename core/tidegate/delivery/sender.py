"""The sender of one stream: finds out where the receiver stands, and sends what it lacks, in order.

Theory of operation.  The sender trusts nothing but the receiver's own word, so after every start,
doubt or lost answer it *asks* for the cursor and looks the number up in its own journal:

    ASK -> ASKING -> PLACING -> READY -> FETCHING -> FLYING -> READY ...
     ^                  |                               |
     +---- any doubt ---+-------------------------------+

- Same running hash at the cursor: it goes on behind it.  What the receiver has already, even if its
  answer was lost, is released and never sent again.
- Another hash, or a cursor beyond our last number: two copies of this node have gone separate ways
  (a cloned card, a restored image).  SEEK bisects for the last common record, then the lane is
  renewed: what is held goes on under a new epoch, and nothing of the other copy is overwritten.
- One batch is in flight, never two: order survives every retry.
- A verdict on data (a structured 4xx) is bisected down to the one record it is about; that one is
  set aside in the quarantine, and the stream goes on.  A refusal of *us* (401, 403, 404, ...) or an
  answer that no hub gives never touches data.

The caller feeds every answer in once, and carries out the effects in order.
"""

from tidegate.delivery.answer import LATER, POISON, RECEIPT, REFUSED, STANDING, TOO_LARGE, judge
from tidegate.delivery.fork import Renewals, before_gaps, probe_between
from tidegate.delivery.pace import Flight, Pace
from tidegate.effects import Append, Fetch, Locate, Query, Send, Sync
from tidegate.errors import ProtocolError
from tidegate.records.record import size_bytes
from tidegate.records.span import reason_text, sequence_numbers
from tidegate.records.stream import identity_text
from tidegate.store.journal import DAMAGED, Spent
from tidegate.store.lane import QUARANTINED
from tidegate.wire.batch import Batch
from tidegate.wire.receipt import read_receipt, read_standing, refusal_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import UplinkSettings
    from tidegate.delivery.chance import Chance
    from tidegate.delivery.line import Line
    from tidegate.delivery.moment import Moment
    from tidegate.effects import Effect
    from tidegate.events import Answered, Unanswered
    from tidegate.records.span import Span
    from tidegate.store.journal import Entry
    from tidegate.store.lane import Lane
    from tidegate.wire.receipt import Standing

ASK, ASKING, PLACING = "ask", "asking", "placing"
READY, FETCHING, FLYING = "ready", "fetching", "flying"
SEEK, SEEKING, COMPARING = "seek", "seeking", "comparing"

CONFLICTS_MAX = 3  # As many corrections in a row make sense; then one of us two is broken.
QUARANTINE_RUN_MAX = 16  # More poison in a row, and it is the target that is sick, not the data.
# With nothing to send: soon enough for who looks at the status, and 290 short requests a day.
IDLE_ASK_MS = 300_000


class Sender:
    """Sends one lane's stream over a line."""

    def __init__(
        self,
        node: str,
        lane: "Lane",
        line: "Line",
        settings: "UplinkSettings",
        urgent: bool,
        chance: "Chance",
    ) -> None:
        self.lane = lane
        self.state = ASK
        self.next = lane.through + 1
        self._node = node
        self._line = line
        self._urgent = urgent
        self._batch_age_ms = settings.batch_age_ms
        self._pace = Pace(settings.batch_records, settings.batch_bytes)
        self._chance = chance
        self._renewals = Renewals(chance)
        self._token = 0
        self._retry_at_ms = 0
        self._waiting_since_ms: int | None = None
        self._generation = ""
        self._flight: Flight | None = None  # Until it is known what became of it.
        self._standing: Standing | None = None
        self._heard_ms = 0  # When the receiver last said where it stands.
        self._suspects = 0
        self._conflicts = 0
        self._quarantined_in_a_row = 0
        self._low = self._high = self._probe = 0
        self._placed = 0  # Where the cursor stands inside a gap, until we know what is before it.

    def notice(self, now_ms: int) -> None:
        """Take note of whether records are waiting that were not sent, and since when."""
        sent = self.flying_last if self.state == FLYING else self.next - 1
        if self.lane.last <= sent:
            self._waiting_since_ms = None
        elif self._waiting_since_ms is None:
            self._waiting_since_ms = now_ms

    @property
    def is_idle(self) -> bool:
        """Tell whether there is nothing to send, and nothing to ask but whether all is well."""
        return self.state == READY and self._waiting_since_ms is None

    @property
    def urgent(self) -> bool:
        """Tell whether the sender may use the line outside the schedule."""
        return self._urgent and not self.is_idle

    def due_ms(self) -> "int | None":
        """Return from when on the sender has a use for the line; None while it waits for an answer.

        With nothing to send it asks from time to time: a line that is down, or a receiver restored
        from a backup, is not to wait for the next record to be noticed.  Not where bytes are
        counted.
        """
        if self.state in (ASK, SEEK):
            return self._retry_at_ms
        if self.state != READY:
            return None
        if self._waiting_since_ms is None:
            return None if self._line.schedule.has_budget else self._heard_ms + IDLE_ASK_MS
        waiting = self.lane.last - self.next + 1
        is_full = waiting >= self._pace.records or self.lane.held_bytes >= self._pace.bytes
        age_ms = 0 if is_full or self._suspects else self._batch_age_ms
        return self._waiting_since_ms + age_ms

    @property
    def flying_last(self) -> int:
        """Return the last number that is in flight or just being read, 0 for none."""
        if self.state == FETCHING:
            return self.lane.last  # How far the read reaches is not known yet.
        return 0 if self._flight is None or self.state != FLYING else self._flight.span.last

    @property
    def bytes_wanted(self) -> int:
        """Return how many bytes of records the next batch may take."""
        return self._pace.bytes

    def use_line(self, room_bytes: int) -> "list[Effect]":
        """Use the line for the next step; `room_bytes` is what may be sent at most."""
        if self.state == ASK or self.is_idle or (self.state == READY and self._line.probing):
            # Also to probe a broken circuit: a query is cheaper to lose than a batch.
            self.state = ASKING
            self._placed = 0
            return [self._query(0)]
        if self.state == SEEK:
            self.state = SEEKING
            return [self._query(self._probe)]
        assert self.state == READY
        self.state = FETCHING
        count = self._pace.records
        if self._suspects:
            count = min(count, max(1, self._suspects // 2))
        return [Fetch(self.lane.name, self.next, count, room_bytes)]

    def _query(self, at: int) -> Query:
        self._token = self._line.next_token()
        return Query(self._token, self.lane.stream(self._node), at)

    def fetched(self, span: "Span", moment: "Moment") -> "list[Effect]":
        """Send what was read, or deal with what could not be."""
        assert self.state == FETCHING
        if span.last < span.first:
            self.state = READY
            damaged = span.damaged or span.first
            if damaged > self.lane.last:
                return []
            return self._set_damaged_aside(damaged)
        sizes = [size_bytes(record) for record in span.records]
        total_bytes = held_bytes = sum(sizes)
        if span.first <= self.lane.through:
            # After a rewind: what was released before counts as held no longer.
            seqs = sequence_numbers(span.first, span.last, span.gaps)
            released = len([seq for seq in seqs if seq <= self.lane.through])
            held_bytes = sum(sizes[released:])
        self._flight = Flight(span, moment.now_ms, total_bytes, held_bytes)
        self._token = self._line.next_token()
        self.state = FLYING
        batch = Batch(self.lane.stream(self._node), span, moment.boot, moment.now_ms)
        return [Send(self._token, batch)]

    def _set_damaged_aside(self, seq: int) -> "list[Effect]":
        self._line.tell("error", "record_damaged", [("lane", self.lane.name), ("seq", seq)])
        if seq <= self.lane.through:
            # It was delivered before, and its receiver has lost it since: it is gone.
            return [Append([self.lane.forget(seq)]), Sync()]
        entries = self.lane.set_aside(seq, seq, 0, QUARANTINED + DAMAGED, True)
        assert entries, "the journal reads a record where the lane has a gap"
        return [Append(entries), Sync()]

    def expects(self, token: int) -> bool:
        """Tell whether the request `token` is the one in flight here."""
        return token == self._token and self.state in (ASKING, FLYING, SEEKING)

    def unanswered(self, answer: "Unanswered", moment: "Moment") -> "list[Effect]":
        """Ask where the receiver stands: whether it got the batch is unknown."""
        self._fail(answer.reason, None, moment)
        return []

    def answered(self, answer: "Answered", moment: "Moment") -> "list[Effect]":
        """Go on from the target's answer."""
        meaning = judge(answer.status, answer.fields, self.state == FLYING)
        try:
            if meaning == RECEIPT:
                return self._take_receipt(answer.fields, moment)
            if meaning == STANDING:
                return self._take_standing(answer, moment)
        except ProtocolError as error:
            self._fail(str(error), None, moment)
            return []
        detail = refusal_text(answer.status, answer.fields)
        if meaning in (TOO_LARGE, POISON):
            return self._narrow(meaning, detail, moment)
        if meaning == LATER:
            self._fail(detail, answer.retry_after, moment)
            return []
        assert meaning == REFUSED
        return self._refused_all(detail, moment)

    def _fail(self, reason: str, retry_after: "str | None", moment: "Moment") -> None:
        if self.state == FLYING:
            self._pace.failed()
        self.state = ASK
        self._retry_at_ms = self._line.failed(moment.now_ms, moment.wall_ms, reason, retry_after)

    def _take_receipt(self, fields: object, moment: "Moment") -> "list[Effect]":
        flight = self._flight
        assert flight is not None
        receipt = read_receipt(self.lane.stream(self._node), fields)
        span = flight.span
        if (receipt.first, receipt.last) != (span.first, span.last):
            raise ProtocolError("bad-receipt", "the receipt is for another range")
        if receipt.generation != self._generation or receipt.cursor.through != span.last:
            # Restored meanwhile, or further on than we know: its cursor will tell.
            self._count_conflict()
            self._line.answered()
            self.state = ASK
            return []
        if receipt.cursor.hash_at != span.hash_after:
            raise ProtocolError("bad-receipt", "the receipt has another hash than was sent")
        self._line.succeeded(moment.now_ms)
        self._heard_ms = moment.now_ms
        self._pace.returned(moment.now_ms - flight.sent_ms, len(span.records), flight.total_bytes)
        self._flight = None
        self._conflicts = 0
        self._renewals.delivered()
        self._quarantined_in_a_row = 0
        self._suspects = max(0, self._suspects - len(span.records))
        return self._go_on_behind(span.last, flight.held_bytes)

    def _go_on_behind(self, through: int, held_bytes: int) -> "list[Effect]":
        self.state = READY
        self.next = through + 1
        if through <= self.lane.through:
            return []
        entries: list[Entry] = [self.lane.release(through, held_bytes)]
        account = self._line.schedule.state()
        if account is not None:
            entries.append(Spent(*account))
        return [Append(entries)] if self._line.releases_ride else [Append(entries), Sync()]

    def _take_standing(self, answer: "Answered", moment: "Moment") -> "list[Effect]":
        standing = read_standing(self.lane.stream(self._node), answer.fields)
        if self.state == FLYING:
            self._count_conflict()
        if self._flight is not None and standing.cursor.through < self._flight.span.last:
            # It answers, and yet the last batch did not come through: that is no success.
            self._line.answered()
        else:
            self._flight = None
            self._line.succeeded(moment.now_ms)
        self._take_generation(standing)
        self._standing = standing
        self._heard_ms = moment.now_ms
        if self.state == SEEKING:
            self.state = COMPARING
            return [Locate(self.lane.name, self._probe)]
        through = standing.cursor.through
        if through == 0:
            return self._go_on_behind(0, 0)
        if through > self.lane.last:
            return self._seek(self.lane.last)
        self.state = PLACING
        return [Locate(self.lane.name, through)]

    def _take_generation(self, standing: "Standing") -> None:
        is_new, self._generation = standing.generation != self._generation, standing.generation
        through = standing.cursor.through
        if is_new and through < self.lane.through:  # It acknowledged more once.
            fields = [("lane", self.lane.name), ("through", through)]
            self._line.tell("warning", "hub_restored", fields)

    def _count_conflict(self) -> None:
        self._conflicts += 1
        if self._conflicts > CONFLICTS_MAX:
            raise ProtocolError("conflict", "the target contradicts what it said of its cursor")

    def located(self, seq: int, hash_at: "int | None") -> "list[Effect]":
        """Compare our own history with the receiver's at `seq`."""
        standing = self._standing
        assert standing is not None
        if self.state == PLACING:
            if hash_at is None:
                return self._look_before_gap(seq)
            if hash_at == standing.cursor.hash_at:
                return self._go_on_behind(seq, self.lane.estimate_bytes(seq))
            return self._seek(seq - 1)
        assert self.state == COMPARING
        is_common = standing.asked == seq and hash_at is not None and standing.asked_hash == hash_at
        placed, self._placed = self._placed, 0
        if placed:
            if is_common:
                return self._go_on_behind(placed, self.lane.estimate_bytes(placed))
            return self._seek(seq - 1)
        if is_common:
            self._low = seq
        else:
            self._high = seq - 1
        return self._seek_on()

    def _look_before_gap(self, seq: int) -> "list[Effect]":
        """Compare in front of the gap in which the cursor stands, where we know no hash any more.

        What is held there may be released only if it is what the receiver has.
        """
        before = before_gaps(seq, self.lane.gaps)
        if before <= self.lane.through:
            return self._go_on_behind(seq, self.lane.estimate_bytes(seq))
        self._placed, self._probe = seq, before
        self.state = SEEK
        return []

    def _seek(self, high: int) -> "list[Effect]":
        self._low, self._high = self.lane.through, high
        return self._seek_on()

    def _seek_on(self) -> "list[Effect]":
        self._probe = probe_between(self._low, self._high, self.lane.gaps)
        if self._probe > self._low:
            self.state = SEEK
            return []
        effects = []
        common = max(self._low, self.lane.through)
        if common > self.lane.through:
            effects = self._go_on_behind(common, self.lane.estimate_bytes(common))
        epoch = identity_text(self._chance.bits64())
        old = str(self.lane.stream(self._node))
        renewed = self.lane.renew(epoch)
        self._line.tell("warning", "stream_forked", [("stream", old), ("common", common)])
        self.state = ASK
        self._retry_at_ms = self._renewals.ask_at_ms(self._heard_ms)
        self.next = 1
        self._flight = None
        effects.extend([Append([renewed]), Sync()])
        return effects

    def _narrow(self, meaning: str, detail: str, moment: "Moment") -> "list[Effect]":
        """Send less, until the verdict is about one record."""
        flight = self._flight
        assert flight is not None
        count = len(flight.span.records)
        if count <= 1:
            return self._quarantine(detail, moment)
        self._line.answered()
        if meaning == TOO_LARGE:
            self._pace.too_large(count, flight.total_bytes)
        else:
            self._suspects = count
        self.state = READY
        return []

    def _quarantine(self, detail: str, moment: "Moment") -> "list[Effect]":
        flight = self._flight
        assert flight is not None
        span = flight.span
        seqs = sequence_numbers(span.first, span.last, span.gaps)
        if not seqs:
            return self._refused_all(detail, moment)  # Nothing here that could be set aside.
        seq = seqs[0]
        self._quarantined_in_a_row += 1
        if self._quarantined_in_a_row > QUARANTINE_RUN_MAX:
            # One more each time we come back, so that poison without end does not end the stream.
            self._quarantined_in_a_row = QUARANTINE_RUN_MAX - 1
            return self._refused_all(detail, moment)
        self._line.answered()
        self._suspects = 0
        self.state = READY
        reason = reason_text(QUARANTINED + detail)
        self._line.tell("warning", "record_quarantined", [("lane", self.lane.name), ("seq", seq)])
        if seq <= self.lane.through:  # The target took it once, lost it, and refuses it now.
            return [Append(self.lane.withdraw(seq, reason)), Sync()]
        return [Append(self.lane.set_aside(seq, seq, flight.held_bytes, reason, True)), Sync()]

    def _refused_all(self, detail: str, moment: "Moment") -> "list[Effect]":
        self.state = ASK
        self._retry_at_ms = self._line.refused(moment.now_ms, detail)
        return []
