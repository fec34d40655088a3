"""MQTT 3.1.1, chapters 3.1.2.4 and following: sessions and wills."""

import pytest

from endpoint import client_codec as codec


def keeping(site, client_id="a", **options):
    """Return a client of a session that is kept."""
    return site.client(client_id, version=4, clean_start=False, **options)


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-4", "MQTT-3.2.2-2", "MQTT-3.2.2-3", "MQTT-3.1.3-2")
def test_a_session_is_made_and_gone_on_with(site):
    first = keeping(site)
    assert not first.connack.session_present
    first.subscribe("t", qos=1)
    first.disconnect()
    second = keeping(site)
    assert second.connack.session_present
    site.client("w", version=4).publish("t", b"x", qos=1)
    assert second.message().payload == b"x"


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-5", "MQTT-4.1.0-1", "MQTT-4.5.0-1")
def test_messages_for_a_client_that_is_away_are_stored(site, qos):
    first = keeping(site)
    first.subscribe("t", qos=qos)
    first.disconnect()
    writer = site.client("w", version=4)
    for number in range(5):
        writer.publish("t", b"%d" % number, qos=qos)
    assert [one.payload for one in keeping(site).messages(5)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-4", "MQTT-3.1.2-5", "MQTT-4.1.0-1")
def test_a_session_and_its_messages_outlive_a_crash(make_site):
    site = make_site()
    keeping(site).subscribe("t", qos=1)
    site.restart()
    site.client("w", version=4).publish("t", b"x", qos=1)
    site.restart()
    client = keeping(site)
    assert client.connack.session_present
    assert [one.payload for one in client.messages(1)] == [b"x"]


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-6", "MQTT-3.1.4-3", "MQTT-3.2.2-1")
def test_a_clean_session_throws_the_old_one_away(site):
    first = keeping(site)
    first.subscribe("t", qos=1)
    first.disconnect()
    writer = site.client("w", version=4)
    writer.publish("t", b"lost", qos=1)
    clean = site.client("a", version=4)
    assert not clean.connack.session_present
    clean.nothing()
    clean.disconnect()
    third = keeping(site)
    assert not third.connack.session_present
    writer.publish("t", b"lost too", qos=1)
    third.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-6")
def test_a_clean_session_ends_with_its_connection(site):
    clean = site.client("a", version=4)
    clean.subscribe("t", qos=1)
    clean.disconnect()
    client = keeping(site)
    assert not client.connack.session_present
    site.client("w", version=4).publish("t", b"x", qos=1)
    client.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-7")
def test_retained_messages_outlive_the_session_of_their_publisher(site):
    writer = site.client("w", version=4)
    writer.publish("t", b"x", qos=1, retain=True)
    writer.disconnect()
    site.client("w", version=4).disconnect()
    reader = site.client("r", version=4)
    reader.subscribe("t")
    assert reader.message().payload == b"x"


@pytest.mark.conforms("3.1.1", "MQTT-4.1.0-2")
def test_a_session_lasts_as_long_as_its_connection(make_site):
    site = make_site(session_expiry_s_max=10)
    client = keeping(site)
    client.subscribe("t", qos=1)
    site.advance(100_000)
    site.client("w", version=4).publish("t", b"x", qos=1)
    assert client.message().payload == b"x"


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-8", "MQTT-3.1.2-10", "MQTT-3.1.2-16")
def test_a_will_is_published_once_when_the_connection_breaks(site, qos):
    reader = site.client("r", version=4)
    reader.subscribe("will", qos=2)
    keeping(site, will=(b"will", b"gone", qos, False)).wire.close()
    will = reader.message()
    assert (will.payload, will.qos, will.retain) == (b"gone", qos, False)
    keeping(site).wire.close()
    reader.nothing()
    late = site.client("late", version=4)
    late.subscribe("will")
    late.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-17")
def test_a_will_to_be_retained_is_retained(site):
    site.client("a", version=4, will=(b"will", b"gone", 1, True)).wire.close()
    site.advance(100)
    late = site.client("late", version=4)
    late.subscribe("will", qos=1)
    will = late.message()
    assert (will.payload, will.qos, will.retain) == (b"gone", 1, True)


@pytest.mark.conforms("3.1.1", "MQTT-3.14.4-3", "MQTT-3.1.2-8", "MQTT-3.1.2-10")
def test_disconnect_throws_the_will_away(site):
    reader = site.client("r", version=4)
    reader.subscribe("will")
    site.client("a", version=4, will=(b"will", b"gone", 0, False)).disconnect()
    reader.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-12")
def test_without_a_will_none_is_published(site):
    reader = site.client("r", version=4)
    reader.subscribe("#")
    site.client("a", version=4).wire.close()
    reader.nothing()


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-8", "MQTT-3.1.4-2")
def test_a_will_is_published_where_the_client_was_replaced_or_broke_a_rule(site):
    reader = site.client("r", version=4)
    reader.subscribe("will")
    site.client("a", version=4, will=(b"will", b"replaced", 0, False))
    site.client("a", version=4, will=(b"will", b"broke", 0, False)).send(b"\x00\x00")
    assert [one.payload for one in reader.messages(2)] == [b"replaced", b"broke"]


@pytest.mark.conforms("3.1.1", "MQTT-3.1.2-8")
def test_a_will_outlives_a_crash_of_the_server(make_site):
    site = make_site()
    keeping(site, "r").subscribe("will", qos=1)
    keeping(site, will=(b"will", b"gone", 1, False))
    site.restart()
    assert keeping(site, "r").message().payload == b"gone"


@pytest.mark.conforms("3.1.1", "MQTT-3.14.1-1", "MQTT-2.2.2-2", "MQTT-3.1.2-8")
def test_a_disconnect_with_flags_is_none(site):
    reader = site.client("r", version=4)
    reader.subscribe("will")
    client = site.client("a", version=4, will=(b"will", b"gone", 0, False))
    client.send(codec.packet(0xE1, b""))
    client.refused()
    assert reader.message().payload == b"gone"
