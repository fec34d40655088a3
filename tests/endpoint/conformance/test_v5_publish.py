"""MQTT 5.0, chapter 3.3: messages, their flags and properties, and who gets how many copies."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    CONTENT_TYPE,
    CORRELATION_DATA,
    MESSAGE_EXPIRY,
    PACKET_BYTES_MAX,
    PAYLOAD_FORMAT,
    RESPONSE_TOPIC,
    SUBSCRIPTION_ID,
    USER_PROPERTY,
)

MALFORMED, PROTOCOL_ERROR = 0x81, 0x82

# In an order that no sorting would leave as it is.
PROPERTIES = [
    (USER_PROPERTY, (b"b", b"1")),
    (PAYLOAD_FORMAT, 1),
    (USER_PROPERTY, (b"a", b"2")),
    (RESPONSE_TOPIC, b"answers/me"),
    (CORRELATION_DATA, b"\x00\xff\x10"),
    (USER_PROPERTY, (b"b", b"3")),
    (CONTENT_TYPE, b"text/plain; charset=utf-8"),
    (USER_PROPERTY, (b"", b"")),
]


def assert_unaltered(packet):
    for identifier in {kind for kind, _ in PROPERTIES}:
        expected = [value for kind, value in PROPERTIES if kind == identifier]
        assert packet.all_of(identifier) == expected


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.conforms(
    "5.0",
    "MQTT-3.3.2-4",
    "MQTT-3.3.2-15",
    "MQTT-3.3.2-16",
    "MQTT-3.3.2-17",
    "MQTT-3.3.2-18",
    "MQTT-3.3.2-20",
)
def test_properties_of_a_message_are_passed_on_unaltered(site, qos):
    reader = site.client("reader")
    reader.subscribe("t", qos=2)
    site.client("writer").publish("t", b"x", qos=qos, properties=PROPERTIES)
    assert_unaltered(reader.message())


@pytest.mark.conforms("5.0", "MQTT-3.3.2-17", "MQTT-3.3.2-18")
def test_properties_of_a_retained_message_are_kept_over_a_crash(make_site):
    site = make_site()
    site.client("writer").publish("t", b"x", qos=1, retain=True, properties=PROPERTIES)
    site.restart()
    reader = site.client("reader")
    reader.subscribe("t")
    assert_unaltered(reader.message())


@pytest.mark.conforms("5.0", "MQTT-3.3.2-17", "MQTT-3.3.2-18")
def test_properties_of_a_queued_message_are_kept_over_a_crash(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("t", qos=2)
    reader.lose()
    site.client("writer").publish("t", b"x", qos=2, properties=PROPERTIES)
    site.restart()
    assert_unaltered(site.client("reader", clean_start=False).message())


@pytest.mark.conforms("5.0", "MQTT-3.3.2-17")
def test_a_client_of_mqtt_3_gets_the_message_without_properties(site):
    reader = site.client("reader", version=4)
    reader.subscribe("t")
    site.client("writer").publish("t", b"x", properties=PROPERTIES)
    packet = reader.message()
    assert (packet.payload, packet.properties) == (b"x", ())


@pytest.mark.conforms("5.0", "MQTT-3.3.2-4", "MQTT-4.13.1-1")
def test_a_payload_that_is_not_the_text_it_is_said_to_be_is_not_passed_on_as_text(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t")
    writer.send_publish("t", b"\xff\xfe", 1, 1, properties=[(PAYLOAD_FORMAT, 1)])
    answers = writer.take()
    # A server may look (0x99, or the end of the connection) or leave it to the receivers.
    assert answers[0].kind in (codec.PUBACK, codec.DISCONNECT)
    assert answers[0].reason in (0, 0x10, 0x99)
    if answers[0].reason == 0x99:
        reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_payload_format_other_than_0_and_1_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.publish("t", properties=[(PAYLOAD_FORMAT, 2)]))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.parametrize("topic", ["a/+", "#", "a/#/b", "+", "a+b", "a#"])
@pytest.mark.conforms("5.0", "MQTT-3.3.2-2", "MQTT-4.7.0-1")
def test_a_topic_with_wildcards_ends_the_connection(site, topic):
    client = site.client("a")
    client.send(codec.publish(topic, b"x"))
    client.refused(MALFORMED, PROTOCOL_ERROR, 0x90)


@pytest.mark.parametrize("topic", ["a/+", "#"])
@pytest.mark.conforms("5.0", "MQTT-3.3.2-14")
def test_a_response_topic_with_wildcards_ends_the_connection(site, topic):
    client = site.client("a")
    client.send(codec.publish("t", properties=[(RESPONSE_TOPIC, topic.encode())]))
    client.refused(MALFORMED, PROTOCOL_ERROR, 0x90)


@pytest.mark.conforms("5.0", "MQTT-4.7.3-1", "MQTT-4.13.1-1")
def test_an_empty_topic_without_an_alias_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.publish("", b"x"))
    client.refused(MALFORMED, PROTOCOL_ERROR, 0x90)


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_subscription_identifier_from_a_client_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.publish("t", properties=[(SUBSCRIPTION_ID, 1)]))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("5.0", "MQTT-3.3.1-3", "MQTT-4.3.2-2", "MQTT-4.3.3-2", "MQTT-4.3.1-1")
def test_dup_goes_out_only_with_what_is_sent_again(site, qos):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=2)
    writer.send_publish("t", b"x", qos, 7, dup=True)
    assert not reader.message().dup
    writer.publish("t", b"y")
    assert not reader.message().dup


@pytest.mark.conforms("5.0", "MQTT-3.3.2-3")
def test_a_message_comes_with_its_own_topic(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("a/+/c", "x/#")
    for topic in ("a/b/c", "x", "x/y/z", "a/b", "y"):
        writer.publish(topic, topic.encode())
    assert [one.topic for one in reader.messages(3)] == [b"a/b/c", b"x", b"x/y/z"]


@pytest.mark.conforms("5.0", "MQTT-3.3.4-1", "MQTT-4.3.2-4", "MQTT-4.3.3-8", "MQTT-4.3.3-11")
def test_a_message_is_answered_as_its_qos_asks_for(site):
    client = site.client("a")
    client.publish("t", b"x")
    client.nothing()
    assert client.publish("t", b"x", qos=1).kind == codec.PUBACK
    client.nothing()
    assert client.publish("t", b"x", qos=2).kind == codec.PUBREC
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.4-2", "MQTT-3.3.4-3", "MQTT-3.3.4-4")
def test_overlapping_subscriptions_get_the_highest_qos_and_all_identifiers(site):
    reader = site.client("reader")
    reader.subscribe("a/#", qos=0, properties=[(SUBSCRIPTION_ID, 1)])
    reader.subscribe("a/+", qos=2, properties=[(SUBSCRIPTION_ID, 268_435_455)])
    reader.subscribe("a/b", qos=1)
    site.client("writer").publish("a/b", b"x", qos=2)
    copies = reader.drain()
    assert max(one.qos for one in copies) == 2
    found = [value for one in copies for value in one.all_of(SUBSCRIPTION_ID)]
    assert sorted(found) == [1, 268_435_455]
    assert len(copies) in (1, 3)


@pytest.mark.conforms("5.0", "MQTT-3.3.4-3")
def test_a_subscription_without_identifier_gets_none(site):
    reader = site.client("reader")
    reader.subscribe("t", properties=[(SUBSCRIPTION_ID, 5)])
    reader.subscribe("t")  # Replaced by one without.
    site.client("writer").publish("t", b"x")
    assert reader.message().all_of(SUBSCRIPTION_ID) == []


@pytest.mark.conforms("5.0", "MQTT-3.3.4-3")
def test_identifiers_are_kept_with_queued_messages_over_a_crash(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("a/#", qos=1, properties=[(SUBSCRIPTION_ID, 11)])
    reader.subscribe("a/b", qos=1, properties=[(SUBSCRIPTION_ID, 12)])
    reader.lose()
    site.client("writer").publish("a/b", b"x", qos=1)
    site.restart()
    site.client("writer").publish("a/c", b"y", qos=1)
    again = site.client("reader", clean_start=False)
    assert [sorted(one.all_of(SUBSCRIPTION_ID)) for one in again.messages(2)] == [[11, 12], [11]]


@pytest.mark.conforms("5.0", "MQTT-3.3.2-5", "MQTT-4.3.3-13")
def test_a_copy_that_expired_in_its_queue_is_not_delivered(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=600)
    reader.subscribe("t", qos=2)
    reader.lose()
    writer = site.client("writer")
    writer.publish("t", b"short", qos=1, properties=[(MESSAGE_EXPIRY, 5)])
    writer.publish("t", b"long", qos=2, properties=[(MESSAGE_EXPIRY, 50)])
    writer.publish("t", b"never", qos=1)
    site.advance(5001)
    again = site.client("reader", clean_start=False)
    assert [one.payload for one in again.messages(2)] == [b"long", b"never"]


@pytest.mark.conforms("5.0", "MQTT-3.3.2-6")
def test_the_expiry_goes_out_less_the_time_that_was_waited(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=600)
    reader.subscribe("t", qos=1)
    writer = site.client("writer")
    writer.publish("t", b"x", qos=1, properties=[(MESSAGE_EXPIRY, 50)])
    assert reader.message().property(MESSAGE_EXPIRY) == 50
    reader.lose()
    writer.publish("t", b"x", qos=1, properties=[(MESSAGE_EXPIRY, 50)])
    site.advance(10_000)
    site.restart(away_ms=10_000)
    packet = site.client("reader", clean_start=False).message()
    assert packet.property(MESSAGE_EXPIRY) == 30


@pytest.mark.conforms("5.0", "MQTT-3.3.2-5")
def test_an_expiry_of_0_is_not_kept_for_anybody(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=600)
    reader.subscribe("t", qos=1)
    reader.lose()
    site.client("writer").publish("t", b"x", qos=1, properties=[(MESSAGE_EXPIRY, 0)])
    site.advance(1001)
    site.client("reader", clean_start=False).nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-24", "MQTT-3.1.2-25")
def test_a_message_too_large_for_its_receiver_counts_as_sent(site):
    reader, writer = site.client("reader", properties=[(PACKET_BYTES_MAX, 60)]), site.client("w")
    other = site.client("other")
    reader.subscribe("t", qos=2)
    other.subscribe("t", qos=1)
    for payload in (b"x" * 100, b"small", b"x" * 52, b"x" * 51):
        for qos in (0, 1, 2):
            writer.publish("t", payload, qos=qos)
    found = reader.drain()
    assert all(one.size <= 60 for one in found)
    assert [one.qos for one in found if one.payload == b"small"] == [0, 1, 2]
    assert len(other.drain()) == 12


@pytest.mark.conforms("5.0", "MQTT-3.1.2-25")
def test_queued_messages_too_large_do_not_stop_the_ones_behind(make_site):
    site = make_site()
    kept = site.client("reader", clean_start=False, expiry_s=60)
    kept.subscribe("t", qos=1)
    kept.lose()
    writer = site.client("writer")
    for count in range(40):
        writer.publish("t", b"x" * (500 if count % 4 else 5), qos=1)
    again = site.client(
        "reader",
        clean_start=False,
        expiry_s=60,
        properties=[(PACKET_BYTES_MAX, 100), (0x21, 3)],
    )
    assert len(again.drain()) == 10
    again.lose()
    site.restart()
    site.client("reader", clean_start=False, expiry_s=60).nothing()


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_a_packet_over_the_servers_size_ends_the_connection(make_site):
    site = make_site(packet_bytes_max=1000)
    client = site.client("a")
    client.send(codec.publish("t", b"x" * 990))
    client.send(codec.publish("t", b"x" * 1100)[:10])
    client.refused(0x95)


@pytest.mark.conforms("5.0", "MQTT-4.6.0-5", "MQTT-4.6.0-6")
def test_messages_of_a_topic_and_qos_keep_their_order(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("a/#", qos=2)
    sent = [(b"a/%d" % (count % 3), count % 3, b"%d" % count) for count in range(60)]
    for topic, qos, payload in sent:
        writer.publish(topic, payload, qos=qos)
    found = [(one.topic, one.qos, one.payload) for one in reader.drain()]
    for topic in (b"a/0", b"a/1", b"a/2"):
        assert [one for one in found if one[0] == topic] == [one for one in sent if one[0] == topic]
