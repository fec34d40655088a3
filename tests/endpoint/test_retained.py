"""Retained messages: one a topic, found by filter, within their limits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.records.filters import matches
from tidegate_linux.endpoint.broker.delivery import Delivery
from tidegate_linux.endpoint.broker.retained import Retained


def message(topic, payload=b"x", expires_at_ms=None):
    return Delivery(topic, payload, 1, True, b"", expires_at_ms, "c")


def topics(found):
    return [each.topic for each in found]


LEVEL = st.sampled_from([b"a", b"b", b"", b"$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map(b"/".join).filter(bool)
FILTER = (
    st.tuples(st.lists(st.one_of(LEVEL, st.just(b"+")), max_size=4), st.sampled_from([[], [b"#"]]))
    .map(lambda parts: b"/".join(parts[0] + parts[1]))
    .filter(bool)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), TOPIC), max_size=20), st.lists(FILTER, max_size=5))
def test_a_filter_finds_what_the_rules_of_mqtt_say(steps, filters):
    """[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-4.7.2-1]"""
    table, model = Retained(100, 10**6), set()
    for is_put, topic in steps:
        if is_put:
            assert table.put(message(topic))
            model.add(topic)
        else:
            assert table.remove(topic) == (topic in model)
            model.discard(topic)
    assert table.count == len(model)
    for filter in filters:
        expected = sorted(topic for topic in model if matches(filter, topic))
        assert sorted(topics(table.find(filter, 0))) == expected
    for topic in model:
        table.remove(topic)
    assert (table.count, table.total_bytes) == (0, 0)
    assert not table._root.children


def test_a_topic_keeps_its_last_message_only():
    """[MQTT-3.3.1-5]"""
    table = Retained(10, 10_000)
    table.put(message(b"a", b"old"))
    table.put(message(b"a", b"new"))
    assert [each.payload for each in table.find(b"a", 0)] == [b"new"]


def test_a_message_too_many_is_refused_and_a_known_topic_is_not():
    table = Retained(2, 10_000)
    assert table.put(message(b"a"))
    assert table.put(message(b"b"))
    assert not table.put(message(b"c"))
    assert table.put(message(b"b", b"new"))
    table.remove(b"a")
    assert table.put(message(b"c"))


def test_bytes_too_many_are_refused_and_what_was_there_stays():
    table = Retained(10, 3_000)
    assert table.put(message(b"a", b"x" * 1000))
    assert not table.put(message(b"b", b"x" * 2000))
    assert not table.put(message(b"a", b"x" * 5000))
    assert [len(each.payload) for each in table.find(b"#", 0)] == [1000]
    assert table.put(message(b"a", b"x" * 10))
    assert table.total_bytes < 1000


def test_deep_topics_pay_for_their_depth():
    table = Retained(10, 10_000)
    assert table.put(message(b"a/b/c"))
    assert not table.put(message(b"/" * 100))


def test_an_expired_message_is_not_found_and_can_be_taken_away():
    """[MQTT-3.3.2-5]"""
    table = Retained(10, 10_000)
    table.put(message(b"a", expires_at_ms=100))
    table.put(message(b"b", expires_at_ms=200))
    table.put(message(b"c"))
    assert topics(table.find(b"#", 99)) == [b"a", b"b", b"c"]
    assert topics(table.find(b"#", 100)) == [b"b", b"c"]
    assert table.deadline_ms() == 100
    assert table.take_expired(100) == [b"a"]
    assert table.take_expired(100) == []
    assert table.count == 2


def test_a_newer_message_does_not_expire_with_the_older_one():
    table = Retained(10, 10_000)
    table.put(message(b"a", expires_at_ms=100))
    table.put(message(b"a", b"new"))
    assert table.take_expired(1000) == []
    assert table.count == 1


def test_a_message_that_changes_often_leaves_nothing_behind():
    table = Retained(10, 10_000)
    for number in range(10_000):
        table.put(message(b"a", expires_at_ms=10_000 - number))
    assert len(table._expiries) < 100
    assert table.take_expired(1) == [b"a"]
