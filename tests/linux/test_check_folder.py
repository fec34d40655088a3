"""A data folder that cannot be written to is told with what mends just that."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from builders import journal_settings
from tidegate_linux.check.machine import check_folder
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.mqtt.broker_check import WARNING


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


def modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_nobody_else_can_read_what_devices_sent(tmp_path):
    folder = tmp_path / "data"
    before = os.umask(0o022)
    try:
        journal = open_journal(folder, ["main"], limit_bytes=10_000_000)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert modes(folder) == {0o600}
        journal.close()
        (folder / "journal.suspect").touch()
        open_journal(folder, ["main"], limit_bytes=10_000_000).close()
        assert stat.S_IMODE((folder / "damaged-1").stat().st_mode) == 0o700
    finally:
        os.umask(before)
    assert [one for one in check_folder(folder, journal_settings()) if one.level == WARNING] == []


def test_a_journal_that_others_can_read_is_told_and_left_as_it_is(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    open_journal(folder, ["main"], limit_bytes=10_000_000).close()
    (folder / "journal.db").chmod(0o644)
    folder.chmod(0o755)
    open_journal(folder, ["main"], limit_bytes=10_000_000).close()
    assert stat.S_IMODE((folder / "journal.db").stat().st_mode) == 0o644
    findings = [one for one in check_folder(folder, journal_settings()) if one.level == WARNING]
    assert [one.what for one in findings] == [
        f"others on this machine can read journal.db in {folder}"
    ]
    assert findings[0].hint == f"chmod -R go-rwx {folder}"
    folder.chmod(0o750)
    assert [one for one in check_folder(folder, journal_settings()) if one.level == WARNING] == []
