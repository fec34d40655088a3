"""A Raspberry Pi attends its gateway: LED, watchdog, sensors, and the input for a power failure.

Promises that nothing of it keeps a gateway from its work: what the kernel or a permission refuses
is one warning.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidegate.config.settings import GatewaySettings
from tidegate.delivery.line import UP
from tidegate_linux.board import Process
from tidegate_linux.status.survey import Snapshot
from tidegate_pi import medium
from tidegate_pi.gpio import GpioInput, PowerInput
from tidegate_pi.led import HOLDING, ONLINE, TROUBLE, Led
from tidegate_pi.power import LOST, PowerFailedError, PowerWatch
from tidegate_pi.sensors import FLAGS, Readings, Sensors, warnings_of
from tidegate_pi.tree import read_identity
from tidegate_pi.watchdog import Watchdog

# They change slowly, and it is the engine's time.
SENSORS_S = 10.0

_LOG = logging.getLogger("tidegate.board")


class PiBoard:
    """A `Board`; for the engine's thread alone."""

    def __init__(
        self,
        settings: GatewaySettings,
        process: Process,
        root: Path,
        open_input: Callable[[Path, str, int, bool], PowerInput] = GpioInput,
    ) -> None:
        self._settings = settings.pi
        self._data = Path(settings.node.data)
        self._process = process
        self._root = root
        self._open_input = open_input
        self._identity = read_identity(root)
        self._sensors = Sensors(root)
        self._readings = Readings()
        self._read_due_s = 0.0
        self._led = Led(root) if self._settings.led else None
        self._watchdog = Watchdog(self._settings.watchdog_s, root)
        self._power: PowerWatch | None = None
        self._has_begun = False

    def fields(self) -> dict[str, Any]:
        """Return what the status shows of the board."""
        self._read()
        now, seen = self._readings.now, self._readings.seen
        return {
            "model": self._identity.model,
            "serial": self._identity.serial,
            "temperature_c": self._readings.temperature_c,
            "throttled": None if now is None else {flag: flag in now for flag in FLAGS},
            "throttled_seen": None if now is None else {flag: flag in seen for flag in FLAGS},
            "led": "" if self._led is None else self._led.shown,
            "watchdog_s": self._watchdog.timeout_s,
            "power": None if self._power is None else self._power.state,
        }

    def warnings(self) -> list[str]:
        """Return what is wrong with the board."""
        lines = warnings_of(self._readings)
        if self._power is not None and not self._power.is_armed:
            lines.append(
                "the power input says since the start that the power fails: look at its wire and "
                + "at pi.power_fail_level"
            )
        elif self._settings.power_fail_gpio >= 0 and self._has_begun and not self._has_input:
            lines.append("pi.power_fail_gpio is given and cannot be used; the log says why")
        return lines

    def attend(self, snapshot: Snapshot) -> None:
        """Feed the watchdog and show how the gateway is."""
        if not self._has_begun:
            self._has_begun = True
            self._watch_power()
        self._watchdog.feed()
        if self._led is not None:
            self._led.show(state_of(snapshot))

    def stopping(self) -> None:
        """Feed the watchdog for the last commit."""
        if self._has_begun:
            self._watchdog.feed()

    def close(self) -> None:
        """Give everything back; after a power failure, wait first for what comes of it."""
        self._watchdog.close()
        if self._led is not None:
            self._led.close()
        if self._power is not None:
            if self._power.has_failed:
                self._outlast(self._power)
            self._power.close()

    @property
    def _has_input(self) -> bool:
        return self._power is not None and self._power.state != LOST

    def _read(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._read_due_s:
            self._read_due_s = now_s + SENSORS_S
            self._readings = self._sensors.read()

    def _watch_power(self) -> None:
        number = self._settings.power_fail_gpio
        if number < 0:
            return
        is_low = self._settings.power_fail_level == "low"
        try:
            chip = self._settings.power_fail_chip
            source = self._open_input(self._root, chip, number, is_low)
            self._power = PowerWatch(source, self._end)
        except ImportError:
            _LOG.warning("the power input needs the library gpiod: pip install 'tidegate[pi]'")
        except (OSError, ValueError) as error:
            _LOG.warning("the power input, GPIO %s, is not watched: %s", number, error)

    def _end(self) -> None:
        self._process.end(PowerFailedError())

    def _outlast(self, power: PowerWatch) -> None:
        os.sync()
        mount = None
        if self._settings.power_fail_medium == "read-only":
            mount = medium.make_read_only(self._data, self._root)
        _LOG.warning("everything is on the medium; waiting for the power")
        if not power.wait_good(self._process.asked):
            _LOG.warning("the power has not come back, and this machine is still up")
        if mount is not None:
            medium.make_writable(mount)


def state_of(snapshot: Snapshot) -> str:
    """Return what the LED has to show of a gateway."""
    if snapshot.problems or snapshot.is_degraded:
        return TROUBLE
    return ONLINE if snapshot.fields["link"]["state"] == UP else HOLDING
