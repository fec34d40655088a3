"""Sockets of the endpoint: listening, accepting, reading, writing, ending."""

import contextlib
import errno
import os
import resource
import socket
import struct
import time

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Listening
from tidegate_linux.endpoint.transport import limits


@pytest.fixture
def site(tmp_path):
    with Listening(tmp_path) as running:
        yield running


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        return True
    return False


def test_a_message_goes_from_one_client_to_another(site):
    reader, writer = site.client("reader"), site.client("writer", version=4)
    reader.subscribe(b"t/+", 1)
    writer.publish(b"t/a", b"hello", qos=1)
    packet = reader.receive()
    assert (packet.topic, packet.payload, packet.qos) == (b"t/a", b"hello", 1)


@pytest.mark.conforms("3.1.1", "MQTT-7.1.1-1")
@pytest.mark.conforms("5.0", "MQTT-4.2-1")
def test_packets_may_come_byte_by_byte(site):
    client = site.client("a")
    for byte in codec.publish(b"t", b"slow", 1, packet_id=9):
        client.send(bytes([byte]))
        time.sleep(0.002)
    assert client.receive().packet_id == 9
    assert site.payloads() == [b"slow"]


def test_a_large_message_comes_through(site):
    payload = os.urandom(1_000_000)
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe(b"big", 1)
    writer.publish(b"big", payload, qos=1)
    assert reader.receive().payload == payload
    assert site.payloads() == [payload]


def test_localhost_is_both_loopbacks(tmp_path):
    with Listening(tmp_path, ["mqtt://localhost"]) as site:
        hosts = ["127.0.0.1"] + (["::1"] if has_ipv6() else [])
        for host in hosts:
            with socket.create_connection((host, site.ports[0]), timeout=5) as sock:
                sock.sendall(codec.connect("a"))
                assert sock.recv(100)[0] == 0x20


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_all_ipv6_addresses_leave_ipv4_to_another_listener(tmp_path):
    with Listening(tmp_path, ["mqtt://[::]"], listener="anonymous = true") as site:
        with socket.create_connection(("::1", site.ports[0]), timeout=5) as sock:
            sock.sendall(codec.connect("a"))
            assert sock.recv(100)[0] == 0x20
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", site.ports[0]), timeout=5)


def test_many_listeners_share_one_broker(tmp_path):
    with Listening(tmp_path, ["mqtt://127.0.0.1", "mqtt://127.0.0.1"]) as site:
        reader = site.client("reader", port=site.ports[0])
        reader.subscribe(b"t")
        site.client("writer", port=site.ports[1]).publish(b"t", b"x")
        assert reader.receive().payload == b"x"


def test_a_port_that_is_taken_is_told_once_and_tried_again(tmp_path):
    site = Listening(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.ports[0]))
        taken.listen()
        site.source.start(site._deliver)
        site.wait(lambda: site.reports.of("listen_failed"))
        time.sleep(1)
        status = site.source.status()
        assert status["state"] == "connecting"
        assert "address already in use" in status["last_error"]
        (report,) = site.reports.of("listen_failed")
        assert report["url"] == f"mqtt://127.0.0.1:{site.ports[0]}"
    site.wait(lambda: site.source.status()["state"] == "connected")
    site.client("a").ping()
    site.source.close()


def test_the_last_word_arrives_though_more_was_sent_than_read(site):
    client = site.client("a")
    client.send(b"\xf0\xff\xff\xff\xff" + bytes(300_000))  # No packet at all, and a lot behind it.
    answer = client.receive()
    assert answer.kind == codec.DISCONNECT
    assert answer.reason in (0x81, 0x82)


def test_a_client_that_says_goodbye_is_gone_at_once(site):
    client = site.client("a")
    client.send(codec.disconnect())
    assert client.receive() is None
    client.close()
    site.wait(lambda: site.figures()["sockets"] == 0)


