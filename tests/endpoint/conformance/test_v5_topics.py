"""MQTT 5.0, chapter 4.7: topics, filters, and which match which; and topic aliases (3.3.2.3.4)."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import TOPIC_ALIAS, TOPIC_ALIAS_MAX

MALFORMED, PROTOCOL_ERROR, ALIAS_INVALID = 0x81, 0x82, 0x94

MATCHES = [
    ("sport/tennis/#", "sport/tennis", True),
    ("sport/tennis/#", "sport/tennis/player1/ranking", True),
    ("sport/#", "sport", True),
    ("#", "a/b/c", True),
    ("#", "/", True),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("sport/+", "sport/a/b", False),
    ("+", "/finance", False),
    ("/+", "/finance", True),
    ("+/+", "/finance", True),
    ("+/+/#", "/finance", True),
    ("+", "finance", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("a/+/c", "a//c", True),
    ("a//c", "a/c", False),
    ("/a", "a", False),
    ("a/", "a", False),
    ("A", "a", False),
    ("a b", "a b", True),
    ("+/b/#", "a/b", True),
    ("#", "$data/a", False),
    ("+/a", "$data/a", False),
    ("$data/#", "$data/a", True),
    ("$data/+", "$data/a", True),
    ("+/+", "$data/a", False),
    ("a/#", "a/$b", True),
]


@pytest.mark.parametrize(("filter", "topic", "is_match"), MATCHES)
@pytest.mark.conforms("5.0", "MQTT-4.7.2-1", "MQTT-4.7.3-4", "MQTT-4.7.1-1", "MQTT-4.7.1-2")
def test_filters_match_as_the_standard_says(site, filter, topic, is_match):
    client = site.client("a")
    client.subscribe(filter, qos=1)
    client.publish(topic, b"now", qos=1)
    assert len(client.drain()) == is_match


@pytest.mark.parametrize(("filter", "topic", "is_match"), MATCHES)
@pytest.mark.conforms("5.0", "MQTT-4.7.2-1", "MQTT-4.7.3-4")
def test_filters_match_retained_messages_in_the_same_way(site, filter, topic, is_match):
    client = site.client("a")
    client.publish(topic, b"kept", qos=1, retain=True)
    client.subscribe(filter, qos=1)
    assert len(client.drain()) == is_match


@pytest.mark.parametrize(
    "filter", ["sport/tennis#", "sport/tennis/#/ranking", "#/a", "##", "sport+", "+a", "a/+b/c", ""]
)
@pytest.mark.conforms("5.0", "MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-4.7.3-1")
def test_a_filter_out_of_form_is_refused(site, filter):
    client = site.client("a")
    client.send(codec.subscribe(1, [(filter, 0)]))
    packet = client.expect(codec.SUBACK) if not client.wire.has_ended else None
    if packet is None:
        client.refused(MALFORMED, PROTOCOL_ERROR, 0x8F)
    else:
        assert packet.reasons == (0x8F,)


@pytest.mark.conforms("5.0", "MQTT-4.7.3-4")
def test_nothing_is_normalised(site):
    client = site.client("a")
    composed, combining = "é".encode(), "e\u0301".encode()
    client.subscribe(composed)
    client.publish(combining, b"x")
    client.nothing()
    client.publish(composed, b"y")
    assert client.message().topic == composed


@pytest.mark.conforms("5.0", "MQTT-4.7.3-3")
def test_topics_and_filters_may_be_long_and_are_bounded(make_site):
    client = make_site(topic_levels_max=200).client("a")
    longest = b"t" * 65_535
    client.subscribe(longest, qos=1)
    client.publish(longest, b"x", qos=1)
    assert client.message().topic == longest


@pytest.mark.conforms("5.0", "MQTT-4.7.3-3")
def test_a_topic_over_the_servers_bounds_is_refused(make_site):
    site = make_site(topic_bytes_max=100, topic_levels_max=5)
    for topic in ("t" * 101, "a/b/c/d/e/f"):
        client = site.client("a")
        client.send_publish(topic, b"x", 1, 1)
        (answer,) = client.take()
        assert answer.kind in (codec.PUBACK, codec.DISCONNECT)
        assert answer.reason in (0x90, 0x97)
    assert site.uplinked == []
    site.client("b").publish("a/b/c/d/e", b"x", qos=1)
    assert len(site.uplinked) == 1


# Topic aliases.


@pytest.mark.conforms("5.0", "MQTT-3.3.2-12")
def test_every_alias_up_to_the_servers_maximum_is_taken(make_site):
    client = make_site(topic_alias_max=16).client("a")
    most = client.connack.property(TOPIC_ALIAS_MAX)
    assert most == 16
    client.subscribe("#")
    for alias in range(1, most + 1):
        client.publish(f"t/{alias}", b"long", properties=[(TOPIC_ALIAS, alias)])
    for alias in range(1, most + 1):
        client.publish("", b"short", properties=[(TOPIC_ALIAS, alias)])
    found = client.messages(2 * most)
    assert [one.topic for one in found] == [b"t/%d" % (n + 1) for n in range(most)] * 2
    assert all(one.property(TOPIC_ALIAS) is None for one in found)


@pytest.mark.conforms("5.0", "MQTT-3.3.2-12")
def test_an_alias_may_be_given_to_another_topic(site):
    client = site.client("a")
    client.subscribe("#")
    for topic in ("one", "", "two", ""):
        client.publish(topic, b"x", properties=[(TOPIC_ALIAS, 1)])
    assert [one.topic for one in client.messages(4)] == [b"one", b"one", b"two", b"two"]


@pytest.mark.conforms("5.0", "MQTT-3.3.2-8", "MQTT-4.13.1-1")
def test_an_alias_of_0_or_above_the_maximum_ends_the_connection(make_site):
    site = make_site(topic_alias_max=16)
    for alias in (0, 17, 65_535):
        client = site.client("a")
        client.send(codec.publish("t", b"x", properties=[(TOPIC_ALIAS, alias)]))
        client.refused(*[ALIAS_INVALID] if alias else [ALIAS_INVALID, PROTOCOL_ERROR])


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_an_alias_that_stands_for_nothing_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.publish("", b"x", properties=[(TOPIC_ALIAS, 1)]))
    client.refused(PROTOCOL_ERROR, ALIAS_INVALID)


@pytest.mark.conforms("5.0", "MQTT-3.3.2-7")
def test_aliases_end_with_their_connection(site):
    client = site.client("a", clean_start=False, expiry_s=60)
    client.publish("t", b"x", properties=[(TOPIC_ALIAS, 1)])
    client.lose()
    client = site.client("a", clean_start=False, expiry_s=60)
    client.send(codec.publish("", b"x", properties=[(TOPIC_ALIAS, 1)]))
    client.refused(PROTOCOL_ERROR, ALIAS_INVALID)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-26", "MQTT-3.3.2-11", "MQTT-3.3.2-8")
def test_the_servers_aliases_keep_to_the_clients_maximum(site):
    reader = site.client("reader", properties=[(TOPIC_ALIAS_MAX, 2)])
    reader.subscribe("#", qos=2)
    writer = site.client("writer")
    sent = [b"t/%d" % (count * count % 5) for count in range(40)]
    for count, topic in enumerate(sent):
        writer.publish(topic, b"x", qos=count % 3)
    assert sorted(topics_of(reader.drain(), 2)) == sorted(sent)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-27")
def test_without_a_maximum_the_server_uses_no_alias(site):
    for properties in ([], [(TOPIC_ALIAS_MAX, 0)]):
        reader = site.client("reader", properties=properties)
        reader.subscribe("#")
        for _ in range(5):
            reader.publish("same/topic", b"x")
        assert [one.property(TOPIC_ALIAS) for one in reader.messages(5)] == [None] * 5


@pytest.mark.conforms("5.0", "MQTT-3.3.2-7", "MQTT-3.3.2-11")
def test_the_servers_aliases_start_anew_with_each_connection(site):
    writer = site.client("writer")
    for _ in range(3):
        reader = site.client(
            "reader", clean_start=False, expiry_s=60, properties=[(TOPIC_ALIAS_MAX, 3)]
        )
        if not reader.connack.session_present:
            reader.subscribe("#", qos=1)
        for _ in range(3):
            writer.publish("same/topic", b"x", qos=1)
        held = [reader.message(is_acknowledged=False) for _ in range(3)]
        assert set(topics_of(held, 3)) == {b"same/topic"}
        reader.lose()
    reader = site.client(
        "reader", clean_start=False, expiry_s=60, properties=[(TOPIC_ALIAS_MAX, 1)]
    )
    found = reader.drain()
    assert len(found) == 9
    assert topics_of(found, 1) == [b"same/topic"] * 9


@pytest.mark.conforms("5.0", "MQTT-3.1.2-26", "MQTT-3.1.2-25")
def test_an_alias_is_not_used_whose_first_message_was_too_large_to_be_sent(site):
    reader = site.client("reader", properties=[(TOPIC_ALIAS_MAX, 1), (0x27, 60)])
    reader.subscribe("#")
    writer = site.client("writer")
    writer.publish("some/topic", b"x" * 100)
    writer.publish("some/topic", b"y")
    assert topics_of(reader.messages(1), 1) == [b"some/topic"]


def topics_of(packets, aliases_max):
    """Return the topics of packets of one connection, by their aliases where they have none."""
    known, topics = {}, []
    for packet in packets:
        alias = packet.property(TOPIC_ALIAS)
        assert alias is None or 1 <= alias <= aliases_max
        if packet.topic and alias:
            known[alias] = packet.topic
        topics.append(packet.topic or known[alias])
    return topics
