"""A raw client: bytes in, bytes out, over a site's memory or a socket.

It answers nothing by itself.  What comes is kept in order until it is asked for: `expect` takes the
first packet of a kind, `take` all of them, `nothing` asserts that there is none.
"""

import socket
import time
from typing import Any, Protocol

from endpoint import client_codec as codec
from endpoint.client_codec import Packet

PATIENCE_S = 2.0  # For a broker behind a socket to answer.
SILENCE_S = 0.15  # After which it has nothing more to say.

NAMES = {
    2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 9: "SUBACK",
    11: "UNSUBACK", 13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH",
}  # fmt: skip

NO_LOCAL = 4
RETAIN_AS_PUBLISHED = 8
RETAIN_IF_NEW = 0x10
RETAIN_NEVER = 0x20

PAYLOAD_FORMAT = 0x01
MESSAGE_EXPIRY = 0x02
CONTENT_TYPE = 0x03
RESPONSE_TOPIC = 0x08
CORRELATION_DATA = 0x09
SUBSCRIPTION_ID = 0x0B
SESSION_EXPIRY = 0x11
ASSIGNED_CLIENT_ID = 0x12
SERVER_KEEP_ALIVE = 0x13
AUTH_METHOD = 0x15
AUTH_DATA = 0x16
REQUEST_PROBLEM = 0x17
WILL_DELAY = 0x18
REQUEST_RESPONSE = 0x19
RESPONSE_INFORMATION = 0x1A
SERVER_REFERENCE = 0x1C
REASON_STRING = 0x1F
RECEIVE_MAXIMUM = 0x21
TOPIC_ALIAS_MAX = 0x22
TOPIC_ALIAS = 0x23
MAXIMUM_QOS = 0x24
RETAIN_AVAILABLE = 0x25
USER_PROPERTY = 0x26
PACKET_BYTES_MAX = 0x27
WILDCARDS_AVAILABLE = 0x28
SUBSCRIPTION_IDS_AVAILABLE = 0x29
SHARED_AVAILABLE = 0x2A


class Wire(Protocol):
    """The client's end of a network connection."""

    has_ended: bool

    def send(self, data: bytes) -> None: ...
    def receive(self, wait_s: float) -> bytes: ...
    def close(self) -> None: ...


