"""Retry-After, in seconds and as a date, and garbage in it."""

from tidegate.delivery.backoff import RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MIN
from tidegate.delivery.retry_after import parse_retry_after

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
DATE_MS = 784_111_777_000


def test_retry_after_in_seconds():
    cases = (
        ("1", 1_000),
        ("120", 120_000),
        (" 120\t", 120_000),
        ("0120", 120_000),
        ("0", RETRY_AFTER_MS_MIN),
        ("86400", RETRY_AFTER_MS_MAX),
        ("9" * 64, RETRY_AFTER_MS_MAX),
    )
    for value, delay_ms in cases:
        # Seconds need no clock.
        assert parse_retry_after(value, None) == delay_ms, value
        assert parse_retry_after(value, DATE_MS) == delay_ms, value


def test_retry_after_as_a_date():
    forms = (DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994")
    for value in forms:
        assert parse_retry_after(value, DATE_MS - 90_000) == 90_000, value
        assert parse_retry_after(value, DATE_MS - 1_500) == 1_500, value
        assert parse_retry_after(value, DATE_MS) == RETRY_AFTER_MS_MIN, value
        assert parse_retry_after(value, DATE_MS + 10**12) == RETRY_AFTER_MS_MIN, value
        assert parse_retry_after(value, DATE_MS - 10**11) == RETRY_AFTER_MS_MAX, value
        assert parse_retry_after(value, None) is None, value


def test_garbage_in_retry_after_is_ignored():
    garbage = (
        "", " ", "soon", "-1", "+1", "1.5", "1e3", "0x10", "1_000", "1 2", "120s", "9" * 65,
        "\u0661", "\u00b2", "\n5", DATE + "x", DATE.lower(), "Sun, 99 Nov 1994 08:49:37 GMT",
    )  # fmt: skip
    for value in garbage:
        assert parse_retry_after(value, None) is None, value
        assert parse_retry_after(value, DATE_MS) is None, value
