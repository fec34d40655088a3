"""The two modes: a loop beside other tasks, and a cycle of a board that sleeps."""

import asyncio

from test_board_node import held, node_of

from fakes import FakeLink, FakeMachine, empty_folder
from support import raises
from tidegate.errors import StorageError
from tidegate_micropython.sampler import Sampler
from tidegate_micropython.shell import STUCK_MS


def running(node, *tasks):
    """Run the node beside these coroutines, then close it."""

    async def main():
        loop = asyncio.create_task(node.running())
        for task in tasks:
            await task
        node.close()
        await loop

    asyncio.run(main())


def test_aput_returns_with_its_group():
    link = FakeLink()
    node = node_of(empty_folder("aput"), link, journal={"sync_interval_ms": 200})
    seen = []

    async def put(number):
        await node.aput("a", number)
        seen.append((number, node.shell.gateway.lanes[0].balance.admitted))

    async def all_three():
        await asyncio.gather(put(1), put(2), put(3))
        await asyncio.sleep_ms(200)

    running(node, all_three())
    assert sorted(seen) == [(1, 3), (2, 3), (3, 3)]
    assert link.hub.payloads == [b"1", b"2", b"3"]


def test_aput_raises_where_nothing_is_stored():
    node = node_of("/proc/none/log", journal={"sync_interval_ms": 1})

    async def put():
        with raises(StorageError):
            await node.aput("a", 1)

    running(node, put())


def test_samplers_keep_their_beat_and_one_that_fails_stops_none():
    node = node_of(empty_folder("every"), FakeLink(), journal={"sync_interval_ms": 100})
    count = [0]

    def read():
        count[0] += 1
        if count[0] == 2:
            raise OSError(5)
        return count[0]

    async def slow():
        await asyncio.sleep_ms(10)
        return "slow"

    first, second = node.every(0.1, "a", read), node.every(0.25, "b", slow)
    running(node, asyncio.sleep_ms(1050))
    assert 9 <= count[0] <= 12 and first.errors == 1 and second.errors == 0
    stored = node.shell.gateway.lanes[0].balance
    assert stored.admitted == count[0] - 1 + 5 and stored.holds


def test_a_beat_does_not_drift_and_counts_what_it_missed():
    sampler = Sampler(1000, "a", int)
    assert sampler.wait_ms(500) == 0
    sampler.next(500)
    assert sampler.wait_ms(700) == 800
    sampler.next(1507)  # Seven late.
    assert sampler.wait_ms(1507) == 993 and sampler.missed == 0
    sampler.next(5600)
    assert sampler.wait_ms(5600) == 900 and sampler.missed == 3


def test_the_watchdog_is_fed_while_there_is_progress_and_no_longer():
    machine = FakeMachine()
    node = node_of(empty_folder("watchdog"), FakeLink(), machine=machine)
    running(node, asyncio.sleep_ms(100))
    assert machine.watchdog_ms == 8000 and machine.fed > 0
    for stuck in ("link", "journal"):
        machine = FakeMachine()
        node = node_of(empty_folder("watchdog"), FakeLink(), machine=machine)
        node.board.start_watchdog()
        node.clock._now_ms += STUCK_MS + 1
        node.shell.turn()
        fed = machine.fed
        assert fed > 0
        if stuck == "link":
            node.shell.link._open, node.shell.link.busy_ms = 1, 0
        else:
            node.shell.gateway.node, node.shell._open_since_ms = "", 0
        node.shell._tell(node.clock.now_ms())
        assert machine.fed == fed, stuck


def cycle(machine, folder, link, samples, sleep_s=60, **uplink):
    link = FakeLink(link.hub, link.is_down)  # Each wake makes its own.
    node = node_of(folder, link, machine=machine)
    for name, value in uplink.items():
        setattr(node.settings.uplink, name, value)
    node.cycle(samples, sleep_s)
    return node


def test_a_cycle_logs_and_uploads_when_enough_is_held():
    folder, link = empty_folder("cycle"), FakeLink()
    machine = FakeMachine()
    for wake in range(5):
        node = cycle(machine, folder, link, [("a", wake), ("b", lambda: 7)], batch_records=8)
        assert machine.slept_ms == 60_000
        assert len(link.hub.payloads) == (8 if wake >= 3 else 0)
        assert node.clock.slept == (wake > 0)
        machine = machine.woken()
    assert held(node) == 2
    assert node.shell.gateway.clock.boot.number == 1  # One boot over all sleeps.


def test_a_cycle_uploads_by_age():
    folder, link = empty_folder("age"), FakeLink()
    cycle(FakeMachine(), folder, link, [("a", 1)], upload_interval_s=900)
    assert link.hub.payloads == []
    cycle(FakeMachine(), folder, link, [("a", 2)], upload_interval_s=0)
    assert link.hub.payloads == [b"1", b"2"]


def test_where_no_clock_tells_the_sleeps_are_counted():
    import tidegate_micropython.clock as module

    epoch_s, module.EPOCH_S = module.EPOCH_S, -1_700_000_000  # A clock that was never set.
    folder, link = empty_folder("forgetful"), FakeLink()
    for wake in range(4):
        node = node_of(
            folder,
            FakeLink(link.hub),
            machine=FakeMachine(FakeMachine.DEEPSLEEP_RESET, keeps=False),
        )
        node.settings.uplink.upload_interval_s = 180
        node.cycle([("a", wake)], 60)
        assert node.status()["clock"]["boot"] == wake + 1
        assert len(link.hub.payloads) == (4 if wake == 3 else 0)
    module.EPOCH_S = epoch_s


def test_an_upload_in_vain_waits_before_the_next():
    folder, link = empty_folder("vain"), FakeLink()
    import tidegate_micropython.cycle as module

    link.is_down = True
    whole, module.UPLOAD_MS = module.UPLOAD_MS, 200
    machine = FakeMachine()
    cycle(machine, folder, link, [("a", 1)], upload_interval_s=0)
    link.is_down = False
    node = cycle(machine.woken(), folder, link, [("a", 2)], upload_interval_s=0)
    module.UPLOAD_MS = whole
    assert link.hub.payloads == [] and held(node) == 2
    assert node.clock.upload_failures == 1 and node.clock.upload_at_ms > 55_000


def test_a_sensor_that_fails_in_a_cycle_stops_none():
    def broken():
        raise OSError(5)

    folder = empty_folder("broken")
    node = cycle(FakeMachine(), folder, FakeLink(), [("a", broken), ("b", 1)])
    assert held(node) == 1 and node.observer.counts["warning"] == 1
