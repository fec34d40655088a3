"""Files, links and folders that a power cut leaves whole or absent.

Everything is made beside its place under a name of its own, synced, renamed, and the folder synced:
who finds the new name finds all of its bytes.  What an earlier, interrupted run left beside the
place is overwritten.  Owners are given before the rename, so that no secret is readable meanwhile.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple


class Owner(NamedTuple):
    """Who owns a file, by number."""

    uid: int
    gid: int


ROOT = Owner(0, 0)


def write_file(path: Path, data: bytes, mode: int, owner: Owner = ROOT) -> None:
    """Put `data` into `path`; whoever has the old file open keeps it."""
    unfinished = beside(path)
    remove(unfinished)
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        give(fd, owner)
        os.fchmod(fd, mode)
        os.fsync(fd)
    unfinished.rename(path)
    sync_folder(path.parent)


def give(fd: int, owner: Owner) -> None:
    """Give an open file to `owner`.

    Who owns it already asks the kernel for nothing: the service's units forbid it every chown.
    """
    found = os.fstat(fd)
    if (found.st_uid, found.st_gid) != owner:
        os.fchown(fd, *owner)


def write_link(path: Path, target: str) -> None:
    """Let the symbolic link `path` lead to `target`, whatever it led to before."""
    unfinished = beside(path)
    remove(unfinished)
    unfinished.symlink_to(target)
    unfinished.rename(path)
    sync_folder(path.parent)


def make_folder(path: Path, mode: int, owner: Owner = ROOT) -> None:
    """Make a folder with its parents; one that is there gets this mode and this owner."""
    if not path.is_dir():
        missing = [parent for parent in path.parents if not parent.exists()]
        path.mkdir(0o700, parents=True)
        for parent in missing:
            parent.chmod(0o755)
        for parent in [*missing, path]:
            sync_folder(parent.parent)
    os.chown(path, *owner)
    path.chmod(mode)
    sync_folder(path)


def remove(path: Path) -> None:
    """Remove a file, a link, a pipe or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    else:
        return
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def beside(path: Path) -> Path:
    """Return where a file is before it is finished, and may have been left by a power cut."""
    # Hidden, so that whatever runs all files of a folder (init.d, versions) passes it over.
    return path.with_name(f".{path.name}.unfinished")
