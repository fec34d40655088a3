"""The medium of the segment log: a folder of files.

Promises that `sync` returns only when the bytes are on the medium, as far as the file system keeps
its word: `flush` is lfs_file_sync on littlefs and f_sync on FAT, and fsync on the unix port.  On
littlefs what was synced survives any power cut and a new file's name with it; FAT may lose the
folder itself when power fails while it writes, and so promises less.  A file is held open while it
is appended to, because opening it anew reads its whole chain of blocks.
"""

import os

import vfs

from tidegate.errors import STORAGE_FULL, STORAGE_IO, STORAGE_READONLY, StorageError

SUFFIX, ASIDE = ".tgs", ".bad"
_SUFFIX, _DIGITS = b".tgs", b"0123456789abcdef"
_FOLDER_BIT = 0x4000
# ENOSPC and EROFS, which not every port has a name for.
_KINDS = {28: STORAGE_FULL, 30: STORAGE_READONLY}


class FileMedium:
    """Segments as files `<number as 8 hex digits>.tgs` in `folder`, which is made if need be."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/") or "/"
        self._number = -1  # The segment that is appended to, and its file.
        self._file = None
        self._reading = -1  # The one that was read last, and its file.
        self._reader = None
        try:
            _make(self._folder)
        except OSError as error:
            raise _storage_error(error, "cannot make " + folder)

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
            raise _storage_error(error, "cannot list " + self._folder)
        return sorted(found)

    def append(self, number: int, data: bytes) -> None:
        """Add bytes to a segment, which is made if need be; durable after `sync`."""
        try:
            if self._number != number:
                self._close_file()
                self._file = open(self._path(number), "ab")  # noqa: SIM115 - kept open.
                self._number = number
            written = self._file.write(data)
        except OSError as error:
            raise self._failed(error, "cannot write")
        if written != len(data):
            self._abandon()
            raise StorageError(STORAGE_FULL, f"wrote {written} of {len(data)} bytes")

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
            raise _storage_error(error, f"cannot read segment {number}")

    def remove(self, number: int) -> None:
        """Delete a segment."""
        self._forget(number)
        try:
            os.remove(self._path(number))
        except OSError as error:
            raise _storage_error(error, f"cannot remove segment {number}")

    def set_aside(self, number: int) -> None:
        """Keep a damaged segment under another name, where nobody reads it."""
        self._forget(number)
        path = self._path(number)
        try:
            os.rename(path, path[: -len(SUFFIX)] + ASIDE)
        except OSError as error:
            raise _storage_error(error, f"cannot set segment {number} aside")

    def free_bytes(self) -> int:
        """Return what is free on the medium."""
        try:
            status = os.statvfs(self._folder)
        except OSError as error:
            raise _storage_error(error, "cannot measure " + self._folder)
        return status[0] * status[3]

    def close(self) -> None:
        """Release the files; never raises."""
        self._abandon()
        self._close_reader()

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
        number = self._number
        self._abandon()
        return _storage_error(error, f"{what} segment {number}")


def is_fat(folder: str) -> bool:
    """Tell whether the folder is known to lie on FAT, which promises less."""
    try:
        mounts = vfs.mount()
    except TypeError:  # MicroPython 1.24 does not list them.
        return False
    place = folder if folder.startswith("/") else os.getcwd().rstrip("/") + "/" + folder
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


def _storage_error(error: OSError, what: str) -> StorageError:
    return StorageError(_KINDS.get(error.errno, STORAGE_IO), f"{what}: {error}")
