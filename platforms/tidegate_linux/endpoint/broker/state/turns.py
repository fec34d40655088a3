"""Turns: what must become durable together, and the output that hangs on it.

Theory of operation.  The broker's memory runs ahead of the journal.  All that came in during one
pass of the event loop, over all connections, is one *turn*: messages for the uplink and notes, the
small key-value pairs in which sessions, retained messages, packet ids and queues survive a crash.
The journal writes both in one transaction.  Output is of two kinds:

- *Staged* output tells the outside of something that is durable, or has to be first.  It hangs on
  the open turn and leaves when that turn is settled (P1):

  | output                                  | because of                                         |
  |-----------------------------------------|----------------------------------------------------|
  | PUBACK, PUBREC                          | the message, its copies in kept queues, packet id  |
  | PUBCOMP                                 | the packet id's deletion: it may be used again     |
  | PUBREL                                  | the marker that stands in place of the copy        |
  | PUBLISH of QoS 1 or 2, retained or not  | the message and the note of this copy              |
  | CONNACK                                 | the session that was made, or thrown away          |
  | SUBACK, UNSUBACK                        | the subscriptions of a kept session                |

- All other output (PINGRESP, copies of QoS 0, DISCONNECT) leaves at once, but never overtakes what
  the same connection has staged: then it waits behind that.

A turn that is empty when it is sealed takes no number.  What was staged in it may still rest on a
turn that is not settled yet (a PUBLISH that was sent again, whose first copy is under way), so it
hangs on the last of those, and leaves at once where there is none.

Hence after a crash at any point: whatever a peer has seen is in the notes.  The opposite, notes of
things that no peer has seen, is what re-sending is for.
"""

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tidegate.events import Message
    from tidegate_linux.endpoint.broker.connection import Connection

NOTE_OVERHEAD_BYTES = 64  # What a note costs besides its key and value, about.


class Turn(NamedTuple):
    """A sealed turn, for the journal."""

    number: int
    messages: "list[Message]"
    notes: list[tuple[bytes, bytes | None]]
    size_bytes: int


class Receipts:
    """Acknowledgements of one kind that were staged one after another, not encoded yet.

    Whether they accept or refuse is known only when the turn is settled; and many at once are
    encoded faster.  `is_uplinked`: the messages were for the journal, which may refuse them.
    """

    __slots__ = ("ids", "is_uplinked", "qos")

    def __init__(self, qos: int, is_uplinked: bool) -> None:
        self.qos = qos
        self.is_uplinked = is_uplinked
        self.ids: list[int] = []


class Staged:
    """What one connection may send once turn `number` is settled, in order."""

    __slots__ = ("number", "parts")

    def __init__(self, number: int) -> None:
        self.number = number
        self.parts: list[bytes | Receipts] = []


class Turns:
    """The open turn, and those under way to the journal."""

    def __init__(self) -> None:
        self.number = 1  # Of the open turn.
        self.messages: list[Message] = []
        self.notes: dict[bytes, bytes | None] = {}
        self.size_bytes = 0
        self.waiting: dict[Connection, None] = {}  # Have something staged in the open turn.
        self.unsettled: deque[tuple[int, list[Connection]]] = deque()

    def note(self, key: bytes, value: bytes | None) -> None:
        """Set a note, or delete it, in the open turn."""
        self.notes[key] = value
        self.size_bytes += NOTE_OVERHEAD_BYTES + len(key) + (0 if value is None else len(value))

    def staged(self, connection: "Connection") -> Staged:
        """Return what `connection` stages in the open turn."""
        queue = connection.staged
        if not queue or queue[-1].number != self.number:
            queue.append(Staged(self.number))
            self.waiting[connection] = None
        return queue[-1]

    def stage(self, connection: "Connection", data: bytes) -> None:
        """Let `connection` send `data` when the open turn is settled."""
        self.staged(connection).parts.append(data)
        connection.staged_bytes += len(data)

    def receipts(self, connection: "Connection", qos: int, is_uplinked: bool) -> list[int]:
        """Return the list that takes the packet ids to acknowledge when the turn is settled."""
        parts = self.staged(connection).parts
        if parts:
            last = parts[-1]
            if last.__class__ is Receipts:
                assert isinstance(last, Receipts)
                if last.qos == qos and last.is_uplinked == is_uplinked:
                    return last.ids
        receipts = Receipts(qos, is_uplinked)
        parts.append(receipts)
        return receipts.ids

    def seal(self, number_key: bytes, number_value: bytes) -> Turn | None:
        """Close the open turn; return it, or None where nothing in it has to become durable.

        In that case the caller goes on with `defer`.
        """
        if not self.messages and not self.notes:
            return None
        self.notes[number_key] = number_value
        turn = Turn(self.number, self.messages, list(self.notes.items()), self.size_bytes)
        self.unsettled.append((self.number, list(self.waiting)))
        self.number += 1
        self.messages = []
        self.notes = {}
        self.size_bytes = 0
        self.waiting = {}
        return turn

    def defer(self) -> "list[Connection]":
        """Hang what an empty turn has staged on the last unsettled one.

        Return the connections whose output rests on nothing, to be released.
        """
        waiting = list(self.waiting)
        self.waiting = {}
        self.size_bytes = 0
        if not self.unsettled:
            return waiting
        last, connections = self.unsettled[-1]
        for connection in waiting:
            if connection.staged and connection.staged[-1].number == self.number:
                connection.staged[-1].number = last
        connections.extend(waiting)
        return []

    def settle(self, number: int) -> "list[Connection]":
        """Forget turn `number`, the first unsettled one; return the connections that wait."""
        first, connections = self.unsettled.popleft()
        assert first == number, "turns are settled in their order"
        return connections
