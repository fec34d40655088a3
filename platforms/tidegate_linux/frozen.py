"""The program as one file or one folder with its own Python (PyInstaller), and what that changes.

One file is two processes: a loader that unpacks the program into a temporary folder, and the
program itself, its child.  What that breaks is put right here: docs/decisions/0080-onefile.md.
"""

import os
import sys
from pathlib import Path

SOURCE, ONE_FILE, FOLDER = "source", "onefile", "folder"


def form() -> str:
    """Return how this program runs: from source, as one file, or as a folder."""
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is None:
        return SOURCE
    beside = Path(sys.executable).resolve().parent
    return FOLDER if Path(unpacked).resolve().parent == beside else ONE_FILE


def settle_in() -> None:
    """Put right what the loader has left behind; the very first thing that is done."""
    _restore_library_path()


def _restore_library_path() -> None:
    """Give child processes the machine's own libraries: the loader's path is read by now."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = before
