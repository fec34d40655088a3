"""Every packet of a client but PUBLISH: one function each, in the order of section 3.

Each gets the reader, the read's bytes, the flags of the fixed header, and where the packet's body
begins and ends; each refuses whatever the packet alone shows to be wrong.
"""

from typing import TYPE_CHECKING

from tidegate.records.filters import check_filter, shared
from tidegate.records.topics import check_topic
from tidegate_linux.endpoint.codec import properties as ids
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import (
    NEVER_S,
    NO_RECEIVE_MAXIMUM,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Acknowledgement,
    Auth,
    Connect,
    Disconnect,
    PacketError,
    Ping,
    Request,
    Subscribe,
    Unsubscribe,
    Will,
)
from tidegate_linux.endpoint.codec.properties import (
    Properties,
    extra_of,
    malformed,
    protocol_error,
    read_binary,
    read_int,
    read_properties,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from tidegate_linux.endpoint.codec.packets import Packet
    from tidegate_linux.endpoint.codec.reader import Reader

    Parse = Callable[["Reader", bytes, int, int, int], Packet]

# In a packet: of the shortest ones 1 MB holds 260,000, which take 40 times as much here.  A client
# with more subscriptions asks for them in several packets.
FILTERS_MAX = 10_000

_PLACED = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
_REASONS = {
    PUBACK: _PLACED,
    PUBREC: _PLACED,
    PUBREL: frozenset({0x00, 0x92}),
    PUBCOMP: frozenset({0x00, 0x92}),
}  # 5.0, tables 3-4 to 3-7.
# 5.0, table 3-13, those that a client may send.
_DISCONNECT_REASONS = frozenset(
    {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99}
)
_AUTH_REASONS = frozenset({0x18, 0x19})  # 5.0, table 3-15; 0x00 is the server's.
_NO_PROPERTIES = Properties({}, [], b"")


def connect(reader: "Reader", data: bytes, flags: int, at: int, stop: int) -> Connect:
    """Parse CONNECT (section 3.1)."""
    _check_flags(flags, 0)
    last_of_length = data[at - 1]
    version, at = _version(data, at, stop)
    if not reader.version:
        reader.version = version  # As soon as it is known: a refusal is encoded by it.
    if version == 5 and not last_of_length:
        raise malformed("a remaining length with more bytes than it needs")  # [MQTT-1.5.5-1]
    bits, at = read_int(data, at, stop, 1)
    _check_connect_bits(bits, version)
    keepalive_s, at = read_int(data, at, stop, 2)
    found = _NO_PROPERTIES
    if version == 5:
        found, at = read_properties(data, at, stop, ids.IN_CONNECT)
        if ids.AUTH_DATA in found.values and ids.AUTH_METHOD not in found.values:
            raise protocol_error("authentication data without a method")
    client_id, at = read_text(data, at, stop)
    will = None
    if bits & 0x04:
        will, at = _will(data, at, stop, bits, version)
    username = password = None
    if bits & 0x80:
        username, at = read_text(data, at, stop)
    if bits & 0x40:
        password, at = read_binary(data, at, stop)
    _check_end(at, stop)
    is_clean = bits & 0x02 != 0
    method = found.values.get(ids.AUTH_METHOD)
    expiry_s = (
        found.values.get(ids.SESSION_EXPIRY, 0) if version == 5 else 0 if is_clean else NEVER_S
    )
    return Connect(
        version,
        client_id.decode(),
        is_clean,
        keepalive_s,
        None if username is None else username.decode(),
        password,
        will,
        expiry_s,
        found.values.get(ids.RECEIVE_MAXIMUM, NO_RECEIVE_MAXIMUM),
        found.values.get(ids.PACKET_BYTES_MAX, 0),
        found.values.get(ids.TOPIC_ALIAS_MAXIMUM, 0),
        found.values.get(ids.REQUEST_RESPONSE, 0),
        found.values.get(ids.REQUEST_PROBLEM, 1),
        None if method is None else method.decode(),
        found.pairs,
    )


def acknowledgement(
    reader: "Reader", data: bytes, flags: int, at: int, stop: int, kind: int
) -> Acknowledgement:
    """Parse PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7)."""
    _check_flags(flags, 2 if kind == PUBREL else 0)  # [MQTT-3.6.1-1]
    packet_id, at = _packet_id(data, at, stop)
    reason = reasons.SUCCESS
    if at < stop and reader.version == 5:
        reason, at = read_int(data, at, stop, 1)
        if reason not in _REASONS[kind]:
            raise protocol_error(f"reason {reason:#04x} has no place in this packet")
        if at < stop:
            _, at = read_properties(data, at, stop, ids.IN_ACKNOWLEDGEMENT)
    _check_end(at, stop)
    return Acknowledgement(kind, packet_id, reason)


def subscribe(reader: "Reader", data: bytes, flags: int, at: int, stop: int) -> Subscribe:
    """Parse SUBSCRIBE (section 3.8)."""
    _check_flags(flags, 2)  # [MQTT-3.8.1-1]
    packet_id, at = _packet_id(data, at, stop)
    found = _NO_PROPERTIES
    if reader.version == 5:
        found, at = read_properties(data, at, stop, ids.IN_SUBSCRIBE)
    requests = []
    while at < stop:
        filter, at = _filter(data, at, stop)
        options, at = read_int(data, at, stop, 1)
        requests.append(_request(filter, options, reader.version))
        _check_count(requests)
    if not requests:
        raise protocol_error("a SUBSCRIBE without a filter")  # [MQTT-3.8.3-2]
    return Subscribe(packet_id, requests, found.values.get(ids.SUBSCRIPTION_IDENTIFIER, 0))


def unsubscribe(reader: "Reader", data: bytes, flags: int, at: int, stop: int) -> Unsubscribe:
    """Parse UNSUBSCRIBE (section 3.10)."""
    _check_flags(flags, 2)  # [MQTT-3.10.1-1]
    packet_id, at = _packet_id(data, at, stop)
    if reader.version == 5:
        _, at = read_properties(data, at, stop, ids.IN_UNSUBSCRIBE)
    filters = []
    while at < stop:
        filter, at = _filter(data, at, stop)
        filters.append(filter)
        _check_count(filters)
    if not filters:
        raise protocol_error("an UNSUBSCRIBE without a filter")  # [MQTT-3.10.3-2]
    return Unsubscribe(packet_id, filters)


def ping(_reader: "Reader", _data: bytes, flags: int, at: int, stop: int) -> Ping:
    """Parse PINGREQ (section 3.12)."""
    _check_flags(flags, 0)
    _check_end(at, stop)
    return Ping()


def disconnect(reader: "Reader", data: bytes, flags: int, at: int, stop: int) -> Disconnect:
    """Parse DISCONNECT (section 3.14)."""
    _check_flags(flags, 0)  # [MQTT-3.14.1-1]
    reason, found = reasons.NORMAL_DISCONNECTION, _NO_PROPERTIES
    if at < stop and reader.version == 5:
        reason, at = read_int(data, at, stop, 1)
        if reason not in _DISCONNECT_REASONS:
            raise protocol_error(f"a client's DISCONNECT with reason {reason:#04x}")
        if at < stop:
            found, at = read_properties(data, at, stop, ids.IN_DISCONNECT)
    _check_end(at, stop)
    return Disconnect(reason, found.values.get(ids.SESSION_EXPIRY))


def auth(reader: "Reader", data: bytes, flags: int, at: int, stop: int) -> Auth:
    """Parse AUTH (5.0, section 3.15)."""
    if reader.version != 5:
        raise malformed("a packet of type 15")
    _check_flags(flags, 0)  # [MQTT-3.15.1-1]
    if at == stop:
        raise protocol_error("an AUTH without a reason means success, which a server says")
    reason, at = read_int(data, at, stop, 1)
    if reason not in _AUTH_REASONS:
        raise protocol_error(f"a client's AUTH with reason {reason:#04x}")  # [MQTT-3.15.2-1]
    found = _NO_PROPERTIES
    if at < stop:
        found, at = read_properties(data, at, stop, ids.IN_AUTH)
    _check_end(at, stop)
    if ids.AUTH_METHOD not in found.values:
        raise protocol_error("an AUTH without a method")  # 5.0, 3.15.2.2.2.
    return Auth(reason, found.values[ids.AUTH_METHOD].decode())


def _of_kind(kind: int) -> "Parse":
    return lambda reader, data, flags, at, stop: acknowledgement(
        reader, data, flags, at, stop, kind
    )


def _never(_reader: "Reader", _data: bytes, _flags: int, _at: int, _stop: int) -> "Packet":
    raise protocol_error("a packet that only a server sends, or none at all")


# By packet type (table 2-1).  PUBLISH never gets here.
CONTROL: "tuple[Parse, ...]" = (
    _never, connect, _never, _never, _of_kind(PUBACK), _of_kind(PUBREC), _of_kind(PUBREL),
    _of_kind(PUBCOMP), subscribe, _never, unsubscribe, _never, ping, _never, disconnect, auth,
)  # fmt: skip


def _version(data: bytes, at: int, stop: int) -> tuple[int, int]:
    name, at = read_binary(data, at, stop)
    version, at = read_int(data, at, stop, 1)
    if name != b"MQTT" or version not in (4, 5):
        text = f"protocol {name[:20]!r} version {version}; MQTT 3.1.1 and 5 are spoken here"
        raise PacketError(reasons.UNSUPPORTED_PROTOCOL_VERSION, text)  # [MQTT-3.1.2-2]
    return version, at


def _check_connect_bits(bits: int, version: int) -> None:
    if bits & 0x01:
        raise malformed("the reserved flag of CONNECT is set")  # [MQTT-3.1.2-3]
    if bits & 0x18 == 0x18:
        raise malformed("a will of QoS 3")  # [MQTT-3.1.2-12]
    if not bits & 0x04 and bits & 0x38:
        raise malformed("flags of a will without a will")  # [MQTT-3.1.2-11] [MQTT-3.1.2-13]
    if version == 4 and bits & 0xC0 == 0x40:
        raise malformed("a password without a user name")  # 3.1.1, [MQTT-3.1.2-22]


def _will(data: bytes, at: int, stop: int, bits: int, version: int) -> tuple[Will, int]:
    delay_s, extra = 0, None
    if version == 5:
        found, at = read_properties(data, at, stop, ids.IN_WILL)
        delay_s = found.values.get(ids.WILL_DELAY, 0)
        extra = extra_of(found)
    topic, at = read_text(data, at, stop)
    payload, at = read_binary(data, at, stop)
    try:
        check_topic(topic)
    except ValueError as error:
        raise PacketError(reasons.TOPIC_NAME_INVALID, f"the will: {error}") from error
    return Will(topic, payload, bits >> 3 & 3, bits & 0x20 != 0, delay_s, extra), at


def _request(filter: bytes, options: int, version: int) -> Request:
    qos, handling = options & 3, options >> 4 & 3
    if options & (0xC0 if version == 5 else 0xFC):
        raise malformed(f"reserved subscription options {options:#04x}")  # [MQTT-3.8.3-5]
    if qos == 3:
        if version == 5:
            raise protocol_error("a subscription of QoS 3")  # 5.0, 3.8.3.1.
        raise malformed("a subscription of QoS 3")  # 3.1.1, [MQTT-3.8.3-4]
    if handling == 3:
        raise protocol_error("retain handling 3")  # 5.0, 3.8.3.1.
    no_local = options & 0x04 != 0
    if no_local and shared(filter) is not None:
        raise protocol_error("no local for a shared subscription")  # [MQTT-3.8.3-4]
    return Request(filter, qos, no_local, options & 0x08 != 0, handling)


def _filter(data: bytes, at: int, stop: int) -> tuple[bytes, int]:
    filter, at = read_text(data, at, stop)
    try:
        check_filter(filter)
    except ValueError as error:
        raise PacketError(reasons.TOPIC_FILTER_INVALID, str(error)) from error
    return filter, at


def _check_count(filters: "Sized") -> None:
    if len(filters) > FILTERS_MAX:
        text = f"more than {FILTERS_MAX} filters in a packet"
        raise PacketError(reasons.IMPLEMENTATION_SPECIFIC_ERROR, text)


def _packet_id(data: bytes, at: int, stop: int) -> tuple[int, int]:
    packet_id, at = read_int(data, at, stop, 2)
    if not packet_id:
        raise protocol_error("packet identifier 0")  # [MQTT-2.2.1-3]
    return packet_id, at


def _check_flags(flags: int, expected: int) -> None:
    if flags != expected:
        raise malformed(f"reserved flags are {flags:#x}")  # [MQTT-2.1.3-1]


def _check_end(at: int, stop: int) -> None:
    if at != stop:
        raise malformed(f"{stop - at} bytes behind the packet's last field")
