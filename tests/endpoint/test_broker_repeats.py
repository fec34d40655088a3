"""A QoS 1 message that is sent again is known; a new one never passes for it for long."""

from endpoint.rig import Site
from tidegate_linux.endpoint.broker.state.repeats import ALL_MAX, IDS, SHARE_MIN, Repeats, Total


def test_a_message_is_known_by_packet_id_and_content():
    repeats = Repeats(Total())
    repeats.remember(7, 1234, turn=1, now_ms=0)
    assert repeats.is_known(7, 1234)
    assert not repeats.is_known(7, 1235)
    assert not repeats.is_known(8, 1234)


def test_as_many_are_remembered_as_there_are_packet_ids():
    repeats = Repeats(Total())
    for turn in range(1, 40):
        for number in range(2000):
            repeats.remember((turn * 2000 + number) % IDS + 1, turn, turn, now_ms=0)
        repeats.take_stale(settled=0, before_ms=-1)
    assert IDS < (39 - 1) * 2000
    assert IDS <= repeats._total.count < IDS + 2000


def test_where_many_sessions_remember_much_each_keeps_what_is_commonly_in_flight():
    total = Total()
    total.count = ALL_MAX
    repeats = Repeats(total)
    for turn in range(1, 101):
        repeats.remember(turn, turn, turn, now_ms=0)
        repeats.take_stale(settled=0, before_ms=-1)
    assert len(repeats.turns()) == SHARE_MIN
    assert not repeats.is_known(80, 80)
    assert repeats.is_known(81, 81)
    repeats.clear()
    assert total.count == ALL_MAX


def test_what_was_acknowledged_long_ago_is_forgotten():
    repeats = Repeats(Total())
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.remember(2, 22, turn=2, now_ms=5000)
    assert repeats.take_stale(settled=2, before_ms=4000) == [1]
    assert not repeats.is_known(1, 11)
    assert repeats.is_known(2, 22)


def test_what_is_not_acknowledged_yet_is_never_too_old():
    repeats = Repeats(Total())
    repeats.remember(1, 11, turn=1, now_ms=0)
    assert repeats.take_stale(settled=0, before_ms=4000) == []


def test_an_old_message_takes_no_newer_one_with_its_packet_id_along():
    repeats = Repeats(Total())
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.remember(1, 11, turn=2, now_ms=5000)
    assert repeats.take_stale(settled=2, before_ms=4000) == [1]
    assert repeats.is_known(1, 11)


def test_what_was_noted_is_known_after_a_start():
    repeats = Repeats(Total())
    repeats.restore(4, [(1, 11), (2, 22)], now_ms=0)
    assert repeats.is_known(2, 22)
    assert repeats.turns() == [4]


def test_a_client_that_comes_back_late_may_miss_the_second_puback_too():
    repeats = Repeats(Total())
    repeats.remember(1, 11, turn=1, now_ms=0)
    repeats.doubt(1, now_ms=20_000)
    assert repeats.take_stale(settled=1, before_ms=10_000) == []
    assert repeats.is_known(1, 11)
    assert repeats.take_stale(settled=1, before_ms=20_001) == [1]


def test_what_was_answered_late_is_old_from_the_answer_on():
    repeats = Repeats(Total())
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


def test_a_client_that_saw_none_of_five_thousand_pubacks_sends_them_again_and_none_is_twice():
    site = Site()
    for dup in (False, True):
        client = site.client("many", 4, clean_start=False)
        for number in range(5000):
            client.send_publish("a/b", b"%d" % number, 1, number + 1, dup=dup)
        client.lose()
    assert [int(message.payload) for message in site.uplinked] == list(range(5000))
