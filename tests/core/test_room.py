"""A journal keeps to its limit and leaves the medium its reserve; what must go, goes in order."""

from builders import journal_settings, lane_with
from tidegate.records.record import size_bytes
from tidegate.store.journal import OVERFLOW, Usage
from tidegate.store.room import FORGET_RECORDS_MAX, Room

LIMIT, RESERVE, KEEP = 1_000_000, 200_000, 160_000
MUCH = 1 << 40


def room(stored=0, free=MUCH, **changes):
    settings = {"limit_bytes": LIMIT, "reserve_bytes": RESERVE, "keep_delivered_bytes": KEEP}
    settings.update(changes)
    one = Room(journal_settings(**settings))
    one.measured(Usage(stored, free))
    return one


def ranges(entries):
    return [(entry.lane, entry.first, entry.last) for entry in entries]


def test_before_anything_is_measured_there_is_room():
    one = Room(journal_settings(limit_bytes=LIMIT))
    assert one.short_bytes < 0
    assert one.reopens
    assert one.stored_bytes == 0


def test_room_is_short_a_fiftieth_before_the_limit():
    for stored, short in ((0, -980_000), (980_000, 0), (980_001, 1), (LIMIT, 20_000)):
        assert room(stored).short_bytes == short, stored


def test_sources_come_back_only_when_a_twentieth_is_free():
    for stored, short, reopens in (
        (950_000, False, True),
        (950_001, False, False),
        (980_000, False, False),  # Not short, and yet not open again: no flapping in between.
        (980_001, True, False),
    ):
        one = room(stored)
        assert (one.short_bytes > 0, one.reopens) == (short, reopens), stored


def test_below_its_reserve_the_medium_gives_the_journal_nothing_more():
    one = room(500_000, RESERVE, overflow="block")
    assert one.short_bytes < 0
    one.measured(Usage(500_000, RESERVE - 1))
    assert one.short_bytes == 10_000
    assert not one.reopens
    # What others take meanwhile changes nothing: the journal keeps what it has.
    one.measured(Usage(495_000, 0))
    assert one.short_bytes == 5_000
    one.measured(Usage(495_000, RESERVE))
    assert one.short_bytes < 0
    assert one.reopens


def test_room_that_delivery_made_is_used_again_even_below_the_reserve():
    # The files do not shrink: waiting for the medium would keep the sources away for ever.
    one = room(500_000, RESERVE - 1, overflow="block")
    for stored, reopens in ((490_000, False), (475_001, False), (475_000, True), (0, True)):
        one.measured(Usage(stored, RESERVE - 1))
        assert one.reopens == reopens, stored


def test_what_is_spare_is_bounded_by_limit_and_medium():
    for stored, free, held, spare in (
        (0, MUCH, 0, LIMIT),
        (400_000, MUCH, 300_000, 700_000),
        (400_000, RESERVE + 50_000, 300_000, 150_000),  # Delivered records make room as well.
        (400_000, RESERVE, 400_000, 0),
        (400_000, RESERVE - 1, 300_000, 100_000),
        (LIMIT, MUCH, LIMIT + 1, 0),
    ):
        one = room(stored, free, overflow="block")
        assert one.spare_bytes(held) == spare, (stored, free, held)


def delivered_lane(count, through, name="main"):
    lane, _ = lane_with(count, name)
    if through:
        lane.release(through, 0)
    return lane


def forgotten(one, lanes, held_bytes):
    return [(entry.lane, entry.through) for entry in one.forget(lanes, held_bytes)]


def test_delivered_records_stay_until_they_are_more_than_is_to_be_kept():
    for stored, held, through in (
        (KEEP, 0, None),
        (KEEP + 10_000, 0, None),  # A sixteenth more is left alone: bites, not crumbs.
        (KEEP + 10_001, 0, 6),  # 10,001 of 170,001 bytes are 5.9 of 100 records.
        (KEEP + 10_001, 10_001, None),
        (2 * KEEP, 0, 51),
    ):
        lane = delivered_lane(100, 100)
        expected = [] if through is None else [("main", through)]
        assert forgotten(room(stored), [(lane, 100)], held) == expected, (stored, held)


