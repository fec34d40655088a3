"""MQTT 5.0: no packet larger than the client takes, and what a crash must not blur."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import MESSAGE_EXPIRY, PACKET_BYTES_MAX, SESSION_EXPIRY


@pytest.mark.conforms("5.0", "MQTT-3.1.2-24", "MQTT-3.2.2-19")
def test_no_packet_of_any_kind_is_larger_than_the_client_takes(site):
    for size in range(1, 60):
        client = site.open()
        bounds = [(PACKET_BYTES_MAX, size), (SESSION_EXPIRY, 5)]
        client.send(codec.connect("", properties=bounds))
        client.send(codec.publish("t", b"x", 1, 1), codec.publish("t", b"x", 2, 2))
        client.send(codec.acknowledge(codec.PUBREL, 2), codec.acknowledge(codec.PUBREC, 9))
        client.send(codec.subscribe(3, [("t", 1), ("u", 1)] * 20), codec.PINGREQ)
        client.send(codec.unsubscribe(4, ["t"] * 60))
        packets = client.take()
        assert all(one.size <= size for one in packets), size
        if not packets or packets[0].reason:
            client.ended()  # Where not even CONNACK fits, there is nothing to be done here.
        elif codec.UNSUBACK not in {one.kind for one in packets}:
            client.ended()  # Who would wait for an answer in vain is told so.
            assert (packets[-1].kind, packets[-1].reason) == (codec.DISCONNECT, 0x95)


@pytest.mark.conforms("5.0", "MQTT-4.3.2-5")
def test_after_puback_dup_says_nothing_where_no_session_is_kept(site):
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("t", qos=1)
    for is_dup in (False, True, True):
        writer.send_publish("t", b"same", 1, 5, dup=is_dup)
        writer.expect(codec.PUBACK)
    reader.messages(3)


@pytest.mark.conforms("5.0", "MQTT-4.3.2-5")
def test_in_a_kept_session_an_equal_message_with_dup_is_the_same_for_a_while(make_site):
    # Stricter than the standard, which would let it in twice after a PUBACK that was lost.
    site = make_site()
    writer = site.client("writer", clean_start=False, expiry_s=600)
    for step_ms in (0, 0, 30_000, 30_000):
        site.advance(step_ms)
        writer.ping()
        writer.send_publish("t", b"same", 1, 5, dup=step_ms == 0)
        writer.expect(codec.PUBACK)
        writer.send_publish("t", b"other", 1, 6)
        writer.expect(codec.PUBACK)
    assert [one.payload for one in site.uplinked].count(b"same") == 3


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("5.0", "MQTT-3.3.2-5", "MQTT-3.3.1-1")
def test_what_was_queued_for_who_is_away_expires_and_has_no_dup_after_a_crash_too(make_site, qos):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=600)
    reader.subscribe("t", qos=qos)
    reader.lose()
    writer = site.client("writer")
    writer.publish("t", b"short", qos=qos, properties=[(MESSAGE_EXPIRY, 5)])
    writer.publish("t", b"long", qos=qos, properties=[(MESSAGE_EXPIRY, 500)])
    site.restart(away_ms=60_000)
    packets = site.client("reader", clean_start=False).messages(1)
    assert [(one.payload, one.dup) for one in packets] == [(b"long", False)]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-1", "MQTT-4.3.3-7")
def test_what_may_have_been_sent_before_a_crash_comes_again_with_dup(make_site):
    site = make_site()
    reader = site.client("reader", clean_start=False, expiry_s=600)
    reader.subscribe("t", qos=2)
    writer = site.client("writer")
    writer.publish("t", b"sent", qos=2, properties=[(MESSAGE_EXPIRY, 5)])
    sent = reader.message(is_acknowledged=False)
    reader.lose()
    writer.publish("t", b"queued", qos=2)
    site.restart(away_ms=60_000)
    packets = site.client("reader", clean_start=False).messages(2)
    assert [(one.payload, one.dup) for one in packets] == [(b"sent", True), (b"queued", False)]
    assert packets[0].packet_id == sent.packet_id


@pytest.mark.conforms("5.0", "MQTT-3.1.2-23", "MQTT-4.1.0-2")
def test_an_expiry_said_with_disconnect_outlives_a_crash(make_site):
    site = make_site()
    for name, expiry_s in (("short", 5), ("long", 500)):
        client = site.client(name, clean_start=False, expiry_s=50)
        client.disconnect(properties=[(SESSION_EXPIRY, expiry_s)])
    site.restart(away_ms=100_000)
    assert not site.client("short", clean_start=False).connack.session_present
    assert site.client("long", clean_start=False).connack.session_present


@pytest.mark.conforms("5.0", "MQTT-3.1.2-4", "MQTT-4.1.0-1")
def test_a_clean_start_that_is_not_durable_leaves_the_old_session_as_it_was(make_site):
    site = make_site()
    reader = site.client("a", clean_start=False, expiry_s=600)
    reader.subscribe("t", qos=1)
    reader.lose()
    site.client("writer").publish("t", b"x", qos=1)
    site.hold_commits()
    fresh = site.open()
    fresh.send(codec.connect("a", clean_start=True))
    fresh.nothing()
    site.restart()
    again = site.client("a", clean_start=False, expiry_s=600)
    assert again.connack.session_present
    assert again.message().payload == b"x"
