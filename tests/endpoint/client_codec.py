"""The client's side of MQTT 3.1.1 and 5.0, for tests: packets to bytes, and what a server sends.

Written apart from the product's codec, so that one misunderstanding is not made twice.  Encoders
take what is wrong as readily as what is right.  Properties are a list of (identifier, value) pairs,
in their order; a value is what its identifier asks for: an int, bytes, or a pair of bytes.

    data = connect("a", version=5, properties=[(0x11, 3600)])
    packets, rest = decode(data, version=5)
"""

import struct
from typing import Any, NamedTuple

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 2, 3, 4, 5, 6, 7
SUBACK, UNSUBACK, PINGRESP, DISCONNECT, AUTH = 9, 11, 13, 14, 15

_ONE = {0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A}
_TWO = {0x13, 0x21, 0x22, 0x23}
_FOUR = {0x02, 0x11, 0x18, 0x27}
_NUMBER = {0x0B}
_PAIR = {0x26}

Properties = list[tuple[int, Any]]


class Packet(NamedTuple):
    """A packet of a server; what a kind does not have is at its default."""

    kind: int
    flags: int = 0
    packet_id: int = 0
    reason: int = 0
    reasons: tuple[int, ...] = ()
    session_present: bool = False
    topic: bytes = b""
    payload: bytes = b""
    properties: tuple[tuple[int, Any], ...] = ()
    size: int = 0  # Of the whole packet, in bytes.

    @property
    def qos(self) -> int:
        return self.flags >> 1 & 3

    @property
    def retain(self) -> bool:
        return self.flags & 1 == 1

    @property
    def dup(self) -> bool:
        return self.flags & 8 == 8

    def property(self, identifier: int) -> Any:
        """Return the value of a property, None where it is absent."""
        return next((value for kind, value in self.properties if kind == identifier), None)

    def all_of(self, identifier: int) -> list[Any]:
        """Return all values of a property, in their order."""
        return [value for kind, value in self.properties if kind == identifier]


def packet(head: int, body: bytes) -> bytes:
    """Return a packet with any first byte and any body."""
    return bytes([head]) + number(len(body)) + body


def connect(
    client_id: str | bytes = "",
    version: int = 5,
    clean_start: bool = True,
    keepalive_s: int = 0,
    properties: Properties | None = None,
    username: str | bytes | None = None,
    password: bytes | None = None,
    will: "tuple[bytes, bytes, int, bool] | None" = None,
    will_properties: Properties | None = None,
    flags: int | None = None,
    name: bytes = b"MQTT",
) -> bytes:
    """Return CONNECT; `will` is (topic, payload, qos, retain); `flags` replaces the right ones."""
    bits = clean_start << 1
    body = b""
    if version == 5:
        body += pack_properties(properties)
    body += binary(client_id)
    if will is not None:
        topic, payload, qos, retain = will
        bits |= 0x04 | qos << 3 | retain << 5
        if version == 5:
            body += pack_properties(will_properties)
        body += binary(topic) + binary(payload)
    if username is not None:
        bits |= 0x80
        body += binary(username)
    if password is not None:
        bits |= 0x40
        body += binary(password)
    start = binary(name) + bytes([version, bits if flags is None else flags])
    return packet(0x10, start + struct.pack(">H", keepalive_s) + body)


def publish(
    topic: str | bytes,
    payload: bytes = b"",
    qos: int = 0,
    packet_id: int = 0,
    retain: bool = False,
    dup: bool = False,
    version: int = 5,
    properties: Properties | None = None,
) -> bytes:
    """Return PUBLISH."""
    body = binary(topic)
    if qos:
        body += struct.pack(">H", packet_id)
    if version == 5:
        body += pack_properties(properties)
    return packet(0x30 | dup << 3 | qos << 1 | retain, body + payload)


def acknowledge(
    kind: int, packet_id: int, reason: int = 0, properties: Properties | None = None
) -> bytes:
    """Return PUBACK, PUBREC, PUBREL or PUBCOMP, as short as it may be."""
    body = struct.pack(">H", packet_id)
    if reason or properties:
        body += bytes([reason])
    if properties:
        body += pack_properties(properties)
    return packet(kind << 4 | (2 if kind == PUBREL else 0), body)


def subscribe(
    packet_id: int,
    filters: "list[tuple[str | bytes, int]]",
    version: int = 5,
    properties: Properties | None = None,
) -> bytes:
    """Return SUBSCRIBE; `filters` are (filter, options), of which the low two bits are the QoS."""
    body = struct.pack(">H", packet_id)
    if version == 5:
        body += pack_properties(properties)
    return packet(0x82, body + b"".join(binary(each) + bytes([bits]) for each, bits in filters))


