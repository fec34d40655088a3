"""Hostile bytes and hostile habits, quick ones: they cost their own connection and no other."""

import random
import struct
import time

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Listening
from endpoint.rig import Site

QUOTA, TAKEN_OVER, TOO_LARGE = 0x97, 0x8E, 0x95
RANDOM_CONNECTIONS = 2000
AT_ONCE = 100
LINES_SHOWN = 10  # Of one kind in a while; what is more is counted only.
UPGRADE = (
    b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)
MASK = bytes(4)
CONNECT = codec.connect("good", 5)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One endpoint for all of them: what one has done to it, the next would notice."""
    folder = tmp_path_factory.mktemp("site")
    urls = ["mqtt://127.0.0.1", "ws://127.0.0.1/mqtt"]
    with Listening(folder, urls, endpoint="connect_timeout_s = 1") as running:
        yield running
        running.wait(lambda: running.figures()["sockets"] == 0)


@pytest.fixture
def good(site):
    client = site.client("good")
    yield client
    client.ping()
    site.wait(lambda: site.figures()["sockets"] == 1)
    client.send(codec.disconnect())
    client.close()


def is_over(sock):
    """Tell whether the other end has ended the connection, whatever it said before."""
    sock.settimeout(5)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


NO_MQTT = {
    "http": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "http post": b"POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "ssh": b"SSH-2.0-OpenSSH_9.0\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "length of five bytes": b"\x10\xff\xff\xff\xff\x01",
    "huge connect": b"\x10\xff\xff\xff\x7f",
    "mqtt 3.1": b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00",
    "publish first": codec.publish("a", b"1"),
    "amqp": b"AMQP\x00\x00\x09\x01",
}


@pytest.mark.parametrize("kind", NO_MQTT)
def test_what_is_not_mqtt_ends_its_connection_at_once(site, good, kind):
    refused = len(site.reports.of("client_refused"))
    with site.open() as sock:
        sock.sendall(NO_MQTT[kind])
        assert is_over(sock)
    good.ping()
    site.wait(lambda: len(site.reports.of("client_refused")) > refused or refused > LINES_SHOWN)


BAD_FRAMES = {
    "not masked": b"\x82\x02\xc0\x00",
    "reserved bit": b"\xc2\x80" + MASK,
    "reserved opcode": b"\x83\x80" + MASK,
    "reserved control": b"\x8b\x80" + MASK,
    "long ping": b"\x89\xfe\x00\x7e" + MASK + bytes(126),
    "ping in parts": b"\x09\x80" + MASK,
    "continuation of nothing": b"\x80\x80" + MASK,
    "a second start": b"\x02\x80" + MASK + b"\x82\x80" + MASK,
    "endless": b"\x82\xff" + struct.pack(">Q", 1 << 62) + MASK,
    "negative": b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + MASK,
    "text": b"\x81\x82" + MASK + b"hi",
    "close of one byte": b"\x88\x81" + MASK + b"x",
    "close with a bad code": b"\x88\x82" + MASK + b"\x00\x01",
    "close that is no utf-8": b"\x88\x83" + MASK + b"\x03\xe8\xff",
}


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_a_malformed_frame_ends_its_connection_only(site, good, kind):
    with site.open(port=site.ports[1]) as sock:
        sock.sendall(UPGRADE)
        assert sock.recv(1000).startswith(b"HTTP/1.1 101")
        packet = codec.connect("bad", 5)
        sock.sendall(b"\x82" + bytes([0x80 | len(packet)]) + MASK + packet)
        assert sock.recv(1000)[0] == 0x82
        sock.sendall(BAD_FRAMES[kind])
        assert is_over(sock)
    good.ping()


def test_random_bytes_on_two_thousand_connections_hurt_nobody(site, good):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    open_ones = []
    slowest_s = 0.0
    for number in range(RANDOM_CONNECTIONS):
        sock = site.open(port=site.ports[number % 2])
        # Half of them begin as they should, so that what follows goes further.
        head = b"" if chance.random() < 0.5 else (CONNECT, UPGRADE)[number % 2]
        sock.sendall(head.replace(b"good", b"g%03d" % (number % 1000)))
        sock.sendall(chance.randbytes(chance.randrange(1, 200)))
        open_ones.append(sock)
        if len(open_ones) == AT_ONCE:
            began_s = time.monotonic()
            good.ping()
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            for one in open_ones:
                one.close()
            open_ones = []
    assert slowest_s < 2.0


@pytest.mark.parametrize("version", [4, 5])
def test_a_client_that_hears_itself_gets_each_message_once(version):
    site = Site()
    client = site.client("echo", version)
    client.subscribe("#", qos=1)
    for number in range(100):
        client.publish("a", b"%d" % number, qos=1)
    payloads = [client.message().payload for _ in range(100)]
    assert payloads == [b"%d" % number for number in range(100)]
    client.nothing()
    # And what it publishes again because it heard it is one more, not two.
    for payload in payloads:
        client.publish("a", payload, qos=1)
    assert len(site.uplinked) == 200


def test_two_that_believe_to_be_one_are_one_at_any_time():
    site = Site()
    client = site.client("twin", clean_start=False, expiry_s=600)
    client.subscribe("a", qos=1)
    notes = len(site.committed)
    for _ in range(300):
        other = site.client("twin", clean_start=False, expiry_s=600)
        assert other.connack.session_present
        client.refused(TAKEN_OVER)
        client = other
    state = site.broker._state
    assert len(state.connections) == len(state.sessions) == state.counters.connections == 1
    assert len(site.committed) == notes
    assert len(state.timers) < 200
    site.client("writer").publish("a", b"1", qos=1)
    assert client.message().payload == b"1"


@pytest.mark.parametrize("version", [4, 5])
def test_retained_messages_over_the_limit_are_counted_and_told(version):
    site = Site(retained_messages_max=10)
    client = site.client("flood", version)
    for number in range(500):
        assert client.publish(f"r/{number}", b"1", qos=1, retain=True).reason == 0
    counters = site.broker.counters
    assert counters.retained == 10
    assert counters.dropped["no room for retained"] == 490
    assert len([key for key in site.committed if key.startswith(b"R")]) == 10
    assert len(site.uplinked) == 500  # The hub gets them all the same.
    assert "retained_full" in [event for _, event, _ in site.reports]


@pytest.mark.parametrize(("version", "refusal"), [(5, QUOTA), (4, 3)])
def test_ghosts_are_bounded_and_leave_nothing_in_the_end(version, refusal):
    site = Site(sessions_max=50, session_expiry_s_max=600)
    for number in range(200):
        is_taken = number < 50
        ghost = site.client(
            f"ghost-{number}", version, clean_start=False, expiry_s=600, is_accepted=is_taken
        )
        if is_taken:
            ghost.subscribe("a", qos=1)
            ghost.lose()
        else:
            assert ghost.connack.reason == refusal
    site.client("writer").publish("a", b"1", qos=1)
    assert len([key for key in site.committed if key.startswith(b"Q")]) == 50
    site.advance(601_000)
    assert [key for key in site.committed if key[:1] in b"SFQIPW"] == []
    assert site.broker.counters.sessions == 0
    assert len(site.broker._state.timers) < 80


@pytest.mark.parametrize("version", [4, 5])
def test_a_kept_session_that_never_reads_has_a_bounded_queue(version):
    site = Site(queue_bytes_max=100_000)
    deaf = site.client("deaf", version, clean_start=False, expiry_s=600)
    deaf.subscribe("#", qos=1)
    deaf.wire.block()
    writer = site.client("writer")
    for number in range(1000):
        if writer.wire.connection.is_held:
            site.advance(200)  # For the sake of a reader that might be only slow.
        assert writer.publish("a", b"%04d" % number + bytes(500), qos=1).reason == 0
    noted = [len(value) for key, value in site.committed.items() if key.startswith(b"Q")]
    assert sum(noted) < 100_000
    assert deaf.wire.connection.unsent_bytes < 100_000
    assert site.broker.counters.dropped["queue full"] == 1000 - len(noted)


def test_a_connect_larger_than_allowed_is_refused_before_it_is_there(tmp_path):
    with Listening(tmp_path, endpoint="packet_bytes_max = 2000") as site, site.open() as sock:
        # Fixed header of 1 MB, and its first bytes, which say that it is MQTT 5.
        sock.sendall(b"\x10\xc0\x84\x3d\x00\x04MQTT\x05\x02\x00\x00")
        data = sock.recv(100)
        assert not data or codec.decode(data, 5)[0][0].reason == TOO_LARGE
        assert is_over(sock)
        site.wait(lambda: site.reports.of("client_refused"))


def test_many_half_open_connections_leave_room_for_others(site):
    socks = [site.open(port=site.ports[number % 2]) for number in range(200)]
    for number, sock in enumerate(socks):
        sock.sendall((CONNECT, UPGRADE)[number % 2][:8])
    late = site.client("late")
    for sock in socks:
        assert is_over(sock)
        sock.close()
    late.ping()
    late.close()
