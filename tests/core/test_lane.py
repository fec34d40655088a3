"""A lane's account balances after every verb, and its entries say what changed (P4)."""

from builders import EPOCH, NODE, chance, lane_state, lane_with, record_of, records
from scripted import Medium
from support import raises
from tidegate.limits import SEQ_MAX
from tidegate.records.record import fold_all, size_bytes
from tidegate.records.span import Gap
from tidegate.store.journal import DAMAGED, OVERFLOW, TOO_LARGE, Dropped
from tidegate.store.lane import QUARANTINED, Balance, Lane

POISON = QUARANTINED + "status 422"


def ranges(entries):
    return [(entry.first, entry.last) for entry in entries]


def test_a_balance_holds_only_when_every_number_is_accounted_for():
    assert Balance(10, 3, 2, 1, {"a": 3, "b": 1}).holds
    for wrong in (
        Balance(11, 3, 2, 1, {"a": 3, "b": 1}),
        Balance(10, 4, 2, 1, {"a": 3, "b": 1}),
        Balance(10, 3, 3, 1, {"a": 3, "b": 1}),
        Balance(10, 3, 2, 0, {"a": 3, "b": 1}),
        Balance(10, 3, 2, 1, {"a": 3, "b": 2}),
    ):
        assert not wrong.holds, wrong


def test_admitted_records_take_the_next_numbers_and_run_the_hash_on():
    lane = Lane(lane_state())
    first, second = records(3), records(2, 4)
    one, two = lane.admit(first), lane.admit(second)
    assert (one.first, two.first, lane.last) == (1, 4, 5)
    assert one.hashes + two.hashes == fold_all(0, first + second)
    assert lane.last_hash == two.hashes[-1]
    assert lane.held_bytes == sum([size_bytes(record) for record in first + second])
    assert lane.balance == Balance(5, 0, 5, 0, {})


def test_refused_records_are_a_gap_from_the_start():
    lane, _ = lane_with(2)
    before = lane.last_hash
    entry = lane.refuse(3, OVERFLOW)
    assert entry == Dropped("main", 3, 5, before, OVERFLOW, False)
    assert lane.last_hash == before
    assert lane.balance == Balance(5, 0, 2, 0, {OVERFLOW: 3})


def test_refusals_in_a_row_are_one_gap():
    lane, _ = lane_with(1)
    for count in (2, 1, 5):
        lane.refuse(count, OVERFLOW)
    lane.refuse(1, TOO_LARGE)
    lane.refuse(1, OVERFLOW)
    assert [(gap.first, gap.last, gap.reason) for gap in lane.gaps] == [
        (2, 9, OVERFLOW),
        (10, 10, TOO_LARGE),
        (11, 11, OVERFLOW),
    ]
    assert lane.balance.holds


def test_release_counts_as_delivered_only_what_lies_in_no_gap():
    for through, delivered, gaps_left in (
        (1, 1, [(3, 5), (8, 9)]),
        (2, 2, [(3, 5), (8, 9)]),
        (3, 2, [(3, 5), (8, 9)]),
        (4, 2, [(3, 5), (8, 9)]),
        (5, 2, [(8, 9)]),
        (8, 4, [(8, 9)]),
        (10, 5, []),
    ):
        lane, _ = lane_with(10)
        lane.set_aside(3, 5, 0, OVERFLOW, False)
        lane.set_aside(8, 9, 0, OVERFLOW, False)
        entry = lane.release(through, 0)
        assert (entry.through, entry.delivered) == (through, delivered), through
        assert [(gap.first, gap.last) for gap in lane.gaps] == gaps_left, through
        assert lane.balance == Balance(10, delivered, 5 - delivered, 0, {OVERFLOW: 5}), through
        # The second half of a gap that the first release ended in is not delivered either.
        if through < 10:
            lane.release(10, 0)
        assert lane.balance == Balance(10, 5, 0, 0, {OVERFLOW: 5}), through


def test_release_never_goes_back_or_beyond_what_there_is():
    lane, _ = lane_with(5)
    lane.release(3, 0)
    for through in (0, 2, 3, 6):
        with raises(AssertionError):
            lane.release(through, 0)


def test_setting_aside_leaves_existing_gaps_their_reason():
    for existing, parts in (
        ([], [(3, 8)]),
        ([(3, 8)], []),
        ([(1, 10)], []),
        ([(5, 6)], [(3, 4), (7, 8)]),
        ([(2, 3), (8, 9)], [(4, 7)]),
        ([(3, 3), (5, 5), (7, 7)], [(4, 4), (6, 6), (8, 8)]),
        ([(1, 2), (9, 10)], [(3, 8)]),
    ):
        lane, _ = lane_with(10)
        taken = 0
        for first, last in existing:
            lane.set_aside(first, last, 0, OVERFLOW, False)
            taken += last - first + 1
        entries = lane.set_aside(3, 8, 0, POISON, True)
        assert ranges(entries) == parts, existing
        parked = sum([last - first + 1 for first, last in parts])
        dropped = {OVERFLOW: taken} if taken else {}
        assert lane.balance == Balance(10, 0, 10 - taken - parked, parked, dropped), existing
        assert lane.balance.holds
        seen = [(gap.first, gap.last) for gap in lane.gaps]
        assert seen == sorted(seen), existing


