"""HTTP dates in their three forms (RFC 9110 §5.6.7).

    Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate, what is sent today
    Sunday, 06-Nov-94 08:49:37 GMT    RFC 850, with a year of two digits
    Sun Nov  6 08:49:37 1994          asctime

The grammar is case-sensitive.  That the name of the day fits the date is not checked: the RFC does
not ask for it, and the rest of the date is no worse when it does not.
"""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_LENGTH_MAX = 40  # The longest form has 33 characters.
_YEAR_MS = 31_557_600_000  # 365.25 days: right to within a day in what it is used for.
_AHEAD_YEARS_MAX = 50  # RFC 9110 §5.6.7, for years of two digits.


def parse_http_date(text: str, wall_now_ms: int) -> "int | None":
    """Return the instant that `text` names, in ms since 1970 (UTC), or None when it is no date.

    `wall_now_ms` decides the century of a year with two digits: the latest that does not put the
    instant more than 50 years ahead.
    """
    if len(text) > _LENGTH_MAX:
        return None
    words = text.split(" ")
    count = len(words)
    if count == 6 and words[5] == "GMT" and words[0][-1:] == "," and words[0][:-1] in _DAYS:
        return _instant_ms(_number(words[3], 4), words[2], _number(words[1], 2), words[4])
    if count == 4 and words[3] == "GMT" and words[0][-1:] == "," and words[0][:-1] in _LONG_DAYS:
        return _rfc850_ms(words[1].split("-"), words[2], wall_now_ms)
    if count == 6 and words[2] == "" and words[0] in _DAYS:
        return _instant_ms(_number(words[5], 4), words[1], _number(words[3], 1), words[4])
    if count == 5 and words[0] in _DAYS:
        return _instant_ms(_number(words[4], 4), words[1], _number(words[2], 2), words[3])
    return None


def _rfc850_ms(date: "list[str]", clock: str, wall_now_ms: int) -> "int | None":
    if len(date) != 3:
        return None
    day, digits = _number(date[0], 2), _number(date[2], 2)
    if digits is None:
        return None
    # Rounded up on purpose: the comparison of instants below decides, not this guess of the year.
    latest = 1970 + wall_now_ms // _YEAR_MS + _AHEAD_YEARS_MAX + 1
    year = latest - (latest - digits) % 100
    instant_ms = _instant_ms(year, date[1], day, clock)
    if instant_ms is not None and instant_ms - wall_now_ms > _AHEAD_YEARS_MAX * _YEAR_MS:
        return _instant_ms(year - 100, date[1], day, clock)
    return instant_ms


def _instant_ms(year: "int | None", month: str, day: "int | None", clock: str) -> "int | None":
    second = _second_of_day(clock)
    if year is None or day is None or second is None or month not in _MONTHS:
        return None
    index = _MONTHS.index(month)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days_max = 29 if leap and index == 1 else _MONTH_DAYS[index]
    if not 1 <= day <= days_max:
        return None
    return (_days_since_1970(year, index + 1, day) * 86400 + second) * 1000


def _second_of_day(clock: str) -> "int | None":
    parts = clock.split(":")
    if len(parts) != 3:
        return None
    hour, minute, second = _number(parts[0], 2), _number(parts[1], 2), _number(parts[2], 2)
    if hour is None or minute is None or second is None:
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60 is a leap second.
        return None
    return (hour * 60 + minute) * 60 + second


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Return the day's number in the Gregorian calendar; 1970-01-01 is 0, earlier is negative."""
    # Years begin in March here, so that the leap day is the last of its year and 153 days are five
    # months; 719,468 days lie between the first of March of the year 0 and 1970.
    if month <= 2:
        year -= 1
        month += 12
    day_of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719468


def _number(digits: str, count: int) -> "int | None":
    """Return what exactly `count` ASCII digits say; `str.isdigit` would let other scripts in."""
    if len(digits) != count or not all(digit in "0123456789" for digit in digits):
        return None
    return int(digits)
