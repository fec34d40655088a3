"""MQTT over WebSocket: the handshake, frames of every kind, limits."""

import base64
import contextlib
import os
import ssl
import struct
import time

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Client, Listening
from fixtures.certificates import Authority

BINARY, TEXT, CONTINUED, CLOSE, PING, PONG = 2, 1, 0, 8, 9, 10


@pytest.fixture
def site(tmp_path):
    with Listening(tmp_path, ["ws://127.0.0.1"]) as running:
        yield running


def request(path="/mqtt", protocol="mqtt", more=""):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
    ]  # fmt: skip
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()


def frame(opcode, data=b"", fin=True, masked=True):
    head = bytes([opcode | 0x80 * fin])
    bit = 0x80 * masked
    if len(data) < 126:
        head += bytes([len(data) | bit])
    elif len(data) < 65536:
        head += bytes([126 | bit]) + struct.pack(">H", len(data))
    else:
        head += bytes([127 | bit]) + struct.pack(">Q", len(data))
    if not masked:
        return head + data
    mask = os.urandom(4)
    whole = (mask * (len(data) // 4 + 1))[: len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")
    return head + mask + number.to_bytes(len(data), "big")


class Browser:
    """A socket to a `Client`: what is sent goes into frames, what comes is taken out of them."""

    def __init__(self, sock, path="/mqtt"):
        self.sock = sock
        self.rest = b""
        self.controls = []
        sock.sendall(request(path))
        head = read_head(sock)
        assert head.startswith("HTTP/1.1 101"), head
        assert "sec-websocket-protocol: mqtt" in head.lower()

    def sendall(self, data):
        self.sock.sendall(frame(BINARY, data))

    def recv(self, _count):
        """Return the content of the next frame; b"" at the end."""
        while True:
            opcode, data = self.frame()
            if opcode in (BINARY, None):
                return data
            self.controls.append((opcode, data))

    def frame(self):
        head = self._take(2)
        if head is None:
            return None, b""
        assert head[1] < 128, "a server does not mask"
        size = head[1]
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
        elif size == 127:
            size = int.from_bytes(self._take(8), "big")
        return head[0] & 15, self._take(size)

    def _take(self, count):
        while len(self.rest) < count:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.rest += data
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(1)
        if not part:
            break
        data += part
    return data.decode()


def client(site, client_id="a", path="/mqtt", **connect):
    made = Client(Browser(site.open(), path))
    made.connect(client_id, **connect)
    return made


@pytest.mark.conforms("3.1.1", "MQTT-6.0.0-4")
@pytest.mark.conforms("5.0", "MQTT-6.0.0-4")
def test_messages_go_over_websocket_with_the_subprotocol_mqtt(site):
    reader, writer = client(site, "reader"), client(site, "writer", version=4)
    reader.subscribe(b"t", 1)
    payload = b"x" * 200_000
    writer.publish(b"t", payload, qos=1)
    assert reader.receive().payload == payload
    assert site.payloads() == [payload]


def test_tcp_and_websocket_meet(tmp_path):
    with Listening(tmp_path, ["ws://127.0.0.1", "mqtt://127.0.0.1"]) as site:
        reader = client(site, "reader")
        reader.subscribe(b"t")
        site.client("writer", port=site.ports[1]).publish(b"t", b"x")
        assert reader.receive().payload == b"x"


@pytest.mark.conforms("3.1.1", "MQTT-6.0.0-2")
@pytest.mark.conforms("5.0", "MQTT-6.0.0-2")
def test_packets_need_not_be_aligned_on_frames(site):
    # [MQTT-6.0.0-2]
    made = client(site)
    data = b"".join(codec.publish(b"t", b"%d" % n, 1, packet_id=n) for n in range(1, 4))
    raw = made.sock.sock
    raw.sendall(frame(BINARY, data[:5]) + frame(BINARY, data[5:]))
    assert [made.receive().packet_id for _ in range(3)] == [1, 2, 3]
    parts = [frame(BINARY, data[:1], fin=False)]
    parts += [frame(CONTINUED, data[at : at + 1], fin=False) for at in range(1, len(data) - 1)]
    parts += [frame(PING, b"in between"), frame(CONTINUED, data[-1:])]
    for part in parts:
        raw.sendall(part)
    assert [made.receive().packet_id for _ in range(3)] == [1, 2, 3]
    assert (PONG, b"in between") in made.sock.controls


def test_a_frame_may_come_byte_by_byte(site):
    made = client(site)
    for byte in frame(BINARY, codec.publish(b"t", b"x" * 130, 1, packet_id=5)):
        made.sock.sock.sendall(bytes([byte]))
    assert made.receive().packet_id == 5


def test_the_handshake_and_the_first_packets_may_come_at_once(site):
    sock = site.open()
    sock.sendall(request() + frame(BINARY, codec.connect("a")))
    assert read_head(sock).startswith("HTTP/1.1 101")
    assert sock.recv(100)[2] == 0x20


@pytest.mark.conforms("3.1.1", "MQTT-6.0.0-1")
@pytest.mark.conforms("5.0", "MQTT-6.0.0-1")
def test_a_text_frame_closes_the_connection(site):
    # [MQTT-6.0.0-1]
    made = client(site)
    made.sock.sock.sendall(frame(TEXT, b"hello"))
    assert made.sock.frame() == (CLOSE, struct.pack(">H", 1003) + b"MQTT is in binary frames")
    assert made.sock.frame() == (None, b"")
    site.wait(lambda: site.figures()["connections"] == 0)


def test_a_frame_that_is_not_masked_closes_the_connection(site):
    made = client(site)
    made.sock.sock.sendall(frame(BINARY, b"\xc0\x00", masked=False))
    opcode, data = made.sock.frame()
    assert (opcode, data[:2]) == (CLOSE, struct.pack(">H", 1002))


def test_a_frame_over_the_limit_closes_the_connection(tmp_path):
    with Listening(tmp_path, ["ws://127.0.0.1"], endpoint="packet_bytes_max = 10_000") as site:
        made = client(site)
        made.sock.sock.sendall(b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"mask")
        opcode, data = made.sock.frame()
        assert (opcode, data[:2]) == (CLOSE, struct.pack(">H", 1009))


def test_a_close_frame_is_answered(site):
    made = client(site)
    made.sock.sock.sendall(frame(CLOSE, struct.pack(">H", 1000)))
    assert made.sock.frame() == (CLOSE, struct.pack(">H", 1000))
    assert made.sock.frame() == (None, b"")
    made.close()
    site.wait(lambda: site.figures()["sockets"] == 0)


def test_the_last_packet_comes_before_the_close_frame(site):
    made = client(site)
    made.send(codec.connect("again"))
    assert made.receive().reason == 0x82
    assert made.receive() is None
    assert made.sock.controls[-1][0] == CLOSE


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(path="/other"), "404"),
        (request(protocol=""), "400"),
        (request(protocol="mqttv3.1"), "400"),
        (b"GET /mqtt HTTP/1.1\r\nHost: a\r\n\r\n", "426"),
        (b"POST /mqtt HTTP/1.1\r\nHost: a\r\n\r\n", "4"),
        (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00\r\n\r\n", "4"),
    ],
)
def test_what_is_no_handshake_for_mqtt_is_refused(site, data, status):
    sock = site.open()
    sock.sendall(data)
    head = read_head(sock)
    assert not head or head.startswith(f"HTTP/1.1 {status}"), head
    site.wait(lambda: site.figures()["connections_refused_total"] == 1)
    while sock.recv(1000):
        pass


