"""A start after a crash: sessions, wills and times go on, whatever state the notes are in."""

from endpoint import client_codec as codec
from endpoint.rig import Site

WILL_DELAY, SESSION_EXPIRY = 0x18, 0x11


def payloads(site):
    return [message.payload for message in site.uplinked]


def test_the_will_of_a_clean_session_is_published_after_a_crash():
    site = Site()
    site.client("a", will=(b"a", b"gone", 1, False))
    site.restart()
    assert payloads(site) == [b"gone"]
    site.restart()
    assert payloads(site) == [b"gone"]


def test_the_will_of_a_kept_session_keeps_its_delay_over_a_crash():
    site = Site()
    will = (b"a", b"gone", 1, False)
    site.client("a", expiry_s=600, will=will, will_properties=[(WILL_DELAY, 5)])
    site.restart()
    site.advance(4000)
    assert payloads(site) == []
    site.advance(1100)
    assert payloads(site) == [b"gone"]


def test_a_client_that_is_back_in_time_has_no_will_published():
    site = Site()
    will = (b"a", b"gone", 1, False)
    site.client("a", expiry_s=600, will=will, will_properties=[(WILL_DELAY, 5)])
    site.restart()
    site.client("a", expiry_s=600, clean_start=False)
    site.advance(60_000)
    site.restart()
    assert payloads(site) == []


def test_a_will_that_was_taken_back_stays_so_after_a_crash():
    site = Site()
    site.client("a", will=(b"a", b"gone", 1, False)).disconnect()
    site.restart()
    assert payloads(site) == []


def test_wills_wait_for_the_next_start_where_the_gateway_stops():
    site = Site()
    site.client("a", will=(b"a", b"gone", 1, False))
    site.broker.close(site.now_ms)
    site.run()
    assert payloads(site) == []
    site.restart()
    assert payloads(site) == [b"gone"]


def test_a_session_expires_while_the_gateway_is_down():
    site = Site()
    site.client("a", expiry_s=60).lose()
    site.restart(away_ms=59_000)
    assert site.client("a", expiry_s=60, clean_start=False).connack.session_present
    site.restart(away_ms=1000)
    site.restart(away_ms=61_000)
    assert not site.client("a", expiry_s=60, clean_start=False).connack.session_present


def test_an_expired_session_leaves_nothing_behind():
    site = Site()
    reader = site.client("a", expiry_s=60)
    reader.subscribe("x/#", qos=2)
    reader.publish("y", b"1", qos=1)
    reader.send_publish("y", b"2", qos=2, packet_id=9)
    reader.lose()
    site.client("b").publish("x", b"3", qos=2)
    site.advance(61_000)
    assert set(site.committed) == {b"turn"}


def test_a_session_that_is_ended_by_disconnect_leaves_nothing_behind():
    site = Site()
    reader = site.client("a", expiry_s=60)
    reader.subscribe("x/#", qos=2)
    reader.disconnect(properties=[(SESSION_EXPIRY, 0)])
    assert set(site.committed) == {b"turn"}


def test_a_clean_start_forgets_the_session_for_good():
    site = Site()
    reader = site.client("a", expiry_s=60)
    reader.subscribe("x", qos=1)
    reader.lose()
    site.client("b").publish("x", b"1", qos=1)
    site.client("a", expiry_s=60, clean_start=True)
    site.restart()
    again = site.client("a", expiry_s=60, clean_start=False)
    assert again.connack.session_present
    again.nothing()


def test_a_clean_start_that_was_not_durable_was_not_answered():
    site = Site()
    site.client("a", expiry_s=60).lose()
    site.hold_commits()
    client = site.open()
    client.send(codec.connect("a", clean_start=True, properties=[(SESSION_EXPIRY, 60)]))
    client.nothing()
    site.commit()
    client.expect(codec.CONNACK)


def test_damaged_notes_are_left_out_and_told():
    site = Site()
    site.client("a", expiry_s=60).subscribe("x", qos=1)
    site.committed[b"Azz"] = b"\x01cut"
    site.committed[b"F" + bytes(8) + b"of nobody"] = b"\x01\0\0\0\0\0"
    site.committed[b"unknown"] = b"1"
    site.restart()
    assert site.client("a", expiry_s=60, clean_start=False).connack.session_present
    assert ("warning", "notes_lost", [("count", 3)]) in site.reports
    assert not {b"Azz", b"unknown"} & set(site.committed)


def test_a_retained_message_survives_a_crash():
    site = Site()
    site.client("a").publish("x", b"1", qos=1, retain=True)
    site.restart()
    reader = site.client("b")
    reader.subscribe("x")
    message = reader.message()
    assert (message.payload, message.retain) == (b"1", True)
