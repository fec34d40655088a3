"""MQTT 5.0, chapters 3.1.2.5 and 3.1.3.2: wills, when they are published and when they are not."""

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import (
    CONTENT_TYPE,
    CORRELATION_DATA,
    MESSAGE_EXPIRY,
    PAYLOAD_FORMAT,
    RESPONSE_TOPIC,
    SESSION_EXPIRY,
    USER_PROPERTY,
    WILL_DELAY,
)

WILL = (b"w", b"gone", 1, False)


@pytest.fixture
def watch(request):
    def watch_site(site):
        watcher = site.client("watcher", clean_start=False, expiry_s=3600)
        watcher.subscribe("w", qos=2, options=0x08)
        return watcher

    return watch_site


def delayed(site, delay_s, expiry_s=600, client_id="a"):
    return site.client(
        client_id,
        clean_start=False,
        expiry_s=expiry_s,
        will=WILL,
        will_properties=[(WILL_DELAY, delay_s)],
    )


@pytest.mark.conforms("5.0", "MQTT-3.1.2-7", "MQTT-3.1.2-8", "MQTT-3.1.2-14")
def test_a_will_is_published_when_the_connection_is_lost(site, watch):
    watcher = watch(site)
    site.client("a", will=WILL).lose()
    (packet,) = watcher.messages(1)
    assert (packet.payload, packet.qos, packet.retain) == (b"gone", 1, False)
    reader = site.client("reader")
    reader.subscribe("w")
    reader.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-15", "MQTT-3.1.2-8")
def test_a_will_may_be_retained(site, watch):
    watcher = watch(site)
    site.client("a", will=(b"w", b"gone", 0, True)).lose()
    assert watcher.message().retain
    reader = site.client("reader")
    reader.subscribe("w")
    assert reader.message().payload == b"gone"


@pytest.mark.conforms("5.0", "MQTT-3.14.4-3", "MQTT-3.1.2-10", "MQTT-3.1.2-8")
def test_disconnect_withdraws_the_will(site, watch):
    watcher = watch(site)
    site.client("a", will=WILL).disconnect()
    watcher.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_disconnect_with_will_publishes_it(site, watch):
    watcher = watch(site)
    site.client("a", will=WILL).disconnect(0x04)
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_a_protocol_error_publishes_the_will(site, watch):
    watcher = watch(site)
    client = site.client("a", will=WILL)
    client.send(b"\x00\x00")
    client.ended()
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-10")
def test_a_will_is_published_once(site, watch):
    watcher = watch(site)
    client = site.client("a", clean_start=False, expiry_s=60, will=WILL)
    client.lose()
    watcher.messages(1)
    site.client("a", clean_start=False, expiry_s=60).lose()
    watcher.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_a_will_waits_for_its_delay(make_site, watch):
    site = make_site(keepalive_s_max=65535)
    watcher = watch(site)
    delayed(site, 30).lose()
    site.advance(29_000)
    watcher.nothing()
    site.advance(1001)
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.3-9", "MQTT-3.1.2-8")
def test_a_client_that_is_back_in_time_leaves_no_will(make_site, watch):
    site = make_site(keepalive_s_max=65535)
    watcher = watch(site)
    delayed(site, 30).lose()
    site.advance(20_000)
    client = site.client("a", clean_start=False, expiry_s=60)
    site.advance(60_000)
    watcher.nothing()
    client.lose()
    site.advance(100_000)
    watcher.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_the_end_of_the_session_ends_the_delay(make_site, watch):
    site = make_site(keepalive_s_max=65535)
    watcher = watch(site)
    delayed(site, 300, expiry_s=10).lose()
    site.advance(9000)
    watcher.nothing()
    site.advance(1001)
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_without_a_kept_session_no_delay_counts(site, watch):
    watcher = watch(site)
    delayed(site, 300, expiry_s=0).lose()
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8", "MQTT-3.1.2-4")
def test_a_clean_start_ends_the_session_and_so_the_delay(site, watch):
    watcher = watch(site)
    delayed(site, 300).lose()
    watcher.nothing()
    site.client("a", clean_start=True).ping()
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8", "MQTT-3.1.3-9")
def test_a_takeover_publishes_the_will_of_the_old_connection_without_delay_only(site, watch):
    watcher = watch(site)
    first = site.client("a", clean_start=False, expiry_s=60, will=WILL)
    second = delayed(site, 300)
    first.refused(0x8E)
    watcher.messages(1)
    third = delayed(site, 300)
    second.refused(0x8E)
    watcher.nothing()
    third.disconnect()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_a_will_outlives_a_crash_of_the_server(make_site, watch):
    site = make_site()
    watch(site)
    site.client("a", will=WILL)
    site.restart()
    assert [one.payload for one in watch(site).messages(1)] == [b"gone"]
    site.restart()
    watch(site).nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8", "MQTT-3.1.3-9")
