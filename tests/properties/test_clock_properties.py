"""The clock under any sequence of observations."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.records.clock import (
    CEILING_MS,
    FLOOR_MS,
    OFFSET_MOVE_MS,
    SYNCHRONISED,
    UNKNOWN,
    Boot,
    Clock,
    wall_of,
)

HERE = "00000000000000aa"
walls = st.one_of(
    st.integers(FLOOR_MS, CEILING_MS - 1),
    st.integers(FLOOR_MS, FLOOR_MS + 1_000),
    st.integers(-(10**13), 10**14),
)
observations = st.lists(
    st.tuples(st.integers(0, 100_000), walls, st.integers(UNKNOWN, SYNCHRONISED)), max_size=30
)
boots = st.builds(
    Boot,
    st.integers(1, 12),
    st.integers(1, 8).map(lambda number: f"{number:016x}"),
    st.integers(-(10**13), 10**13),
    st.integers(UNKNOWN, SYNCHRONISED),
)


@given(observations)
def test_the_clock_shows_the_last_of_the_best_observations(steps):
    clock = Clock([], HERE)
    now_ms = 0
    best, offset_ms = UNKNOWN, None
    for pass_ms, wall_ms, quality in steps:
        now_ms += pass_ms
        changed = clock.observe(now_ms, wall_ms, quality)
        assert changed is None or changed == clock.boot
        if quality != UNKNOWN and quality >= best and FLOOR_MS <= wall_ms < CEILING_MS:
            best, offset_ms = quality, wall_ms - now_ms
        assert clock.quality == best
        if offset_ms is None:
            assert clock.wall_ms(now_ms) is None
        else:
            assert abs(clock.boot.offset_ms - offset_ms) <= OFFSET_MOVE_MS


@given(observations)
def test_the_journal_alone_restores_the_clock(steps):
    clock = Clock([], HERE)
    entries = [clock.boot]
    now_ms = 0
    for pass_ms, wall_ms, quality in steps:
        now_ms += pass_ms
        changed = clock.observe(now_ms, wall_ms, quality)
        if changed is not None:
            entries.append(changed)
    again = Clock(entries, HERE)
    assert again.boot == clock.boot
    assert again.wall_ms(now_ms) == clock.wall_ms(now_ms)


@given(st.lists(boots, max_size=20), st.integers(1, 10))
def test_a_clock_starts_from_any_boots_and_keeps_its_bound(known, boots_max):
    clock = Clock(known, HERE, boots_max)
    assert len(clock.boots) <= boots_max
    assert clock.boot.identity == HERE
    assert clock.boot.number not in {boot.number for boot in known}
    latest = {boot.number: boot for boot in known}
    for boot in clock.boots:
        assert boot == clock.boot or boot == latest[boot.number]


@given(boots, st.integers(0, (1 << 63) - 1))
def test_wall_times_are_plausible_or_unknown(boot, ticks_ms):
    wall_ms, quality = wall_of(boot, ticks_ms)
    if wall_ms is None:
        assert quality == UNKNOWN
    else:
        assert FLOOR_MS <= wall_ms < CEILING_MS
        assert wall_ms - ticks_ms == boot.offset_ms
        assert quality == boot.quality != UNKNOWN
