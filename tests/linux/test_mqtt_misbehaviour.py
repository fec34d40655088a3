"""The MQTT source against a broker that breaks rules or breaks off."""

import struct
import threading
import time

import pytest

from fixtures.scripted_broker import (
    CONNACK_5_NEW,
    CONNACK_KEPT,
    CONNACK_NEW,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    ScriptedBroker,
    publish,
)
from fixtures.sources import Inbox, Reports, clock_ms, source_settings, wait_until
from tidegate_linux.mqtt.source import MqttSource


def hurried_ms():
    """A clock on which a second is over in twenty milliseconds."""
    return clock_ms() * 50


@pytest.fixture
def broker():
    with ScriptedBroker() as running:
        yield running


@pytest.fixture
def start(broker):
    made = []
    running = broker

    def start(broker, inbox, clock=clock_ms, **changes):
        reports = Reports()
        settings = source_settings(broker.url, **{"protocol": "3.1.1", **changes})
        source = MqttSource("broker", settings, clock, reports)
        source.reports = reports
        made.append(source)
        source.start(inbox.deliver)
        return source

    yield start
    running.close()
    for source in made:
        source.close()


def error_of(source, part):
    wait_until(lambda: part in source.status()["last_error"], lambda: (part, source.status()))


def token_of(inbox):
    return inbox.messages()[-1].token


def test_nothing_for_an_old_connection_reaches_a_new_one(broker, start):
    inbox = Inbox()
    source = start(broker, inbox)
    stop = threading.Event()

    def acknowledge_for_ever():
        while not stop.is_set():
            source.acknowledge(1, [b"\x40\x02\x00\x01"])

    peer = broker.welcome()
    peer.write(publish(b"site/a", b"old", packet=1))
    inbox.wait_for(1)
    old = inbox.arrivals[0].generation
    assert old == 1
    hammer = threading.Thread(target=acknowledge_for_ever)
    hammer.start()
    try:
        for turn in range(5):
            peer.close() if turn % 2 else peer.reset()
            peer = broker.welcome(CONNACK_KEPT)
            peer.write(publish(b"site/a", b"new", packet=1))
            inbox.wait_for(2 + turn)
            assert peer.silent_for(0.2), "a late acknowledgement was sent to a new connection"
    finally:
        stop.set()
        hammer.join()
    source.acknowledge(source.generation, [token_of(inbox)])
    assert peer.read() == (PUBACK, b"\x00\x01")


def test_acknowledgements_leave_in_the_order_given(broker, start):
    inbox = Inbox()
    source = start(broker, inbox)
    peer = broker.welcome()
    peer.write(b"".join([publish(b"site/a", b"", packet=n) for n in range(1, 201)]))
    messages = inbox.wait_for(200)
    for at in range(0, 200, 7):
        source.acknowledge(1, [message.token for message in messages[at : at + 7]])
    for n in range(1, 201):
        assert peer.read() == (PUBACK, struct.pack("!H", n))


def test_pubrec_waits_for_acknowledge(broker, start):
    # QoS 2 is not subscribed to, but a session that another client left behind may hold it.
    inbox = Inbox()
    source = start(broker, inbox)
    peer = broker.welcome()
    peer.write(publish(b"site/a", b"two", packet=9, qos=2))
    (message,) = inbox.wait_for(1)
    assert message.flags == 2
    assert peer.silent_for(0.2)
    source.acknowledge(1, [message.token])
    assert peer.read() == (PUBREC, b"\x00\x09")
    peer.write(b"\x62\x02\x00\x09")
    assert peer.read() == (PUBCOMP, b"\x00\x09")


def test_a_topic_that_is_none_is_acknowledged_in_its_turn_and_told(broker, start):
    inbox = Inbox()
    source = start(broker, inbox)
    peer = broker.welcome()
    peer.write(publish(b"site/\xff", b"", packet=1))
    assert peer.read() == (PUBACK, b"\x00\x01")
    peer.write(publish(b"site/a", b"", packet=2) + publish(b"si\nte/+", b"", packet=3))
    (message,) = inbox.wait_for(1)
    assert peer.silent_for(0.2)
    source.acknowledge(1, [message.token])
    assert peer.read() == (PUBACK, b"\x00\x02")
    assert peer.read() == (PUBACK, b"\x00\x03")
    wait_until(lambda: source.status()["refused"] == 2)
    told = source.reports.named("message_refused")
    assert [(report["topic"], report["count"]) for report in told] == [
        ("site/\\\\xff", 1),
        ("si\\nte/+", 2),
    ]


