"""What the firmware says of itself: temperature, and whether it has slowed the board down.

The flags are the firmware's, in two kernel interfaces.  `get_throttled` has all of them; its first
read after a boot writes "deprecated" with a trace into the kernel's log, and is harmless.  hwmon's
`rpi_volt` has the voltage alone.  The kernel's hwmon driver clears what the firmware remembers each
time it asks, every two seconds, so its "has happened" means little: we remember by ourselves.
"""

from pathlib import Path
from typing import NamedTuple

from tidegate_pi.tree import read_number, read_text

# Bit n: so it is now.  Bit n + 16: so it has been.
FLAGS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
SEEN_SHIFT = 16

_FIRMWARE = "soc*/soc*:firmware/get_throttled"
_ZONE = "cpu-thermal"


class Readings(NamedTuple):
    """What was read at one time; None is what this kernel or this board does not say."""

    temperature_c: float | None = None
    now: tuple[str, ...] | None = None
    seen: tuple[str, ...] = ()


class Sensors:
    """Reads them, and remembers which flags it has seen set."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: set[str] = set()

    def read(self) -> Readings:
        """Return the readings; `seen` is what was ever set since the firmware or we look."""
        word = self._firmware_word()
        alarm = self._voltage_alarm()
        if word is None and alarm is None:
            return Readings(self._temperature_c())
        now = set(flags_of(word or 0))
        if alarm:
            now.add("under_voltage")
        self._seen |= now | set(flags_of((word or 0) >> SEEN_SHIFT))
        seen = [flag for flag in FLAGS if flag in self._seen]
        return Readings(
            self._temperature_c(), tuple(flag for flag in FLAGS if flag in now), tuple(seen)
        )

    def _temperature_c(self) -> float | None:
        zones = sorted((self._root / "sys/class/thermal").glob("thermal_zone*"))
        zones.sort(key=lambda zone: read_text(zone / "type") != _ZONE)
        for zone in zones:
            thousandths = read_number(zone / "temp")
            if thousandths is not None:
                return round(thousandths / 1000, 1)
        return None

    def _firmware_word(self) -> int | None:
        for path in (self._root / "sys/devices/platform").glob(_FIRMWARE):
            return read_number(path, 16)
        return None

    def _voltage_alarm(self) -> bool | None:
        for path in (self._root / "sys/class/hwmon").glob("hwmon*"):
            if read_text(path / "name") == "rpi_volt":
                alarm = read_number(path / "in0_lcrit_alarm")
                return None if alarm is None else alarm != 0
        return None


def flags_of(word: int) -> list[str]:
    """Return the names of the flags that the low half of a word has."""
    return [flag for bit, flag in enumerate(FLAGS) if word >> bit & 1]


_POWER = "use the power supply that is made for it, and a short cable"
_NOW = {
    "under_voltage": f"the board's voltage is too low: {_POWER}",
    "frequency_capped": "the board runs slower because of its voltage or temperature",
    "throttled": "the board runs much slower because of its voltage or temperature",
    "soft_temperature_limit": "the board runs slower because it is hot: give it air",
}
_SEEN = {"under_voltage": f"the board's voltage has been too low: {_POWER}"}


def warnings_of(readings: Readings) -> list[str]:
    """Return a line for each flag that a person has to do something about."""
    now = readings.now or ()
    lines = [_NOW[flag] for flag in now]
    # Heat comes and goes with the sun; a supply that is too weak is found by what it once did.
    lines += [_SEEN[flag] for flag in readings.seen if flag in _SEEN and flag not in now]
    return lines