def test_a_reset_ends_one_connection_only(site):
    client, other = site.client("a"), site.client("b")
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    site.wait(lambda: site.figures()["connections"] == 1)
    other.ping()


def test_who_says_nothing_is_sent_away(tmp_path):
    with Listening(tmp_path, endpoint="connect_timeout_s = 1") as site:
        silent, half = site.open(), site.open()
        half.sendall(codec.connect("a")[:5])
        began = time.monotonic()
        assert silent.recv(10) == b""
        assert half.recv(10) == b""
        assert 0.5 < time.monotonic() - began < 5


def test_a_reader_that_does_not_read_costs_bounded_memory_and_holds_up_nobody(site, monkeypatch):
    monkeypatch.setattr(limits, "UNSENT_BYTES_MAX", 1_000_000)
    slow, writer = site.client("slow"), site.client("writer")
    slow.subscribe(b"t", 0)
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(200):
        writer.publish(b"t", bytes(100_000))
    writer.publish(b"t", b"end", qos=1)
    site.wait(lambda: site.figures()["dropped_total"])
    writer.ping()


def test_what_a_slow_reader_did_not_miss_comes_when_it_reads(site):
    slow, writer = site.client("slow"), site.client("writer")
    slow.subscribe(b"t", 1)
    for number in range(60):
        writer.publish(b"t", b"%02d" % number + bytes(100_000), qos=1)
    numbers = []
    for _ in range(60):
        packet = slow.receive()
        numbers.append(int(packet.payload[:2]))
        slow.send(codec.acknowledge(codec.PUBACK, packet.packet_id))
    assert numbers == list(range(60))


def test_connections_over_the_number_are_told_so(tmp_path):
    with Listening(tmp_path, endpoint="connections_max = 2") as site:
        kept = [site.client("a"), site.client("b")]
        for version, reason in ((5, 0x97), (4, 3)):
            sock = site.open()
            sock.sendall(codec.connect("c", version=version))
            assert sock.recv(4)[3] == reason
            sock.close()
        for client in kept:
            client.ping()


def test_without_files_left_the_server_neither_spins_nor_ends(site):
    client = site.client("a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        waiting = socket.socket()
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        waiting.connect(("127.0.0.1", site.ports[0]))
        site.wait(lambda: site.reports.of("accept_failed"))
        assert site.reports.of("accept_failed")[0]["reason"] == os.strerror(errno.EMFILE).lower()
        busy_s = time.process_time()
        client.ping()
        time.sleep(0.3)
        assert time.process_time() - busy_s < 0.2
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    waiting.settimeout(5)
    waiting.sendall(codec.connect("b"))
    assert waiting.recv(100)[0] == 0x20


def test_unfinished_packets_of_all_are_bounded_and_the_largest_goes(site, monkeypatch):
    server = site.source._endpoint._server
    monkeypatch.setattr(server, "_partial_bytes_max", 1_000_000)
    small, large = site.client("small"), site.client("large")
    small.send(codec.publish(b"t", bytes(900_000), 0)[:400_000])
    site.wait(lambda: server._partial_bytes >= 400_000)
    with contextlib.suppress(OSError):
        large.send(codec.publish(b"t", bytes(1_000_000), 0)[:900_000])
    assert large.receive() is None
    small.send(codec.publish(b"t", bytes(900_000), 0)[400_000:])
    small.ping()
    assert server._partial_bytes == 0


def test_a_storm_of_connections_is_told_in_few_lines(site):
    for number in range(100):
        site.client(f"c{number}").close()
    site.wait(lambda: site.figures()["connections"] == 0)
    assert len(site.reports.of("client_connected")) <= 20


def test_what_a_client_chose_takes_no_more_than_a_line_of_the_log(site):
    with site.open() as sock:
        sock.sendall(codec.connect("x" * 60_000))
        sock.recv(1000)
    site.wait(lambda: site.reports.of("client_refused"))
    assert len(str(site.reports.of("client_refused")[0]["client_id"])) < 300