def test_a_delay_outlives_a_crash_of_the_server(make_site, watch):
    site = make_site(keepalive_s_max=65535)
    watch(site)
    delayed(site, 30, client_id="back")
    delayed(site, 30, client_id="away")
    site.restart(away_ms=1000)
    watcher = watch(site)
    watcher.nothing()
    site.client("back", clean_start=False, expiry_s=60).ping()
    site.advance(31_000)
    watcher.messages(1)


@pytest.mark.conforms("5.0", "MQTT-3.1.2-10")
def test_a_will_that_was_withdrawn_does_not_come_back_with_a_crash(make_site, watch):
    site = make_site()
    watch(site)
    site.client("a", clean_start=False, expiry_s=60, will=WILL).disconnect()
    site.restart()
    watch(site).nothing()


@pytest.mark.conforms("5.0", "MQTT-3.1.3-10", "MQTT-3.3.2-4", "MQTT-3.3.2-15")
def test_properties_of_a_will_are_passed_on_in_order(site, watch):
    watcher = watch(site)
    given = [
        (USER_PROPERTY, (b"z", b"1")),
        (PAYLOAD_FORMAT, 1),
        (USER_PROPERTY, (b"a", b"2")),
        (RESPONSE_TOPIC, b"r"),
        (CORRELATION_DATA, b"\x00\x01"),
        (CONTENT_TYPE, b"text"),
        (USER_PROPERTY, (b"z", b"3")),
    ]
    site.client("a", will=WILL, will_properties=[(WILL_DELAY, 0), *given]).lose()
    packet = watcher.message()
    for identifier in {kind for kind, _ in given}:
        assert packet.all_of(identifier) == [value for kind, value in given if kind == identifier]
    assert packet.property(WILL_DELAY) is None


@pytest.mark.conforms("5.0", "MQTT-3.3.2-6")
def test_the_expiry_of_a_will_starts_when_it_is_published(make_site, watch):
    site = make_site(keepalive_s_max=65535)
    watcher = watch(site)
    client = site.client(
        "a",
        clean_start=False,
        properties=[(SESSION_EXPIRY, 600)],
        will=WILL,
        will_properties=[(WILL_DELAY, 60), (MESSAGE_EXPIRY, 50)],
    )
    client.lose()
    site.advance(61_000)
    assert watcher.message().property(MESSAGE_EXPIRY) == 50


@pytest.mark.conforms("5.0", "MQTT-3.1.2-8")
def test_a_will_goes_up_like_every_message(make_site):
    site = make_site()
    site.client("a", will=WILL).lose()
    assert [(one.topic, one.payload) for one in site.uplinked] == [(b"w", b"gone")]


@pytest.mark.conforms("5.0", "MQTT-3.1.4-2")
def test_a_will_that_its_client_may_not_publish_does_no_harm(make_site, watch):
    site = make_site(access=((("*",), ("watcher",), ("#",), ("#",)), (("*",), ("a",), (), ())))
    watcher = watch(site)
    client = site.open()
    client.send(codec.connect("a", will=WILL))
    client.take()
    client.lose()
    watcher.nothing()
