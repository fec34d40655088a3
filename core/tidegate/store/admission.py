"""Admission: which of the messages that came in become records, and in which lane.

A message is left out, though acknowledged, where it is known already: a copy of one whose producer
named it (`Message.identity`), or a retained message that only repeats the topic's known state.
Without an identity a re-sent message cannot be told from an equal new one [MQTT-4.3.2-2]; it is
admitted, because a duplicate is better than a loss.  `samples` is for who needs none of this.
"""

from binascii import crc32
from collections import deque

from tidegate.effects import Acknowledge, Refuse
from tidegate.errors import ProtocolError
from tidegate.limits import PAYLOAD_BYTES_MAX
from tidegate.records.record import RETAIN, Record, make_record, unpack_properties
from tidegate.store.lane import DEFAULT_LANE
from tidegate.store.samples import Sorted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.events import Arrived
    from tidegate.records.filters import FilterMap

# A broker sends again what was not acknowledged: at most its window for one client, commonly 20 to
# 1,000.  Every identity costs about 150 bytes.
RECENT_MAX = 4096
# A retained message comes again at a new subscription, once a topic.  Past this many topics the
# oldest state is forgotten and may be admitted once more.
STATES_MAX = 10_000


class Admission:
    """Sorts what arrives into lanes and leaves out what is known."""

    def __init__(
        self,
        lane_of: "FilterMap",
        identity_names: "list[bytes]",
        state_sources: "set[str]",
        recent_max: int = RECENT_MAX,
        states_max: int = STATES_MAX,
    ) -> None:
        """`state_sources` repeat retained messages: brokers do, at each new subscription."""
        self._lane_of = lane_of
        self._state_sources = state_sources
        self._recent_max = recent_max
        self._states_max = states_max
        self._identity_names = [name for name in identity_names if name]
        self._recent: deque[tuple[bytes, bytes]] = deque((), recent_max)
        self._known: set[tuple[bytes, bytes]] = set()
        self._states: dict[tuple[str, bytes], int] = {}

    def restore(self, recent: "list[tuple[bytes, bytes]]") -> None:
        """Learn the identities of the last records again, from their topics and properties."""
        self._recent = deque((), self._recent_max)
        self._known = set()
        self._states = {}
        if not self._identity_names:
            return
        for topic, properties in recent:
            try:
                pairs = unpack_properties(properties)
            except ProtocolError:
                continue  # Bit rot, found and told when the record is read to be sent (P5).
            for name, value in pairs:
                if name in self._identity_names:
                    self._is_copy((topic, value))

    def sort(self, arrivals: "list[Arrived]", boot: int, refusal: str = "") -> Sorted:
        """Return what becomes of the messages in `arrivals`.

        With a `refusal` there is no room: who brought records gets that answer, and where it can
        tell its client, a copy that comes later is no copy.
        """
        records: dict[str, list[Record]] = {}
        too_large: dict[str, int] = {}
        answers: list[Acknowledge | Refuse] = []
        # By topic: where its records go.  One look-up a message, whatever the lanes are.
        places: dict[bytes, list[Record]] = {}
        make = make_record
        for source, generation, messages, _, receipt in arrivals:
            tokens: list[object] = [] if receipt is None else [receipt]
            repeats_states = source in self._state_sources
            remembers = receipt is None or not refusal
            brings = False
            # Taken apart at once: this runs for every message, and fields by name cost double.
            for topic, payload, flags, properties, identity, ticks_ms, token in messages:
                if token is not None:
                    tokens.append(token)
                if identity and self._is_copy((topic, identity), remembers):
                    continue
                place = places.get(topic)
                if place is None:
                    lane = self._lane_of.find(topic) or DEFAULT_LANE
                    place = places[topic] = records.setdefault(lane, [])
                if len(payload) > PAYLOAD_BYTES_MAX:
                    lane = self._lane_of.find(topic) or DEFAULT_LANE
                    too_large[lane] = too_large.get(lane, 0) + 1
                    continue
                if repeats_states and self._repeats_state(source, topic, payload, flags):
                    continue
                brings = True
                place.append(make(Record, (boot, ticks_ms, topic, payload, flags, properties)))
            if tokens and brings and refusal:
                answers.append(Refuse(source, generation, tokens, refusal))
            elif tokens:
                answers.append(Acknowledge(source, generation, tokens))
        by_lane = [(lane, records[lane]) for lane in sorted(records) if records[lane]]
        return Sorted(by_lane, sorted(too_large.items()), answers)

    def _is_copy(self, identity: "tuple[bytes, bytes]", remembers: bool = True) -> bool:
        """Tell whether (topic, producer's name) is known; remember it, unless told not to."""
        # By topic, because two devices may well count their messages from 1 each.
        if identity in self._known:
            return True
        if not remembers:
            return False
        if len(self._recent) == self._recent_max:
            self._known.discard(self._recent.popleft())
        self._recent.append(identity)
        self._known.add(identity)
        return False

    def _repeats_state(self, source: str, topic: bytes, payload: bytes, flags: int) -> bool:
        state = crc32(payload)
        # Two brokers may each retain a state of their own under one topic.
        place = (source, topic)
        known = self._states.get(place)
        if known is None:
            if len(self._states) >= self._states_max:
                self._states = {}
        elif known == state and flags & RETAIN:
            return True
        self._states[place] = state
        return False
