"""Delays, Retry-After and the circuit breaker."""

from support import raises
from tidegate.delivery.backoff import (
    CLOSED,
    HALF_OPEN,
    OPEN,
    RETRY_AFTER_MS_MAX,
    RETRY_AFTER_MS_MIN,
    RETRY_QUERY,
    RETRY_RUNNING,
    RETRY_STARTUP,
    Backoff,
    Breaker,
    Retry,
    clamped_ms,
    parse_seconds,
)
from tidegate.delivery.chance import Chance

NOW_MS = 5_000_000


def test_presets_promise_what_callers_rest_on():
    # Catching up starts within five seconds after the line is back (FAULTS R10).
    assert RETRY_RUNNING.delay_ms_max == 5_000
    assert RETRY_RUNNING.attempts_max is None
    assert RETRY_STARTUP.attempts_max is None
    assert RETRY_QUERY.attempts_max == 3
    for retry in (RETRY_STARTUP, RETRY_RUNNING, RETRY_QUERY):
        assert 0 < retry.delay_ms_min < retry.delay_ms_max <= 5_000


def test_delays_lie_between_the_limits_and_use_the_whole_width():
    retry = Retry("test", 100, 1_000, None)
    ceilings = (200, 400, 800, 1_000, 1_000)
    drawn = [[] for _ in ceilings]
    for seed in range(300):
        backoff = Backoff(retry, Chance(seed))
        for index in range(len(ceilings)):
            drawn[index].append(backoff.failed(NOW_MS) - NOW_MS)
    for index, ceiling_ms in enumerate(ceilings):
        width_ms = ceiling_ms - 100
        assert min(drawn[index]) >= 100
        assert max(drawn[index]) <= ceiling_ms
        assert min(drawn[index]) < 100 + width_ms // 20
        assert max(drawn[index]) > ceiling_ms - width_ms // 20


def test_delay_limits_are_both_reached():
    delays = set()
    for seed in range(200):
        delays.add(Backoff(Retry("test", 1, 3, None), Chance(seed)).failed(0))
    assert delays == {1, 2}
    backoff = Backoff(Retry("test", 7, 7, None), Chance(0))
    assert [backoff.failed(0) for _ in range(3)] == [7, 7, 7]


def test_delays_stay_bounded_through_a_long_outage():
    backoff = Backoff(RETRY_RUNNING, Chance(1))
    for attempt in range(1, 2_000):
        assert backoff.failed(NOW_MS) - NOW_MS <= 5_000
        assert backoff.attempts == attempt


