"""The board: its name, LED, watchdog, temperature, free memory, sleep, and why it started.

One class for every port: what a port lacks is left out, and the unix port lacks all of it.
"""

import gc
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.config.node_settings import BoardSettings

# What the LED shows: which tenths of two seconds it is on.
OFF = 0
CONNECTING = 0x003FF  # A slow blink.
ONLINE = 0xFFFFF
HOLDING = 0x00033  # A double blink.
TROUBLE = 0x55555  # A fast one.

WATCHDOG_MS_LEAST = 8000  # What every port can do: RP2040 counts to 8388.
_CAUSES = (
    ("DEEPSLEEP_RESET", "deep sleep"),
    ("WDT_RESET", "watchdog"),
    ("BROWNOUT_RESET", "brown-out"),
    ("SOFT_RESET", "soft reset"),
    ("HARD_RESET", "hard reset"),
    ("PWRON_RESET", "power on"),
)


class Board:
    """What there is of a board; `machine` is the port's module of that name, or a fake."""

    def __init__(self, settings: "BoardSettings", machine: "Any" = None) -> None:
        self._settings = settings
        self._machine = _module("machine") if machine is None else machine
        self._watchdog: Any = None
        self._pin = self._led_pin()
        self._shown = -1
        self.watchdog_ms = 0  # The bound on everything that blocks; 0 before the watchdog runs.
        self.name = os.uname().machine if hasattr(os, "uname") else sys.platform
        self.reset_cause = self._cause()

    def start_watchdog(self) -> None:
        """Start the watchdog, once, with as much time as the port allows."""
        wanted_ms = self._settings.watchdog_s * 1000
        if self._watchdog is not None or not wanted_ms or not hasattr(self._machine, "WDT"):
            return
        for timeout_ms in (wanted_ms, min(wanted_ms, WATCHDOG_MS_LEAST)):
            try:
                self._watchdog = self._machine.WDT(timeout=timeout_ms)
            except ValueError:
                continue  # More than this port can count.
            self.watchdog_ms = timeout_ms
            return

    def feed(self) -> None:
        """Tell the watchdog of progress."""
        if self._watchdog is not None:
            self._watchdog.feed()

    def show(self, pattern: int, now_ms: int) -> None:
        """Set the LED to what `pattern` is now."""
        value = pattern >> now_ms // 100 % 20 & 1
        if self._pin is not None and value != self._shown:
            self._shown = value
            self._pin.value(value)

    @property
    def temperature_c(self) -> "float | None":
        """Return the temperature of the chip, None where the port does not tell."""
        esp32 = _module("esp32")
        if hasattr(esp32, "mcu_temperature"):
            return float(esp32.mcu_temperature())
        if hasattr(esp32, "raw_temperature"):  # The first ESP32, in degrees Fahrenheit.
            return (esp32.raw_temperature() - 32) / 1.8
        if sys.platform == "rp2":  # RP2040 data sheet, 4.9.5.
            volts = self._machine.ADC(self._machine.ADC.CORE_TEMP).read_u16() * 3.3 / 65535
            return 27 - (volts - 0.706) / 0.001721
        return None

    @property
    def free_memory_bytes(self) -> int:
        """Return what is free of the heap after a collection."""
        gc.collect()
        return gc.mem_free()

    def keep(self, data: bytes) -> None:
        """Keep some bytes over deep sleep, where the board can."""
        memory = self._memory()
        if memory is not None:
            memory(data)

    def kept(self) -> bytes:
        """Return what was kept over the deep sleep that has just ended; else b""."""
        memory = self._memory()
        return bytes(memory()) if memory is not None and self.reset_cause == "deep sleep" else b""

    def sleep(self, sleep_ms: int) -> None:
        """Sleep deeply: the board starts anew afterwards.  Where it cannot, wait and return."""
        if hasattr(self._machine, "deepsleep"):
            self._machine.deepsleep(sleep_ms)
        else:
            time.sleep_ms(sleep_ms)

    def _memory(self) -> "Any":
        if not hasattr(self._machine, "RTC"):
            return None
        return getattr(self._machine.RTC(), "memory", None)

    def _led_pin(self) -> "Any":
        led = self._settings.led
        if not led or not hasattr(self._machine, "Pin"):
            return None
        number = all("0" <= letter <= "9" for letter in led)
        return self._machine.Pin(int(led) if number else led, self._machine.Pin.OUT)

    def _cause(self) -> str:
        if not hasattr(self._machine, "reset_cause"):
            return "start"
        cause = self._machine.reset_cause()
        for name, text in _CAUSES:
            if getattr(self._machine, name, None) == cause:
                return text
        return "reset " + str(cause)


def _module(name: str) -> "Any":
    try:
        return __import__(name)
    except ImportError:
        return None
