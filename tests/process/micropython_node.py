"""A real MicroPython node for tests: a process of its own, killed and started again at will.

    with MicroPythonNode(tmp_path / "n1", "n1", {"type": "mqtt", "url": url}) as node:
        node.kill()
        node.start()
        node.kill()
        status = node.drain()
    node.said                           # What it promised: topic -> run -> number.

It keeps its folder, and with it its log and its identity.  What it puts, and what it promises by
which line, is in `put_and_say.py`.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fixtures.node_bundle import builder
from test_micropython import ROOT, program

PROGRAM = ROOT / "tests" / "on_micropython" / "on_board" / "put_and_say.py"
# On a 64-bit port the modules alone, with their asserts, take 240 KB of it.  The rest is twice what
# a small board has for the node itself, because so large are the objects here.
HEAP = "340k"
DRAIN_S = 150.0
WAIT_S = 30.0


class MicroPythonNode:
    """One process at a time, on one data folder.

    uplink, journal: the tables of its configuration.
    mode, pace_ms: what it puts, and how long it rests after that.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        uplink: "dict[str, object] | None" = None,
        mode: str = "put",
        pace_ms: int = 10,
        journal: "dict[str, object] | None" = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = name
        self.mode = mode
        self.pace_ms = pace_ms
        self.run = 0
        self.data = folder / "log"
        self.log_path = folder / "node.log"
        self.config: dict[str, object] = {
            "node": {"name": name},
            "journal": {
                "folder": str(self.data),
                "limit_bytes": 1_000_000,
                "reserve_bytes": 0,
                # Many segments begun, and given up again.
                "segment_bytes": 4096,
                "sync_interval_ms": 200,
                **(journal or {}),
            },
        }
        if uplink is not None:
            self.config["uplink"] = {"timeout_s": 2, "retry_max_s": 1, **uplink}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "MicroPythonNode":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, mode: str = "") -> None:
        """Start the process and wait for nothing."""
        assert self._process is None, "the node runs already"
        self.run += 1
        task = {
            "config": self.config,
            "folder": str(self.folder),
            "name": self.name,
            "run": self.run,
            "mode": mode or self.mode,
            "pace_ms": self.pace_ms,
        }
        path = self.folder / "task.json"
        path.write_text(json.dumps(task))
        command = [program("micropython"), "-X", f"heapsize={HEAP}", str(PROGRAM), str(path)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "MICROPYPATH": _path()},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it by SIGKILL, if it runs; what it said until then counts."""
        if self._process is None:
            return
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        self._process = None
        assert not code, f"the node had ended by itself:\n{self.log()}"

    def drain(self) -> dict:
        """Run it until nothing is held any more; return what it then says of itself."""
        self.start("drain")
        assert self._process is not None
        code = self._process.wait(DRAIN_S)
        self._process = None
        assert code == 0, f"the node ended with {code}:\n{self.log()}"
        return self.status()

    def status(self) -> dict:
        """Return what it last said of itself, {} for nothing yet."""
        path = self.folder / "status.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def wait(self, condition, timeout_s: float = WAIT_S) -> dict:
        """Return the first status that meets `condition`; raise with the last one and the log."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.status()
            if status and condition(status):
                return status
            assert self.is_running, f"the node has ended:\n{self.log()}"
            time.sleep(0.05)
        raise AssertionError(f"it did not come about: {self.status()}\n{self.log()}")

    @property
    def said(self) -> "dict[str, dict[int, int]]":
        """Return the last number that was promised of each topic in each run."""
        path = self.folder / "said"
        said: dict[str, dict[int, int]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            topic, run, number = line.split()
            said.setdefault(topic, {})[int(run)] = int(number)
        return said

    @property
    def count(self) -> int:
        """Return how many records it has promised."""
        return sum(sum(runs.values()) for runs in self.said.values())

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


@functools.cache
def modules() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder with the bundle that boards are given, but with asserts."""
    out = tempfile.TemporaryDirectory(prefix="tidegate-modules-")
    builder().build(ROOT, Path(out.name) / "bundle", optimisation=0)
    return out


def _path() -> str:
    modules_path = Path(modules().name) / "bundle" / "lib"
    return f"{modules_path}:{Path(sys.prefix) / 'micropython'}:.frozen"
