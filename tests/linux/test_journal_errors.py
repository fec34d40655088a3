"""What the world refuses is told with the file it is about, and with what to do."""

import errno

import apsw
import pytest

from tidegate.errors import (
    STORAGE_CORRUPT,
    STORAGE_FULL,
    STORAGE_IO,
    STORAGE_READONLY,
    StorageError,
)
from tidegate_linux.journal.errors import storage_error
from tidegate_linux.journal.identity_rows import read_identity
from tidegate_linux.journal.quarantine_rows import StoredQuarantine
from tidegate_linux.journal.sqlite import journal_format, open_journal, read_state


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/d/j"), STORAGE_FULL,
         "/d/j: no space left on device; free some space"),
        (OSError(errno.EACCES, "Permission denied", b"/d/j"), STORAGE_READONLY,
         "/d/j: permission denied; run the gateway as the user who owns it"),
        (OSError(errno.EIO, "Input/output error"), STORAGE_IO,
         "input/output error; look at the medium: tidegate check says more"),
        (apsw.CorruptError("malformed"), STORAGE_CORRUPT, "SQLite says: malformed"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_file_and_the_remedy(error, kind, detail):
    found = storage_error(error)
    assert (found.kind, found.detail) == (kind, detail)


def test_a_data_folder_that_is_a_file_is_told_as_that(tmp_path):
    path = tmp_path / "data"
    path.write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        open_journal(path, ["main"], limit_bytes=20_000_000)
    assert caught.value.detail == f"{path}: file exists; name another folder in node.data"


@pytest.mark.parametrize("look", [read_state, journal_format, StoredQuarantine, read_identity])
def test_a_folder_that_cannot_be_looked_into_is_told_as_that(tmp_path, look):
    # Too long a name stands for a folder of somebody else's, whom root does not meet.
    with pytest.raises(StorageError) as caught:
        look(tmp_path / ("x" * 300))
    assert "file name too long" in caught.value.detail
