"""The board and its Wi-Fi: what a port lacks is left out, and nothing waits."""

from fakes import FakeMachine, FakeNetwork, FakeObserver
from tidegate.delivery.chance import Chance
from tidegate_micropython import board as boards
from tidegate_micropython import load_settings as load_node
from tidegate_micropython.board import Board
from tidegate_micropython.wifi import CONNECTING, DOWN, KEEP_MS, OFF, UP, Wifi

LED = load_node({"board": {"led": "LED", "watchdog_s": 20}}).board
PLAIN = load_node({}).board
WIFI = load_node({"wifi": {"ssid": "s", "password": "12345678", "country": "DE"}}).wifi


class Bare:
    """The module `machine` of a port that has nothing."""


def test_a_port_that_has_nothing_is_a_board():
    board = Board(LED, Bare())
    board.start_watchdog()
    board.feed()
    board.show(boards.TROUBLE, 0)
    board.keep(b"x")
    assert board.kept() == b"" and board.reset_cause == "start"
    assert board.temperature_c is None and board.free_memory_bytes > 0
    board.sleep(1)


def test_the_watchdog_gets_what_the_port_allows():
    machine = FakeMachine()
    board = Board(LED, machine)
    board.start_watchdog()
    assert machine.watchdog_ms == board.watchdog_ms == 8000
    machine.WATCHDOG_MS_MAX = 60_000
    board = Board(LED, machine)
    board.start_watchdog()
    assert machine.watchdog_ms == 20_000
    board = Board(load_node({"board": {"watchdog_s": 0}}).board, machine)
    board.start_watchdog()
    assert board.watchdog_ms == 0


def test_the_cause_of_the_last_reset_is_told():
    assert Board(PLAIN, FakeMachine()).reset_cause == "power on"
    assert Board(PLAIN, FakeMachine(FakeMachine.WDT_RESET)).reset_cause == "watchdog"
    assert Board(PLAIN, FakeMachine(77)).reset_cause == "reset 77"


def test_the_led_shows_each_state_in_its_own_way():
    for pattern, flashes, lit in (
        (boards.OFF, 0, 0),
        (boards.CONNECTING, 1, 10),
        (boards.ONLINE, 1, 20),
        (boards.HOLDING, 2, 4),
        (boards.TROUBLE, 10, 10),
    ):
        machine = FakeMachine()
        board = Board(LED, machine)
        shown = []
        for tenth in range(20):
            board.show(pattern, tenth * 100)
            shown.append(machine.led[-1])
        rises = [at for at in range(20) if shown[at] and not (at and shown[at - 1])]
        assert (len(rises), sum(shown)) == (flashes, lit), pattern
    assert machine.pin == "LED"
    assert Board(load_node({"board": {"led": "25"}}).board, machine) and machine.pin == 25


def wifi(network):
    return Wifi(WIFI, FakeObserver(), Chance(1), network)


def test_without_settings_the_network_is_taken_to_be_there():
    one = Wifi(None, FakeObserver(), Chance(1), FakeNetwork())
    one.poll(0)
    assert one.online is True and one.deadline_ms() is None
    one.stop()


def test_wifi_connects_and_tells():
    network = FakeNetwork()
    one = wifi(network)
    assert one.online is None and one.state == OFF
    one.poll(0)
    assert one.state == CONNECTING and network.station.attempts == [("s", "12345678")]
    assert network.names == ["DE", "tidegate"]
    network.station.connected = True
    one.poll(one.deadline_ms())
    assert one.state == UP and one.online is True


def test_a_lost_network_is_joined_again():
    network = FakeNetwork()
    one = wifi(network)
    one.poll(0)
    network.station.connected = True
    one.poll(1000)
    network.station.connected = False
    one.poll(1000 + KEEP_MS)
    assert one.online is False and len(network.station.attempts) == 2
    network.station.connected = True
    one.poll(10_000)
    assert one.online is True


def test_attempts_in_vain_come_ever_more_rarely():
    network = FakeNetwork()
    one = wifi(network)
    now_ms, begun = 0, []
    for _ in range(2000):
        count = len(network.station.attempts)
        one.poll(now_ms)
        if len(network.station.attempts) > count:
            begun.append(now_ms)
        assert one.online in (None, False)
        now_ms = max(now_ms + 1, one.deadline_ms())
    pauses = [begun[at + 1] - begun[at] for at in range(len(begun) - 1)]
    assert min(pauses) > WIFI.timeout_s * 1000 and max(pauses) <= WIFI.timeout_s * 1000 + 61_000
    assert one.state in (CONNECTING, DOWN)


def test_a_driver_that_fails_is_an_attempt_in_vain():
    network = FakeNetwork()
    network.station.error = OSError(12)
    one = wifi(network)
    one.poll(0)
    assert one.state == DOWN and one.online is False
    network.station.error = None
    one.poll(one.deadline_ms())
    assert one.state == CONNECTING
    one.stop()
    assert one.state == OFF and one.online is None
