"""A power failure ends the gateway in order.  The input is a fake behind the port of libgpiod."""

import logging
import threading
import time
from collections.abc import Callable

import pytest

from pi.planted import PiTree, settings_of, snapshot
from tidegate_linux.board import Process
from tidegate_pi import power
from tidegate_pi.board import PiBoard
from tidegate_pi.power import FAILED, GOOD, LOST, PowerFailedError, PowerWatch

WAIT_S = 5.0


class FakeInput:
    """An input that says what `set` has told it."""

    def __init__(self, has_failed: bool = False) -> None:
        self.asked: tuple[object, ...] = ()
        self.is_closed = False
        self._has_failed = has_failed
        self._is_broken = False
        self._changed = threading.Event()

    def open(self, *asked: object) -> "FakeInput":
        self.asked = asked
        return self

    def set(self, has_failed: bool) -> None:
        self._has_failed = has_failed
        self._changed.set()

    def break_off(self) -> None:
        self._is_broken = True
        self._changed.set()

    def has_failed(self) -> bool:
        if self._is_broken:
            raise OSError("gone")
        return self._has_failed

    def wait(self, seconds: float) -> None:
        self._changed.wait(seconds)
        self._changed.clear()

    def close(self) -> None:
        self.is_closed = True


class Ending:
    """What a gateway's process is for a board; notes that it was to end, and why."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.asked = threading.Event()
        self.process = Process(self.errors.append, self.asked)


def wait_for(what: Callable[[], object]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.fixture
def calls() -> list[str]:
    return []


def watch(source: FakeInput, calls: list[str]) -> PowerWatch:
    return PowerWatch(source, lambda: calls.append("failed"))


def test_a_failure_is_told_once(calls, caplog):
    source = FakeInput()
    watched = watch(source, calls)
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        source.set(True)
        wait_for(lambda: calls)
        source.set(False)
        wait_for(lambda: watched.state == GOOD)
        source.set(True)
        wait_for(lambda: watched.state == FAILED)
        watched.close()
    assert calls == ["failed"]
    assert caplog.messages[:2] == [
        "the power fails: nothing more is taken in",
        "the power is back",
    ]
    assert source.is_closed


def test_an_input_that_has_always_said_so_ends_nothing_until_it_was_good_once(calls, caplog):
    source = FakeInput(has_failed=True)
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        watched = watch(source, calls)
        assert not watched.is_armed
        source.set(True)
        time.sleep(0.1)
        assert calls == []
        assert "since the start" in caplog.messages[0]
        source.set(False)
        wait_for(lambda: watched.is_armed)
        source.set(True)
        wait_for(lambda: calls)
        watched.close()


def test_an_input_that_is_lost_is_told_and_ends_nothing(calls, caplog):
    source = FakeInput()
    watched = watch(source, calls)
    with caplog.at_level(logging.ERROR, "tidegate.board"):
        source.break_off()
        wait_for(lambda: caplog.messages)
        watched.close()
    assert caplog.messages == ["the power input is lost: gone"]
    assert (calls, watched.state) == ([], LOST)


def board_of(tmp_path, source: FakeInput, ending: Ending, **keys: object) -> PiBoard:
    settings = settings_of(tmp_path, {"power_fail_gpio": 17, **keys})
    return PiBoard(settings, ending.process, PiTree(tmp_path / "root").root, source.open)


def test_the_gateway_ends_with_an_error_that_says_why(tmp_path):
    source, ending = FakeInput(), Ending()
    board = board_of(tmp_path, source, ending)
    assert board.fields()["power"] is None
    board.attend(snapshot())
    assert source.asked == (tmp_path / "root", "", 17, True)
    assert board.fields()["power"] == "good"
    source.set(True)
    wait_for(lambda: ending.errors)
    assert isinstance(ending.errors[0], PowerFailedError)
    assert "the power failed" in ending.errors[0].what
    assert board.fields()["power"] == "failed"
    source.set(False)
    board.stopping()
    board.close()
    assert source.is_closed


def test_an_input_that_is_lost_is_a_warning_as_long_as_the_gateway_runs(tmp_path):
    source, ending = FakeInput(), Ending()
    board = board_of(tmp_path, source, ending)
    board.attend(snapshot())
    assert board.warnings() == []
    source.break_off()
    wait_for(board.warnings)
    assert "cannot be used" in board.warnings()[0]
    assert board.fields()["power"] == "lost"
    board.close()


def close_without_power(tmp_path, source, ending):
    """Return the thread in which a board ends whose power has failed."""
    board = board_of(tmp_path, source, ending)
    board.attend(snapshot())
    source.set(True)
    wait_for(lambda: ending.errors)
    closing = threading.Thread(target=board.close)
    closing.start()
    return closing


def test_the_end_waits_for_the_power_to_come_back(tmp_path):
    source, ending = FakeInput(), Ending()
    closing = close_without_power(tmp_path, source, ending)
    closing.join(0.5)
    assert closing.is_alive()
    source.set(False)
    closing.join(WAIT_S)
    assert not closing.is_alive()


def test_who_asks_for_the_end_meanwhile_is_not_kept_waiting(tmp_path):
    source, ending = FakeInput(), Ending()
    closing = close_without_power(tmp_path, source, ending)
    ending.asked.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()


def test_a_stop_without_a_failure_waits_for_nothing(tmp_path):
    source, ending = FakeInput(), Ending()
    board = board_of(tmp_path, source, ending, power_fail_level="high", power_fail_chip="other")
    board.attend(snapshot())
    assert source.asked == (tmp_path / "root", "other", 17, False)
    began_s = time.monotonic()
    board.close()
    assert time.monotonic() - began_s < power.POLL_S + 1
    assert ending.errors == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("gpiod"), "pip install 'tidegate[pi]'"),
        (PermissionError(13, "Permission denied"), "GPIO 17, is not watched: "),
        (ValueError("no such line"), "GPIO 17, is not watched: no such line"),
    ],
)
def test_an_input_that_cannot_be_had_is_a_warning_and_stays_one(tmp_path, caplog, error, told):
    def refuse(*_asked: object) -> FakeInput:
        raise error

    settings = settings_of(tmp_path, {"power_fail_gpio": 17})
    board = PiBoard(settings, Ending().process, tmp_path, refuse)
    assert board.warnings() == []
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        board.attend(snapshot())
        board.attend(snapshot())
    assert len(caplog.messages) == 1
    assert told in caplog.messages[0]
    assert "cannot be used" in board.warnings()[0]
    board.close()
