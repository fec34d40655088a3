"""Honest time: boots, offsets and what is known about them."""

from support import raises
from tidegate.limits import BOOT_MAX
from tidegate.records.clock import (
    CEILING_MS,
    FLOOR_MS,
    NO_IDENTITY,
    OFFSET_MOVE_MS,
    SET,
    SYNCHRONISED,
    UNKNOWN,
    Boot,
    Clock,
    forgotten_boot,
    wall_of,
)

HERE = "00000000000000aa"
OTHER = "00000000000000bb"
WALL_MS = 1_790_000_000_000  # In September 2026.
YEAR_MS = 31_557_600_000
DAY_MS = 86_400_000


def test_the_first_boot_is_number_one_and_knows_no_time():
    clock = Clock([], HERE)
    assert clock.boot == Boot(1, HERE, 0, UNKNOWN)
    assert clock.boots == [clock.boot]
    assert clock.quality == UNKNOWN
    assert clock.wall_ms(5_000) is None


def test_a_new_boot_has_the_next_number():
    journaled = [Boot(1, OTHER, 10, SET), Boot(7, "00000000000000cc", 20, SYNCHRONISED)]
    clock = Clock(journaled, HERE)
    assert clock.boot == Boot(8, HERE, 0, UNKNOWN)
    assert clock.boots == journaled + [clock.boot]


def test_a_program_that_starts_anew_goes_on_with_its_boot():
    mine = Boot(2, HERE, WALL_MS - 1_000, SYNCHRONISED)
    clock = Clock([Boot(1, OTHER, 0, UNKNOWN), mine], HERE)
    assert clock.boot == mine
    assert clock.quality == SYNCHRONISED
    assert clock.wall_ms(3_000) == WALL_MS + 2_000
    # What is worse than what the earlier run knew changes nothing.
    assert clock.observe(4_000, WALL_MS + 10 * DAY_MS, SET) is None


def test_later_entries_of_a_boot_replace_earlier_ones():
    entries = [Boot(1, HERE, 0, UNKNOWN), Boot(1, HERE, 5, SET), Boot(1, HERE, 9, SYNCHRONISED)]
    assert Clock(entries, OTHER).boots[0] == Boot(1, HERE, 9, SYNCHRONISED)


def test_observations_are_taken_in_by_their_quality():
    # What is known: (quality, offset); seen: (quality, offset); is it taken?
    move = OFFSET_MOVE_MS
    base = WALL_MS
    cases = (
        (UNKNOWN, 0, UNKNOWN, base, False),
        (UNKNOWN, 0, SET, base, True),
        (UNKNOWN, 0, SYNCHRONISED, base, True),
        (SET, base, UNKNOWN, base + DAY_MS, False),
        (SET, base, SET, base, False),
        (SET, base, SET, base + move, False),
        (SET, base, SET, base - move, False),
        (SET, base, SET, base + move + 1, True),
        (SET, base, SET, base - move - 1, True),
        (SET, base, SET, base + 10 * DAY_MS, True),
        (SET, base, SYNCHRONISED, base, True),
        (SET, base, SYNCHRONISED, base - 10 * DAY_MS, True),
        (SYNCHRONISED, base, UNKNOWN, base + DAY_MS, False),
        (SYNCHRONISED, base, SET, base + DAY_MS, False),
        (SYNCHRONISED, base, SET, base - DAY_MS, False),
        (SYNCHRONISED, base, SYNCHRONISED, base + move, False),
        (SYNCHRONISED, base, SYNCHRONISED, base + move + 1, True),
        (SYNCHRONISED, base, SYNCHRONISED, base + 10 * DAY_MS, True),
    )
    for case in cases:
        known_quality, known_ms, quality, offset_ms, taken = case
        before = Boot(3, HERE, known_ms, known_quality)
        clock = Clock([before], HERE)
        changed = clock.observe(6_000, offset_ms + 6_000, quality)
        after = Boot(3, HERE, offset_ms, quality) if taken else before
        assert changed == (after if taken else None), case
        assert clock.boot == after, case
        assert clock.boots == [after], case


def test_implausible_wall_clocks_are_no_knowledge():
    for wall_ms in (0, -5, FLOOR_MS - 1, CEILING_MS, CEILING_MS + YEAR_MS, 1 << 62):
        for quality in (SET, SYNCHRONISED):
            clock = Clock([], HERE)
            assert clock.observe(1_000, wall_ms, quality) is None, wall_ms
            assert clock.wall_ms(1_000) is None
    for wall_ms in (FLOOR_MS, CEILING_MS - 1):
        clock = Clock([], HERE)
        assert clock.observe(1_000, wall_ms, SET) is not None
        assert clock.wall_ms(1_000) == wall_ms


def test_thirty_years_back_change_nothing():
    for quality in (SET, SYNCHRONISED):
        clock = Clock([], HERE)
        clock.observe(1_000, WALL_MS, quality)
        assert clock.observe(2_000, WALL_MS - 30 * YEAR_MS, quality) is None
        assert clock.wall_ms(2_000) == WALL_MS + 1_000
        assert clock.quality == quality
        assert clock.observe(3_000, WALL_MS + 2_000, quality) is None


def test_ten_days_ahead_are_believed_until_a_time_service_knows_better():
    clock = Clock([], HERE)
    clock.observe(1_000, WALL_MS, SET)
    assert clock.observe(2_000, WALL_MS + 10 * DAY_MS, SET) is not None
    assert clock.wall_ms(2_000) == WALL_MS + 10 * DAY_MS
    assert clock.observe(3_000, WALL_MS + 2_000, SYNCHRONISED) is not None
    assert clock.wall_ms(3_000) == WALL_MS + 2_000
    assert clock.observe(4_000, WALL_MS + 10 * DAY_MS, SET) is None
    assert clock.wall_ms(4_000) == WALL_MS + 3_000


