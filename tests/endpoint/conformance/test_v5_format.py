"""MQTT 5.0, chapters 1 and 2: text, numbers, flags and identifiers, as they come and as they go."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import SUBSCRIPTION_ID, USER_PROPERTY, WILL_DELAY

MALFORMED, PROTOCOL_ERROR, TOPIC_INVALID = 0x81, 0x82, 0x90

BAD_TEXT = {
    "overlong": b"a\xc0\x80b",
    "surrogate": b"a\xed\xa0\x80",
    "pair_of_surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "cut_off": b"a\xe2\x82",
    "beyond_unicode": b"\xf4\x90\x80\x80",
    "latin_1": b"caf\xe9",
}
bad_text = pytest.mark.parametrize("text", BAD_TEXT.values(), ids=BAD_TEXT)


@bad_text
@pytest.mark.conforms("5.0", "MQTT-1.5.4-1", "MQTT-3.3.2-1", "MQTT-4.13.1-1")
def test_a_topic_that_is_not_utf_8_ends_the_connection(site, text):
    client = site.client("a")
    client.send(codec.publish(text, b"x"))
    client.refused(MALFORMED)


@bad_text
@pytest.mark.conforms("5.0", "MQTT-1.5.4-1", "MQTT-3.8.3-1")
def test_a_filter_that_is_not_utf_8_ends_the_connection(site, text):
    client = site.client("a")
    client.send(codec.subscribe(1, [(text, 0)]))
    client.refused(MALFORMED)


@bad_text
@pytest.mark.conforms("5.0", "MQTT-1.5.4-1", "MQTT-3.10.3-1")
def test_a_filter_to_unsubscribe_that_is_not_utf_8_ends_the_connection(site, text):
    client = site.client("a")
    client.send(codec.unsubscribe(1, [text]))
    client.refused(MALFORMED)


@bad_text
@pytest.mark.conforms("5.0", "MQTT-1.5.4-1", "MQTT-3.1.3-4")
def test_a_client_identifier_that_is_not_utf_8_is_rejected(site, text):
    client = site.open()
    client.send(codec.connect(text))
    client.rejected(MALFORMED, 0x85)


@bad_text
@pytest.mark.conforms("5.0", "MQTT-1.5.4-1", "MQTT-3.1.3-11")
def test_a_will_topic_that_is_not_utf_8_is_rejected(site, text):
    client = site.open()
    client.send(codec.connect("a", will=(text, b"x", 0, False)))
    client.rejected(MALFORMED)


@bad_text
@pytest.mark.conforms("5.0", "MQTT-1.5.4-1", "MQTT-3.1.3-12")
def test_a_user_name_that_is_not_utf_8_is_rejected(site, text):
    client = site.open()
    client.send(codec.connect("a", username=text, password=b"x"))
    client.rejected(MALFORMED)


@pytest.mark.parametrize("pair", [(b"a\xff", b"b"), (b"a", b"b\xff"), (b"\x00", b"b")])
@pytest.mark.conforms("5.0", "MQTT-1.5.7-1")
def test_both_halves_of_a_user_property_have_to_be_text(site, pair):
    client = site.client("a")
    client.send(codec.publish("t", properties=[(USER_PROPERTY, pair)]))
    client.refused(MALFORMED)


@pytest.mark.parametrize("identifier", [0x03, 0x08], ids=["content_type", "response_topic"])
@pytest.mark.conforms("5.0", "MQTT-3.3.2-13", "MQTT-3.3.2-19")
def test_texts_among_the_properties_have_to_be_utf_8(site, identifier):
    client = site.client("a")
    client.send(codec.publish("t", properties=[(identifier, b"a\xed\xa0\x80")]))
    client.refused(MALFORMED)


@pytest.mark.conforms("5.0", "MQTT-1.5.4-2", "MQTT-4.7.3-2")
def test_a_null_in_a_topic_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.publish(b"a\x00b", b"x"))
    client.refused(MALFORMED, TOPIC_INVALID)


@pytest.mark.conforms("5.0", "MQTT-1.5.4-2", "MQTT-4.7.3-2")
def test_a_null_in_a_filter_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.subscribe(1, [(b"a/\x00/+", 0)]))
    client.refused(MALFORMED)


@pytest.mark.conforms("5.0", "MQTT-1.5.4-2")
def test_a_null_in_a_client_identifier_is_rejected(site):
    client = site.open()
    client.send(codec.connect(b"a\x00b"))
    client.rejected(MALFORMED, 0x85)


@pytest.mark.conforms("5.0", "MQTT-1.5.4-3", "MQTT-4.7.3-4")
def test_a_byte_order_mark_is_a_character_like_others(site):
    client = site.client("a")
    client.subscribe(b"\xef\xbb\xbfa", b"a")
    client.publish(b"\xef\xbb\xbfa", b"marked")
    client.publish(b"a", b"plain")
    assert [(one.topic, one.payload) for one in client.messages(2)] == [
        (b"\xef\xbb\xbfa", b"marked"),
        (b"a", b"plain"),
    ]


@pytest.mark.conforms("5.0", "MQTT-1.5.5-1", "MQTT-4.13.1-1")
def test_a_length_of_five_bytes_ends_the_connection(site):
    client = site.client("a")
    client.send(b"\x30\x80\x80\x80\x80\x01")
    client.refused(MALFORMED)


@pytest.mark.conforms("5.0", "MQTT-1.5.5-1")
def test_lengths_that_go_out_are_as_short_as_they_can_be(site):
    client = site.client("a")
    client.subscribe("t")
    client.take()
    for size in (0, 100, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16376, 16384):
        client.publish("t", b"x" * size)
        packet = client.message()
        body = 2 + 1 + 1 + size  # Topic, property length, payload.
        assert packet.size == body + (2 if body < 128 else 3 if body < 16384 else 4)


@pytest.mark.parametrize(
    "head",
    [0xC1, 0xC2, 0x41, 0x50 | 1, 0x70 | 2, 0xE1, 0x80, 0x83, 0xA0, 0xA3, 0x60, 0x61, 0x63, 0x6A],
)
@pytest.mark.conforms(
    "5.0", "MQTT-2.1.3-1", "MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3.10.1-1", "MQTT-3.14.1-1"
)
def test_reserved_flags_that_are_not_as_listed_end_the_connection(site, head):
    bodies = {0xC: b"", 0xE: b"", 8: b"\x00\x01\x00\x00\x01a\x00", 0xA: b"\x00\x01\x00\x00\x01a"}
    client = site.client("a")
    client.send(codec.packet(head, bodies.get(head >> 4, b"\x00\x01")))
    client.refused(MALFORMED)


@pytest.mark.parametrize("head", [0x00, 0x20, 0x90, 0xB0, 0xD0])
@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_packets_that_only_a_server_sends_end_the_connection(site, head):
    client = site.client("a")
    client.send(codec.packet(head, b"\x00\x00\x00"))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-2.2.1-2")
def test_qos_0_goes_out_without_an_identifier(site):
    client = site.client("a")
    client.subscribe("t", qos=2)
    client.publish("t", b"xy")
    assert client.message().size == 2 + 3 + 1 + 2


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("5.0", "MQTT-2.2.1-2", "MQTT-4.13.1-1")
def test_an_identifier_of_0_ends_the_connection(site, qos):
    client = site.client("a")
    client.send(codec.publish("t", b"x", qos, 0))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.parametrize("packet", [codec.subscribe(0, [("a", 0)]), codec.unsubscribe(0, ["a"])])
@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_subscription_with_identifier_0_ends_the_connection(site, packet):
    client = site.client("a")
    client.send(packet)
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-2.2.1-4", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
def test_each_message_on_its_way_has_an_identifier_of_its_own(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=2)
    for count in range(60):
        writer.publish("t", b"x", qos=1 + count % 2)
    held = [reader.expect(codec.PUBLISH) for _ in range(60)]
    identifiers = {one.packet_id for one in held}
    assert len(identifiers) == 60
    assert 0 not in identifiers


@pytest.mark.conforms("5.0", "MQTT-2.2.1-5", "MQTT-3.3.4-1")
def test_acknowledgements_have_the_identifier_of_their_message(site):
    client = site.client("a")
    client.send_publish("t", b"x", 1, 65535)
    assert client.expect(codec.PUBACK).packet_id == 65535
    client.send_publish("t", b"x", 2, 258)
    assert client.expect(codec.PUBREC).packet_id == 258
    client.acknowledge(codec.PUBREL, 258)
    assert client.expect(codec.PUBCOMP).packet_id == 258
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-2.2.1-6", "MQTT-3.8.4-2", "MQTT-3.10.4-5")
def test_answers_to_subscriptions_have_their_identifier(site):
    client = site.client("a")
    client.send(codec.subscribe(65535, [("a", 0)]), codec.unsubscribe(4660, ["a"]))
    assert client.expect(codec.SUBACK).packet_id == 65535
    assert client.expect(codec.UNSUBACK).packet_id == 4660


@pytest.mark.conforms("5.0", "MQTT-2.2.2-1")
def test_packets_without_properties_say_so(site):
    client = site.client("a", keepalive_s=0)
    client.send(codec.subscribe(1, [("t", 0)]))
    suback = client.expect(codec.SUBACK)
    assert (suback.properties, suback.size) == ((), 2 + 2 + 1 + 1)
    client.publish("t", b"x")
    assert client.message().size == 2 + 3 + 1 + 1


REPEATED = [0x01, 0x02, 0x03, 0x08, 0x09, 0x23]
VALUES = {0x01: 1, 0x02: 9, 0x03: b"x", 0x08: b"x", 0x09: b"x", 0x23: 1}


@pytest.mark.parametrize("identifier", REPEATED)
@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_property_given_twice_ends_the_connection(site, identifier):
    client = site.client("a")
    twice = [(identifier, VALUES[identifier])] * 2
    client.send(codec.publish("t", properties=twice))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.parametrize("identifier", [WILL_DELAY, 0x11, 0x21, 0x12])
@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_property_out_of_place_ends_the_connection(site, identifier):
    client = site.client("a")
    value = b"x" if identifier == 0x12 else 1
    client.send(codec.publish("t", properties=[(identifier, value)]))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_an_unknown_property_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.packet(0x30, codec.binary("t") + b"\x02\x7f\x00"))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_subscription_identifier_of_0_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.subscribe(1, [("t", 0)], properties=[(SUBSCRIPTION_ID, 0)]))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_properties_longer_than_their_packet_end_the_connection(site):
    client = site.client("a")
    client.send(codec.packet(0x30, codec.binary("t") + b"\x7f"))
    client.refused(MALFORMED)


@pytest.mark.conforms("5.0", "MQTT-3.3.1-4")
def test_qos_3_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.packet(0x36, codec.binary("t") + b"\x00\x01\x00x"))
    client.refused(MALFORMED)


@pytest.mark.conforms("5.0", "MQTT-3.3.1-2")
def test_dup_with_qos_0_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.publish("t", b"x", dup=True))
    client.refused(MALFORMED, PROTOCOL_ERROR)
