"""A batch grows while the line is quick, shrinks when it is not, and stays within all limits."""

from tidegate.delivery.pace import BYTES_MIN, ROUND_TRIP_AIM_MS, Pace

QUICK, SLOW = ROUND_TRIP_AIM_MS // 2 - 1, ROUND_TRIP_AIM_MS * 2 + 1


def pace(records_max=800, bytes_max=800_000):
    return Pace(records_max, bytes_max)


def full(one, round_trip_ms):
    one.returned(round_trip_ms, one.records, 0)


def test_an_unknown_line_is_taken_for_a_slow_one():
    one = pace()
    assert (one.records, one.bytes) == (100, 100_000)
    tiny = pace(1, 1)
    assert (tiny.records, tiny.bytes) == (1, BYTES_MIN)


def test_full_batches_that_return_quickly_double_up_to_the_limits():
    one = pace()
    for records, size in ((200, 200_000), (400, 400_000), (800, 800_000), (800, 800_000)):
        full(one, QUICK)
        assert (one.records, one.bytes) == (records, size)


def test_only_full_and_quick_batches_prove_anything():
    for round_trip_ms, records, size, grows in (
        (QUICK, 100, 0, True),
        (QUICK, 1, 100_000, True),  # Full in bytes is full.
        (QUICK, 99, 99_999, False),
        (QUICK + 1, 100, 100_000, False),
        (SLOW - 1, 100, 100_000, False),
    ):
        one = pace()
        one.returned(round_trip_ms, records, size)
        assert (one.records == 200) == grows, (round_trip_ms, records, size)
        assert one.records >= 100


def test_a_slow_return_and_a_failure_halve_it_down_to_one_record():
    slow, failing = pace(), pace()
    for records in (50, 25, 12, 6, 3, 1, 1, 1):
        slow.returned(SLOW, 1, 1)
        failing.failed()
        assert slow.records == failing.records == records
        assert slow.bytes == failing.bytes
    assert slow.bytes == BYTES_MIN


def test_it_recovers_from_any_outage():
    one = pace()
    for _ in range(50):
        one.failed()
    for _ in range(12):
        full(one, 0)
    assert (one.records, one.bytes) == (800, 800_000)


def test_what_was_called_too_large_is_remembered():
    one = pace()
    one.too_large(80, 60_000)
    assert (one.records, one.bytes) == (40, 30_000)
    for _ in range(10):
        full(one, 0)
    assert one.bytes == 30_000
    one.too_large(400, 100_000)  # Larger than what is known to be too large: nothing new.
    assert one.bytes == 30_000


def test_a_target_that_refuses_by_any_measure_is_soon_kept_to():
    for records_most, bytes_most, record_bytes in (
        (50, 1 << 30, 60),
        (1 << 30, 10_000, 60),
        (1 << 30, 10_000, 4_000),
        (7, 1 << 30, 500),
    ):
        one = pace()
        refusals = 0
        for _ in range(200):
            count = max(1, min(one.records, one.bytes // record_bytes))
            if count > records_most or count * record_bytes > bytes_most:
                refusals += 1
                one.too_large(count, count * record_bytes)
            else:
                one.returned(0, count, count * record_bytes)
        assert 0 < refusals <= 6, (records_most, bytes_most, record_bytes, refusals)


def test_limits_never_fall_to_nothing():
    one = pace()
    for _ in range(30):
        one.too_large(one.records, one.bytes)
    assert (one.records, one.bytes) == (1, BYTES_MIN)
