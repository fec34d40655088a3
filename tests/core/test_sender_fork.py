"""Two copies of one node: the fork is found exactly, and nothing of either copy is overwritten."""

from builders import chance, records
from rig import Rig
from scripted import Medium
from tidegate.effects import Append, Sync


def payloads(first, last, mark=""):
    return [(mark + str(number)).encode() for number in range(first, last + 1)]


def marked(first, count, mark):
    """Return records that only the copy called `mark` has."""
    return [
        record.__class__(1, record.ticks_ms, record.topic, payload, record.flags, b"")
        for record, payload in zip(records(count, first), payloads(first, first + count - 1, mark))
    ]


def forked(common, theirs, ours, delivered=0):
    """Return a rig that holds `common` + `ours` records; its hub has `common` + `theirs` of a copy.

    The first `delivered` records were released before the copy was made.
    """
    rig = Rig(batch_records=8000)
    rig.ready()
    if delivered:
        rig.admit(delivered)
        rig.deliver()
    if common > delivered:
        rig.admit(common - delivered)
    copy = Rig(batch_records=8000)
    copy.medium = clone(rig.medium)
    copy.log = copy.medium.log
    copy.hub = rig.hub
    copy.start()
    copy.take([Append([copy.lane.admit(marked(common + 1, theirs, "b"))]), Sync()])
    copy.deliver()
    rig.take([Append([rig.lane.admit(marked(common + 1, ours, "a"))]), Sync()])
    rig.start()
    rig.hub.posts = rig.hub.queries = 0
    return rig


def clone(medium):
    other = Medium()
    state, lane, copied = medium.state(), medium.lanes["main"], other.lanes["main"]
    for name in ("epoch", "last", "last_hash", "through", "delivered", "forgotten"):
        setattr(copied, name, getattr(lane, name))
    copied.rows = dict(lane.rows)
    copied.gaps = list(lane.gaps)
    copied.quarantined, copied.dropped = lane.quarantined, dict(lane.dropped)
    assert other.state().lanes == state.lanes
    return other


def log2_up(number):
    bits = 0
    while 1 << bits < number:
        bits += 1
    return bits


def test_the_fork_is_found_exactly():
    for delivered, common in ((0, 0), (0, 1), (0, 7), (5, 5), (5, 6), (5, 17), (30, 33)):
        for theirs in (1, 2, 13):
            for ours in (1, 2, 13, 20):
                place = (delivered, common, theirs, ours)
                rig = forked(common, theirs, ours, delivered)
                epoch = rig.lane.epoch
                rig.deliver()
                wanted = payloads(1, common)
                wanted += payloads(common + 1, common + theirs, "b")
                wanted += payloads(common + 1, common + ours, "a")
                assert rig.hub.payloads == wanted, place
                assert rig.lane.epoch != epoch, place
                assert rig.lane.last == ours, place
                forks = [report for report in rig.reports if report.event == "stream_forked"]
                assert forks[0].fields[1] == ("common", common), place
                assert len(forks) == 1, place


def test_the_search_takes_few_queries_and_the_renewal_no_refused_batch():
    for delivered, common, ours in (
        (0, 0, 100),
        (0, 1, 99),
        (0, 50, 50),
        (0, 99, 1),
        (0, 37, 63),
        (0, 150, 150),
        (200, 200, 3),  # What was released is common: it is not searched.
        (200, 203, 2),
    ):
        for theirs in (1, ours, 3 * ours):
            rig = forked(common, theirs, ours, delivered)
            rig.pump()
            while rig.lane.epoch == "0000000000000001":
                rig.answer(*rig.hub_says())
            held = common - delivered + ours
            assert rig.hub.queries <= log2_up(held) + 2, (common, ours, rig.hub.queries)
            assert rig.hub.posts == 0
            rig.deliver()
            assert rig.hub.posts == 1


def test_what_the_receiver_has_of_the_common_part_is_released_before_the_renewal():
    rig = forked(common=10, theirs=3, ours=2)
    rig.deliver()
    commits = [entries for entries in rig.entries() if "Admitted" not in entries]
    assert commits == [["Released", "Spent"], ["Renewed"], ["Released", "Spent"]]
    # As a new stream it has 2 records, both delivered.
    assert rig.lane.balance[:3] == (2, 2, 0)


