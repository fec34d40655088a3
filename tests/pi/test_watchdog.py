"""The watchdog is fed by progress alone, and put to rest at a clean end.  The device is a fake."""

import errno
import logging
import os
from pathlib import Path

import pytest

from pi.planted import PiTree
from tidegate_pi.watchdog import Watchdog


class FakeDevice:
    """A watchdog that notes what is done with it; takes at most `most_s`."""

    def __init__(self, most_s: int = 15) -> None:
        self.done: list[object] = []
        self._most_s = most_s

    def open(self, path: Path) -> "FakeDevice":
        self.done.append(path)
        return self

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def timeout_s(self, wanted_s: int) -> int:
        return min(wanted_s, self._most_s)

    def close(self) -> None:
        self.done.append("closed")


def test_without_a_setting_nothing_is_opened(tmp_path):
    device = FakeDevice()
    watchdog = Watchdog(0, tmp_path, device.open)
    watchdog.feed()
    watchdog.close()
    assert device.done == []


def test_it_is_opened_by_the_first_progress_and_put_to_rest_at_the_end(tmp_path):
    device = FakeDevice()
    watchdog = Watchdog(15, tmp_path, device.open)
    assert device.done == []
    watchdog.feed()
    watchdog.feed()
    assert watchdog.timeout_s == 15
    watchdog.close()
    assert device.done == [tmp_path / "dev/watchdog", b"\0", b"\0", b"V", "closed"]
    assert watchdog.timeout_s == 0
    watchdog.feed()
    assert device.done[-1] == "closed"


def test_a_shorter_time_is_told_and_too_short_a_one_is_not_used(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        watchdog = Watchdog(60, tmp_path, FakeDevice().open)
        watchdog.feed()
        assert watchdog.timeout_s == 15
        assert "is set to 15 s" in caplog.messages[0]
        short = FakeDevice(most_s=1)
        watchdog = Watchdog(60, tmp_path, short.open)
        watchdog.feed()
    assert short.done[-2:] == [b"V", "closed"]
    assert "the watchdog is not used: it restarts the board after 1 s" in caplog.messages[-1]


def test_a_watchdog_that_cannot_be_put_to_rest_is_told(tmp_path, caplog):
    PiTree(tmp_path).write("sys/class/watchdog/watchdog0/nowayout", "1\n")
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        Watchdog(15, tmp_path, FakeDevice().open).feed()
    assert "cannot be put to rest" in caplog.messages[0]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EBUSY, "another program has it, as systemd with RuntimeWatchdogSec"),
        (errno.EACCES, "Permission denied"),
        (errno.ENOENT, "No such file or directory"),
    ],
)
def test_what_the_kernel_refuses_is_one_warning(tmp_path, caplog, number, told):
    def refuse(path):
        raise OSError(number, os.strerror(number))

    watchdog = Watchdog(15, tmp_path, refuse)
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        for _ in range(3):
            watchdog.feed()
        watchdog.close()
    assert caplog.messages == [f"the watchdog is not used: {told}"]


def test_a_file_that_is_no_watchdog_is_left_alone(tmp_path, caplog):
    place = PiTree(tmp_path).write("dev/watchdog", "")
    watchdog = Watchdog(15, tmp_path)  # The real device's calls, on a file.
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        watchdog.feed()
    assert "Inappropriate ioctl" in caplog.messages[0]
    assert b"\0" not in place.read_bytes()
