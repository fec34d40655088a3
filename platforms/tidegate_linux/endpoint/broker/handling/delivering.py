"""Messages on their way out: fan-out, queues, and the receivers' acknowledgements.

A copy of QoS 0 rests on nothing and leaves at once, unless its message had to become durable; it is
encoded once for each kind of receiver.  A copy of QoS 1 or 2 goes through the receiver's outbox.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import BACKLOG_MAX
from tidegate_linux.endpoint.broker.delivery import remaining_s, size_of
from tidegate_linux.endpoint.broker.handling import braking
from tidegate_linux.endpoint.broker.outbox import CROWDED, FULL
from tidegate_linux.endpoint.broker.state.routes import plan
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PUBACK, PUBCOMP, PUBREC, PUBREL
from tidegate_linux.endpoint.codec.writer import acknowledgement, publish

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.delivery import Delivery
    from tidegate_linux.endpoint.broker.outbox import Entry
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.routes import Route
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Acknowledgement

    # Encoded copies of one message of QoS 0: (version, retain, identifiers) -> bytes.
    Encoded = dict[tuple[int, bool, tuple[int, ...]], bytes]

# Copies that are launched before it is asked again whether the reader is slow: bounds what one of
# them may have unsent to so many of the largest packets.
LAUNCH_COUNT = 4

DROPPED_SLOW = "slow reader"
DROPPED_TOO_LARGE = "larger than the client takes"


def spread(
    state: "State", publisher: "Session | None", route: "Route", delivery: "Delivery", now_ms: int
) -> None:
    """Give each session that `route` leads to its copy."""
    # [MQTT-3.3.1-12] [MQTT-3.3.1-13]: retain is news of the publisher only where it is asked for.
    plain = delivery._replace(retain=False) if delivery.retain else delivery
    encoded: Encoded = {}
    for copy in route.copies:
        if copy.is_picky and copy.session is publisher:
            wanted = tuple([one for one in copy.subscriptions if not one.no_local])
            if not wanted:
                continue  # [MQTT-3.8.3-3]
            copy = plan(copy.session, wanted)
        session, granted, is_as_published, identifiers, _, _ = copy
        form = delivery if is_as_published else plain
        if granted and delivery.qos:
            enqueue(state, session, form, min(granted, delivery.qos), identifiers, now_ms)
            braking.press(state, session, publisher, now_ms)
        elif session.connection is not None:
            is_firm = delivery.qos > 0 or delivery.retain
            _send_loose(state, session.connection, form, identifiers, encoded, is_firm, now_ms)
    for group in route.groups:
        picked = group.pick(_is_able)
        if picked is None:
            continue
        session, subscription = picked
        form = delivery if subscription.retain_as_published else plain
        identifiers = (subscription.identifier,) if subscription.identifier else ()
        if subscription.qos and delivery.qos:
            qos = min(subscription.qos, delivery.qos)
            enqueue(state, session, form, qos, identifiers, now_ms)
            braking.press(state, session, publisher, now_ms)
        elif session.connection is not None:
            is_firm = delivery.qos > 0 or delivery.retain
            _send_loose(state, session.connection, form, identifiers, encoded, is_firm, now_ms)


def enqueue(
    state: "State",
    session: "Session",
    delivery: "Delivery",
    qos: int,
    identifiers: tuple[int, ...],
    now_ms: int,
) -> None:
    """Put a copy into the session's queue, and send it if its turn has come."""
    if not find_room(state, size_of(delivery), now_ms):
        state.counters.drop(CROWDED)
        return
    entry = session.outbox.offer(delivery, qos, identifiers)
    if entry is None:
        state.counters.drop(FULL)
    else:
        state.notes.queued(session, entry)
    pump(state, session, now_ms)


