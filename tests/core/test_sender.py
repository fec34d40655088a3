"""A sender asks first, places itself by the receiver's word, and keeps one batch in flight."""

from builders import chance, records
from rig import Rig
from tidegate.delivery.sender import ASK, ASKING, FLYING, READY
from tidegate.effects import Append, Sync
from tidegate.store.journal import EXPIRED
from tidegate.store.lane import QUARANTINED


def payloads(first, last):
    return [str(number).encode() for number in range(first, last + 1)]


def test_it_asks_before_it_sends():
    rig = Rig()
    assert rig.state == ASK
    rig.admit(3)
    rig.clear()
    rig.pump()
    assert rig.log == [("query", "main", 0)]
    assert rig.state == ASKING
    rig.serve()
    rig.wait()
    assert rig.log[1:] == [("read", "main", 1), ("send", "main", 1, 3)]


def test_it_asks_even_with_nothing_to_send():
    rig = Rig()
    rig.pump()
    assert rig.asked() == [0]
    rig.serve()
    assert rig.state == READY
    assert rig.is_idle


def test_a_release_is_durable_before_the_next_batch():
    rig = Rig(batch_records=16)  # Begins with two at a time.
    rig.ready()
    rig.admit(10)
    rig.pump()
    rig.clear()
    rig.answer(*rig.hub_says())
    assert rig.log == [
        ("append", "Released", "Spent"),
        ("sync",),
        ("read", "main", 3),
        ("send", "main", 3, 6),
    ]


def test_one_batch_is_in_flight_and_never_two():
    rig = Rig(batch_records=8)
    rig.ready()
    rig.admit(5)
    rig.pump()
    for _ in range(3):
        rig.now_ms += 10_000
        rig.admit(2)
        rig.pump()
    assert rig.sent() == [(1, 1)]
    assert len(rig.link.requests) == 1
    rig.deliver()
    assert rig.hub.payloads == payloads(1, 11)


def test_a_batch_goes_when_it_is_full_or_old_enough():
    rig = Rig(batch_records=80, batch_age_ms=500)  # Begins with ten.
    rig.ready()
    rig.admit(9)
    rig.pump()
    start_ms = rig.now_ms
    assert rig.deadline_ms() == start_ms + 500
    rig.now_ms += 300
    rig.pump()
    assert (rig.sent(), rig.deadline_ms()) == ([], start_ms + 500)
    rig.admit(1)
    rig.pump()
    assert rig.sent() == [(1, 10)]
    rig.serve()
    rig.clear()
    rig.admit(1)
    rig.pump()
    rig.wait()
    assert (rig.sent(), rig.now_ms) == ([(11, 11)], start_ms + 800)


def test_no_record_waits_longer_than_its_age_for_others():
    rig = Rig(batch_records=8000, batch_age_ms=500)
    rig.fly(1)
    start_ms = rig.now_ms
    rig.now_ms += 100
    rig.admit(1)
    rig.pump()
    rig.now_ms += 100
    rig.serve()
    assert rig.deadline_ms() <= start_ms + 600
    rig.wait()
    assert rig.sent() == [(2, 2)]


def test_many_bytes_fill_a_batch_as_well():
    rig = Rig(batch_records=8000, batch_bytes=80_000, batch_age_ms=60_000)
    rig.ready()
    rig.take([Append([rig.lane.admit([large(number) for number in range(1, 4)])]), Sync()])
    rig.pump()
    assert rig.sent() == [(1, 2)]


def large(number):
    return records(1, number)[0].__class__(1, number, b"t", bytes(4000), 0, b"")


def test_after_a_restart_it_goes_on_behind_what_the_receiver_has():
    rig = Rig()
    rig.fly(10)
    rig.hub_says()  # Applied; the answer is lost with the power.
    rig.start()
    rig.pump()
    rig.serve()
    assert rig.asked() == [0]
    assert rig.lane.balance.delivered == 10
    assert rig.sent() == []
    rig.admit(2)
    rig.deliver()
    assert rig.sent() == [(11, 12)]
    assert rig.hub.payloads == payloads(1, 12)


def test_a_lost_answer_is_asked_about_before_anything_is_sent_again():
    for applied in (False, True):
        rig = Rig()
        rig.fly(7)
        if applied:
            rig.hub_says()
        rig.lose()
        assert rig.log == [], applied
        assert rig.state == ASK
        rig.admit(3)  # Numbers behind, not in between.
        rig.deliver()
        assert rig.asked() == [0]
        assert rig.sent() == ([(8, 10)] if applied else [(1, 10)]), applied
        assert rig.hub.payloads == payloads(1, 10), applied
        assert rig.lane.balance.delivered == 10