def test_a_message_cut_off_by_the_end_of_the_connection_is_not_delivered(broker, start):
    inbox = Inbox()
    start(broker, inbox)
    whole = publish(b"site/a", b"payload", packet=1)
    peer = broker.welcome()
    peer.write(whole[:-3])
    peer.close()
    peer = broker.welcome(CONNACK_KEPT)
    peer.write(whole)
    inbox.wait_for(1)
    assert inbox.payloads() == [b"payload"]


def test_what_came_before_the_end_is_delivered(broker, start):
    inbox = Inbox()
    start(broker, inbox)
    peer = broker.welcome()
    peer.write(publish(b"site/a", b"last words", packet=1))
    peer.close()
    inbox.wait_for(1)


def test_a_kept_session_is_subscribed_again_because_it_may_lack_the_subscription(broker, start):
    source = start(broker, Inbox())
    broker.welcome().close()
    peer = broker.welcome(CONNACK_KEPT)
    wait_until(lambda: source.status()["connections"] == 2)
    assert source.reports.named("source_session_lost") == []
    peer.close()
    broker.welcome(CONNACK_NEW)
    wait_until(lambda: source.status()["connections"] == 3)
    assert len(source.reports.named("source_session_lost")) == 1


FAULTS = [
    (publish(b"site/a", b"", packet=1), "before CONNACK"),
    (CONNACK_NEW + b"\x30\xff\xff\xff\xff\xff", "more than four bytes"),
    (CONNACK_NEW + b"\x36\x05\x00\x01a\x00\x01", "QoS 3"),
    (CONNACK_NEW + b"\xf0\x00", "makes no sense"),
    (CONNACK_NEW + b"\x90\x00", "makes no sense"),
    (b"\x20\x01\x00", "makes no sense"),
    (b"HTTP/1.1 400 Bad Request\r\n" + b"Content-Type: text/html\r\n" * 9, "not CONNACK"),
]


@pytest.mark.parametrize(("answer", "part"), FAULTS)
def test_a_broken_rule_ends_the_connection_and_is_told(broker, start, answer, part):
    inbox = Inbox()
    source = start(broker, inbox)
    peer = broker.accept()
    peer.read()
    peer.write(answer)
    peer2 = broker.welcome()
    assert part in source.status()["last_error"]
    peer2.write(publish(b"site/a", b"all is well", packet=1))
    inbox.wait_for(1)
    assert inbox.payloads() == [b"all is well"]


REFUSALS = [
    ("3.1.1", b"\x20\x02\x00\x02", "client id"),
    ("3.1.1", b"\x20\x02\x00\x03", "not available"),
    ("3.1.1", b"\x20\x02\x00\x04", "user name or the password"),
    ("3.1.1", b"\x20\x02\x00\x05", "not authorise"),
    ("5", b"\x20\x02\x00\x01", 'set protocol = "3.1.1"'),
    ("5", b"\x20\x03\x00\x84\x00", 'set protocol = "3.1.1"'),
    ("5", b"\x20\x03\x00\x86\x00", "user name or the password"),
    ("5", b"\x20\x03\x00\x9f\x00", "too many connections"),
]


@pytest.mark.parametrize(("protocol", "connack", "part"), REFUSALS)
def test_a_refusal_is_told_in_words_and_tried_again(broker, start, protocol, connack, part):
    url = broker.url.replace("//", "//bob:s3cret-word@")
    source = start(ScriptedUrl(url), Inbox(), protocol=protocol)
    for _ in range(2):
        peer = broker.accept()
        kind, body = peer.read()
        assert kind == CONNECT
        assert body.endswith(b"\x00\x03bob\x00\x0bs3cret-word")
        peer.write(connack)
        with pytest.raises(EOFError):
            peer.read()
    error_of(source, part)
    wait_until(lambda: source.reports.all)
    assert len(source.reports.named("source_unreachable")) == 1
    assert "s3cret-word" not in repr(source.status()) + repr(source.reports.all)


class ScriptedUrl:
    def __init__(self, url):
        self.url = url


def test_connect_says_that_the_session_is_to_be_kept(broker, start):
    start(broker, Inbox())
    _, body = broker.accept().read()
    assert body[:7] == b"\x00\x04MQTT\x04"
    assert body[7] & 0x02 == 0, "Clean Session"
    assert body[8:10] == b"\x00\x1e"
    assert body.endswith(b"\x00\x07gateway")


def test_connect_of_version_5_asks_for_expiry_and_receive_maximum(broker, start):
    changes = {"protocol": "5", "session_expiry_s": 77, "receive_maximum": 55}
    start(broker, Inbox(), **changes)
    _, body = broker.accept().read()
    assert body[6] == 5
    assert body[7] & 0x02 == 0, "Clean Start"
    assert b"\x11\x00\x00\x00\x4d" in body
    assert b"\x21\x00\x37" in body


