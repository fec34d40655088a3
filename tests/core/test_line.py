"""One line for all streams: when it may be used, when again, and what is said about it."""

from builders import NOON_MS, chance
from tidegate.delivery.backoff import RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MIN, RETRY_STARTUP
from tidegate.delivery.line import (
    BREAKER_FAILURES,
    CONNECTING,
    DOWN,
    HELD,
    OUT_OF_SCHEDULE,
    PROBE_MS_MAX,
    RETRY_HELD,
    STARTUP_ATTEMPTS,
    UP,
    WAITING,
    AlwaysOpen,
    Line,
)
from tidegate.delivery.retry_after import parse_retry_after
from tidegate.delivery.schedule import Schedule, parse_windows

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def line(windows=(), budget=None, retry_ms_max=5000, seed=1):
    schedule = Schedule(parse_windows(windows), budget)
    return Line(retry_ms_max, schedule, chance(seed), parse_retry_after)


def room(one, now_ms, wall_ms=None, urgent=False, wanted=1000):
    return one.room_bytes(now_ms, wall_ms, urgent, wanted)


def events(one):
    return [(report.level, report.event) for report in one.take_reports()]


def test_no_token_comes_twice():
    one = line()
    tokens = [one.next_token() for _ in range(5)]
    one.restart()
    tokens.append(one.next_token())
    assert tokens == [1, 2, 3, 4, 5, 6]


def test_a_new_line_is_open_and_connecting():
    one = line()
    assert one.state == CONNECTING
    assert room(one, 0) == 1000
    assert one.open_at_ms(7, None, False) == 7


def test_each_change_of_state_is_told_once():
    one = line()
    one.succeeded(10)
    one.succeeded(20)
    assert (one.state, one.since_ms) == (UP, 10)
    one.failed(30, None, "timeout", None)
    one.failed(40, None, "refused", None)
    assert (one.state, one.since_ms, one.last_error) == (DOWN, 30, "refused")
    one.refused(50, "status 401")
    one.refused(60, "status 403")
    assert (one.state, one.since_ms, one.last_error) == (HELD, 50, "status 403")
    one.succeeded(70)
    assert one.last_error == "status 403"  # The last one is still worth knowing.
    assert events(one) == [
        ("info", "link_up"),
        ("warning", "link_down"),
        ("error", "link_held"),
        ("info", "link_up"),
    ]
    assert events(one) == []


def test_three_failures_in_a_row_leave_one_probe_at_a_time():
    one = line()
    for number in range(1, BREAKER_FAILURES):
        one.failed(number, None, "timeout", None)
        assert room(one, number) > 0, number  # Other streams still try.
    retry_at_ms = one.failed(100, None, "timeout", None)
    assert room(one, retry_at_ms - 1) == 0
    assert not one.probing
    assert one.open_at_ms(100, None, True) == retry_at_ms
    assert room(one, retry_at_ms) > 0
    assert one.probing
    assert room(one, retry_at_ms, urgent=True) == 0
    one.succeeded(retry_at_ms + 5)
    assert not one.probing
    assert room(one, retry_at_ms + 5) > 0


def test_a_probe_that_fails_leaves_the_next_one_for_later():
    one = line()
    now_ms = 0
    for _ in range(20):
        retry_at_ms = one.failed(now_ms, None, "timeout", None)
        assert now_ms < retry_at_ms <= now_ms + 5000
        now_ms = retry_at_ms
        assert room(one, now_ms) > 0
        if one.probing:
            assert room(one, now_ms) == 0


def test_a_probe_that_nobody_reports_is_lost_in_the_end():
    one = line()
    for _ in range(BREAKER_FAILURES):
        retry_at_ms = one.failed(0, None, "timeout", None)
    assert room(one, retry_at_ms) > 0
    assert one.open_at_ms(retry_at_ms, None, False) == retry_at_ms + PROBE_MS_MAX
    one.restart()  # After a journal failure nobody will: the next one need not wait for it.
    assert room(one, retry_at_ms) > 0


