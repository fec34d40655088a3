"""The oracle: it knows each message by the name in its payload, and judges what becomes of it.

It counts for itself: of the product it uses nothing but the keys under which notes lie, to see at
each step what a crash at this moment would leave.
"""

from collections import Counter

from endpoint import client_codec as codec
from simulation.world import BrokenPromiseError
from tidegate_linux.endpoint import turn_queue
from tidegate_linux.endpoint.broker import notes, outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulation.endpoint.client import Client, Message
    from simulation.endpoint.journal import Disk
    from simulation.endpoint.wire import Wire

READ_MESSAGES_MAX = 1500  # That one read of the loop may bring, over the bound of unsettled turns.


class Sent:
    """What is known of a message of QoS 1 or 2 from its first PUBLISH on."""

    def __init__(self, client: "Client", message: "Message", at: int) -> None:
        self.client, self.message, self.at = client, message, at
        self.reason: int | None = None  # Of its acknowledgement.
        self.is_loose = not client.plan.is_kept  # May come twice: its session was not kept.


class Oracle:
    """What was promised, and to whom."""

    def __init__(self, world, plan) -> None:
        self.world, self.plan = world, plan
        self.disk: Disk | None = None
        self.clock = 0
        self.sent: dict[bytes, Sent] = {}
        self.deliveries: dict[str, Counter[bytes]] = {}
        self._admitted: Counter[bytes] = Counter()
        self._dropped: set[bytes] = set()
        self._last_admitted: dict[str, int] = {}
        self._last_delivered: dict[tuple[str, bytes, bytes], int] = {}
        self._subscribed: dict[str, int] = {}
        self._wills: dict[str, bytes] = {}  # Of clients that are connected or about to be.
        self._standing: set[str] = set()
        self._due_wills: list[bytes] = []
        self._retained: dict[str, Message] = {}
        self._waiting: list[Sent] = []  # Whose delivery is not seen everywhere yet.

    # What clients tell.

    def published(self, client: "Client", message: "Message") -> None:
        """A QoS 1 or 2 message goes out for the first time."""
        self.clock += 1
        if message.retain:
            self._retained[message.topic] = message
        if message.payload and message.payload not in self.sent:
            sent = self.sent[message.payload] = Sent(client, message, self.clock)
            self._waiting.append(sent)

    def republished(self, messages: "list[Message]") -> None:
        """These go out anew, and so may come twice."""
        for message in messages:
            if message.payload:
                self.sent[message.payload].is_loose = True

    def acknowledged(self, client: "Client", message: "Message", reason: int) -> None:
        """A client has read a PUBACK or PUBREC."""
        if reason not in (0, 0x10, 0x97):
            raise BrokenPromiseError(f"{client.plan.name}: acknowledged with {reason:#x}")
        if message.payload:
            self.sent[message.payload].reason = reason
        elif reason:
            self._retained.pop(message.topic, None)

    def subscribed(self, client: "Client") -> None:
        """A client has read its SUBACK: what is published from now on is for it."""
        self._subscribed[client.plan.name] = self.clock

    def abandoned(self, client: "Client") -> None:
        """A client's session is over: it is owed nothing more of the old one."""
        self._subscribed.pop(client.plan.name, None)

    def delivered(self, client: "Client", topic: bytes, payload: bytes, packet) -> None:
        """A client has taken a message in; a QoS 2 that came again is none."""
        name = client.plan.name
        if packet.retain or not payload or not packet.qos:
            return
        seen = self.deliveries.setdefault(name, Counter())
        seen[payload] += 1
        sent = self.sent.get(payload)
        if seen[payload] > 1:
            is_loose = payload in self._dropped or (sent is not None and sent.is_loose)
            is_once = packet.qos == 2 and not is_loose
            if is_once:
                raise BrokenPromiseError(f"{name} got {payload[:12]!r} twice at QoS 2")
            return
        if sent is None or sent.is_loose or client.plan.share:
            return
        way = (name, topic, sent.client.plan.name.encode())
        if sent.message.number < self._last_delivered.get(way, -1):
            raise BrokenPromiseError(f"{name} got {payload[:12]!r} out of its order")
        self._last_delivered[way] = sent.message.number

    def willed(self, client: "Client", payload: bytes) -> None:
        """A client connects with this will."""
        self._wills[client.plan.name] = payload

    def joined(self, client: "Client") -> None:
        """A client has read its CONNACK."""
        self._standing.add(client.plan.name)

    def left(self, client: "Client", is_goodbye: bool) -> None:
        """A client's connection is over."""
        name = client.plan.name
        will = self._wills.pop(name, None)
        is_delayed = client.plan.version == 5 and client.plan.will_delay_s
        if name in self._standing and will is not None and not is_goodbye and not is_delayed:
            self._due_wills.append(will)
        self._standing.discard(name)

    # What the medium tells.

    def admitted(self, payloads: list[bytes]) -> None:
        """These are durable."""
        for payload in payloads:
            if not payload:
                continue
            self._admitted[payload] += 1
            sent = self.sent.get(payload)
            if b":will" in payload and self._admitted[payload] > 1:
                raise BrokenPromiseError(f"the will {payload[:12]!r} is admitted twice")
            if sent is None or sent.is_loose:
                continue
            if self._admitted[payload] > 1:
                raise BrokenPromiseError(f"{payload[:12]!r} is admitted twice")
            if payload in self._dropped:
                continue  # Its client has not read that, and sent it again.
            name = sent.client.plan.name
            if sent.message.number < self._last_admitted.get(name, -1):
                raise BrokenPromiseError(f"{payload[:12]!r} is admitted out of its order")
            self._last_admitted[name] = sent.message.number

    def dropped(self, payloads: list[bytes]) -> None:
        """The owner's policy dropped these."""
        self._dropped.update(payloads)

    # What the gateway tells.

    def told(self, wire: "Wire", data: bytes) -> None:
        """This may be seen from now on: it must rest on what a crash now would leave (P1)."""
        client = wire.client
        packets, rest = codec.decode(data, client.plan.version)
        assert not rest, "whole packets only"
        note = None
        if client.plan.is_kept:
            note = self.disk.note(notes.session_key(client.plan.name))
        number = None if note is None else notes.unpack_session(note).number
        for packet in packets:
            self.world.note(f"to {client.plan.name}: {codec_name(packet)}")
            check = _CHECKS.get(packet.kind)
            if check is not None:
                check(self, wire, packet, number)

    def _told_connack(self, wire: "Wire", packet, number: int | None) -> None:
        if packet.reason == 0 and wire.client.plan.is_kept and number is None:
            raise BrokenPromiseError(f"P1: CONNACK to {wire.client.plan.name}, no session noted")

    def _told_suback(self, wire: "Wire", packet, number: int | None) -> None:
        if number is None:
            return
        for filter, _ in wire.client.plan.filters:
            if self.disk.note(notes.filter_key(number, filter.encode())) is None:
                raise BrokenPromiseError(f"P1: SUBACK for {filter}, which is not noted")

    def _told_taken(self, wire: "Wire", packet, number: int | None) -> None:
        payload = wire.sent.get(packet.packet_id)
        if payload is None:
            raise BrokenPromiseError(f"{packet.packet_id} acknowledged, which was not sent")
        if packet.reason >= 0x80:
            if packet.kind == codec.PUBREC and number is not None:
                self._expect_released(number, packet.packet_id)
            return
        if payload and not self._admitted[payload] and payload not in self._dropped:
            raise BrokenPromiseError(f"P1: {payload[:12]!r} is acknowledged and not durable")
        if packet.kind == codec.PUBREC and number is not None:
            key = notes.inbound_key(number, packet.packet_id)
            if self.disk.note(key) is None:
                raise BrokenPromiseError(f"P1: PUBREC {packet.packet_id}, which is not noted")

    def _told_pubcomp(self, wire: "Wire", packet, number: int | None) -> None:
        if number is not None:
            self._expect_released(number, packet.packet_id)

    def _expect_released(self, number: int, packet_id: int) -> None:
        if self.disk.note(notes.inbound_key(number, packet_id)) is not None:
            raise BrokenPromiseError(f"P1: packet id {packet_id} is free, but noted as taken")

    def _told_publish(self, wire: "Wire", packet, number: int | None) -> None:
        payload = bytes(packet.payload)
        if packet.qos == 0 or not payload:
            return
        if payload not in self._admitted and payload not in self._dropped:
            raise BrokenPromiseError(f"P1: {payload[:12]!r} is passed on and not durable")
        if number is not None and not self._queued(number, packet.packet_id, payload):
            raise BrokenPromiseError(f"P1: {payload[:12]!r} is sent, its copy is not noted")

    def _told_pubrel(self, wire: "Wire", packet, number: int | None) -> None:
        if number is not None and packet.reason == 0:
            for key, value in self.disk.noted(notes.queued_key(number, 0)[:9]):
                is_it = notes.split_queued_key(key)[1] % 65_535 + 1 == packet.packet_id
                if is_it and value != notes.pack_released():
                    raise BrokenPromiseError(f"P1: PUBREL {packet.packet_id} without its marker")

    def _queued(self, number: int, packet_id: int, payload: bytes) -> bool:
        for key, value in self.disk.noted(notes.queued_key(number, 0)[:9]):
            if notes.split_queued_key(key)[1] % 65_535 + 1 == packet_id and payload in value:
                return True
        return False

    def look(self, endpoint) -> None:
        """Check the bounds of memory."""
        plan = self.plan
        messages_max = turn_queue.MESSAGES_MAX + READ_MESSAGES_MAX
        if endpoint.turn_queue.messages > messages_max:
            raise BrokenPromiseError(f"{endpoint.turn_queue.messages} messages are unsettled")
        window = outbox.WINDOW_ENTRIES
        for session in endpoint.broker._state.sessions.values():
            queue = session.outbox
            if queue.count > plan.endpoint.queue_messages_max:
                raise BrokenPromiseError(f"{queue.count} messages wait for {session.client_id}")
            if queue.is_kept and len(queue._ids) > 3 * window:
                raise BrokenPromiseError(f"{len(queue._ids)} messages of a queue are in memory")

    # The end.

    def missing(self, clients: "list[Client]") -> str:
        """Return something that has still to be delivered, or ""."""
        left = []
        for sent in self._waiting:
            lack = self._missing(sent, clients)
            if lack:
                left.append(sent)
                if len(left) == 1:
                    first = lack
        self._waiting = left
        return first if left else ""

    def _missing(self, sent: Sent, clients: "list[Client]") -> str:
        if sent.reason is None:
            return f"{sent.message.payload[:12]!r} is not acknowledged"
        if sent.reason >= 0x80:
            return ""
        payload = sent.message.payload
        if not self._admitted[payload] and payload not in self._dropped:
            return f"{payload[:12]!r} is acknowledged and not admitted"
        if self.plan.may_drop:
            return ""
        group = [client.plan.name for client in clients if client.plan.share]
        for client in clients:
            name = client.plan.name
            if not self._is_owed(sent, client):
                continue
            takers = group if client.plan.share else [name]
            if not any(self.deliveries.get(taker, {}).get(payload) for taker in takers):
                return f"{payload[:12]!r} did not come to {takers}"
        return ""

    def _is_owed(self, sent: Sent, client: "Client") -> bool:
        """Tell whether a message is for a client that keeps its session."""
        if not client.plan.is_kept:
            return False
        everybody = [one for one in self._subscribed if one[0] == "g"]
        if client.plan.share and len(everybody) < 2:
            return False
        since = self._subscribed.get(client.plan.name)
        qos = [qos for name, qos in client.plan.filters if matches(name, sent.message.topic)]
        return (
            since is not None and sent.at > since and min(max(qos, default=0), sent.message.qos) > 0
        )

    def leftover(self) -> str:
        """Return a note that has served its purpose and is still there, or ""."""
        for kind in (notes.QUEUED, notes.INBOUND):
            for key, value in self.disk.noted(kind):
                return f"the note {key!r} is left: {value[:20]!r}"
        return ""

    def judge(self, clients: "list[Client]") -> None:
        """Everything is quiet: check what can be known only now."""
        shared: Counter[bytes] = Counter()
        for client in clients:
            if client.plan.share:
                shared.update(self.deliveries.get(client.plan.name, {}))
        for payload, count in shared.items():
            sent = self.sent.get(payload)
            if payload in self._dropped or sent is None or sent.is_loose:
                continue
            if count > 1 and sent.message.qos == 2:
                raise BrokenPromiseError(f"{payload[:12]!r} came to {count} of a group")
        for payload in self._due_wills:
            if not self._admitted[payload] and payload not in self._dropped:
                raise BrokenPromiseError(f"the will {payload[:12]!r} was not published")

    def expected_retained(self) -> dict[bytes, bytes]:
        """Return what is retained now that everything was acknowledged, b"" for nothing.

        What was dropped for want of room counts as never taken: if it comes again, it comes last.
        """
        dropped = [self.sent[one].message.topic for one in self._dropped if one in self.sent]
        if b"" in self._dropped:
            return {}
        last = self._retained.values()
        return {one.topic.encode(): one.payload for one in last if one.topic not in dropped}


def matches(filter: str, topic: str) -> bool:
    """Tell whether a filter, perhaps a shared one, matches a topic."""
    if filter.startswith("$share/"):
        filter = filter.split("/", 2)[2]
    wanted, levels = filter.split("/"), topic.split("/")
    for at, name in enumerate(wanted):
        if name == "#":
            return True
        if at >= len(levels) or name not in ("+", levels[at]):
            return False
    return len(wanted) == len(levels)


def codec_name(packet) -> str:
    """Return a packet in a few words, for the trace."""
    return f"{packet.kind} id {packet.packet_id} {packet.reason:#x} {bytes(packet.payload[:9])!r}"


_CHECKS = {
    codec.CONNACK: Oracle._told_connack,
    codec.SUBACK: Oracle._told_suback,
    codec.PUBACK: Oracle._told_taken,
    codec.PUBREC: Oracle._told_taken,
    codec.PUBCOMP: Oracle._told_pubcomp,
    codec.PUBLISH: Oracle._told_publish,
    codec.PUBREL: Oracle._told_pubrel,
}