def unsubscribe(
    packet_id: int,
    filters: "list[str | bytes]",
    version: int = 5,
    properties: Properties | None = None,
) -> bytes:
    """Return UNSUBSCRIBE."""
    body = struct.pack(">H", packet_id)
    if version == 5:
        body += pack_properties(properties)
    return packet(0xA2, body + b"".join(binary(each) for each in filters))


PINGREQ = b"\xc0\x00"


def disconnect(reason: int = 0, properties: Properties | None = None, version: int = 5) -> bytes:
    """Return DISCONNECT, as short as it may be."""
    if version < 5 or not (reason or properties):
        return b"\xe0\x00"
    return packet(0xE0, bytes([reason]) + (pack_properties(properties) if properties else b""))


def auth(reason: int = 0, properties: Properties | None = None) -> bytes:
    """Return AUTH."""
    return packet(0xF0, bytes([reason]) + pack_properties(properties))


def decode(data: bytes, version: int) -> tuple[list[Packet], bytes]:
    """Return the whole packets of a server in `data`, and the rest of it."""
    packets = []
    while len(data) >= 2:
        size = shift = 0
        at = 1
        while at < len(data):
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                break
        else:
            break
        if len(data) < at + size:
            break
        packets.append(_packet(data[0], data[at : at + size], version, at + size))
        data = data[at + size :]
    return packets, data


def number(value: int) -> bytes:
    """Return a variable byte integer."""
    encoded = b""
    while True:
        value, low = divmod(value, 128)
        encoded += bytes([low | (0x80 if value else 0)])
        if not value:
            return encoded


def binary(data: str | bytes) -> bytes:
    """Return data behind its length of two bytes."""
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">H", len(data)) + data


def pack_properties(properties: Properties | None) -> bytes:
    """Return properties behind their length."""
    body = b""
    for kind, value in properties or []:
        body += bytes([kind])
        if kind in _PAIR:
            body += binary(value[0]) + binary(value[1])
        elif kind in _NUMBER:
            body += number(value)
        elif kind in _ONE or kind in _TWO or kind in _FOUR:
            size = 1 if kind in _ONE else 2 if kind in _TWO else 4
            body += value.to_bytes(size, "big")
        else:
            body += binary(value)
    return number(len(body)) + body


def _packet(head: int, body: bytes, version: int, size: int) -> Packet:
    kind, flags = head >> 4, head & 15
    made: dict[str, Any] = {"kind": kind, "flags": flags, "size": size}
    if kind == CONNACK:
        made.update(session_present=body[0] & 1 == 1, reason=body[1])
        assert body[0] <= 1, "reserved bits of CONNACK [MQTT-3.2.2-1]"
        rest = body[2:]
    elif kind == PUBLISH:
        length = int.from_bytes(body[:2], "big")
        made["topic"], rest = body[2 : 2 + length], body[2 + length :]
        if flags >> 1 & 3:
            made["packet_id"], rest = int.from_bytes(rest[:2], "big"), rest[2:]
        if version == 5:
            made["properties"], rest = _properties(rest)
        return Packet(**made, payload=rest)
    elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        made["packet_id"], rest = int.from_bytes(body[:2], "big"), body[2:]
        assert flags == (2 if kind == PUBREL else 0)
        if rest:
            made["reason"], rest = rest[0], rest[1:]
    elif kind in (SUBACK, UNSUBACK):
        made["packet_id"], rest = int.from_bytes(body[:2], "big"), body[2:]
        if version == 5:
            made["properties"], rest = _properties(rest)
        return Packet(**made, reasons=tuple(rest))
    elif kind in (DISCONNECT, AUTH):
        made["reason"], rest = (body[0], body[1:]) if body else (0, b"")
    else:
        assert kind == PINGRESP, f"a server sent a packet of type {kind}"
        rest = body
    if rest:
        assert version == 5, f"{len(rest)} bytes too many"
        made["properties"], rest = _properties(rest)
    assert not rest, f"{len(rest)} bytes behind the last field"
    return Packet(**made)


def _properties(data: bytes) -> tuple[tuple[tuple[int, Any], ...], bytes]:
    size, at = _number(data, 0)
    end = at + size
    assert end <= len(data), "the properties are cut off"
    found = []
    while at < end:
        kind = data[at]
        at += 1
        if kind in _PAIR:
            name, at = _binary(data, at)
            value, at = _binary(data, at)
            found.append((kind, (name, value)))
        elif kind in _NUMBER:
            count, at = _number(data, at)
            found.append((kind, count))
        elif kind in _ONE or kind in _TWO or kind in _FOUR:
            width = 1 if kind in _ONE else 2 if kind in _TWO else 4
            found.append((kind, int.from_bytes(data[at : at + width], "big")))
            at += width
        else:
            text, at = _binary(data, at)
            found.append((kind, text))
    assert at == end, "a property goes over the end of the properties"
    return tuple(found), data[end:]


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14, 21):
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise AssertionError("a length that does not end")


def _binary(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    assert end <= len(data), "a field is cut off"
    return data[at + 2 : end], end
