"""MQTT 5.0, chapter 4.9: the receive maximum, both ways."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import RECEIVE_MAXIMUM

QUOTA_EXCEEDED = 0x93


def make_reader(site, maximum, **options):
    reader = site.client("reader", properties=[(RECEIVE_MAXIMUM, maximum)], **options)
    reader.subscribe("t", qos=2)
    return reader


def publish(site, count, qos=1):
    writer = site.client("writer")
    for number in range(count):
        writer.publish("t", b"%d" % number, qos=qos)


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("5.0", "MQTT-3.3.4-9", "MQTT-4.9.0-1", "MQTT-4.9.0-2")
def test_no_more_is_sent_ahead_than_the_receiver_allows(site, qos):
    reader = make_reader(site, 3)
    publish(site, 10, qos)
    window = [one for one in reader.take() if one.kind == codec.PUBLISH]
    assert len(window) == 3
    total = 3
    while window:
        packet = window.pop(0)
        if qos == 1:
            reader.acknowledge(codec.PUBACK, packet.packet_id)
        else:
            reader.acknowledge(codec.PUBREC, packet.packet_id)
            assert [one.kind for one in reader.take()] == [codec.PUBREL]
            reader.acknowledge(codec.PUBCOMP, packet.packet_id)
        more = reader.take()
        assert len(more) <= 1
        window += more
        total += len(more)
    assert total == 10


@pytest.mark.conforms("5.0", "MQTT-3.3.4-9", "MQTT-4.4.0-2")
def test_a_pubrec_that_refuses_makes_room(site):
    reader = make_reader(site, 1)
    publish(site, 2, 2)
    (first,) = reader.take()
    reader.acknowledge(codec.PUBREC, first.packet_id, 0x80)
    (second,) = reader.take()
    assert second.payload == b"1"


@pytest.mark.conforms("5.0", "MQTT-3.3.4-10", "MQTT-4.9.0-3")
def test_all_else_goes_on_when_nothing_more_may_be_sent_ahead(site):
    reader = make_reader(site, 1)
    publish(site, 3)
    reader.message(is_acknowledged=False)
    reader.ping()
    reader.subscribe("u", qos=1)
    reader.unsubscribe("u")
    reader.publish("v", b"x", qos=2)
    site.client("other").publish("t", b"at once")
    assert [one.payload for one in reader.messages(1)] == [b"at once"]


@pytest.mark.conforms("5.0", "MQTT-3.3.4-9", "MQTT-4.9.0-2")
def test_the_receive_maximum_holds_for_what_waited_and_is_sent_again(make_site):
    site = make_site()
    reader = make_reader(site, 10, clean_start=False, expiry_s=60)
    publish(site, 10, 2)
    assert len(reader.take()) == 10
    site.restart()
    again = site.client("reader", clean_start=False, properties=[(RECEIVE_MAXIMUM, 2)])
    packets = again.take()
    assert [(one.payload, one.dup) for one in packets] == [(b"0", True), (b"1", True)]


@pytest.mark.conforms("5.0", "MQTT-3.3.4-9")
def test_pubrels_sent_again_count_as_what_is_on_its_way(site):
    first = make_reader(site, 3, clean_start=False)
    first.lose()
    reader = site.client("reader", clean_start=False, properties=[(RECEIVE_MAXIMUM, 3), (0x11, 60)])
    reader.subscribe("t", qos=2)
    publish(site, 6, 2)
    window = reader.take()
    for packet in window:
        reader.acknowledge(codec.PUBREC, packet.packet_id)
    assert [one.kind for one in reader.take()] == [codec.PUBREL] * 3
    reader.lose()
    reader = site.client("reader", clean_start=False, properties=[(RECEIVE_MAXIMUM, 3)])
    assert [one.kind for one in reader.take()] == [codec.PUBREL] * 3
    reader.acknowledge(codec.PUBCOMP, window[0].packet_id)
    assert [one.payload for one in reader.take()] == [b"3"]


@pytest.mark.conforms("5.0", "MQTT-4.9.0-1")
def test_a_client_that_names_none_gets_at_most_what_the_site_allows(make_site):
    site = make_site(inflight_max=20)
    reader = site.client("reader")
    reader.subscribe("t", qos=1)
    publish(site, 50)
    assert len(reader.take()) == 20


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_who_sends_more_ahead_than_the_server_allows_is_sent_away(make_site, qos):
    site = make_site(receive_maximum=3)
    client = site.client("a")
    site.hold_commits()
    client.send(*[codec.publish("t", b"x", qos, number) for number in (1, 2, 3)])
    client.nothing()
    client.send(codec.publish("t", b"x", qos, 4))
    client.refused(QUOTA_EXCEEDED)


@pytest.mark.conforms("5.0", "MQTT-3.3.4-1")
def test_who_keeps_to_the_servers_maximum_may_send_on_and_on(make_site):
    site = make_site(receive_maximum=3)
    client = site.client("a")
    for start in range(1, 60, 3):
        client.send(*[codec.publish("t", b"x", 2, start + n) for n in range(3)])
        assert [one.kind for one in client.take()] == [codec.PUBREC] * 3
        for number in range(start, start + 3):
            client.release(number)
    assert len(site.uplinked) == 60


@pytest.mark.conforms("5.0", "MQTT-4.9.0-3")
def test_a_client_that_reads_nothing_does_not_hold_up_the_others(make_site):
    site = make_site()
    slow, quick = site.client("slow"), site.client("quick")
    for reader in (slow, quick):
        reader.subscribe("t", qos=1)
    slow.wire.block()
    writer = site.client("writer")
    for count in range(300):
        writer.publish("t", b"%d" % count + b"x" * 2000, qos=count % 2)
    assert len(quick.drain()) == 300
    slow.wire.unblock()
    found = slow.drain()
    assert len([one for one in found if one.qos == 1]) == 150
    assert site.broker.counters.connections >= 3
