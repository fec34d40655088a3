"""What a client sends, taken apart a whole read at a time: MQTT 3.1.1 and 5.0, sections 2 and 3.

`Reader.feed` takes bytes however they were cut and returns the packets that are whole.  It refuses
whatever one packet alone shows to be wrong; what depends on others (a second CONNECT, an alias that
was never set) is left to the broker.  A fault is kept in `error`, behind the packets before it.

A PUBLISH is parsed here, in the loop: it is nearly all that comes.  The rest is in `control`.
"""

from typing import TYPE_CHECKING

from tidegate.records.topics import check_topic
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.control import CONTROL
from tidegate_linux.endpoint.codec.packets import PacketError, Publish, PublishExtra
from tidegate_linux.endpoint.codec.properties import (
    IN_PUBLISH,
    extra_of,
    malformed,
    protocol_error,
    read_properties,
)

if TYPE_CHECKING:
    from tidegate_linux.endpoint.codec.packets import Packet

# Topics that passed their check, remembered over all connections: devices of a site publish to the
# same few thousand again and again.  Some 6 MB at most; at the bound all are forgotten, which costs
# one more check (0.4 us) for each.  Longer topics are checked each time, or they take the memory.
TOPICS_MAX = 16_384
TOPIC_REMEMBERED_BYTES_MAX = 256

_CONNECT = 0x10
_PUBLISH = 0x30
_NO_TOPIC = b""

_checked_topics: dict[bytes, bytes] = {}

# Makes a named tuple in half the time that its constructor takes: this runs for every message.
_new = tuple.__new__


class Reader:
    """The state of taking one connection's bytes apart."""

    __slots__ = (
        "_needed_bytes",
        "_partial",
        "error",
        "packet_bytes_max",
        "partial_bytes",
        "version",
    )

    def __init__(self, packet_bytes_max: int) -> None:
        self.packet_bytes_max = packet_bytes_max
        self.version = 0  # 4 or 5 as soon as a CONNECT has said so.
        self.error: PacketError | None = None
        self.partial_bytes = 0  # What is kept of a packet that is not whole yet.
        self._partial = bytearray()
        self._needed_bytes = 0  # How many bytes make it worth while to look at them again.

    def feed(self, data: bytes) -> "list[Packet]":
        """Take the bytes of one read; return the packets that are whole, in order."""
        packets: list[Packet] = []
        if self.error is not None:
            return packets
        if self.partial_bytes:
            # A bytearray grows by an eighth of itself: no copy at each read, which would be
            # quadratic, and no object for each, which a client of tiny segments would make dear.
            self._partial += data
            self.partial_bytes += len(data)
            if self.partial_bytes < self._needed_bytes:
                return packets
            data = bytes(self._partial)
            self._partial.clear()
        try:
            at, needed = self._split(data, packets)
        except PacketError as error:
            self.error = error
            self.partial_bytes = 0
            return packets
        self.partial_bytes = len(data) - at
        if self.partial_bytes:
            self._partial += data[at:] if at else data
            self._needed_bytes = needed
        return packets

    def _split(self, data: bytes, packets: "list[Packet]") -> tuple[int, int]:
        """Add the whole packets of `data`; return where the rest begins and what it needs."""
        at = 0
        end = len(data)
        needed = 2
        bytes_max = self.packet_bytes_max
        known = _checked_topics.get
        while end - at >= 2:
            head = data[at]
            body = at + 2
            size = data[at + 1]
            if size > 0x7F:
                size, body = _long_size(data, at + 1, end, self.version)
                if not body:
                    needed = end - at + 1
                    break
            stop = body + size
            if stop - at > bytes_max or not self.version:
                self._check_head(head, stop - at)
            if stop > end:
                needed = stop - at
                break
            if head & 0xF0 != _PUBLISH:
                packets.append(CONTROL[head >> 4](self, data, head & 0x0F, body, stop))
            elif head & 0x06:
                start = body + 2
                topic_end = start + (data[body] << 8 | data[body + 1]) if size > 1 else stop
                payload_at = topic_end + 2
                if payload_at > stop or head & 0x06 == 0x06:
                    raise _cut_off(head)  # [MQTT-3.3.1-4]
                packet_id = data[topic_end] << 8 | data[topic_end + 1]
                topic = data[start:topic_end]
                extra = None
                if self.version == 5:
                    if payload_at < stop and not data[payload_at]:
                        payload_at += 1
                    else:
                        extra, payload_at = _read_extra(data, payload_at, stop)
                topic = known(topic) or _checked(topic, extra)
                if not packet_id:
                    raise protocol_error("packet identifier 0")  # [MQTT-2.2.1-3]
                payload = data[payload_at:stop]
                fields = (
                    topic, payload, head >> 1 & 3, head & 1 == 1, head & 8 == 8, packet_id, extra
                )  # fmt: skip
                packets.append(_new(Publish, fields))
            else:
                packets.append(self._publish_qos_0(data, head, body, stop))
            at = stop
        return at, needed

    def _publish_qos_0(self, data: bytes, head: int, body: int, stop: int) -> Publish:
        if head & 8:
            raise malformed("DUP at QoS 0")  # [MQTT-3.3.1-2]
        start = body + 2
        payload_at = start + (data[body] << 8 | data[body + 1]) if start <= stop else stop + 1
        if payload_at > stop:
            raise _cut_off(head)
        topic = data[start:payload_at]
        extra = None
        if self.version == 5:
            if payload_at < stop and not data[payload_at]:
                payload_at += 1
            else:
                extra, payload_at = _read_extra(data, payload_at, stop)
        topic = _checked_topics.get(topic) or _checked(topic, extra)
        fields = (topic, data[payload_at:stop], 0, head & 1 == 1, False, 0, extra)
        return _new(Publish, fields)

    def _check_head(self, head: int, packet_bytes: int) -> None:
        """Refuse a packet by its first bytes, before the rest of it is kept."""
        if not self.version and head & 0xF0 != _CONNECT:
            raise protocol_error("the first packet is not CONNECT")  # [MQTT-3.1.0-1]
        if packet_bytes > self.packet_bytes_max:
            text = f"a packet of {packet_bytes} bytes is over the limit of {self.packet_bytes_max}"
            raise PacketError(reasons.PACKET_TOO_LARGE, text)  # [MQTT-3.2.2-15]