def test_a_silent_broker_is_given_up(broker, start):
    source = start(broker, Inbox(), clock=hurried_ms)
    peer = broker.accept()
    peer.read()
    with pytest.raises(EOFError):
        peer.read()
    error_of(source, "did not answer CONNECT")
    peer = broker.accept()
    peer.read()
    peer.write(CONNACK_NEW)
    peer.read()
    with pytest.raises(EOFError):
        peer.read()
    error_of(source, "did not answer SUBSCRIBE")


def test_the_broker_hears_from_us_and_is_given_up_when_it_does_not_answer(broker, start):
    source = start(broker, Inbox(), keepalive_s=1)
    peer = broker.welcome()
    assert peer.read()[0] == PINGREQ
    peer.write(PINGRESP)
    assert peer.read()[0] == PINGREQ
    with pytest.raises(EOFError):
        peer.read()
    error_of(source, "no longer answers")


def test_a_slow_commit_does_not_keep_the_broker_waiting(broker, start):
    inbox = Inbox()
    source = start(broker, inbox, keepalive_s=1)
    peer = broker.welcome()
    peer.write(publish(b"site/a", b"", packet=1))
    (message,) = inbox.wait_for(1)
    for _ in range(3):
        assert peer.read()[0] == PINGREQ
        peer.write(PINGRESP)
    source.acknowledge(1, [message.token])
    assert peer.read() == (PUBACK, b"\x00\x01")


def test_a_session_taken_over_is_told(broker, start):
    source = start(broker, Inbox(), protocol="5")
    peer = broker.accept()
    peer.read()
    peer.write(CONNACK_5_NEW)
    peer.answer_subscribe(version_5=True)
    wait_until(lambda: source.status()["state"] == "connected")
    peer.write(b"\xe0\x01\x8e")
    error_of(source, "another client with the same client id")


def test_connections_that_end_at_once_again_and_again_raise_the_question(broker, start):
    source = start(broker, Inbox())
    for _ in range(3):
        broker.welcome().close()
    error_of(source, "does another client use the client id gateway?")
    for _ in range(4):
        broker.welcome().close()
    # Once without the question, once with it, and then no more.
    assert len(source.reports.named("source_lost")) == 2


def test_a_refused_subscription_is_told_and_tried_again(broker, start):
    inbox = Inbox()
    source = start(broker, inbox, clock=hurried_ms, keepalive_s=3600)
    peer = broker.accept()
    peer.read()
    peer.write(CONNACK_NEW)
    peer.answer_subscribe(code=0x80)
    error_of(source, "the subscription to site/# was refused")
    assert source.status()["state"] == "connected"
    assert list(source.status()["refused_filters"]) == ["site/#"]
    peer.answer_subscribe(code=0x80)
    peer.answer_subscribe(code=1)
    wait_until(lambda: source.status()["refused_filters"] == {})
    assert len(source.reports.named("subscription_refused")) == 1
    assert len(source.reports.named("subscription_granted")) == 1


def test_a_subscription_granted_at_qos_0_is_told(broker, start):
    source = start(broker, Inbox())
    peer = broker.accept()
    peer.read()
    peer.write(CONNACK_NEW)
    peer.answer_subscribe(code=0)
    wait_until(lambda: source.reports.named("source_unsafe"))


def test_close_says_goodbye(broker, start):
    source = start(broker, Inbox())
    peer = broker.welcome()
    wait_until(lambda: source.status()["state"] == "connected")
    source.close()
    assert peer.read()[0] == DISCONNECT
    source.close()
    source.acknowledge(1, [b"\x40\x02\x00\x01"])
    source.pause("after the end")
    source.resume()


def test_nothing_is_delivered_after_close(broker, start):
    for _ in range(5):
        inbox = Inbox()
        source = start(broker, inbox)
        peer = broker.welcome()
        writer = threading.Thread(target=flood, args=(peer,))
        writer.start()
        inbox.wait_for(10)
        source.close()
        count = len(inbox.arrivals)
        time.sleep(0.02)
        assert len(inbox.arrivals) == count
        peer.close()
        writer.join()


def flood(peer):
    try:
        while True:
            peer.write(publish(b"site/a", b"", qos=0) * 50)
    except OSError:
        return


def test_a_source_needs_no_observer(broker):
    source = MqttSource("quiet", source_settings(broker.url, protocol="3.1.1"), clock_ms)
    source.start(Inbox().deliver)
    broker.welcome()
    wait_until(lambda: source.status()["state"] == "connected")
    source.close()


def test_a_session_without_a_client_id_is_refused():
    with pytest.raises(ValueError, match="client id"):
        MqttSource("x", source_settings("mqtt://127.0.0.1:1", client_id=""), clock_ms)
