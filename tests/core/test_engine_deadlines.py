"""A shell that sleeps until the deadline misses nothing and is never woken for nothing.

The same history is run twice: by an engine that is stepped at every millisecond, and by one that is
stepped only for events and at its own deadlines. What reaches the ports must be the same, at the
same instants.
"""

from builders import BOOT_IDENTITY, NOON_MS, arrived, chance, gateway_settings, message
from scripted import Medium, ScriptedLink, ScriptedObserver, ScriptedSource
from scripted_hub import ScriptedHub
from tidegate.composition import compose
from tidegate.delivery.sender import IDLE_ASK_MS
from tidegate.engine import Engine
from tidegate.events import Answered, ClockRead, Unanswered
from tidegate.gateway import lane_names
from tidegate.records.clock import SYNCHRONISED

LANES = [
    {"name": "alarm", "topics": ["x"], "urgent": True},
    {"name": "main"},
    {"name": "low", "topics": ["low/#"]},
]
HOUR_MS = 3_600_000
TURNS_MAX = 100_000


class TimedLog:
    """A log whose lines bear the time."""

    def __init__(self):
        self.lines = []
        self.now_ms = 0

    def append(self, line):
        self.lines.append((self.now_ms, line))


class World:
    """An engine, a hub and a line with an outage plan; events come at their times."""

    def __init__(self, tree, wall_ms=None, latency_ms=40):
        settings = gateway_settings(tree)
        self.log = TimedLog()
        self.medium = Medium(lane_names(settings), self.log)
        self.link = ScriptedLink(self.log)
        self.source = ScriptedSource(self.log)
        self.hub = ScriptedHub()
        self.gateway = compose(settings, ["source"], BOOT_IDENTITY, chance())
        observer = ScriptedObserver(self.log)
        self.engine = Engine(self.gateway, self.medium.open, [self.source], self.link, observer)
        self.latency_ms = latency_ms
        self.weather = []  # (from, to, status or None for no answer, retry_after)
        self.coming = []  # (at_ms, number, event), sorted.
        self.steps = self.idle = 0
        self.now_ms = 0
        self.engine.start(self.log.append, 0)
        self.source.generation = 1
        if wall_ms is not None:
            self.add(0, ClockRead(wall_ms, SYNCHRONISED))

    def add(self, at_ms, event):
        self.coming.append((at_ms, len(self.coming), event))
        self.coming.sort(key=lambda entry: entry[0])

    def step(self, now_ms):
        """Let `now_ms` come: deliver what is due, and take the requests."""
        self.now_ms = self.log.now_ms = now_ms
        due = []
        while self.coming and self.coming[0][0] <= now_ms:
            due.append(self.coming.pop(0)[2])
        self.engine.step(due, now_ms)
        self.steps += 1
        self._take_requests()
        return bool(due)

    def _take_requests(self):
        requests, self.link.requests = self.link.requests, []
        for request in requests:
            self.add(self.now_ms + self.latency_ms, self._answer(request))

    def _answer(self, request):
        for first_ms, last_ms, status, retry_after in self.weather:
            if first_ms <= self.now_ms < last_ms:
                if status is None:
                    return Unanswered(request[0], "timeout", 50)
                return Answered(request[0], status, None, retry_after, 50)
        if len(request) == 3:
            status, fields = self.hub.query(request[1], request[2])
        else:
            status, fields = self.hub.receive(request[1])
        return Answered(request[0], status, fields, None, 50)

    def run_by_ticks(self, until_ms):
        self._take_requests()
        for now_ms in range(until_ms + 1):
            self.step(now_ms)

    def run_by_deadlines(self, until_ms):
        """Sleep as long as the engine allows; count wakings after which nothing had been done."""
        self._take_requests()
        for _ in range(TURNS_MAX):
            at_ms = self.engine.deadline_ms(self.now_ms)
            if self.coming and (at_ms is None or self.coming[0][0] < at_ms):
                at_ms = self.coming[0][0]
            if at_ms is None or at_ms > until_ms:
                return
            before = len(self.log.lines)
            was_now_ms = self.now_ms
            had_events = self.step(max(at_ms, self.now_ms))
            if not had_events and len(self.log.lines) == before:
                self.idle += 1
                assert self.now_ms > was_now_ms, "woken twice at once for nothing"
        raise AssertionError("the engine never sleeps")


