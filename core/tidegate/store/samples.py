"""Admission of a node's own samples: each is new, so that nothing has to be remembered."""

from collections import namedtuple

from tidegate.effects import Acknowledge, Refuse
from tidegate.records.record import Record
from tidegate.store.lane import DEFAULT_LANE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.events import Arrived
    from tidegate.records.filters import FilterMap


class Sorted(namedtuple("Sorted", ("records", "too_large", "answers"))):
    """What arrived, by lane: (lane, records) and (lane, count of too large ones).

    `answers` to the sources are due when all of it is durable.
    """

    __slots__ = ()
    records: "list[tuple[str, list[Record]]]"
    too_large: "list[tuple[str, int]]"
    answers: "list[Acknowledge | Refuse]"


class Samples:
    """Sorts what arrives into lanes; stands in an `Admission`'s place.

    `lane_of` is None where there is one lane.  Sources see to it that no payload is too large.
    """

    def __init__(self, lane_of: "FilterMap | None" = None) -> None:
        self._lane_of = lane_of

    def restore(self, recent: "list[tuple[bytes, bytes]]") -> None:
        """Learn nothing: no sample comes again."""

    def sort(self, arrivals: "list[Arrived]", boot: int, refusal: str = "") -> Sorted:
        """Return what becomes of the messages in `arrivals`; all, with a `refusal`, get that."""
        records: dict[str, list[Record]] = {}
        answers: list[Acknowledge | Refuse] = []
        for arrival in arrivals:
            tokens: list[object] = [] if arrival.receipt is None else [arrival.receipt]
            for message in arrival.messages:
                if message.token is not None:
                    tokens.append(message.token)
                topic, payload = message.topic, message.payload
                lane = (self._lane_of and self._lane_of.find(topic)) or DEFAULT_LANE
                record = Record(
                    boot, message.ticks_ms, topic, payload, message.flags, message.properties
                )
                records.setdefault(lane, []).append(record)
            if tokens and refusal and arrival.messages:
                answers.append(Refuse(arrival.source, arrival.generation, tokens, refusal))
            elif tokens:
                answers.append(Acknowledge(arrival.source, arrival.generation, tokens))
        return Sorted(sorted(records.items()), [], answers)
