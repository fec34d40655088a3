"""MQTT 5.0, chapters 3.3.1.3 and 3.8.3.1: retained messages, and who gets them."""

import pytest

from endpoint.raw_client import (
    MESSAGE_EXPIRY,
    RETAIN_AS_PUBLISHED,
    RETAIN_IF_NEW,
    RETAIN_NEVER,
    SUBSCRIPTION_ID,
)


@pytest.mark.conforms("5.0", "MQTT-3.3.1-5", "MQTT-3.3.1-9")
def test_the_last_retained_message_of_a_topic_is_sent_to_new_subscriptions(site):
    writer = site.client("writer")
    writer.publish("r/a", b"old", qos=1, retain=True)
    writer.publish("r/a", b"new", qos=1, retain=True)
    writer.publish("r/b", b"other", qos=1, retain=True)
    reader = site.client("reader")
    reader.subscribe("r/#", qos=1)
    found = sorted((one.topic, one.payload, one.retain) for one in reader.messages(2))
    assert found == [(b"r/a", b"new", True), (b"r/b", b"other", True)]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-5", "MQTT-3.3.1-6")
def test_retained_messages_and_their_removal_outlive_a_crash(make_site):
    site = make_site()
    writer = site.client("writer")
    writer.publish("r/a", b"stays", qos=1, retain=True)
    writer.publish("r/b", b"goes", qos=1, retain=True)
    writer.publish("r/b", b"", qos=1, retain=True)
    site.restart()
    reader = site.client("reader")
    reader.subscribe("r/#")
    assert [one.payload for one in reader.messages(1)] == [b"stays"]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-6", "MQTT-3.3.1-7")
def test_an_empty_retained_message_removes_and_is_passed_on(site):
    watcher, writer = site.client("watcher"), site.client("writer")
    watcher.subscribe("r")
    writer.publish("r", b"x", qos=1, retain=True)
    writer.publish("r", b"", qos=1, retain=True)
    assert [one.payload for one in watcher.messages(2)] == [b"x", b""]
    reader = site.client("reader")
    reader.subscribe("r")
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.1-7")
def test_an_empty_message_is_not_retained(site):
    site.client("writer").publish("r", b"", qos=1, retain=True)
    reader = site.client("reader")
    reader.subscribe("r")
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.1-8")
def test_a_message_that_is_not_to_be_retained_leaves_the_retained_one_alone(site):
    writer = site.client("writer")
    writer.publish("r", b"kept", qos=1, retain=True)
    writer.publish("r", b"passing", qos=1)
    writer.publish("r", b"", qos=1)
    reader = site.client("reader")
    reader.subscribe("r", "never")
    assert [one.payload for one in reader.messages(1)] == [b"kept"]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-9", "MQTT-3.8.4-4", "MQTT-3.8.4-3")
def test_retain_handling_0_sends_them_again_to_a_subscription_that_is_replaced(site):
    site.client("writer").publish("r", b"x", qos=1, retain=True)
    reader = site.client("reader")
    for _ in range(3):
        reader.subscribe("r")
        assert reader.message().retain
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.1-10")
def test_retain_handling_1_sends_them_only_to_a_new_subscription(site):
    site.client("writer").publish("r", b"x", qos=1, retain=True)
    reader = site.client("reader")
    reader.subscribe("r", options=RETAIN_IF_NEW)
    assert reader.message().retain
    reader.subscribe("r", qos=1, options=RETAIN_IF_NEW)
    reader.nothing()
    reader.unsubscribe("r")
    reader.subscribe("r", options=RETAIN_IF_NEW)
    assert reader.message().retain


@pytest.mark.conforms("5.0", "MQTT-3.3.1-10")
def test_a_subscription_of_a_kept_session_is_not_new(make_site):
    site = make_site()
    site.client("writer").publish("r", b"x", qos=1, retain=True)
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("r", options=RETAIN_IF_NEW)
    reader.message()
    site.restart()
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("r", options=RETAIN_IF_NEW)
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.1-11")
def test_retain_handling_2_sends_none(site):
    writer = site.client("writer")
    writer.publish("r", b"x", qos=1, retain=True)
    reader = site.client("reader")
    reader.subscribe("r", options=RETAIN_NEVER)
    reader.nothing()
    writer.publish("r", b"y", qos=1, retain=True)
    assert reader.message().payload == b"y"