def test_many_nodes_do_not_come_back_together():
    buckets = [0] * 10
    for seed in range(1_000):
        backoff = Backoff(RETRY_RUNNING, Chance(seed))
        for _ in range(8):
            retry_at_ms = backoff.failed(0)
        buckets[min(9, retry_at_ms // 500)] += 1
    assert max(buckets) < 200, buckets


def test_success_starts_over():
    backoff = Backoff(Retry("test", 100, 60_000, None), Chance(5))
    for _ in range(9):
        backoff.failed(NOW_MS)
    backoff.succeeded()
    assert backoff.attempts == 0
    assert backoff.failed(NOW_MS) - NOW_MS <= 200
    assert backoff.attempts == 1


def test_attempts_are_used_up():
    backoff = Backoff(RETRY_QUERY, Chance(2))
    assert backoff.failed(NOW_MS) is not None
    assert backoff.failed(NOW_MS) is not None
    assert backoff.failed(NOW_MS) is None
    assert backoff.failed(NOW_MS) is None
    backoff.succeeded()
    assert backoff.failed(NOW_MS) is not None
    assert Backoff(Retry("once", 1, 1, 1), Chance(0)).failed(0) is None


def test_jitter_comes_on_top_of_what_the_peer_asked():
    for seed in range(50):
        backoff = Backoff(RETRY_RUNNING, Chance(seed))
        retry_at_ms = backoff.failed(NOW_MS, 30_000)
        assert 30_250 <= retry_at_ms - NOW_MS <= 30_500


def test_impossible_retries_are_refused():
    for retry in (
        Retry("test", 0, 10, None),
        Retry("test", 11, 10, None),
        Retry("test", -5, 10, None),
        Retry("test", 1, 10, 0),
    ):
        with raises(ValueError):
            Backoff(retry, Chance(0))


def test_seconds_need_no_clock():
    for value, delay_ms in (("1", 1_000), (" 120\t", 120_000), ("0", RETRY_AFTER_MS_MIN)):
        assert parse_seconds(value, None) == delay_ms, value
        assert parse_seconds(value, 784_111_777_000) == delay_ms, value
    for value in ("", "soon", "9" * 65, "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert parse_seconds(value, 784_111_777_000) is None, value


def test_no_wait_is_longer_than_the_longest():
    assert clamped_ms(RETRY_AFTER_MS_MAX + 1) == RETRY_AFTER_MS_MAX
    assert clamped_ms(-1) == RETRY_AFTER_MS_MIN


def test_breaker_opens_after_failures_in_a_row():
    breaker = Breaker(3, 10_000)
    for _ in range(2):
        breaker.failed(100, 200)
        assert breaker.state == CLOSED
        assert breaker.allows(100)
        assert breaker.retry_at() is None
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(100, 200)
        assert breaker.state == CLOSED
    breaker.failed(100, 250)
    assert breaker.state == OPEN
    assert breaker.retry_at() == 250
    assert not breaker.allows(100)
    assert not breaker.allows(249)


def test_half_open_lets_exactly_one_probe_through():
    breaker = Breaker(1, 10_000)
    breaker.failed(0, 50)
    assert breaker.allows(50)
    assert breaker.state == HALF_OPEN
    for now_ms in (50, 51, 10_049):
        assert not breaker.allows(now_ms)
    assert breaker.retry_at() == 10_050


def test_the_probe_decides():
    breaker = Breaker(1, 10_000)
    breaker.failed(0, 50)
    assert breaker.allows(60)
    breaker.failed(70, 500)
    assert breaker.state == OPEN
    assert not breaker.allows(499)
    assert breaker.allows(500)
    breaker.succeeded()
    assert breaker.state == CLOSED
    assert breaker.allows(501)
    assert breaker.allows(501)
    assert breaker.retry_at() is None


def test_one_failed_probe_opens_again_whatever_the_threshold():
    breaker = Breaker(5, 10_000)
    for _ in range(5):
        breaker.failed(0, 10)
    assert breaker.allows(10)
    breaker.failed(11, 40)
    assert breaker.state == OPEN
    assert not breaker.allows(39)


def test_a_lost_probe_does_not_lock_the_breaker():
    breaker = Breaker(1, 1_000)
    breaker.failed(0, 50)
    assert breaker.allows(50)
    assert not breaker.allows(1_049)
    assert breaker.allows(1_050)
    assert not breaker.allows(1_051)


def test_stragglers_make_a_pause_longer_and_not_shorter():
    breaker = Breaker(1, 1_000)
    breaker.failed(0, 500)
    breaker.failed(10, 300)
    assert breaker.retry_at() == 500
    breaker.failed(20, 900)
    assert breaker.retry_at() == 900
    # One that succeeds shows that the target works.
    breaker.succeeded()
    assert breaker.state == CLOSED


def test_success_resets_the_count():
    breaker = Breaker(2, 1_000)
    breaker.failed(0, 1)
    breaker.failed(0, 1)
    assert breaker.allows(1)
    breaker.succeeded()
    breaker.failed(2, 3)
    assert breaker.state == CLOSED


def test_impossible_breakers_are_refused():
    for failures_max, probe_ms_max in ((0, 1), (1, 0)):
        with raises(ValueError):
            Breaker(failures_max, probe_ms_max)
    breaker = Breaker(1, 1)
    with raises(ValueError):
        breaker.failed(10, 9)
    breaker.failed(10, 10)
    assert breaker.allows(10)