def test_learning_the_time_corrects_earlier_records_of_the_boot():
    clock = Clock([], HERE)
    recorded_ms = 5_000
    assert wall_of(clock.boot, recorded_ms) == (None, UNKNOWN)
    clock.observe(65_000, WALL_MS, SET)
    assert wall_of(clock.boot, recorded_ms) == (WALL_MS - 60_000, SET)
    clock.observe(70_000, WALL_MS - 2 * DAY_MS, SYNCHRONISED)
    assert wall_of(clock.boot, recorded_ms) == (WALL_MS - 2 * DAY_MS - 65_000, SYNCHRONISED)


def test_drift_is_followed_in_steps_of_the_tolerance():
    clock = Clock([], HERE)
    entries = 0
    for minute in range(24 * 60):
        now_ms = minute * 60_000
        drift_ms = now_ms * 50 // 1_000_000
        if clock.observe(now_ms, WALL_MS + now_ms + drift_ms, SYNCHRONISED):
            entries += 1
        assert abs(clock.wall_ms(now_ms) - (WALL_MS + now_ms + drift_ms)) <= OFFSET_MOVE_MS
    # Four seconds of drift in a day.
    assert 10 <= entries <= 18, entries


def test_an_unknown_quality_is_refused():
    for quality in (-1, 3):
        with raises(ValueError):
            Clock([], HERE).observe(0, WALL_MS, quality)


def test_wall_of_gives_no_time_that_cannot_be():
    cases = (
        (Boot(1, HERE, 0, UNKNOWN), WALL_MS, (None, UNKNOWN)),
        (Boot(1, HERE, WALL_MS, UNKNOWN), 5, (None, UNKNOWN)),
        (Boot(1, HERE, WALL_MS, SET), 5, (WALL_MS + 5, SET)),
        (Boot(1, HERE, WALL_MS, SYNCHRONISED), 0, (WALL_MS, SYNCHRONISED)),
        (Boot(1, HERE, -5, SET), WALL_MS, (WALL_MS - 5, SET)),
        (Boot(1, HERE, FLOOR_MS, SET), 0, (FLOOR_MS, SET)),
        (Boot(1, HERE, FLOOR_MS - 1, SET), 0, (None, UNKNOWN)),
        (Boot(1, HERE, WALL_MS, SET), (1 << 63) - 1, (None, UNKNOWN)),
        (Boot(1, HERE, -(1 << 63), SYNCHRONISED), 0, (None, UNKNOWN)),
        (Boot(1, HERE, (1 << 63) - 1, SYNCHRONISED), (1 << 63) - 1, (None, UNKNOWN)),
    )
    for boot, ticks_ms, expected in cases:
        assert wall_of(boot, ticks_ms) == expected, (boot, ticks_ms)


def test_damaged_boots_do_not_keep_a_node_from_starting():
    damaged = [
        Boot(0, OTHER, 0, SET),
        Boot(-3, OTHER, 0, SET),
        Boot(BOOT_MAX + 1, OTHER, 0, SET),
        Boot(4, HERE, 0, 3),
        Boot(5, HERE, 0, -1),
        Boot(6, OTHER, 7, SET),
    ]
    clock = Clock(damaged, HERE)
    assert clock.boots == [Boot(6, OTHER, 7, SET), Boot(7, HERE, 0, UNKNOWN)]


def test_the_highest_number_leaves_a_free_one():
    taken = [Boot(BOOT_MAX, OTHER, 0, SET), Boot(BOOT_MAX - 1, OTHER, 0, SET)]
    assert Clock(taken, HERE).boot.number == BOOT_MAX - 2
    assert Clock(taken[:1], HERE).boot.number == BOOT_MAX - 1
    assert Clock(taken[1:], HERE).boot.number == BOOT_MAX


def test_a_boot_that_is_not_remembered_has_lost_its_time():
    clock = Clock([Boot(5, OTHER, WALL_MS, SET)], HERE)
    assert clock.boot_of(5) == Boot(5, OTHER, WALL_MS, SET)
    assert clock.boot_of(6) == clock.boot
    assert clock.boot_of(4) == forgotten_boot(4) == Boot(4, NO_IDENTITY, 0, UNKNOWN)


def test_boots_are_bounded_and_those_without_a_time_go_first():
    boots = [
        Boot(1, "0000000000000001", WALL_MS, SET),
        Boot(2, "0000000000000002", 0, UNKNOWN),
        Boot(3, "0000000000000003", WALL_MS, SYNCHRONISED),
        Boot(4, "0000000000000004", 0, UNKNOWN),
        Boot(5, "0000000000000005", WALL_MS, SET),
    ]
    cases = ((6, [1, 2, 3, 4, 5, 6]), (5, [1, 3, 4, 5, 6]), (4, [1, 3, 5, 6]), (3, [3, 5, 6]),
             (1, [6]))  # fmt: skip
    for boots_max, numbers in cases:
        clock = Clock(boots, HERE, boots_max)
        assert [boot.number for boot in clock.boots] == numbers, boots_max
        assert clock.boot.number == 6


def test_a_clock_needs_an_identity_and_room():
    with raises(ValueError):
        Clock([], NO_IDENTITY)
    with raises(ValueError):
        Clock([], HERE, 0)
