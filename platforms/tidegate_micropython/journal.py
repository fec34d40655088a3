"""The medium of the segment log: a folder of files.

Promises that `sync` returns only when the bytes are on the medium, as far as the file system keeps
its word: `flush` is lfs_file_sync on littlefs and f_sync on FAT, and fsync on the unix port.  On
littlefs what was synced survives any power cut and a new file's name with it; FAT may lose the
folder itself when power fails while it writes, and so promises less.  A file is held open while it
is appended to, because opening it anew reads its whole chain of blocks.

Others may fill the flash to the last block, where not even a release fits that would free some.  So
a file `ballast` is kept beside the segments: it goes when the medium is full, and comes back when
there is room.
"""

import os

from tidegate.errors import STORAGE_FULL, STORAGE_IO, STORAGE_READONLY, StorageError

SUFFIX, ASIDE = ".tgs", ".bad"
_SUFFIX, _DIGITS = b".tgs", b"0123456789abcdef"
_FOLDER_BIT = 0x4000
BALLAST = "ballast"
_ENOSPC = 28
_FILLING = bytes(512)
# ENOSPC and EROFS, which not every port has a name for.
_KINDS = {28: STORAGE_FULL, 30: STORAGE_READONLY}


class FileMedium:
    """Segments as files `<number as 8 hex digits>.tgs` in `folder`, which is made if need be.

    A ballast of `ballast_bytes` is made where as much again and `reserve_bytes` stay free.
    """

    def __init__(self, folder: str, ballast_bytes: int = 0, reserve_bytes: int = 0) -> None:
        self._folder = folder.rstrip("/") or "/"
        self._ballast_bytes = ballast_bytes
        self._reserve_bytes = reserve_bytes
        self._number = -1  # The segment that is appended to, and its file.
        self._file = None
        self._is_new = False  # It was made for this, and nothing in it is synced yet.
        self._reading = -1  # The one that was read last, and its file.
        self._reader = None
        try:
            _make(self._folder)
        except OSError as error:
            raise self._error(error, "cannot make " + folder)
        self._has_ballast = 0 < ballast_bytes <= _size_of(self._ballast_path)

    def segments(self) -> "list[tuple[int, int]]":
        """Return (number, size in bytes) of each segment, by number."""
        found = []
        try:
            # As bytes: a folder that FAT has lost holds names that are no text.
            for entry in os.ilistdir(self._folder.encode()):
                stem, suffix = entry[0][:8], entry[0][8:]
                if suffix == _SUFFIX and all(one in _DIGITS for one in stem):
                    number = int(stem, 16)
                    # Only files of a machine with a system must be asked for their size.
                    size = entry[3] if len(entry) > 3 else os.stat(self._path(number))[6]
                    found.append((number, size))
        except OSError as error:
            raise self._error(error, "cannot list " + self._folder)
        return sorted(found)

    def append(self, number: int, data: bytes) -> None:
        """Add bytes to a segment, which is made if need be; durable after `sync`."""
        try:
            if self._number != number:
                self._close_file()
                path = self._path(number)
                is_new = _size_of(path) < 0
                self._file = open(path, "ab")  # noqa: SIM115 - kept open.
                self._number, self._is_new = number, is_new
            if self._file.write(data) != len(data):  # So FAT says that it is full.
                raise OSError(_ENOSPC)
        except OSError as error:
            raise self._failed(error, "cannot write")

    def sync(self, number: int) -> None:
        """Return when all that was appended to the segment is on the medium."""
        if self._number != number:
            return  # Closed since, and closing syncs.
        try:
            self._file.flush()
            if hasattr(os, "sync"):
                os.sync()
        except OSError as error:
            # Never again on this handle: a second sync may report what the first one lost as kept.
            raise self._failed(error, "cannot sync")
        self._is_new = False

    def read(self, number: int, at: int, size: int) -> bytes:
        """Return up to `size` synced bytes from `at` on."""
        try:
            # littlefs shows a reader what was synced when it was opened, and nothing later.
            if self._reading != number or number == self._number:
                self._close_reader()
                self._reader = open(self._path(number), "rb")  # noqa: SIM115
                self._reading = number
            self._reader.seek(at)
            return self._reader.read(size)
        except OSError as error:
            self._close_reader()
            raise self._error(error, f"cannot read segment {number}")

    def remove(self, number: int) -> None:
        """Delete a segment."""
        self._forget(number)
        try:
            os.remove(self._path(number))
        except OSError as error:
            raise self._error(error, f"cannot remove segment {number}")

    def set_aside(self, number: int) -> None:
        """Keep a damaged segment under another name, where nobody reads it."""
        self._forget(number)
        path = self._path(number)
        try:
            os.rename(path, path[: -len(SUFFIX)] + ASIDE)
        except OSError as error:
            raise self._error(error, f"cannot set segment {number} aside")

    def free_bytes(self) -> int:
        """Return what is free on the medium; makes the ballast, where there is room for it."""
        try:
            status = os.statvfs(self._folder)
        except OSError as error:
            raise self._error(error, "cannot measure " + self._folder)
        free_bytes = status[0] * status[3]
        if self._has_ballast or not self._ballast_bytes:
            return free_bytes
        # Twice, or what has just been given up for a release would be taken from it again.
        if free_bytes >= 2 * self._ballast_bytes + self._reserve_bytes and self._make_ballast():
            return free_bytes - self._ballast_bytes
        # A reserve that is smaller has no room for what the ballast is for: it counts as large.
        return free_bytes - max(0, self._ballast_bytes - self._reserve_bytes)

    def close(self) -> None:
        """Release the files; never raises."""
        self._abandon()
        self._close_reader()

    @property
    def _ballast_path(self) -> str:
        return f"{self._folder}/{BALLAST}"

    def _make_ballast(self) -> bool:
        """Write the ballast; where that fails, it is not tried again before the next start."""
        try:
            with open(self._ballast_path, "wb") as file:
                for _ in range(0, self._ballast_bytes, len(_FILLING)):
                    file.write(_FILLING)
            self._has_ballast = True
        except OSError:
            self._ballast_bytes = 0
            _remove(self._ballast_path)
        return self._has_ballast

    def _error(self, error: OSError, what: str) -> StorageError:
        """Return what failed; where the medium is full, the next attempt has the ballast's room."""
        kind = _KINDS.get(error.errno, STORAGE_IO)
        if kind == STORAGE_FULL:
            _remove(self._ballast_path)
            self._has_ballast = False
        return StorageError(kind, f"{what}: {error}")

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:08x}{SUFFIX}"

    def _forget(self, number: int) -> None:
        if self._number == number:
            self._abandon()
        if self._reading == number:
            self._close_reader()

    def _close_file(self) -> None:
        """Close the file that is appended to, with what is in it on the medium."""
        if self._reading == self._number:
            self._close_reader()
        file, self._file, self._number = self._file, None, -1
        self._is_new = False
        if file is not None:
            try:
                file.flush()
            finally:
                file.close()

    def _abandon(self) -> None:
        """Close it whatever becomes of its content."""
        try:
            self._close_file()
        except OSError:
            self._number = -1  # Who abandons a file knows that the rest of it is lost.

    def _close_reader(self) -> None:
        reader, self._reader, self._reading = self._reader, None, -1
        if reader is not None:
            reader.close()

    def _failed(self, error: OSError, what: str) -> StorageError:
        number, is_new = self._number, self._is_new
        self._abandon()
        if is_new:
            # Nothing in it was confirmed, and each further attempt would leave one more behind.
            _remove(self._path(number))
        return self._error(error, f"{what} segment {number}")


