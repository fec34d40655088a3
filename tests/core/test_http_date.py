"""The three forms of an HTTP date."""

from tidegate.delivery.http_date import parse_http_date

NOW_MS = 1_790_000_000_000  # In September 2026.
EXAMPLE_MS = 784_111_777_000  # 1994-11-06T08:49:37Z, the example of RFC 9110 §5.6.7.

DATES = (
    ("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE_MS),
    ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE_MS),
    ("Sun Nov  6 08:49:37 1994", EXAMPLE_MS),
    ("Sun Nov 06 08:49:37 1994", EXAMPLE_MS),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ("Wed, 31 Dec 1969 23:59:59 GMT", -1000),
    ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000_000),
    ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400_000),
    ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800_000),  # A leap second.
    ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648_000),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799_000),
    ("Thu Jan  1 00:00:00 1970", 0),
    ("Mon Sep 21 10:00:00 2026", 1_789_984_800_000),
    ("Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE_MS),  # The name of the day is not compared.
    # Two digits: at most 50 years ahead of 2026-09-21, to within a day.
    ("Monday, 21-Sep-26 10:00:00 GMT", 1_789_984_800_000),
    ("Sunday, 20-Sep-76 10:00:00 GMT", 3_367_821_600_000),
    ("Thursday, 23-Sep-76 10:00:00 GMT", 212_320_800_000),
    ("Friday, 01-Jan-77 00:00:00 GMT", 220_924_800_000),
    ("Tuesday, 29-Feb-00 00:00:00 GMT", 951_782_400_000),
)

GARBAGE = (
    "",
    " ",
    "soon",
    "120",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun,  06 Nov 1994 08:49:37 GMT",
    "sun, 06 Nov 1994 08:49:37 GMT",  # The grammar is case-sensitive.
    "Sun, 06 NOV 1994 08:49:37 GMT",
    "Sunday, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 06-Nov 08:49:37 GMT",
    "Sunday, 06-Nov-9x 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Sun, 29 Feb 2023 08:49:37 GMT",
    "Sun, 29 Feb 2100 08:49:37 GMT",
    "Sun, 06 Nom 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 06 Nov -994 08:49:37 GMT",
    "Sun, 06 Nov +994 08:49:37 GMT",
    "Sun, 06 Nov 1_94 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 08:49 GMT",
    "Sun, 06 Nov 1994 08:49:37:00 GMT",
    "Sun, 06 Nov 1994 -8:49:37 GMT",
    "Xyz, 06 Nov 1994 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov  16 08:49:37 1994",
    "Sun Nov  0 08:49:37 1994",
    "Sun Nov  6 08:49:37 94",
    "Sunday Nov 06 08:49:37 1994",
    "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",  # Digits of another script.
    "Sun, \u00b2\u00b2 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT" + " " * 40,
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
)


def test_dates_give_their_instant():
    for text, instant_ms in DATES:
        assert parse_http_date(text, NOW_MS) == instant_ms, text


def test_garbage_gives_none():
    for text in GARBAGE:
        assert parse_http_date(text, NOW_MS) is None, text


def test_two_digit_years_follow_the_clock():
    text = "Friday, 01-Jan-05 00:00:00 GMT"
    year_2005_ms, year_2105_ms = 1_104_537_600_000, 4_260_211_200_000
    year_2054_ms, year_2056_ms = 2_650_838_400_000, 2_713_910_400_000
    assert parse_http_date(text, 0) == year_2005_ms
    assert parse_http_date(text, year_2054_ms) == year_2005_ms
    assert parse_http_date(text, year_2056_ms) == year_2105_ms


def test_every_day_follows_the_one_before():
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    for year in (1999, 2000, 2024, 2026, 2099, 2100):
        count, before_ms = 0, None
        for month in months:
            for day in range(1, 34):
                instant_ms = parse_http_date(f"Mon, {day:02d} {month} {year} 00:00:00 GMT", NOW_MS)
                if instant_ms is None:
                    continue
                assert before_ms is None or instant_ms - before_ms == 86_400_000, (year, month, day)
                before_ms = instant_ms
                count += 1
        assert count == (366 if year in (2000, 2024) else 365)