def test_bytes_are_freed_with_the_records():
    lane, admitted = lane_with(10)
    half = sum([size_bytes(record) for record in admitted[:5]])
    lane.release(5, half)
    assert lane.held_bytes == sum([size_bytes(record) for record in admitted[5:]])
    lane.set_aside(6, 9, 1_000_000, OVERFLOW, False)  # An estimate that is far too high.
    assert (lane.held_records, lane.held_bytes) == (1, 0)
    lane.release(10, 0)
    assert (lane.held_records, lane.held_bytes) == (0, 0)


def test_forgetting_changes_no_balance():
    lane, _ = lane_with(10)
    lane.release(6, 0)
    before = lane.balance
    assert lane.forget(4).through == 4
    assert (lane.forgotten, lane.balance) == (4, before)
    for through in (4, 3, 7):
        with raises(AssertionError):
            lane.forget(through)


def test_a_withdrawn_record_stays_delivered_and_is_gone_where_it_was_forgotten():
    lane, _ = lane_with(5)
    lane.release(3, 0)
    before = lane.balance
    assert lane.withdraw(2, "no") == [Dropped("main", 2, 2, None, "no", True)]
    assert lane.balance == before
    lane.forget(2)
    assert lane.withdraw(2, "no") == []


def test_a_renewed_lane_numbers_what_it_holds_from_one():
    lane, _ = lane_with(12)
    lane.set_aside(2, 3, 0, OVERFLOW, False)
    lane.set_aside(6, 8, 0, OVERFLOW, False)
    lane.set_aside(10, 10, 0, POISON, True)
    lane.refuse(2, TOO_LARGE)
    lane.release(7, 0)
    lane.forget(3)
    hash_before = lane.last_hash
    entry = lane.renew("00000000000000ff")
    assert (entry.lane, entry.epoch) == ("main", "00000000000000ff")
    assert str(lane.stream(NODE)) == NODE + ".00000000000000ff.main"
    assert [(gap.first, gap.last) for gap in lane.gaps] == [(1, 1), (3, 3), (6, 7)]
    assert lane.last_hash == hash_before
    assert (lane.through, lane.forgotten) == (0, 0)
    # 9, 11 and 12 of old are held as 2, 4 and 5.
    assert lane.balance == Balance(7, 0, 3, 1, {OVERFLOW: 1, TOO_LARGE: 2})
    assert lane.balance.holds


def test_a_lane_never_gives_out_a_number_that_no_batch_can_carry():
    state = list(lane_state())
    state[2] = SEQ_MAX - 2
    lane = Lane(type(lane_state())(*state))
    with raises(AssertionError):
        lane.admit(records(3))
    with raises(AssertionError):
        lane.refuse(3, OVERFLOW)
    lane.admit(records(2))
    assert lane.last == SEQ_MAX


def test_the_account_is_what_a_journal_recovers_after_any_verbs():
    for seed in range(150):
        draw = chance(seed)
        medium = Medium()
        lane = Lane(medium.state().lanes[0])
        for step in range(25):
            for entry in any_verb(lane, draw, step):
                medium.apply(entry)
            recovered = Lane(medium.state().lanes[0])
            place = (seed, step)
            assert lane.balance.holds, place
            assert recovered.balance == lane.balance, place
            for name in ("epoch", "last", "last_hash", "through", "forgotten"):
                assert getattr(recovered, name) == getattr(lane, name), (place, name)
            assert held_gaps(lane) == held_gaps(recovered), place


def held_gaps(lane):
    """Return (number, reason) of all that the receiver has yet to learn of: joins may differ."""
    return [
        (seq, gap.reason)
        for gap in lane.gaps
        for seq in range(max(gap.first, lane.through + 1), gap.last + 1)
    ]


def any_verb(lane, draw, step):
    """Do something to the lane; return its entries."""
    verb = draw.below(7)
    ahead = lane.last - lane.through
    if verb == 0 and ahead:
        before = [gap for gap in lane.gaps if gap.first <= lane.through]
        entry = lane.release(lane.through + 1 + draw.below(ahead), 0)
        assert entry.delivered >= 0, before
        return [entry]
    if verb in (1, 2) and ahead:
        first = lane.through + 1 + draw.below(ahead)
        last = first + draw.below(lane.last - first + 1)
        if verb == 1:
            return lane.set_aside(first, last, 0, POISON + str(step % 3), True)
        return lane.set_aside(first, last, 0, (OVERFLOW, DAMAGED)[step % 2], False)
    if verb == 3:
        return [lane.refuse(1 + draw.below(3), (OVERFLOW, TOO_LARGE)[draw.below(2)])]
    if verb == 4 and lane.through > lane.forgotten:
        return [lane.forget(lane.forgotten + 1 + draw.below(lane.through - lane.forgotten))]
    if verb == 5 and draw.below(4) == 0:
        return [lane.renew(f"{draw.bits64():016x}")]
    return [lane.admit([record_of(step) for _ in range(1 + draw.below(5))])]


def test_a_lane_goes_on_from_what_a_journal_held():
    lane, _ = lane_with(4)
    assert lane.epoch == EPOCH
    assert lane.gaps == []
    state = list(lane_state())
    state[9] = [Gap(2, 3, 7, OVERFLOW)]
    recovered = Lane(type(lane_state())(*state))
    recovered.gaps.append(Gap(9, 9, 0, "x"))
    assert state[9] == [Gap(2, 3, 7, OVERFLOW)]  # What the journal keeps is its own.
