"""Several streams on one line: in the order of priority, each on its own, one probe for all."""

from builders import NOON_MS
from rig import Rig
from tidegate.delivery.line import BREAKER_FAILURES
from tidegate.delivery.schedule import Schedule, parse_windows
from tidegate.delivery.sender import IDLE_ASK_MS

THREE = ("alarm", "main", "low")
HOUR_MS = 3_600_000


def waiting(rig):
    return [line[1] for line in rig.log if line[0] in ("query", "send")]


def admit_to_each(rig, count=1):
    for lane in rig.lanes:
        rig.admit(count, lane)


def test_streams_are_served_in_the_order_of_their_priority():
    rig = Rig(THREE)
    admit_to_each(rig)
    rig.clear()
    rig.pump()
    assert waiting(rig) == list(THREE)
    rig.serve()
    rig.wait()
    assert waiting(rig)[3:] == list(THREE)


def test_each_stream_has_its_own_batch_in_flight():
    rig = Rig(THREE)
    admit_to_each(rig)
    rig.pump()
    for _ in THREE:
        rig.answer(*rig.hub_says())
    rig.wait()
    assert len(rig.link.requests) == 3
    # Answers come in any order, and each finds the sender that waits for it.
    rig.link.requests.reverse()
    rig.serve()
    assert [lane.balance.delivered for lane in rig.lanes] == [1, 1, 1]


def test_one_stream_s_poison_does_not_hold_the_others():
    rig = Rig(THREE, batch_records=8)
    rig.hub.poison = {b"1"}
    admit_to_each(rig, 3)
    rig.deliver()
    for lane in rig.lanes:
        assert lane.balance[1:4] == (2, 0, 1), lane.name


def test_an_answer_nobody_waits_for_is_counted_and_nothing_else():
    rig = Rig(schedule=Schedule([], 1_000_000))
    rig.fly(3)
    rig.link.requests.insert(0, (999, None))
    rig.answer(200, None, sent_bytes=700)
    rig.link.requests.insert(0, (999, None))
    rig.lose()
    assert rig.line.schedule.state()[1] == 700
    assert (rig.state, rig.log) == ("flying", [])


def test_an_answer_nobody_waits_for_may_still_ask_all_to_wait():
    rig = Rig()
    rig.admit(1)
    for status, retry_after, delay_ms in (
        (200, "60", 0), (401, "60", 0), (503, None, 0), (503, "soon", 0), (503, "60", 60_000),
    ):  # fmt: skip
        rig.link.requests.insert(0, (999, None))
        rig.answer(status, None, retry_after)
        assert rig.line.not_before_ms == (rig.now_ms + delay_ms if delay_ms else 0), status


def test_a_broken_circuit_is_probed_by_one_query_of_three_streams():
    rig = Rig(THREE)
    admit_to_each(rig)
    rig.pump()
    for _ in range(BREAKER_FAILURES):
        rig.lose()
    for _ in range(20):
        rig.clear()
        rig.wait()
        assert len(waiting(rig)) == 1
        rig.now_ms += 1000
        rig.pump()
        assert len(rig.link.requests) == 1, "another request besides the probe"
        rig.lose()
    rig.clear()
    rig.deliver()
    assert [lane.balance.delivered for lane in rig.lanes] == [1, 1, 1]


def test_a_stream_that_was_ready_probes_with_a_query_and_not_with_its_batch():
    rig = Rig(("alarm", "main"))
    rig.ready()
    rig.admit(1, rig.lanes[1])
    rig.pump()
    for _ in range(BREAKER_FAILURES):
        if not rig.link.requests:
            rig.wait()
        rig.lose()
    rig.admit(1, rig.lanes[0])
    rig.pump()
    rig.clear()
    rig.now_ms += 10_000
    rig.pump()
    assert rig.log == [("query", "alarm", 0)]
    rig.deliver()
    assert [lane.balance.delivered for lane in rig.lanes] == [1, 1]


def test_only_urgent_streams_are_sent_outside_the_windows():
    rig = Rig(("alarm", "main"), ("alarm",), Schedule(parse_windows(["22:00-23:00"])))
    rig.wall_ms = NOON_MS
    admit_to_each(rig, 3)
    rig.clear()
    rig.pump()
    assert waiting(rig) == ["alarm"]
    rig.serve()
    rig.wait()
    rig.serve()
    assert [lane.balance.delivered for lane in rig.lanes] == [3, 0]
    opens_ms = rig.deadline_ms()
    assert rig.wall_ms + (opens_ms - rig.now_ms) == NOON_MS + 10 * HOUR_MS
    rig.now_ms, rig.wall_ms = opens_ms, NOON_MS + 10 * HOUR_MS
    rig.pump()
    rig.serve()
    assert [lane.balance.delivered for lane in rig.lanes] == [3, 3]


def test_a_spent_budget_holds_all_but_urgent_streams_and_counts_every_byte():
    rig = Rig(("alarm", "main"), ("alarm",), Schedule([], 1000))
    rig.wall_ms = NOON_MS
    admit_to_each(rig, 2)
    rig.pump()
    for sent_bytes in (100, 100):
        rig.answer(*rig.hub_says() + (None, sent_bytes))
    rig.wait()
    rig.answer(*rig.hub_says() + (None, 500))
    rig.answer(*rig.hub_says() + (None, 500))
    assert [lane.balance.delivered for lane in rig.lanes] == [2, 2]
    assert rig.medium.spent.sent_bytes == 1200  # Kept with the release, for the next start.
    admit_to_each(rig, 2)
    rig.pump()
    rig.clear()
    rig.now_ms += 1000
    rig.pump()
    assert waiting(rig) == ["alarm"]
    rig.serve()
    assert rig.deadline_ms() >= rig.now_ms + 11 * HOUR_MS


def test_what_is_left_of_the_budget_bounds_the_batch():
    rig = Rig(schedule=Schedule([], 1000), batch_records=8000)
    rig.wall_ms = NOON_MS
    rig.ready()
    rig.line.spent(rig.now_ms, rig.wall_ms, 500)
    rig.admit(100)
    rig.pump()
    rig.wait()
    first, last = rig.sent()[0]
    assert first == 1 and 5 < last < 20, last


def test_nobody_is_woken_for_nothing():
    rig = Rig(THREE)
    rig.ready()
    assert rig.deadline_ms() == rig.now_ms + IDLE_ASK_MS
    rig.admit(1)
    rig.pump()
    steps = 0
    while not rig.is_idle:
        before_ms = rig.now_ms
        rig.wait()
        steps += 1
        assert rig.link.requests, "woken, and nothing was done"
        assert rig.now_ms > before_ms
        rig.serve()
    assert steps == 1
