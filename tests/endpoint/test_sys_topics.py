"""$SYS: the names that dashboards know, with what was counted."""

from tidegate.records.topics import check_topic
from tidegate_linux.endpoint.broker.sys_topics import Counters, sys_messages


def test_every_topic_can_be_published_and_is_below_sys():
    counters = Counters()
    counters.drop("queue full")
    for topic, _ in sys_messages(counters, 0):
        check_topic(topic)
        assert topic.startswith(b"$SYS/broker/")


def test_clients_that_come_and_go_are_counted():
    counters = Counters()
    for _ in range(3):
        counters.joined()
    counters.left()
    counters.sessions = 7
    told = dict(sys_messages(counters, 60))
    assert told[b"$SYS/broker/clients/connected"] == b"2"
    assert told[b"$SYS/broker/clients/maximum"] == b"3"
    assert told[b"$SYS/broker/clients/disconnected"] == b"5"
    assert told[b"$SYS/broker/uptime"] == b"60 seconds"
    assert counters.connections_total == 3


def test_what_was_dropped_is_told_by_reason_and_in_all():
    counters = Counters()
    counters.drop("queue full")
    counters.drop("expired", 4)
    told = dict(sys_messages(counters, 0))
    assert told[b"$SYS/broker/publish/messages/dropped"] == b"5"
    assert told[b"$SYS/broker/publish/messages/dropped/expired"] == b"4"
