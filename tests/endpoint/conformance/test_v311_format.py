"""MQTT 3.1.1, chapters 1.5, 2 and 4.7: flags, identifiers, text, topics and filters."""

import pytest

from endpoint import client_codec as codec

BAD_TEXTS = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82", b"a\x00b"]


def refuses(site, *packets):
    """Assert that packets of a client end its connection."""
    client = site.client("x", version=4)
    client.send(*packets)
    client.refused()


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.conforms("3.1.1", "MQTT-1.5.3-1", "MQTT-1.5.3-2", "MQTT-3.3.2-1", "MQTT-4.7.3-2")
def test_a_topic_that_is_not_text_ends_the_connection(site, text):
    refuses(site, codec.publish(text, b"", version=4))


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.conforms("3.1.1", "MQTT-3.8.3-1", "MQTT-3.10.3-1", "MQTT-4.7.3-2")
def test_a_filter_that_is_not_text_ends_the_connection(site, text):
    refuses(site, codec.subscribe(1, [(text, 0)], 4))
    refuses(site, codec.unsubscribe(1, [text], 4))


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.parametrize("field", ["client_id", "username", "will"])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.3-4", "MQTT-3.1.3-10", "MQTT-3.1.3-11", "MQTT-1.5.3-1")
def test_fields_of_connect_that_are_not_text_end_the_connection(site, field, text):
    value = (text, b"", 0, False) if field == "will" else text
    client = site.open(4)
    client.send(codec.connect(version=4, **{field: value}))
    client.rejected()


@pytest.mark.conforms("3.1.1", "MQTT-1.5.3-3")
def test_a_byte_order_mark_is_a_character(site):
    client = site.client("x", version=4)
    client.subscribe("\ufefft")
    client.publish("t", b"without")
    client.publish("\ufefft", b"with")
    assert [(one.topic, one.payload) for one in client.messages(1)] == [
        ("\ufefft".encode(), b"with")
    ]


@pytest.mark.parametrize(
    "packet",
    [
        codec.packet(0x41, b"\x00\x01"),  # PUBACK
        codec.packet(0x52, b"\x00\x01"),  # PUBREC
        codec.packet(0x60, b"\x00\x01"),  # PUBREL
        codec.packet(0x71, b"\x00\x01"),  # PUBCOMP
        codec.packet(0x80, b"\x00\x01\x00\x01a\x00"),  # SUBSCRIBE
        codec.packet(0xA0, b"\x00\x01\x00\x01a"),  # UNSUBSCRIBE
        codec.packet(0xC1, b""),  # PINGREQ
        codec.packet(0xE8, b""),  # DISCONNECT
    ],
)
@pytest.mark.conforms(
    "3.1.1", "MQTT-2.2.2-1", "MQTT-2.2.2-2", "MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3.10.1-1",
    "MQTT-3.14.1-1", "MQTT-4.8.0-1",
)  # fmt: skip
def test_reserved_flags_end_the_connection(site, packet):
    refuses(site, packet)


@pytest.mark.parametrize("head", [0x00, 0xF0, 0x20, 0x90, 0xB0, 0xD0])
@pytest.mark.conforms("3.1.1", "MQTT-4.8.0-1")
def test_packets_that_no_client_sends_end_the_connection(site, head):
    refuses(site, codec.packet(head, b"\x00\x00" if head != 0xD0 else b""))


@pytest.mark.conforms("3.1.1", "MQTT-4.8.0-1")
def test_a_length_of_five_bytes_ends_the_connection(site):
    refuses(site, b"\x30\xff\xff\xff\xff\x01")


@pytest.mark.parametrize(
    "packet",
    [
        codec.publish("t", b"", 1, 0, version=4),
        codec.publish("t", b"", 2, 0, version=4),
        codec.subscribe(0, [("t", 0)], 4),
        codec.unsubscribe(0, ["t"], 4),
    ],
)
@pytest.mark.conforms("3.1.1", "MQTT-2.3.1-1")
def test_a_packet_identifier_of_0_ends_the_connection(site, packet):
    refuses(site, packet)