def _read_extra(data: bytes, at: int, stop: int) -> tuple[PublishExtra, int]:
    found, at = read_properties(data, at, stop, IN_PUBLISH)
    return extra_of(found), at


def _checked(topic: bytes, extra: PublishExtra | None) -> bytes:
    """Return `topic`, always as the same object; refuse what is none."""
    if not topic and extra is not None and extra.alias:
        return _NO_TOPIC  # The broker knows which one is meant (5.0, 3.3.2.3.4).
    try:
        check_topic(topic)
    except ValueError as error:
        raise PacketError(_topic_reason(topic), str(error)) from error
    if len(topic) <= TOPIC_REMEMBERED_BYTES_MAX:
        if len(_checked_topics) >= TOPICS_MAX:
            _checked_topics.clear()
        _checked_topics[topic] = topic
    return topic


def _topic_reason(topic: bytes) -> int:
    if not topic:
        return reasons.PROTOCOL_ERROR  # 5.0, 3.3.2.1: neither a topic nor an alias.
    if b"+" in topic or b"#" in topic:
        return reasons.TOPIC_NAME_INVALID
    return reasons.MALFORMED_PACKET


def _cut_off(head: int) -> PacketError:
    if head & 0x06 == 0x06:
        return malformed("QoS 3")
    return malformed("a PUBLISH that is too short for its topic")


def _long_size(data: bytes, at: int, end: int, version: int) -> tuple[int, int]:
    """Return a remaining length of more than one byte and where it ends, 0 while it is cut off.

    A length in more bytes than it needs is malformed in 5.0 [MQTT-1.5.5-1]; 3.1.1 is silent about
    it (2.2.3), so its clients may send one.  Of CONNECT's `control` asks, when it has the version.
    """
    size = 0
    for shift in (0, 7, 14, 21):
        if at >= end:
            return 0, 0
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and version == 5:
                raise malformed("a remaining length with more bytes than it needs")
            return size, at
    raise malformed("a remaining length of more than four bytes")
