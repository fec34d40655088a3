"""MQTT 5.0, chapter 3.1: what a CONNECT may say, and what becomes of it."""

import struct

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    ASSIGNED_CLIENT_ID,
    AUTH_DATA,
    AUTH_METHOD,
    REQUEST_PROBLEM,
    REQUEST_RESPONSE,
    RESPONSE_INFORMATION,
    SERVER_KEEP_ALIVE,
)

MALFORMED, PROTOCOL_ERROR, UNSUPPORTED_VERSION = 0x81, 0x82, 0x84
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def connect_body(flags, fields, version=5, name=b"MQTT"):
    start = codec.binary(name) + bytes([version, flags]) + b"\x00\x00" + b"\x00"
    return codec.packet(0x10, start + b"".join(codec.binary(each) for each in fields))


@pytest.mark.parametrize(
    "packet",
    [
        codec.publish("t", b"x"),
        codec.subscribe(1, [("#", 0)]),
        codec.PINGREQ,
        codec.disconnect(),
        codec.auth(0x18, [(AUTH_METHOD, b"x")]),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
@pytest.mark.conforms("5.0", "MQTT-3.1.0-1", "MQTT-3.14.0-1", "MQTT-3.2.0-1")
def test_a_first_packet_other_than_connect_ends_the_connection(site, packet):
    client = site.open()
    client.send(packet)
    client.rejected()


@pytest.mark.conforms("5.0", "MQTT-3.1.0-2", "MQTT-3.2.0-2")
def test_a_second_connect_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.connect("a"))
    client.refused(PROTOCOL_ERROR)


@pytest.mark.parametrize("name", [b"mqtt", b"MQIsdp", b"MQTTX", b""])
@pytest.mark.conforms("5.0", "MQTT-3.1.2-1", "MQTT-3.1.4-1")
def test_another_protocol_name_is_rejected(site, name):
    client = site.open()
    client.send(codec.connect("a", name=name))
    client.ended()


@pytest.mark.parametrize("version", [0, 2, 6, 127, 255])
@pytest.mark.conforms("5.0", "MQTT-3.1.2-2")
def test_an_unknown_version_is_rejected(site, version):
    client = site.open()
    client.send(connect_body(2, ["a"], version=version))
    # The CONNACK may have the form of either version.
    client.version = 4
    client.wire.send(b"")
    client.ended()
    answers = client.take()
    assert len(answers) <= 1
    assert all(one.kind == codec.CONNACK and one.reason in (1, 0x84) for one in answers)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-3", "MQTT-3.2.2-7")
def test_the_reserved_flag_of_connect_is_rejected(site):
    client = site.open()
    client.send(connect_body(0x03, ["a"]))
    client.rejected(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (0x06, ["a"]),  # A will without its fields.
        (0x0A, ["a"]),  # Will QoS without a will.
        (0x22, ["a"]),  # Will retain without a will.
        (0x82, ["a"]),  # A user name that is not there.
        (0x42, ["a"]),  # A password that is not there.
        (0x02, ["a", "user"]),  # A user name without its flag.
        (0x82, ["a", "user", "password"]),  # A password without its flag.
        (0x02, []),  # No client identifier.
    ],
)
@pytest.mark.conforms(
    "5.0",
    "MQTT-3.1.2-9",
    "MQTT-3.1.2-11",
    "MQTT-3.1.2-13",
    "MQTT-3.1.2-16",
    "MQTT-3.1.2-17",
    "MQTT-3.1.2-18",
    "MQTT-3.1.2-19",
    "MQTT-3.1.3-1",
    "MQTT-3.1.3-3",
    "MQTT-3.1.4-1",
)
def test_flags_and_fields_of_connect_have_to_agree(site, flags, fields):
    client = site.open()
    client.send(connect_body(flags, fields))
    client.rejected(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-12")
def test_a_will_of_qos_3_is_rejected(site):
    client = site.open()
    client.send(codec.connect("a", will=(b"w", b"x", 3, False)))
    client.rejected(MALFORMED)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.conforms("5.0", "MQTT-3.1.2-12")
def test_a_will_of_every_qos_is_taken(site, qos):
    reader = site.client("reader")
    reader.subscribe("w", qos=2)
    site.client("a", will=(b"w", b"x", qos, False)).lose()
    assert reader.message().qos == qos


@pytest.mark.conforms("5.0", "MQTT-3.1.3-1", "MQTT-3.1.2-17", "MQTT-3.1.2-19")
def test_all_fields_of_connect_are_read_in_their_order(make_site):
    site = make_site(users={"user": b"secret"}, anonymous=False)
    reader = site.client("reader", username="user", password=b"secret")
    reader.subscribe("will")
    client = site.client(
        "a", username="user", password=b"secret", will=(b"will", b"late", 0, False)
    )
    client.lose()
    assert reader.message().payload == b"late"


@pytest.mark.conforms("5.0", "MQTT-3.1.4-2", "MQTT-3.1.4-6", "MQTT-4.13.2-1", "MQTT-3.2.2-6")
def test_a_wrong_password_is_rejected_and_what_follows_is_not_read(make_site):
    site = make_site(users={"user": b"secret"})
    reader = site.client("reader")
    reader.subscribe("#")
    client = site.open()
    client.send(codec.connect("a", username="user", password=b"x"), codec.publish("t", b"x", 1, 1))
    client.rejected(0x86)
    reader.nothing()
    assert site.uplinked == []


@pytest.mark.conforms("5.0", "MQTT-3.1.4-2")
def test_who_says_no_name_is_rejected_where_names_are_asked_for(make_site):
    client = make_site(anonymous=False).open()
    client.send(codec.connect("a"))
    client.rejected(0x86, 0x87)


@pytest.mark.conforms("5.0", "MQTT-3.1.4-5", "MQTT-3.2.0-1", "MQTT-3.2.2-8")
def test_a_connect_is_acknowledged_before_anything_else(site):
    kept = site.client("a", clean_start=False, expiry_s=60)
    kept.subscribe("t", qos=1)
    kept.lose()
    site.client("b").publish("t", b"x", qos=1)
    client = site.open()
    client.send(codec.connect("a", clean_start=False), codec.PINGREQ)
    answers = client.take()
    assert answers[0].kind == codec.CONNACK
    assert answers[0].reason == 0
    assert sorted(one.kind for one in answers[1:]) == [codec.PUBLISH, codec.PINGRESP]


@pytest.mark.conforms("5.0", "MQTT-3.1.4-5")
def test_packets_right_behind_the_connect_are_dealt_with(site):
    client = site.open()
    client.send(codec.connect("a"), codec.subscribe(1, [("t", 0)]), codec.publish("t", b"x"))
    assert [one.kind for one in client.take()] == [codec.CONNACK, codec.SUBACK, codec.PUBLISH]


@pytest.mark.conforms("5.0", "MQTT-3.1.3-5")
def test_the_identifiers_that_every_server_accepts_are_accepted(site):
    for client_id in ("a", LETTERS[:23], LETTERS[23:46], LETTERS[46:]):
        site.client(client_id)


@pytest.mark.conforms("5.0", "MQTT-3.1.3-5")
def test_long_identifiers_and_all_characters_are_accepted(site):
    client_id = "Gerät/+#$ 温度 " * 5
    site.client(client_id, clean_start=False, expiry_s=60).lose()
    again = site.client(client_id, clean_start=False, expiry_s=60)
    assert again.connack.session_present


@pytest.mark.conforms("5.0", "MQTT-3.1.3-6", "MQTT-3.1.3-7", "MQTT-3.2.2-16")
def test_an_empty_identifier_gets_one_that_works_like_a_given_one(site):
    first = site.client("", expiry_s=60)
    second = site.client("", expiry_s=60)
    names = [one.connack.property(ASSIGNED_CLIENT_ID) for one in (first, second)]
    assert names[0] and names[1] and names[0] != names[1]
    first.lose()
    again = site.client(names[0], clean_start=False, expiry_s=60)
    assert again.connack.session_present
    assert again.connack.property(ASSIGNED_CLIENT_ID) is None


@pytest.mark.conforms("5.0", "MQTT-3.2.2-16")
def test_an_identifier_that_another_session_has_is_not_assigned(make_site):
    site = make_site()
    for number in range(1, 4):
        site.client(f"new-{number}", clean_start=False, expiry_s=60).lose()
    fresh = site.client("").connack
    assert fresh.property(ASSIGNED_CLIENT_ID) not in (b"new-1", b"new-2", b"new-3", b"", None)
    assert not fresh.session_present


@pytest.mark.conforms("5.0", "MQTT-3.1.3-8")
def test_an_identifier_too_long_for_its_field_ends_the_connection(site):
    client = site.open()
    start = codec.binary(b"MQTT") + b"\x05\x02\x00\x00\x00"
    client.send(codec.packet(0x10, start + struct.pack(">H", 65535) + b"a" * 9))
    client.rejected(MALFORMED, PROTOCOL_ERROR, 0x85)


@pytest.mark.conforms("5.0", "MQTT-3.1.3-2", "MQTT-3.1.4-3", "MQTT-3.14.4-2")
def test_a_second_connection_of_a_client_ends_the_first(site):
    first = site.client("a")
    second = site.client("a")
    first.refused(0x8E)
    second.ping()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-22", "MQTT-3.2.2-22")
def test_a_silent_client_is_disconnected_after_one_and_a_half_keep_alives(make_site):
    site = make_site()
    client = site.client("a", keepalive_s=10)
    assert client.connack.property(SERVER_KEEP_ALIVE) is None
    site.advance(14_900)
    client.ping()
    site.advance(14_900)
    client.ping()
    site.advance(15_100)
    client.refused(0x8D)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-22")
def test_a_client_silent_for_too_long_leaves_its_will(make_site):
    site = make_site()
    reader = site.client("reader", keepalive_s=60)
    reader.subscribe("w")
    site.client("a", keepalive_s=2, will=(b"w", b"gone", 0, False))
    site.advance(3100)
    assert reader.message().payload == b"gone"


@pytest.mark.conforms("5.0", "MQTT-3.2.2-22")
def test_a_longer_keep_alive_is_cut_to_the_servers(make_site):
    site = make_site(keepalive_s_max=60)
    client = site.client("a", keepalive_s=3600)
    assert client.connack.property(SERVER_KEEP_ALIVE) == 60
    site.advance(91_000)
    client.refused(0x8D)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-28")
def test_response_information_is_not_sent_unasked(site):
    for properties in ([], [(REQUEST_RESPONSE, 0)]):
        assert (
            site.client("a", properties=properties).connack.property(RESPONSE_INFORMATION) is None
        )


@pytest.mark.parametrize("identifier", [REQUEST_RESPONSE, REQUEST_PROBLEM])
@pytest.mark.conforms("5.0", "MQTT-3.1.4-1")
def test_a_flag_among_the_properties_is_0_or_1(site, identifier):
    client = site.open()
    client.send(codec.connect("a", properties=[(identifier, 2)]))
    client.rejected(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.parametrize("identifier", [0x21, 0x27])
@pytest.mark.conforms("5.0", "MQTT-3.1.4-1")
def test_a_receive_maximum_or_packet_size_of_0_is_rejected(site, identifier):
    client = site.open()
    client.send(codec.connect("a", properties=[(identifier, 0)]))
    client.rejected(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-3.1.4-1")
def test_authentication_data_without_a_method_are_rejected(site):
    client = site.open()
    client.send(codec.connect("a", properties=[(AUTH_DATA, b"x")]))
    client.rejected(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-3.1.4-1")
def test_who_never_says_connect_is_sent_away(make_site):
    site = make_site(connect_timeout_s=10)
    client = site.open()
    client.send(codec.connect("a")[:-1])
    site.advance(10_100)
    client.rejected()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-19")
def test_a_password_without_a_user_name_is_well_formed(site):
    site.client("a", password=b"token")
