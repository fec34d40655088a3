"""Packets as they come in: to whom each goes, and what ends the connection."""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import ENDED, JUDGED, NEW
from tidegate_linux.endpoint.broker.handling import (
    connecting,
    delivering,
    ending,
    publishing,
    subscribing,
)
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import (
    PUBREL,
    Acknowledgement,
    Auth,
    Connect,
    Disconnect,
    PacketError,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
)
from tidegate_linux.endpoint.codec.writer import PINGRESP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Packet

# What a client may send at once after silence, in time of its rate: a device wakes up and tells
# what it has gathered.
BURST_MS = 1000


def received(state: "State", connection: "Connection", data: bytes, now_ms: int) -> None:
    """Take in what the transport has read."""
    if connection.phase == ENDED:
        return
    connection.heard_ms = now_ms
    state.counters.bytes_received += len(data)
    state.turns.size_bytes += len(data)
    before = state.counters.messages_received
    packets = connection.reader.feed(data)
    if connection.phase == JUDGED:
        connection.pending.extend(packets)
        return
    handle(state, connection, packets, now_ms)
    _pace(state, connection, state.counters.messages_received - before, len(data), now_ms)


def handle(
    state: "State", connection: "Connection", packets: "Sequence[Packet]", now_ms: int
) -> None:
    """Handle packets in their order, and then what was wrong behind the last of them."""
    at, count = 0, len(packets)
    try:
        while at < count and connection.phase != ENDED:
            packet = packets[at]
            if isinstance(packet, Publish) and connection.session is not None:
                at = publishing.take_run(state, connection, packets, at, now_ms)
                continue
            at += 1
            _handle_one(state, connection, packet, now_ms)
            if connection.phase == JUDGED:
                connection.pending.extend(packets[at:])
                return
        fault = connection.reader.error
        if fault is not None and connection.phase != ENDED:
            connection.version = connection.version or connection.reader.version
            raise fault
    except PacketError as fault:
        ending.fail(state, connection, fault, now_ms)


def judged(state: "State", connection: "Connection", is_right: bool, now_ms: int) -> None:
    """Go on with what came while a login was checked."""
    if connection.phase != JUDGED:
        return
    packets, connection.pending = connection.pending, []
    try:
        connecting.judge(state, connection, is_right, now_ms)
    except PacketError as fault:
        ending.fail(state, connection, fault, now_ms)
    handle(state, connection, packets, now_ms)


def _handle_one(state: "State", connection: "Connection", packet: "Packet", now_ms: int) -> None:
    if isinstance(packet, Connect):
        connecting.connect(state, connection, packet, now_ms)
        return
    if connection.phase == NEW:
        raise PacketError(reasons.PROTOCOL_ERROR, "a first packet that is no CONNECT")
    if isinstance(packet, Acknowledgement):
        if packet.kind == PUBREL:
            publishing.release(state, connection, packet.packet_id)
        else:
            delivering.acknowledge(state, connection, packet, now_ms)
    elif isinstance(packet, Ping):
        connection.send(PINGRESP)  # [MQTT-3.12.4-1]
    elif isinstance(packet, Subscribe):
        subscribing.subscribe(state, connection, packet, now_ms)
    elif isinstance(packet, Unsubscribe):
        subscribing.unsubscribe(state, connection, packet)
    elif isinstance(packet, Disconnect):
        ending.leave(state, connection, packet, now_ms)
    else:
        assert isinstance(packet, Auth)
        text = "AUTH without an authentication method in CONNECT"
        raise PacketError(reasons.PROTOCOL_ERROR, text)  # [MQTT-4.12.0-6]


def _pace(
    state: "State", connection: "Connection", messages: int, size_bytes: int, now_ms: int
) -> None:
    """Hold a connection that has sent more than its rate allows, until it has paid for it."""
    settings = state.settings
    per_s, bytes_per_s = settings.messages_per_s_max, settings.bytes_per_s_max
    if not (per_s or bytes_per_s) or connection.phase == ENDED:
        return
    cost_ms = messages * 1000 / per_s if per_s else 0.0
    if bytes_per_s:
        cost_ms = max(cost_ms, size_bytes * 1000 / bytes_per_s)
    start_ms = max(connection.free_at_ms, now_ms - BURST_MS)
    connection.free_at_ms = start_ms + cost_ms
    if connection.free_at_ms > now_ms:
        if not connection.is_paced:
            state.report("info", "client_over_rate", client_id=connection.client_id)
        connection.is_paced = True
        state.paced[connection] = None
        state.changed[connection] = None
