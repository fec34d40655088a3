"""What a broker sends, taken apart a whole read at a time: messages here, other packets apart.

`Intake` splits the bytes of a connection into packets (MQTT 5 and 3.1.1, section 2).  A PUBLISH
becomes a `Message` at once; of the others the bytes are kept, in `control`, for paho, which does
everything that is rare.  Why PUBLISH does not go through paho: decision 0035.

A message's token is its acknowledgement, ready to be sent: PUBACK for QoS 1, PUBREC for QoS 2
(which comes only out of a session that an older client left behind; there, too, nothing is sent
before the commit).  So any number of acknowledgements is one join and one send.

Memory stays bounded, whatever the broker sends: of a packet over `PACKET_BYTES_MAX` only the
beginning is kept, which is still over the limit at which the gateway counts a message as too large.

A message whose topic is none cannot be admitted.  It is counted in `refused` and acknowledged in
its turn: left alone, it would come again at every connection for ever.
"""

from tidegate.errors import ProtocolError
from tidegate.events import Message
from tidegate.limits import PAYLOAD_BYTES_MAX, PROPERTIES_BYTES_MAX, TOPIC_BYTES_MAX
from tidegate.records.filters import matches
from tidegate.records.topics import check_topic
from tidegate_linux.mqtt.properties import pack_whole, read_properties

# A message at every limit still comes through whole.
PACKET_BYTES_MAX = PAYLOAD_BYTES_MAX + TOPIC_BYTES_MAX + PROPERTIES_BYTES_MAX + 1024
TOPICS_MAX = 4096  # Topics whose check is remembered; when they are over, all are checked anew.
TOPIC_REMEMBERED_BYTES_MAX = 512  # Longer ones are checked each time, or they take the memory.

_PUBLISH = 0x30
_QOS_1 = 0x02
_QOS_2 = 0x04
_QOS_BITS = 0x06
_PUBACK = b"\x40\x02"
_PUBREC = b"\x50\x02"
_LENGTH_BYTES_MAX = 4  # [MQTT-1.5.5]

# Makes a namedtuple in half the time that its constructor takes: this runs for every message.
_new = tuple.__new__

# The low four bits of a PUBLISH's first byte (DUP, QoS, RETAIN) -> a record's flags.
_FLAGS = [(bits >> 1 & 0b11) | (bits & 1) << 2 for bits in range(16)]


