"""The texts that come with the program, as they lie in packaging/: unit, scripts, configuration.

A frozen program has them in its bundle (packaging/pyinstaller), a checkout in its own folder.
"""

import sys
from pathlib import Path

from tidegate_linux.install.errors import InstallError

UNIT = "systemd/tidegate-onefile.service"
OPENRC = "openrc/tidegate"
BUSYBOX = "busybox/S50tidegate"
SELECT = "launch/select"
KEEP = "launch/keep"
CONFIG_FIRST = "config/first.toml"
SAMPLES = (
    "config/gateway.toml",
    "config/hub.toml",
    "systemd/tidegate-low-ports.conf",
    "systemd/tidegate-pi.conf",
    "udev/70-tidegate-pi.rules",
)


def part(name: str) -> bytes:
    """Return what is in a file of packaging/."""
    bundle = getattr(sys, "_MEIPASS", None)
    folder = Path(__file__).resolve().parents[3] if bundle is None else Path(bundle)
    path = folder / "packaging" / name
    try:
        return path.read_bytes()
    except OSError:
        what = f"this program came without {name}"
        raise InstallError(what, "take the one binary, or a checkout of the source") from None
