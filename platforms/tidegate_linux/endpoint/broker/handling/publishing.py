"""PUBLISH and PUBREL as they come in: acknowledge, admit to the uplink, retain, route.

Theory of operation.  Most messages of a site are telemetry: QoS 0 or 1, without properties, to a
topic that is uplinked and that nobody here subscribes to.  `take_run` handles them in one loop
whose verdicts come from a dictionary by topic (see `routes`), and hands everything else to `_take`.
"""

from binascii import crc32
from typing import TYPE_CHECKING

from tidegate.events import Message
from tidegate.records.record import RETAIN
from tidegate_linux.endpoint.broker.delivery import Delivery
from tidegate_linux.endpoint.broker.handling import asking, delivering
from tidegate_linux.endpoint.broker.limits import PACKET_ID_BYTES
from tidegate_linux.endpoint.broker.outbox import CROWDED
from tidegate_linux.endpoint.broker.requests import RESERVED
from tidegate_linux.endpoint.broker.state.repeats import DOUBT_MS
from tidegate_linux.endpoint.broker.state.routes import ASKED, PLAIN
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PUBACK, PUBCOMP, PUBREC, PacketError, Publish
from tidegate_linux.endpoint.codec.writer import acknowledgement
from tidegate_linux.mqtt.properties import pack_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.notes import WillNote
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.routes import Route
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Packet

_RETAIN_BYTES = (b"\0", b"\1")
DROPPED_NO_ROOM = "no room for retained"


def take_run(
    state: "State", connection: "Connection", packets: "Sequence[Packet]", at: int, now_ms: int
) -> int:
    """Handle the PUBLISH packets that begin at `at`; return where they end.

    Raises `PacketError` where one of them ends the connection; those before it count.
    """
    session = connection.session
    assert session is not None
    known = state.routes.of(connection).by_topic.get
    is_stored = session.is_stored
    new = tuple.__new__  # Builds a named tuple in half the time of its own constructor.
    add = state.turns.messages.append
    ids: list[int] | None = None
    first, count, payload_bytes = at, len(packets), 0
    while at < count:
        packet = packets[at]
        if not isinstance(packet, Publish):
            break
        at += 1
        topic, payload, qos, retain, dup, packet_id, extra = packet
        payload_bytes += len(payload)
        if (
            extra is None
            and qos < 2
            and known(topic) is PLAIN
            and not (retain or dup or (is_stored and qos))
        ):
            add(new(Message, (topic, payload, qos, b"", b"", now_ms, None)))
            if qos:
                if ids is None:
                    ids = state.turns.receipts(connection, 1, is_uplinked=True)
                ids.append(packet_id)
                connection.in_flight += 1
            continue
        _take(state, connection, session, packet, now_ms)
        ids = None
    state.counters.messages_received += at - first
    state.counters.payload_bytes_received += payload_bytes
    _check_quota(state, connection)
    return at


def release(state: "State", connection: "Connection", packet_id: int) -> None:
    """Handle a PUBREL: the client will not send this QoS 2 message again [MQTT-4.3.3-11]."""
    session = connection.session
    assert session is not None
    connection.open_ids.discard(packet_id)
    reason = reasons.SUCCESS
    if packet_id in session.received:
        state.free_id(session, packet_id)
    elif connection.version == 5:
        reason = reasons.PACKET_IDENTIFIER_NOT_FOUND
    data = acknowledgement(PUBCOMP, connection.version, packet_id, reason)
    state.turns.stage(connection, data)


def publish_will(state: "State", session: "Session | None", will: "WillNote", now_ms: int) -> None:
    """Publish `will`, or count why not; `session` is that of its client if there still is one."""
    delivery = will.delivery
    topic, payload, qos, retain, _, _, client_id = delivery
    route = state.routes.look_up(will.user, client_id, topic, None)
    if route.refusal:
        _count_refusal(state, route.refusal)
        return
    if will.expiry_s is not None:
        delivery = delivery._replace(expires_at_ms=now_ms + will.expiry_s * 1000)
    if will.is_uplinked:
        _admit(state, Message(topic, payload, qos, b"", b"", now_ms, None), retain, will.pairs, "")
    _spread(state, session, route, delivery, now_ms)


