"""Timers come when they are due, and leave nothing behind when they are set again and again."""

import weakref

from tidegate_linux.endpoint.broker.state.timers import Timers


class Thing:
    timer = None


def test_the_earlier_of_two_times_counts():
    timers, thing = Timers(), Thing()
    timers.arm(thing, 200)
    timers.arm(thing, 100)
    assert timers.deadline_ms() == 100
    assert timers.take_due(99) == []
    assert timers.take_due(100) == [thing]
    assert timers.take_due(300) == []


def test_a_later_time_adds_nothing():
    timers, thing = Timers(), Thing()
    timers.arm(thing, 100)
    for at_ms in range(101, 1000):
        timers.arm(thing, at_ms)
    assert timers.take_due(1000) == [thing]
    assert timers.deadline_ms() is None


def test_those_due_at_the_same_time_come_in_the_order_in_which_they_were_armed():
    timers, things = Timers(), [Thing() for _ in range(9)]
    for thing in things:
        timers.arm(thing, 5)
    assert timers.take_due(5) == things


def test_what_is_over_is_let_go_long_before_its_time():
    timers, thing = Timers(), Thing()
    timers.arm(thing, 100)
    for _ in range(10_000):
        gone = Thing()
        timers.arm(gone, 1_000_000)
        held = weakref.ref(gone)
        timers.cancel(gone)
        del gone
        assert held() is None
    assert len(timers) < 200
    assert timers.take_due(1_000_000) == [thing]
