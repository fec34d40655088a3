"""What a kept session took in last at QoS 1, so that a message sent again is not taken twice.

A client that saw no PUBACK sends the message again on its next connection, with DUP set and under
the same packet id [MQTT-4.4.0-1].  A packet id and the content together tell it from a new message,
as long as the client could still be in doubt: it reuses a packet id as soon as it has the PUBACK,
and an equal new message under it would be lost.  A loss is worse than a duplicate, so what was
acknowledged is forgotten once the client has gone on talking for `DOUBT_MS` after it.

What one turn took in is one note, deleted as a whole.
"""

# A client that still sends this long after our PUBACK has read it.  Longer: equal messages could be
# lost; shorter: a client on a bad line sends again what we no longer know.
DOUBT_MS = 10_000
# A client of 3.1.1 may have any number unacknowledged: all packet ids that there are.
IDS = 65_535
# Of all sessions together, about 250 bytes each; beyond, each session keeps what clients commonly
# have in flight.
ALL_MAX = 200_000
SHARE_MIN = 20


class Total:
    """How many messages are remembered of all sessions together."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Taken:
    """What one session took in during one turn."""

    __slots__ = ("at_ms", "marks", "turn")

    def __init__(self, turn: int, at_ms: int) -> None:
        self.turn = turn
        self.at_ms = at_ms
        self.marks: list[tuple[int, int]] = []  # (packet id, checksum of the content)


class Repeats:
    """The last QoS 1 messages of one session."""

    __slots__ = ("_count", "_marks", "_taken", "_total")

    def __init__(self, total: Total) -> None:
        self._total = total
        self._count = 0
        self._marks: dict[int, tuple[int, int]] = {}  # Packet id -> (mark, turn).
        self._taken: list[Taken] = []  # Not a deque: most are empty, and that takes 600 bytes.

    def is_known(self, packet_id: int, mark: int) -> bool:
        """Tell whether this very message was taken in under this packet id."""
        known = self._marks.get(packet_id)
        return known is not None and known[0] == mark

    def doubt(self, packet_id: int, now_ms: int) -> None:
        """A known message came again: its client may miss the PUBACK that leaves now as well."""
        self.answered(self._marks[packet_id][1], now_ms)

    def answered(self, turn: int, now_ms: int) -> None:
        """The acknowledgements of a turn leave: only from now on can its client have read them."""
        for taken in reversed(self._taken):
            if taken.turn == turn:
                taken.at_ms = now_ms
                break

    def remember(self, packet_id: int, mark: int, turn: int, now_ms: int) -> None:
        """Remember a message of the open turn."""
        if not self._taken or self._taken[-1].turn != turn:
            self._taken.append(Taken(turn, now_ms))
        taken = self._taken[-1]
        taken.marks.append((packet_id, mark))
        self._marks[packet_id] = (mark, turn)
        self._add(1)

    def restore(self, turn: int, marks: list[tuple[int, int]], now_ms: int) -> None:
        """Learn one turn again; turns are given in their order."""
        taken = Taken(turn, now_ms)
        taken.marks.extend(marks)
        self._taken.append(taken)
        for packet_id, mark in marks:
            self._marks[packet_id] = (mark, turn)
        self._add(len(marks))

    def take_stale(self, settled: int, before_ms: int) -> list[int]:
        """Forget what need not be known any more; return the turns it was taken in.

        That is what came in before `before_ms` in a turn up to `settled`, and what is too much.
        """
        stale = []
        taken = self._taken
        while taken:
            first = taken[0]
            count_max = IDS if self._total.count <= ALL_MAX else SHARE_MIN
            is_surplus = self._count - len(first.marks) >= count_max
            is_old = first.turn <= settled and first.at_ms < before_ms
            if not (is_surplus or is_old):
                break
            taken.pop(0)
            self._add(-len(first.marks))
            for packet_id, mark in first.marks:
                # Its packet id may stand for a newer message by now.
                if self._marks.get(packet_id) == (mark, first.turn):
                    del self._marks[packet_id]
            stale.append(first.turn)
        return stale

    def forget(self, turn: int) -> bool:
        """Forget what was taken in in one turn; tell whether anything was."""
        taken = next((one for one in self._taken if one.turn == turn), None)
        if taken is None:
            return False
        self._taken.remove(taken)
        self._add(-len(taken.marks))
        for packet_id, mark in taken.marks:
            if self._marks.get(packet_id) == (mark, turn):
                del self._marks[packet_id]
        return True

    def clear(self) -> None:
        """Forget everything: the session is over."""
        self._add(-self._count)
        self._marks = {}
        self._taken = []

    def last(self) -> Taken:
        """Return what came in in the last turn that something is remembered of."""
        return self._taken[-1]

    def turns(self) -> list[int]:
        """Return the turns of which something is remembered."""
        return [taken.turn for taken in self._taken]

    def _add(self, count: int) -> None:
        self._count += count
        self._total.count += count
