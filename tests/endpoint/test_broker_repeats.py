"""A QoS 1 message that is sent again is known; a new one never passes for it for long."""

from endpoint.rig import Site
from tidegate_linux.endpoint.broker.state.repeats import Repeats


def test_a_message_is_known_by_packet_id_and_content():
    repeats = Repeats(10)
    repeats.remember(7, 1234, turn=1, now_ms=0)
    assert repeats.is_known(7, 1234)
    assert not repeats.is_known(7, 1235)
    assert not repeats.is_known(8, 1234)


def test_only_the_last_ones_are_remembered():
    repeats = Repeats(10)
    for turn in range(1, 31):
        repeats.remember(turn, turn, turn, now_ms=0)
        repeats.take_stale(settled=0, before_ms=-1)
    assert len(repeats.turns()) == 10
    assert not repeats.is_known(20, 20)
    assert repeats.is_known(21, 21)


def test_what_was_acknowledged_long_ago_is_forgotten():
    repeats = Repeats(10)
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.remember(2, 22, turn=2, now_ms=5000)
    assert repeats.take_stale(settled=2, before_ms=4000) == [1]
    assert not repeats.is_known(1, 11)
    assert repeats.is_known(2, 22)


def test_what_is_not_acknowledged_yet_is_never_too_old():
    repeats = Repeats(10)
    repeats.remember(1, 11, turn=1, now_ms=0)
    assert repeats.take_stale(settled=0, before_ms=4000) == []


def test_an_old_message_takes_no_newer_one_with_its_packet_id_along():
    repeats = Repeats(10)
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.remember(1, 11, turn=2, now_ms=5000)
    assert repeats.take_stale(settled=2, before_ms=4000) == [1]
    assert repeats.is_known(1, 11)


def test_what_was_noted_is_known_after_a_start():
    repeats = Repeats(10)
    repeats.restore(4, [(1, 11), (2, 22)], now_ms=0)
    assert repeats.is_known(2, 22)
    assert repeats.turns() == [4]


def test_a_client_that_comes_back_late_may_miss_the_second_puback_too():
    repeats = Repeats(10)
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.doubt(1, now_ms=20_000)
    assert repeats.take_stale(settled=1, before_ms=10_000) == []
    assert repeats.is_known(1, 11)
    assert repeats.take_stale(settled=1, before_ms=20_001) == [1]


def test_what_was_answered_late_is_old_from_the_answer_on():
    repeats = Repeats(10)
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.answered(1, now_ms=20_000)
    assert repeats.take_stale(settled=1, before_ms=10_000) == []


def test_a_message_is_admitted_once_though_its_puback_is_lost_twice():
    site = Site()
    for is_again in (False, True, True):
        client = site.client("device", clean_start=False, expiry_s=3600)
        client.send_publish("t", b"1", qos=1, packet_id=1, dup=is_again)
        if is_again:
            client.send_publish("t", b"2", qos=1, packet_id=2, dup=site.now_ms > 1_020_000)
        client.lose()
        site.advance(15_000)
    assert [one.payload for one in site.uplinked] == [b"1", b"2"]


def test_a_message_is_admitted_once_though_its_commit_took_long():
    site = Site()
    client = site.client("device", clean_start=False, expiry_s=3600)
    site.hold_commits()
    client.send_publish("t", b"1", qos=1, packet_id=1)
    site.advance(15_000)
    site.commit()
    client.send_publish("t", b"2", qos=1, packet_id=2)
    client.lose()
    client = site.client("device", clean_start=False, expiry_s=3600)
    client.send_publish("t", b"1", qos=1, packet_id=1, dup=True)
    assert [one.payload for one in site.uplinked] == [b"1", b"2"]
