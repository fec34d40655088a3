"""A data folder that cannot be written to is told with what mends just that."""

import os
import subprocess
from pathlib import Path

import pytest

from builders import journal_settings
from tidegate_linux.check.machine import check_folder


def test_a_place_where_nothing_can_be_made_asks_for_another_one():
    (finding,) = check_folder(Path("/proc/nothing/can/be/made/here"), journal_settings())
    assert "/proc cannot be written" in finding.what
    assert "node.data" in finding.hint


def test_a_medium_mounted_read_only_is_told_as_that(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    mounted = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mounted, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        (finding,) = check_folder(tmp_path, journal_settings())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert "read-only" in finding.what
    assert "mount it for writing" in finding.hint