def test_retry_after_binds_every_stream_and_is_clamped():
    later = RETRY_AFTER_MS_MAX
    for text, wall_ms, asked_ms in (
        ("7", None, 7_000),
        ("0", None, RETRY_AFTER_MS_MIN),
        ("999999999", None, later),
        ("Thu, 01 Jan 2026 12:00:09 GMT", NOON_MS, 9_000),
        ("Thu, 01 Jan 2026 11:00:00 GMT", NOON_MS, RETRY_AFTER_MS_MIN),
        ("Thu, 01 Jan 2099 12:00:00 GMT", NOON_MS, later),
    ):
        one = line()
        retry_at_ms = one.failed(100, wall_ms, "status 503", text)
        assert 100 + asked_ms < retry_at_ms <= 100 + asked_ms + 5000, text
        assert room(one, retry_at_ms - 1, urgent=True) == 0, text
        assert one.open_at_ms(100, None, True) == retry_at_ms, text
        assert room(one, retry_at_ms) > 0, text


def test_a_retry_after_that_says_nothing_is_none():
    for text, wall_ms in (
        ("soon", NOON_MS),
        ("-1", NOON_MS),
        ("", NOON_MS),
        ("Thu, 01 Jan 2026 12:00:09 GMT", None),
    ):
        one = line()
        assert one.failed(100, wall_ms, "status 503", text) <= 5100
        assert room(one, 101) > 0, text


def test_the_longest_wish_to_be_left_alone_counts():
    one = line()
    longest = one.failed(0, None, "status 503", "600")
    one.failed(1, None, "status 503", "1")
    one.refused(2, "status 401")
    assert room(one, longest - 1) == 0
    assert room(one, longest) > 0


def test_backoff_grows_to_its_limit_and_only_success_resets_it():
    one = line(retry_ms_max=5000)
    one.succeeded(0)
    widest = 0
    for _ in range(50):
        widest = max(widest, one.failed(0, None, "timeout", None))
    assert 2500 < widest <= 5000
    one.answered()
    spread = [line_delay(one) for _ in range(10)]
    assert max(spread) > 1000, spread
    one.succeeded(0)
    assert one.failed(0, None, "timeout", None) <= 500


def line_delay(one):
    return one.failed(0, None, "timeout", None)


def test_an_answer_closes_the_circuit_even_if_it_proves_nothing_else():
    one = line()
    for _ in range(BREAKER_FAILURES):
        retry_at_ms = one.failed(0, None, "timeout", None)
    assert room(one, retry_at_ms) > 0
    one.answered()
    assert room(one, retry_at_ms) > 0
    assert one.state == DOWN


def test_a_refusal_is_asked_about_again_within_its_limits():
    one = line()
    now_ms = 0
    for _ in range(30):
        retry_at_ms = one.refused(now_ms, "status 401")
        delay_ms = retry_at_ms - now_ms
        assert RETRY_HELD.delay_ms_min <= delay_ms <= RETRY_HELD.delay_ms_max
        assert room(one, retry_at_ms - 1, urgent=True) == 0
        now_ms = retry_at_ms
        assert room(one, now_ms) > 0
    assert events(one) == [("error", "link_held")]
    one.succeeded(now_ms)
    assert one.refused(now_ms, "status 401") <= now_ms + 2 * RETRY_HELD.delay_ms_min


def test_outside_the_windows_only_urgent_streams_use_the_line():
    one = line(["22:00-06:00"])
    one.succeeded(0)
    events(one)
    assert room(one, 0, NOON_MS) == 0
    assert room(one, 0, NOON_MS, urgent=True) == 1000
    assert one.open_at_ms(5, NOON_MS, False) == 5 + 10 * HOUR_MS
    assert one.open_at_ms(5, NOON_MS, True) == 5
    assert (one.state, one.last_error) == (WAITING, "")
    one.succeeded(6)  # An urgent batch came through: the others wait as before.
    assert room(one, 7, NOON_MS) == 0
    assert one.state == WAITING
    reports = one.take_reports()
    assert [(report.event, report.fields) for report in reports] == [
        ("link_waiting", [("reason", OUT_OF_SCHEDULE)])
    ]
    assert room(one, 10 * HOUR_MS, NOON_MS + 10 * HOUR_MS) == 1000
    assert one.state == UP
    assert events(one) == [("info", "link_up")]


