"""The queue of one session: messages of QoS 1 and 2 on their way to one client.

No I/O, no encoding, no clock.  Promises that no two live entries have one packet id, that what was
sent is never dropped, that what is sent again keeps its order [MQTT-4.6.0-1], and the limits.

Theory of operation.  Entries have ascending numbers; packet id = number % 65,535 + 1.  Four parts,
in this order of numbers, except that the first two may mix:

    in flight   sent on this connection, or PUBREL is due
    again       sent on an earlier connection, and not on this one yet
    ahead       in memory, never sent
    tail        of a kept session: entries that exist only as notes, known by count and bytes

A kept session has at most WINDOW_ENTRIES or WINDOW_BYTES (but at least one) in flight, and as much
ahead.  An entry that finds the room ahead taken joins the tail, and so do all after it, until
`refill` has brought the tail back.  The owner notes each entry of a kept session, removes the note
of each that is gone (`acknowledged`, `completed`, `rejected`, `take_dropped`), and asks `wanted`
after each change.  The tail is a row without holes at its start, so it needs no list.
"""

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from tidegate_linux.endpoint.broker.delivery import Delivery, is_expired, size_of
from tidegate_linux.endpoint.broker.limits import (
    DELIVERY_OVERHEAD_BYTES,
    ENTRIES_LIVE_MAX,
    PACKET_IDS,
    WINDOW_BYTES,
    WINDOW_ENTRIES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate_linux.endpoint.broker.state.tally import Tally

WAITING = 0  # Not sent on this connection.
SENT = 1  # PUBLISH was sent.
RELEASED = 2  # PUBREC came: only PUBREL may be sent [MQTT-4.3.3-6].

FULL = "queue full"
CROWDED = "all queues full"
EXPIRED = "expired"

_NOTHING = Delivery(b"", b"", 2, False, b"", None, "")


class Entry:
    """One message in one queue.

    `qos` is what was granted, `identifiers` are those of the subscriptions.  `is_again`: it was, or
    may have been, sent before, so PUBLISH has DUP 1 [MQTT-3.3.1-1].
    """

    __slots__ = (
        "delivery", "identifiers", "is_again", "number", "packet_id", "qos", "size_bytes", "state",
    )  # fmt: skip

    def __init__(
        self, number: int, delivery: Delivery, qos: int, identifiers: tuple[int, ...]
    ) -> None:
        self.number = number
        self.packet_id = packet_id_of(number)
        self.delivery = delivery
        self.qos = qos
        self.identifiers = identifiers
        self.size_bytes = size_of(delivery)
        self.state = WAITING
        self.is_again = False


class Dropped(NamedTuple):
    """An entry that will not be sent, and why: FULL, CROWDED or EXPIRED."""

    entry: Entry
    reason: str


def packet_id_of(number: int) -> int:
    """Return the packet id of entry `number`."""
    return number % PACKET_IDS + 1


class Outbox:
    """The queue of one session.  `count` and `total_bytes` are of all four parts."""

    def __init__(
        self,
        is_kept: bool,
        messages_max: int,
        bytes_max: int,
        next_number: int = 0,
        tally: "Tally | None" = None,
    ) -> None:
        self.is_kept = is_kept
        self.next_number = next_number
        self.total_bytes = 0
        self._messages_max = min(messages_max, ENTRIES_LIVE_MAX)
        self._bytes_max = bytes_max
        self._tally = tally  # Of all queues together.
        self._flight: dict[int, Entry] = {}
        self._flight_bytes = 0
        self._again: deque[Entry] = deque()
        self._ahead: deque[Entry] = deque()
        self._ahead_bytes = 0
        self._ids: set[int] = set()  # Packet ids of all that is in memory.
        self._tail_first = 0
        self._tail_count = 0
        self._tail_bytes = 0
        self._dropped: list[Dropped] = []

    @property
    def count(self) -> int:
        """Return how many entries are live."""
        return len(self._ids) + self._tail_count

    @property
    def waiting_bytes(self) -> int:
        """Return how much of it is in memory and was never sent: what `shed` can drop."""
        return self._ahead_bytes

    @property
    def in_flight(self) -> int:
        """Return how many entries were sent on this connection and are not done."""
        return len(self._flight)

    def offer(self, delivery: Delivery, qos: int, identifiers: tuple[int, ...]) -> Entry | None:
        """Queue a message; return its entry, None when it is refused because there is no room.

        The oldest that were never sent make room first (`take_dropped`).  It is the new message
        that is refused where all in memory was sent.
        """
        assert qos > 0, "QoS 0 is not queued"
        size = size_of(delivery)
        while self.count >= self._messages_max or self.total_bytes + size > self._bytes_max:
            if not self._ahead or size > self._bytes_max:
                return None
            self._drop(self._ahead.popleft(), FULL)
        number = self._free_number()
        if number is None:
            return None
        entry = Entry(number, delivery, qos, identifiers)
        self.next_number = number + 1
        self._queue(entry)
        return entry

    def shed(self, size_bytes: int) -> None:
        """Drop the oldest that were never sent, so much at least if there is, for other queues."""
        goal_bytes = self.total_bytes - size_bytes
        while self._ahead and self.total_bytes > goal_bytes:
            self._drop(self._ahead.popleft(), CROWDED)

    def leave(self) -> None:
        """Count no more towards all queues: the session is over."""
        if self._tally is not None:
            self._tally.total_bytes -= self.total_bytes
            self._tally = None

    def take_dropped(self) -> list[Dropped]:
        """Return what was dropped since the last call, oldest first."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def next_sendable(self, window: int, now_ms: int) -> list[Entry]:
        """Return what is to be sent now as PUBLISH, in order; it is in flight from here on.

        `window` is the client's receive maximum [MQTT-3.3.4-9].  DUP is `is_again`.
        """
        entries = []
        while (self._again or self._ahead) and self._has_room_in_flight(window):
            if self._again:
                entry = self._again.popleft()
            else:
                entry = self._ahead.popleft()
                if is_expired(entry.delivery, now_ms):
                    self._drop(entry, EXPIRED)
                    continue
                self._ahead_bytes -= entry.size_bytes
            self._launch(entry)
            entries.append(entry)
        return entries

    def acknowledged(self, packet_id: int) -> Entry | None:
        """Take a PUBACK: forget its entry; None where no QoS 1 with this id is in flight."""
        return self._finish(packet_id, 1, SENT)

    def received(self, packet_id: int) -> Entry | None:
        """Take a PUBREC without an error: PUBREL is due, also for one that comes again.

        None where no QoS 2 with this id is in flight.  The message itself is forgotten.
        """
        entry = self._flight.get(packet_id)
        if entry is None or entry.qos != 2:
            return None
        if entry.state == SENT:
            freed = entry.size_bytes - DELIVERY_OVERHEAD_BYTES
            entry.size_bytes -= freed
            self._weigh(-freed)
            self._flight_bytes -= freed
            entry.delivery = _NOTHING
            entry.state = RELEASED
        return entry

    def rejected(self, packet_id: int) -> Entry | None:
        """Take a PUBREC with an error: forget its entry (4.3.3), None where there is none."""
        return self._finish(packet_id, 2, SENT)

    def completed(self, packet_id: int) -> Entry | None:
        """Take a PUBCOMP: forget its entry; None where no PUBREL with this id is out."""
        return self._finish(packet_id, 2, RELEASED)

    def rewind(self) -> None:
        """End a connection: what was sent and is not acknowledged has to be sent again."""
        sent = [entry for entry in self._flight.values() if entry.state == SENT]
        for entry in sent:
            del self._flight[entry.packet_id]
            self._flight_bytes -= entry.size_bytes
            entry.state = WAITING
            entry.is_again = True
        self._again = deque(sorted(sent + list(self._again), key=_number_of))

    def resumed(self) -> list[Entry]:
        """Begin a new connection: return those for which PUBREL goes out again [MQTT-4.4.0-1].

        They count as in flight until PUBCOMP.  What has to be published again comes first from
        `next_sendable`, as the window of the new connection allows.
        """
        self.rewind()
        return sorted(self._flight.values(), key=_number_of)

    def expire(self, now_ms: int) -> None:
        """Drop what is in memory, was never sent and has expired."""
        if not any(is_expired(entry.delivery, now_ms) for entry in self._ahead):
            return
        kept: deque[Entry] = deque()
        for entry in self._ahead:
            if is_expired(entry.delivery, now_ms):
                self._drop(entry, EXPIRED)
            else:
                kept.append(entry)
        self._ahead = kept

    def wanted(self) -> tuple[int, int] | None:
        """Return (first number, how many) to read back from the notes, None where none is due.

        Notes of turns that are not settled cannot be read yet; the owner asks for one at a time.
        """
        if not self._tail_count:
            return None
        if len(self._ahead) > WINDOW_ENTRIES // 2 or self._ahead_bytes > WINDOW_BYTES // 2:
            return None
        average = max(1, self._tail_bytes // self._tail_count)
        room = (WINDOW_BYTES - self._ahead_bytes) // average
        count = min(WINDOW_ENTRIES - len(self._ahead), room, self._tail_count)
        return self._tail_first, max(1, count)

    def refill(self, entries: "Iterable[Entry]") -> None:
        """Take back entries of the tail, ascending without a gap; those without room stay there."""
        for entry in entries:
            if not self._tail_count or not self._has_room_ahead():
                return
            if entry.number < self._tail_first or entry.number >= self.next_number:
                continue
            self._shorten_tail(entry.number, entry.size_bytes)
            self._put_ahead(entry)

    def lost(self, number: int) -> bool:
        """Give up an entry of the tail whose note is damaged; tell whether it was in the tail."""
        if not self._tail_count or not self._tail_first <= number < self.next_number:
            return False
        self._shorten_tail(number, self._tail_bytes // self._tail_count)
        return True

    def forget_tail(self) -> int:
        """Give up the tail: its notes are gone; return how many entries it had."""
        count = self._tail_count
        self._weigh(-self._tail_bytes)
        self._tail_count = self._tail_bytes = 0
        return count

    def restore(
        self, entry: Entry, sent_max: int = WINDOW_ENTRIES, unsent_from: int | None = None
    ) -> None:
        """Take one entry from the notes after a start, in ascending order.

        What had been sent is not known, but it was among the first `sent_max`, and WINDOW_BYTES of
        them, and came before number `unsent_from`, if that is known: these get DUP and are not
        dropped.  A RELEASED one (`released`) goes out as PUBREL.
        """
        self.next_number = max(self.next_number, entry.number + 1)
        may_be_sent = (
            len(self._ids) < sent_max
            and self.total_bytes < WINDOW_BYTES
            and (unsent_from is None or entry.number < unsent_from)
            and not (self._ahead or self._tail_count)
        )
        if entry.state == RELEASED or may_be_sent:
            entry.is_again = True
            self._weigh(entry.size_bytes)
            self._ids.add(entry.packet_id)
            if entry.state == RELEASED:
                self._flight[entry.packet_id] = entry
                self._flight_bytes += entry.size_bytes
            else:
                self._again.append(entry)
            return
        self._queue(entry)

    def live_numbers(self) -> "Iterable[int]":
        """Yield the numbers of all entries, and perhaps some without one: notes to delete."""
        for entry in (*self._flight.values(), *self._again, *self._ahead):
            yield entry.number
        if self._tail_count:
            yield from range(self._tail_first, self.next_number)

    def _free_number(self) -> int | None:
        number = self.next_number
        while packet_id_of(number) in self._ids:  # Sent long ago and still not acknowledged.
            number += 1
        if self._tail_count and number - PACKET_IDS >= self._tail_first:
            return None
        return number

    def _queue(self, entry: Entry) -> None:
        if self._tail_count or (self.is_kept and not self._has_room_ahead()):
            if not self._tail_count:
                self._tail_first = entry.number
            self._tail_count += 1
            self._tail_bytes += entry.size_bytes
            self._weigh(entry.size_bytes)
            return
        self._put_ahead(entry)

    def _put_ahead(self, entry: Entry) -> None:
        self._ids.add(entry.packet_id)
        self._ahead.append(entry)
        self._ahead_bytes += entry.size_bytes
        self._weigh(entry.size_bytes)

    def _has_room_ahead(self) -> bool:
        return len(self._ahead) < WINDOW_ENTRIES and self._ahead_bytes < WINDOW_BYTES

    def _has_room_in_flight(self, window: int) -> bool:
        if len(self._flight) >= window:
            return False
        if not self.is_kept:
            return True
        return len(self._flight) < WINDOW_ENTRIES and self._flight_bytes < WINDOW_BYTES

    def _launch(self, entry: Entry) -> None:
        entry.state = SENT
        self._flight[entry.packet_id] = entry
        self._flight_bytes += entry.size_bytes

    def _finish(self, packet_id: int, qos: int, state: int) -> Entry | None:
        entry = self._flight.get(packet_id)
        if entry is None or entry.qos != qos or entry.state != state:
            return None
        del self._flight[packet_id]
        self._ids.remove(packet_id)
        self._flight_bytes -= entry.size_bytes
        self._weigh(-entry.size_bytes)
        return entry

    def _drop(self, entry: Entry, reason: str) -> None:
        """Drop an entry that was just taken from those ahead."""
        self._ids.remove(entry.packet_id)
        self._ahead_bytes -= entry.size_bytes
        self._weigh(-entry.size_bytes)
        self._dropped.append(Dropped(entry, reason))

    def _weigh(self, size_bytes: int) -> None:
        self.total_bytes += size_bytes
        if self._tally is not None:
            self._tally.total_bytes += size_bytes

    def _shorten_tail(self, number: int, size_bytes: int) -> None:
        self._tail_first = number + 1
        self._tail_count -= 1
        size_bytes = min(size_bytes, self._tail_bytes) if self._tail_count else self._tail_bytes
        self._tail_bytes -= size_bytes
        self._weigh(-size_bytes)


def released(number: int) -> Entry:
    """Return the entry that the PUBREC marker of a note stands for."""
    entry = Entry(number, _NOTHING, 2, ())
    entry.state = RELEASED
    return entry


def _number_of(entry: Entry) -> int:
    return entry.number
