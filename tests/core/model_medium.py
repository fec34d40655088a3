"""A medium for segments in memory: what was not synced is at the mercy of a crash.

`ModelFlash` is what outlives a power cut, `ModelMedium` what a program has open on it.  A cut keeps
of what was appended and not synced as many bytes as `chance` says, perhaps none, perhaps garbage.
"""

from tidegate.errors import STORAGE_IO, StorageError


class ModelFlash:
    """What is on the flash; `reads` and `read_bytes` count what was read of it."""

    def __init__(self, capacity_bytes=1 << 40):
        self.synced = {}
        self.aside = {}
        self.capacity_bytes = capacity_bytes
        self.reads = 0
        self.read_bytes = 0

    def open(self):
        return ModelMedium(self)


class ModelMedium:
    """The port `Medium`."""

    def __init__(self, flash):
        self.flash = flash
        self.pending = {}
        self._is_closed = False

    def segments(self):
        return [(number, len(data)) for number, data in self.flash.synced.items()]

    def append(self, number, data):
        self._check()
        self.pending[number] = self.pending.get(number, b"") + bytes(data)

    def sync(self, number):
        self._check()
        data = self.pending.pop(number, b"")
        self.flash.synced[number] = self.flash.synced.get(number, b"") + data

    def read(self, number, at, size_bytes):
        self._check()
        self.flash.reads += 1
        data = self.flash.synced[number][at : at + size_bytes]
        self.flash.read_bytes += len(data)
        return data

    def remove(self, number):
        self._check()
        self.flash.synced.pop(number, None)
        self.pending.pop(number, None)

    def set_aside(self, number):
        self._check()
        self.flash.aside[number] = self.flash.synced.pop(number)

    def free_bytes(self):
        self._check()
        return max(
            0, self.flash.capacity_bytes - sum([len(data) for data in self.flash.synced.values()])
        )

    def close(self):
        self.pending = {}
        self._is_closed = True

    def cut(self, kept_share, garbage=b""):
        """Lose power: of what is not synced the first bytes are kept, then comes `garbage`."""
        for number, data in self.pending.items():
            kept = data[: int(len(data) * kept_share)] + garbage
            if kept:
                self.flash.synced[number] = self.flash.synced.get(number, b"") + kept
        self.close()

    def _check(self):
        if self._is_closed:
            raise StorageError(STORAGE_IO, "the medium is closed")
