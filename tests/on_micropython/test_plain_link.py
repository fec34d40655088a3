"""The link to any broker, on MicroPython: against Mosquitto, and against a script."""

import json
import queue
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.broker import Broker
from fixtures.scripted_broker import CONNACK_NEW, CONNECT, PINGREQ, PINGRESP, ScriptedBroker
from on_micropython.link_process import LinkProcess
from samples import STREAM, span_of
from tidegate.records.record import RETAIN
from tidegate.wire.receipt import read_receipt, read_standing

PUBLISH = 3


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


class Subscriber:
    """What a broker hands out, as (topic, payload, qos, retain)."""

    def __init__(self, broker, topic):
        self.messages = queue.Queue()
        self._client = broker.client("subscriber")
        self._client.on_message = lambda _client, _data, message: self.messages.put(
            (message.topic.encode(), message.payload, message.qos)
        )
        granted = queue.Queue()
        self._client.on_subscribe = lambda *_: granted.put(True)
        self._client.subscribe(topic, 2)
        granted.get(timeout=10)

    def take(self, count):
        return [self.messages.get(timeout=10) for _ in range(count)]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def plain(broker, **options):
    return LinkProcess("plain", "127.0.0.1", broker.port, **options)


def test_each_record_is_a_message_and_all_together_a_receipt(broker):
    subscriber = Subscriber(broker, "site/#")
    with plain(broker) as link:
        link.send(1, 1, 60)
        [(token, status, fields, _, sent_bytes)] = link.run(10)
    span = span_of(1, 60)
    assert subscriber.take(60) == [(one.topic, one.payload, 1) for one in span.records]
    assert (token, status) == (1, 200)
    receipt = read_receipt(STREAM, fields)
    assert (receipt.first, receipt.last, receipt.cursor.through) == (1, 60, 60)
    assert receipt.cursor.hash_at == span.hash_after
    assert sent_bytes > 60 * 9
    assert subscriber.messages.empty()
    subscriber.close()


def test_packet_ids_begin_again_behind_the_last(broker):
    with plain(broker) as link:
        link.set_packet_id(65_530)
        link.send(1, 1, 20)
        assert link.run(10)[0][1] == 200  # Mosquitto closes the connection at packet id 0.


def test_retained_messages_are_retained(broker):
    with plain(broker, prefix="kept/") as link:
        link.send(1, 1, 3)
        link.run(10)
    subscriber = Subscriber(broker, "kept/#")
    kept = [one for one in span_of(1, 3).records if one.flags & RETAIN and one.payload]
    assert sorted(topic for topic, _, _ in subscriber.take(len(kept))) == sorted(
        b"kept/" + one.topic for one in kept
    )
    subscriber.close()


def test_gaps_are_told_in_their_place_below_the_prefix(broker):
    subscriber = Subscriber(broker, "farm/#")
    with plain(broker, prefix="farm/") as link:
        link.send(1, 1, 9, [(1, 2), (5, 7), (9, 9)])
        [(_, status, fields, _, _)] = link.run(10)
    assert status == 200
    assert read_receipt(STREAM, fields).cursor.through == 9
    came = subscriber.take(6)
    assert [topic == b"farm/tidegate/gap" for topic, _, _ in came] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert json.loads(came[3][1]) == {
        "stream": str(STREAM),
        "first": 5,
        "last": 7,
        "reason": "overflow",
    }
    subscriber.close()


def test_the_standing_is_the_nodes_own_once_the_broker_lives(broker):
    with plain(broker, position=[7, 99]) as link:
        link.query(3)
        [(token, status, fields, _, _)] = link.run(10)
        assert (token, status) == (3, 200)
        standing = read_standing(STREAM, fields)
        assert (standing.cursor.through, standing.cursor.hash_at) == (7, 99)


@pytest.mark.parametrize("topic", ["a/+", "a/#", "$SYS/x", "x" * 65536])
def test_a_topic_that_cannot_be_published_is_refused_before_any_is_sent(broker, topic):
    subscriber = Subscriber(broker, "good/#")
    with plain(broker, heap="2m") as link:
        link.send_topics(1, "good/1", topic)
        [(_, status, fields, _, _)] = link.run(10)
        assert (status, fields["error"]) == (422, "bad-topic")
        link.send_topics(2, "good/1")
        assert link.run(10)[0][1] == 200
    assert len(subscriber.take(1)) == 1
    time.sleep(0.1)
    assert subscriber.messages.empty()
    subscriber.close()


def welcome(broker, link):
    """Let the link connect and go on for a moment; return the broker's end."""

    def accept():
        peer = broker.accept()
        assert peer.read()[0] == CONNECT
        peer.write(CONNACK_NEW)
        return peer

    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(accept)
        assert link.run(0.3) == []
        return accepted.result()


def packet_id(body):
    size = struct.unpack_from("!H", body)[0]
    return body[2 + size : 4 + size]


def read_publishes(peer, count):
    """Return the packet ids of the next messages."""
    packets = [peer.read() for _ in range(count)]
    assert all(kind == PUBLISH for kind, _ in packets)
    return [packet_id(body) for _, body in packets]


def test_what_was_acknowledged_before_a_cut_is_not_sent_again():
    with ScriptedBroker() as broker, plain(broker, timeout_s=3) as link:
        link.send(1, 1, 60)
        peer = welcome(broker, link)
        ids = read_publishes(peer, 16)
        assert peer.silent_for(0.1), "no more than the window is under way"
        # The third is missing: what comes behind it does not count.
        for one in ids[:2] + ids[3:6]:
            peer.write(b"\x40\x02" + one)
        link.run(0.2)
        peer.reset()
        assert [one[:2] for one in link.run(3)] == [[1, None]]
        link.query(2)
        peer = welcome(broker, link)
        assert peer.read()[0] == PINGREQ
        assert link.run(0.2) == [], "a broker that says nothing is not proof of a line"
        peer.write(PINGRESP)
        [(_, status, fields, _, _)] = link.run(3)
    assert status == 200
    cursor = read_standing(STREAM, fields).cursor
    assert (cursor.through, cursor.hash_at) == (2, span_of(1, 2).hash_after)


def test_acknowledgements_of_nothing_count_for_nothing():
    with ScriptedBroker() as broker, plain(broker, timeout_s=0.7) as link:
        link.send(1, 1, 3)
        peer = welcome(broker, link)
        ids = read_publishes(peer, 3)
        peer.write(b"\x40\x02\xff\xfe" + b"\x40\x02\x00\x00" + b"\x50\x02" + ids[0])
        for one in ids[:2]:
            peer.write(b"\x40\x02" + one)
        assert [one[:2] for one in link.run(3)] == [[1, None]]
        assert link.longest_ms < 100


def test_a_slow_broker_is_waited_for_while_it_acknowledges():
    with ScriptedBroker() as broker, plain(broker, timeout_s=0.7) as link:
        link.send(1, 1, 5)
        peer = welcome(broker, link)
        for one in read_publishes(peer, 5):
            assert link.run(0.3) == []
            peer.write(b"\x40\x02" + one)
        assert [one[:2] for one in link.run(3)] == [[1, 200]]


def test_two_lanes_take_turns():
    with ScriptedBroker() as broker, plain(broker) as link:
        link.send(1, 1, 2)
        link.send(2, 3, 4)
        peer = welcome(broker, link)
        for number in (1, 2):
            link.run(0.1)
            for one in read_publishes(peer, 2):
                peer.write(b"\x40\x02" + one)
            assert [event[:2] for event in link.run(3)] == [[number, 200]]
