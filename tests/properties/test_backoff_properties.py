"""Backoff and breaker under any sequence of calls."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.delivery.backoff import CLOSED, HALF_OPEN, OPEN, Backoff, Breaker, Retry
from tidegate.delivery.chance import Chance

seeds = st.integers(0, (1 << 64) - 1)


@given(seeds, st.integers(1, 5_000), st.integers(0, 100_000), st.lists(st.booleans(), max_size=60))
def test_delays_never_leave_their_limits(seed, delay_ms_min, width_ms, failures):
    retry = Retry("test", delay_ms_min, delay_ms_min + width_ms, None)
    backoff = Backoff(retry, Chance(seed))
    in_a_row = 0
    for now_ms, failure in enumerate(failures):
        if failure:
            in_a_row += 1
            delay_ms = backoff.failed(now_ms) - now_ms
            ceiling_ms = min(delay_ms_min * 2**in_a_row, retry.delay_ms_max)
            assert delay_ms_min <= delay_ms <= ceiling_ms
        else:
            in_a_row = 0
            backoff.succeeded()
        assert backoff.attempts == in_a_row


@given(seeds, st.integers(1, 1 << 64))
def test_below_stays_below(seed, n):
    assert 0 <= Chance(seed).below(n) < n


breaker_steps = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from(("ask", "fail", "succeed"))), max_size=60
)


@given(st.integers(1, 4), st.integers(1, 500), breaker_steps)
def test_a_breaker_gives_one_probe_at_a_time_and_never_locks(failures_max, probe_ms_max, steps):
    breaker = Breaker(failures_max, probe_ms_max)
    now_ms, failures, probe_until_ms = 0, 0, None
    for pass_ms, action in steps:
        now_ms += pass_ms
        before = breaker.state
        if action == "ask":
            allowed = breaker.allows(now_ms)
            if before != CLOSED and allowed:
                # Never a second probe while one is under way and not yet given up.
                assert probe_until_ms is None or now_ms >= probe_until_ms
                probe_until_ms = now_ms + probe_ms_max
                assert breaker.state == HALF_OPEN
            if before == CLOSED:
                assert allowed
        elif action == "fail":
            failures += 1
            probe_until_ms = None
            breaker.failed(now_ms, now_ms + 100)
            if before == CLOSED:
                assert (breaker.state == OPEN) == (failures >= failures_max)
            else:
                assert breaker.state == OPEN
        else:
            failures, probe_until_ms = 0, None
            breaker.succeeded()
            assert breaker.state == CLOSED
        retry_at_ms = breaker.retry_at()
        assert (retry_at_ms is None) == (breaker.state == CLOSED)
        if retry_at_ms is not None:
            assert retry_at_ms <= now_ms + max(100, probe_ms_max)
