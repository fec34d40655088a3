"""Properties of MQTT 5.0 (section 2.2.2) and the fields that packets are made of (section 1.5)."""

from typing import Any

from tidegate.records.text import check_utf8
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PacketError, PublishExtra

PAYLOAD_FORMAT = 0x01
MESSAGE_EXPIRY = 0x02
CONTENT_TYPE = 0x03
RESPONSE_TOPIC = 0x08
CORRELATION_DATA = 0x09
SUBSCRIPTION_IDENTIFIER = 0x0B
SESSION_EXPIRY = 0x11
ASSIGNED_CLIENT_ID = 0x12
SERVER_KEEP_ALIVE = 0x13
AUTH_METHOD = 0x15
AUTH_DATA = 0x16
REQUEST_PROBLEM = 0x17
WILL_DELAY = 0x18
REQUEST_RESPONSE = 0x19
REASON_STRING = 0x1F
RECEIVE_MAXIMUM = 0x21
TOPIC_ALIAS_MAXIMUM = 0x22
TOPIC_ALIAS = 0x23
USER_PROPERTY = 0x26
PACKET_BYTES_MAX = 0x27

# Shapes of values.
_BOOLEAN, _TWO, _FOUR, _NUMBER, _TEXT, _BINARY, _PAIR = range(7)
_SHAPES = {
    PAYLOAD_FORMAT: _BOOLEAN,
    MESSAGE_EXPIRY: _FOUR,
    CONTENT_TYPE: _TEXT,
    RESPONSE_TOPIC: _TEXT,
    CORRELATION_DATA: _BINARY,
    SUBSCRIPTION_IDENTIFIER: _NUMBER,
    SESSION_EXPIRY: _FOUR,
    AUTH_METHOD: _TEXT,
    AUTH_DATA: _BINARY,
    REQUEST_PROBLEM: _BOOLEAN,
    WILL_DELAY: _FOUR,
    REQUEST_RESPONSE: _BOOLEAN,
    REASON_STRING: _TEXT,
    RECEIVE_MAXIMUM: _TWO,
    TOPIC_ALIAS_MAXIMUM: _TWO,
    TOPIC_ALIAS: _TWO,
    USER_PROPERTY: _PAIR,
    PACKET_BYTES_MAX: _FOUR,
}
# Of which zero is no value (5.0, 3.1.2.11.3, 3.1.2.11.4, 3.3.2.3.4, 3.8.2.1.2).
_NOT_ZERO = {RECEIVE_MAXIMUM, PACKET_BYTES_MAX, TOPIC_ALIAS, SUBSCRIPTION_IDENTIFIER}

IN_CONNECT = frozenset(
    {
        SESSION_EXPIRY, RECEIVE_MAXIMUM, PACKET_BYTES_MAX, TOPIC_ALIAS_MAXIMUM, REQUEST_RESPONSE,
        REQUEST_PROBLEM, USER_PROPERTY, AUTH_METHOD, AUTH_DATA,
    }
)  # fmt: skip
IN_WILL = frozenset(
    {
        WILL_DELAY, PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA,
        USER_PROPERTY,
    }
)  # fmt: skip
IN_PUBLISH = (IN_WILL | {TOPIC_ALIAS}) - {WILL_DELAY}
IN_ACKNOWLEDGEMENT = frozenset({REASON_STRING, USER_PROPERTY})
IN_SUBSCRIBE = frozenset({SUBSCRIPTION_IDENTIFIER, USER_PROPERTY})
IN_UNSUBSCRIBE = frozenset({USER_PROPERTY})
IN_DISCONNECT = frozenset({SESSION_EXPIRY, REASON_STRING, USER_PROPERTY})
IN_AUTH = frozenset({AUTH_METHOD, AUTH_DATA, REASON_STRING, USER_PROPERTY})

_FORWARDED = IN_PUBLISH - {MESSAGE_EXPIRY, TOPIC_ALIAS}

Pairs = list[tuple[bytes, bytes]]


