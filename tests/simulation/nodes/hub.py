"""The hub: the receiver of `simulation.receiver`, which here looks at where records come from."""

from simulation.nodes.names import name_of
from simulation.receiver import Receiver, Table
from tidegate.records.clock import wall_of
from tidegate.records.origin import find_origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.record import Record
    from tidegate.wire.ledger import Verdict


class Hub(Receiver):
    """One hub."""

    def uid(self, record: "Record") -> str:
        return str(name_of(record.topic, record.payload, record.properties))

    def apply(self, name: str, table: Table, verdict: "Verdict") -> None:
        boots = {boot.number: boot for boot in self.boots}
        for record in verdict.records:
            one = name_of(record.topic, record.payload, record.properties)
            if one.reason:
                self._world.meet(f"hub is told of a node's gap: {one.reason.partition(':')[0]}")
                continue
            time_ms, _ = wall_of(boots[record.boot], record.ticks_ms)
            self._oracle.arrived(one, record, time_ms, find_origin(record.properties))
        super().apply(name, table, verdict)