class SocketWire:
    """A wire over TCP."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.has_ended = False

    def send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(PATIENCE_S)
            self._socket.sendall(data)
        except OSError:
            pass  # That it ended is seen when reading.

    def receive(self, wait_s: float) -> bytes:
        if self.has_ended:
            return b""
        try:
            self._socket.settimeout(max(wait_s, 0.001))
            data = self._socket.recv(65536)
        except TimeoutError:
            return b""
        except OSError:
            data = b""
        self.has_ended = not data
        return data

    def close(self) -> None:
        self.has_ended = True
        self._socket.close()


class Client:
    """One connection of a client, and what came over it."""

    def __init__(self, wire: Any, version: int) -> None:
        self.wire = wire
        self.version = version
        self.connack: Packet | None = None
        self._rest = b""
        self._packets: list[Packet] = []
        self._last_id = 0

    # What it sends.

    def send(self, *packets: bytes) -> None:
        """Send bytes as they are."""
        self.wire.send(b"".join(packets))

    def connect(
        self,
        client_id: str | bytes = "",
        expiry_s: int | None = None,
        is_accepted: bool = True,
        **options: Any,
    ) -> Packet:
        """Connect, and return the CONNACK; options as of `client_codec.connect`."""
        if expiry_s is not None:
            given = options.get("properties") or []
            options["properties"] = [(SESSION_EXPIRY, expiry_s), *given]
        self.send(codec.connect(client_id, version=self.version, **options))
        self.connack = self.expect(codec.CONNACK)
        if is_accepted:
            assert self.connack.reason == 0, f"refused with {self.connack.reason:#04x}"
        return self.connack

    def subscribe(
        self,
        *filters: str | bytes,
        qos: int = 0,
        options: int = 0,
        properties: codec.Properties | None = None,
    ) -> Packet:
        """Subscribe, and return the SUBACK; `options` are added to the QoS."""
        pairs: list[tuple[str | bytes, int]] = [(each, qos | options) for each in filters]
        packet_id = self.new_id()
        self.send(codec.subscribe(packet_id, pairs, self.version, properties))
        suback = self.expect(codec.SUBACK)
        assert suback.packet_id == packet_id
        return suback

    def unsubscribe(self, *filters: str | bytes) -> Packet:
        """Unsubscribe, and return the UNSUBACK."""
        packet_id = self.new_id()
        self.send(codec.unsubscribe(packet_id, list(filters), self.version))
        unsuback = self.expect(codec.UNSUBACK)
        assert unsuback.packet_id == packet_id
        return unsuback

    def publish(
        self, topic: str | bytes, payload: bytes = b"", qos: int = 0, **options: Any
    ) -> Packet | None:
        """Publish, and go through the whole exchange; return the PUBACK or PUBREC."""
        packet_id = self.new_id() if qos else 0
        self.send_publish(topic, payload, qos, packet_id, **options)
        if not qos:
            return None
        answer = self.expect(codec.PUBACK if qos == 1 else codec.PUBREC)
        assert answer.packet_id == packet_id
        if qos == 2 and answer.reason < 0x80:
            self.release(packet_id)
        return answer

    def send_publish(
        self,
        topic: str | bytes,
        payload: bytes = b"",
        qos: int = 0,
        packet_id: int = 0,
        **options: Any,
    ) -> None:
        """Send a PUBLISH, and wait for nothing."""
        options.setdefault("version", self.version)
        self.send(codec.publish(topic, payload, qos, packet_id, **options))

    def acknowledge(self, kind: int, packet_id: int, reason: int = 0) -> None:
        """Send PUBACK, PUBREC, PUBREL or PUBCOMP."""
        self.send(codec.acknowledge(kind, packet_id, reason))

    def release(self, packet_id: int) -> Packet:
        """Send PUBREL, and return the PUBCOMP."""
        self.acknowledge(codec.PUBREL, packet_id)
        completed = self.expect(codec.PUBCOMP)
        assert completed.packet_id == packet_id
        return completed

    def ping(self) -> None:
        """Send PINGREQ, and wait for the answer."""
        self.send(codec.PINGREQ)
        self.expect(codec.PINGRESP)

    def disconnect(self, reason: int = 0, properties: codec.Properties | None = None) -> None:
        """Say goodbye, and end the connection."""
        self.send(codec.disconnect(reason, properties, self.version))
        self.ended()

    def lose(self) -> None:
        """End the connection without a word, as if the network had failed."""
        self.wire.close()

    def new_id(self) -> int:
        """Return a packet identifier that this client did not use before."""
        self._last_id = self._last_id % 65535 + 1
        return self._last_id

    # What comes.

    def expect(self, kind: int) -> Packet:
        """Take the first packet of a kind; others stay."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self._read(0.0)
            for packet in self._packets:
                if packet.kind == kind:
                    self._packets.remove(packet)
                    return packet
            if self.wire.has_ended or self._is_over(deadline):
                break
            self._read(0.05)
        end = ", and the connection has ended" if self.wire.has_ended else ""
        raise AssertionError(f"no {NAMES[kind]} came, only {self._said()}{end}")

    def message(self, is_acknowledged: bool = True) -> Packet:
        """Take the next PUBLISH, and acknowledge it with all that its QoS asks for."""
        packet = self.expect(codec.PUBLISH)
        if is_acknowledged and packet.qos == 1:
            self.acknowledge(codec.PUBACK, packet.packet_id)
        if is_acknowledged and packet.qos == 2:
            self.acknowledge(codec.PUBREC, packet.packet_id)
            assert self.expect(codec.PUBREL).packet_id == packet.packet_id
            self.acknowledge(codec.PUBCOMP, packet.packet_id)
        return packet

    def messages(self, count: int) -> list[Packet]:
        """Take that many messages, and assert that there are no more."""
        packets = [self.message() for _ in range(count)]
        self.nothing()
        return packets

    def drain(self) -> list[Packet]:
        """Take and acknowledge messages until there are no more."""
        found = []
        self.take_in()
        while any(one.kind == codec.PUBLISH for one in self._packets):
            found.append(self.message())
            if not any(one.kind == codec.PUBLISH for one in self._packets):
                self.take_in()
        return found

    def take(self) -> list[Packet]:
        """Take all that has come."""
        self.take_in()
        packets, self._packets = self._packets, []
        return packets

    def take_in(self) -> None:
        """Read until nothing more comes."""
        while self._read(SILENCE_S):
            pass

    def nothing(self) -> None:
        """Assert that nothing has come, and that the connection is there."""
        self.take_in()
        assert not self._packets, f"there came {self._said()}"
        assert not self.wire.has_ended, "the broker ended the connection"

    def ended(self) -> None:
        """Assert that the broker has ended the connection."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.wire.has_ended and not self._is_over(deadline):
            self._read(0.05)
        self._read(0.0)
        assert self.wire.has_ended, "the broker did not end the connection"

    def rejected(self, *reasons: int) -> Packet | None:
        """Assert that the broker has ended the connection instead of accepting the CONNECT.

        It may have said why in a CONNACK, which is returned, and in nothing else.
        """
        self.ended()
        packets, self._packets = self._packets, []
        assert [one.kind for one in packets] in ([], [codec.CONNACK]), "more than a CONNACK came"
        if not packets:
            return None
        assert not packets[0].session_present
        assert packets[0].reason >= (0x80 if self.version == 5 else 1)
        if reasons:
            assert packets[0].reason in reasons, f"CONNACK with {packets[0].reason:#04x}"
        return packets[0]

    def refused(self, *reasons: int) -> Packet | None:
        """Assert that the broker has ended the connection, and said why in a DISCONNECT.

        In MQTT 3.1.1 there is no such packet; nothing may have come then.
        """
        self.ended()
        if self.version < 5:
            assert not self._packets, f"there came {self._said()}"
            return None
        packet = self.expect(codec.DISCONNECT)
        if reasons:
            assert packet.reason in reasons, f"DISCONNECT with {packet.reason:#04x}"
        assert not self._packets, f"behind DISCONNECT there came {self._said()}"
        return packet

    def _is_over(self, deadline: float) -> bool:
        return not isinstance(self.wire, SocketWire) or time.monotonic() > deadline

    def _read(self, wait_s: float) -> bool:
        data = self.wire.receive(wait_s)
        packets, self._rest = codec.decode(self._rest + data, self.version)
        self._packets += packets
        return bool(data)

    def _said(self) -> str:
        return (
            ", ".join(f"{NAMES[one.kind]}({one.reason:#x})" for one in self._packets) or "nothing"
        )
