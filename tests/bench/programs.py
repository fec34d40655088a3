"""The programs that a run starts: brokers, gateway, hub, and the two ends of the harness.

A `Program` is one process with its log; a `Team` is the programs of one system, whose CPU and
memory are told together.  All are ended with SIGTERM when the `with` block ends, and killed if that
takes too long.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.machine import Used, forget_peak, used_by

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0
STOP_S = 30.0
LOOK_S = 0.02


class Program:
    """A running process; `log` holds what it writes."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log_path = folder / f"{name}.log"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment(),
            )

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition` holds; raise with the log if the program ends before."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if condition():
                return
            time.sleep(LOOK_S)
        raise RuntimeError(f"{self.name}: {what} did not come about:\n{self.log()[-4000:]}")

    def wait_for_log(self, pattern: str) -> str:
        """Wait until the log matches; return the first group."""
        self.wait_for(lambda: re.search(pattern, self.log()) is not None, pattern)
        found = re.search(pattern, self.log())
        assert found is not None
        return found[1] if found.groups() else found[0]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Team:
    """The programs of one system, and what they take from `begin` on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs: list[Program] = []
        self._before: dict[str, Used] = {}

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *_error: object) -> None:
        # In the order in which they were started backwards: nobody then loses his peer.
        for program in reversed(self._programs):
            program.stop()

    def start(self, name: str, command: list[str]) -> Program:
        program = Program(name, command, self.folder)
        self._programs.append(program)
        return program

    def end(self, program: Program) -> None:
        """End one program before the others; it is not counted any more."""
        program.stop()
        self._programs.remove(program)

    def begin(self) -> None:
        """Count CPU and the peak of memory from now on."""
        for program in self._programs:
            forget_peak(program.process.pid)
        self._before = {program.name: used_by(program.process.pid) for program in self._programs}

    def used(self) -> dict[str, Used]:
        """Return by name what each program took since `begin`, and its memory now and at most."""
        result = {}
        for program in self._programs:
            now = used_by(program.process.pid)
            before = self._before.get(program.name)
            cpu_s = now.cpu_s - (before.cpu_s if before else 0)
            result[program.name] = Used(cpu_s, now.resident_bytes, now.peak_bytes)
        return result


class End:
    """One end of the harness: a process of `mqtt_bulk` that is ready when this returns."""

    def __init__(self, role: str, port: int, messages: int, *options: object) -> None:
        command = [sys.executable, "-m", "bench.mqtt_bulk", role]
        command += ["--port", str(port), "--messages", str(messages), *map(str, options)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError(f"the harness's {role} did not start")

    def __enter__(self) -> "End":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def go(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self) -> dict[str, float]:
        """Wait for its end; return what it measured."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the harness's own program failed; its error is above")
        result: dict[str, float] = json.loads(line)
        return result

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def environment() -> dict[str, str]:
    """Return the environment in which this checkout's code is found."""
    paths = [str(ROOT / name) for name in ("core", "platforms", "tests")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def find_mosquitto() -> str | None:
    """Return the path of the broker, None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def find_nats() -> str | None:
    """Return the path of the NATS server, None where it is not installed."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


def tidegate(*arguments: str) -> list[str]:
    """Return the command that runs this checkout's tidegate."""
    return [sys.executable, "-m", "tidegate_linux", *arguments]
