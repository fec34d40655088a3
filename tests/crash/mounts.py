"""Small file systems of our own, for tests that fill them or cut their power; needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, the same number as XFS_IOC_GOINGDOWN.
NO_LOG_FLUSH = 2  # As if the power went: what was not synced is gone, the journal's tail too.


def require(*programs: str) -> None:
    """Skip the test, and say why, where no file system can be mounted."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")


class Mount:
    """A mounted file system; a context manager."""

    def __init__(self, point: Path, kind: str, size_bytes: int) -> None:
        self.point = point
        self._kind = kind
        self._size_bytes = size_bytes
        self._image = point.parent / f"{point.name}.img"

    def __enter__(self) -> "Mount":
        self.point.mkdir()
        try:
            if self._kind != "tmpfs":
                with self._image.open("wb") as file:
                    file.truncate(self._size_bytes)
                _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
            self.mount()
        except OSError as error:
            pytest.skip(f"this machine mounts no {self._kind}: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()

    def mount(self) -> None:
        if self._kind == "tmpfs":
            size = f"size={self._size_bytes}"
            _run("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.point))
        else:
            _run("mount", "-o", "loop", str(self._image), str(self.point))

    def unmount(self) -> None:
        _run("umount", str(self.point))

    def recover(self) -> None:
        """Mount what a cut has left, from a copy.

        Of the same image the kernel may still have the file system that was cut: any process that
        made a mount namespace of its own meanwhile keeps it.
        """
        self.unmount()
        copy = self._image.with_suffix(".copy")
        _run("cp", "--sparse=always", str(self._image), str(copy))
        self._image.unlink()
        copy.rename(self._image)
        self.mount()

    def cut_power(self) -> None:
        """Stop the file system at once; nothing that was not synced comes back."""
        fd = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)
