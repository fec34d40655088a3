"""The folder of a journal: who owns it, and what must happen to its files besides SQLite's work.

    journal.db, journal.db-wal, journal.db-shm   the database
    journal.lock       held by the running gateway; a second one is refused
    journal.ballast    space to give back when the disk is full
    journal.suspect    the database was found damaged: the next start salvages it
    journal.salvage    a salvage has begun, and into which folder the damaged files go
    damaged-1, …       damaged files, never touched again

Why a ballast: in WAL mode a full disk allows nothing any more, not even a DELETE or the checkpoint
that would make room.  Its blocks, given back, carry the first checkpoint and small transactions, so
that the node goes on delivering and comes free by itself.

Why the log's index (`-shm`) is allocated here: SQLite maps it into memory after writing one byte a
4 KiB page.  On a file system with smaller blocks the rest of each page is a hole, and writing to it
when the disk is full kills the process with SIGBUS.

Why the log is rewritten before the database is opened: after a failed fsync the kernel holds pages
that look clean and never reached the medium.  Written once more and synced, they either reach it or
fail again.  The bytes are those that were there, so a power cut in the middle changes nothing.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from tidegate_linux.durable import sync_folder
from tidegate_linux.journal.aside import DAMAGED_MAX, folder_of
from tidegate_linux.journal.errors import JournalError

BALLAST_BYTES_MIN = 256 * 1024  # The log's index, a checkpoint and a small delete, three times.
BALLAST_BYTES_MAX = 4 * 1024 * 1024
BALLAST_SHARE = 32  # Of the journal's limit and of the free space: a small disk gets a small one.
INDEX_BYTES = 32 * 1024  # For a log of 4,000 pages; a larger one grows its index itself.
BALLAST_SCARCE_SHARE = 4  # No ballast is set aside that would take more than this of what is left.
# What devices sent is nobody else's business.  What is there already keeps the mode it was given.
FILE_MODE = 0o600
FOLDER_MODE = 0o700
_REWRITE_BYTES = 1024 * 1024


class JournalFolder:
    """A journal's folder, locked for this process from `lock` until `unlock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "journal.db"
        self.log = path / "journal.db-wal"
        self._index = path / "journal.db-shm"
        self._ballast = path / "journal.ballast"
        self._suspect = path / "journal.suspect"
        self._salvage = path / "journal.salvage"
        self._lock_fd = -1
        self._index_fd = -1

    def lock(self) -> None:
        """Make the folder where it is missing, and take it, or raise `JournalError`."""
        self.path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self.path / "journal.lock", flags, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 20).decode("ascii", "replace").strip()
            os.close(fd)
            raise JournalError(
                f"the journal in {self.path} is in use by process {holder or 'unknown'}",
                "stop that gateway, or give this one another data folder",
            ) from None
        self._lock_fd = fd
        self._say_who()

    def unlock(self) -> None:
        """Let others have the folder."""
        self.release_index()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def sync(self) -> None:
        """Make names in the folder durable, and the folder's own name."""
        sync_folder(self.path)
        sync_folder(self.path.parent)

    def rewrite_log(self) -> None:
        """Write a log that was left behind once more and sync it; see the module's text."""
        if not self.log.exists():
            return
        fd = os.open(self.log, os.O_RDWR)
        try:
            at = 0
            while piece := os.pread(fd, _REWRITE_BYTES, at):
                at += os.pwrite(fd, piece, at)
            os.fsync(fd)
        finally:
            os.close(fd)

    def check_room_for_index(self) -> None:
        """Refuse, as a full disk does, before SQLite could meet it in mapped memory."""
        if self.free_bytes() < 2 * INDEX_BYTES:
            raise OSError(errno.ENOSPC, f"no room for the log's index in {self.path}")

    def allocate_index(self) -> None:
        """Give the open database's log index blocks of its own.

        The descriptor stays open until `release_index`: to close it would let go of SQLite's locks
        on that file, because POSIX locks belong to the process and end with any close.
        """
        if self._index_fd < 0 and self._index.exists():
            self._index_fd = os.open(self._index, os.O_RDWR | os.O_CLOEXEC)
            os.posix_fallocate(self._index_fd, 0, INDEX_BYTES)

    def release_index(self) -> None:
        """Let go of the log's index; the connection is closed by now."""
        if self._index_fd >= 0:
            os.close(self._index_fd)
            self._index_fd = -1

    def free_bytes(self) -> int:
        """Return what this user may still write on the medium."""
        medium = os.statvfs(self.path)
        return medium.f_bavail * medium.f_frsize

    def keep_ballast(self, limit_bytes: int) -> int:
        """Set space aside unless it is, or space is scarce; return how much is set aside."""
        if self._ballast.exists() and self._ballast.stat().st_size >= BALLAST_BYTES_MIN:
            return self._ballast.stat().st_size
        free_bytes = self.free_bytes()
        size = min(BALLAST_BYTES_MAX, min(limit_bytes, free_bytes) // BALLAST_SHARE)
        size = max(BALLAST_BYTES_MIN, size)
        if free_bytes < size * BALLAST_SCARCE_SHARE:
            return 0
        fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.posix_fallocate(fd, 0, size)
        finally:
            os.close(fd)
        return size

    def give_ballast_back(self) -> bool:
        """Free the space that was set aside; return whether there was any."""
        if not self._ballast.exists():
            return False
        self._ballast.unlink()
        return True

    @property
    def needs_salvage(self) -> bool:
        """Tell whether the database was found damaged, or a salvage was interrupted."""
        return self._suspect.exists() or self._salvage.exists()

    def set_aside(self) -> Path:
        """Move the damaged files away and return where; goes on where a power cut ended it.

        The database moves last: once it is there, what stands in its place is the unfinished new
        one, from which nothing was acknowledged yet.
        """
        if not self._salvage.exists():
            self._write_down(self._salvage, self._unused_name())
        aside = self.path / self._salvage.read_text()
        aside.mkdir(FOLDER_MODE, exist_ok=True)
        if (aside / self.database.name).exists():
            self.log.unlink(missing_ok=True)
            self.database.unlink(missing_ok=True)
        for path in (self.log, self.database):
            if path.exists():
                path.rename(aside / path.name)
        self._index.unlink(missing_ok=True)
        sync_folder(aside)
        self.sync()
        return aside

    def salvaged(self) -> None:
        """Note that the new database is whole."""
        self._suspect.unlink(missing_ok=True)
        self._salvage.unlink(missing_ok=True)
        self.sync()

    def set_stray_log_aside(self) -> None:
        """Move a log away whose database is gone: SQLite would play it into a new one."""
        if self.log.exists() and not self.database.exists():
            aside = self.path / self._unused_name()
            aside.mkdir(FOLDER_MODE)
            self.log.rename(aside / self.log.name)
            self._index.unlink(missing_ok=True)
            self.sync()

    def _unused_name(self) -> str:
        for number in range(1, DAMAGED_MAX + 1):
            folder = folder_of(self.path, number)
            if not folder.exists():
                return folder.name
        raise JournalError(
            f"the journal was found damaged for the {DAMAGED_MAX + 1}th time",
            f"replace the medium; the folders damaged-1 to damaged-{DAMAGED_MAX} in {self.path}"
            " hold what was set aside, and may be removed",
        )

    def _write_down(self, path: Path, text: str) -> None:
        """Write a small file whole or not at all."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.touch(FILE_MODE)
        with unfinished.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        self.sync()

    def suspect(self) -> None:
        """Leave word for the next start that the database looked damaged."""
        # Where even that fails, the damage is found again.
        with contextlib.suppress(OSError):
            self._suspect.touch(FILE_MODE)

    def _say_who(self) -> None:
        # For the other one's error only: on a full disk the lock holds without it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._lock_fd, 0)
            os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode("ascii"), 0)


def lock_holder(path: Path) -> int:
    """Return the process that has the journal in `path` locked, 0 where nobody has.

    Only looks, in proc(5): to try the lock would keep out a gateway that starts at this moment.
    """
    try:
        status = (path / "journal.lock").stat()
        held = Path("/proc/locks").read_text("ascii")
    except (OSError, ValueError):
        return 0
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in held.splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place:
            return int(fields[4])
    return 0
