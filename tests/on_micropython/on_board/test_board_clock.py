"""Clocks that never wrap, go on over deep sleep, and never claim more than is known (P7)."""

import sys

from fakes import START_MS, FakeMachine, FakeTime
from tidegate.records.clock import SET, SYNCHRONISED
from tidegate_micropython import load_settings as load_node
from tidegate_micropython.board import Board
from tidegate_micropython.clock import EPOCH_S, READ_MS, SYNCHRONISE_MS, Clock

SETTINGS = load_node({}).board


class FakeNtp:
    """The module `ntptime`."""

    def __init__(self, error=None):
        self.error = error
        self.asked = 0
        self.host = ""

    def settime(self):
        self.asked += 1
        if self.error is not None:
            raise self.error


def clock(machine=None, time=None, host=""):
    return Clock(Board(SETTINGS, machine or FakeMachine()), host, time or FakeTime())


def test_ticks_do_not_wrap():
    time = FakeTime(ticks=FakeTime.PERIOD - 5)
    one = clock(time=time)
    last = one.now_ms()
    for _ in range(9):
        time.pass_ms(FakeTime.PERIOD // 3)
        now = one.now_ms()
        assert now - last == FakeTime.PERIOD // 3
        last = now


def test_each_power_on_is_a_boot_of_its_own():
    assert EPOCH_S == 0
    one, other = clock(), clock()
    assert len(one.identity) == 16 and one.identity != other.identity
    assert one.read() == (START_MS, SET)


def test_a_boot_goes_on_over_deep_sleep():
    machine, time = FakeMachine(), FakeTime()
    one = clock(machine, time)
    time.pass_ms(1000)
    one.upload_at_ms, one.upload_failures = 99_000, 2
    one.prepare_sleep()
    time.ticks = 0  # Ticks start anew, the wall clock goes on.
    time.wall_ms += 60_000
    other = clock(machine.woken(), time)
    assert other.identity == one.identity and other.slept
    assert other.now_ms() == 61_000
    assert (other.upload_at_ms, other.upload_failures) == (99_000, 2)


def test_after_anything_but_a_deep_sleep_it_is_a_new_boot():
    machine, time = FakeMachine(), FakeTime()
    one = clock(machine, time)
    one.prepare_sleep()
    assert clock(FakeMachine(FakeMachine.WDT_RESET, machine.kept), time).identity != one.identity
    for spoilt in (b"", machine.kept[:-1], b"X" + machine.kept[1:], machine.kept[:-1] + b"\xff"):
        assert clock(FakeMachine(FakeMachine.DEEPSLEEP_RESET, spoilt), time).slept is False
    time.wall_ms -= 1  # A wall clock that does not go on tells nothing of the sleep.
    assert clock(machine.woken(), time).identity != one.identity


def test_a_synchronised_clock_says_so_until_it_sleeps():
    machine, time, ntp = FakeMachine(), FakeTime(), FakeNtp()
    sys.modules["ntptime"] = ntp
    one = clock(machine, time, "ntp.example")
    assert one.read().quality == SET
    assert one.synchronise() and ntp.host == "ntp.example"
    assert one.read().quality == SYNCHRONISED
    assert not one.synchronise() and ntp.asked == 1  # Not due.
    one.prepare_sleep()
    time.wall_ms += 60_000
    machine = machine.woken()
    other = clock(machine, time, "ntp.example")
    # Its clock was right a minute ago and is an RC oscillator now: a new boot that says so.
    assert other.identity != one.identity and other.slept
    assert other.read().quality == SET
    other.prepare_sleep()
    third = clock(machine.woken(), time, "ntp.example")
    assert third.identity == other.identity
    assert not third.synchronise()  # Not after each sleep.
    for _ in range(12):
        time.pass_ms(3_600_000)
        third.now_ms()
    assert third.synchronise() and third.read().quality == SET
    del sys.modules["ntptime"]


def test_the_time_server_is_asked_again_from_time_to_time():
    time, ntp = FakeTime(), FakeNtp(OSError(110))
    sys.modules["ntptime"] = ntp
    one = clock(time=time, host="ntp.example")
    assert not one.synchronise() and not one.synchronise() and ntp.asked == 1
    time.pass_ms(60_000)
    ntp.error = None
    assert one.synchronise() and ntp.asked == 2
    for _ in range(SYNCHRONISE_MS // 3_600_000):
        time.pass_ms(3_600_000)
        one.now_ms()
    ntp.error = OSError(110)
    assert not one.synchronise() and ntp.asked == 3
    assert one.read().quality == SYNCHRONISED
    for _ in range(SYNCHRONISE_MS // READ_MS):
        time.pass_ms(READ_MS)
        one.now_ms()
    assert one.read().quality == SET
    del sys.modules["ntptime"]


def test_without_a_server_or_the_module_nothing_is_asked():
    assert not clock().synchronise()
    assert not clock(host="ntp.example").synchronise()
