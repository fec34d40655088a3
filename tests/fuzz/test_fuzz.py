"""A short run of every fuzz target, and proof that the rig would notice something wrong.

Under atheris where it is installed; otherwise blind mutations, and a warning says so. `make fuzz`
runs a million of each.
"""

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent / "run.py"
RUNS = 20_000
HAS_ATHERIS = importlib.util.find_spec("atheris") is not None
TARGETS = (
    "batch",
    "frames",
    "entry",
    "segment",
    "receipt",
    "topic-filter",
    "settings",
    "retry-after",
    "stream-name",
    "properties",
    "utf8",
    "mqtt",
    "url",
)


def run(*arguments):
    return subprocess.run(
        [sys.executable, RUN, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("target", TARGETS)
def test_garbage_is_read_or_refused(target):
    result = run("--runs", str(RUNS), "--target", target)
    if not HAS_ATHERIS:
        warnings.warn(result.stdout.splitlines()[0], stacklevel=1)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{RUNS:,}" in result.stdout


@pytest.mark.parametrize("how", ["atheris", "plain"])
def test_what_goes_wrong_is_found(how):
    if how == "atheris" and not HAS_ATHERIS:
        pytest.skip("atheris is not installed: pip install -e '.[fuzz]'")
    extra = ["--plain"] if how == "plain" else []
    result = run("--runs", "200000", "--target", "planted", *extra)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "went wrong: planted" in result.stdout
    assert "planted" in result.stdout.replace("went wrong: planted", "")
    for path in (RUN.parent / "found").glob("planted-*"):
        path.unlink()


def test_every_target_has_a_short_run():
    listing = run("--runs", "1", "--plain")
    assert listing.returncode == 0, listing.stdout + listing.stderr
    assert [line.split(":")[0] for line in listing.stdout.splitlines()] == list(TARGETS)
