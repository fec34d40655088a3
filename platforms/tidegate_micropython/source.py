"""The source of a node: what the sketch puts, on its way into the journal.

Promises a bound on what is queued, in records and bytes, and that nothing queued is dropped: it
stays until a commit has it, also over failures of the journal.  Only what finds no room is not
taken, and that is counted and told.  All that waits goes into one commit.
"""

from tidegate.errors import STORAGE_FULL, STORAGE_IO, StorageError
from tidegate.events import Arrived
from tidegate.store.lane import DEFAULT_LANE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.config.node_settings import NodeJournalSettings
    from tidegate.events import Message
    from tidegate.ports import Deliver
    from tidegate.records.filters import FilterMap

NAME = "node"
# While a commit fails or the loop is busy a few groups may wait; the heap of a board has no more.
QUEUE_GROUPS = 4
QUEUE_BYTES_MAX = 8192
# Reached by few large records before the count is: half, so that others still find room.
GROUP_BYTES = QUEUE_BYTES_MAX // 2


class Ticket:
    """What became of one message: `is_stored`, or why not, or neither yet."""

    def __init__(self) -> None:
        self.is_stored = False
        self.error: StorageError | None = None


class NodeSource:
    """The queue between the sketch and the engine."""

    name = NAME

    def __init__(
        self,
        settings: "NodeJournalSettings",
        lane_of: "FilterMap | None" = None,
        urgent: "Sequence[str]" = (),
    ) -> None:
        """`urgent` are the lanes, by `lane_of`, whose messages do not wait for others."""
        self._lane_of = lane_of
        self._urgent = urgent
        self.refused = 0  # Messages that found no room.
        self.taken = 0
        self._records = settings.sync_records
        self._interval_ms = settings.sync_interval_ms
        self._waiting: list[tuple[Message, Ticket | None]] = []
        self._flying: list[tuple[Message, Ticket | None]] = []
        self._bytes = 0
        self._is_urgent = False
        self._generation = 0
        self._is_open = False
        self._reason = "the journal is not open yet"

    # What the sketch's side calls.

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether one more message may wait."""
        count = len(self._waiting)
        return count < QUEUE_GROUPS * self._records and (
            not count or self._bytes + size_bytes <= QUEUE_BYTES_MAX
        )

    def add(self, message: "Message", ticket: "Ticket | None") -> None:
        """Queue a message."""
        self._waiting.append((message, ticket))
        self._bytes += len(message.topic) + len(message.payload) + len(message.properties)
        if self._urgent:
            assert self._lane_of is not None
            lane = self._lane_of.find(message.topic) or DEFAULT_LANE
            self._is_urgent = self._is_urgent or lane in self._urgent

    def withdraw(self, ticket: Ticket) -> None:
        """Take a message back that is not stored: its sender has been told."""
        self._waiting = [each for each in self._waiting if each[1] is not ticket]
        self._measure()

    def deadline_ms(self) -> "int | None":
        """Return when a commit is due; None while nothing waits or nothing is taken."""
        if not self._waiting or not self._is_open:
            return None
        if self._is_urgent or len(self._waiting) >= self._records or self._bytes >= GROUP_BYTES:
            return 0
        return self._waiting[0][0].ticks_ms + self._interval_ms

    @property
    def oldest_ms(self) -> "int | None":
        """Return since when the oldest message waits."""
        return self._waiting[0][0].ticks_ms if self._waiting else None

    def take(self) -> "Arrived | None":
        """Return all that waits as one arrival; call `settle` after the step that carries it."""
        if not self._waiting or not self._is_open:
            return None
        # What a broken step has left in flight comes first.
        self._flying, self._waiting = self._flying + self._waiting, []
        return Arrived(NAME, self._generation, [each[0] for each in self._flying], [], True)

    def settle(self) -> None:
        """Queue again, in front, what was neither stored nor refused; tell who waits for it."""
        if self._flying:
            self._waiting = self._flying + self._waiting
            self._flying = []
        for _, ticket in self._waiting:
            if ticket is not None and not self._is_open:
                ticket.error = self.error
        self._waiting = [each for each in self._waiting if each[1] is None or not each[1].error]
        self._measure()

    @property
    def error(self) -> StorageError:
        """Return why nothing is taken."""
        kind = STORAGE_FULL if "full" in self._reason else STORAGE_IO
        return StorageError(kind, self._reason)

    def _measure(self) -> None:
        self._bytes = sum(
            [len(one.topic) + len(one.payload) + len(one.properties) for one, _ in self._waiting]
        )
        if not self._waiting:
            self._is_urgent = False

    # The port Source.

    def start(self, deliver: "Deliver") -> None:
        """Take messages: the journal is open."""
        self.resume()

    def acknowledge(self, generation: int, tokens: "list[object]") -> None:
        """All of the last arrival is stored."""
        self._end_flight(None)

    def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
        """All of the last arrival was dropped, and the target will be told of a gap."""
        self._end_flight(StorageError(STORAGE_FULL, f"dropped and counted: {reason}"))

    def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
        """Take no notes: a sketch keeps none."""

    def pause(self, reason: str) -> None:
        """Take nothing until `resume`; what waits goes on waiting."""
        self._is_open = False
        self._reason = reason

    def resume(self) -> None:
        """Take messages again."""
        self._is_open = True
        self._generation += 1

    def status(self) -> "dict[str, object]":
        """Return the state, what waits, and what found no room."""
        return {
            "state": "connected" if self._is_open else "paused",
            "last_error": "" if self._is_open else self._reason,
            "waiting": len(self._waiting),
            "taken": self.taken,
            "refused": self.refused,
        }

    def close(self) -> None:
        """Take nothing more."""
        self.pause("the node is closed")

    def _end_flight(self, error: "StorageError | None") -> None:
        flying, self._flying = self._flying, []
        self.taken += len(flying)
        for _, ticket in flying:
            if ticket is not None:
                ticket.is_stored, ticket.error = error is None, error
