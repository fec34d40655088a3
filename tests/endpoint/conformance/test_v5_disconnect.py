"""MQTT 5.0, chapters 3.14, 3.15, 4.12 and 4.13: the end of a connection, AUTH, and errors."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    AUTH_DATA,
    AUTH_METHOD,
    PACKET_BYTES_MAX,
    REASON_STRING,
    SESSION_EXPIRY,
    USER_PROPERTY,
)

MALFORMED, PROTOCOL_ERROR = 0x81, 0x82
SERVER_REASONS = {
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
}  # fmt: skip

FAULTS = [
    b"\x00\x00",
    b"\x30\x00",
    codec.publish("a/#", b"x"),
    codec.publish("t", b"x", 3, 1),
    codec.subscribe(1, []),
    codec.connect("a"),
    codec.publish("t", properties=[(0x23, 17)]),
    codec.auth(0x19, [(AUTH_METHOD, b"x")]),
    codec.packet(0xC0, b"x"),
    codec.packet(0xE0, b"\x00\x05\x11"),
    codec.packet(0x40, b"\x01"),
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.conforms(
    "5.0", "MQTT-4.13.1-1", "MQTT-4.13.2-1", "MQTT-3.14.2-1", "MQTT-3.14.4-1", "MQTT-3.14.4-2"
)
def test_a_fault_is_told_and_ends_the_connection(site, fault):
    client = site.client("a")
    client.send(fault, codec.PINGREQ, codec.publish("t", b"x", 1, 1))
    packet = client.refused()
    assert packet.reason in SERVER_REASONS
    assert packet.reason >= 0x80


@pytest.mark.conforms("5.0", "MQTT-3.14.2-2", "MQTT-3.14.2-3")
def test_a_disconnect_is_not_larger_than_its_receiver_takes(site):
    for size in range(3, 80):
        client = site.open()
        bounds = [(PACKET_BYTES_MAX, size), (SESSION_EXPIRY, 60)]
        client.send(codec.connect("a", clean_start=False, properties=bounds))
        if client.wire.has_ended:
            continue  # Even CONNACK was too large.
        client.take()
        client.send(b"\x00\x00")
        client.ended()
        for packet in client.take():
            assert packet.size <= size
            assert packet.property(SESSION_EXPIRY) is None
            assert packet.property(USER_PROPERTY) is None


@pytest.mark.conforms("5.0", "MQTT-3.14.2-3")
def test_the_reason_is_said_in_words_where_there_is_room(site):
    client = site.client("a")
    client.send(b"\x00\x00")
    assert client.refused().property(REASON_STRING)


@pytest.mark.conforms("5.0", "MQTT-3.14.4-1", "MQTT-3.14.4-2")
def test_what_follows_a_disconnect_is_not_read(make_site):
    site = make_site()
    client = site.client("a")
    client.send(codec.disconnect(), codec.publish("t", b"late", 1, 1))
    client.ended()
    assert client.take() == []
    assert site.uplinked == []


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_what_came_whole_before_a_fault_counts(make_site):
    site = make_site()
    client = site.client("a")
    client.send(codec.publish("t", b"good", 1, 1) + b"\x00\x00")
    client.ended()
    assert [one.payload for one in site.uplinked] == [b"good"]


@pytest.mark.conforms("5.0", "MQTT-3.14.1-1")
def test_reserved_flags_of_disconnect_end_the_connection_and_leave_the_will(site):
    watcher = site.client("watcher")
    watcher.subscribe("w")
    client = site.client("a", will=(b"w", b"gone", 0, False))
    client.send(b"\xe1\x00")
    client.refused(MALFORMED)
    watcher.messages(1)


@pytest.mark.parametrize("reason", [0x01, 0x8B, 0x8E, 0x8D])
@pytest.mark.conforms("5.0", "MQTT-3.14.2-1")
def test_reasons_of_disconnect_that_a_client_has_not_do_no_harm(site, reason):
    client = site.client("a")
    client.send(codec.disconnect(reason))
    client.ended()
    site.client("b").ping()


@pytest.mark.conforms("5.0", "MQTT-3.14.0-1")
def test_before_connack_there_is_no_disconnect(site):
    for packet in (codec.connect("a", flags=1), codec.connect("a", name=b"X"), codec.PINGREQ):
        client = site.open()
        client.send(packet)
        client.ended()
        assert codec.DISCONNECT not in {one.kind for one in client.take()}


@pytest.mark.conforms("5.0", "MQTT-3.14.2-1", "MQTT-3.14.2-2")
def test_a_server_that_shuts_down_says_so(make_site):
    site = make_site()
    clients = [site.client("a"), site.client("b", clean_start=False, expiry_s=60)]
    site.broker.close(site.now_ms)
    site.run()
    for client in clients:
        assert client.refused(0x8B).property(SESSION_EXPIRY) is None


@pytest.mark.conforms("5.0", "MQTT-4.12.0-1", "MQTT-4.12.0-4")
def test_an_unknown_method_is_rejected(site):
    client = site.open()
    wanted = [(AUTH_METHOD, b"SCRAM-SHA-256"), (AUTH_DATA, b"n,,n=user")]
    client.send(codec.connect("a", properties=wanted))
    client.rejected(0x8C, 0x87)


@pytest.mark.conforms("5.0", "MQTT-4.12.0-6")
def test_without_a_method_there_is_no_auth(site):
    client = site.client("a")
    assert client.connack.property(AUTH_METHOD) is None
    assert client.connack.property(AUTH_DATA) is None
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1", "MQTT-4.12.0-4")
def test_auth_without_a_method_in_connect_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.auth(0x19, [(AUTH_METHOD, b"x")]))
    client.refused(PROTOCOL_ERROR)


@pytest.mark.parametrize("flags", [1, 2, 4, 8])
@pytest.mark.conforms("5.0", "MQTT-3.15.1-1")
def test_reserved_flags_of_auth_end_the_connection(site, flags):
    client = site.client("a")
    client.send(codec.packet(0xF0 | flags, b""))
    client.refused(MALFORMED)
