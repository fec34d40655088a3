"""The file system of the data folder, read-only and back: a real ext4, which needs root."""

import os
import subprocess
from pathlib import Path

import pytest

from crash.mounts import Mount, require
from pi.planted import PiTree
from tidegate_pi.medium import card_of, make_read_only, make_writable, mount_of

ROOT = Path("/")


@pytest.fixture
def mounted(tmp_path):
    require("mkfs.ext4", "mount", "umount", "dumpe2fs")
    with Mount(tmp_path / "medium with a blank", "ext4", 16_000_000) as mount:
        yield mount


def test_the_mount_of_a_folder_is_found_among_all(mounted):
    folder = mounted.point / "data"
    folder.mkdir()
    found = mount_of(folder, ROOT)
    assert (found.point, found.kind) == (str(mounted.point), "ext4")
    assert "rw" in found.options


def test_read_only_leaves_a_file_system_that_was_written_out(mounted, tmp_path):
    (mounted.point / "file").write_bytes(b"x" * 100_000)
    subprocess.run(["mount", "-o", "remount,noexec,noatime", mounted.point], check=True)
    mount = make_read_only(mounted.point, ROOT)
    assert mount is not None
    with pytest.raises(OSError, match="Read-only"):
        (mounted.point / "other").write_bytes(b"")
    image = tmp_path / "medium with a blank.img"
    told = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True, check=True)
    # Without it: "clean" as well, but the journal has to be played at the next mount.
    assert "needs_recovery" not in told.stdout
    make_writable(mount)
    (mounted.point / "other").write_bytes(b"")
    told = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True, check=True)
    assert "needs_recovery" in told.stdout
    flags = os.statvfs(mounted.point).f_flag
    assert flags & os.ST_NOEXEC
    assert flags & os.ST_NOATIME


def test_a_file_system_that_others_write_to_stays_writable(mounted, caplog):
    with (mounted.point / "file").open("wb") as file:
        assert make_read_only(mounted.point, ROOT) is None
        file.write(b"still")
    assert "stays writable: device or resource busy" in caplog.text


def test_a_file_system_that_is_not_known_stays_writable(tmp_path, caplog):
    assert make_read_only(tmp_path, tmp_path) is None
    assert "is not known" in caplog.text
    assert make_read_only(tmp_path / "gone", ROOT) is None
    assert "stays writable: No such file" in caplog.text


def test_the_card_is_found_by_the_device(tmp_path):
    assert card_of(tmp_path, tmp_path) == ""
    PiTree(tmp_path).mount(tmp_path, "rw")
    assert card_of(tmp_path, tmp_path) == "mmcblk0"
