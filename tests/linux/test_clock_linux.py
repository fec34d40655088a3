"""This machine's clocks."""

import time

from tidegate.records.clock import SET, SYNCHRONISED
from tidegate.records.stream import is_identity
from tidegate_linux.clock import boot_identity, is_synchronised, now_ms, read_clock


def test_the_monotonic_clock_runs_in_milliseconds():
    before_ms = now_ms()
    time.sleep(0.02)
    assert 15 <= now_ms() - before_ms < 5000


def test_the_identity_of_a_boot_is_the_kernels(tmp_path):
    path = tmp_path / "boot_id"
    path.write_text("9045ebb8-1088-414f-8d9b-1b0c2f0a6f5e\n")
    assert boot_identity(path) == "9045ebb81088414f"
    assert boot_identity() == boot_identity()


def test_an_identity_that_the_kernel_does_not_give_is_made_up_each_time(tmp_path):
    path = tmp_path / "boot_id"
    for content in (None, "", "nonsense", "\xff", "0" * 32, "00000000-0000-0000-0000-000000000000"):
        if content is not None:
            path.write_bytes(content.encode("latin-1"))
        first, second = boot_identity(path), boot_identity(path)
        assert is_identity(first)
        assert is_identity(second)
        assert first != second


def test_the_kernel_says_whether_a_time_service_vouches():
    # The states of adjtimex(2): right, around a leap second, not synchronised, refused.
    for state, expected in ((0, True), (1, True), (4, True), (5, False), (-1, False)):
        assert is_synchronised(lambda state=state: state) == expected


def test_the_wall_clock_is_read_with_its_quality():
    reading = read_clock()
    assert abs(reading.wall_ms - time.time() * 1000) < 5000
    assert reading.quality in (SET, SYNCHRONISED)
