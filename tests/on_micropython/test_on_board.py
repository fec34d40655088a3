"""The node's own tests on a real MicroPython, and what a killed one leaves on the medium."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.compact_tree import compile_compacted
from test_micropython import ROOT, RUN_COMPILED, TIMEOUT_S, program

FOLDER = Path(__file__).with_name("on_board")
# With every module on the heap of a 64-bit port, its tests too, and for some compiled there from
# source; a board has none of that.
HEAP = "2m"
KILLS = 12

sys.path.insert(0, str(ROOT / "build"))
import node_keys  # noqa: E402 - found by the path above.


@pytest.fixture(scope="module")
def compacted(tmp_path_factory):
    """Return a folder with the node, its tests and their runner, made small as for a board."""
    out = tmp_path_factory.mktemp("compacted")
    platform = out / "platform"
    name = "tidegate_micropython"
    shutil.copytree(ROOT / "platforms" / name, platform / name)
    folders = [ROOT / "core", ROOT / "tests" / "core", platform, FOLDER]
    compile_compacted(folders, out / "tests", program("mpy-cross"))
    (out / "tests" / "run.py").write_text(RUN_COMPILED)
    return out / "tests"


def environment(folder, modules=(FOLDER, ROOT / "platforms", ROOT / "core")):
    folders = [*modules, Path(sys.prefix) / "micropython"]
    return {
        **os.environ,
        "MICROPYPATH": ":".join([*map(str, folders), ".frozen"]),
        "TIDEGATE_TEST_FOLDER": str(folder),
    }


def command(*arguments):
    return [program("micropython"), "-X", f"heapsize={HEAP}", *map(str, arguments)]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("test_*.py")), ids=lambda path: path.stem)
def test_the_node_passes_on_micropython(path, compacted, tmp_path):
    result = subprocess.run(
        command(compacted / "run.py", path.name),
        env=environment(tmp_path, [compacted]),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    tests_written = len(re.findall(r"^def test_", path.read_text(), re.MULTILINE))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"{tests_written} passed, 0 failed\n"), result.stdout


def numbers_put(folder, first, count):
    """Have a node put numbers, kill it after `count` of them, return those it called stored."""
    process = subprocess.Popen(
        command(FOLDER / "put_until_killed.py", folder, first),
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    )
    said = []
    while len(said) < count:
        line = process.stdout.readline()
        assert line, "the node ended by itself"
        if line.strip().isdigit():
            said.append(int(line))
    process.send_signal(signal.SIGKILL)
    # Lines that were written before the kill count as well.
    said += [int(line) for line in process.stdout if line.strip().isdigit() and line[-1] == "\n"]
    process.stdout.close()
    process.wait(TIMEOUT_S)
    return said


def test_what_put_stored_is_there_after_sigkill(tmp_path):
    folder = tmp_path / "log"
    said = []
    for kill in range(KILLS):
        said += numbers_put(folder, 1000 * kill, 1 + 17 * kill % 60)
    result = subprocess.run(
        command(FOLDER / "read_back.py", folder),
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    found = [int(line) for line in result.stdout.splitlines() if line.isdigit()]
    assert len(said) > KILLS
    assert [number for number in said if number not in found] == []
    assert sorted(set(found)) == found  # Each once, in order.
    # What was under way when the kill came may be there: at most one a kill.
    assert len(found) <= len(said) + KILLS


def test_flush_is_fsync_on_the_unix_port(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    script = tmp_path / "one.py"
    script.write_text(
        "import sys\n"
        "from tidegate_micropython.journal import FileMedium\n"
        "medium = FileMedium(sys.argv[1])\n"
        "medium.append(1, b'x')\n"
        "medium.sync(1)\n"
    )
    subprocess.run(
        [
            "strace",
            "-f",
            "-e",
            "trace=write,fsync",
            "-o",
            trace,
            *command(script, tmp_path / "log"),
        ],
        env=environment(tmp_path),
        timeout=TIMEOUT_S,
        check=True,
    )
    calls = re.findall(r'(write\(\d+, "x"|fsync)', trace.read_text())
    assert calls[-2].startswith("write(") and calls[-1] == "fsync", calls


def test_the_keys_on_a_board_are_those_of_the_schema():
    path = ROOT / "platforms" / "tidegate_micropython" / "keys.py"
    fix = "run: python build/node_keys.py > platforms/tidegate_micropython/keys.py"
    assert path.read_text() == node_keys.keys_text(), fix
