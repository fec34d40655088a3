"""MQTT 3.1.1, chapters 3.1 and 3.2: who comes in, and what is answered."""

import struct

import pytest

from endpoint import client_codec as codec

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def raw_connect(flags, *fields, name=b"MQTT", level=4):
    """Return a CONNECT of any flags and fields."""
    start = codec.binary(name) + bytes([level, flags]) + struct.pack(">H", 0)
    return codec.packet(0x10, start + b"".join(codec.binary(each) for each in fields))


@pytest.mark.parametrize(
    "packet",
    [codec.PINGREQ, codec.publish("a", b"x", version=4), codec.subscribe(1, [("a", 0)], 4)],
)
@pytest.mark.conforms("3.1.1", "MQTT-3.1.0-1", "MQTT-3.2.0-1")
def test_a_first_packet_other_than_connect_ends_the_connection(site, packet):
    client = site.open(4)
    client.send(packet)
    client.ended()
    assert client.take() == []


@pytest.mark.conforms("3.1.1", "MQTT-3.1.0-2", "MQTT-4.8.0-1")
def test_a_second_connect_ends_the_connection(site):
    client = site.client("a", version=4)
    client.send(codec.connect("a", version=4))
    client.refused()


@pytest.mark.parametrize("name", [b"mqtt", b"MQTTX", b""])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-1")
def test_another_protocol_name_is_not_gone_on_with(site, name):
    client = site.open(4)
    client.send(raw_connect(2, b"a", name=name))
    client.rejected()


@pytest.mark.parametrize("level", [0, 2, 3, 6, 127])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-2", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
def test_an_unknown_level_gets_return_code_1(site, level):
    client = site.open(4)
    client.send(raw_connect(2, b"a", level=level))
    assert client.rejected(1) is not None


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-3", "MQTT-3.1.4-1", "MQTT-3.2.2-6")
def test_the_reserved_flag_ends_the_connection_without_an_answer(site):
    client = site.open(4)
    client.send(codec.connect("a", version=4, flags=3))
    assert client.rejected() is None


@pytest.mark.parametrize(
    "flags, fields",
    [
        (0x06, [b"a"]),  # A will's flag, but no will.
        (0x06, [b"a", b"topic"]),
        (0x02, [b"a", b"topic", b"message"]),  # A will, but no flag.
        (0x0A, [b"a"]),  # A will's QoS without a will.
        (0x22, [b"a"]),  # A will's retain without a will.
        (0x1E, [b"a", b"topic", b"message"]),  # A will of QoS 3.
        (0x82, [b"a"]),  # A user name's flag, but no user name.
        (0x02, [b"a", b"ann"]),
        (0xC2, [b"a", b"ann"]),  # A password's flag, but no password.
        (0x82, [b"a", b"ann", b"secret"]),
        (0x42, [b"a", b"secret"]),  # A password without a user name.
        (0x02, []),  # No client identifier.
    ],
)
@pytest.mark.conforms(
    "3.1.1",
    "MQTT-3.1.2-9", "MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-14", "MQTT-3.1.2-15",
    "MQTT-3.1.2-18", "MQTT-3.1.2-19", "MQTT-3.1.2-20", "MQTT-3.1.2-21", "MQTT-3.1.2-22",
    "MQTT-3.1.3-3", "MQTT-3.1.4-1",
)  # fmt: skip
def test_flags_and_fields_have_to_agree(site, flags, fields):
    client = site.open(4)
    client.send(raw_connect(flags, *fields))
    assert client.rejected() is None


@pytest.mark.conforms("3.1.1", "MQTT-3.1.3-1", "MQTT-3.1.2-19", "MQTT-3.1.2-21")
def test_all_fields_are_read_in_their_order(make_site):
    site = make_site(users={"ann": b"secret"}, anonymous=False)
    will = (b"will/topic", b"will message", 1, False)
    device = site.client("a", version=4, username="ann", password=b"secret", will=will)
    reader = site.client("r", version=4, username="ann", password=b"secret")
    reader.subscribe("#")
    device.wire.close()
    assert [(one.topic, one.payload) for one in reader.messages(1)] == [will[:2]]


