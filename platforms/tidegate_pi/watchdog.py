"""/dev/watchdog: the board restarts when the gateway makes no progress.

Fed by the engine's thread between two steps and by nobody else.  Once open, it restarts the board
also when the process is killed and not started again in time; only `close` puts it to rest, by the
byte "V" (watchdog-api.rst, "magic close").
"""

import contextlib
import errno
import fcntl
import logging
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tidegate_pi.tree import read_text

if TYPE_CHECKING:
    from collections.abc import Callable

# linux/watchdog.h: _IOWR('W', 6, int) and _IOR('W', 7, int).
WDIOC_SETTIMEOUT = 0xC0045706
WDIOC_GETTIMEOUT = 0x80045707
TIMEOUT_S_MIN = 3  # The engine feeds it once a second; less than this restarts a healthy board.

_LOG = logging.getLogger("tidegate.board")


class Device(Protocol):
    """A watchdog as the kernel has it; every call may raise `OSError`."""

    def write(self, data: bytes) -> None:
        """Feed it; "V" lets `close` put it to rest."""

    def timeout_s(self, wanted_s: int) -> int:
        """Set the time after which it restarts the board; return the one that it has."""

    def close(self) -> None:
        """Close it."""


class KernelDevice:
    """The watchdog in /dev."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, data: bytes) -> None:
        os.write(self._fd, data)

    def timeout_s(self, wanted_s: int) -> int:
        with contextlib.suppress(OSError):  # Out of its range: it keeps its own, read below.
            fcntl.ioctl(self._fd, WDIOC_SETTIMEOUT, struct.pack("i", wanted_s))
        answer = fcntl.ioctl(self._fd, WDIOC_GETTIMEOUT, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        os.close(self._fd)


class Watchdog:
    """A watchdog that is opened when it is first fed; it never raises."""

    def __init__(
        self, wanted_s: int, root: Path, open_device: "Callable[[Path], Device]" = KernelDevice
    ) -> None:
        self.timeout_s = 0  # What it is set to; 0 while it is not open.
        self._open_device = open_device
        self._wanted_s = wanted_s
        self._root = root
        self._device: Device | None = None
        self._is_given_up = wanted_s == 0

    def feed(self) -> None:
        """Keep the board from restarting for another while."""
        if self._is_given_up:
            return
        try:
            if self._device is None:
                self._open()
            assert self._device is not None
            self._device.write(b"\0")
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Put it to rest, where the kernel lets us."""
        self._is_given_up = True
        device, self._device = self._device, None
        if device is None:
            return
        self.timeout_s = 0
        try:
            device.write(b"V")
            device.close()
        except OSError as error:
            _LOG.warning("the watchdog is not put to rest, the board may restart: %s", error)

    def _open(self) -> None:
        self._device = self._open_device(self._root / "dev/watchdog")
        self.timeout_s = self._device.timeout_s(self._wanted_s)
        if self.timeout_s < TIMEOUT_S_MIN:
            raise OSError(errno.ERANGE, f"it restarts the board after {self.timeout_s} s")
        if self.timeout_s != self._wanted_s:
            _LOG.warning(
                "the watchdog is set to %s s, it does not take pi.watchdog_s = %s",
                self.timeout_s,
                self._wanted_s,
            )
        if read_text(self._root / "sys/class/watchdog/watchdog0/nowayout") == "1":
            _LOG.warning("the watchdog cannot be put to rest: the board restarts after each stop")

    def _give_up(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if error.errno == errno.EBUSY:
            why = "another program has it, as systemd with RuntimeWatchdogSec"
        _LOG.warning("the watchdog is not used: %s", why)
        self.close()
