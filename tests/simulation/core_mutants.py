"""Bugs planted in the core: name, owner, attribute, and a function that makes the wrong one.

Each does in a few lines what a hasty change could do.  `mutants` plants them.
"""

from tidegate import composition
from tidegate.delivery import answer
from tidegate.delivery.line import Line
from tidegate.delivery.pace import Pace
from tidegate.delivery.sender import ASKING, FLYING, PLACING, READY, SEEKING, Sender
from tidegate.delivery.uplink import Uplink
from tidegate.effects import Acknowledge, Append, Sync
from tidegate.engine import Engine
from tidegate.errors import StorageError
from tidegate.events import Gathered, Ticked
from tidegate.gateway import Gateway
from tidegate.records.span import Gap
from tidegate.store import admission
from tidegate.store.admission import Admission
from tidegate.store.lane import Lane
from tidegate.wire.reply import hash_text


def _acknowledges_first(original):
    def gathered(self, arrivals):
        effects = original(self, arrivals)
        return sorted(effects, key=lambda effect: not isinstance(effect, Acknowledge))

    return gathered


def _syncs_after_acknowledging(original):
    """Group commit gone wrong: the flush is left to the next timer."""

    def handle(self, event, now_ms):
        effects = original(self, event, now_ms)
        if isinstance(event, Gathered):
            late = [effect for effect in effects if isinstance(effect, Sync)]
            self.late = getattr(self, "late", []) + late
            return [effect for effect in effects if not isinstance(effect, Sync)]
        if isinstance(event, Ticked):
            late, self.late = getattr(self, "late", []), []
            return late + effects if self.node else effects
        return effects

    return handle


def uploads_before_sync(original):
    """The new records are sent first, and flushed and acknowledged after that."""

    def handle(self, event, now_ms):
        effects = original(self, event, now_ms)
        if isinstance(event, Gathered) and self.node:
            appends = [effect for effect in effects if isinstance(effect, Append)]
            self.late = getattr(self, "late", [])
            self.late += [effect for effect in effects if not isinstance(effect, Append)]
            return appends + self._pump(now_ms)
        if isinstance(event, Ticked):
            late, self.late = getattr(self, "late", []), []
            return late + effects if self.node else effects
        return effects

    return handle


def _releases_what_was_sent(original):
    def unanswered(self, answer, moment):
        if self.state == FLYING:
            return self._go_on_behind(self._flight.span.last, self._flight.held_bytes)
        return original(self, answer, moment)

    return unanswered


def _releases_on_any_200(_original):
    def take_receipt(self, _fields, _moment):
        return self._go_on_behind(self._flight.span.last, self._flight.held_bytes)

    return take_receipt


def _skips_the_receipts_hash(original):
    def take_receipt(self, fields, moment):
        if isinstance(fields, dict) and fields.get("through") == self._flight.span.last:
            fields = {**fields, "hash": hash_text(self._flight.span.hash_after)}
        return original(self, fields, moment)

    return take_receipt


def _skips_the_receipts_range(original):
    def take_receipt(self, fields, moment):
        if isinstance(fields, dict) and "through" in fields:
            span = self._flight.span
            fields = {**fields, "first": span.first, "last": span.last, "through": span.last}
            fields["hash"] = hash_text(span.hash_after)
        return original(self, fields, moment)

    return take_receipt


def _renumbers_on_retry(original):
    def unanswered(self, answer, moment):
        was_flying = self.state == FLYING
        effects = original(self, answer, moment)
        if was_flying:
            renewed = self.lane.renew(f"{self._chance.bits64():016x}")
            self.next = 1
            effects = [*effects, Append([renewed]), Sync()]
        return effects

    return unanswered


def _never_goes_back(original):
    def go_on_behind(self, through, held_bytes):
        return original(self, max(through, self.lane.through), held_bytes)

    return go_on_behind


def _believes_any_cursor(original):
    def located(self, seq, hash_at):
        if self.state == PLACING:
            hash_at = self._standing.cursor.hash_at
        return original(self, seq, hash_at)

    return located


def _reuses_numbers_after_a_rollback(_original):
    def seek(self, high):
        return self._go_on_behind(high, self.lane.estimate_bytes(high))

    return seek


def _keeps_the_epoch(original):
    def renew(self, _epoch):
        return original(self, self.epoch)

    return renew


def _believes_a_cursor_in_a_gap(_original):
    def look_before_gap(self, seq):
        return self._go_on_behind(seq, self.lane.estimate_bytes(seq))

    return look_before_gap


def _takes_401_for_a_verdict(original):
    return (*original, 401)


def _takes_damage_for_a_verdict(_original):
    return ()


def _parks_the_neighbour(original):
    def narrow(self, meaning, detail, moment):
        if len(self._flight.span.records) <= 2:
            return self._quarantine(detail, moment)
        return original(self, meaning, detail, moment)

    return narrow


def _forgets_at_once(_original):
    def forgettable(self):
        self.room._keep_bytes = 0
        return [(lane, lane.through) for lane in self.lanes]

    return forgettable


def _drops_what_is_in_flight(_original):
    def droppable(self):
        return [(lane, 0) for lane in self.lanes]

    return droppable


def _drops_without_telling(original):
    def set_aside(self, first, last, bytes_freed, reason, kept):
        entries = original(self, first, last, bytes_freed, reason, kept)
        return entries if kept else entries[:-1]

    return set_aside


def _counts_gaps_as_delivered(original):
    def release(self, through, bytes_released):
        gaps, self.gaps = self.gaps, []
        entry = original(self, through, bytes_released)
        self.gaps = [gap for gap in gaps if gap.last > through]
        return entry

    return release