@pytest.mark.parametrize("password, code", [(b"wrong", 4), (None, 4)])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.4-5", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
def test_a_wrong_login_is_rejected_and_what_follows_is_not_read(make_site, password, code):
    site = make_site(users={"ann": b"secret"}, anonymous=False)
    client = site.open(4)
    client.send(
        codec.connect("a", version=4, username="ann", password=password),
        codec.publish("a", b"x", 1, 1, version=4),
    )
    client.rejected(code, 5)
    assert site.uplinked == []


@pytest.mark.conforms("3.1.1", "MQTT-3.2.2-5", "MQTT-3.2.2-4")
def test_who_says_no_name_is_told_5(make_site):
    client = make_site(users={"ann": b"secret"}, anonymous=False).open(4)
    client.send(codec.connect("a", version=4))
    assert client.rejected(5) is not None


@pytest.mark.conforms("3.1.1", "MQTT-3.1.4-4", "MQTT-3.2.0-1")
def test_a_connect_is_acknowledged_before_anything_else(site):
    first = site.client("a", version=4, clean_start=False)
    first.subscribe("t", qos=1)
    first.wire.close()
    site.client("w", version=4).publish("t", b"x", qos=1)
    client = site.open(4)
    client.send(codec.connect("a", version=4, clean_start=False), codec.PINGREQ)
    kinds = [one.kind for one in client.take()]
    assert kinds[0] == codec.CONNACK
    assert sorted(kinds[1:]) == [codec.PUBLISH, codec.PINGRESP]


@pytest.mark.parametrize("client_id", ["a", LETTERS[:23], LETTERS[23:46], LETTERS[-20:]])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.3-5", "MQTT-3.1.4-4")
def test_the_identifiers_that_every_server_accepts_are_accepted(site, client_id):
    assert site.client(client_id, version=4).connack.reason == 0


@pytest.mark.conforms("3.1.1", "MQTT-3.1.3-6")
def test_clients_without_identifier_get_one_each(site):
    first, second = site.client("", version=4), site.client("", version=4)
    first.subscribe("t")
    second.subscribe("t")
    second.publish("t", b"x")
    assert [one.payload for one in first.messages(1) + second.messages(1)] == [b"x", b"x"]


@pytest.mark.conforms("3.1.1", "MQTT-3.1.3-8", "MQTT-3.1.3-9", "MQTT-3.2.2-4")
def test_without_identifier_a_session_cannot_be_kept(site):
    client = site.open(4)
    client.send(codec.connect("", version=4, clean_start=False))
    assert client.rejected(2) is not None


@pytest.mark.conforms("3.1.1", "MQTT-3.1.3-2", "MQTT-3.1.4-2")
def test_a_second_connection_of_a_client_ends_the_first(site):
    first = site.client("a", version=4)
    second = site.client("a", version=4)
    first.refused()
    second.ping()


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-24")
def test_a_silent_client_is_disconnected_after_one_and_a_half_keep_alives(site):
    reader = site.client("r", version=4)
    reader.subscribe("will")
    client = site.client("a", version=4, keepalive_s=2, will=(b"will", b"gone", 0, False))
    site.advance(1900)
    client.ping()
    site.advance(2500)
    client.nothing()
    site.advance(800)
    client.refused()
    assert reader.message().payload == b"gone"


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-24")
def test_a_keep_alive_of_0_and_a_long_one_are_the_clients_own(make_site):
    site = make_site(keepalive_s_max=60)
    for keepalive_s in (0, 600):
        client = site.client(f"k{keepalive_s}", version=4, keepalive_s=keepalive_s)
        site.advance(300_000)
        client.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.12.4-1")
def test_every_ping_is_answered(site):
    client = site.client("a", version=4)
    client.send(codec.PINGREQ * 3)
    assert [one.kind for one in client.take()] == [codec.PINGRESP] * 3
