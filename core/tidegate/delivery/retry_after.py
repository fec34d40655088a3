"""What a `Retry-After` field asks for, in seconds or with a date (RFC 9110 §10.2.3)."""

from tidegate.delivery.backoff import clamped_ms, parse_seconds
from tidegate.delivery.http_date import parse_http_date


def parse_retry_after(value: str, wall_now_ms: "int | None") -> "int | None":
    """Return the delay in ms that the field asks for, clamped.

    None when it says nothing usable: when it is neither seconds nor a date, and when it is a date
    and our own wall clock is not known (`wall_now_ms` None).
    """
    delay_ms = parse_seconds(value, wall_now_ms)
    if delay_ms is not None or wall_now_ms is None:
        return delay_ms
    instant_ms = parse_http_date(value.strip(" \t"), wall_now_ms)
    return None if instant_ms is None else clamped_ms(instant_ms - wall_now_ms)