def test_where_room_is_short_less_than_that_is_kept():
    lane = delivered_lane(100, 80)
    one = room(LIMIT, keep_delivered_bytes=LIMIT)
    assert forgotten(one, [(lane, 80)], 900_000) == [("main", 41)]  # 50,000 of 100,000 bytes.


def test_nothing_is_forgotten_beyond_what_may_go():
    for until, expected in ((0, []), (-5, []), (30, [("main", 28)])):
        lane = delivered_lane(100, 100)
        assert forgotten(room(2 * LIMIT), [(lane, until)], 0) == expected
    lane = delivered_lane(100, 100)
    lane.forget(40)
    assert forgotten(room(2 * LIMIT), [(lane, 40), (lane, 30)], 0) == []


def test_every_lane_is_forgotten_from():
    lanes = [delivered_lane(50, 50, "alarm"), delivered_lane(50, 50, "main")]
    allowed = [(lane, 50) for lane in lanes]
    assert forgotten(room(2 * KEEP), allowed, 0) == [("alarm", 50), ("main", 1)]


def test_no_commit_forgets_more_than_an_acknowledgement_can_wait_for():
    class Long:
        name = "main"
        forgotten = 0

        def forget(self, through):
            self.forgotten = through
            return through

    lane = Long()
    assert room(2 * LIMIT).forget([(lane, 10 * FORGET_RECORDS_MAX)], 0) == [FORGET_RECORDS_MAX]


def dropped(one, *lanes):
    return ranges(one.drop_oldest(list(lanes)))


def test_nothing_is_dropped_while_there_is_room():
    lane, _ = lane_with(10)
    assert dropped(room(980_000), (lane, 0)) == []


def test_the_oldest_records_of_the_least_important_lane_go_first():
    alarm, _ = lane_with(100, "alarm")
    low, _ = lane_with(100, "low")
    size = low.held_bytes // 100
    one = room(980_000 + 10 * size)
    assert dropped(one, (alarm, 0), (low, 0)) == [("low", 1, 11)]
    assert alarm.balance.held == 100
    assert low.balance.dropped == {OVERFLOW: 11}
    # More than it holds: the next lane goes on.
    one = room(980_000 + 95 * size)
    entries = dropped(one, (alarm, 0), (low, 0))
    assert entries == [("low", 12, 100), ("alarm", 1, 5)]
    assert low.balance.held == 0
    assert low.balance.holds and alarm.balance.holds


def test_a_drop_is_worth_its_commit():
    lane, _ = lane_with(640)
    assert dropped(room(980_001), (lane, 0)) == [("main", 1, 10)]  # A sixty-fourth.


def test_it_is_too_late_to_drop_what_is_in_flight():
    lane, _ = lane_with(100)
    lane.release(5, 0)
    assert dropped(room(980_001), (lane, 20)) == [("main", 21, 21)]
    assert dropped(room(980_001), (lane, 100)) == []


def test_an_outage_drops_on_behind_what_it_has_dropped():
    lane, admitted = lane_with(1000)
    size = size_bytes(admitted[-1])
    stored = 980_000 + 50 * size
    for step in range(10):
        before = lane.balance.held
        entries = room(stored).drop_oldest([(lane, 0)])
        assert entries, step
        assert before - lane.balance.held >= 50, step
        assert lane.balance.holds
    assert len(lane.gaps) == 1


def test_drops_skip_gaps_that_are_there_already():
    lane, _ = lane_with(20)
    lane.set_aside(3, 5, 0, "damaged", False)
    lane.set_aside(8, 9, 0, "damaged", False)
    size = lane.held_bytes // lane.held_records
    entries = dropped(room(980_000 + 5 * size), (lane, 1))
    assert entries == [("main", 2, 2), ("main", 6, 7), ("main", 10, 12)]
    assert lane.balance.dropped == {"damaged": 5, OVERFLOW: 6}
    entries = dropped(room(LIMIT), (lane, 1))  # All that is left, and no number twice.
    assert entries == [("main", 13, 20)]
    assert lane.balance.held == 1
    assert dropped(room(LIMIT), (lane, 1)) == []
