"""A node's link in a MicroPython process of its own, for tests against peers of every kind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from test_micropython import ROOT, program

MODULES = Path(sys.prefix) / "micropython"  # Where build/bootstrap.py puts umqtt.
# On this 64-bit port, with every module compiled from source on the heap; a board has neither.
HEAP = "256k"
COMMAND_S = 60


class LinkProcess:
    """A link that was started; the methods are those of `link_program.Driver`."""

    def __init__(self, kind, host, port, heap=HEAP, **options):
        if not list(MODULES.glob("umqtt/simple.*py")):
            pytest.skip("umqtt.simple is missing: python3 build/bootstrap.py test")
        folders = [MODULES, *(ROOT / name for name in ("core", "platforms", "tests/core"))]
        self._process = subprocess.Popen(
            [
                program("micropython"),
                "-X",
                f"heapsize={heap}",
                Path(__file__).with_name("link_program.py"),
            ],
            env={**os.environ, "MICROPYPATH": ":".join([*map(str, folders), ".frozen"])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._exchange([kind, host, port, options])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=COMMAND_S)
        self._process.stdout.close()

    def query(self, token, at=0):
        self._exchange(["query", [token, at]])

    def send(self, token, first, last, gaps=()):
        self._exchange(["send", [token, first, last, gaps]])

    def send_topics(self, token, *topics):
        self._exchange(["send_topics", [token, *topics]])

    def send_large(self, token, size):
        self._exchange(["send_large", [token, size]])

    def run(self, seconds, count=1):
        """Poll until so many events came; return them as (token, status, fields, retry, bytes)."""
        said = self._exchange(["run", [int(seconds * 1000), count]])
        self.longest_ms, self.moved = said["longest_ms"], said["moved"]
        return said["events"]

    def set_packet_id(self, packet_id):
        self._exchange(["set_packet_id", [packet_id]])

    def subscribe(self, size):
        return self._exchange(["subscribe", [size]])

    def state(self):
        """Return the state of the MQTT connection."""
        return self._exchange(["state", []])["state"]

    def close(self):
        self._exchange(["close", []])

    def _exchange(self, line):
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer.startswith(("{", "null")):
            raise AssertionError(answer + self._process.stdout.read())
        return json.loads(answer)
