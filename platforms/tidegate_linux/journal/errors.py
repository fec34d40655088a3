"""What SQLite and the operating system refuse, in the words of the journal port."""

import errno
import os

import apsw

from tidegate.errors import (
    STORAGE_CORRUPT,
    STORAGE_FULL,
    STORAGE_IO,
    STORAGE_READONLY,
    StorageError,
)
from tidegate_linux.errors import OperatorError

# What an adapter catches: all that the world can do to it.  A TEXT that is no longer UTF-8 is rot.
WORLD_ERRORS = (apsw.Error, OSError, UnicodeDecodeError, StorageError)

_FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME_NUMBERS = (
    errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
)  # fmt: skip
_READONLY_NUMBERS = (errno.EROFS, errno.EACCES, errno.EPERM)


class JournalError(OperatorError):
    """Report a journal that must not be opened: not ours, too new, or in use.

    Unlike a `StorageError` it does not pass by itself: a person has to act on `hint`.
    """


def storage_error(error: Exception) -> StorageError:
    """Return `error`, one of `WORLD_ERRORS`, as the port's own kind."""
    if isinstance(error, StorageError):
        return error
    kind = _kind(error)
    if not isinstance(error, OSError):
        return StorageError(
            kind, f"SQLite says: {error}" if isinstance(error, apsw.Error) else str(error)
        )
    what = (error.strerror or str(error)).lower()
    if error.filename is not None:
        what = f"{os.fsdecode(error.filename)}: {what}"
    return StorageError(kind, f"{what}; {_remedy(error.errno, kind)}")


def _remedy(number: "int | None", kind: str) -> str:
    if number == errno.EROFS:
        return "mount it for writing: a medium that fails is often mounted read-only"
    if kind == STORAGE_READONLY:
        return "run the gateway as the user who owns it"
    if kind == STORAGE_FULL:
        return "free some space"
    if number in _NAME_NUMBERS:
        return "name another folder in node.data"
    return "look at the medium: tidegate check says more"


def _kind(error: Exception) -> str:
    if isinstance(error, OSError):
        if error.errno in _FULL_NUMBERS:
            return STORAGE_FULL
        return STORAGE_READONLY if error.errno in _READONLY_NUMBERS else STORAGE_IO
    if isinstance(error, apsw.FullError):
        return STORAGE_FULL
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError, apsw.AuthError)):
        return STORAGE_READONLY
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError)):
        return STORAGE_CORRUPT
    if isinstance(error, (apsw.ConstraintError, apsw.SQLError, apsw.MismatchError)):
        # Our own statements are tested: a row in the way, or a table that is gone, is rot.
        return STORAGE_CORRUPT
    return STORAGE_IO
