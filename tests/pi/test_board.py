"""The board attends the gateway, and says of itself what the status, metrics and health show."""

import io

import pytest
from rich.console import Console

from linux.test_status import FIELDS
from pi.planted import MODEL, SERIAL, PiTree, settings_of, snapshot
from pi.test_power import Ending, FakeInput, wait_for
from tidegate_linux.status.metrics import metrics_text
from tidegate_linux.status.status import show
from tidegate_linux.status.survey import Snapshot
from tidegate_pi.board import PiBoard, state_of
from tidegate_pi.led import HOLDING, ONLINE, TROUBLE


def board_on(tree, **keys):
    return PiBoard(settings_of(tree.root, keys), Ending().process, tree.root)


@pytest.mark.parametrize(
    ("link", "problems", "is_degraded", "state"),
    [
        ("up", (), False, ONLINE),
        ("down", (), False, HOLDING),
        ("held", (), False, HOLDING),
        ("waiting", (), False, HOLDING),
        ("none", (), False, HOLDING),
        ("up", ("no messages are taken",), False, TROUBLE),
        ("up", (), True, TROUBLE),
    ],
)
def test_the_led_shows_how_the_gateway_is(tmp_path, link, problems, is_degraded, state):
    tree = PiTree(tmp_path)
    tree.add_led()
    taken = snapshot(link, problems, is_degraded)
    assert state_of(taken) == state
    board = board_on(tree)
    board.attend(taken)
    assert board.fields()["led"] == state
    board.close()
    assert tree.read("sys/class/leds/ACT/trigger") == "mmc0"


def test_a_board_whose_led_is_not_wanted_leaves_it_alone(tmp_path):
    tree = PiTree(tmp_path)
    tree.add_led()
    board = board_on(tree, led=False)
    board.attend(snapshot())
    board.close()
    assert "[mmc0]" in tree.read("sys/class/leds/ACT/trigger")


def test_the_status_names_the_board_and_what_it_suffers(tmp_path):
    tree = PiTree(tmp_path)
    tree.throttle(0x50001)
    board = board_on(tree)
    fields = board.fields()
    assert (fields["model"], fields["serial"], fields["temperature_c"]) == (MODEL, SERIAL, 48.3)
    assert [flag for flag, is_so in fields["throttled"].items() if is_so] == ["under_voltage"]
    seen = [flag for flag, is_so in fields["throttled_seen"].items() if is_so]
    assert seen == ["under_voltage", "throttled"]
    assert (fields["led"], fields["watchdog_s"], fields["power"]) == ("", 0, None)
    assert any("power supply" in line for line in board.warnings())


def test_the_metrics_show_what_the_board_says_and_leave_out_the_rest(tmp_path):
    tree = PiTree(tmp_path)
    tree.throttle(0x10002)
    board = board_on(tree)
    text = metrics_text(Snapshot(0, (), (), {**FIELDS, "board": board.fields()}), 0.1, True)
    lines = text.splitlines()
    assert f'tidegate_board_info{{model="{MODEL}",serial="{SERIAL}"}} 1' in lines
    assert "tidegate_board_temperature_celsius 48.3" in lines
    assert 'tidegate_board_throttled{reason="under_voltage"} 0' in lines
    assert 'tidegate_board_throttled{reason="frequency_capped"} 1' in lines
    assert 'tidegate_board_throttled_seen{reason="under_voltage"} 1' in lines
    assert "board_power" not in text
    assert "board_watchdog" not in text
    bare = PiBoard(settings_of(tmp_path), Ending().process, tmp_path / "nothing").fields()
    text = metrics_text(Snapshot(0, (), (), {**FIELDS, "board": bare}), 0.1, True)
    assert "tidegate_board_info" in text
    assert "temperature" not in text
    assert "throttled" not in text
    assert "tidegate_board" not in metrics_text(Snapshot(0, (), (), FIELDS), 0.1, True)


def test_the_metrics_show_the_power_input(tmp_path):
    source, ending = FakeInput(), Ending()
    settings = settings_of(tmp_path, {"power_fail_gpio": 4})
    board = PiBoard(settings, ending.process, tmp_path, source.open)
    board.attend(snapshot())

    def shown():
        return metrics_text(Snapshot(0, (), (), {**FIELDS, "board": board.fields()}), 0.1, True)

    assert "tidegate_board_power_good 1" in shown().splitlines()
    source.set(True)
    wait_for(lambda: "tidegate_board_power_good 0" in shown().splitlines())
    source.set(False)
    wait_for(lambda: "tidegate_board_power_good 1" in shown().splitlines())
    board.close()


def test_a_person_sees_which_board_it_is(tmp_path):
    out = io.StringIO()
    board = board_on(PiTree(tmp_path))
    show({**FIELDS, "board": board.fields()}, Console(file=out, width=200))
    assert f"board: {MODEL}, serial {SERIAL}, 48.3 °C\n" in out.getvalue()
