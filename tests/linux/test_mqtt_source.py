"""The MQTT source against a real Mosquitto: what is acknowledged, when, and what comes again."""

import time

import pytest

from fixtures.broker import Broker
from fixtures.sources import Inbox, Reports, acknowledge, clock_ms, source_settings, wait_until
from tidegate.records.record import RETAIN, unpack_properties
from tidegate_linux.mqtt.source import MqttSource

BOTH = pytest.mark.parametrize("protocol", ["3.1.1", "5"])


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path) as running:
        yield running


@pytest.fixture
def sources():
    """Make sources that are closed at the end, whatever happens."""
    made = []

    def make(url, inbox=None, **changes):
        reports = Reports()
        source = MqttSource("broker", source_settings(url, **changes), clock_ms, reports)
        source.reports = reports
        made.append(source)
        if inbox is not None:
            source.start(inbox.deliver)
        return source

    yield make
    for source in made:
        source.close()


def subscribed(source):
    wait_until(lambda: source.status()["state"] == "connected", source.status)
    return source


def inflight(broker, client="gateway"):
    """Return how many messages the broker has sent to us and not seen acknowledged."""
    lines = [line for line in broker.log().splitlines() if f" {client} " in line]
    sent = sum("Sending PUBLISH to" in line and "q1" in line for line in lines)
    return sent - sum("Received PUBACK from" in line for line in lines)


@BOTH
def test_puback_waits_for_acknowledge(broker, sources, protocol):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.publish_all([("site/a", b"%d" % n) for n in range(5)])
    inbox.wait_for(5)
    assert inflight(broker) == 5
    first = inbox.take()
    tokens = [message.token for arrived in first for message in arrived.messages]
    source.acknowledge(first[0].generation, tokens[:2])
    wait_until(lambda: inflight(broker) == 3)
    source.acknowledge(first[0].generation, tokens[2:])
    wait_until(lambda: inflight(broker) == 0)


@BOTH
def test_a_message_has_topic_payload_qos_and_time(broker, sources, protocol):
    inbox = Inbox()
    subscribed(sources(broker.url, inbox, protocol=protocol))
    began_ms = clock_ms()
    broker.publish("site/ä", b"\x00\xff", qos=0)
    broker.publish("site/b", b"", qos=2)
    first, second = inbox.wait_for(2)
    assert (first.topic, first.payload, first.flags) == ("site/ä".encode(), b"\x00\xff", 0)
    assert first.token is None
    assert first.topic.decode() == "site/ä"
    # Subscribed at QoS 1, so the broker lowers what came at 2 [MQTT-3.8.4-8].
    assert (second.topic, second.flags) == (b"site/b", 1)
    assert second.token is not None
    assert began_ms <= first.ticks_ms <= second.ticks_ms <= clock_ms()


@BOTH
def test_what_was_not_acknowledged_comes_again_in_order(broker, sources, protocol):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.publish_all([("site/a", b"%d" % n) for n in range(10)])
    inbox.wait_for(10)
    (arrived, *others) = inbox.take()
    messages = list(arrived.messages) + [m for other in others for m in other.messages]
    source.acknowledge(arrived.generation, [message.token for message in messages[:4]])
    wait_until(lambda: inflight(broker) == 6)
    source.pause("the disk is full")
    assert source.generation == 0
    source.resume()
    again = inbox.wait_for(6)
    assert [message.payload for message in again] == [b"%d" % n for n in range(4, 10)]
    assert inbox.arrivals[0].generation > arrived.generation
    acknowledge(source, inbox.take())
    broker.publish("site/a", b"after")
    inbox.wait_for(1)
    assert inbox.payloads() == [b"after"]


@BOTH
def test_a_paused_source_is_away_and_the_broker_keeps_what_comes(broker, sources, protocol):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    source.pause("the disk is full")
    wait_until(lambda: source.status()["state"] == "paused")
    assert source.status()["last_error"] == "the disk is full"
    broker.publish_all([("site/a", b"%d" % n) for n in range(30)])
    assert inbox.messages() == []
    source.resume()
    inbox.wait_for(20)
    acknowledge(source, inbox.arrivals[:])
    inbox.wait_for(30)
    assert inbox.payloads() == [b"%d" % n for n in range(30)]


@BOTH
def test_a_late_acknowledgement_for_a_lost_connection_does_nothing(broker, sources, protocol):
    # A broker that loses its sessions starts counting packets at 1 again.  The old message's
    # acknowledgement, late from a slow commit, must not take the new one with the same number away.
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.publish("site/a", b"old")
    inbox.wait_for(1)
    (old,) = inbox.take()
    broker.restart(killed=True)
    wait_until(lambda: source.generation > old.generation)
    subscribed(source)
    broker.publish("site/a", b"new")
    inbox.wait_for(1)
    (new,) = inbox.arrivals
    assert new.messages[0].token == old.messages[0].token, "the broker did not use the number again"
    acknowledge(source, [old])
    broker.publish("site/a", b"fence")
    inbox.wait_for(2)
    assert "Received PUBACK from gateway" not in broker.log()
    source.pause("look what comes again")
    source.resume()
    inbox.wait_for(4)
    assert inbox.payloads() == [b"new", b"fence", b"new", b"fence"]


