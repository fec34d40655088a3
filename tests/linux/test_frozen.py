"""What a frozen program puts right at its start, as far as it shows without being frozen."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.gateway import PATHS
from tidegate.version import VERSION
from tidegate_linux import frozen
from tidegate_linux.build_info import build_info
from tidegate_linux.demo.children import environment, own_command

NOBODY = 0xFFFFFFF0  # No process has this number.
PRINTS = "import json, os; print(json.dumps(dict(os.environ)))"


def run(code, **variables):
    """Return the environment that `code` prints, which began with these variables."""
    kept = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": PATHS, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stdout)


def unpacked(place, loader=NOBODY, age_s=3600.0):
    """Return a folder as a loader of this number leaves it."""
    folder = place / f"_MEI{loader:08x}abcdef"
    folder.mkdir()
    (folder / frozen.MARK).touch()
    (folder / "apsw").mkdir()
    then_s = time.time() - age_s
    os.utime(folder, (then_s, then_s))
    return folder


@pytest.mark.parametrize("before", ["", "/opt/lib"])
def test_child_processes_get_the_library_path_of_before(before):
    given = {"LD_LIBRARY_PATH_ORIG": before} if before else {}
    loader = {"LD_LIBRARY_PATH": "/tmp/_MEI1", "_PYI_ARCHIVE_FILE": "/x"}
    seen = run(
        f"from tidegate_linux.frozen import settle_in; settle_in(); {PRINTS}", **given, **loader
    )
    assert seen.get("LD_LIBRARY_PATH", "") == before
    assert not [name for name in seen if name.startswith(("_PYI_", "LD_LIBRARY_PATH_"))]


def test_parts_of_the_program_get_what_the_loader_said():
    code = "import json; from tidegate_linux import frozen; frozen.settle_in(); "
    code += "print(json.dumps(frozen.environment_of_parts()))"
    loader = {"LD_LIBRARY_PATH": "/tmp/_MEI1", "_PYI_ARCHIVE_FILE": "/x"}
    seen = run(code, **loader)
    assert {name: seen[name] for name in loader} == loader


def test_a_folder_that_was_left_behind_is_removed(tmp_path):
    folder = unpacked(tmp_path)
    frozen.remove_abandoned(tmp_path)
    assert not folder.exists()


def test_a_folder_from_the_future_is_removed_too(tmp_path):
    folder = unpacked(tmp_path, age_s=-1e9)
    frozen.remove_abandoned(tmp_path)
    assert not folder.exists()


def test_a_folder_in_use_stays(tmp_path):
    folder = unpacked(tmp_path)
    with (folder / frozen.MARK).open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        frozen.remove_abandoned(tmp_path)
        assert (folder / "apsw").exists()


def test_a_folder_that_is_being_filled_stays(tmp_path):
    young = unpacked(tmp_path, age_s=1)
    of_the_living = unpacked(tmp_path, loader=os.getpid())
    frozen.remove_abandoned(tmp_path)
    assert young.exists()
    assert of_the_living.exists()


def test_what_is_not_ours_stays(tmp_path):
    unmarked, named_otherwise = unpacked(tmp_path), tmp_path / "_MEIxyz"
    (unmarked / frozen.MARK).unlink()
    named_otherwise.mkdir()
    then_s = time.time() - 3600
    for folder in (unmarked, named_otherwise):
        os.utime(folder, (then_s, then_s))
    link = tmp_path / f"_MEI{NOBODY - 1:08x}abcdef"
    link.symlink_to(unmarked)
    frozen.remove_abandoned(tmp_path)
    assert unmarked.exists()
    assert named_otherwise.exists()
    assert link.is_symlink()


def test_from_source_the_checkout_says_what_this_is():
    info = build_info()
    assert info.version == VERSION
    assert info.form == frozen.SOURCE
    assert info.glibc_floor == ""
    root = Path(__file__).parents[2]
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert info.commit == head
        assert info.date.endswith("Z")


def test_from_source_a_part_is_this_python_with_our_sources():
    assert own_command("hub")[1:] == ["-m", "tidegate_linux", "hub"]
    assert "core" in environment()["PYTHONPATH"]
