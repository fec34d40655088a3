"""MQTT 3.1.1, chapters 3.8 to 3.11: subscribing and unsubscribing."""

import pytest

from endpoint import client_codec as codec


@pytest.mark.conforms(
    "3.1.1", "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-4", "MQTT-3.8.4-5", "MQTT-3.8.4-6",
    "MQTT-3.9.3-1", "MQTT-3.9.3-2", "MQTT-2.3.1-7",
)  # fmt: skip
def test_each_filter_gets_its_answer_in_order(make_site):
    site = make_site(access=[(("*",), ("*",), ("#",), ("open/#",))])
    client = site.client("a", version=4)
    asked = [("open/2", 2), ("closed", 1), ("open/0", 0), ("open/1", 1), ("#", 2)]
    client.send(codec.subscribe(4711, asked, 4))
    suback = client.expect(codec.SUBACK)
    assert (suback.packet_id, suback.reasons) == (4711, (2, 0x80, 0, 1, 0x80))


@pytest.mark.conforms("3.1.1", "MQTT-3.9.3-2", "MQTT-3.8.4-6")
def test_over_the_bound_a_subscription_fails(make_site):
    client = make_site(subscriptions_max=2).client("a", version=4)
    assert client.subscribe("a", "b", "c", qos=1).reasons == (1, 1, 0x80)


@pytest.mark.conforms("3.1.1", "MQTT-3.8.4-6")
def test_a_message_goes_out_with_the_lower_of_both_qos(site):
    reader, writer = site.client("r", version=4), site.client("w", version=4)
    for granted in (0, 1, 2):
        reader.subscribe("t", qos=granted)
        for qos in (0, 1, 2):
            writer.publish("t", b"x", qos=qos)
            assert reader.message().qos == min(granted, qos)


@pytest.mark.conforms("3.1.1", "MQTT-3.8.4-3")
def test_the_same_filter_again_replaces_the_subscription(site):
    site.client("w", version=4).publish("t", b"retained", retain=True, qos=1)
    reader = site.client("r", version=4)
    for qos in (0, 1, 0):
        reader.subscribe("t", qos=qos)
        assert [(one.qos, one.retain) for one in reader.messages(1)] == [(qos, True)]
    site.client("w", version=4).publish("t", b"new", qos=1)
    assert [(one.qos, one.retain) for one in reader.messages(1)] == [(0, False)]


@pytest.mark.conforms("3.1.1", "MQTT-3.8.4-3")
def test_replacing_a_subscription_loses_nothing(site):
    reader, writer = site.client("r", version=4), site.client("w", version=4)
    reader.subscribe("t", qos=1)
    for number in range(20):
        writer.publish("t", b"%d" % number, qos=1)
        reader.subscribe("t", qos=1)
    assert [int(one.payload) for one in reader.messages(20)] == list(range(20))


@pytest.mark.conforms("3.1.1", "MQTT-3.8.3-3", "MQTT-3.10.3-2", "MQTT-4.8.0-1")
def test_without_a_filter_the_connection_is_ended(site):
    for packet in (codec.subscribe(1, [], 4), codec.unsubscribe(1, [], 4)):
        client = site.client("a", version=4)
        client.send(packet)
        client.refused()


@pytest.mark.parametrize("options", [0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80])
@pytest.mark.conforms("3.1.1", "MQTT-3.8.3-4")
def test_other_bits_than_the_qos_end_the_connection(site, options):
    client = site.client("a", version=4)
    client.send(codec.subscribe(1, [("t", options)], 4))
    client.refused()


@pytest.mark.conforms("3.1.1", "MQTT-3.10.4-1", "MQTT-3.10.4-2")
def test_only_the_very_same_filter_is_unsubscribed(site):
    reader, writer = site.client("r", version=4), site.client("w", version=4)
    reader.subscribe("t/+", "t/#")
    reader.unsubscribe("t/a", "T/+", "t/+/", "+/a", "t")
    writer.publish("t/a", b"1")
    reader.unsubscribe("t/+")
    writer.publish("t/a", b"2")
    assert [one.payload for one in reader.messages(2)] == [b"1", b"2"]
    reader.unsubscribe("t/#")
    writer.publish("t/a", b"3")
    reader.nothing()


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-3.10.4-3", "MQTT-4.6.0-4")
def test_messages_on_their_way_are_completed_after_unsubscribing(site, qos):
    reader, writer = site.client("r", version=4), site.client("w", version=4)
    reader.subscribe("t", qos=qos)
    for payload in (b"1", b"2"):
        writer.publish("t", payload, qos=qos)
    numbers = [reader.message(is_acknowledged=False).packet_id for _ in range(2)]
    reader.unsubscribe("t")
    for number in numbers:
        reader.acknowledge(codec.PUBACK if qos == 1 else codec.PUBREC, number)
    if qos == 2:
        assert [reader.expect(codec.PUBREL).packet_id for _ in numbers] == numbers
        for number in numbers:
            reader.acknowledge(codec.PUBCOMP, number)
    reader.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-3.10.4-6", "MQTT-2.3.1-7")
def test_unsubscribing_is_answered_once_whatever_it_names(site):
    client = site.client("a", version=4)
    client.subscribe("t", "u")
    client.send(codec.unsubscribe(4711, ["t", "never", "u"], 4))
    assert [(one.kind, one.packet_id) for one in client.take()] == [(codec.UNSUBACK, 4711)]
    client.publish("t", b"x")
    client.publish("u", b"x")
    client.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.10.4-2", "MQTT-3.10.4-1")
def test_unsubscribing_outlives_a_crash(make_site):
    site = make_site()
    reader = site.client("r", version=4, clean_start=False)
    reader.subscribe("t", "u", qos=1)
    reader.unsubscribe("t")
    site.restart()
    writer = site.client("w", version=4)
    for topic in ("t", "u"):
        writer.publish(topic, b"x", qos=1)
    reader = site.client("r", version=4, clean_start=False)
    assert [one.topic for one in reader.messages(1)] == [b"u"]
