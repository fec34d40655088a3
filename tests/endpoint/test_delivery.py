"""A message on its way: its size, and how long it is good for."""

import pytest

from tidegate_linux.endpoint.broker.delivery import Delivery, is_expired, remaining_s, size_of


def delivery(expires_at_ms):
    return Delivery(b"t", b"payload", 1, False, b"", expires_at_ms, "c")


@pytest.mark.parametrize(
    ("expires_at_ms", "now_ms", "expected"),
    [(None, 5, None), (10_000, 0, 10), (10_000, 9_001, 1), (10_000, 9_000, 1), (10_000, 8_999, 2)],
)
def test_the_expiry_interval_counts_down_and_is_rounded_up(expires_at_ms, now_ms, expected):
    assert remaining_s(delivery(expires_at_ms), now_ms) == expected


def test_what_was_sent_before_goes_out_again_with_a_second_left():
    assert remaining_s(delivery(1000), 50_000) == 1


def test_a_message_expires_at_its_time_and_one_without_never():
    assert not is_expired(delivery(1000), 999)
    assert is_expired(delivery(1000), 1000)
    assert not is_expired(delivery(None), 10**15)


def test_every_byte_that_is_kept_counts():
    assert size_of(delivery(None)._replace(forwarded=b"abc")) == size_of(delivery(1)) + 3
    assert size_of(delivery(None)._replace(payload=b"")) == size_of(delivery(1)) - 7