class Intake:
    """The state of taking apart one connection's bytes."""

    def __init__(self, is_version_5: bool, filters: "list[bytes]", identity_name: bytes) -> None:
        """`identity_name` is the user property that identifies a message, or empty."""
        self.control = bytearray()  # Whole packets that are no PUBLISH, for paho.
        self.owed = b""  # Acknowledgements of refused messages that no token carries yet.
        self.refused = 0
        self.refused_last = ("", "")  # Topic, escaped, and why.
        self.trimmed = 0  # Messages that lost properties.
        self.stray = ""  # A topic that none of the filters matches, escaped.
        self._is_version_5 = is_version_5
        self._filters = filters
        self._identity_name = identity_name
        self._topics: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []  # The beginning of a packet that is not whole yet.
        self._parts_bytes = 0
        self._needed_bytes = 0  # How many bytes make it worth while to look at them again.
        self._skipped_bytes = 0  # How much of a packet that is too large is still to come.

    def feed(self, data: bytes, now_ms: int) -> "list[Message]":
        """Take the bytes of one read; return the messages that are whole, in order.

        Raises `ProtocolError` where the broker broke the protocol: the connection must end.
        """
        data = self._joined(data)
        messages = []
        at = 0
        end = len(data)
        need = 2
        while end - at >= 2:
            body = at + 2
            size = data[at + 1]
            if size > 0x7F:
                size, body = _long_size(data, at + 1)
                if not body:
                    need = end - at + 1
                    break
            stop = body + size
            if stop > end:
                need = stop - at
                if need <= PACKET_BYTES_MAX or end - at < PACKET_BYTES_MAX:
                    break
                self._skipped_bytes = stop - end
                stop = end
            if data[at] & 0xF0 == _PUBLISH:
                message = self._publish(data, at, body, stop, now_ms)
                if message is not None:
                    messages.append(message)
            elif self._skipped_bytes:
                raise ProtocolError("bad-packet", f"a packet 0x{data[at]:02x} of {size} bytes")
            else:
                self.control += data[at:stop]
            at = stop
        self._keep(data[at:] if at else data, min(need, PACKET_BYTES_MAX))
        return messages

    def take_owed(self) -> bytes:
        """Return the acknowledgements that no token carries; the caller sends them now."""
        owed, self.owed = self.owed, b""
        return owed

    def _joined(self, data: bytes) -> bytes:
        """Return what is to be looked at now: nothing while it cannot be a whole packet."""
        if self._skipped_bytes:
            skipped = min(self._skipped_bytes, len(data))
            self._skipped_bytes -= skipped
            data = data[skipped:]
        if not self._parts:
            return data
        self._parts.append(data)
        self._parts_bytes += len(data)
        if self._parts_bytes < self._needed_bytes:
            return b""
        # Joined once, when it is whole: adding to it at each read would be quadratic.
        data = b"".join(self._parts)
        self._parts = []
        self._parts_bytes = 0
        return data

    def _keep(self, rest: bytes, needed_bytes: int) -> None:
        if rest:
            self._parts.append(rest)
            self._parts_bytes += len(rest)
            self._needed_bytes = needed_bytes

    def _publish(self, data: bytes, at: int, body: int, stop: int, now_ms: int) -> "Message | None":
        """Return the message of the PUBLISH at `at`, None when it cannot be admitted."""
        head = data[at]
        if body + 2 > stop:
            raise ProtocolError("bad-publish", "too short for a topic")
        start = body + 2
        body = start + (data[body] << 8 | data[body + 1])
        qos = head & _QOS_BITS
        token = None
        if qos:
            body += 2
            if qos == _QOS_1:
                token = _PUBACK + data[body - 2 : body]
            elif qos == _QOS_2:
                token = _PUBREC + data[body - 2 : body]
            else:
                raise ProtocolError("bad-publish", "QoS 3")  # [MQTT-3.3.1-4]
        if body > stop:
            raise ProtocolError("bad-publish", "too short for its topic")
        topic = data[start : body - 2] if qos else data[start:body]
        properties = identity = b""
        try:
            topic = self._topics.get(topic) or self._checked(topic)
            if self._is_version_5:
                if body < stop and data[body] == 0:
                    body += 1
                else:
                    properties, identity, body = self._properties(data, body, stop)
        except ValueError as error:
            self._refuse(topic, error, token)
            return None
        if token is not None and self.owed:
            # In the order in which they came [MQTT-4.6.0-2].
            token = self.take_owed() + token
        flags = _FLAGS[head & 0x0F]
        return _new(Message, (topic, data[body:stop], flags, properties, identity, now_ms, token))

    def _properties(self, data: bytes, at: int, stop: int) -> "tuple[bytes, bytes, int]":
        """Return a message's properties, its identity, and where its payload begins."""
        if self._skipped_bytes:
            return b"", b"", at  # The gateway drops it as too large, by what we have of it.
        pairs, body = read_properties(data, at, stop)
        identity = b""
        if self._identity_name:
            for name, value in pairs:
                if name == self._identity_name:
                    identity = value
                    break
        packed, is_all = pack_whole(pairs)
        if not is_all:
            self.trimmed += 1
        return packed, identity, body

    def _checked(self, topic: bytes) -> bytes:
        """Return `topic`, always as the same object; raise `ValueError` where it is no topic."""
        check_topic(topic)
        if not any(matches(filter, topic) for filter in self._filters):
            self.stray = escaped(topic)
        if len(topic) <= TOPIC_REMEMBERED_BYTES_MAX:
            if len(self._topics) >= TOPICS_MAX:
                self._topics = {}
            self._topics[topic] = topic
        return topic

    def _refuse(self, topic: bytes, error: ValueError, token: "bytes | None") -> None:
        self.refused += 1
        self.refused_last = (escaped(topic), str(error))
        if token is not None:
            self.owed += token


def escaped(topic: bytes) -> str:
    """Return a topic as text for a log line: whatever a device chose, it stays on its line."""
    return topic[:200].decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")


def _long_size(data: bytes, at: int) -> "tuple[int, int]":
    """Return a remaining length of more than one byte and where it ends, 0 while it is cut off."""
    size = 0
    for index in range(_LENGTH_BYTES_MAX):
        if at + index >= len(data):
            return 0, 0
        byte = data[at + index]
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size, at + index + 1
    raise ProtocolError("bad-packet", "a length of more than four bytes")
