"""The properties of an MQTT 5 PUBLISH, as far as a record keeps them [MQTT-3.3.2.3].

Kept, in their order: the user properties, and the content type as if it were one named
`content-type`.  The others concern the way to us (expiry, alias, subscription identifier), or a
dialogue with the producer that a store-and-forward gateway cannot take part in (response topic,
correlation data), and are passed over.  So is a user property that bears the name of our own, which
says from which node a record comes: that is ours alone to say.
"""

from tidegate.errors import ProtocolError
from tidegate.limits import PROPERTIES_BYTES_MAX
from tidegate.records.origin import ORIGIN
from tidegate.records.record import pack_properties
from tidegate.records.text import check_utf8

CONTENT_TYPE = b"content-type"
PAIR_BYTES = 4  # What `pack_properties` adds to each pair.

_TOPIC_ALIAS = 0x23
_CONTENT_TYPE = 0x03
_USER_PROPERTY = 0x26

# What may stand in a PUBLISH: property -> the bytes of its value, or how to find its end.
_STRING = -1
_NUMBER = -2
_PAIR = -3
_SIZES = {
    0x01: 1,  # Payload format indicator.
    0x02: 4,  # Message expiry interval.
    _CONTENT_TYPE: _STRING,
    0x08: _STRING,  # Response topic.
    0x09: _STRING,  # Correlation data: binary, but with the same length field.
    0x0B: _NUMBER,  # Subscription identifier.
    _TOPIC_ALIAS: 2,
    _USER_PROPERTY: _PAIR,
}


def read_properties(data: bytes, at: int, stop: int) -> "tuple[list[tuple[bytes, bytes]], int]":
    """Return the pairs to keep and where the payload begins.

    The properties begin at `at` with their length; the packet ends at `stop`.  Raises
    `ProtocolError` where they are malformed.
    """
    size, at = read_number(data, at, stop)
    end = at + size
    if end > stop:
        raise ProtocolError("bad-publish", "the properties are longer than their packet")
    pairs = []
    while at < end:
        kind = data[at]
        shape = _SIZES.get(kind)
        at += 1
        if shape is None:
            raise ProtocolError("bad-publish", f"property 0x{kind:02x} has no place in a PUBLISH")
        if kind == _TOPIC_ALIAS:
            # We announce none, so that none may be used [MQTT-3.3.2-9].
            raise ProtocolError("bad-publish", "a topic alias that was not announced")
        if shape == _PAIR:
            name, at = _string(data, at, end)
            value, at = _string(data, at, end)
            pairs.append((name, value))
        elif shape == _STRING:
            value, at = _string(data, at, end)
            if kind == _CONTENT_TYPE:
                pairs.append((CONTENT_TYPE, value))
        elif shape == _NUMBER:
            _, at = read_number(data, at, end)
        else:
            at += shape
    if at != end:
        raise ProtocolError("bad-publish", "the properties end in the middle of one")
    return pairs, end


def pack_whole(pairs: "list[tuple[bytes, bytes]]") -> "tuple[bytes, bool]":
    """Pack the pairs that a record can keep; tell whether that was all of them.

    Text that is not UTF-8 [MQTT-1.5.4-1] would be refused or changed further on, and what does not
    fit a record cannot stay; the message itself is worth keeping.  An origin is passed over.
    """
    pairs = [pair for pair in pairs if pair[0] != ORIGIN]
    kept = []
    size = 0
    for name, value in pairs:
        size += PAIR_BYTES + len(name) + len(value)
        if size <= PROPERTIES_BYTES_MAX and _is_text(name) and _is_text(value):
            kept.append((name, value))
    return pack_properties(kept), len(kept) == len(pairs)


def read_number(data: bytes, at: int, stop: int) -> "tuple[int, int]":
    """Return a variable byte integer [MQTT-1.5.5] and where it ends."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ProtocolError("bad-packet", "a length that does not end")


def _is_text(data: bytes) -> bool:
    try:
        check_utf8(data)
    except ValueError:
        return False
    return True


def _string(data: bytes, at: int, end: int) -> "tuple[bytes, int]":
    start = at + 2
    if start <= end:
        stop = start + (data[at] << 8 | data[at + 1])
        if stop <= end:
            return data[start:stop], stop
    raise ProtocolError("bad-publish", "a property is longer than the properties")
