"""Guessing from one address is slow, other addresses are not troubled, and memory is bounded."""

from tidegate_linux.endpoint.access.logins import Logins


def test_an_address_is_barred_after_so_many_failures_and_comes_back():
    logins = Logins(10)
    for number in range(10):
        assert not logins.is_barred("10.0.0.1", number)
        logins.failed("10.0.0.1", number)
    assert logins.is_barred("10.0.0.1", 10)
    assert not logins.is_barred("10.0.0.2", 10)
    assert not logins.is_barred("10.0.0.1", 6_100)


def test_an_address_that_goes_on_guessing_gets_no_more_than_the_rate():
    logins = Logins(10)
    tried = 0
    for now_ms in range(0, 600_000, 50):
        if not logins.is_barred("a", now_ms):
            logins.failed("a", now_ms)
            tried += 1
    assert 100 <= tried <= 110


def test_failures_that_were_under_way_do_not_lengthen_the_bar():
    logins = Logins(10)
    for _ in range(1000):
        logins.failed("a", 0)
    assert logins.is_barred("a", 5_999)
    assert not logins.is_barred("a", 6_001)


def test_one_failure_a_minute_can_be_all_that_is_allowed():
    logins = Logins(1)
    assert not logins.is_barred("a", 0)
    logins.failed("a", 0)
    assert logins.is_barred("a", 59_999)
    assert not logins.is_barred("a", 60_001)


def test_ports_and_the_hosts_of_one_network_are_counted_together():
    for one, other, is_same in (
        ("10.0.0.1:5", "10.0.0.1:6", True),
        ("10.0.0.1", "10.0.0.1:6", True),
        ("2001:db8::1", "2001:db8::2", True),
        ("[2001:db8::1]:5", "2001:db8::2", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("", "10.0.0.1", False),
    ):
        logins = Logins(1)
        logins.failed(one, 0)
        assert logins.is_barred(other, 0) == is_same, (one, other)


def test_many_addresses_cost_bounded_memory():
    logins = Logins(1, addresses_max=100)
    for number in range(10_000):
        logins.failed(f"h{number}", number)
        assert logins.is_barred(f"h{number}", number)
    assert len(logins._drained_at_ms) <= 100