def _take(
    state: "State", connection: "Connection", session: "Session", packet: Publish, now_ms: int
) -> None:
    """Handle one PUBLISH of any kind."""
    topic, payload, qos, retain, dup, packet_id, extra = packet
    if extra is not None and extra.alias:
        topic = _resolve(state, connection, topic, extra.alias)
    turns = state.turns
    if qos == 2 and packet_id in session.received:
        # Sent again, though its PUBREC is here or under way [MQTT-4.3.3-10].
        connection.open_ids.add(packet_id)
        turns.receipts(connection, 2, is_uplinked=False).append(packet_id)
        return
    mark = 0
    if qos == 1 and session.is_stored:
        mark = crc32(_RETAIN_BYTES[retain], crc32(payload, crc32(topic)))
        if dup and session.repeats.is_known(packet_id, mark):
            session.repeats.doubt(packet_id, now_ms)
            connection.in_flight += 1
            turns.receipts(connection, 1, is_uplinked=False).append(packet_id)
            return
    route = state.routes.find(connection, topic)
    if route.refusal:
        _refuse(state, connection, qos, packet_id, route.refusal)
        if topic.startswith(RESERVED):
            asking.refuse(state, connection, session, topic, now_ms)
        return
    if qos == 2 and not delivering.find_room(state, PACKET_ID_BYTES, now_ms):
        _refuse_id(state, connection, packet_id)
        return
    pairs = () if extra is None else extra.pairs
    if route is ASKED:
        # Its answer is what counts; an acknowledgement says only that it came, as of QoS 0.
        asking.ask(state, connection, session, topic, payload)
    elif route.is_uplinked:
        message = Message(topic, payload, qos, b"", b"", now_ms, None)
        _admit(state, message, retain, pairs, connection.peer.listener.message_id)
    if (retain or route.copies or route.groups) and route is not ASKED:
        _spread(state, session, route, _delivery(session, topic, packet, now_ms), now_ms)
    if qos == 1:
        connection.in_flight += 1
        if session.is_stored:
            _remember(state, session, packet_id, mark, now_ms)
    elif qos == 2:
        _hold_id(state, connection, session, packet_id, route.is_uplinked)
    if qos:
        turns.receipts(connection, qos, route.is_uplinked).append(packet_id)


def _delivery(session: "Session", topic: bytes, packet: Publish, now_ms: int) -> Delivery:
    """Return a message as it goes to subscribers; `topic` is what an alias in it stands for."""
    _, payload, qos, retain, _, _, extra = packet
    forwarded, expires_at_ms = b"", None
    if extra is not None:
        forwarded = extra.forwarded
        if extra.expiry_s is not None:
            expires_at_ms = now_ms + extra.expiry_s * 1000
    return Delivery(topic, payload, qos, bool(retain), forwarded, expires_at_ms, session.client_id)


def _hold_id(
    state: "State", connection: "Connection", session: "Session", packet_id: int, is_uplinked: bool
) -> None:
    """Keep the id of a QoS 2 message until PUBREL, or until there proves to be no room for it."""
    connection.open_ids.add(packet_id)
    state.hold_id(session, packet_id)
    if is_uplinked and connection.version == 5:
        state.arriving.append((session, packet_id))


def _remember(state: "State", session: "Session", packet_id: int, mark: int, now_ms: int) -> None:
    """Remember a QoS 1 message, and forget those that the client cannot send again any more."""
    repeats = session.repeats
    repeats.remember(packet_id, mark, state.turns.number, now_ms)
    state.remembering[session] = None
    # After a pause of the journal the acknowledgements have only just left.
    talked_ms = now_ms - DOUBT_MS if now_ms - state.opened_ms > DOUBT_MS else -1
    for turn in repeats.take_stale(state.settled, talked_ms):
        state.notes.forget_taken(session, turn)