def find_room(state: "State", size_bytes: int, now_ms: int) -> bool:
    """Tell whether there is room in all queues together, at the cost of the largest of them.

    Those who read what they are sent lose nothing because others do not.
    """
    queued = state.queued
    while not queued.has_room(size_bytes):
        if state.crowded_turn == state.turns.number:
            return False  # All there is was sent, or is on its way from the journal.
        waiting = (one for one in state.sessions.values() if one.outbox.waiting_bytes)
        largest = max(waiting, key=_queued_bytes, default=None)
        if largest is None:
            state.crowded_turn = state.turns.number
            return False
        largest.outbox.shed(queued.to_shed(size_bytes))
        state.report("warning", "queues_full", client_id=largest.client_id)
        pump(state, largest, now_ms)
    return True


def _queued_bytes(session: "Session") -> int:
    return session.outbox.total_bytes


def pump(state: "State", session: "Session", now_ms: int) -> None:
    """Send what the client's window and its reading have room for [MQTT-3.3.4-9]."""
    outbox, connection = session.outbox, session.connection
    while connection is not None:
        if connection.is_slow:
            state.stalled[connection] = None
            break
        window = min(connection.receive_maximum, outbox.in_flight + LAUNCH_COUNT)
        entries = outbox.next_sendable(window, now_ms)
        if not entries:
            break
        for entry in entries:
            _send_entry(state, session, connection, entry, now_ms)
    for dropped in outbox.take_dropped():
        state.counters.drop(dropped.reason)
        state.notes.done(session, dropped.entry)
    if outbox.wanted() is not None:
        state.seeking.setdefault(session, session.noted_turn)


def resume(state: "State", session: "Session", connection: "Connection", now_ms: int) -> None:
    """Send again, in order, what an earlier connection left unfinished [MQTT-4.4.0-1]."""
    for entry in session.outbox.resumed():
        data = acknowledgement(PUBREL, connection.version, entry.packet_id, reasons.SUCCESS)
        state.turns.stage(connection, data)
    pump(state, session, now_ms)


def acknowledge(
    state: "State", connection: "Connection", packet: "Acknowledgement", now_ms: int
) -> None:
    """Take a receiver's PUBACK, PUBREC or PUBCOMP."""
    session = connection.session
    assert session is not None
    kind, packet_id, reason = packet
    outbox = session.outbox
    if kind == PUBREC and reason < reasons.UNSPECIFIED_ERROR:
        _release(state, session, connection, packet_id)
        return
    if kind == PUBACK:
        done = outbox.acknowledged(packet_id)
    elif kind == PUBCOMP:
        done = outbox.completed(packet_id)
    else:
        done = outbox.rejected(packet_id)  # A PUBREC with an error ends the delivery (4.3.3).
    if done is not None:
        # What hangs on this deletion is nothing but a message that comes again, as DUP or PUBREL.
        state.notes.done(session, done)
        braking.taken(state, session)
        pump(state, session, now_ms)


def send_backlog(state: "State", connection: "Connection", now_ms: int) -> None:
    """Send retained messages that waited for their reader."""
    backlog = connection.backlog
    if not backlog:
        return
    sent = 0
    while sent < len(backlog) and not connection.is_slow:
        delivery, identifiers = backlog[sent]
        sent += 1
        _write_loose(state, connection, delivery, identifiers, {}, True, now_ms)
    del backlog[:sent]
    if backlog:
        state.stalled[connection] = None
    else:
        state.changed[connection] = None  # Its hold may be over.


def send_on(state: "State", connection: "Connection", now_ms: int) -> None:
    """Send what waited for a slow reader."""
    state.stalled.pop(connection, None)
    if connection.session is not None:
        send_backlog(state, connection, now_ms)
        pump(state, connection.session, now_ms)


def _is_able(session: "Session") -> bool:
    return session.connection is not None and not session.connection.is_slow


