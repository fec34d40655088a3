"""What a server sends, as bytes: MQTT 3.1.1 and 5.0, section 3.

Where 3.1.1 has fewer words than 5.0 a reason is mapped to the nearest one that it has.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from tidegate_linux.endpoint.codec import properties as ids
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PUBACK, PUBREC, PUBREL

PINGRESP = b"\xd0\x00"
LENGTH_MAX = 0x0FFFFFFF  # What a variable byte integer can say (5.0, table 1-1).

# Return codes of 3.1.1, table 3.1: "unavailable" for what is not the client's fault; what is, and
# is not in this table, is "not authorised".
_RETURN_CODES = {
    reasons.SUCCESS: 0,
    reasons.UNSUPPORTED_PROTOCOL_VERSION: 1,
    reasons.CLIENT_IDENTIFIER_NOT_VALID: 2,
    reasons.UNSPECIFIED_ERROR: 3,
    reasons.IMPLEMENTATION_SPECIFIC_ERROR: 3,
    reasons.SERVER_UNAVAILABLE: 3,
    reasons.SERVER_BUSY: 3,
    reasons.SERVER_SHUTTING_DOWN: 3,
    reasons.QUOTA_EXCEEDED: 3,
    reasons.CONNECTION_RATE_EXCEEDED: 3,
    reasons.BAD_USER_NAME_OR_PASSWORD: 4,
}
_NOT_AUTHORISED = 5


class ConnackProperties(NamedTuple):
    """What a CONNACK of 5.0 tells besides its reason; None and "" are left out."""

    session_expiry_s: int | None = None
    receive_maximum: int | None = None
    packet_bytes_max: int | None = None
    client_id: str = ""
    topic_alias_max: int | None = None
    keepalive_s: int | None = None
    reason_string: str = ""


def connack(
    version: int, session_present: bool, reason: int, properties: ConnackProperties | None = None
) -> bytes:
    """Encode CONNACK; `version` is 4 where the client's is not known."""
    if version < 5:
        return bytes((0x20, 2, session_present, _RETURN_CODES.get(reason, _NOT_AUTHORISED)))
    told = properties or ConnackProperties()
    parts = [
        _number(ids.SESSION_EXPIRY, told.session_expiry_s, 4),
        _number(ids.RECEIVE_MAXIMUM, told.receive_maximum, 2),
        _number(ids.PACKET_BYTES_MAX, told.packet_bytes_max, 4),
        _text(ids.ASSIGNED_CLIENT_ID, told.client_id),
        _number(ids.TOPIC_ALIAS_MAXIMUM, told.topic_alias_max, 2),
        _text(ids.REASON_STRING, told.reason_string),
        _number(ids.SERVER_KEEP_ALIVE, told.keepalive_s, 2),
    ]
    return _packet(0x20, bytes((session_present, reason)) + _with_length(b"".join(parts)))


def publish(
    version: int,
    topic: bytes,
    payload: bytes,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    forwarded: bytes = b"",
    expiry_s: int | None = None,
    alias: int = 0,
    identifiers: Sequence[int] = (),
) -> bytes:
    """Encode PUBLISH; `forwarded` are properties as they came."""
    head = 0x30 | dup << 3 | qos << 1 | retain
    start = struct.pack(">H", len(topic)) + topic
    if qos:
        start += struct.pack(">H", packet_id)
    if version < 5:
        return _packet(head, start + payload)
    properties = forwarded
    if expiry_s is not None or alias or identifiers:
        parts = [forwarded, _number(ids.MESSAGE_EXPIRY, expiry_s, 4)]
        parts += [_number(ids.TOPIC_ALIAS, alias or None, 2)]
        parts += [bytes((ids.SUBSCRIPTION_IDENTIFIER,)) + length(each) for each in identifiers]
        properties = b"".join(parts)
    return _packet(head, start + _with_length(properties) + payload)


def acknowledgement(
    kind: int, version: int, packet_id: int, reason: int = reasons.SUCCESS, reason_string: str = ""
) -> bytes:
    """Encode PUBACK, PUBREC, PUBREL or PUBCOMP."""
    head = kind << 4 | (2 if kind == PUBREL else 0)
    if version < 5 or (reason == reasons.SUCCESS and not reason_string):
        return struct.pack(">BBH", head, 2, packet_id)
    if not reason_string:
        return struct.pack(">BBHB", head, 3, packet_id, reason)
    properties = _with_length(_text(ids.REASON_STRING, reason_string))
    return _packet(head, struct.pack(">HB", packet_id, reason) + properties)


def pubacks(_version: int, packet_ids: Sequence[int]) -> bytes:
    """Encode a PUBACK for each, all at once; the same in both versions."""
    return _many(PUBACK, packet_ids)


def pubrecs(_version: int, packet_ids: Sequence[int]) -> bytes:
    """Encode a PUBREC for each, all at once; the same in both versions."""
    return _many(PUBREC, packet_ids)


def suback(version: int, packet_id: int, answers: Sequence[int]) -> bytes:
    """Encode SUBACK: the QoS that was granted, or a reason, for each filter."""
    start = struct.pack(">H", packet_id)
    if version < 5:
        # 3.1.1 knows one way to refuse [MQTT-3.9.3-2].
        codes = [min(answer, reasons.FAILED) for answer in answers]
        return _packet(0x90, start + bytes(codes))
    return _packet(0x90, start + b"\0" + bytes(answers))


def unsuback(version: int, packet_id: int, answers: Sequence[int]) -> bytes:
    """Encode UNSUBACK; 3.1.1 has no answers in it."""
    start = struct.pack(">H", packet_id)
    return _packet(0xB0, start if version < 5 else start + b"\0" + bytes(answers))


def disconnect(reason: int, reason_string: str = "", session_expiry_s: int | None = None) -> bytes:
    """Encode a server's DISCONNECT, which only 5.0 has."""
    properties = _number(ids.SESSION_EXPIRY, session_expiry_s, 4)
    properties += _text(ids.REASON_STRING, reason_string)
    if not properties:
        return bytes((0xE0, 1, reason))
    return _packet(0xE0, bytes((reason,)) + _with_length(properties))


def length(value: int) -> bytes:
    """Encode a variable byte integer [MQTT-1.5.5-1]."""
    if value < 0x80:
        return bytes((value,))
    assert value <= LENGTH_MAX, f"{value} does not fit into four bytes"
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | 0x80 if value else low)
        if not value:
            return bytes(encoded)


def _many(kind: int, packet_ids: Sequence[int]) -> bytes:
    # One call of `pack` for all: a head of two bytes before each identifier.
    words = [kind << 12 | 2] * (2 * len(packet_ids))
    words[1::2] = packet_ids
    return struct.pack(f">{len(words)}H", *words)


def _packet(head: int, body: bytes) -> bytes:
    return bytes((head,)) + length(len(body)) + body


def _with_length(data: bytes) -> bytes:
    return length(len(data)) + data


def _number(kind: int, value: int | None, size: int) -> bytes:
    return b"" if value is None else bytes((kind,)) + value.to_bytes(size, "big")


def _text(kind: int, value: str) -> bytes:
    if not value:
        return b""
    data = value.encode()
    return bytes((kind,)) + struct.pack(">H", len(data)) + data
