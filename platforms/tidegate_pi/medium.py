"""The file system of the data folder: how it is mounted, on which card, and read-only at once."""

import ctypes
import logging
import os
from pathlib import Path
from typing import NamedTuple

_MS_RDONLY = 1
_MS_REMOUNT = 32
_MS_RELATIME = 1 << 21
# Of these, statvfs(3) and mount(2) have the same bits: nosuid, nodev, noexec, sync, noatime,
# nodiratime.  A remount forgets every one that it is not told again.
_KEPT = 2 | 4 | 8 | 16 | 1024 | 2048
_ST_RELATIME = 4096

_LOG = logging.getLogger("tidegate.board")


class Mount(NamedTuple):
    """A line of proc(5)'s mountinfo: where, of what type, with what options."""

    point: str
    kind: str
    options: tuple[str, ...]


def mount_of(folder: Path, root: Path) -> Mount | None:
    """Return what a folder that is there is mounted by; None where that is not to be found."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = (root / "proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found = None
    for line in lines:
        fields = line.split()
        # …, major:minor, root, mount point, options, …, a lone hyphen, type, source, more options.
        if len(fields) > 5 and fields[2] == number and "-" in fields[6:]:
            at = fields.index("-", 6)
            kind, more = fields[at + 1], fields[at + 3] if len(fields) > at + 3 else ""
            point = _unescaped(fields[4])
            # Of several places of one file system, the innermost one that the folder is below.
            if folder.is_relative_to(point) and (found is None or len(point) >= len(found.point)):
                found = Mount(point, kind, tuple(f"{fields[5]},{more}".split(",")))
    return found


def card_of(folder: Path, root: Path) -> str:
    """Return the name of the SD card or eMMC that a folder lies on, such as "mmcblk0", or ""."""
    device = folder.stat().st_dev
    link = root / "sys/dev/block" / f"{os.major(device)}:{os.minor(device)}"
    names = [name for name in link.resolve().parts if name.startswith("mmcblk")]
    return names[0] if names else ""


def make_read_only(folder: Path, root: Path) -> Mount | None:
    """Write out the file system of a folder and let nobody write to it; None where it refuses."""
    try:
        mount = mount_of(folder, root)
        if mount is None:
            _LOG.warning("the file system of %s is not known: it stays writable", folder)
            return None
        _remount(mount.point, _MS_RDONLY)
    except OSError as error:
        # Somebody else writes to it, or we may not: what is committed is safe all the same.
        _LOG.warning("the file system of %s stays writable: %s", folder, error.strerror)
        return None
    _LOG.info("%s is read-only until the power is back", mount.point)
    return mount


def make_writable(mount: Mount) -> None:
    """Undo `make_read_only`."""
    try:
        _remount(mount.point, 0)
    except OSError as error:
        _LOG.error("%s stays read-only: %s", mount.point, error.strerror)


def _remount(point: str, flag: int) -> None:
    has = os.statvfs(point).f_flag
    flags = _MS_REMOUNT | flag | (has & _KEPT) | (_MS_RELATIME if has & _ST_RELATIME else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(None, os.fsencode(point), None, ctypes.c_ulong(flags), None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number).lower())


def _unescaped(text: str) -> str:
    """Return a path of mountinfo, in which blanks and backslashes are octal."""
    for code, letter in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, letter)
    return text