def _release(state: "State", session: "Session", connection: "Connection", packet_id: int) -> None:
    """Answer a PUBREC with PUBREL, once it is durable that it came [MQTT-4.3.3-4]."""
    entry = session.outbox.received(packet_id)
    reason = reasons.SUCCESS
    if entry is not None:
        state.notes.released(session, entry)
    elif connection.version == 5:
        reason = reasons.PACKET_IDENTIFIER_NOT_FOUND
    data = acknowledgement(PUBREL, connection.version, packet_id, reason)
    state.turns.stage(connection, data)


def _send_entry(
    state: "State", session: "Session", connection: "Connection", entry: "Entry", now_ms: int
) -> None:
    data = _encode(connection, entry, now_ms)
    if data is None:
        # [MQTT-3.1.2-25]: as if it were delivered.
        state.counters.drop(DROPPED_TOO_LARGE)
        outbox = session.outbox
        if entry.qos == 1:
            outbox.acknowledged(entry.packet_id)
        else:
            outbox.rejected(entry.packet_id)
        state.notes.done(session, entry)
        return
    _count(state, entry.delivery)
    state.turns.stage(connection, data)


def _count(state: "State", delivery: "Delivery") -> None:
    state.counters.messages_sent += 1
    state.counters.payload_bytes_sent += len(delivery.payload)


def _encode(connection: "Connection", entry: "Entry", now_ms: int) -> bytes | None:
    return encode(
        connection,
        entry.delivery,
        entry.qos,
        entry.packet_id,
        entry.is_again,
        entry.identifiers,
        now_ms,
    )


def encode(
    connection: "Connection",
    delivery: "Delivery",
    qos: int,
    packet_id: int,
    is_again: bool,
    identifiers: tuple[int, ...],
    now_ms: int,
) -> bytes | None:
    """Return the PUBLISH for this client, or None where it is larger than the client takes."""
    topic, payload, _, retain, forwarded, _, _ = delivery
    aliases, alias, is_new = connection.aliases_out, 0, False
    if connection.aliases_out_max:
        alias = aliases.get(topic, 0)
        if alias:
            topic = b""
        elif len(aliases) < connection.aliases_out_max:
            alias, is_new = len(aliases) + 1, True
    data = publish(
        connection.version,
        topic,
        payload,
        qos,
        retain,
        is_again,
        packet_id,
        forwarded,
        remaining_s(delivery, now_ms),
        alias,
        identifiers,
    )
    if connection.bytes_max and len(data) > connection.bytes_max:
        return None  # [MQTT-3.1.2-24]
    if is_new:
        aliases[delivery.topic] = alias
    return data


def _send_loose(
    state: "State",
    connection: "Connection",
    delivery: "Delivery",
    identifiers: tuple[int, ...],
    encoded: "Encoded",
    is_firm: bool,
    now_ms: int,
) -> None:
    """Send a copy of QoS 0, or drop it where its reader is too slow."""
    backlog = connection.backlog
    if backlog and len(backlog) < BACKLOG_MAX:
        # Behind older messages of perhaps the same topic, or the older would seem the newer one.
        backlog.append((delivery, identifiers))
    elif backlog or connection.is_slow:
        state.counters.drop(DROPPED_SLOW)
    else:
        _write_loose(state, connection, delivery, identifiers, encoded, is_firm, now_ms)


def _write_loose(
    state: "State",
    connection: "Connection",
    delivery: "Delivery",
    identifiers: tuple[int, ...],
    encoded: "Encoded",
    is_firm: bool,
    now_ms: int,
) -> None:
    key = (connection.version, delivery.retain, identifiers)
    data = None if connection.aliases_out_max else encoded.get(key)
    if data is None or (connection.bytes_max and len(data) > connection.bytes_max):
        data = encode(connection, delivery, 0, 0, False, identifiers, now_ms)
        if data is None:
            state.counters.drop(DROPPED_TOO_LARGE)
            return
        if not connection.aliases_out_max:
            encoded[key] = data
    _count(state, delivery)
    if is_firm:
        state.turns.stage(connection, data)
    else:
        connection.send(data)
