"""The demo's child processes: a hub, and a gateway that is killed.

Promises that none outlives the demo: each is killed at its end, and by the kernel where the demo
itself is killed (setpriv, where there is one).
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tidegate_linux.errors import OperatorError
from tidegate_linux.frozen import SOURCE, environment_of_parts, form

START_S = 20.0
STOP_S = 10.0


class DemoError(OperatorError):
    """Report that the demo cannot be shown: what is missing or failed, and what to do."""


class Child:
    """A program with its log, one process at a time."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._command = command
        self._folder = folder
        self._log_path = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it need not be ready yet."""
        guard = shutil.which("setpriv")
        # The signal comes when the thread that started it ends, so the main thread does that.
        prefix = [guard, "--pdeathsig", "KILL"] if guard else []
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment(),
                start_new_session=True,  # Ctrl-C is for the demo, which ends them in order.
            )

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Wait until its log has `pattern`; raise `DemoError` with the log's end otherwise."""
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s and self.is_alive:
            found = re.search(pattern, self.log())
            if found is not None:
                return found
            time.sleep(0.02)
        last = [line for line in self.log().splitlines() if line.strip()][-1:] or [
            "it said nothing"
        ]
        raise DemoError(
            f"the {self.name} did not start: {last[0]}", "see tidegate check, or try again"
        )

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Return all that it has said."""
        return self._log_path.read_text("utf-8", "replace") if self._log_path.exists() else ""

    def kill(self) -> None:
        """End it at once, with all that it may have started itself."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        self._process = None
        return code


def environment() -> dict[str, str]:
    """Return the environment in which a child finds this very program's code."""
    variables = environment_of_parts()
    if form() == SOURCE:
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return variables


def own_command(*arguments: str) -> list[str]:
    """Return the command line that runs this very program with other arguments."""
    program = [sys.executable, "-m", "tidegate_linux"] if form() == SOURCE else [sys.executable]
    return [*program, *arguments]


def free_port(wanted: int = 0) -> int:
    """Return a port of 127.0.0.1 that was free a moment ago: `wanted`, if that one is."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])
