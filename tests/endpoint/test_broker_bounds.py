"""The broker's bounds: what is full is refused or dropped with a reason, and what is slow waits."""

from endpoint import client_codec as codec
from endpoint.rig import Site

NOT_AUTHORIZED, RECEIVE_MAXIMUM, QUOTA, TOPIC_INVALID = 0x87, 0x93, 0x97, 0x90


def drain(site, client):
    """Take all messages that come, until no more do."""
    payloads = []
    while True:
        packets = client.take()
        for packet in packets:
            payloads.append(packet.payload)
            if packet.qos:
                client.acknowledge(codec.PUBACK, packet.packet_id)
        if not packets:
            return payloads


def fill(site, client_id, count):
    """Leave `count` messages in the queue of a client that is away."""
    reader = site.client(client_id, clean_start=False, expiry_s=600)
    reader.subscribe("a", qos=1)
    reader.lose()
    writer = site.client("writer")
    for number in range(count):
        writer.publish("a", b"%d" % number, qos=1)


def test_a_long_queue_lives_in_the_journal_and_comes_in_order():
    site = Site()
    fill(site, "reader", 900)
    reader = site.client("reader", clean_start=False, expiry_s=600)
    assert drain(site, reader) == [b"%d" % number for number in range(900)]
    assert not [key for key in site.committed if key.startswith(b"Q")]


def test_a_long_queue_comes_in_order_after_a_crash():
    site = Site()
    fill(site, "reader", 900)
    site.restart()
    reader = site.client("reader", clean_start=False, expiry_s=600)
    assert drain(site, reader) == [b"%d" % number for number in range(900)]


def test_the_oldest_messages_make_room_in_a_full_queue():
    site = Site(queue_messages_max=10)
    fill(site, "reader", 15)
    reader = site.client("reader", clean_start=False, expiry_s=600)
    assert drain(site, reader) == [b"%d" % number for number in range(5, 15)]
    assert site.broker.counters.dropped_total == 5


def test_a_slow_reader_misses_qos_0_and_nothing_else():
    site = Site()
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("a", qos=1)
    reader.wire.block()
    for number in range(40):
        writer.publish("a", b"%d" % number + bytes(20_000), qos=number % 2)
    reader.wire.unblock()
    numbers = [int(payload.rstrip(b"\0")) for payload in drain(site, reader)]
    assert [number for number in numbers if number % 2] == list(range(1, 40, 2))
    assert len(numbers) < 40
    assert site.broker.counters.dropped["slow reader"] == 40 - len(numbers)


def test_retained_messages_wait_for_a_slow_reader():
    site = Site()
    writer, reader = site.client("writer"), site.client("reader")
    for number in range(500):
        writer.publish(f"r/{number}", bytes(2000), retain=True)
    reader.wire.block()
    reader.send(codec.subscribe(1, [("r/#", 0)]))
    assert reader.wire.connection.unsent_bytes < 400_000
    reader.wire.unblock()
    assert len(drain(site, reader)) == 501  # One is the SUBACK.


def test_a_client_over_its_rate_is_held_and_loses_nothing():
    site = Site(messages_per_s_max=10)
    client = site.client("a")
    connection = client.wire.connection
    client.send(*[codec.publish("a", b"%d" % number) for number in range(30)])
    assert connection.is_held
    client.send(codec.publish("a", b"30"))
    assert len(site.uplinked) == 30
    site.advance(1900)
    assert connection.is_held
    site.advance(200)
    assert not connection.is_held
    assert len(site.uplinked) == 31


def test_nothing_is_read_while_the_journal_takes_nothing():
    site = Site()
    client = site.client("a", keepalive_s=10)
    site.broker.hold(True)
    site.advance(60_000)
    assert client.wire.connection.is_held
    site.broker.hold(False)
    site.run()
    client.ping()


def test_a_message_for_which_the_journal_had_no_room_is_refused_with_quota_exceeded():
    site = Site()
    client = site.client("a", expiry_s=60)
    site.is_refusing = True
    client.send_publish("a", b"1", qos=1, packet_id=1)
    client.send_publish("a", b"2", qos=2, packet_id=2)
    assert client.expect(codec.PUBACK).reason == QUOTA
    assert client.expect(codec.PUBREC).reason == QUOTA
    site.is_refusing = False
    client.send_publish("a", b"2", qos=2, packet_id=2)
    assert client.expect(codec.PUBREC).reason == 0
    assert [message.payload for message in site.uplinked] == [b"2"]


def test_only_so_many_sessions_are_kept():
    site = Site(sessions_max=1)
    site.client("a", expiry_s=60)
    site.client("a", expiry_s=60)
    site.client("b")
    refused = site.client("c", expiry_s=60, is_accepted=False)
    assert refused.connack.reason == QUOTA


def test_only_so_many_clients_are_let_in_and_one_may_replace_itself():
    site = Site(connections_max=1)
    site.client("a")
    site.client("a")
    assert site.client("b", is_accepted=False).connack.reason == QUOTA


def test_a_topic_that_is_too_deep_is_refused():
    site = Site(topic_levels_max=3)
    client = site.client("a")
    assert client.publish("a/b/c", b"1", qos=1).reason == 0
    assert client.publish("a/b/c/d", b"1", qos=1).reason == TOPIC_INVALID
    assert len(site.uplinked) == 1


def test_nobody_publishes_what_only_the_broker_may():
    site = Site()
    client = site.client("a")
    assert client.publish("$SYS/broker/uptime", b"1", qos=1).reason == NOT_AUTHORIZED
    assert not site.uplinked


def test_a_client_that_runs_ahead_of_its_acknowledgements_is_sent_away():
    site = Site(receive_maximum=5)
    client = site.client("a")
    site.hold_commits()
    for packet_id in range(1, 6):
        client.send_publish("a", b"1", qos=1, packet_id=packet_id)
    client.nothing()
    client.send_publish("a", b"1", qos=1, packet_id=6)
    client.refused(RECEIVE_MAXIMUM)