@pytest.mark.conforms("5.0", "MQTT-3.3.1-12", "MQTT-3.3.1-13")
def test_retain_goes_out_as_the_subscription_asks_for(site):
    plain, exact, writer = site.client("plain"), site.client("exact"), site.client("writer")
    plain.subscribe("r", qos=1)
    exact.subscribe("r", qos=1, options=RETAIN_AS_PUBLISHED)
    writer.publish("r", b"x", qos=1, retain=True)
    writer.publish("r", b"y", qos=1)
    assert [one.retain for one in plain.messages(2)] == [False, False]
    assert [one.retain for one in exact.messages(2)] == [True, False]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-13")
def test_retain_as_published_is_kept_in_a_queue_over_a_crash(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("r", qos=1, options=RETAIN_AS_PUBLISHED)
    reader.lose()
    site.client("writer").publish("r", b"x", qos=1, retain=True)
    site.restart()
    site.client("writer").publish("r", b"y", qos=1, retain=True)
    again = site.client("reader", clean_start=False)
    assert [one.retain for one in again.messages(2)] == [True, True]


@pytest.mark.conforms("5.0", "MQTT-3.8.4-8")
def test_a_retained_message_goes_out_with_the_lower_qos(site):
    writer = site.client("writer")
    for qos in (0, 1, 2):
        writer.publish(f"r/{qos}", b"x", qos=qos, retain=True)
    for granted in (0, 1, 2):
        reader = site.client("reader")
        reader.subscribe("r/#", qos=granted)
        found = {one.topic: one.qos for one in reader.messages(3)}
        assert found == {b"r/%d" % qos: min(qos, granted) for qos in (0, 1, 2)}


@pytest.mark.conforms("5.0", "MQTT-3.3.2-5", "MQTT-3.3.2-6")
def test_a_retained_message_expires(make_site):
    site = make_site()
    site.client("writer").publish("r", b"x", qos=1, retain=True, properties=[(MESSAGE_EXPIRY, 100)])
    site.advance(30_000)
    reader = site.client("one")
    reader.subscribe("r")
    assert reader.message().property(MESSAGE_EXPIRY) == 70
    site.restart(away_ms=69_000)
    reader = site.client("two")
    reader.subscribe("r")
    assert reader.message().property(MESSAGE_EXPIRY) == 1
    notes = len(site.committed)
    site.advance(1000)
    assert len(site.committed) < notes
    reader = site.client("three")
    reader.subscribe("r")
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.4-3")
def test_retained_messages_have_the_identifier_of_their_subscription(site):
    site.client("writer").publish("r", b"x", qos=1, retain=True)
    reader = site.client("reader")
    reader.subscribe("r", properties=[(SUBSCRIPTION_ID, 9)])
    assert reader.message().all_of(SUBSCRIPTION_ID) == [9]


@pytest.mark.conforms("5.0", "MQTT-3.8.4-5")
def test_each_filter_of_a_subscribe_gets_its_retained_messages(site):
    site.client("writer").publish("r/a", b"x", qos=1, retain=True)
    reader = site.client("reader")
    reader.subscribe("r/a", "r/+", "s")
    assert [one.payload for one in reader.messages(2)] == [b"x", b"x"]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-9")
def test_retained_messages_of_qos_1_sent_to_a_kept_session_outlive_a_crash(make_site):
    site = make_site()
    site.client("writer").publish("r", b"x", qos=1, retain=True)
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("r", qos=1)
    first = reader.message(is_acknowledged=False)
    site.restart()
    again = site.client("reader", clean_start=False).message()
    assert (again.packet_id, again.dup, again.retain) == (first.packet_id, True, True)


@pytest.mark.conforms("5.0", "MQTT-3.3.1-9")
def test_a_thousand_retained_messages_come_to_one_subscription(site):
    writer = site.client("writer")
    for count in range(1000):
        writer.publish(f"many/{count}", b"x" * 50, retain=True)
    writer.ping()
    reader = site.client("reader")
    reader.subscribe("many/#")
    assert len({one.topic for one in reader.messages(1000)}) == 1000
