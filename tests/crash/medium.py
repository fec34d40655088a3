"""What a power cut may leave of recorded operations.

The rules, as harsh as disks and file systems that honour a flush are:

- What was written before a file's last completed sync is there.
- Of what was written later, any subset may be there, in any order; of one write any subset of its
  512-byte sectors.  A cut in length is kept or not, like a write.
- A file that was made or deleted may be so or not until its folder was synced.  SQLite syncs the
  folder at the first sync of a new log (`os_unix.c`, UNIXFILE_DIRSYNC), and at a delete if it says.
"""

from pathlib import Path
from random import Random

from crash.recorder import CREATE, DELETE, SYNC, TRUNCATE, WRITE

SECTOR_BYTES = 512
Image = dict[str, bytes]


class Medium:
    """Follows the operations; `image` draws what a power cut at this moment may leave."""

    def __init__(self, files: Image) -> None:
        self._durable = {name: bytearray(content) for name, content in files.items()}
        self._pending: dict[str, list[tuple]] = {name: [] for name in files}
        self._named = set(files)  # Whose names are in the folder for certain.
        self._deleted: dict[str, bytes] = {}  # Deleted, but perhaps still there.

    def follow(self, operation: tuple) -> None:
        """Take in the next operation."""
        kind, name = operation[:2]
        if kind == CREATE:
            self._durable[name] = bytearray()
            self._pending[name] = []
        elif kind in (WRITE, TRUNCATE):
            self._pending[name].append(operation)
        elif kind == SYNC:
            for pending in self._pending[name]:
                _apply(self._durable[name], pending)
            self._pending[name] = []
            if name.endswith(("-wal", "-journal")):
                self._sync_folder()
        elif kind == DELETE:
            content = self._durable.pop(name)
            del self._pending[name]
            if name in self._named:
                self._deleted[name] = bytes(content)
                self._named.discard(name)
            if operation[2]:
                self._sync_folder()

    def whole(self) -> Image:
        """Return what is there when only the program dies."""
        files = {}
        for name, content in self._durable.items():
            copy = bytearray(content)
            for pending in self._pending[name]:
                _apply(copy, pending)
            files[name] = bytes(copy)
        return files

    def bare(self) -> Image:
        """Return only what is there for certain."""
        files = {name: bytes(self._durable[name]) for name in self._named}
        return {**self._deleted, **files}

    def image(self, random: Random) -> Image:
        """Return one thing that a power cut may leave."""
        files: Image = {}
        for name, content in self._deleted.items():
            if random.random() < 0.5:
                files[name] = content
        torn = random.random() < 0.5
        kept_share = random.choice((0.1, 0.5, 0.9))
        for name, content in self._durable.items():
            if name not in self._named and random.random() < 0.5:
                continue
            copy = bytearray(content)
            for pending in self._pending[name]:
                if torn and pending[0] == WRITE:
                    for sector in _sectors(pending):
                        if random.random() < kept_share:
                            _apply(copy, sector)
                elif random.random() < kept_share:
                    _apply(copy, pending)
            files[name] = bytes(copy)
        return files

    def _sync_folder(self) -> None:
        self._named = set(self._durable)
        self._deleted = {}


def store(image: Image, folder: Path) -> None:
    """Write an image into an empty folder."""
    for name, content in image.items():
        (folder / name).write_bytes(content)


def load(folder: Path, names: tuple[str, ...]) -> Image:
    """Return the files of a folder as an image."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def _apply(content: bytearray, operation: tuple) -> None:
    if operation[0] == TRUNCATE:
        del content[operation[2] :]
        content.extend(bytes(operation[2] - len(content)))
        return
    _, _, offset, data = operation
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _sectors(operation: tuple) -> "list[tuple]":
    _, name, offset, data = operation
    parts = []
    at = 0
    while at < len(data):
        end = min(len(data), at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES)
        parts.append((WRITE, name, offset + at, data[at:end]))
        at = end
    return parts