def _forgets_gaps_at_renewal(original):
    def renew(self, epoch):
        self.gaps = [Gap(1, 1, 0, gap.reason) for gap in self.gaps[:0]]
        return original(self, epoch)

    return renew


def _remembers_what_failed(original):
    def restore(self, recent):
        known = set(self._known)
        original(self, recent)
        self._known |= known

    return restore


def _forgets_identities_at_start(original):
    def restore(self, _recent):
        return original(self, [])

    return restore


def _takes_every_retained_for_known(_original):
    def no_checksum(_payload):
        return 0

    return no_checksum


def _goes_on_without_recovery(original):
    def recovered(self, state):
        if not self.lanes:
            return original(self, state)
        lanes = self.lanes
        effects = original(self, state)
        for lane in lanes:
            next(new for new in self.lanes if new.name == lane.name).__dict__.update(lane.__dict__)
        return effects

    return recovered


def _ignores_a_failing_effect(_original):
    """Carries out the rest of the list all the same, and sees to the journal afterwards."""

    def handle(self, event, now_ms):
        failure = None
        self._events.append(event)
        while self._events:
            for effect in self._gateway.handle(self._events.pop(0), now_ms):
                try:
                    self._carry_out(effect)
                except StorageError as error:
                    failure = error
        if failure is not None:
            self._fail(failure, now_ms)

    return handle


def _lets_late_messages_overtake(_original):
    def in_turn(self, arrival):
        return arrival

    return in_turn


def _takes_late_answers(_original):
    def waiting_for(self, _token):
        waiting = (ASKING, FLYING, SEEKING)
        return next((sender for sender in self.senders if sender.state in waiting), None)

    return waiting_for


def _ignores_retry_after(_original):
    def parse(_value, _wall_ms):
        return None

    return parse


def _does_nothing(_original):
    def nothing(self, *_arguments):
        return None

    return nothing


def _forgets_at_the_last_moment(original):
    def forgettable(self):
        return original(self) if self.room.short_bytes > 0 else []

    return forgettable


def _sends_twice_at_once(original):
    """Does not wait for the answer when there is more to send."""

    def fetched(self, span, moment):
        effects = original(self, span, moment)
        if self.state == FLYING and span.last < self.lane.last:
            self.state = READY
            self.next = span.last + 1
        return effects

    return fetched


def _never_asks_when_idle(original):
    def due_ms(self):
        return None if self.is_idle else original(self)

    return due_ms


CORE_MUTANTS = (
    ("acknowledges before the commit", Gateway, "_gathered", _acknowledges_first),
    ("leaves the flush for later", Gateway, "handle", _syncs_after_acknowledging),
    ("releases without a receipt", Sender, "unanswered", _releases_what_was_sent),
    ("releases on any 200", Sender, "_take_receipt", _releases_on_any_200),
    ("skips a receipt's hash", Sender, "_take_receipt", _skips_the_receipts_hash),
    ("skips a receipt's range", Sender, "_take_receipt", _skips_the_receipts_range),
    ("renumbers on retry", Sender, "unanswered", _renumbers_on_retry),
    ("never goes back for a restored hub", Sender, "_go_on_behind", _never_goes_back),
    ("never asks when idle", Sender, "due_ms", _never_asks_when_idle),
    ("believes any cursor", Sender, "located", _believes_any_cursor),
    ("reuses numbers after a rollback", Sender, "_seek", _reuses_numbers_after_a_rollback),
    ("keeps the epoch at a fork", Lane, "renew", _keeps_the_epoch),
    ("believes a cursor in a gap", Sender, "_look_before_gap", _believes_a_cursor_in_a_gap),
    ("takes 401 for a verdict", answer, "_VERDICTS", _takes_401_for_a_verdict),
    ("takes damage for a verdict", answer, "_DAMAGED_ON_THE_WAY", _takes_damage_for_a_verdict),
    ("parks the neighbour of poison", Sender, "_narrow", _parks_the_neighbour),
    ("keeps nothing that was delivered", Gateway, "_forgettable", _forgets_at_once),
    ("drops what is in flight", Gateway, "_droppable", _drops_what_is_in_flight),
    ("drops without telling", Lane, "set_aside", _drops_without_telling),
    ("counts gaps as delivered", Lane, "release", _counts_gaps_as_delivered),
    ("forgets gaps at a renewal", Lane, "renew", _forgets_gaps_at_renewal),
    ("remembers what failed", Admission, "restore", _remembers_what_failed),
    ("forgets identities at the start", Admission, "restore", _forgets_identities_at_start),
    ("takes every retained message for known", admission, "crc32", _takes_every_retained_for_known),
    ("goes on without recovery", Gateway, "_recovered", _goes_on_without_recovery),
    ("ignores a failing effect", Engine, "_handle", _ignores_a_failing_effect),
    ("lets late messages overtake", Gateway, "_in_turn", _lets_late_messages_overtake),
    ("takes late answers", Uplink, "_waiting_for", _takes_late_answers),
    ("ignores Retry-After", composition, "parse_retry_after", _ignores_retry_after),
    ("ignores an overheard Retry-After", Line, "overheard", _does_nothing),
    ("forgets that a batch was too large", Pace, "too_large", _does_nothing),
    ("waits for a lost probe", Line, "restart", _does_nothing),
    ("forgets delivered records too late", Gateway, "_forgettable", _forgets_at_the_last_moment),
    ("sends a second batch at once", Sender, "fetched", _sends_twice_at_once),
)  # fmt: skip
