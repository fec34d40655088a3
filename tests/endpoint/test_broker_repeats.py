"""A QoS 1 message that is sent again is known; a new one never passes for it for long."""

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
