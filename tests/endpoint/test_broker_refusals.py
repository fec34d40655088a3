"""A journal without room: what a PUBREC that refuses promises, it promises over a crash too."""

from endpoint import client_codec as codec
from endpoint.rig import Site

NO_ROOM = 0x97


def device(site):
    return site.client("device", clean_start=False, expiry_s=3600)


def test_a_packet_id_that_was_refused_may_be_used_again_after_a_crash():
    site = Site()
    client = device(site)
    site.hold_commits()
    site.is_refusing = True
    client.send_publish("t", b"1", qos=2, packet_id=1)
    site.commit(1)
    told = [packet.reason for packet in client.take() if packet.kind == codec.PUBREC]
    site.restart()
    site.is_refusing = False
    client = device(site)
    # Before the crash it was told nothing, or that this packet id is free.
    assert told in ([], [NO_ROOM])
    payload, is_again = (b"2", False) if told else (b"1", True)
    client.send_publish("t", payload, qos=2, packet_id=1, dup=is_again)
    assert client.expect(codec.PUBREC).reason == 0
    if told:
        assert [one.payload for one in site.uplinked] == [payload]


def test_a_refusal_leaves_once_the_packet_id_is_noted_as_free():
    site = Site()
    client = device(site)
    site.hold_commits()
    site.is_refusing = True
    client.send_publish("t", b"1", qos=2, packet_id=1)
    site.commit(1)
    client.nothing()
    site.commit(1)
    assert client.expect(codec.PUBREC).reason == NO_ROOM


def test_what_is_behind_a_refusal_keeps_its_order_and_its_own_verdict():
    site = Site()
    client = device(site)
    site.hold_commits()
    site.is_refusing = True
    client.send_publish("t", b"1", qos=2, packet_id=1)
    client.send_publish("t", b"2", qos=2, packet_id=2)
    site.commit(1)
    site.is_refusing = False
    site.commit(1)
    client.nothing()
    site.is_refusing = True
    site.commit(1)
    answers = [client.expect(codec.PUBREC) for _ in range(2)]
    assert [(one.packet_id, one.reason) for one in answers] == [(1, NO_ROOM), (2, 0)]
    assert [one.payload for one in site.uplinked] == [b"2"]
