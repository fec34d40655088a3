"""MQTT 5.0, chapters 3.1.2.11, 4.1 and 4.5: sessions, their life and what waits in them."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import SESSION_EXPIRY

FOREVER = 0xFFFFFFFF


def keep(site, client_id="a", expiry_s=60, clean_start=False):
    return site.client(client_id, clean_start=clean_start, expiry_s=expiry_s)


@pytest.mark.conforms("5.0", "MQTT-4.1.0-2", "MQTT-3.1.2-23")
def test_a_session_lives_for_its_expiry_after_its_connection(make_site):
    site = make_site()
    client = keep(site, expiry_s=60)
    client.subscribe("t", qos=1)
    site.advance(30_000)
    client.ping()
    client.lose()
    site.advance(59_000)
    client = keep(site, expiry_s=60)
    assert client.connack.session_present
    client.lose()
    site.advance(60_001)
    client = keep(site)
    assert not client.connack.session_present
    site.client("b").publish("t", b"x", qos=1)
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.1.0-2")
def test_the_time_a_server_was_away_counts(make_site):
    site = make_site()
    keep(site, "long", expiry_s=100).lose()
    keep(site, "short", expiry_s=50).lose()
    site.restart(away_ms=70_000)
    assert keep(site, "long").connack.session_present
    assert not keep(site, "short").connack.session_present


@pytest.mark.conforms("5.0", "MQTT-4.1.0-2")
def test_a_session_without_expiry_ends_with_its_connection(site):
    client = site.client("a", clean_start=False)
    client.subscribe("t", qos=1)
    client.lose()
    site.client("b").publish("t", b"x", qos=1)
    client = site.client("a", clean_start=False)
    assert not client.connack.session_present
    client.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.1.0-2")
def test_no_trace_of_an_expired_session_stays_on_disk(make_site):
    site = make_site()
    empty = sorted(site.committed)
    client = keep(site)
    client.subscribe("t", "u", qos=2)
    for count in range(5):
        site.client("b").publish("t", b"x", qos=1 + count % 2)
    client.send_publish("v", b"x", 2, 1)
    client.send_publish("v", b"x", 1, 2)
    client.lose()
    site.advance(61_000)
    site.client("b").publish("t", b"late", qos=1)
    assert sorted(set(site.committed) - {b"turn"}) == [key for key in empty if key != b"turn"]


@pytest.mark.conforms("5.0", "MQTT-4.1.0-2")
def test_a_session_that_never_expires_is_kept_as_long_as_the_server_allows(make_site):
    site = make_site(session_expiry_s_max=604_800)
    keep(site, expiry_s=FOREVER).lose()
    site.advance(604_700_000)
    assert keep(site).connack.session_present


@pytest.mark.conforms("5.0", "MQTT-4.1.0-1", "MQTT-3.1.3-2")
def test_a_session_lives_while_its_connection_does(make_site):
    site = make_site()
    client = keep(site, expiry_s=1)
    client.subscribe("t", qos=1)
    for _ in range(5):
        site.advance(40_000)
        client.ping()
    site.client("b").publish("t", b"x", qos=1)
    assert client.message().payload == b"x"


@pytest.mark.conforms("5.0", "MQTT-3.1.2-23", "MQTT-3.14.2-2")
def test_disconnect_may_change_the_expiry(make_site):
    site = make_site()
    client = keep(site, expiry_s=1000)
    client.disconnect(properties=[(SESSION_EXPIRY, 5)])
    site.advance(6000)
    assert not keep(site, expiry_s=5).connack.session_present
    longer = keep(site, expiry_s=5)
    longer.disconnect(properties=[(SESSION_EXPIRY, 100)])
    site.advance(60_000)
    assert keep(site).connack.session_present


@pytest.mark.conforms("5.0", "MQTT-4.1.0-2")
def test_disconnect_with_expiry_0_ends_the_session(site):
    keep(site).disconnect(properties=[(SESSION_EXPIRY, 0)])
    assert not keep(site).connack.session_present


@pytest.mark.conforms("5.0", "MQTT-4.13.1-1")
def test_disconnect_may_not_give_a_session_an_expiry_that_had_none(site):
    client = site.client("a", clean_start=False)
    client.send(codec.disconnect(0, [(SESSION_EXPIRY, 60)]))
    client.ended()
    packets = client.take()
    assert [one.reason for one in packets if one.kind == codec.DISCONNECT] in ([], [0x82])
    assert not site.client("a", clean_start=False).connack.session_present


@pytest.mark.conforms("5.0", "MQTT-3.1.2-4", "MQTT-4.1.0-1")
def test_a_clean_start_takes_over_from_a_living_connection(site):
    first = keep(site)
    first.subscribe("t", qos=1)
    second = keep(site, clean_start=True)
    first.refused(0x8E)
    site.client("b").publish("t", b"x", qos=1)
    second.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.4-3", "MQTT-4.4.0-1", "MQTT-3.1.2-5")
def test_a_takeover_goes_on_with_what_was_on_its_way(site):
    first = keep(site)
    first.subscribe("t", qos=2)
    writer = site.client("writer")
    writer.publish("t", b"one", qos=1)
    writer.publish("t", b"two", qos=2)
    first.message(is_acknowledged=False)
    second = keep(site)
    assert [(one.payload, one.dup) for one in second.messages(2)] == [
        (b"one", True),
        (b"two", True),
    ]
    assert [one.reason for one in first.take() if one.kind == codec.DISCONNECT] == [0x8E]


@pytest.mark.conforms("5.0", "MQTT-4.5.0-1")
def test_messages_wait_in_order_for_who_is_away(site):
    reader = keep(site)
    reader.subscribe("a/#", qos=2)
    reader.disconnect()
    writer = site.client("writer")
    for count in range(30):
        writer.publish(f"a/{count % 2}", b"%d" % count, qos=1 + count % 2)
    found = keep(site).messages(30)
    assert [one.payload for one in found] == [b"%d" % count for count in range(30)]
    assert not any(one.dup for one in found)


@pytest.mark.conforms("5.0", "MQTT-4.5.0-1")
def test_a_long_queue_comes_whole_and_in_order_after_a_crash(make_site):
    site = make_site()
    reader = keep(site, expiry_s=600)
    reader.subscribe("t", qos=2)
    reader.lose()
    writer = site.client("writer")
    for count in range(2000):
        writer.publish("t", b"%d" % count, qos=1)
    site.restart()
    reader = keep(site, expiry_s=600)
    found = [reader.message() for _ in range(700)]
    site.client("writer").publish("t", b"last", qos=1)
    found += reader.drain()
    assert [one.payload for one in found] == [b"%d" % n for n in range(2000)] + [b"last"]
    assert len({one.packet_id for one in found}) == 2001


@pytest.mark.conforms("5.0", "MQTT-4.5.0-1")
def test_of_a_queue_that_is_full_the_oldest_are_dropped_and_counted(make_site):
    site = make_site(queue_messages_max=10)
    reader = keep(site)
    reader.subscribe("t", qos=1)
    reader.lose()
    writer = site.client("writer")
    for count in range(15):
        writer.publish("t", b"%d" % count, qos=1)
    site.restart()
    found = keep(site).messages(10)
    assert [one.payload for one in found] == [b"%d" % count for count in range(5, 15)]


@pytest.mark.conforms("5.0", "MQTT-4.5.0-1", "MQTT-3.1.2-23")
def test_subscriptions_of_who_is_away_outlive_a_crash(make_site):
    site = make_site()
    reader = keep(site)
    reader.subscribe("t", qos=1)
    reader.lose()
    site.restart()
    site.client("writer").publish("t", b"x", qos=1)
    assert [one.payload for one in keep(site).messages(1)] == [b"x"]


@pytest.mark.conforms("5.0", "MQTT-3.1.2-4")
def test_a_clean_start_throws_the_session_on_disk_away(make_site):
    site = make_site()
    reader = keep(site)
    reader.subscribe("t", qos=1)
    reader.lose()
    site.client("writer").publish("t", b"x", qos=1)
    keep(site, clean_start=True).lose()
    site.restart()
    reader = keep(site)
    assert reader.connack.session_present
    site.client("writer").publish("t", b"y", qos=1)
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-5")
def test_clients_of_both_versions_share_their_sessions(site):
    first = site.client("a", version=4, clean_start=False)
    first.subscribe("t", qos=1)
    first.lose()
    second = keep(site)
    assert second.connack.session_present
    second.lose()
    third = site.client("a", version=4, clean_start=False)
    assert third.connack.session_present
    site.client("writer").publish("t", b"x", qos=1)
    assert third.message().payload == b"x"
