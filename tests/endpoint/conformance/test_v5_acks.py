"""MQTT 5.0, chapters 3.4 to 3.7, 4.3 and 4.4: QoS 1 and 2 from both ends, over lost connections."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    MESSAGE_EXPIRY,
    PACKET_BYTES_MAX,
    REASON_STRING,
    REQUEST_PROBLEM,
    USER_PROPERTY,
)

PUBACK_REASONS = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
NOT_FOUND = 0x92
READ_ONLY = ((("*",), ("*",), ("open/#",), ("#",)),)  # Only below open/ may be published.

both = pytest.mark.parametrize("qos", [1, 2])


def make_reader(site, qos=2, **options):
    reader = site.client("reader", clean_start=False, expiry_s=600, **options)
    if not reader.connack.session_present:
        reader.subscribe("t", qos=qos)
    return reader


# What a client publishes.


@pytest.mark.conforms("5.0", "MQTT-4.3.2-5")
def test_after_puback_the_identifier_stands_for_a_new_message(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=1)
    for payload in (b"a", b"b", b"c"):
        writer.send_publish("t", payload, 1, 5)
        assert writer.expect(codec.PUBACK).packet_id == 5
    assert [one.payload for one in reader.messages(3)] == [b"a", b"b", b"c"]


@pytest.mark.conforms("5.0", "MQTT-4.3.3-10", "MQTT-4.3.3-8")
def test_until_pubrel_a_repeated_publish_is_acknowledged_and_not_delivered_again(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=2)
    writer.send_publish("t", b"x", 2, 5)
    writer.expect(codec.PUBREC)
    writer.send_publish("t", b"x", 2, 5, dup=True)
    assert writer.expect(codec.PUBREC).packet_id == 5
    writer.release(5)
    reader.messages(1)


@pytest.mark.conforms("5.0", "MQTT-4.3.3-12", "MQTT-4.3.3-11")
def test_after_pubcomp_the_identifier_stands_for_a_new_message(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=2)
    for payload in (b"same", b"same"):
        writer.send_publish("t", payload, 2, 5)
        writer.expect(codec.PUBREC)
        writer.release(5)
    reader.messages(2)


@pytest.mark.conforms("5.0", "MQTT-4.3.3-11", "MQTT-3.7.2-1")
def test_a_pubrel_without_its_message_is_answered(site):
    client = site.client("a")
    client.acknowledge(codec.PUBREL, 77)
    answer = client.expect(codec.PUBCOMP)
    assert (answer.packet_id, answer.reason) == (77, NOT_FOUND)
    client.ping()


@pytest.mark.conforms("5.0", "MQTT-3.6.2-1", "MQTT-3.7.2-1")
def test_a_pubrec_or_pubcomp_without_its_message_does_no_harm(site):
    client = site.client("a")
    client.acknowledge(codec.PUBREC, 77)
    answer = client.expect(codec.PUBREL)
    assert (answer.packet_id, answer.reason) == (77, NOT_FOUND)
    client.acknowledge(codec.PUBCOMP, 78)
    client.acknowledge(codec.PUBACK, 79)
    client.ping()
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.3.3-9", "MQTT-3.5.2-1", "MQTT-3.4.2-1")
def test_after_a_refusal_the_identifier_stands_for_a_new_message(make_site):
    site = make_site(access=READ_ONLY)
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("#", qos=2)
    for kind, qos in ((codec.PUBACK, 1), (codec.PUBREC, 2)):
        writer.send_publish("closed", b"x", qos, 9)
        answer = writer.expect(kind)
        assert answer.reason == 0x87
        writer.send_publish("open/t", b"y", qos, 9)
        assert writer.expect(kind).reason == 0
        if qos == 2:
            writer.release(9)
    assert [one.payload for one in reader.messages(2)] == [b"y", b"y"]


@pytest.mark.conforms("5.0", "MQTT-4.3.3-9", "MQTT-3.4.2-1", "MQTT-3.5.2-1")
def test_without_room_for_the_message_it_is_refused(make_site):
    site = make_site()
    site.is_refusing = True
    writer = site.client("writer")
    assert writer.publish("t", b"x", qos=1).reason == 0x97
    assert writer.publish("t", b"x", qos=2).reason == 0x97
    site.is_refusing = False
    writer.send_publish("t", b"new", 2, 2)
    assert writer.expect(codec.PUBREC).reason == 0
    assert [one.payload for one in site.uplinked] == [b"new"]


@both
@pytest.mark.conforms("5.0", "MQTT-4.3.2-4", "MQTT-4.3.3-8", "MQTT-4.3.3-9")
def test_a_message_without_room_is_taken_in_when_it_comes_again(make_site, qos):
    for is_lost in (False, True):
        site = make_site()
        site.is_refusing = True
        writer = site.client("writer", clean_start=False, expiry_s=60)
        site.hold_commits()
        writer.send_publish("t", b"x", qos, 1)
        if is_lost:
            writer.lose()
        site.commit()
        site.is_refusing = False
        site.restart()
        writer = site.client("writer", clean_start=False, expiry_s=60)
        writer.send_publish("t", b"x", qos, 1, dup=True)
        assert writer.take()[0].reason == 0
        assert [one.payload for one in site.uplinked] == [b"x"]


@pytest.mark.conforms("5.0", "MQTT-3.4.2-1", "MQTT-3.5.2-1")
def test_reasons_of_acknowledgements_are_among_those_that_there_are(site):
    client = site.client("a")
    for topic in ("nobody/listens", "$SYS/x", "$share/x"):
        for qos in (1, 2):
            assert client.publish(topic, b"x", qos=qos).reason in PUBACK_REASONS


@pytest.mark.conforms(
    "5.0", "MQTT-3.1.2-29", "MQTT-3.4.2-2", "MQTT-3.5.2-2", "MQTT-3.6.2-2", "MQTT-3.7.2-2"
)
def test_reason_strings_are_left_out_where_they_do_not_fit_or_are_declined(make_site):
    for size, asks in [(0, 1), (0, 0)] + [(size, 1) for size in range(30, 70)]:
        site = make_site(access=READ_ONLY)
        bounds = [(REQUEST_PROBLEM, asks)] + ([(PACKET_BYTES_MAX, size)] if size else [])
        client = site.open()
        client.send(codec.connect("a", properties=bounds))
        client.take()
        client.send_publish("closed", b"x", 1, 1)
        client.send_publish("closed", b"x", 2, 2)
        client.acknowledge(codec.PUBREC, 3)
        client.acknowledge(codec.PUBREL, 4)
        answers = client.take()
        assert [one.kind for one in answers] == [4, 5, 6, 7]
        for answer in answers:
            assert not size or answer.size <= size
            assert asks or answer.property(REASON_STRING) is None
            assert answer.property(USER_PROPERTY) is None


@pytest.mark.conforms("5.0", "MQTT-4.1.0-1", "MQTT-4.3.3-10")
def test_a_qos_2_exchange_goes_on_over_a_new_connection(site):
    reader = site.client("reader")
    reader.subscribe("t", qos=2)
    writer = site.client("writer", clean_start=False, expiry_s=60)
    writer.send_publish("t", b"x", 2, 5)
    writer.expect(codec.PUBREC)
    writer.lose()
    writer = site.client("writer", clean_start=False, expiry_s=60)
    writer.send_publish("t", b"x", 2, 5, dup=True)
    writer.expect(codec.PUBREC)
    writer.lose()
    writer = site.client("writer", clean_start=False, expiry_s=60)
    assert writer.release(5).reason == 0
    assert writer.release(5).reason == NOT_FOUND
    reader.messages(1)


# What the server sends.


@pytest.mark.conforms("5.0", "MQTT-4.3.3-4", "MQTT-4.3.3-2", "MQTT-3.6.2-1")
def test_a_pubrec_is_answered_by_pubrel(site):
    reader = make_reader(site)
    site.client("writer").publish("t", b"x", qos=2)
    packet = reader.message(is_acknowledged=False)
    assert not packet.dup
    reader.acknowledge(codec.PUBREC, packet.packet_id)
    release = reader.expect(codec.PUBREL)
    assert (release.packet_id, release.reason) == (packet.packet_id, 0)
    reader.acknowledge(codec.PUBCOMP, packet.packet_id)
    reader.nothing()


@both
@pytest.mark.conforms("5.0", "MQTT-4.4.0-1", "MQTT-3.3.1-1", "MQTT-4.3.2-3", "MQTT-4.3.3-3")
def test_unacknowledged_messages_are_sent_again_at_a_reconnect_with_dup(site, qos):
    reader, writer = make_reader(site), site.client("writer")
    for payload in (b"a", b"b", b"c"):
        writer.publish("t", payload, qos=qos)
    first = [reader.message(is_acknowledged=False) for _ in range(3)]
    reader.lose()
    writer.publish("t", b"d", qos=qos)
    found = make_reader(site).messages(4)
    assert [one.payload for one in found] == [b"a", b"b", b"c", b"d"]
    assert [one.packet_id for one in found[:3]] == [one.packet_id for one in first]
    assert [one.dup for one in found] == [True, True, True, False]


@both
@pytest.mark.conforms("5.0", "MQTT-4.4.0-1")
def test_nothing_is_sent_again_while_the_connection_is_there(make_site, qos):
    site = make_site()
    reader = make_reader(site)
    site.client("writer").publish("t", b"x", qos=qos)
    reader.message(is_acknowledged=False)
    for _ in range(10):
        site.advance(30_000)
        reader.ping()
        reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.3.3-5", "MQTT-4.3.3-6", "MQTT-4.4.0-1")
def test_a_pubrel_is_sent_again_at_a_reconnect_and_the_publish_is_not(site):
    reader = make_reader(site)
    site.client("writer").publish("t", b"x", qos=2)
    packet = reader.message(is_acknowledged=False)
    reader.acknowledge(codec.PUBREC, packet.packet_id)
    reader.expect(codec.PUBREL)
    reader.lose()
    reader = make_reader(site)
    assert [(one.kind, one.packet_id) for one in reader.take()] == [
        (codec.PUBREL, packet.packet_id)
    ]
    reader.acknowledge(codec.PUBCOMP, packet.packet_id)
    reader.lose()
    make_reader(site).nothing()


@both
@pytest.mark.conforms("5.0", "MQTT-4.4.0-2")
def test_a_refusal_of_the_receiver_acknowledges(site, qos):
    reader = make_reader(site)
    site.client("writer").publish("t", b"x", qos=qos)
    packet = reader.message(is_acknowledged=False)
    kind = codec.PUBACK if qos == 1 else codec.PUBREC
    reader.acknowledge(kind, packet.packet_id, 0x83)
    reader.nothing()
    reader.lose()
    make_reader(site).nothing()


@pytest.mark.conforms("5.0", "MQTT-4.3.2-3", "MQTT-4.3.3-3", "MQTT-4.3.3-5")
def test_an_acknowledgement_of_another_kind_acknowledges_nothing(site):
    reader, writer = make_reader(site), site.client("writer")
    for qos in (1, 2, 2):
        writer.publish("t", b"%d" % qos, qos=qos)
    one, two, released = [reader.message(is_acknowledged=False).packet_id for _ in range(3)]
    reader.acknowledge(codec.PUBREC, released)
    reader.expect(codec.PUBREL)
    for kind, packet_id in (
        (codec.PUBCOMP, one),
        (codec.PUBACK, two),
        (codec.PUBCOMP, two),
        (codec.PUBACK, released),
    ):
        reader.acknowledge(kind, packet_id)
    reader.nothing()
    reader.lose()
    found = [(packet.kind, packet.packet_id) for packet in make_reader(site).take()]
    assert sorted(found) == [(codec.PUBLISH, one), (codec.PUBLISH, two), (codec.PUBREL, released)]


@pytest.mark.conforms("5.0", "MQTT-4.3.3-7")
def test_what_was_sent_once_does_not_expire(make_site):
    site = make_site()
    reader = make_reader(site)
    site.client("writer").publish("t", b"x", qos=2, properties=[(MESSAGE_EXPIRY, 5)])
    first = reader.message(is_acknowledged=False)
    reader.lose()
    site.advance(60_000)
    again = make_reader(site).message()
    assert (again.packet_id, again.dup) == (first.packet_id, True)


@both
@pytest.mark.conforms("5.0", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
def test_identifiers_may_be_acknowledged_out_of_order(site, qos):
    reader, writer = make_reader(site), site.client("writer")
    for count in range(10):
        writer.publish("t", b"%d" % count, qos=qos)
    packets = [reader.message(is_acknowledged=False) for _ in range(10)]
    for packet in packets[1::2]:
        reader.acknowledge(codec.PUBACK if qos == 1 else codec.PUBREC, packet.packet_id)
        if qos == 2:
            assert reader.expect(codec.PUBREL).packet_id == packet.packet_id
            reader.acknowledge(codec.PUBCOMP, packet.packet_id)
    reader.lose()
    found = make_reader(site).messages(5)
    assert [one.payload for one in found] == [b"0", b"2", b"4", b"6", b"8"]
    assert [one.packet_id for one in found] == [one.packet_id for one in packets[::2]]


@both
@pytest.mark.conforms("5.0", "MQTT-2.2.1-4", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
def test_an_identifier_in_use_is_never_given_to_another_message(make_site, qos):
    site = make_site(inflight_max=10)
    reader, writer = make_reader(site), site.client("writer")
    writer.publish("t", b"held", qos=qos)
    held = reader.message(is_acknowledged=False).packet_id
    for _ in range(66_000 // 400):
        writer.send(*[codec.publish("t", b"x", qos, 1 + n) for n in range(400)])
        if qos == 2:
            writer.send(*[codec.acknowledge(codec.PUBREL, 1 + n) for n in range(400)])
        writer.take()
        found = reader.drain()
        assert held not in {one.packet_id for one in found}
        assert 0 not in {one.packet_id for one in found}
    reader.ping()
