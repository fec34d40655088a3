"""A VFS that passes everything on to the operating system and writes down what reaches the medium.

Only what decides about a power cut is recorded: which file was made, written, cut, synced, deleted.
WAL needs shared memory, which a VFS in Python cannot offer, so a connection on it must be in
`locking_mode=EXCLUSIVE`; the bytes written are the same.
"""

from pathlib import Path

import apsw

CREATE, WRITE, TRUNCATE, SYNC, DELETE, MARK = (
    "create",
    "write",
    "truncate",
    "sync",
    "delete",
    "mark",
)
_LASTING = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Recorder(apsw.VFS):
    """Writes down operations as (kind, file name, …) in `operations`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations: list[tuple] = []
        super().__init__(name, "")

    def mark(self, what: object) -> None:
        """Write down where in the operations something happened outside the files."""
        self.operations.append((MARK, "", what))

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's name.
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not flags[0] & _LASTING:
            return apsw.VFSFile("", name, flags)
        known = Path(path).exists()
        file = RecordedFile(name, flags, self.operations)
        if not known:
            self.operations.append((CREATE, Path(path).name))
        return file

    def xDelete(self, filename, syncdir):  # noqa: N802
        super().xDelete(filename, syncdir)
        self.operations.append((DELETE, Path(filename).name, syncdir))


class RecordedFile(apsw.VFSFile):
    def __init__(self, name, flags, operations):
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._operations = operations
        self._name = Path(path).name

    def xWrite(self, data, offset):  # noqa: N802
        super().xWrite(data, offset)
        self._operations.append((WRITE, self._name, offset, bytes(data)))

    def xTruncate(self, newsize):  # noqa: N802
        super().xTruncate(newsize)
        self._operations.append((TRUNCATE, self._name, newsize))

    def xSync(self, flags):  # noqa: N802
        super().xSync(flags)
        self._operations.append((SYNC, self._name))