@pytest.mark.conforms("3.1.1", "MQTT-2.3.1-5")
def test_a_message_of_qos_0_has_no_identifier(site):
    client = site.client("x", version=4)
    client.subscribe("t")
    client.send(codec.packet(0x30, codec.binary("t") + b"\x00\x07payload"))
    assert client.message().payload == b"\x00\x07payload"


@pytest.mark.parametrize("packet", [codec.packet(0x36, b"\x00\x01t\x00\x01"), b"\x3e\x02\x00\x00"])
@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-4")
def test_qos_3_ends_the_connection(site, packet):
    refuses(site, packet)


@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-2")
def test_dup_with_qos_0_ends_the_connection(site):
    refuses(site, codec.publish("t", b"", dup=True, version=4))


@pytest.mark.parametrize("topic", ["a/+", "#", "a/#/b", "+", "a+b", "a#"])
@pytest.mark.conforms("3.1.1", "MQTT-3.3.2-2", "MQTT-4.7.1-1")
def test_a_topic_with_wildcards_ends_the_connection(site, topic):
    refuses(site, codec.publish(topic, b"", version=4))


@pytest.mark.parametrize("filter_", ["a#", "a/#/b", "#/a", "a/b#", "a+", "+a", "a/+b/c", "##"])
@pytest.mark.conforms("3.1.1", "MQTT-4.7.1-2", "MQTT-4.7.1-3")
def test_wildcards_out_of_place_end_the_connection(site, filter_):
    refuses(site, codec.subscribe(1, [(filter_, 0)], 4))


@pytest.mark.conforms("3.1.1", "MQTT-4.7.3-1")
def test_an_empty_topic_or_filter_ends_the_connection(site):
    refuses(site, codec.publish("", b"", version=4))
    refuses(site, codec.subscribe(1, [("", 0)], 4))
    refuses(site, codec.unsubscribe(1, [""], 4))


@pytest.mark.conforms("3.1.1", "MQTT-4.7.3-3")
def test_a_topic_may_be_as_long_as_its_field(site):
    client = site.client("x", version=4)
    topic = "t" * 65_535
    client.subscribe(topic)
    client.publish(topic, b"x")
    assert client.message().topic == topic.encode()


MATCHING = [
    ("#", "a/b/c", True), ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/#", "ab", False),
    ("+", "a", True), ("+", "/a", False), ("+/+", "/a", True), ("/+", "/a", True),
    ("a/+/c", "a/b/c", True), ("a/+/c", "a//c", True), ("a/+", "a", False), ("a/+", "a/b/c", False),
    ("A", "a", False), ("a", "a/", False), ("a/b", "a/b", True), ("a b", "a b", True),
    ("\u00e9", "e\u0301", False), ("+/b/#", "a/b", True),
]  # fmt: skip


@pytest.mark.parametrize("filter_, topic, matches", MATCHING)
@pytest.mark.conforms(
    "3.1.1", "MQTT-3.3.2-3", "MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.3-4", "MQTT-4.5.0-1"
)
def test_filters_match_as_they_should(site, filter_, topic, matches):
    client = site.client("x", version=4)
    client.subscribe(filter_)
    client.publish(topic, b"x")
    assert [one.topic for one in client.messages(int(matches))] == [topic.encode()] * matches


@pytest.mark.parametrize("filter_", ["#", "+/t", "+/#"])
@pytest.mark.conforms("3.1.1", "MQTT-4.7.2-1")
def test_a_wildcard_in_front_does_not_match_a_dollar(site, filter_):
    client = site.client("x", version=4)
    client.subscribe(filter_)
    client.subscribe("$own/#")
    client.publish("$own/t", b"x")
    client.unsubscribe("$own/#")
    client.take()
    client.publish("$own/t", b"x")
    client.nothing()
