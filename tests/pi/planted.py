"""A Raspberry Pi as a folder: device tree, sysfs and proc as files, with the kernel's contents.

A fake.  What it cannot show is what a kernel does: files of a trigger that come with it, readings
that change by themselves, permissions.
"""

import os
from pathlib import Path

from builders import gateway_settings
from tidegate_linux.status.survey import Snapshot

MODEL = "Raspberry Pi 3 Model B Rev 1.2"
SERIAL = "00000000c0ffee42"
TRIGGERS = "none rfkill-any kbd-scrolllock [mmc0] timer oneshot heartbeat default-on"


class PiTree:
    """The tree below `root`; `write` and `read` take paths in it."""

    def __init__(self, root: Path, is_pi: bool = True) -> None:
        self.root = root
        if is_pi:
            tree = "sys/firmware/devicetree/base"
            self.write(f"{tree}/compatible", "raspberrypi,3-model-b\0brcm,bcm2837\0")
            self.write(f"{tree}/model", f"{MODEL}\0")
            self.write(f"{tree}/serial-number", f"{SERIAL}\0")
            self.write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
            self.write("sys/class/thermal/thermal_zone0/temp", "48312\n")

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def read(self, path: str) -> str:
        return (self.root / path).read_text().strip()

    def add_led(self, name: str = "ACT", triggers: str = TRIGGERS) -> None:
        self.write(f"sys/class/leds/{name}/trigger", triggers + "\n")

    def throttle(self, word: int) -> None:
        self.write("sys/devices/platform/soc/soc:firmware/get_throttled", f"{word:x}\n")

    def voltage(self, alarm: int) -> None:
        self.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
        self.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", f"{alarm}\n")

    def mount(self, folder: Path, options: str, point: str = "/", more: str = "rw") -> None:
        """Say that what `folder` lies on is mounted at `point`, from the card."""
        device = folder.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        line = f"25 1 {number} / {point} {options} shared:1 - ext4 /dev/mmcblk0p2 {more}\n"
        self.write("proc/self/mountinfo", line)
        block = self.root / "sys/devices/platform/mmc0/block/mmcblk0/mmcblk0p2"
        block.mkdir(parents=True)
        link = self.root / "sys/dev/block" / number
        link.parent.mkdir(parents=True)
        link.symlink_to(block)


def settings_of(data: Path, pi: "dict[str, object] | None" = None, **node: object):
    """Return a gateway's settings with this data folder and these keys of [pi]."""
    return gateway_settings({"node": {"data": str(data), **node}, "pi": pi or {}})


def snapshot(
    link: str = "up", problems: "tuple[str, ...]" = (), is_degraded: bool = False
) -> Snapshot:
    """Return a snapshot as far as a board looks at it."""
    return Snapshot(0, problems, (), {"link": {"state": link}}, is_degraded)
