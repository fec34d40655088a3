"""Notes: what the broker keeps in the journal, byte by byte.

A note is a key and a value, written in the transaction of the messages it belongs to.  Numbers are
big-endian, so that keys in their order are numbers in theirs.  A value begins with its version, 1;
another one, or one that is damaged, raises `ValueError`, and so does a key.  Kinds in the order of
their keys, in which a start reads them; each is one range, and so is each session's part of it:

    key                                        value, after the version
    "A" client id                              session, see below
    "F" session u64, filter                    subscription: options u8, identifier u32
    "I" session u64, packet id u16             nothing: a QoS 2 that was published and not released
    "P" session u64, turn u64                  (packet id u16, CRC-32 u32)...: QoS 1 of that turn
    "Q" session u64, number u64                0x00, or 0x01 and a queued message, see below
    "R" topic                                  delivery, see below
    "W" session u64                            will, see below
    "turn"                                     turn u64: the last one that is durable

- session: session u64, next number u64, expiry u32 seconds (0xFFFFFFFF never), disconnected u64
  (milliseconds of the wall clock, 0 while connected), then the user name to the end.
- will: delay u32 seconds, flags u8 (goes to the hub 0, has expiry 1), expiry u32 seconds, length
  u32 and user name, count u32 of pairs, per pair length u32 and name, length u32 and value;
  delivery, whose publisher is the client id.
- subscription options, as in SUBSCRIBE [MQTT-3.8.3-5]: QoS bits 0-1, No Local 2, Retain As
  Published 3, Retain Handling 4-5.
- CRC-32 over topic, payload and the retain flag as one byte: tells a PUBLISH that is sent again
  from a new one.
- queued message: QoS granted u8, count u16 and identifiers u32...; delivery.  0x00 is the marker
  that takes its place after PUBREC.
- delivery: flags u8 (QoS bits 0-1, retain 2, expires 3), expires u64 (milliseconds of the wall
  clock; 0 when it does not), lengths of topic u32, forwarded u32, publisher u32, then these three,
  then the payload to the end.

Times are kept by the wall clock, because that of `now_ms` begins anew at each boot; `offset_ms` is
what to add to `now_ms` to get the wall clock.
"""

import struct
from typing import NamedTuple

from tidegate_linux.endpoint.broker.delivery import Delivery, size_of
from tidegate_linux.endpoint.broker.outbox import Entry, released
from tidegate_linux.endpoint.broker.subscriptions import Subscription

VERSION = 1

SESSION = b"A"
FILTER = b"F"
INBOUND = b"I"
PRINTS = b"P"
QUEUED = b"Q"
RETAINED = b"R"
WILL = b"W"
TURN_KEY = b"turn"

_VERSION = bytes((VERSION,))
_MARKER = bytes((VERSION, 0))
_DELIVERY = struct.Struct(">BQIII")
_SESSION = struct.Struct(">BQQIQ")
_WILL = struct.Struct(">BIBI")
_QUEUED = struct.Struct(">BBBH")
_PRINT = struct.Struct(">HI")
_U64_MAX = 2**64 - 1


class WillNote(NamedTuple):
    """A will that waits, of a kept session or of another.

    `delivery` bears the client id and never expires: `expiry_s` counts from its publication.
    """

    delivery: Delivery
    user: str
    is_uplinked: bool
    delay_s: int
    expiry_s: int | None
    pairs: list[tuple[bytes, bytes]]

    @property
    def size_bytes(self) -> int:
        """Return what it counts towards the limits."""
        pairs_bytes = sum([len(name) + len(value) for name, value in self.pairs])
        return size_of(self.delivery) + pairs_bytes


class SessionNote(NamedTuple):
    """A session that is kept; its client id is in the key.

    `disconnected_wall_ms` is 0 while connected, and so after a crash.
    """

    number: int
    next_number: int
    expiry_s: int
    disconnected_wall_ms: int
    user: str


def range_of(kind: bytes) -> tuple[bytes, bytes]:
    """Return (first, stop) of all keys of a kind."""
    return kind, bytes((kind[0] + 1,))


def session_range(kind: bytes, session: int) -> tuple[bytes, bytes]:
    """Return (first, stop) of one session's keys of a kind: FILTER, INBOUND, PRINTS or QUEUED."""
    return kind + struct.pack(">Q", session), kind + struct.pack(">Q", session + 1)


def session_key(client_id: str) -> bytes:
    """Return the key of a session."""
    return SESSION + client_id.encode()


def filter_key(session: int, filter: bytes) -> bytes:
    """Return the key of a subscription."""
    return FILTER + struct.pack(">Q", session) + filter


def inbound_key(session: int, packet_id: int) -> bytes:
    """Return the key of the packet id of a QoS 2 that was published and not released."""
    return INBOUND + struct.pack(">QH", session, packet_id)