@pytest.mark.conforms("3.1.1", "MQTT-6.0.0-4")
@pytest.mark.conforms("5.0", "MQTT-6.0.0-4")
def test_the_subprotocol_is_chosen_among_several(site):
    sock = site.open()
    sock.sendall(request(protocol="mqttv3.1, mqtt"))
    head = read_head(sock).lower()
    assert "sec-websocket-protocol: mqtt\r\n" in head


def test_a_path_of_its_own(tmp_path):
    with Listening(tmp_path, ["ws://127.0.0.1/devices"]) as site:
        client(site, path="/devices?token=1").ping()


def test_an_endless_request_is_cut(site):
    sock = site.open()
    sock.sendall(request()[:-2])
    with contextlib.suppress(OSError):
        for number in range(100):
            sock.sendall(b"X-%d: " % number + b"x" * 1000 + b"\r\n")
            time.sleep(0.002)
    site.wait(lambda: site.figures()["sockets"] == 0)
    assert "too long" in site.reports.of("client_refused")[0]["reason"]


def test_a_handshake_that_does_not_come_ends(tmp_path):
    with Listening(tmp_path, ["ws://127.0.0.1"], endpoint="connect_timeout_s = 1") as site:
        sock = site.open()
        sock.sendall(request()[:40])
        assert sock.recv(1) == b""


def test_websocket_over_tls(tmp_path):
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
    lines = f'cert_file = "{certificate}"\nkey_file = "{key}"\nanonymous = true'
    with Listening(tmp_path, ["wss://127.0.0.1"], lines) as site:
        tls = ssl.create_default_context(cafile=authority.certificate)
        made = Client(Browser(site.open(tls=tls)))
        made.connect("a")
        made.publish(b"t", b"x" * 50_000, qos=1)
        made.send(codec.connect("again"))
        assert made.receive().reason == 0x82
        assert made.receive() is None
