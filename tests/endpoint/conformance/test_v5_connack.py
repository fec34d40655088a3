"""MQTT 5.0, chapter 3.2: what the server says of itself and of the session."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    MAXIMUM_QOS,
    PACKET_BYTES_MAX,
    REASON_STRING,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SESSION_EXPIRY,
    SHARED_AVAILABLE,
    SUBSCRIPTION_IDS_AVAILABLE,
    TOPIC_ALIAS_MAX,
    USER_PROPERTY,
    WILDCARDS_AVAILABLE,
)

CONNECT_REASONS = {
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
}  # fmt: skip


@pytest.mark.conforms("5.0", "MQTT-3.2.2-1", "MQTT-3.2.2-2", "MQTT-3.1.2-4", "MQTT-3.1.4-4")
def test_after_a_clean_start_no_session_is_present(site):
    kept = site.client("a", clean_start=False, expiry_s=60)
    kept.subscribe("t", qos=1)
    kept.lose()
    fresh = site.client("a", clean_start=True, expiry_s=60)
    assert not fresh.connack.session_present
    site.client("b").publish("t", b"x", qos=1)
    fresh.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.2.2-3", "MQTT-3.1.2-5", "MQTT-3.1.2-6", "MQTT-3.1.2-23")
def test_session_present_tells_whether_there_was_a_session(site):
    first = site.client("a", clean_start=False, expiry_s=60)
    assert not first.connack.session_present
    first.subscribe("t", qos=1)
    first.lose()
    second = site.client("a", clean_start=False, expiry_s=0)
    assert second.connack.session_present
    site.client("b").publish("t", b"x", qos=1)
    assert second.message().payload == b"x"
    second.lose()
    assert not site.client("a", clean_start=False).connack.session_present


@pytest.mark.conforms("5.0", "MQTT-3.2.2-6", "MQTT-3.2.2-7", "MQTT-3.2.2-8", "MQTT-4.13.2-1")
def test_a_connack_that_rejects_has_no_session_and_ends_the_connection(make_site):
    site = make_site(users={"user": b"secret"})
    site.client("a", clean_start=False, expiry_s=60, username="user", password=b"secret").lose()
    client = site.open()
    client.send(codec.connect("a", clean_start=False, username="user", password=b"wrong"))
    connack = client.rejected()
    assert connack is not None
    assert connack.reason in CONNECT_REASONS


@pytest.mark.conforms("5.0", "MQTT-3.2.2-19")
def test_a_reason_string_does_not_make_connack_too_large(make_site):
    for size in range(5, 60):
        client = make_site(anonymous=False).open()
        client.send(codec.connect("a", properties=[(PACKET_BYTES_MAX, size)]))
        connack = client.rejected(0x86, 0x87)
        assert connack is None or connack.size <= size


@pytest.mark.conforms("5.0", "MQTT-3.2.2-19")
def test_a_connack_has_no_reason_string_that_nobody_needs(site):
    connack = site.client("a").connack
    assert connack.property(REASON_STRING) is None
    assert connack.property(USER_PROPERTY) is None


@pytest.mark.conforms("5.0", "MQTT-3.2.2-8")
def test_everything_is_available(site):
    connack = site.client("a").connack
    assert connack.property(MAXIMUM_QOS) is None
    for identifier in (
        RETAIN_AVAILABLE,
        WILDCARDS_AVAILABLE,
        SUBSCRIPTION_IDS_AVAILABLE,
        SHARED_AVAILABLE,
    ):
        assert connack.property(identifier) in (None, 1)


@pytest.mark.conforms("5.0", "MQTT-3.3.2-12")
def test_the_servers_bounds_are_told(make_site):
    site = make_site(receive_maximum=7, topic_alias_max=3, packet_bytes_max=5000)
    connack = site.client("a").connack
    assert connack.property(RECEIVE_MAXIMUM) == 7
    assert connack.property(TOPIC_ALIAS_MAX) == 3
    assert connack.property(PACKET_BYTES_MAX) == 5000


@pytest.mark.conforms("5.0", "MQTT-3.1.2-23")
def test_a_session_expiry_over_the_servers_is_cut_and_told(make_site):
    site = make_site(session_expiry_s_max=100)
    client = site.client("a", clean_start=False, expiry_s=0xFFFFFFFF)
    assert client.connack.property(SESSION_EXPIRY) == 100
    client.lose()
    site.advance(99_000)
    client = site.client("a", clean_start=False, expiry_s=50)
    assert client.connack.session_present
    assert client.connack.property(SESSION_EXPIRY) in (None, 50)


@pytest.mark.conforms("5.0", "MQTT-3.2.2-7")
def test_where_there_is_no_place_for_another_client_it_is_told(make_site):
    site = make_site(connections_max=1)
    site.client("a")
    client = site.open()
    client.send(codec.connect("b"))
    client.rejected(0x88, 0x89, 0x97, 0x9F)


@pytest.mark.conforms("5.0", "MQTT-3.2.2-7")
def test_where_there_is_no_place_for_another_session_it_is_told(make_site):
    site = make_site(sessions_max=1)
    site.client("a", clean_start=False, expiry_s=60).lose()
    client = site.open()
    client.send(codec.connect("b", clean_start=False, properties=[(SESSION_EXPIRY, 60)]))
    client.rejected(0x88, 0x89, 0x97)
    site.client("a", clean_start=False, expiry_s=60).ping()
