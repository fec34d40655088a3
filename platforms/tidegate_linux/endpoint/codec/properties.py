"""Properties of MQTT 5.0 (section 2.2.2) and the fields that packets are made of (section 1.5)."""

from typing import Any, NamedTuple

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
_BOOLEAN, _TWO, _FOUR, _NUMBER, _TEXT, _BINARY = range(6)
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
    PACKET_BYTES_MAX: _FOUR,
}
# Of which zero is no value (5.0, 3.1.2.11.3, 3.1.2.11.4, 3.8.2.1.2, [MQTT-3.3.2-8]), and a topic
# that has at least one character [MQTT-3.3.2-13] [MQTT-4.7.3-1].
_NOT_EMPTY = {
    RECEIVE_MAXIMUM, PACKET_BYTES_MAX, TOPIC_ALIAS, SUBSCRIPTION_IDENTIFIER, RESPONSE_TOPIC
}  # fmt: skip

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

# Of a message's properties those that end here; all others are forwarded as they came.
_NOT_FORWARDED = {MESSAGE_EXPIRY, TOPIC_ALIAS, WILL_DELAY}

# In a packet: one of 1 MB could hold 200,000 of five bytes, which take 20 times as much here, and
# those of a CONNECT are kept while its password is checked.
USER_PROPERTIES_MAX = 1000

Pairs = list[tuple[bytes, bytes]]

# Makes a named tuple in half the time that its constructor takes: this runs for every message.
_new = tuple.__new__


class Properties(NamedTuple):
    """The values by their identifiers; user properties apart, in their order.

    `forwarded` are the bytes of all of them but those that say something to the server alone.
    """

    values: dict[int, Any]
    pairs: Pairs
    forwarded: bytes


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
    values: dict[int, Any] = {}
    pairs: Pairs = []
    forwarded = b""
    run = at  # Where the bytes begin that are forwarded in one piece.
    while at < end:
        start = at
        kind = data[at]
        if kind == USER_PROPERTY:  # Allowed in every packet that has properties.
            pair, at = _read_pair(data, at + 1, end)
            pairs.append(pair)
            continue
        if kind not in allowed:
            raise _out_of_place(kind, allowed)
        value, at = _read_value(data, at + 1, end, _SHAPES[kind])
        if kind in values:
            raise protocol_error(f"property {kind:#04x} stands there twice")
        if not value and kind in _NOT_EMPTY:
            reason = reasons.TOPIC_ALIAS_INVALID if kind == TOPIC_ALIAS else reasons.PROTOCOL_ERROR
            raise PacketError(reason, f"property {kind:#04x} is 0 or empty")
        values[kind] = value
        if kind in _NOT_FORWARDED:
            forwarded += data[run:start]
            run = at
    if len(pairs) > USER_PROPERTIES_MAX:
        text = f"more than {USER_PROPERTIES_MAX} user properties"
        raise PacketError(reasons.IMPLEMENTATION_SPECIFIC_ERROR, text)
    return _new(Properties, (values, pairs, forwarded + data[run:end])), end


def extra_of(found: Properties) -> PublishExtra:
    """Return what a PUBLISH's or a will's properties say of the message.

    A payload that is announced as UTF-8 is not looked at.  A server may do so and refuse it with
    0x99, but need not (5.0, 3.3.2.3.2 and 3.1.3.2.3): the announcement is passed on unaltered, for
    the receiver, and a check would cost every message a walk through its payload.
    """
    values, pairs, forwarded = found
    if not values:
        return _new(PublishExtra, (forwarded, pairs, None, 0, b""))
    response_topic = values.get(RESPONSE_TOPIC, b"")
    if b"+" in response_topic or b"#" in response_topic:
        raise protocol_error("the response topic holds a wildcard")  # [MQTT-3.3.2-14]
    if CONTENT_TYPE in values:
        pairs = [(b"content-type", values[CONTENT_TYPE]), *pairs]
    expiry_s = values.get(MESSAGE_EXPIRY)
    return PublishExtra(forwarded, pairs, expiry_s, values.get(TOPIC_ALIAS, 0), response_topic)


def read_number(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return a variable byte integer, in as few bytes as it needs [MQTT-1.5.5-1], and its end."""
    if at < stop and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte:
                raise malformed("a number with more bytes than it needs")
            return value, at
    raise malformed("a number that does not end")


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
    start = at + 2
    end = start + (data[at] << 8 | data[at + 1]) if start <= stop else stop + 1
    if end > stop:
        raise malformed("a string is longer than its packet")
    text = data[start:end]
    if not text.isascii() or b"\0" in text:  # Nearly none: only these need the whole check.
        _check_text(text)
    return text, end


def read_int(data: bytes, at: int, stop: int, size: int) -> tuple[int, int]:
    """Return an integer of `size` bytes, and where it ends."""
    end = at + size
    if end > stop:
        raise malformed("the packet ends in the middle of a number")
    return int.from_bytes(data[at:end], "big"), end


def _read_pair(data: bytes, at: int, stop: int) -> tuple[tuple[bytes, bytes], int]:
    """Return a user property's name and value [MQTT-1.5.7-1], and where they end.

    Twice `read_text` in one: of all properties these are the ones that come with every message.
    """
    start = at + 2
    middle = start + (data[at] << 8 | data[at + 1]) if start <= stop else stop
    value_at = middle + 2
    end = value_at + (data[middle] << 8 | data[middle + 1]) if value_at <= stop else stop + 1
    if end > stop:
        raise malformed("a user property is longer than its packet")
    name = data[start:middle]
    value = data[value_at:end]
    if not (name.isascii() and value.isascii()) or b"\0" in name or b"\0" in value:
        _check_text(name)
        _check_text(value)
    return (name, value), end


def _check_text(text: bytes) -> None:
    try:
        check_utf8(text)
    except ValueError as error:
        raise malformed(f"a string is no text: {error}") from error


def _out_of_place(kind: int, allowed: frozenset[int]) -> PacketError:
    """Return the error for a property that this packet cannot have.

    Malformed, although its bytes can be told apart (5.0, 2.2.2.2).  One that a standard's sentence
    names by itself is not: a subscription identifier in a client's PUBLISH (3.3.4).
    """
    if kind == SUBSCRIPTION_IDENTIFIER and allowed is IN_PUBLISH:
        return protocol_error("a subscription identifier in a client's PUBLISH")  # [MQTT-3.3.4-6]
    if kind in _SHAPES:
        return malformed(f"property {kind:#04x} has no place in this packet")
    return malformed(f"there is no property {kind:#04x} for a client")


def _read_value(data: bytes, at: int, end: int, shape: int) -> tuple[Any, int]:
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
