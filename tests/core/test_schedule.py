"""Time windows and the budget of a day."""

from support import raises
from tidegate.delivery.schedule import (
    DAY_UNKNOWN,
    WINDOWS_MAX,
    Schedule,
    Window,
    parse_window,
    parse_windows,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAY = 20_000  # Some day in October 2024.
MIDNIGHT_MS = DAY * DAY_MS


def at(hour, minute=0, day=DAY):
    """Return the wall time of a moment of a day, UTC."""
    return day * DAY_MS + (hour * 60 + minute) * 60_000


def test_windows_are_parsed():
    cases = (
        ("22:00-06:00", Window(1320, 360)),
        ("00:00-24:00", Window(0, 1440)),
        ("00:00-00:01", Window(0, 1)),
        ("23:59-24:00", Window(1439, 1440)),
        ("22:00-00:00", Window(1320, 1440)),
        ("12:30-12:29", Window(750, 749)),
    )
    for text, window in cases:
        assert parse_window(text) == window, text
    assert parse_windows([]) == []
    assert parse_windows(["01:00-02:00", "03:00-04:00"]) == [Window(60, 120), Window(180, 240)]


def test_wrong_windows_are_refused():
    wrong = (
        "", "-", "22:00", "22:00-", "-06:00", "22:00-6:00", "2200-0600", "22:00 - 06:00",
        "22:00–06:00", "22:60-06:00", "24:00-06:00", "24:01-25:00", "00:00-24:01", "aa:bb-cc:dd",
        "+1:00-02:00", "-1:00-02:00", "01:00-02:00-03:00", "01:00-02:00 ", "\u0660\u0661:00-02:00",
        "07:00-07:00", "00:00-00:00",
    )  # fmt: skip
    for text in wrong:
        with raises(ValueError) as caught:
            parse_window(text)
        assert "window" in str(caught.error), text
    assert len(parse_windows(["01:00-02:00"] * WINDOWS_MAX)) == WINDOWS_MAX
    with raises(ValueError):
        parse_windows(["01:00-02:00"] * (WINDOWS_MAX + 1))


def test_uploads_run_in_windows_alone():
    # Windows, offset in minutes, UTC hour and minute, wait in minutes.
    cases = (
        ([], 0, (3, 0), 0),
        (["00:00-24:00"], 0, (0, 0), 0),
        (["00:00-24:00"], 0, (23, 59), 0),
        (["22:00-06:00"], 0, (22, 0), 0),
        (["22:00-06:00"], 0, (0, 0), 0),
        (["22:00-06:00"], 0, (5, 59), 0),
        (["22:00-06:00"], 0, (6, 0), 16 * 60),
        (["22:00-06:00"], 0, (21, 59), 1),
        (["08:00-09:00"], 0, (8, 59), 0),
        (["08:00-09:00"], 0, (9, 0), 23 * 60),
        (["08:00-09:00", "12:00-13:00"], 0, (9, 0), 3 * 60),
        (["12:00-13:00", "08:00-09:00"], 0, (13, 0), 19 * 60),
        (["08:00-10:00", "09:00-11:00"], 0, (10, 30), 0),
        (["12:30-12:29"], 0, (12, 29), 1),
        (["22:00-00:00"], 0, (23, 59), 0),
        (["22:00-00:00"], 0, (0, 0), 22 * 60),
        (["22:00-06:00"], 120, (20, 0), 0),  # 22:00 where it is two hours later than UTC.
        (["22:00-06:00"], 120, (4, 0), 16 * 60),
        (["22:00-06:00"], -300, (3, 0), 0),
        (["22:00-06:00"], -300, (2, 59), 1),
    )
    for texts, offset_minutes, moment, wait_minutes in cases:
        schedule = Schedule(parse_windows(texts), None, offset_minutes)
        wall_ms = at(*moment)
        case = (texts, offset_minutes, moment)
        assert schedule.next_open_ms(wall_ms, 0) == wait_minutes * 60_000, case
        assert schedule.allows(wall_ms, 0, 1, False) == (wait_minutes == 0), case


def test_windows_open_to_the_millisecond():
    schedule = Schedule(parse_windows(["08:00-09:00"]))
    assert schedule.next_open_ms(at(8) - 1, 0) == 1
    assert schedule.next_open_ms(at(9) - 1, 0) == 0
    assert schedule.next_open_ms(at(9), 0) == 23 * HOUR_MS


def test_windows_are_open_while_the_time_is_unknown():
    schedule = Schedule(parse_windows(["08:00-09:00"]), 100)
    assert schedule.allows(None, 0, 10, False)
    assert schedule.next_open_ms(None, 0) == 0


def test_urgent_breaks_windows_and_budget_and_is_counted():
    schedule = Schedule(parse_windows(["08:00-09:00"]), 100)
    assert not schedule.allows(at(12), 0, 10, False)
    assert schedule.allows(at(12), 0, 10, True)
    schedule.spent(at(12), 0, 250)
    assert schedule.allows(at(12), 0, 10, True)
    assert schedule.state() == (DAY, 250)
    assert not schedule.allows(at(8, 30), 0, 10, False)


def test_the_budget_bounds_a_day():
    schedule = Schedule([], 100)
    assert schedule.room_bytes(at(1), 0) == 100
    schedule.spent(at(1), 0, 60)
    assert schedule.allows(at(2), HOUR_MS, 40, False)
    assert not schedule.allows(at(2), HOUR_MS, 41, False)
    assert schedule.room_bytes(at(2), HOUR_MS) == 40
    schedule.spent(at(2), HOUR_MS, 39)
    assert schedule.next_open_ms(at(2), HOUR_MS) == 0
    schedule.spent(at(2), HOUR_MS, 1)
    assert not schedule.allows(at(3), 2 * HOUR_MS, 0, False)
    assert schedule.next_open_ms(at(3), 2 * HOUR_MS) == 21 * HOUR_MS
    assert schedule.room_bytes(at(3), 2 * HOUR_MS) == 0
    assert schedule.allows(at(0, 0, DAY + 1), 23 * HOUR_MS, 100, False)
    assert schedule.state() == (DAY + 1, 0)


def test_without_a_budget_only_the_account_is_kept():
    schedule = Schedule([])
    schedule.spent(at(1), 0, 10**12)
    assert schedule.allows(at(1), 0, 10**12, False)
    assert schedule.room_bytes(at(1), 0) is None
    assert schedule.state() == (DAY, 10**12)


def test_a_piece_larger_than_the_budget_goes_first_on_a_day():
    schedule = Schedule([], 100)
    assert schedule.allows(at(1), 0, 500, False)
    schedule.spent(at(1), 0, 1)
    assert not schedule.allows(at(1), 0, 500, False)
    assert schedule.next_open_ms(at(1), 0, 500) == 23 * HOUR_MS
    assert schedule.allows(at(0, 0, DAY + 1), 23 * HOUR_MS, 500, False)


def test_the_day_of_the_budget_is_local():
    schedule = Schedule([], 100, 120)
    schedule.spent(at(21, 59), 0, 100)
    assert schedule.state() == (DAY, 100)
    assert schedule.next_open_ms(at(21, 59), 0) == 60_000
    assert schedule.allows(at(22), 60_000, 100, False)
    assert schedule.state() == (DAY + 1, 0)


def test_a_used_up_budget_and_a_closed_window_both_count():
    schedule = Schedule(parse_windows(["20:00-04:00"]), 100)
    schedule.spent(at(21), 0, 100)
    # The window is open at midnight, when the budget is renewed.
    assert schedule.next_open_ms(at(21), 0) == 3 * HOUR_MS
    schedule = Schedule(parse_windows(["08:00-09:00"]), 100)
    schedule.spent(at(8), 0, 100)
    assert schedule.next_open_ms(at(8), 0) == 24 * HOUR_MS


def test_a_restart_does_not_renew_the_budget():
    schedule = Schedule([], 100)
    schedule.spent(at(1), 0, 100)
    for _ in range(5):
        restarted = Schedule([], 100)
        restarted.restore(*schedule.state())
        assert not restarted.allows(at(2), 0, 1, False)
        schedule = restarted
    overnight = Schedule([], 100)
    overnight.restore(*schedule.state())
    assert overnight.allows(at(1, 0, DAY + 1), 0, 100, False)


def test_a_restart_without_a_clock_does_not_renew_the_budget():
    schedule = Schedule([], 100)
    schedule.restore(DAY, 100)
    assert not schedule.allows(None, 5_000, 1, False)
    assert schedule.next_open_ms(None, 5_000) == DAY_MS
    assert not schedule.allows(None, 5_000 + DAY_MS - 1, 1, False)
    assert schedule.allows(None, 5_000 + DAY_MS, 1, False)
    assert schedule.state() == (DAY_UNKNOWN, 0)


def test_without_a_clock_a_day_is_24_hours():
    schedule = Schedule([], 100)
    schedule.spent(None, 1_000, 100)
    assert schedule.state() == (DAY_UNKNOWN, 100)
    for day in range(1, 4):
        now_ms = 1_000 + day * DAY_MS
        assert not schedule.allows(None, now_ms - 1, 1, False)
        assert schedule.next_open_ms(None, now_ms - 1) == 1
        assert schedule.allows(None, now_ms, 1, False)
        schedule.spent(None, now_ms, 100)


def test_learning_the_time_names_the_day_and_renews_nothing():
    schedule = Schedule([], 100)
    schedule.spent(None, 0, 100)
    assert not schedule.allows(at(10), HOUR_MS, 1, False)
    assert schedule.state() == (DAY, 100)
    assert schedule.next_open_ms(at(10), HOUR_MS) == 14 * HOUR_MS
    # The same after a restart in between.
    schedule = Schedule([], 100)
    schedule.restore(DAY_UNKNOWN, 100)
    assert not schedule.allows(at(10), 0, 1, False)


def test_a_small_step_back_over_midnight_renews_nothing():
    schedule = Schedule([], 100)
    schedule.spent(at(0, 1), 0, 100)
    assert not schedule.allows(at(23, 59, DAY - 1), 1_000, 1, False)
    assert schedule.state() == (DAY, 100)
    assert not schedule.allows(at(0, 1), 120_000, 1, False)
    # Waiting for the end of the day that had been reached: one minute more than a day.
    assert schedule.next_open_ms(at(23, 59, DAY - 1), 1_000) == DAY_MS + 60_000
    assert schedule.allows(at(0, 0, DAY + 1), DAY_MS, 1, False)


def test_two_days_back_mean_that_the_clock_had_been_wrong():
    for days_back, day_after in ((1, DAY), (2, DAY - 2), (3, DAY - 3)):
        schedule = Schedule([], 100)
        schedule.spent(at(12), 0, 100)
        assert not schedule.allows(at(12, 0, DAY - days_back), 1_000, 1, False)
        assert schedule.state() == (day_after, 100)


def test_a_step_years_ahead_and_back_costs_at_most_a_day():
    far = DAY + 20_000
    schedule = Schedule([], 100)
    schedule.spent(at(10), 0, 100)
    assert schedule.allows(at(10, 0, far), 1_000, 1, False)
    schedule.spent(at(10, 0, far), 1_000, 100)
    assert schedule.state() == (far, 100)
    # Back: nothing is renewed, and the next midnight counts again.
    assert not schedule.allows(at(10), 2_000, 1, False)
    assert schedule.state() == (DAY, 100)
    assert schedule.next_open_ms(at(10), 2_000) == 14 * HOUR_MS
    # This would be the second renewal since the start.
    assert schedule.allows(at(0, 0, DAY + 1), 14 * HOUR_MS, 1, False)


def test_a_step_ahead_and_back_across_restarts_costs_at_most_a_day():
    schedule = Schedule([], 100)
    schedule.restore(DAY + 20_000, 100)
    assert not schedule.allows(at(10), 0, 1, False)
    again = Schedule([], 100)
    again.restore(*schedule.state())
    again.spent(at(10), 0, 0)
    assert again.state() == (DAY, 100)
    assert again.allows(at(0, 1, DAY + 1), 0, 1, False)


def test_a_clock_that_jumps_to_and_fro_does_not_renew_each_time():
    schedule = Schedule([], 100)
    sent_bytes = 0
    start_ms = 5_000_000
    for second in range(1_000):
        wall_ms, now_ms = at(10, 0, DAY + (second % 2) * 300 + second), start_ms + second * 1_000
        if schedule.allows(wall_ms, now_ms, 100, False):
            schedule.spent(wall_ms, now_ms, 100)
            sent_bytes += 100
    assert sent_bytes == 300  # The first day's and two renewals.
    # It is not blocked either: after 24 hours one more, then one each day.
    wall_ms = at(10, 0, DAY + 5_000)
    wait_ms = schedule.next_open_ms(wall_ms, start_ms + 999_000)
    assert wait_ms == DAY_MS - 999_000
    assert not schedule.allows(wall_ms, start_ms + DAY_MS - 1, 100, False)
    assert schedule.allows(wall_ms, start_ms + DAY_MS, 100, False)


def test_a_steady_clock_renews_every_midnight():
    for start_hour in (0, 1, 11, 12, 13, 23):
        schedule = Schedule([], 100)
        schedule.restore(DAY - 3, 100)
        start_ms = at(start_hour)
        for day in range(40):
            wall_ms = at(0, 0, DAY + day) if day else start_ms
            now_ms = wall_ms - start_ms
            assert schedule.allows(wall_ms, now_ms, 100, False), (start_hour, day)
            schedule.spent(wall_ms, now_ms, 100)
            if day:
                assert not schedule.allows(wall_ms + DAY_MS - 1, now_ms + DAY_MS - 1, 1, False)


def test_impossible_arguments_are_refused():
    for budget_bytes in (0, -1):
        with raises(ValueError):
            Schedule([], budget_bytes)
    for offset_minutes in (-1081, 1081):
        with raises(ValueError):
            Schedule([], None, offset_minutes)
    for offset_minutes in (-1080, 1080):
        assert Schedule([], 1, offset_minutes).allows(at(12), 0, 1, False)
    schedule = Schedule([], 100)
    schedule.restore(0, 0)
    for day, spent_bytes in ((-1, 0), (0, -1)):
        with raises(ValueError):
            schedule.restore(day, spent_bytes)
    with raises(ValueError):
        schedule.spent(None, 0, -1)
