"""CONNECT: who may come in, as whom, and to which session."""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import JUDGED, NEW, OPEN, Login
from tidegate_linux.endpoint.broker.handling import delivering, ending, wills
from tidegate_linux.endpoint.broker.limits import ENTRIES_LIVE_MAX
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PacketError
from tidegate_linux.endpoint.codec.writer import ConnackProperties, connack

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Connect

# A client id stands in every log line and note of its client, and is held for each; clients that
# make one up use a UUID or a name.  The specification wants 23 [MQTT-3.1.3-5].
CLIENT_ID_BYTES_MAX = 1024
KEEPALIVE_SLACK_MS = 1500  # A second of keep alive is this long [MQTT-3.1.2-22].
NO_RECEIVE_MAXIMUM = 65535


def connect(state: "State", connection: "Connection", packet: "Connect", now_ms: int) -> None:
    """Handle the first packet; raise `PacketError` to turn the client away."""
    if connection.phase != NEW:
        raise PacketError(reasons.PROTOCOL_ERROR, "a second CONNECT")  # [MQTT-3.1.0-2]
    connection.version = packet.version
    connection.client_id = packet.client_id
    connection.bytes_max = packet.packet_bytes_max
    _check(state, packet)
    connection.connect = packet
    user = connection.peer.certificate_name
    if user:
        admit(state, connection, user, now_ms)
    elif packet.username is not None and (
        state.has_users or not connection.peer.listener.anonymous
    ):
        connection.phase = JUDGED
        connection.login = Login(packet.username, packet.password or b"")
        state.changed[connection] = None
    elif connection.peer.listener.anonymous:
        # Where nobody has a name here, one that a client gives proves nothing and counts for none.
        admit(state, connection, "", now_ms)
    else:
        raise PacketError(reasons.NOT_AUTHORIZED, "this listener takes no anonymous clients")


def judge(state: "State", connection: "Connection", is_right: bool, now_ms: int) -> None:
    """Go on with a client whose login was checked."""
    login, packet = connection.login, connection.connect
    assert login is not None and packet is not None
    connection.login = None
    state.changed[connection] = None
    if not is_right:
        raise PacketError(reasons.BAD_USER_NAME_OR_PASSWORD, "wrong user name or password")
    admit(state, connection, login.username, now_ms)


def admit(state: "State", connection: "Connection", user: str, now_ms: int) -> None:
    """Let a client in and find its session [MQTT-3.1.4-4]."""
    packet = connection.connect
    assert packet is not None
    expiry_s = min(packet.session_expiry_s, state.settings.session_expiry_s_max)
    client_id = packet.client_id or _unused_id(state)
    connection.client_id = client_id
    answer = _answer(state, connection, packet, expiry_s)
    _check_size(connection, connack(packet.version, False, reasons.SUCCESS, answer))
    before = state.sessions.get(client_id)
    before = _hand_over(state, before, user, now_ms)
    if state.counters.connections >= state.settings.connections_max:
        raise PacketError(reasons.QUOTA_EXCEEDED, "no more connections are taken")
    is_known = before is not None and before.is_stored
    if expiry_s and not is_known and state.kept_count >= state.settings.sessions_max:
        raise PacketError(reasons.QUOTA_EXCEEDED, "no more sessions are kept")
    if packet.will is not None and not wills.find_room(state, packet.will, now_ms):
        raise PacketError(reasons.QUOTA_EXCEEDED, "no room for another will")
    if before is not None and packet.clean_start:
        ending.discard(state, before, now_ms)  # [MQTT-3.1.2-4]
        before = None
    session = before or state.new_session(client_id, expiry_s)
    connection.user = user
    connection.phase = OPEN
    connection.connect = None
    _bind(state, connection, session, packet, expiry_s, now_ms)
    is_present = before is not None  # [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    state.turns.stage(connection, connack(packet.version, is_present, reasons.SUCCESS, answer))
    state.counters.joined()
    state.report(
        "info",
        "client_connected",
        client_id=client_id,
        address=connection.address,
        user=user,
        version=packet.version,
        session_present=is_present,
    )
    delivering.resume(state, session, connection, now_ms)


def _unused_id(state: "State") -> str:
    """Make up a client id that no session bears [MQTT-3.1.3-7]."""
    client_id = state.new_client_id()
    while client_id in state.sessions:
        client_id = state.new_client_id()
    return client_id