def prints_key(session: int, turn: int) -> bytes:
    """Return the key of the QoS 1 that a session published in one turn."""
    return PRINTS + struct.pack(">QQ", session, turn)


def queued_key(session: int, number: int) -> bytes:
    """Return the key of an entry of a session's queue."""
    return QUEUED + struct.pack(">QQ", session, number)


def retained_key(topic: bytes) -> bytes:
    """Return the key of a retained message."""
    return RETAINED + topic


def will_key(session: int) -> bytes:
    """Return the key of a will."""
    return WILL + struct.pack(">Q", session)


def split_will_key(key: bytes) -> int:
    """Return the session."""
    _expect(key[:1] == WILL and len(key) == 9)
    return int.from_bytes(key[1:])


def split_session_key(key: bytes) -> str:
    """Return the client id of a session's key."""
    _expect(key[:1] == SESSION)
    return key[1:].decode()  # UnicodeDecodeError is a ValueError.


def split_filter_key(key: bytes) -> tuple[int, bytes]:
    """Return (session, filter)."""
    _expect(key[:1] == FILTER and len(key) > 9)
    return int.from_bytes(key[1:9]), key[9:]


def split_inbound_key(key: bytes) -> tuple[int, int]:
    """Return (session, packet id)."""
    _expect(key[:1] == INBOUND and len(key) == 11)
    packet_id = int.from_bytes(key[9:])
    _expect(packet_id > 0)
    return int.from_bytes(key[1:9]), packet_id


def split_prints_key(key: bytes) -> tuple[int, int]:
    """Return (session, turn)."""
    _expect(key[:1] == PRINTS and len(key) == 17)
    return int.from_bytes(key[1:9]), int.from_bytes(key[9:])


def split_queued_key(key: bytes) -> tuple[int, int]:
    """Return (session, number)."""
    _expect(key[:1] == QUEUED and len(key) == 17)
    return int.from_bytes(key[1:9]), int.from_bytes(key[9:])


def split_retained_key(key: bytes) -> bytes:
    """Return the topic."""
    _expect(key[:1] == RETAINED and len(key) > 1)
    return key[1:]


def pack_turn(turn: int) -> bytes:
    """Pack the number of the last durable turn."""
    return struct.pack(">BQ", VERSION, turn)


def unpack_turn(value: bytes) -> int:
    """Return the number of the last durable turn."""
    reader = _Reader(value)
    turn = int(reader.take(">Q")[0])
    _expect(not reader.rest())
    return turn


def pack_inbound() -> bytes:
    """Return the value of a packet id of QoS 2."""
    return _VERSION


def check_inbound(value: bytes) -> None:
    """Raise `ValueError` unless `value` is that of a packet id of QoS 2."""
    _expect(value == _VERSION)


def pack_prints(prints: list[tuple[int, int]]) -> bytes:
    """Pack (packet id, CRC-32) of the QoS 1 that a session published in one turn."""
    return _VERSION + b"".join([_PRINT.pack(*each) for each in prints])


def unpack_prints(value: bytes) -> list[tuple[int, int]]:
    """Return (packet id, CRC-32) of the QoS 1 that a session published in one turn."""
    rest = _Reader(value).rest()
    _expect(len(rest) % _PRINT.size == 0)
    prints = list(_PRINT.iter_unpack(rest))
    _expect(all(packet_id for packet_id, _ in prints))
    return prints


def pack_subscription(subscription: Subscription) -> bytes:
    """Pack a subscription; its filter is in the key."""
    options = (
        subscription.qos
        | subscription.no_local << 2
        | subscription.retain_as_published << 3
        | subscription.retain_handling << 4
    )
    return struct.pack(">BBI", VERSION, options, subscription.identifier)


def unpack_subscription(filter: bytes, value: bytes) -> Subscription:
    """Return a subscription."""
    reader = _Reader(value)
    options, identifier = reader.take(">BI")
    qos, handling = options & 3, options >> 4 & 3
    _expect(not reader.rest() and qos < 3 and handling < 3 and options < 64)
    return Subscription(filter, qos, bool(options & 4), bool(options & 8), handling, identifier)


def pack_delivery(delivery: Delivery, offset_ms: int) -> bytes:
    """Pack a retained message."""
    return _VERSION + _pack_delivery(delivery, offset_ms)


def unpack_delivery(value: bytes, offset_ms: int) -> Delivery:
    """Return a retained message."""
    return _unpack_delivery(_Reader(value), offset_ms)


def pack_entry(entry: Entry, offset_ms: int) -> bytes:
    """Pack an entry of a queue; its number is in the key."""
    identifiers = entry.identifiers
    head = _QUEUED.pack(VERSION, 1, entry.qos, len(identifiers))
    if identifiers:
        head += struct.pack(f">{len(identifiers)}I", *identifiers)
    return head + _pack_delivery(entry.delivery, offset_ms)


