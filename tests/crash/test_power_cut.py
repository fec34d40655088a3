"""P1 in the real kernel: the power is cut under a running journal, its file system recovers."""

import os
import subprocess
import sys
from random import Random

import pytest

from crash.mounts import Mount, require
from crash.storing_program import LANES, LIMIT_BYTES
from fakes.journal_script import lane_of
from tidegate_linux.journal.sqlite import open_journal

CUTS = 100
SEED = int(os.environ.get("TIDEGATE_SEED", "1"))


def acknowledged_before_the_cut(disk, folder, commits, plant):
    """Store until `commits` were acknowledged, cut the power, return the last acknowledged number.

    What is said after the cut began does not count: the program may have read it from memory.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = subprocess.Popen(
        [sys.executable, "-m", "crash.storing_program", str(folder), "1000000", plant],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
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
            folder = disk.point / f"node-{cut % 5}"
            known = acknowledged_before_the_cut(disk, folder, random.randint(1, 40), plant)
            disk.unmount()
            disk.mount()
            last = expect_sound(folder)
            lost_records += max(0, known - last)
            lossy_cuts += last < known
    print(f"seed {SEED}: {cuts} cuts, {lost_records} records lost in {lossy_cuts} of them")
    return lost_records, lossy_cuts


def expect_sound(folder):
    journal = open_journal(folder, LANES, limit_bytes=LIMIT_BYTES)
    state = lane_of(journal.recover(), "main")
    span = journal.read("main", state.forgotten + 1, 100_000, 1 << 30)
    assert (span.last, span.damaged) == (state.last, 0)
    assert [audit.missing for audit in journal.audit()] == [0]
    journal.close()
    return state.last


@pytest.mark.slow
def test_no_power_cut_loses_what_was_acknowledged(tmp_path):
    lost_records, _ = cut_many_times(tmp_path, CUTS)
    assert lost_records == 0


@pytest.mark.slow
def test_power_cuts_show_the_losses_of_synchronous_normal(tmp_path):
    lost_records, lossy_cuts = cut_many_times(tmp_path, 10, "synchronous-normal")
    assert lost_records > 0
    assert lossy_cuts >= 3