def test_a_receiver_that_was_restored_gets_again_what_is_retained():
    rig = Rig()
    rig.ready()
    rig.admit(10)
    rig.deliver()
    backup = rig.hub.copy()
    rig.admit(10)
    rig.deliver()
    before = rig.lane.balance
    rig.hub = backup
    rig.clear()
    rig.admit(1)
    rig.deliver()
    # The batch is answered with 409: something before it is missing there.
    assert rig.sent() == [(21, 21), (11, 21)]
    assert backup.payloads == payloads(1, 21)
    assert rig.lane.balance.delivered == before.delivered + 1


def test_what_a_restored_receiver_lacks_and_nobody_has_is_told_as_a_gap():
    rig = Rig()
    rig.ready()
    rig.admit(20)
    rig.deliver()
    rig.take([Append([rig.lane.forget(15)]), Sync()])
    rig.hub = rig.hub.__class__("00000000000000cc")
    rig.clear()
    rig.admit(1)
    rig.deliver()
    assert rig.hub.gaps == [(1, 15, EXPIRED)]
    assert rig.hub.payloads == payloads(16, 21)
    assert rig.lane.balance.delivered == 21


def test_a_receiver_that_stands_inside_a_gap_is_believed():
    rig = Rig()
    rig.ready()
    rig.admit(10)
    rig.deliver()
    rig.take([Append([rig.lane.forget(8)]), Sync()])
    rig.hub.cursors[str(rig.lane.stream("00c0ffee00c0ffee"))] = rig.hub.cursors[
        str(rig.lane.stream("00c0ffee00c0ffee"))
    ].__class__(4, 12345)
    rig.start()
    rig.admit(1)
    rig.deliver()
    assert rig.hub.gaps == [(5, 8, EXPIRED)]
    assert rig.hub.payloads[-3:] == payloads(9, 11)


def test_a_damaged_record_is_set_aside_and_the_stream_goes_on():
    for seq in (1, 5, 9):
        rig = Rig()
        rig.ready()
        rig.admit(9)
        hash_at, good = rig.medium.lanes["main"].rows[seq]
        bad = good.__class__(good.boot, good.ticks_ms, good.topic, b"rot", good.flags, b"")
        rig.medium.lanes["main"].rows[seq] = (hash_at, bad)
        rig.deliver()
        assert rig.hub.payloads == payloads(1, seq - 1) + payloads(seq + 1, 9), seq
        assert rig.hub.gaps == [(seq, seq, QUARANTINED + "damaged")]
        assert rig.medium.quarantine == [("main", seq, b"rot")]
        assert rig.lane.balance[1:4] == (8, 0, 1)
        assert "record_damaged" in rig.events()


def test_a_delivered_record_that_rots_is_gone_when_its_receiver_loses_it():
    rig = Rig()
    rig.ready()
    rig.admit(5)
    rig.deliver()
    hash_at, good = rig.medium.lanes["main"].rows[3]
    bad = good.__class__(good.boot, good.ticks_ms, good.topic, b"rot", good.flags, b"")
    rig.medium.lanes["main"].rows[3] = (hash_at, bad)
    rig.hub = rig.hub.__class__("00000000000000cc")
    rig.start()
    rig.admit(1)
    rig.deliver()
    assert rig.hub.payloads == payloads(1, 2) + payloads(4, 6)
    assert rig.hub.gaps == [(3, 3, EXPIRED)]
    assert rig.lane.balance.delivered == 6


def test_whatever_is_lost_everything_arrives_once_and_in_order():
    for seed in range(120):
        draw = chance(seed)
        rig = Rig(batch_records=8 * (1 + draw.below(8)))
        total = 0
        for _ in range(60):
            action = draw.below(6)
            if action == 0:
                count = 1 + draw.below(9)
                rig.admit(count)
                total += count
            elif action == 1 and rig.lane.held_records:
                rig.start()
            elif rig.link.requests and action in (2, 3):
                rig.answer(*rig.hub_says())
            elif rig.link.requests and action == 4:
                if draw.below(2):
                    rig.hub_says()
                rig.lose()
            elif rig.deadline_ms() is not None:
                rig.wait()
            rig.pump()
        rig.deliver()
        assert rig.hub.payloads == payloads(1, total), seed
        assert rig.lane.balance.delivered == total, seed
        assert rig.state in (READY, FLYING)
