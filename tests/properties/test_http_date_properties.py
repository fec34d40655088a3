"""HTTP dates against the standard library's calendar."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from tidegate.delivery.backoff import RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MIN
from tidegate.delivery.http_date import parse_http_date
from tidegate.delivery.retry_after import parse_retry_after

moments = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def to_ms(moment):
    return (moment - EPOCH) // dt.timedelta(milliseconds=1)


def forms(moment):
    """Return IMF-fixdate, RFC 850 and asctime; written out, because strftime follows the locale."""
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    clock = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    return (
        f"{day[:3]}, {moment.day:02d} {month} {moment.year:04d} {clock} GMT",
        f"{day}, {moment.day:02d}-{month}-{moment.year % 100:02d} {clock} GMT",
        f"{day[:3]} {month} {moment.day:2d} {clock} {moment.year:04d}",
    )


@given(moments, moments)
def test_four_digit_forms_name_their_instant(moment, now):
    imf, _, asctime = forms(moment)
    now_ms = max(0, to_ms(now))
    assert parse_http_date(imf, now_ms) == to_ms(moment)
    assert parse_http_date(asctime, now_ms) == to_ms(moment)


@given(
    st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2099, 12, 31)),  # noqa: DTZ001
    st.integers(-49 * 365 * 86400, 49 * 365 * 86400),
)
def test_two_digit_years_name_the_nearest_century(now, distance_s):
    now = now.replace(microsecond=0, tzinfo=dt.UTC)
    moment = now + dt.timedelta(seconds=distance_s)
    assert parse_http_date(forms(moment)[1], to_ms(now)) == to_ms(moment)


@given(st.text(max_size=45), st.integers(0, 4 * 10**12))
def test_any_text_gives_a_delay_within_the_limits_or_none(value, now_ms):
    for wall_now_ms in (None, now_ms):
        delay_ms = parse_retry_after(value, wall_now_ms)
        assert delay_ms is None or RETRY_AFTER_MS_MIN <= delay_ms <= RETRY_AFTER_MS_MAX


@given(moments, st.integers(0, 40), st.sampled_from(" :,-9a\t"))
def test_a_changed_date_is_a_date_or_none(moment, at, character):
    for text in forms(moment):
        changed = text[:at] + character + text[at + 1 :]
        instant_ms = parse_http_date(changed, 0)
        assert instant_ms is None or instant_ms % 1000 == 0
