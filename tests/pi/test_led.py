"""What the LED shows, and that it is given back."""

import logging

import pytest

from pi.planted import TRIGGERS, PiTree
from tidegate_pi.led import HOLDING, ONLINE, TROUBLE, Led

ACT = "sys/class/leds/ACT"


@pytest.mark.parametrize(
    ("state", "trigger", "on_ms"),
    [(ONLINE, "oneshot", "50"), (HOLDING, "oneshot", "400"), (TROUBLE, "timer", "100")],
)
def test_each_state_has_a_pattern_of_its_own(tmp_path, state, trigger, on_ms):
    tree = PiTree(tmp_path)
    tree.add_led()
    led = Led(tmp_path)
    led.show(state)
    assert led.shown == state
    assert tree.read(f"{ACT}/trigger") == trigger
    assert tree.read(f"{ACT}/delay_on") == on_ms
    assert (tmp_path / ACT / "shot").exists() == (trigger == "oneshot")


def test_a_flash_is_shot_off_by_each_call_so_that_a_stuck_gateway_is_dark(tmp_path):
    tree = PiTree(tmp_path)
    tree.add_led()
    led = Led(tmp_path)
    for _ in range(3):
        led.show(ONLINE)
        assert (tmp_path / ACT / "shot").read_text() == "1\n"
        (tmp_path / ACT / "shot").unlink()


def test_an_old_kernel_calls_it_led0(tmp_path):
    tree = PiTree(tmp_path)
    tree.add_led("led0")
    Led(tmp_path).show(TROUBLE)
    assert tree.read("sys/class/leds/led0/trigger") == "timer"


@pytest.mark.parametrize(
    ("found", "given_back"),
    [
        (TRIGGERS, "mmc0"),
        ("none mmc0 timer oneshot [default-on]", "default-on"),
        # What a gateway that was killed has left.
        ("none mmc0 timer [oneshot]", "mmc0"),
        ("none [timer] oneshot", "none"),
    ],
)
def test_the_led_shows_again_what_it_showed_before(tmp_path, found, given_back):
    tree = PiTree(tmp_path)
    tree.add_led(triggers=found)
    led = Led(tmp_path)
    led.show(ONLINE)
    led.close()
    assert tree.read(f"{ACT}/trigger") == given_back
    led.show(ONLINE)
    assert tree.read(f"{ACT}/trigger") == given_back


def test_a_board_without_an_led_is_no_trouble(tmp_path, caplog):
    led = Led(tmp_path)
    led.show(ONLINE)
    led.close()
    assert (led.shown, caplog.messages) == ("", [])


def test_a_refusal_is_tried_again_and_then_one_warning(tmp_path, caplog):
    tree = PiTree(tmp_path)
    tree.add_led()
    # The file of a trigger that udev has not yet given to our group: a folder refuses as well.
    (tmp_path / ACT / "delay_on").mkdir()
    led = Led(tmp_path)
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        led.show(ONLINE)
        led.show(ONLINE)
        (tmp_path / ACT / "delay_on").rmdir()
        led.show(ONLINE)
        assert (led.shown, caplog.messages) == (ONLINE, [])
        (tmp_path / ACT / "delay_on").unlink()
        (tmp_path / ACT / "delay_on").mkdir()
        for _ in range(20):
            led.show(HOLDING)
    assert led.shown == ""
    assert len(caplog.messages) == 1
    assert "docs/raspberry-pi.md" in caplog.messages[0]


def test_a_kernel_without_the_trigger_is_named(tmp_path, caplog):
    tree = PiTree(tmp_path)
    tree.add_led(triggers="none [mmc0]")
    led = Led(tmp_path)
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        for _ in range(20):
            led.show(ONLINE)
    assert len(caplog.messages) == 1
    assert "modprobe ledtrig-oneshot" in caplog.messages[0]
