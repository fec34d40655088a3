"""Device tree and sysfs as texts.  Every path is below a root, so that a test can plant a tree."""

from pathlib import Path
from typing import NamedTuple

from tidegate_linux.board import DEVICE_TREE


class Identity(NamedTuple):
    """What the board is called by its maker; "" where the device tree does not say."""

    model: str
    serial: str


def read_identity(root: Path) -> Identity:
    """Return the model and the serial number that the firmware put into the device tree."""
    tree = root / DEVICE_TREE
    return Identity(read_text(tree / "model"), read_text(tree / "serial-number"))


def read_text(path: Path) -> str:
    """Return a file's text without the end of a line or a string; "" where it cannot be read."""
    try:
        return path.read_bytes().rstrip(b"\0\n").decode("utf-8", "replace").strip()
    except OSError:
        return ""  # Not on this kernel, or not on this board: both are usual.


def read_number(path: Path, base: int = 10) -> int | None:
    """Return a file's whole number; None where there is none."""
    try:
        return int(read_text(path), base)
    except ValueError:
        return None
