"""P1 of the log on files of a real kernel: ext4 loses power under a running MicroPython.

A new file's name is not synced by itself: `flush` is fsync of the file alone, and that ext4 keeps
the name with it is ext4's promise and not POSIX's.  This test is where it is held to it.
"""

import os
import subprocess
from random import Random

import pytest

from crash.mounts import Mount, require
from flash.programs import command, environment, run_program

SEED = int(os.environ.get("TIDEGATE_SEED", "1"))
FOLDERS = 5  # Each is cut several times, and gone on with in between.


def acknowledged_before_the_cut(disk, folder, commits, plant):
    """Store until `commits` were acknowledged, cut the power, return the last acknowledged number.

    What is said after the cut began does not count: the program may have read it from memory.
    """
    options = {"folder": str(folder), "plant": plant, "check": False}
    program = subprocess.Popen(
        command("storing_program.py", options),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    acknowledged = 0
    with program:
        for _ in range(commits):
            word, number = program.stdout.readline().split()
            assert word == "acknowledged"
            acknowledged = int(number)
        disk.cut_power()
        program.kill()
    return acknowledged


def cut_many_times(tmp_path, cuts, plant=""):
    """Return how many records were lost, and in how many cuts."""
    require("mount", "mkfs.ext4")
    random = Random(SEED)
    lost_records = lossy_cuts = 0
    with Mount(tmp_path / "disk", "ext4", 40_000_000) as disk:
        for cut in range(cuts):
            folder = disk.point / f"node-{cut % FOLDERS}"
            known = acknowledged_before_the_cut(disk, folder, random.randint(1, 60), plant)
            disk.unmount()
            disk.mount()
            options = {"folder": str(folder), "plant": "", "check": True, "seed": cut + 2}
            found = run_program("storing_program.py", options)
            assert not found["wrong"], found
            lost_records += max(0, known - found["last"])
            lossy_cuts += found["last"] < known
    print(f"seed {SEED}: {cuts} cuts, {lost_records} records lost in {lossy_cuts} of them")
    return lost_records, lossy_cuts


def test_no_power_cut_loses_what_was_acknowledged(tmp_path):
    assert cut_many_times(tmp_path, 20) == (0, 0)


@pytest.mark.slow
def test_no_power_cut_of_many_loses_what_was_acknowledged(tmp_path):
    assert cut_many_times(tmp_path, 100) == (0, 0)


@pytest.mark.slow
def test_power_cuts_show_the_losses_of_a_sync_that_does_not_flush(tmp_path):
    lost_records, lossy_cuts = cut_many_times(tmp_path, 10, "lazy")
    assert lost_records > 0
    assert lossy_cuts >= 3
