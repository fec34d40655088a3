"""Ends of connections and of sessions, whoever brings them about."""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import ENDED, OPEN
from tidegate_linux.endpoint.broker.handling import wills
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PacketError
from tidegate_linux.endpoint.codec.writer import ConnackProperties, connack, disconnect

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Disconnect

WITHOUT_RETURN_CODE = (
    reasons.MALFORMED_PACKET,
    reasons.PROTOCOL_ERROR,
    reasons.TOPIC_NAME_INVALID,
    reasons.PACKET_TOO_LARGE,
)


def fail(state: "State", connection: "Connection", fault: PacketError, now_ms: int) -> None:
    """Tell the client why, if its version can be told, and end the connection [MQTT-4.13.1-1]."""
    if connection.phase == ENDED:
        return
    if connection.phase == OPEN:
        _say_goodbye(connection, fault.reason, fault.text)
    elif _is_answered(connection.version, fault.reason):
        # [MQTT-3.1.4-2]; for an unknown version in the form of 3.1.1 [MQTT-3.1.2-2].
        version = connection.version or 4
        data = connack(version, False, fault.reason, ConnackProperties(reason_string=fault.text))
        if connection.bytes_max and len(data) > connection.bytes_max:
            data = connack(version, False, fault.reason)  # [MQTT-3.2.2-19]
        if not connection.bytes_max or len(data) <= connection.bytes_max:
            connection.send(data)  # [MQTT-3.1.2-24]
    _detach(state, connection, reasons.name_of(fault.reason), fault.text, now_ms)


def take_over(state: "State", connection: "Connection", now_ms: int) -> None:
    """End a connection because a new one bears its client id [MQTT-3.1.4-3]."""
    text = "another connection has taken this client id"
    fail(state, connection, PacketError(reasons.SESSION_TAKEN_OVER, text), now_ms)


def leave(state: "State", connection: "Connection", packet: "Disconnect", now_ms: int) -> None:
    """The client says goodbye, and with it what becomes of its will and its session."""
    session = connection.session
    assert session is not None
    asked_s = packet.session_expiry_s
    if asked_s is not None and asked_s != session.expiry_s:
        if session.expiry_s == 0:
            # [MQTT-3.14.2-2]: a session that was to end here cannot be kept now.
            text = "a session without expiry is given one at its end"
            raise PacketError(reasons.PROTOCOL_ERROR, text)
        session.expiry_s = min(asked_s, state.settings.session_expiry_s_max)
    if packet.reason == reasons.NORMAL_DISCONNECTION:
        wills.forget(state, session)  # [MQTT-3.1.2-10] [MQTT-3.14.4-3]
    _detach(state, connection, "disconnected", reasons.name_of(packet.reason), now_ms)


def lose(state: "State", connection: "Connection", now_ms: int) -> None:
    """The transport has ended, without a word or after the last one."""
    if connection.phase != ENDED:
        _detach(state, connection, "connection lost", "", now_ms)


def close(state: "State", now_ms: int) -> None:
    """Send everybody away; wills wait for the next start, as [MQTT-3.1.2-8] allows."""
    fault = PacketError(reasons.SERVER_SHUTTING_DOWN, "the gateway stops")
    state.is_closing = True
    for connection in list(state.connections):
        fail(state, connection, fault, now_ms)


def discard(state: "State", session: "Session", now_ms: int) -> None:
    """End a session that has no connection, and forget all of it [MQTT-3.1.2-23]."""
    assert session.connection is None
    if session.will_at_ms is not None:
        wills.publish(state, session, now_ms)  # It waits no longer than the session lives.
    if session.filters:
        state.subscriptions.remove_all(session)
        state.routes.forget()
    state.notes.end(session)
    state.drop_session(session)


def _is_answered(version: int, reason: int) -> bool:
    if version == 5:
        return True
    # In 3.1.1 a CONNECT that is not as it should be gets no answer: [MQTT-3.1.4-1].
    return reason == reasons.UNSUPPORTED_PROTOCOL_VERSION or (
        version == 4 and reason not in WITHOUT_RETURN_CODE
    )


def _say_goodbye(connection: "Connection", reason: int, text: str) -> None:
    # What was staged for it is sent again to its session, or belongs to nobody any more.
    connection.drop_output()
    if connection.version < 5:
        return
    data = disconnect(reason, text)
    if connection.bytes_max and len(data) > connection.bytes_max:
        data = disconnect(reason, "")  # [MQTT-3.14.2-3]
    connection.send(data)


def _detach(state: "State", connection: "Connection", event: str, detail: str, now_ms: int) -> None:
    session, phase = connection.session, connection.phase
    connection.phase = ENDED
    connection.is_ending = True
    connection.login = None
    connection.connect = None
    connection.session = None
    connection.drop_output()
    state.connections.pop(connection, None)
    state.timers.cancel(connection)
    state.paced.pop(connection, None)
    state.stalled.pop(connection, None)
    state.changed[connection] = None
    name = "client_left" if phase == OPEN else "client_refused"
    fields = {"client_id": connection.client_id, "address": connection.address}
    state.report("info", name, **fields, reason=event, detail=detail)
    if session is None:
        return
    state.counters.left()
    session.connection = None
    session.outbox.rewind()
    if session.will is not None and not state.is_closing:
        wills.await_delay(state, session, now_ms)
    if session.is_kept:
        session.ends_at_ms = now_ms + session.expiry_s * 1000
        state.notes.session(session, now_ms)
        state.timers.arm(session, session.ends_at_ms)
    else:
        discard(state, session, now_ms)
