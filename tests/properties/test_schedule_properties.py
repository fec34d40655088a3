"""Schedules against oracles that look at every minute, and against a clock run wild."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.delivery.schedule import Schedule, parse_windows

DAY_MS = 86_400_000
BASE_MS = 20_000 * DAY_MS
minutes = st.integers(0, 1439)


def as_text(window):
    start, end = window
    return f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"


window_lists = st.lists(
    st.tuples(minutes, minutes).filter(lambda window: window[0] != window[1]),
    min_size=1,
    max_size=4,
)


def open_minutes(windows):
    """Return every minute of the day that lies in a window, by walking through each of them."""
    found = set()
    for start, end in windows:
        minute = start
        while minute != end:
            found.add(minute)
            minute = (minute + 1) % 1440
    return found


@given(window_lists, st.integers(-840, 840), st.integers(0, DAY_MS - 1))
def test_waits_end_at_the_first_open_minute(windows, offset_minutes, time_ms):
    schedule = Schedule(parse_windows([as_text(each) for each in windows]), None, offset_minutes)
    wall_ms = BASE_MS + time_ms
    is_open = open_minutes(windows)
    local_minute = (wall_ms // 60_000 + offset_minutes) % 1440
    wait_minutes = next(wait for wait in range(1440) if (local_minute + wait) % 1440 in is_open)
    expected_ms = wait_minutes * 60_000 - (wall_ms % 60_000 if wait_minutes else 0)
    assert schedule.next_open_ms(wall_ms, 0) == expected_ms
    assert schedule.allows(wall_ms, 0, 1, False) == (expected_ms == 0)


@given(window_lists, st.integers(0, DAY_MS - 1), st.integers(1, 1000), st.integers(1, 2000))
def test_waiting_as_told_leads_to_sending(windows, time_ms, budget_bytes, spent_bytes):
    schedule = Schedule(parse_windows([as_text(each) for each in windows]), budget_bytes)
    wall_ms, now_ms = BASE_MS + time_ms, 0
    schedule.spent(wall_ms, now_ms, spent_bytes)
    wait_ms = schedule.next_open_ms(wall_ms, now_ms, 1)
    assert wait_ms <= 2 * DAY_MS
    if wait_ms:
        assert not schedule.allows(wall_ms + wait_ms - 1, now_ms + wait_ms - 1, 1, False)
    assert schedule.allows(wall_ms + wait_ms, now_ms + wait_ms, 1, False)


wild_clocks = st.one_of(
    st.none(),
    st.integers(-2, 2).map(lambda days: days * DAY_MS),
    st.integers(-40_000 * DAY_MS, 40_000 * DAY_MS),
)


@given(st.lists(st.tuples(st.integers(0, DAY_MS), wild_clocks), max_size=40))
def test_no_clock_renews_the_budget_faster_than_days_pass(steps):
    schedule = Schedule([], 100)
    now_ms, sent_bytes = 7_000, 0
    for pass_ms, jump_ms in steps:
        now_ms += pass_ms
        wall_ms = None if jump_ms is None else 50_000 * DAY_MS + now_ms + jump_ms
        if schedule.allows(wall_ms, now_ms, 100, False):
            schedule.spent(wall_ms, now_ms, 100)
            sent_bytes += 100
    days_passed = (now_ms - 7_000) // DAY_MS
    assert sent_bytes <= 100 * (3 + days_passed)


@given(st.lists(wild_clocks, max_size=20), st.one_of(st.none(), st.integers(0, DAY_MS - 1)))
def test_no_clock_blocks_the_budget_for_more_than_two_days(jumps, time_ms):
    schedule = Schedule([], 100)
    now_ms = 0
    for jump_ms in jumps:
        now_ms += 1_000
        wall_ms = None if jump_ms is None else 50_000 * DAY_MS + jump_ms
        schedule.spent(wall_ms, now_ms, 100)
    # From here the clock is right, or stays unknown.
    for hour in range(3 * 24 + 1):
        passed_ms = hour * 3_600_000
        wall_ms = None if time_ms is None else 50_000 * DAY_MS + time_ms + passed_ms
        if schedule.allows(wall_ms, now_ms + passed_ms, 100, False):
            break
    assert hour <= 2 * 24, hour


@given(st.integers(0, 50_000), st.integers(0, 500), st.integers(0, DAY_MS - 1))
def test_restarts_on_one_day_share_one_budget(day, spent_bytes, time_ms):
    wall_ms = BASE_MS + time_ms
    account = (day, spent_bytes)
    sent_bytes = 0
    for _ in range(30):
        schedule = Schedule([], 100)
        schedule.restore(*account)
        if schedule.allows(wall_ms, 0, 30, False):
            schedule.spent(wall_ms, 0, 30)
            sent_bytes += 30
            account = schedule.state()
    assert sent_bytes <= 100
