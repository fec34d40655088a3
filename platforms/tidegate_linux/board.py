"""The board under a gateway: what this platform asks of one, and which one it is.

Promises that nothing of a board is imported, opened or written on a machine that is none.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tidegate.config.gateway_schema import PI
from tidegate.config.settings import GatewaySettings
from tidegate_linux.attendants import Attendant

# The same as /proc/device-tree, which a hardened service does not see (ProcSubset=pid).
DEVICE_TREE = "sys/firmware/devicetree/base"
ROOT = Path("/")

_LOG = logging.getLogger("tidegate.board")


class Board(Attendant, Protocol):
    """An attendant that knows something of the machine."""

    def fields(self) -> dict[str, Any]:
        """Return what the status shows of the board."""

    def warnings(self) -> list[str]:
        """Return what is wrong with the board and what to do about it, one line each."""


class Process(NamedTuple):
    """What a board may do with the gateway's process.

    `end` has the gateway end as at a signal, and the program fail with this error.  `asked` is set
    once the gateway is asked to end from outside: then nobody may keep it waiting.
    """

    end: Callable[[Exception], None]
    asked: threading.Event


def find_board(settings: GatewaySettings, process: Process, root: Path = ROOT) -> Board | None:
    """Return the board that this is or that the settings name, with nothing opened yet."""
    if is_pi(settings, root):
        from tidegate_pi.board import PiBoard

        return PiBoard(settings, process, root)
    if list(settings.pi) != [key.default for key in PI.keys]:
        _LOG.warning("[pi] does nothing here: this is no Raspberry Pi, or node.board says so")
    return None


def is_pi(settings: GatewaySettings, root: Path = ROOT) -> bool:
    """Tell whether the gateway is to use this machine as a Raspberry Pi."""
    if settings.node.board != "auto":
        return settings.node.board == "pi"
    try:
        compatible = (root / DEVICE_TREE / "compatible").read_bytes()
    except OSError:
        return False  # A machine without a device tree, as any PC.
    return any(name.startswith(b"raspberrypi,") for name in compatible.split(b"\0"))