@BOTH
def test_a_window_full_of_unacknowledged_messages_is_no_deadlock(tmp_path, sources, protocol):
    with Broker(tmp_path, options=["max_inflight_messages 20"]) as broker:
        inbox = Inbox()
        source = subscribed(sources(broker.url, inbox, protocol=protocol, receive_maximum=20))
        broker.publish_all([("site/a", b"%d" % n) for n in range(90)])
        inbox.wait_for(20)
        assert len(inbox.payloads()) == 20
        done = 0
        while done < 90:
            inbox.wait_for(1)
            arrivals = inbox.take()
            for arrived in arrivals:
                for message in arrived.messages:
                    assert message.payload == b"%d" % done
                    done += 1
            acknowledge(source, arrivals)
        wait_until(lambda: inflight(broker) == 0)


@BOTH
def test_the_session_outlives_the_gateway(broker, sources, protocol):
    inbox = Inbox()
    first = subscribed(sources(broker.url, inbox, protocol=protocol))
    first.close()
    assert first.status()["state"] == "closed"
    broker.publish_all([("site/a", b"1"), ("site/a", b"2")])
    second = subscribed(sources(broker.url, inbox, protocol=protocol))
    inbox.wait_for(2)
    assert inbox.payloads() == [b"1", b"2"]
    assert second.reports.named("source_connected")[0]["session"] == "kept"


@BOTH
def test_close_sends_the_acknowledgements_that_wait(broker, sources, protocol):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.publish_all([("site/a", b"%d" % n) for n in range(10)])
    inbox.wait_for(10)
    acknowledge(source, inbox.take())
    source.close()
    assert inflight(broker) == 0
    again = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.publish("site/a", b"next")
    inbox.wait_for(1)
    assert inbox.payloads() == [b"next"]
    again.close()
    before = len(inbox.messages())
    broker.publish("site/a", b"unheard")
    assert len(inbox.messages()) == before


@BOTH
def test_a_killed_broker_that_returns_is_found_again(tmp_path, sources, protocol):
    with Broker(tmp_path, persistence="strongest") as broker:
        inbox = Inbox()
        source = subscribed(sources(broker.url, inbox, protocol=protocol))
        broker.kill()
        wait_until(lambda: source.status()["state"] == "connecting")
        wait_until(lambda: "nothing listens" in source.status()["last_error"])
        broker.start()
        subscribed(source)
        broker.publish("site/a", b"again")
        inbox.wait_for(1)
        assert source.reports.named("source_lost")[0]["reason"]
        assert source.reports.named("source_session_lost") == []


@BOTH
def test_a_session_that_the_broker_forgot_is_told(broker, sources, protocol):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.restart(killed=True)
    wait_until(lambda: source.reports.named("source_session_lost"))
    subscribed(source)
    broker.publish("site/a", b"subscribed again")
    inbox.wait_for(1)


@BOTH
def test_a_broker_that_is_missing_at_the_start_is_waited_for(tmp_path, sources, protocol):
    broker = Broker(tmp_path)
    inbox = Inbox()
    source = sources(broker.url, inbox, protocol=protocol)
    wait_until(lambda: source.status()["last_error"])
    status = source.status()
    assert status["state"] == "connecting"
    assert status["last_error"] == f"nothing listens at 127.0.0.1 port {broker.port}"
    with broker:
        subscribed(source)
        broker.publish("site/a", b"x")
        inbox.wait_for(1)
        # The same failure again and again is told once.
        assert len(source.reports.named("source_unreachable")) == 1


def test_retained_messages_come_once_with_version_5(broker, sources):
    broker.publish("site/state", b"on", retain=True)
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox))
    (message,) = inbox.wait_for(1)
    assert message.flags == RETAIN | 1
    acknowledge(source, inbox.take())
    source.pause("a reconnection")
    source.resume()
    broker.publish("site/state", b"off", retain=True)
    inbox.wait_for(1)
    # Live ones do not bear the flag: it says that the broker had stored the message [MQTT-3.3.1-9].
    assert [(m.payload, m.flags) for m in inbox.messages()] == [(b"off", 1)]
    acknowledge(source, inbox.take())
    source.close()
    subscribed(sources(broker.url, inbox))
    broker.publish("site/b", b"fence")
    inbox.wait_for(1)
    assert inbox.payloads() == [b"fence"]


