"""A sender with nothing to send asks now and then, so that what is said of the line stays true."""

from builders import NOON_MS
from rig import Rig
from tidegate.delivery.line import DOWN, UP
from tidegate.delivery.schedule import Schedule, parse_windows
from tidegate.delivery.sender import IDLE_ASK_MS


def test_an_idle_line_is_found_down_and_up_again_without_a_record():
    rig = Rig()
    rig.ready()
    started_ms = rig.now_ms
    rig.wait()
    assert rig.now_ms == started_ms + IDLE_ASK_MS
    assert rig.asked() == [0]
    rig.lose()
    assert (rig.line.state, rig.events()[-1]) == (DOWN, "link_down")
    rig.wait()
    rig.serve()
    assert (rig.line.state, rig.events()[-1]) == (UP, "link_up")
    assert rig.deadline_ms() == rig.now_ms + IDLE_ASK_MS


def test_what_was_heard_puts_the_next_question_off():
    rig = Rig()
    rig.ready()
    rig.now_ms += IDLE_ASK_MS - 1000
    rig.admit(1)
    rig.deliver()
    assert rig.asked() == []
    assert rig.deadline_ms() == rig.now_ms + IDLE_ASK_MS


def test_a_hub_restored_while_nothing_is_sent_gets_again_what_it_lacks():
    rig = Rig()
    rig.ready()
    rig.admit(10)
    rig.deliver()
    backup = rig.hub.copy()
    rig.admit(10)
    rig.deliver()
    rig.hub = backup
    rig.clear()
    rig.wait()
    rig.deliver()
    assert rig.sent() == [(11, 20)]
    assert rig.events().count("hub_restored") == 1
    fields = [dict(one.fields) for one in rig.reports if one.event == "hub_restored"]
    assert fields == [{"lane": "main", "through": 10}]


def test_a_hub_that_started_again_and_lacks_nothing_is_no_news():
    rig = Rig()
    rig.ready()
    rig.admit(10)
    rig.deliver()
    rig.hub = rig.hub.copy()
    rig.wait()
    rig.deliver()
    assert rig.events() == ["link_up"]


def test_an_idle_stream_asks_within_the_windows_only_though_it_is_urgent():
    rig = Rig(("alarm", "main"), ("alarm",), Schedule(parse_windows(["12:00-12:02"])))
    rig.wall_ms = NOON_MS
    rig.ready()
    rig.wall_ms += 180_000
    rig.now_ms += 180_000
    rig.pump()
    assert rig.link.requests == []
    assert rig.deadline_ms() - rig.now_ms > 23 * 3_600_000


def test_where_bytes_are_counted_none_are_spent_on_idle_questions():
    rig = Rig(schedule=Schedule([], 1_000_000))
    rig.wall_ms = NOON_MS
    rig.ready()
    assert rig.deadline_ms() is None