def test_gaps_do_not_hide_a_fork():
    for seed in range(80):
        draw = chance(seed)
        rig = Rig(batch_records=8000)
        rig.ready()
        common = 5 + draw.below(20)
        rig.admit(common)
        for _ in range(draw.below(4)):
            first = 1 + draw.below(common)
            rig.set_aside(first, min(common, first + draw.below(5)))
        copy = Rig(batch_records=8000)
        copy.medium = clone(rig.medium)
        copy.hub = rig.hub
        copy.start()
        for one, mark in ((copy, "b"), (rig, "a")):
            count = 3 + draw.below(9)
            one.take([Append([one.lane.admit(marked(common + 1, count, mark))]), Sync()])
            first = common + 1 + draw.below(count)
            one.set_aside(first, min(one.lane.last, first + draw.below(5)))
            if mark == "b":
                copy.deliver()
        ours = held_payloads(rig, common + 1)
        rig.start()
        rig.deliver()
        assert [payload for payload in rig.hub.payloads if payload[:1] == b"a"] == ours, seed
        assert len(set(rig.hub.payloads)) == len(rig.hub.payloads), seed  # Nothing twice.
        assert rig.lane.balance.held == 0


def held_payloads(rig, first):
    rows = rig.medium.lanes["main"].rows
    return [rows[seq][1].payload for seq in sorted(rows) if seq >= first]


def test_a_copy_that_only_fell_behind_is_no_fork():
    # The other one sent what we hold as well, and nothing else.
    rig = Rig(batch_records=8000)
    rig.ready()
    rig.admit(20)
    copy = Rig(batch_records=8000)
    copy.medium = clone(rig.medium)
    copy.hub = rig.hub
    copy.start()
    copy.deliver()
    rig.admit(5)
    rig.start()
    rig.deliver()
    assert rig.lane.epoch == "0000000000000001"
    assert rig.hub.payloads == payloads(1, 25)
    assert rig.sent() == [(21, 25)]


def test_a_journal_that_was_restored_opens_a_new_epoch():
    # The receiver is further on than we have ever been: we are the older copy.
    rig = forked(common=10, theirs=30, ours=1)
    assert rig.lane.last < 40
    rig.deliver()
    assert rig.lane.epoch != "0000000000000001"
    assert rig.hub.payloads[-1] == b"a11"
    assert rig.lane.balance.delivered == 1


def test_a_restored_journal_with_nothing_new_still_opens_a_new_epoch():
    rig = Rig()
    rig.ready()
    rig.admit(3)
    backup = clone(rig.medium)
    rig.admit(3)
    rig.deliver()
    old = Rig()
    old.medium, old.log, old.hub = backup, backup.log, rig.hub
    old.start()
    old.deliver()
    assert old.lane.epoch != "0000000000000001"
    assert old.lane.balance.admitted == 0
    old.admit(2)
    old.deliver()
    assert rig.hub.payloads == payloads(1, 6) + payloads(1, 2)


def test_a_fork_met_in_flight_is_answered_with_409_and_found():
    rig = Rig(batch_records=8000)
    rig.ready()
    rig.admit(10)
    rig.deliver()
    copy = Rig(batch_records=8000)
    copy.medium, copy.hub = clone(rig.medium), rig.hub
    copy.start()
    for one, mark in ((copy, "b"), (rig, "a")):
        one.take([Append([one.lane.admit(marked(11, 4, mark))]), Sync()])
    copy.deliver()
    rig.clear()
    rig.deliver()
    assert rig.hub.payloads == payloads(1, 10) + payloads(11, 14, "b") + payloads(11, 14, "a")
    assert rig.sent() == [(11, 14), (1, 4)]


def test_two_living_copies_part_ways_and_both_go_on():
    for seed in range(20):
        draw = chance(seed)
        rig = Rig(batch_records=800)
        rig.ready()
        rig.admit(5)
        copy = Rig(batch_records=800)
        copy.medium, copy.hub = clone(rig.medium), rig.hub
        copy.chance_seed = 7
        copy.start()
        totals = {"a": 0, "b": 0}
        for _ in range(40):
            one, mark = ((rig, "a"), (copy, "b"))[draw.below(2)]
            if draw.below(2):
                count = 1 + draw.below(4)
                one.take([Append([one.lane.admit(marked(totals[mark], count, mark))]), Sync()])
                totals[mark] += count
            elif one.link.requests:
                one.answer(*one.hub_says())
            elif one.deadline_ms() is not None:
                one.wait()
        rig.deliver()
        copy.deliver()
        for mark in ("a", "b"):
            found = [payload for payload in rig.hub.payloads if payload[:1] == mark.encode()]
            assert found == payloads(0, totals[mark] - 1, mark), (seed, mark)
        assert [one for one in rig.hub.payloads if one.isdigit()] == payloads(1, 5), seed


def test_a_receiver_that_never_agrees_costs_no_record():
    rig = forked(common=3, theirs=3, ours=3)
    for number in range(30):
        if not rig.link.requests and rig.is_idle:
            break
        if not rig.link.requests:
            rig.wait()
        status, fields = rig.hub_says()
        if "at" in fields:
            fields["hash_at"] = "00000000"
        rig.answer(status, fields)
        assert rig.lane.balance.holds, number
    rig.deliver()
    assert [payload for payload in rig.hub.payloads if payload[:1] == b"a"] == payloads(4, 6, "a")