class Properties(dict[int, Any]):
    """The values by their identifiers; user properties apart, in their order."""

    __slots__ = ("forwarded", "pairs")

    def __init__(self) -> None:
        dict.__init__(self)
        self.pairs: Pairs = []
        self.forwarded: list[bytes] = []


def malformed(text: str) -> PacketError:
    """Return the error for bytes that are no packet."""
    return PacketError(reasons.MALFORMED_PACKET, text)


def protocol_error(text: str) -> PacketError:
    """Return the error for a packet that has no place where it came."""
    return PacketError(reasons.PROTOCOL_ERROR, text)


def read_properties(
    data: bytes, at: int, stop: int, allowed: frozenset[int]
) -> tuple[Properties, int]:
    """Return the properties whose length stands at `at`, and where they end."""
    size, at = read_number(data, at, stop)
    end = at + size
    if end > stop:
        raise malformed("the properties are longer than their packet")
    found = Properties()
    while at < end:
        start = at
        kind = data[at]
        if kind not in allowed:
            if kind in _SHAPES:
                raise protocol_error(f"property {kind:#04x} has no place in this packet")
            raise malformed(f"there is no property {kind:#04x}")
        value, at = _read_value(data, at + 1, end, _SHAPES[kind])
        if kind == USER_PROPERTY:
            found.pairs.append(value)
        elif kind in found:
            raise protocol_error(f"property {kind:#04x} stands there twice")
        elif not value and kind in _NOT_ZERO:
            raise protocol_error(f"property {kind:#04x} is 0")
        else:
            found[kind] = value
        if kind in _FORWARDED:
            found.forwarded.append(data[start:at])
    return found, end


def extra_of(found: Properties) -> PublishExtra:
    """Return what a PUBLISH's or a will's properties say of the message."""
    response_topic = found.get(RESPONSE_TOPIC, b"")
    if b"+" in response_topic or b"#" in response_topic:
        raise protocol_error("the response topic holds a wildcard")  # [MQTT-3.3.2-14]
    pairs = found.pairs
    if CONTENT_TYPE in found:
        pairs = [(b"content-type", found[CONTENT_TYPE]), *pairs]
    return PublishExtra(
        b"".join(found.forwarded),
        pairs,
        found.get(MESSAGE_EXPIRY),
        found.get(TOPIC_ALIAS, 0),
        response_topic,
    )


def read_number(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return a variable byte integer [MQTT-1.5.5-1] and where it ends."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise malformed("a length that does not end")


def read_binary(data: bytes, at: int, stop: int) -> tuple[bytes, int]:
    """Return binary data with a length of two bytes (1.5.6), and where it ends."""
    start = at + 2
    if start <= stop:
        end = start + (data[at] << 8 | data[at + 1])
        if end <= stop:
            return data[start:end], end
    raise malformed("a field is longer than its packet")


def read_text(data: bytes, at: int, stop: int) -> tuple[bytes, int]:
    """Return a UTF-8 string, still as bytes, and where it ends [MQTT-1.5.4-1] [MQTT-1.5.4-2]."""
    text, at = read_binary(data, at, stop)
    try:
        check_utf8(text)
    except ValueError as error:
        raise malformed(f"a string is no text: {error}") from error
    return text, at


def read_int(data: bytes, at: int, stop: int, size: int) -> tuple[int, int]:
    """Return an integer of `size` bytes, and where it ends."""
    end = at + size
    if end > stop:
        raise malformed("the packet ends in the middle of a number")
    return int.from_bytes(data[at:end], "big"), end


def _read_value(data: bytes, at: int, end: int, shape: int) -> tuple[Any, int]:
    if shape == _PAIR:
        name, at = read_text(data, at, end)
        value, at = read_text(data, at, end)
        return (name, value), at
    if shape == _TEXT:
        return read_text(data, at, end)
    if shape == _BINARY:
        return read_binary(data, at, end)
    if shape == _NUMBER:
        return read_number(data, at, end)
    if shape == _BOOLEAN:
        flag, at = read_int(data, at, end, 1)
        if flag > 1:
            raise protocol_error(f"a property that is 0 or 1 is {flag}")
        return flag, at
    return read_int(data, at, end, 2 if shape == _TWO else 4)