def _resolve(state: "State", connection: "Connection", topic: bytes, alias: int) -> bytes:
    """Return the topic that is meant, and remember what was agreed [MQTT-3.3.2-12]."""
    if alias > state.settings.topic_alias_max:
        # [MQTT-3.3.2-9]
        text = f"topic alias {alias} is over the {state.settings.topic_alias_max} agreed on"
        raise PacketError(reasons.TOPIC_ALIAS_INVALID, text)
    if topic:
        connection.aliases_in[alias] = topic
        return topic
    known = connection.aliases_in.get(alias)
    if known is None:
        raise PacketError(reasons.PROTOCOL_ERROR, f"topic alias {alias} stands for no topic yet")
    return known


def _refuse(
    state: "State", connection: "Connection", qos: int, packet_id: int, reason: int
) -> None:
    """Throw a message away; the client learns why, if its version has words for it."""
    _count_refusal(state, reason)
    if qos == 0:
        return
    if connection.version < 5:
        reason = reasons.SUCCESS  # [MQTT-3.3.5-2]: a positive acknowledgement is all there is.
    kind = PUBACK if qos == 1 else PUBREC
    connection.send(acknowledgement(kind, connection.version, packet_id, reason))


def _refuse_id(state: "State", connection: "Connection", packet_id: int) -> None:
    """There is no room to remember one more packet id until its PUBREL."""
    state.counters.drop(CROWDED)
    if connection.version < 5:
        # A positive PUBREC would promise what cannot be kept, and there is no other.
        raise PacketError(reasons.QUOTA_EXCEEDED, "no room for packet ids")
    data = acknowledgement(PUBREC, connection.version, packet_id, reasons.QUOTA_EXCEEDED)
    connection.send(data)


def _count_refusal(state: "State", reason: int) -> None:
    is_denied = reason == reasons.NOT_AUTHORIZED
    state.counters.drop("not authorized" if is_denied else "topic too long or deep")


def _admit(
    state: "State",
    message: Message,
    retain: bool,
    pairs: "Sequence[tuple[bytes, bytes]]",
    message_id: str,
) -> None:
    """Put a message into the open turn, for the uplink."""
    topic, payload, flags, properties, identity, now_ms, _ = message
    if retain:
        flags |= RETAIN
    if pairs:
        properties, is_whole = pack_whole(list(pairs))
        if not is_whole:
            state.report("warning", "properties_too_large", topic=topic)
        if message_id:
            name = message_id.encode()
            identity = next((value for key, value in pairs if key == name), b"")
    state.turns.messages.append(Message(topic, payload, flags, properties, identity, now_ms, None))


def _spread(
    state: "State", session: "Session | None", route: "Route", delivery: Delivery, now_ms: int
) -> None:
    """Retain a message if it says so, and give everybody who subscribes a copy."""
    if delivery.retain:
        _retain(state, delivery)
    if route.copies or route.groups:
        delivering.spread(state, session, route, delivery, now_ms)


def _retain(state: "State", delivery: Delivery) -> None:
    if not delivery.payload:
        # [MQTT-3.3.1-6] [MQTT-3.3.1-7]: the topic's message goes, and none is kept instead.
        if state.retained.remove(delivery.topic):
            state.notes.retained(delivery.topic, None)
    elif state.retained.put(delivery):
        state.notes.retained(delivery.topic, delivery)  # [MQTT-3.3.1-5]
    else:
        state.counters.drop(DROPPED_NO_ROOM)
        state.report("warning", "retained_full", topic=delivery.topic)


def _check_quota(state: "State", connection: "Connection") -> None:
    if connection.version < 5:
        return
    open_count = connection.in_flight + len(connection.open_ids)
    if open_count > state.settings.receive_maximum:
        # [MQTT-3.3.4-7]
        text = f"more than {state.settings.receive_maximum} messages without acknowledgement"
        raise PacketError(reasons.RECEIVE_MAXIMUM_EXCEEDED, text)
