"""The gateway's medium: the model journal, where a record's name is that of its origin.

At every moment it can be asked what a crash now would leave: the cursor in the note of a node's
stream, and how far that stream's records and gaps reach.  Both must be the same number.
"""

from simulation.disk import SimDisk
from simulation.nodes.names import name_of
from tidegate.gateway import NODES
from tidegate.records.stream import IDENTITY_DIGITS
from tidegate.store.journal import Admitted, Dropped
from tidegate_linux.nodes import accounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.events import Arrived
    from tidegate.records.record import Record
    from tidegate.store.journal import Entry
    from tidegate_linux.nodes.accounts import Account


class GatewayDisk(SimDisk):
    """A medium whose changes the oracle sees."""

    def __init__(self, world, oracle, lanes: list[str], node: str) -> None:
        super().__init__(world, oracle, lanes, node)
        self.arrivals: list[Arrived] = []  # Of the step that is under way.
        self.reached: dict[str, int] = {}  # How far records and gaps of a stream go.

    def uid(self, record: "Record") -> str:
        return str(name_of(record.topic, record.payload, record.properties))

    def apply(self, entry: "Entry") -> None:
        if isinstance(entry, Admitted):
            for record in entry.records:
                self._reach(name_of(record.topic, record.payload, record.properties))
        elif isinstance(entry, Dropped) and entry.hash_at is not None:
            for arrival in self.arrivals:
                names = [
                    name_of(one.topic, one.payload, one.properties) for one in arrival.messages
                ]
                for name in names:
                    self._reach(name)
                self._oracle.refused([str(name) for name in names])
        super().apply(entry)

    def image(self) -> "GatewayDisk":
        other = super().image()
        other.reached = dict(self.reached)
        other.arrivals = []
        return other

    def cursors(self) -> dict[str, int]:
        """Return how far each node's stream was taken, by the notes."""
        return {stream: account.cursor.through for stream, account in self._accounts()}

    def owners(self) -> dict[str, str]:
        """Return to whom each node belongs, by the notes."""
        return {stream[:IDENTITY_DIGITS]: account.owner for stream, account in self._accounts()}

    def _accounts(self) -> "Iterator[tuple[str, Account]]":
        for (source, key), value in self.notes.items():
            if source == NODES:
                yield key[len(accounts.KEY) :].decode(), accounts.unpack_account(value)

    def _reach(self, name) -> None:
        self.reached[name.stream] = max(self.reached.get(name.stream, 0), name.last)