def test_retained_messages_come_at_each_connection_with_version_3_and_bear_the_flag(
    broker, sources
):
    broker.publish("site/state", b"on", retain=True)
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, protocol="3.1.1"))
    for _ in range(2):
        (message,) = inbox.wait_for(1)
        assert message.flags & RETAIN
        acknowledge(source, inbox.take())
        wait_until(lambda: inflight(broker) == 0)
        source.pause("a reconnection")
        source.resume()
    inbox.wait_for(1)


@BOTH
def test_a_topic_added_to_the_configuration_is_subscribed(broker, sources, protocol):
    inbox = Inbox()
    subscribed(sources(broker.url, inbox, protocol=protocol)).close()
    topics = ("site/#", "plant/+/t")
    subscribed(sources(broker.url, inbox, protocol=protocol, topics=topics))
    broker.publish_all([("plant/1/t", b"1"), ("site/a", b"2")])
    inbox.wait_for(2)


@BOTH
def test_a_topic_taken_from_the_configuration_is_told(broker, sources, protocol):
    inbox = Inbox()
    topics = ("site/#", "plant/#")
    subscribed(sources(broker.url, inbox, protocol=protocol, topics=topics)).close()
    source = subscribed(sources(broker.url, inbox, protocol=protocol))
    broker.publish("plant/1", b"still comes")
    inbox.wait_for(1)
    wait_until(lambda: source.reports.named("source_stray"))
    assert source.reports.named("source_stray")[0]["topic"] == "plant/1"


def test_user_properties_and_identity_are_kept(broker, sources):
    inbox = Inbox()
    subscribed(sources(broker.url, inbox, message_id="uid"))
    pairs = [("unit", "°C"), ("uid", "m-77"), ("unit", "K")]
    broker.publish("site/a", b"21", UserProperty=pairs, ContentType="text/plain")
    (message,) = inbox.wait_for(1)
    kept = unpack_properties(message.properties)
    assert sorted(kept) == sorted(
        [(n.encode(), v.encode()) for n, v in pairs] + [(b"content-type", b"text/plain")]
    )
    assert [pair for pair in kept if pair[0] == b"unit"] == [
        (b"unit", "°C".encode()),
        (b"unit", b"K"),
    ]
    assert message.identity == b"m-77"


def test_two_brokers_do_not_disturb_each_other(tmp_path, sources):
    with Broker(tmp_path / "a") as left, Broker(tmp_path / "b") as right:
        boxes = Inbox(), Inbox()
        first = subscribed(sources(left.url, boxes[0]))
        second = subscribed(sources(right.url, boxes[1]))
        left.publish("site/a", b"left")
        right.publish("site/a", b"right")
        for box, payload in zip(boxes, (b"left", b"right"), strict=True):
            box.wait_for(1)
            assert box.payloads() == [payload]
        left.kill()
        wait_until(lambda: first.status()["state"] == "connecting")
        acknowledge(second, boxes[1].take())
        wait_until(lambda: inflight(right) == 0)
        assert second.status()["state"] == "connected"


def test_many_messages_come_in_order_over_reconnections(tmp_path, sources):
    options = ["max_queued_messages 0", "max_inflight_messages 50"]
    with Broker(tmp_path, options=options) as broker:
        inbox = Inbox()
        source = subscribed(sources(broker.url, inbox, receive_maximum=50))
        count = 3000
        broker.publish_all([("site/a", b"%d" % n) for n in range(count)])
        seen = []
        turn = 0
        while len(set(seen)) < count:
            inbox.wait_for(1)
            arrivals = inbox.take()
            seen += [int(m.payload) for arrived in arrivals for m in arrived.messages]
            acknowledge(source, arrivals)
            turn += 1
            if turn % 20 == 0:
                source.pause("a reconnection")
                source.resume()
        firsts = list(dict.fromkeys(seen))
        assert firsts == list(range(count))


def test_a_message_too_large_for_the_gateway_comes_and_is_bounded(broker, sources):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox))
    broker.publish_all([("site/big", bytes(40_000_000)), ("site/a", b"next")])
    big, following = inbox.wait_for(2)
    assert 16 * 1024 * 1024 < len(big.payload) < 20_000_000
    assert following.payload == b"next"
    acknowledge(source, inbox.take())
    wait_until(lambda: inflight(broker) == 0)


def test_large_messages_are_not_read_ahead_without_end(broker, sources):
    inbox = Inbox()
    source = subscribed(sources(broker.url, inbox, keepalive_s=5))
    count, size = 30, 4_000_000
    broker.publish_all([("site/a", bytes([n]) * size) for n in range(count)])
    inbox.wait_for(8)
    time.sleep(6)  # Longer than the keepalive time: the broker must hear from us all the same.
    assert len(inbox.messages()) < 14
    assert source.generation == 1
    seen = []
    while len(seen) < count:
        inbox.wait_for(1)
        arrivals = inbox.take()
        seen += [m.payload[0] for arrived in arrivals for m in arrived.messages]
        acknowledge(source, arrivals)
    assert seen == list(range(count))
    assert source.generation == 1
