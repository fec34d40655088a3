"""The program as one file or one folder with its own Python (PyInstaller), and what that changes.

One file is two processes: a loader, which unpacks the program into a temporary folder and waits,
and the program itself, the loader's child.  What that breaks is put right here, for all commands:
docs/decisions/0080-onefile.md has the list, with a test for each line.

Promises that a program whose loader was killed ends as if it had got SIGTERM and takes its folder
along; that a folder which others left behind is removed by a later start, never one in use; and
that other programs are started with the environment that this one was started with.
"""

import atexit
import ctypes
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

SOURCE, ONE_FILE, FOLDER = "source", "onefile", "folder"
# What each unpacked folder has: a process that runs from the folder holds a lock on it.  The name
# sorts before all others, so that the loader unpacks it first, also where the disk is full then.
MARK = ".tidegate"
ABANDONED_S = 60.0  # A folder that is younger may be one that a loader in a container fills.

_FOLDERS = "_MEI*"
_LOADER_HEX = slice(4, 12)  # The loader's process, in the folder's name.
_OF_THE_LOADER = ("LD_LIBRARY_PATH", "_PYI_")
_PART = "_TIDEGATE_PART"
_PR_SET_PDEATHSIG = 1

_loaded: dict[str, str] = {}


def form() -> str:
    """Return how this program runs: from source, as one file, or as a folder."""
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is None:
        return SOURCE
    beside = Path(sys.executable).resolve().parent
    return FOLDER if Path(unpacked).resolve().parent == beside else ONE_FILE


def settle_in() -> None:
    """Put right what the loader has left behind; the very first thing that is done."""
    is_part = os.environ.pop(_PART, None) is not None
    _take_back_environment()
    if form() == ONE_FILE:
        folder = Path(sys._MEIPASS)  # type: ignore[attr-defined]
        _hold(folder)
        if not is_part:
            _follow_loader(folder)
            remove_abandoned(folder.parent)


def environment_of_parts() -> dict[str, str]:
    """Return the environment in which this very program starts itself.

    It runs from the same folder then, without a loader of its own, so whoever started it must
    outlive it and can kill it.
    """
    return {**os.environ, **_loaded, _PART: "1"} if _loaded else dict(os.environ)


def remove_abandoned(place: Path) -> None:
    """Remove the folders of programs of ours that were killed together with their loaders."""
    for folder in place.glob(_FOLDERS):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _take_back_environment() -> None:
    """Give other programs the machine's own libraries: the loader's path is read by now.

    What names our folder goes too: a service that was started from here, with the same program,
    would run from that folder and not outlive us.
    """
    for name in [name for name in os.environ if name.startswith(_OF_THE_LOADER)]:
        _loaded[name] = os.environ.pop(name)
    before = _loaded.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before


def _hold(folder: Path) -> None:
    """Lock the folder's mark as long as this process lives; the kernel lets go of it."""
    fcntl.flock(os.open(folder / MARK, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)


def _follow_loader(folder: Path) -> None:
    """Have the kernel send SIGTERM when the loader dies, which then cannot clean up any more."""
    loader = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        is_there = os.getppid() == loader and os.getpgid(loader) == os.getpgrp()
    except ProcessLookupError:
        is_there = False
    if not is_there:
        # It died before: whoever took this process over is in another process group.
        shutil.rmtree(folder, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGTERM)
    atexit.register(_leave, folder, loader)


def _leave(folder: Path, loader: int) -> None:
    if os.getppid() != loader:
        shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Tell whether nobody runs from this folder, nor will."""
    try:
        found = folder.lstat()
        age_s = abs(time.time() - found.st_mtime)  # A clock may have been set back meanwhile.
        if found.st_uid != os.geteuid() or age_s < ABANDONED_S:
            return False
        if Path("/proc", str(int(folder.name[_LOADER_HEX], 16))).exists():
            return False
        mark = os.open(folder / MARK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return False  # Not one of ours, or somebody else has just removed it.
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(mark)
    return True
