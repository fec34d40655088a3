"""Runs programs of this folder on MicroPython, with the tree's own sources."""

import json
import os
import subprocess
from pathlib import Path

from test_micropython import ROOT, program

HERE = Path(__file__).parent
FOLDERS = [HERE, ROOT / "core", ROOT / "platforms"]


def environment():
    """Return what a MicroPython process needs to find the modules."""
    return {**os.environ, "MICROPYPATH": ":".join([*map(str, FOLDERS), ".frozen"])}


def command(name, options, heap="16M"):
    """Return the command that runs a program with its options."""
    return [program("micropython"), "-X", f"heapsize={heap}", str(HERE / name), json.dumps(options)]


def run_program(name, options, heap="16M", timeout_s=900):
    """Return what a program prints as JSON, of its last line."""
    done = subprocess.run(
        command(name, options, heap),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])
