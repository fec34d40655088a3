"""The log's files: on POSIX, on littlefs and on FAT, and what a full or broken medium answers."""

import os

import vfs

from fakes import empty_folder, fill, mounted
from support import raises
from tidegate.errors import STORAGE_FULL, STORAGE_IO, StorageError
from tidegate_micropython.journal import FileMedium, is_fat


def everything_that_a_medium_promises(folder):
    medium = FileMedium(folder)
    assert medium.segments() == []
    medium.append(1, b"abc")
    medium.sync(1)
    assert medium.read(1, 0, 10) == b"abc"
    medium.append(1, b"def")
    medium.sync(1)
    assert medium.read(1, 1, 3) == b"bcd" and medium.read(1, 6, 3) == b""
    medium.append(0xABC, memoryview(b"other"))
    assert medium.read(1, 0, 10) == b"abcdef"
    medium.append(1, b"g")
    medium.sync(1)
    medium.sync(0xABC)
    assert medium.read(1, 5, 10) == b"fg" and medium.read(0xABC, 0, 9) == b"other"
    assert medium.free_bytes() > 0
    medium.close()
    medium = FileMedium(folder)
    assert sorted(medium.segments()) == [(1, 7), (0xABC, 5)]
    medium.set_aside(1)
    assert medium.segments() == [(0xABC, 5)]
    assert sorted(os.listdir(folder)) == ["00000001.bad", "00000abc.tgs"]
    medium.remove(0xABC)
    assert medium.segments() == []
    with raises(StorageError):
        medium.read(0xABC, 0, 1)
    medium.close()
    medium.close()


def test_files_on_posix():
    everything_that_a_medium_promises(empty_folder("medium") + "/deep/log")
    assert not is_fat("/tmp/log")


def test_files_on_littlefs():
    mounted(vfs.VfsLfs2, "/flash")
    everything_that_a_medium_promises("/flash/log")
    assert not is_fat("/flash/log")
    vfs.umount("/flash")


def test_files_on_fat_work_and_are_told():
    mounted(vfs.VfsFat, "/card")
    everything_that_a_medium_promises("/card/log")
    assert is_fat("/card/log") and not is_fat("/tmp/card")
    vfs.umount("/card")


def test_other_files_are_left_alone():
    folder = empty_folder("others")
    medium = FileMedium(folder)
    for name in ("x.tgs", "0000000G.tgs", "00000001.txt", "1.tgs", "0000000001.tgs"):
        with open(f"{folder}/{name}", "w") as file:
            file.write("x")
    assert medium.segments() == []


def test_a_full_medium_is_told_as_full():
    mounted(vfs.VfsLfs2, "/flash", blocks=16)
    medium = FileMedium("/flash/log")
    with raises(StorageError) as caught:
        for _ in range(100):
            medium.append(1, bytes(512))
            medium.sync(1)
    assert caught.error.kind == STORAGE_FULL
    medium.close()
    vfs.umount("/flash")


def test_a_first_write_that_fails_leaves_no_file():
    mounted(vfs.VfsLfs2, "/flash", blocks=16)
    medium = FileMedium("/flash/log")
    for number in range(1, 5):
        with raises(StorageError):
            medium.append(number, bytes(16 * 512))
            medium.sync(number)
        assert medium.segments() == []
    medium.append(9, b"kept")
    medium.sync(9)
    with raises(StorageError):
        medium.append(9, bytes(16 * 512))
        medium.sync(9)
    assert medium.read(9, 0, 4) == b"kept"  # What was there before stays.
    medium.close()
    vfs.umount("/flash")


def size_of(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return None


def test_a_ballast_goes_when_the_medium_is_full_and_comes_back():
    disk = mounted(vfs.VfsLfs2, "/flash")
    medium = FileMedium("/flash/log", 8192, 4096)
    before = medium.free_bytes()
    assert before > 4096 and size_of("/flash/log/ballast") == 8192
    assert medium.segments() == []
    writes = disk.writes
    assert FileMedium("/flash/log", 8192, 4096).free_bytes() == medium.free_bytes()
    assert disk.writes == writes  # Once, not at each start.
    fill("/flash/other", 64)
    with raises(StorageError) as caught:
        medium.append(1, bytes(1024))
        medium.sync(1)
    assert caught.error.kind == STORAGE_FULL and size_of("/flash/log/ballast") is None
    # What a release needs is there now, and it is not taken away again.
    medium.append(1, bytes(1024))
    medium.sync(1)
    assert medium.free_bytes() < 8192 and size_of("/flash/log/ballast") is None
    os.remove("/flash/other")
    medium.free_bytes()
    assert size_of("/flash/log/ballast") == 8192
    medium.close()
    vfs.umount("/flash")


def test_without_a_reserve_the_room_of_a_ballast_that_went_counts_as_taken():
    mounted(vfs.VfsLfs2, "/flash")
    free = FileMedium("/flash/log").free_bytes()
    assert FileMedium("/flash/log", free, 0).free_bytes() <= 0
    assert FileMedium("/flash/log", free, free).free_bytes() == free
    vfs.umount("/flash")


def test_a_ballast_that_cannot_be_written_is_not_tried_again_and_again():
    disk = mounted(vfs.VfsLfs2, "/flash")
    medium = FileMedium("/flash/log", 8192, 0)
    disk.failing = True
    free = medium.free_bytes()
    disk.failing = False
    assert medium.free_bytes() == free and size_of("/flash/log/ballast") is None
    vfs.umount("/flash")


def test_a_failed_sync_is_never_repeated_on_the_same_file():
    disk = mounted(vfs.VfsLfs2, "/flash")
    medium = FileMedium("/flash/log")
    medium.append(1, b"abc")
    medium.sync(1)
    medium.append(1, b"lost")
    disk.failing = True
    with raises(StorageError) as caught:
        medium.sync(1)
    assert caught.error.kind == STORAGE_IO
    medium.close()
    disk.failing = False
    assert FileMedium("/flash/log").read(1, 0, 10) == b"abc"
    vfs.umount("/flash")


def test_a_folder_that_cannot_be_made_is_a_storage_error():
    with raises(StorageError):
        FileMedium("/proc/none/log")