def _check_size(connection: "Connection", data: bytes) -> None:
    """Turn a client away that cannot take even CONNACK, the largest packet it cannot avoid."""
    if connection.bytes_max and len(data) > connection.bytes_max:
        # [MQTT-3.1.2-24]
        raise PacketError(reasons.PACKET_TOO_LARGE, "the answer is larger than the client takes")


def _check(state: "State", packet: "Connect") -> None:
    if state.is_closing:
        raise PacketError(reasons.SERVER_SHUTTING_DOWN, "the gateway stops")
    if packet.auth_method is not None:
        # [MQTT-4.12.0-1]
        raise PacketError(reasons.BAD_AUTHENTICATION_METHOD, "no extended authentication here")
    if not packet.client_id and packet.version < 5 and not packet.clean_start:
        # [MQTT-3.1.3-8]
        text = "a session to keep needs a client id"
        raise PacketError(reasons.CLIENT_IDENTIFIER_NOT_VALID, text)
    if len(packet.client_id.encode()) > CLIENT_ID_BYTES_MAX:
        text = f"a client id of more than {CLIENT_ID_BYTES_MAX} bytes"
        raise PacketError(reasons.CLIENT_IDENTIFIER_NOT_VALID, text)


def _hand_over(
    state: "State", session: "Session | None", user: str, now_ms: int
) -> "Session | None":
    """Free a session from its old connection; return it if it is there then."""
    if session is None:
        return None
    is_own = session.user == user
    if session.connection is not None:
        if not is_own:
            text = "this client id is in use by another user"
            raise PacketError(reasons.CLIENT_IDENTIFIER_NOT_VALID, text)
        ending.take_over(state, session.connection, now_ms)
    elif not is_own:
        # What waits in it is not for this user's eyes.
        state.report("warning", "session_of_other_user", client_id=session.client_id, user=user)
        ending.discard(state, session, now_ms)
    return state.sessions.get(session.client_id)


def _bind(
    state: "State",
    connection: "Connection",
    session: "Session",
    packet: "Connect",
    expiry_s: int,
    now_ms: int,
) -> None:
    """Join a connection and its session."""
    settings = state.settings
    connection.session = session
    session.connection = connection
    session.user = connection.user
    session.expiry_s = expiry_s
    session.ends_at_ms = None
    session.taken_ms = now_ms
    wills.forget(state, session)  # Back before its delay had passed [MQTT-3.1.3-9].
    if packet.will is not None:
        wills.keep(state, connection, session, packet.will)
    state.notes.session(session, now_ms)
    maximum = packet.receive_maximum
    if packet.version < 5 or maximum == NO_RECEIVE_MAXIMUM:
        maximum = settings.inflight_max
    connection.receive_maximum = min(maximum, ENTRIES_LIVE_MAX)
    connection.aliases_out_max = min(packet.topic_alias_max, settings.topic_alias_max)
    connection.keepalive_ms = _keepalive_s(state, packet) * KEEPALIVE_SLACK_MS
    connection.heard_ms = now_ms
    if connection.keepalive_ms:
        state.timers.arm(connection, now_ms + connection.keepalive_ms)


def _keepalive_s(state: "State", packet: "Connect") -> int:
    """Return the keep alive that counts: in MQTT 5 the server may decide [MQTT-3.2.2-21]."""
    longest_s = state.settings.keepalive_s_max
    if packet.version < 5 or not longest_s:
        return packet.keepalive_s
    return min(packet.keepalive_s or longest_s, longest_s)


def _answer(
    state: "State", connection: "Connection", packet: "Connect", expiry_s: int
) -> ConnackProperties:
    settings = state.settings
    keepalive_s = _keepalive_s(state, packet)
    return ConnackProperties(
        session_expiry_s=None if expiry_s == packet.session_expiry_s else expiry_s,
        receive_maximum=settings.receive_maximum,
        packet_bytes_max=settings.packet_bytes_max,
        client_id="" if packet.client_id else connection.client_id,  # [MQTT-3.2.2-16]
        topic_alias_max=settings.topic_alias_max,
        keepalive_s=None if keepalive_s == packet.keepalive_s else keepalive_s,
    )
