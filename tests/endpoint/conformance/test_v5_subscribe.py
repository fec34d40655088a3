"""MQTT 5.0, chapters 3.8 to 3.12: subscriptions come and go, and PING is answered."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    NO_LOCAL,
    PACKET_BYTES_MAX,
    REASON_STRING,
    REQUEST_PROBLEM,
    SUBSCRIPTION_ID,
    USER_PROPERTY,
)

MALFORMED, PROTOCOL_ERROR = 0x81, 0x82
SUBACK_REASONS = {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2}
UNSUBACK_REASONS = {0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91}
SOME = ((("*",), ("*",), ("#",), ("open/#",)),)  # Only below open/ may be subscribed to.


@pytest.mark.conforms(
    "5.0", "MQTT-3.8.4-1", "MQTT-3.8.4-5", "MQTT-3.8.4-6", "MQTT-3.8.4-7", "MQTT-3.9.3-1"
)
def test_each_filter_gets_its_answer_in_order(make_site):
    site = make_site(access=SOME)
    client = site.client("a")
    wanted = [("open/a", 2), ("closed", 1), ("open/b", 0), ("open/c/#", 1), ("#", 2)]
    client.send(codec.subscribe(3, wanted))
    suback = client.expect(codec.SUBACK)
    assert suback.reasons == (2, 0x87, 0, 1, 0x87)
    client.publish("closed", b"x")
    client.publish("open/b", b"y")
    assert [one.payload for one in client.messages(1)] == [b"y"]


@pytest.mark.conforms("5.0", "MQTT-3.9.3-2", "MQTT-3.8.4-7")
def test_over_the_bound_a_subscription_fails_with_a_reason(make_site):
    site = make_site(subscriptions_max=2)
    client = site.client("a")
    assert client.subscribe("a", "b", "c").reasons == (0, 0, 0x97)
    assert client.subscribe("a", qos=1).reasons == (1,)
    client.unsubscribe("b")
    assert client.subscribe("c").reasons == (0,)


@pytest.mark.conforms("5.0", "MQTT-3.9.3-2")
def test_reasons_of_suback_are_among_those_that_there_are(site):
    client = site.client("a")
    wanted = ["#", "+/+", "$SYS/#", "$share/g/a", "/", "//", "a/" * 100]
    assert set(client.subscribe(*wanted, qos=2).reasons) <= SUBACK_REASONS


@pytest.mark.conforms("5.0", "MQTT-3.8.4-8", "MQTT-3.8.4-7")
def test_a_message_goes_out_with_the_lower_of_both_qos(site):
    writer = site.client("writer")
    readers = [site.client(f"reader-{granted}") for granted in (0, 1, 2)]
    for granted, reader in enumerate(readers):
        assert reader.subscribe("t", qos=granted).reasons == (granted,)
    for qos in (0, 1, 2):
        writer.publish("t", b"x", qos=qos)
    for granted, reader in enumerate(readers):
        assert [one.qos for one in reader.drain()] == [min(granted, qos) for qos in (0, 1, 2)]


@pytest.mark.conforms("5.0", "MQTT-3.8.4-3")
def test_the_same_filter_again_replaces_the_subscription(site):
    reader = site.client("reader")
    reader.subscribe("t", qos=2, properties=[(SUBSCRIPTION_ID, 1)])
    reader.subscribe("t", qos=0, properties=[(SUBSCRIPTION_ID, 2)])
    site.client("writer").publish("t", b"x", qos=2)
    (packet,) = reader.messages(1)
    assert (packet.qos, packet.all_of(SUBSCRIPTION_ID)) == (0, [2])
    reader.unsubscribe("t")
    site.client("writer").publish("t", b"x", qos=2)
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.8.4-4")
def test_replacing_a_subscription_loses_nothing(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=1)
    found = []
    for count in range(20):
        writer.publish("t", b"%d" % count, qos=1)
        reader.subscribe("t", qos=1, options=0x20)
        found += reader.drain()
    assert [one.payload for one in found] == [b"%d" % count for count in range(20)]


@pytest.mark.conforms("5.0", "MQTT-3.8.3-2", "MQTT-3.10.3-2")
def test_without_a_filter_the_connection_is_ended(site):
    for packet in (codec.subscribe(1, []), codec.unsubscribe(1, [])):
        client = site.client("a")
        client.send(packet)
        client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-3.8.3-3")
def test_with_no_local_a_client_does_not_get_what_it_published(site):
    client, other = site.client("a"), site.client("b")
    client.subscribe("t", qos=1, options=NO_LOCAL)
    client.publish("t", b"own", qos=1)
    other.publish("t", b"other", qos=1)
    assert [one.payload for one in client.messages(1)] == [b"other"]


@pytest.mark.conforms("5.0", "MQTT-3.8.3-3")
def test_no_local_is_by_client_identifier_and_kept_over_a_crash(make_site):
    site = make_site()
    site.client("a", clean_start=False, expiry_s=60).subscribe("t", qos=1, options=NO_LOCAL)
    site.restart()
    client = site.client("a", clean_start=False, expiry_s=60)
    client.publish("t", b"own", qos=1)
    client.nothing()
    site.client("b").publish("t", b"other", qos=1)
    assert client.message().payload == b"other"


@pytest.mark.conforms("5.0", "MQTT-3.8.3-3", "MQTT-3.3.4-2")
def test_no_local_of_one_subscription_does_not_silence_another(site):
    client = site.client("a")
    client.subscribe("t/#", qos=2, options=NO_LOCAL, properties=[(SUBSCRIPTION_ID, 1)])
    client.subscribe("t/a", qos=1, properties=[(SUBSCRIPTION_ID, 2)])
    client.publish("t/a", b"own", qos=2)
    (packet,) = client.messages(1)
    assert (packet.qos, packet.all_of(SUBSCRIPTION_ID)) == (1, [2])


@pytest.mark.conforms("5.0", "MQTT-3.8.3-4")
def test_no_local_on_a_shared_subscription_ends_the_connection(site):
    client = site.client("a")
    client.send(codec.subscribe(1, [("$share/g/t", NO_LOCAL)]))
    client.refused(PROTOCOL_ERROR)


@pytest.mark.parametrize("options", [0x40, 0x80, 0x03, 0x30])
@pytest.mark.conforms("5.0", "MQTT-3.8.3-5")
def test_options_that_there_are_not_end_the_connection(site, options):
    client = site.client("a")
    client.send(codec.subscribe(1, [("t", options)]))
    client.refused(MALFORMED, PROTOCOL_ERROR)


@pytest.mark.conforms("5.0", "MQTT-3.10.4-1", "MQTT-3.10.4-2")
def test_only_the_very_same_filter_is_unsubscribed(site):
    client = site.client("a")
    client.subscribe("a/+", "a/#", "a/b")
    assert client.unsubscribe("a/c", "A/b", "a/b/", "a/+").reasons == (0x11, 0x11, 0x11, 0)
    client.publish("a/b", b"x")
    client.messages(1)
    client.unsubscribe("a/#")
    client.publish("a/c", b"x")
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.10.4-3")
def test_messages_on_their_way_are_completed_after_unsubscribing(site):
    reader, writer = site.client("reader", clean_start=False, expiry_s=60), site.client("writer")
    reader.subscribe("t", qos=2)
    writer.publish("t", b"one", qos=1)
    writer.publish("t", b"two", qos=2)
    one, two = (reader.message(is_acknowledged=False) for _ in range(2))
    reader.unsubscribe("t")
    reader.acknowledge(codec.PUBREC, two.packet_id)
    assert reader.expect(codec.PUBREL).packet_id == two.packet_id
    reader.lose()
    again = site.client("reader", clean_start=False, expiry_s=60)
    found = {(packet.kind, packet.packet_id) for packet in again.take()}
    assert found == {(codec.PUBLISH, one.packet_id), (codec.PUBREL, two.packet_id)}


@pytest.mark.conforms("5.0", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-3.10.4-6", "MQTT-3.11.3-1")
def test_unsubscribing_is_answered_for_each_filter_in_order(site):
    client = site.client("a")
    client.subscribe("a", "c")
    client.send(codec.unsubscribe(9, ["a", "b", "c", "a"]))
    unsuback = client.expect(codec.UNSUBACK)
    assert (unsuback.packet_id, unsuback.reasons) == (9, (0, 0x11, 0, 0x11))


@pytest.mark.conforms("5.0", "MQTT-3.11.3-2", "MQTT-3.10.4-5")
def test_unsubscribing_from_nothing_is_answered(site):
    unsuback = site.client("a").unsubscribe("never", "$share/g/never")
    assert set(unsuback.reasons) <= UNSUBACK_REASONS
    assert unsuback.reasons == (0x11, 0x11)


@pytest.mark.conforms("5.0", "MQTT-3.9.2-1", "MQTT-3.11.2-1", "MQTT-3.1.2-29")
def test_reason_strings_do_not_make_the_answers_too_large_or_go_to_who_declined_them(make_site):
    for size, asks in [(100, 0)] + [(size, 1) for size in range(30, 60)]:
        client = make_site(access=SOME).open()
        bounds = [(PACKET_BYTES_MAX, size), (REQUEST_PROBLEM, asks)]
        client.send(codec.connect("a", properties=bounds))
        client.take()
        client.send(codec.subscribe(1, [("closed", 0)]), codec.unsubscribe(2, ["none"]))
        answers = client.take()
        assert [one.kind for one in answers] == [codec.SUBACK, codec.UNSUBACK]
        for answer in answers:
            assert answer.size <= size
            assert asks or answer.property(REASON_STRING) is None
            assert answer.property(USER_PROPERTY) is None


@pytest.mark.conforms("5.0", "MQTT-3.8.4-1")
def test_a_subscription_starts_no_later_than_its_answer(site):
    client = site.client("a")
    client.send(codec.subscribe(1, [("t", 1)]), codec.publish("t", b"x", 1, 2))
    kinds = [one.kind for one in client.take()]
    assert sorted(kinds) == [codec.PUBLISH, codec.PUBACK, codec.SUBACK]


@pytest.mark.conforms("5.0", "MQTT-3.10.4-2")
def test_unsubscribing_is_kept_over_a_crash(make_site):
    site = make_site()
    client = site.client("a", clean_start=False, expiry_s=60)
    client.subscribe("a", "b", qos=1)
    client.unsubscribe("a")
    site.restart()
    writer = site.client("writer")
    writer.publish("a", b"x", qos=1)
    writer.publish("b", b"y", qos=1)
    again = site.client("a", clean_start=False)
    assert [one.payload for one in again.messages(1)] == [b"y"]


@pytest.mark.conforms("5.0", "MQTT-3.12.4-1")
def test_every_ping_is_answered(site):
    client = site.client("a")
    client.send(codec.PINGREQ * 3)
    assert [one.kind for one in client.take()] == [codec.PINGRESP] * 3
