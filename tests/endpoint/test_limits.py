"""The bounds that are not settings fit each other."""

from tidegate_linux.endpoint.broker import limits


def test_a_free_packet_id_is_always_near():
    assert limits.ENTRIES_LIVE_MAX + 2 * limits.WINDOW_ENTRIES < limits.PACKET_IDS