def place_of(folder: str) -> str:
    """Return a folder's path from the root, by which one is told from another."""
    path = folder if folder.startswith("/") else os.getcwd() + "/" + folder
    return "/" + "/".join([part for part in path.split("/") if part not in ("", ".")])


def is_fat(folder: str) -> bool:
    """Tell whether the folder is known to lie on FAT, which promises less."""
    import vfs  # The simulation runs this file on CPython, which has none.

    try:
        mounts = vfs.mount()
    except TypeError:  # MicroPython 1.24 does not list them.
        return False
    place = place_of(folder)
    kinds = [(len(path), type(one).__name__) for one, path in mounts if place.startswith(path)]
    return bool(kinds) and max(kinds)[1] == "VfsFat"


def _make(folder: str) -> None:
    """Make a folder and those above it."""
    at = 0
    while at >= 0:
        at = folder.find("/", at + 1)
        path = folder if at < 0 else folder[:at]
        try:
            if os.stat(path)[0] & _FOLDER_BIT:
                continue
        except OSError:
            pass  # Not there, so it is made.
        os.mkdir(path)


def _size_of(path: str) -> int:
    """Return the size of a file, -1 where there is none."""
    try:
        return os.stat(path)[6]
    except OSError:
        return -1


def _remove(path: str) -> None:
    """Delete a file that may not be there, and may well stay."""
    try:
        os.remove(path)
    except OSError:
        return