def test_a_line_that_was_never_tried_is_connecting_when_its_window_opens():
    one = line(["22:00-06:00"])
    assert room(one, 0, NOON_MS) == 0
    assert one.state == WAITING
    assert room(one, 0, NOON_MS + 11 * HOUR_MS) == 1000
    assert one.state == CONNECTING


def test_an_outage_outside_the_windows_is_still_an_outage():
    one = line(["22:00-06:00"])
    one.succeeded(0)
    room(one, 0, NOON_MS)
    one.failed(1, NOON_MS, "timeout", None)
    assert room(one, 2, NOON_MS) == 0
    assert one.state == DOWN


def test_a_spent_budget_holds_all_but_urgent_streams_until_midnight():
    one = line(budget=1000)
    assert room(one, 0, NOON_MS, wanted=5000) == 1000
    one.spent(0, NOON_MS, 600)
    assert room(one, 0, NOON_MS, wanted=5000) == 400
    assert room(one, 0, NOON_MS, wanted=100) == 100
    one.spent(0, NOON_MS, 500)  # A batch is never cut to the byte.
    assert room(one, 0, NOON_MS) == 0
    assert room(one, 0, NOON_MS, urgent=True) == 1000
    assert one.open_at_ms(0, NOON_MS, False) == 12 * HOUR_MS
    assert room(one, 12 * HOUR_MS, NOON_MS + 12 * HOUR_MS) == 1000


def test_who_comes_when_the_line_said_is_served():
    # Otherwise a shell that sleeps until then would either spin or sleep for ever.
    for seed in range(300):
        draw = chance(seed)
        one = line(
            ["06:00-07:30", "22:00-23:59"][: draw.below(3)],
            [None, 900][draw.below(2)],
            seed=seed,
        )
        now_ms, wall_ms = 0, NOON_MS + draw.below(DAY_MS)
        known = draw.below(2) == 1
        for step in range(20):
            urgent = draw.below(3) == 0
            wall = wall_ms + now_ms if known else None
            at_ms = one.open_at_ms(now_ms, wall, urgent)
            assert at_ms >= now_ms, (seed, step)
            got = room(one, now_ms, wall, urgent)
            assert (got > 0) == (at_ms == now_ms), (seed, step, got, at_ms - now_ms)
            if got and draw.below(2):
                one.spent(now_ms, wall, draw.below(700))
            verdict = draw.below(6)
            if verdict == 0 or (got and one.probing and verdict < 4):
                one.failed(now_ms, wall, "timeout", [None, "3", "90"][draw.below(3)])
            elif verdict == 1:
                one.refused(now_ms, "status 401")
            elif verdict == 2 or (got and one.probing):
                one.succeeded(now_ms)
            now_ms = max(now_ms + draw.below(300), at_ms if draw.below(2) else 0)


def test_a_target_that_stays_away_is_an_outage_and_no_start_any_more():
    one = line()
    delays = []
    now_ms = 0
    for _ in range(200):
        retry_at_ms = one.failed(now_ms, None, "away", None)
        delays.append(retry_at_ms - now_ms)
        now_ms = retry_at_ms
    assert max(delays[:STARTUP_ATTEMPTS]) <= RETRY_STARTUP.delay_ms_max < max(delays)


def test_a_line_without_windows_and_budget_keeps_no_account():
    one = Line(5000, AlwaysOpen(), chance())
    assert room(one, 0, wanted=10**9) == 10**9
    one.spent(0, None, 10**12)
    assert room(one, 1, NOON_MS) == 1000
    assert one.open_at_ms(7, NOON_MS, False) == 7
    one.schedule.restore(20_000, 5)
    assert one.schedule.state() is None


def test_a_line_by_itself_reads_seconds_only():
    one = Line(5000, AlwaysOpen(), chance())
    one.failed(0, NOON_MS, "status 503", "Thu, 01 Jan 2026 13:00:00 GMT")
    assert one.not_before_ms == 0
    one.failed(0, NOON_MS, "status 503", "60")
    assert one.not_before_ms >= 60_000
