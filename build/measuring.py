"""Measure programs side by side: how long a gateway takes to listen, and the memory it has then.

The bare interpreter, with the sources, is measured in the same rounds, so that what else the
machine does meanwhile weighs on both.  Of the times the best counts, of the memory the last.
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from micropython import BuildError

ROOT = Path(__file__).resolve().parent.parent
# What is asked of the one file: it is carried to sites, over lines that are paid by the byte, and a
# gateway that starts slowly acknowledges nothing meanwhile.
ONE_FILE_BYTES_MAX = 25_000_000
START_RATIO_ASKED = 2.0
# What was reached, with room for a machine that does other things too (docs/decisions/0084): the
# one file unpacks 36 MB first.
START_RATIO_MAX = {"interpreter": 1.0, "folder": 2.0, "one file": 3.5}
START_S = 60.0
CONFIG = """\
[node]
name = "measured"
data = "{data}"
[[source]]
type = "listen"
url = "mqtt://127.0.0.1:{port}"
"""
LISTENS = "listening: url=mqtt://"


class Measured(NamedTuple):
    """One program."""

    start_s: float
    memory_bytes: int


def measure(programs: dict[str, list[str]], rounds: int) -> dict[str, Measured]:
    """Start each program so often, in turn; return what was measured, by its name."""
    results: dict[str, Measured] = {}
    for _ in range(rounds):
        for name, command in programs.items():
            now = started(command)
            best = min(now.start_s, results.get(name, now).start_s)
            results[name] = Measured(best, now.memory_bytes)
    return results


def interpreter(python: Path) -> list[str]:
    """Return the command line of the program by a bare interpreter."""
    paths = os.pathsep.join([str(ROOT / "core"), str(ROOT / "platforms")])
    return ["env", f"PYTHONPATH={paths}", str(python), "-m", "tidegate_linux"]


def started(command: list[str]) -> Measured:
    """Run a gateway until it listens, look at it, and end it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "gateway.toml"
        config.write_text(CONFIG.format(data=folder / "data", port=free_port()))
        config.chmod(0o600)
        log = folder / "log"
        begun_s = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "run", "-c", str(config)], stdout=output, stderr=output, cwd=folder
            )
        try:
            while LISTENS not in log.read_text(errors="replace"):
                if process.poll() is not None or time.monotonic() - begun_s > START_S:
                    raise BuildError(f"{command[-1]} does not listen: {log.read_text()[-500:]}")
                time.sleep(0.002)
            return Measured(time.monotonic() - begun_s, memory_of(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def memory_of(process: int) -> int:
    """Return the resident memory of a process and its descendants."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        total += sum(memory_of(int(child)) for child in children)
    return total


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