def pack_released() -> bytes:
    """Return the marker that takes the place of an entry after PUBREC."""
    return _MARKER


def unpack_entry(number: int, value: bytes, offset_ms: int) -> Entry:
    """Return an entry of a queue; of a marker one that is RELEASED."""
    reader = _Reader(value)
    (kind,) = reader.take(">B")
    if kind == 0:
        _expect(not reader.rest())
        return released(number)
    qos, count = reader.take(">BH")
    _expect(kind == 1 and 0 < qos < 3)
    identifiers = reader.take(f">{count}I")
    return Entry(number, _unpack_delivery(reader, offset_ms), qos, identifiers)


def pack_session(session: SessionNote) -> bytes:
    """Pack a session; its client id is in the key."""
    number, next_number, expiry_s, disconnected_wall_ms, user = session
    head = _SESSION.pack(VERSION, number, next_number, expiry_s, disconnected_wall_ms)
    return head + user.encode()


def unpack_session(value: bytes) -> SessionNote:
    """Return a session."""
    reader = _Reader(value)
    number, next_number, expiry_s, disconnected_wall_ms = reader.take(">QQIQ")
    return SessionNote(number, next_number, expiry_s, disconnected_wall_ms, reader.rest().decode())


def pack_will(will: WillNote) -> bytes:
    """Pack a will; its session is in the key."""
    flags = will.is_uplinked | (will.expiry_s is not None) << 1
    parts = [
        _WILL.pack(VERSION, will.delay_s, flags, will.expiry_s or 0),
        _pack_text(will.user.encode()),
        struct.pack(">I", len(will.pairs)),
    ]
    for name, value in will.pairs:
        parts.append(_pack_text(name))
        parts.append(_pack_text(value))
    parts.append(_pack_delivery(will.delivery, 0))
    return b"".join(parts)


def unpack_will(value: bytes) -> WillNote:
    """Return a will."""
    reader = _Reader(value)
    delay_s, flags, expiry_s = reader.take(">IBI")
    _expect(flags < 4 and (flags & 2 > 0 or not expiry_s))
    user = reader.text().decode()
    (count,) = reader.take(">I")
    # One by one: a damaged count ends at the end of the bytes, before it has taken memory.
    pairs = [(reader.text(), reader.text()) for _ in range(count)]
    delivery = _unpack_delivery(reader, 0)
    return WillNote(
        delivery, user, bool(flags & 1), delay_s, expiry_s if flags & 2 else None, pairs
    )


def _pack_delivery(delivery: Delivery, offset_ms: int) -> bytes:
    topic, payload, qos, retain, forwarded, expires_at_ms, publisher_name = delivery
    publisher = publisher_name.encode()
    flags, expires = qos | retain << 2, 0
    if expires_at_ms is not None:
        # A clock that was set back below 1970 must not keep a message from being stored.
        flags, expires = flags | 8, min(max(expires_at_ms + offset_ms, 0), _U64_MAX)
    head = _DELIVERY.pack(flags, expires, len(topic), len(forwarded), len(publisher))
    return b"".join((head, topic, forwarded, publisher, payload))


def _unpack_delivery(reader: "_Reader", offset_ms: int) -> Delivery:
    flags, expires, topic_bytes, forwarded_bytes, publisher_bytes = reader.take(">BQIII")
    _expect(flags < 16 and flags & 3 < 3 and (bool(flags & 8) or not expires) and topic_bytes > 0)
    topic = reader.cut(topic_bytes)
    forwarded = reader.cut(forwarded_bytes)
    publisher = reader.cut(publisher_bytes).decode()
    expires_at_ms = expires - offset_ms if flags & 8 else None
    payload = reader.rest()
    return Delivery(topic, payload, flags & 3, bool(flags & 4), forwarded, expires_at_ms, publisher)


def _pack_text(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _expect(is_so: bool) -> None:
    if not is_so:
        raise ValueError("a note is damaged")


class _Reader:
    """Reads a value from its start, after a version that must be ours."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        if data[:1] != _VERSION:
            raise ValueError("a note is damaged, or of a version that is not known")
        self._data = data
        self._at = 1

    def take(self, format: str) -> tuple[int, ...]:
        return struct.unpack(format, self.cut(struct.calcsize(format)))

    def text(self) -> bytes:
        return self.cut(self.take(">I")[0])

    def cut(self, count: int) -> bytes:
        end = self._at + count
        _expect(end <= len(self._data))
        data = self._data[self._at : end]
        self._at = end
        return data

    def rest(self) -> bytes:
        """Return what is left."""
        return self.cut(len(self._data) - self._at)
