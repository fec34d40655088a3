"""The limits fit the fields that carry them, and each other."""

from tidegate import limits
from tidegate.records.record import OVERHEAD_BYTES


def test_limits_fit_the_fields_that_carry_them():
    for limit, bits in (
        (limits.TOPIC_BYTES_MAX, 16),
        (limits.PROPERTIES_BYTES_MAX, 16),
        (limits.REASON_BYTES_MAX, 16),
        (limits.BATCH_RECORDS_MAX, 16),
        (limits.BATCH_GAPS_MAX, 16),
        (limits.BATCH_BOOTS_MAX, 8),
        (limits.PAYLOAD_BYTES_MAX, 32),
        (limits.BATCH_BYTES_MAX, 32),
        (limits.BOOT_MAX, 32),
        (limits.SEQ_MAX, 48),
    ):
        assert 0 < limit < 1 << bits, (limit, bits)


def test_the_largest_record_fits_a_batch_alone():
    # Otherwise a gateway could admit what it can never send.
    largest = (
        OVERHEAD_BYTES
        + limits.PAYLOAD_BYTES_MAX
        + limits.TOPIC_BYTES_MAX
        + limits.PROPERTIES_BYTES_MAX
    )
    assert largest < limits.BATCH_BYTES_MAX


def test_wall_time_fits_a_signed_64_bit_column():
    assert 2 * limits.TICKS_MS_MAX < 1 << 63