def history(seed):
    """Return a world with arrivals and weather that the seed decides."""
    draw = chance(seed)
    uplink = {
        "batch_age_ms": draw.below(300),
        "batch_records": 8 * (1 + draw.below(5)),
        "retry_max_s": 1 + draw.below(3),
    }
    if draw.below(3) == 0:
        uplink["bytes_per_day"] = 1000 + draw.below(3000)
    if draw.below(3) == 0:
        uplink["windows"] = ["12:00-12:01"]
    wall_ms = [None, NOON_MS + 58_000][draw.below(2)]
    world = World({"lane": LANES, "uplink": uplink}, wall_ms, 1 + draw.below(80))
    for number in range(12):
        topic = (b"x", b"m", b"low/1")[draw.below(3)]
        world.add(draw.below(4000), arrived([message(number, topic)]))
    at_ms = 0
    for _ in range(3):
        at_ms += draw.below(900)
        end_ms = at_ms + draw.below(1200)
        status, after = ((None, None), (503, None), (503, "1"), (401, None))[draw.below(4)]
        world.weather.append((at_ms, end_ms, status, after))
        at_ms = end_ms
    if draw.below(3) == 0:
        world.medium.failing = {("append", "sync", "read")[draw.below(3)]: 3 + draw.below(6)}
    return world


def test_sleeping_until_the_deadline_misses_nothing():
    idle = steps = 0
    for seed in range(12):
        ticked, slept = history(seed), history(seed)
        ticked.run_by_ticks(6000)
        slept.run_by_deadlines(6000)
        assert slept.log.lines == ticked.log.lines, (seed, differing(slept, ticked))
        assert slept.steps < 400 < ticked.steps
        idle += slept.idle
        steps += slept.steps
    assert steps > 100
    assert idle == 0, idle


def differing(slept, ticked):
    for one, other in zip(slept.log.lines, ticked.log.lines):
        if one != other:
            return one, other
    return len(slept.log.lines), len(ticked.log.lines)


def test_an_outage_is_slept_through():
    world = World({"lane": LANES})
    outage_ms = HOUR_MS // 15  # With the pauses of a start, 2 s at most: it was never connected.
    world.weather = [(0, outage_ms, None, None)]
    for number in range(20):
        world.add(number * 10_000, arrived([message(number)]))
    world.run_by_deadlines(outage_ms)
    assert world.idle == 0
    assert world.steps < outage_ms // 400, world.steps
    before = world.steps
    world.run_by_deadlines(outage_ms + 10_000)
    assert world.gateway.lanes[1].balance.delivered == 20
    assert world.steps - before < 50


def test_an_idle_gateway_is_woken_to_ask_how_the_hub_is_and_for_nothing_else():
    world = World({"lane": LANES})
    world.run_by_deadlines(1000)
    assert world.steps < 12
    before = world.steps
    world.run_by_deadlines(10 * IDLE_ASK_MS)
    assert world.idle == 0
    assert world.steps - before <= 9 * 3 * len(LANES), "a question, its answer, a look-up"
    world = World({"lane": LANES, "uplink": {"bytes_per_day": 1_000_000}})
    world.run_by_deadlines(1000)
    assert world.engine.deadline_ms(1000) is None


def test_closed_windows_and_a_spent_budget_are_slept_through():
    uplink = {"windows": ["22:00-23:00"], "bytes_per_day": 500}
    world = World({"uplink": uplink}, NOON_MS)
    for number in range(48):
        world.add(number * HOUR_MS, arrived([message(number)]))
    world.run_by_deadlines(5 * 24 * HOUR_MS)
    # At most a waking when a window opens, one when it finds the day's bytes spent, and the sends.
    assert world.idle <= 5, world.idle
    assert world.steps < 250, world.steps
    sent = [(at_ms, line) for at_ms, line in world.log.lines if line[0] in ("query", "send")]
    # One query comes before the wall clock is read: until then every window counts as open.
    assert sent[0] == (0, ("query", "main", 0))
    hours = [(NOON_MS + at_ms) // HOUR_MS % 24 for at_ms, _ in sent[1:]]
    assert hours and [hour for hour in hours if hour != 22] == []
    assert world.gateway.lanes[0].balance.delivered == 48


def test_a_clock_that_is_set_wakes_what_waits_for_it():
    world = World({"uplink": {"windows": ["12:00-13:00"]}}, NOON_MS + 6 * HOUR_MS)
    world.add(10, arrived([message(1)]))
    world.run_by_deadlines(HOUR_MS)
    assert world.gateway.lanes[0].balance.held == 1
    world.add(HOUR_MS + 5, ClockRead(NOON_MS, SYNCHRONISED))
    world.run_by_deadlines(HOUR_MS + 1000)
    assert world.gateway.lanes[0].balance.delivered == 1


def test_a_blocked_gateway_looks_at_its_room_each_second_and_not_more():
    tree = {"journal": {"limit_bytes": 100_000, "overflow": "block"}, "uplink": {}}
    world = World(tree)
    world.weather = [(0, 1 << 50, 401, None)]
    world.medium.foreign_bytes = 99_000
    world.add(10, arrived([message(1)]))
    world.run_by_deadlines(100_000)
    syncs = [at_ms for at_ms, line in world.log.lines if line == ("sync",)]
    assert 100 <= len(syncs) <= 105
    world.medium.foreign_bytes = 0
    world.run_by_deadlines(102_000)
    assert ("resume", "source") in [line for _, line in world.log.lines]
