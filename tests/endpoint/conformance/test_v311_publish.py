"""MQTT 3.1.1, chapter 3.3: messages, their answers, and what is retained."""

import pytest

from endpoint import client_codec as codec


@pytest.mark.conforms("3.1.1", "MQTT-3.3.4-1", "MQTT-2.3.1-6", "MQTT-4.3.2-2", "MQTT-4.3.3-2")
def test_a_message_is_answered_as_its_qos_asks_for(site):
    client = site.client("a", version=4)
    client.send_publish("t", b"0")
    client.nothing()
    client.send_publish("t", b"1", 1, 71)
    client.send_publish("t", b"2", 2, 72)
    answers = [(one.kind, one.packet_id) for one in client.take()]
    assert answers == [(codec.PUBACK, 71), (codec.PUBREC, 72)]
    client.acknowledge(codec.PUBREL, 72)
    assert [(one.kind, one.packet_id) for one in client.take()] == [(codec.PUBCOMP, 72)]


@pytest.mark.parametrize("kind, qos", [(codec.PUBACK, 1), (codec.PUBREC, 2)])
@pytest.mark.conforms("3.1.1", "MQTT-4.6.0-2", "MQTT-4.6.0-3")
def test_answers_are_in_the_order_of_the_messages(site, kind, qos):
    client = site.client("a", version=4)
    numbers = [7, 3, 65_535, 1, 2]
    client.send(*[codec.publish("t", b"x", qos, number, version=4) for number in numbers])
    assert [(one.kind, one.packet_id) for one in client.take()] == [(kind, n) for n in numbers]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-3", "MQTT-3.3.1-1", "MQTT-4.3.1-1")
def test_dup_that_came_in_does_not_go_out(site, qos):
    reader, writer = site.client("r", version=4), site.client("w", version=4)
    reader.subscribe("t", qos=2)
    other = site.client("o", version=4)
    other.subscribe("t")
    writer.publish("t", b"x", qos=qos, dup=True)
    assert not reader.message().dup
    assert not other.message().dup


@pytest.mark.conforms("3.1.1", "MQTT-3.3.5-1")
def test_overlapping_subscriptions_get_the_highest_qos(site):
    reader = site.client("r", version=4)
    for filter_, qos in (("#", 0), ("t/+", 2), ("t/a", 1)):
        reader.subscribe(filter_, qos=qos)
    site.client("w", version=4).publish("t/a", b"x", qos=2)
    assert [one.qos for one in reader.messages(1)] == [2]


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-3.3.5-2")
def test_a_message_that_is_not_allowed_is_acknowledged_and_goes_nowhere(make_site, qos):
    site = make_site(access=[(("*",), ("*",), ("open/#",), ("#",))])
    reader = site.client("r", version=4)
    reader.subscribe("#", qos=2)
    client = site.client("a", version=4)
    client.publish("closed/t", b"x", qos=qos)
    client.publish("open/t", b"y", qos=qos)
    client.ping()
    assert [one.payload for one in reader.messages(1)] == [b"y"]
    assert [bytes(one.payload) for one in site.uplinked] == [b"y"]


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-7", "MQTT-3.3.1-8")
def test_the_last_retained_message_is_sent_to_new_subscriptions(site, qos):
    writer = site.client("w", version=4)
    writer.publish("r/a", b"old", qos=1, retain=True)
    writer.publish("r/a", b"new", qos=qos, retain=True)
    writer.publish("r/b", b"other", qos=1, retain=True)
    writer.publish("q", b"elsewhere", qos=1, retain=True)
    reader = site.client("r", version=4)
    reader.subscribe("r/#", qos=2)
    found = sorted((one.topic, one.payload, one.qos, one.retain) for one in reader.messages(2))
    assert found == [(b"r/a", b"new", qos, True), (b"r/b", b"other", 1, True)]


@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-9")
def test_an_old_subscription_gets_it_without_retain(site):
    reader = site.client("r", version=4)
    reader.subscribe("t", qos=1)
    site.client("w", version=4).publish("t", b"x", qos=1, retain=True)
    assert [one.retain for one in reader.messages(1)] == [False]


@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-10", "MQTT-3.3.1-11")
def test_an_empty_retained_message_removes_and_is_passed_on(site):
    watcher, writer = site.client("watcher", version=4), site.client("w", version=4)
    watcher.subscribe("t")
    writer.publish("t", b"x", qos=1, retain=True)
    writer.publish("t", b"", qos=1, retain=True)
    assert [(one.payload, one.retain) for one in watcher.messages(2)] == [
        (b"x", False),
        (b"", False),
    ]
    reader = site.client("r", version=4)
    reader.subscribe("t")
    reader.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-12")
def test_a_message_without_retain_leaves_the_retained_one_alone(site):
    writer = site.client("w", version=4)
    writer.publish("t", b"kept", qos=1, retain=True)
    writer.publish("t", b"passing", qos=1)
    writer.publish("t", b"", qos=1)
    writer.publish("other", b"passing", qos=1)
    reader = site.client("r", version=4)
    reader.subscribe("#")
    assert [one.payload for one in reader.messages(1)] == [b"kept"]


@pytest.mark.conforms("3.1.1", "MQTT-3.3.1-5", "MQTT-3.1.2-7")
def test_retained_messages_outlive_a_crash(make_site):
    site = make_site()
    site.client("w", version=4).publish("t", b"x", qos=2, retain=True)
    site.restart()
    reader = site.client("r", version=4)
    reader.subscribe("t", qos=2)
    kept = reader.message()
    assert (kept.payload, kept.qos, kept.retain) == (b"x", 2, True)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-4.6.0-5", "MQTT-4.6.0-6")
def test_messages_keep_their_order(site, qos):
    reader, writer = site.client("r", version=4), site.client("w", version=4)
    reader.subscribe("t", qos=2)
    for number in range(50):
        writer.publish("t", b"%d" % number, qos=qos)
    assert [int(one.payload) for one in reader.messages(50)] == list(range(50))
