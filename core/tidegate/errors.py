"""Kinds of failure that the core tells apart.

Our own bugs are `AssertionError` and `ValueError` and stop the program.  A peer's fault is a
`ProtocolError`: the exchange ends, the program goes on.  A refusal of the world (disk, network,
power) is caught by the adapter that met it; a journal raises it as `StorageError`, and the
engine turns that into an event on which the gateway decides.
"""


class ProtocolError(Exception):
    """Report bytes or fields from a peer that break the protocol.

    `reason` is a short fixed word for programs (`"bad-checksum"`), `detail` a sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


STORAGE_FULL = "full"  # No room: back off, keep uploading, try again when room was made.
STORAGE_IO = "io"  # The medium refused a write or a flush: what was not synced is unknown.
STORAGE_READONLY = "readonly"  # The file system no longer takes writes.
STORAGE_CORRUPT = "corrupt"  # What is stored cannot be what was written.


class StorageError(Exception):
    """Report that a journal could not do what it was asked; `kind` is one of `STORAGE_*`."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"
