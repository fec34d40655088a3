"""Which glibc a file needs is read from the file, and is never above what we state."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "build"))

import glibc_floor  # noqa: E402


def test_versions_are_compared_as_numbers():
    assert glibc_floor.parsed("2.4") < glibc_floor.parsed("2.36") < glibc_floor.parsed("2.36.1")
    assert glibc_floor.floor_text((2, 36)) == "2.36"


def test_what_is_no_elf_file_asks_for_nothing(tmp_path):
    (tmp_path / "text").write_text("GLIBC_9.99")
    assert glibc_floor.floor_of([tmp_path]) == (0,)


def test_the_python_that_runs_this_asks_for_what_readelf_says(tmp_path):
    python = Path(sys.executable).resolve()
    listing = subprocess.run(["readelf", "-V", str(python)], capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("there is no readelf here")
    names = [word for word in listing.stdout.split() if word.startswith("GLIBC_2.")]
    expected = max(glibc_floor.parsed(name.removeprefix("GLIBC_")) for name in names)
    assert glibc_floor.floor_of([python]) == expected


def test_a_floor_above_the_bound_is_a_failure(capsys):
    python = str(Path(sys.executable).resolve())
    assert glibc_floor.main(["--max", "2.0", python]) == 1
    assert glibc_floor.main(["--max", "9.0", python]) == 0
    assert capsys.readouterr().out.startswith("2.")
